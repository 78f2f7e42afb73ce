"""Validate, plan, drift: what compares and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing_as_code import diff, nearby
from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code.catalog import Catalog, load_all
from billing_as_code.catalog import load as load_catalog
from billing_as_code.catalog.validation import fits
from billing_as_code.collecting import uncollected
from billing_as_code.config import Config
from billing_as_code.errors import UsageError
from billing_as_code.kinds import EVERY
from billing_as_code.kinds.base import Context
from billing_as_code.live import Progress
from billing_as_code.model import Address, Change, State
from billing_as_code.plan import Plan
from billing_as_code.planschema import plan_schema
from billing_as_code.service.session import Session
from billing_as_code.service.touching import Changed, changed_since


def validate(config: Config, environment: str | None = None) -> list[Catalog]:
    """The catalog as each environment sees it, or as one does. Raises CatalogError with every problem."""
    with uncollected():
        if environment is not None:
            return [load_catalog(config.catalog, environment, config.environments)]
        return list(load_all(config.catalog, config.environments).values())


def plan(
    session: Session,
    *,
    only: Sequence[str] = (),
    replaced: Sequence[str] = (),
    gap: bool = False,
    since: str | None = None,
    progress: Progress = lambda done, known: None,
) -> Plan:
    """Compare the catalog with what is live. Changes nothing. Raises CatalogError, ApiError, PlanError.

    With `since`, a commit, only what the catalog says otherwise than there is compared and read, with what it depends
    on and what follows.
    """
    if since is not None and only:
        raise UsageError("--changed-since says by itself what the plan is about, and so does --only")
    with uncollected():
        if since is None:
            desired, live = both_sides(session, progress)
            return compared(session, desired, live, only, replaced, gap)
        desired = load_desired(session)
        changed = changed_since(session, since, desired)
        if not changed.since.whole:
            return _plan_part(session, desired, changed, replaced, gap, progress)
        return replace(
            compared(session, desired, _live(session, desired, progress), (), replaced, gap), since=changed.since
        )


def _plan_part(
    session: Session, desired: State, changed: Changed, replaced: Sequence[str], gap: bool, progress: Progress
) -> Plan:
    """The plan of what changed; nothing else is read than what that needs."""
    asked = _asked(replaced, desired)
    rules, context, roots = rules_of(session, asked), context_of(session, desired, {}, gap=gap), changed.roots | asked

    def judge(live: State, looked: frozenset[Address]) -> Mapping[Address, Change]:
        part = plans.Part(changed.since, roots, looked)
        return plans.judged(desired, live, session.every, rules, replace(context, live=live), part=part)[0].changes

    width = session.environment.reads
    live, looked = nearby.read(session.client, session.kinds, desired, roots, judge, width=width, progress=progress)
    unseen = sum(1 for address in desired if address not in looked)
    part = plans.Part(changed.since._replace(looked_at=len(looked), unseen=unseen), roots, looked)
    context = replace(context, live=live)
    return plans.build(desired, live, session.every, session.target, rules, context, part=part)


def both_sides(session: Session, progress: Progress = lambda done, known: None) -> tuple[State, State]:
    """What the catalog says, and what is live. Raises CatalogError, ApiError."""
    desired = load_desired(session)
    return desired, _live(session, desired, progress)


def _live(session: Session, desired: State, progress: Progress) -> State:
    width = session.environment.reads
    return live_state.read(session.client, session.kinds, width=width, progress=progress, like=desired)


def load_desired(session: Session) -> State:
    """What the catalog says for the session's environment; the session keeps it. Raises CatalogError."""
    catalog = load_catalog(session.config.catalog, session.environment.name, session.config.environments, session.kinds)
    # without what was written where: that is half of the memory, and nobody asks a session for it
    session.catalog = replace(catalog, entries={})
    return catalog.desired


def drift(session: Session, *, progress: Progress = lambda done, known: None) -> Plan:
    """What is live and not as the catalog says: the plan that would mend it."""
    return plan(session, progress=progress)


def compared(
    session: Session,
    desired: State,
    live: State,
    only: Sequence[str] = (),
    replaced: Sequence[str] = (),
    gap: bool = False,
    edits: tuple[plans.Edit, ...] = (),
    removed: frozenset[Address] = frozenset(),
) -> Plan:
    """The plan from one state to another, which was made with `edits`, and deletes what is `removed` though nobody
    declares it. Raises PlanError, UsageError."""
    rules = replace(rules_of(session, _asked(replaced, desired)), removed=removed)
    context = context_of(session, desired, live, gap=gap)
    return plans.build(desired, live, session.every, session.target, rules, context, only, edits=edits)


def rules_of(session: Session, replaced: frozenset[Address] = frozenset()) -> diff.Rules:
    """How the session's catalog is compared; `replaced` are addresses to be replaced though nothing forces it."""
    config = session.config
    return diff.Rules(config.owner, config.ignore, frozenset(config.exclusive), replaced, formerly=config.formerly)


def context_of(session: Session, desired: State, live: State, *, gap: bool = False) -> Context:
    """What comparing and compiling may look at, before anything is known to change."""
    return Context(session.config.owner, live, desired, {}, gap, session.now())


def _asked(replaced: Sequence[str], desired: State) -> frozenset[Address]:
    """The addresses that --replace names. Raises UsageError."""
    found: set[Address] = set()
    for text in replaced:
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise UsageError(f"--replace {text}: no address; write one like entitlements.acme.ai_tokens") from error
        if address not in desired:
            raise UsageError(f"--replace {text}: the catalog has no such address")
        found.add(address)
    return frozenset(found)


def saved(text: str) -> Plan:
    """The plan that a file holds. Raises UsageError where it holds none, or one that was changed by hand into one that
    nobody can carry out."""
    made = plans.load(text)
    if not all(map(_whole, made.changes)) or not fits(plan_schema(), made.json):
        raise UsageError("this is no plan file of bac (bac plan --out FILE makes one)")
    return made


def _whole(change: Change) -> bool:
    """Whether the specs of a change have a value for each field of its kind; an external one has none."""
    kind = EVERY.get(change.address.kind)
    sizes = {len(r.spec) for r in (change.before, change.after) if r is not None}
    return kind is None or sizes <= {len(kind.fields), *([0] if change.action == "update" else [])}
