"""Who owns what is live, and taking over what carries another owner's label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from billing_as_code import diff
from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code.catalog import load as load_catalog
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.collecting import uncollected
from billing_as_code.errors import UsageError
from billing_as_code.kinds.base import Context
from billing_as_code.live import Progress
from billing_as_code.model import Address, Resource, State
from billing_as_code.plan import Plan
from billing_as_code.service.session import Session


@dataclass(frozen=True, slots=True)
class Takeover:
    """What carries the label of another owner: `plan` relabels what can be relabelled.

    `fixed` are those whose label OpenMeter cannot change, `undeclared` those that the catalog does not declare (or
    declares external): taken over, the next plan would delete them, so they are left alone. Both by address.
    """

    former: str
    plan: Plan
    fixed: tuple[Address, ...]
    undeclared: tuple[Address, ...]


def owners(session: Session, *, progress: Progress = lambda done, known: None) -> dict[str, dict[str, int]]:
    """How many live resources of each kind carry whose label; the owners by name. Raises ApiError."""
    with uncollected():
        live = live_state.read(session.client, session.kinds, width=session.environment.reads, progress=progress)
    found: dict[str, Counter[str]] = {}
    for resource in live.values():
        if resource.owner is not None and session.kinds[resource.address.kind].counts(resource):
            found.setdefault(resource.owner, Counter())[resource.address.kind] += 1
    return {name: {kind: found[name][kind] for kind in session.kinds if found[name][kind]} for name in sorted(found)}


def take_over(
    session: Session,
    former: str,
    *,
    only: Sequence[str] = (),
    progress: Progress = lambda done, known: None,
) -> Takeover:
    """What would be relabelled from `former` to our owner, and what would stay. Changes nothing.

    `only` narrows it to some addresses and all below them. Raises UsageError where nothing carries that label,
    CatalogError, ApiError, PlanError.
    """
    config = session.config
    if former == config.owner:
        raise UsageError(f"--from {former}: that is the owner in bac.yaml, so all of it is yours already")
    with uncollected():
        desired = load_catalog(config.catalog, session.environment.name, config.environments, session.kinds).desired
        live = live_state.read(session.client, session.kinds, width=session.environment.reads, progress=progress)
        theirs = _carrying(former, live, session, only)
        declared = {a: r for a, r in theirs.items() if a in desired and not desired[a].external}
        # as they are live: what else the catalog says of them is the next plan's business
        taken = {
            a: Resource(a, r.spec, protect=r.protect)
            for a, r in declared.items()
            if not session.kinds[a.kind].labels_fixed
        }
        rules = diff.Rules(config.owner, prune=False, formerly=frozenset({former}))
        context = Context(config.owner, live, taken, {}, False, session.now())
        made = plans.build(taken, live, session.kinds, session.target, rules, context)
    fixed = tuple(sorted(a for a in declared if a not in taken))
    return Takeover(former, made, fixed, tuple(sorted(a for a in theirs if a not in declared)))


def _carrying(former: str, live: State, session: Session, only: Sequence[str]) -> State:
    theirs = {a: r for a, r in live.items() if r.owner == former and session.kinds[a.kind].counts(r)}
    if not theirs:
        known = {r.owner for r in live.values() if r.owner is not None} - {session.config.owner}
        others = f"other owners here: {', '.join(sorted(known))}" if known else "no other owner has anything here"
        raise UsageError(
            f"--from {former}: nothing in {session.environment.name} carries that label "
            f"({Spelling(known).remedy(former) or others})"
        )
    if unknown := [scope for scope in only if not any(plans.within(str(a), scope) for a in theirs)]:
        raise UsageError("; ".join(f"--only {scope}: nothing there carries the label {former}" for scope in unknown))
    return {a: r for a, r in theirs.items() if not only or any(plans.within(str(a), scope) for scope in only)}
