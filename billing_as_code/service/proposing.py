"""Proposals: plans that are kept for review, and how they stand. `reviewing` says how all of it fits together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing_as_code import live as live_state
from billing_as_code.collecting import uncollected
from billing_as_code.errors import GateRefused, UsageError
from billing_as_code.gate import edits
from billing_as_code.gate.passage import approved
from billing_as_code.gate.proposals import LIFE, About, Proposal
from billing_as_code.gate.repository import Repository
from billing_as_code.live import Progress
from billing_as_code.model import Address, Json, State, digest
from billing_as_code.plan import Plan, unwritten
from billing_as_code.service.declaring import as_edits, asked_of, declare, edited
from billing_as_code.service.planning import compared, load_desired
from billing_as_code.service.pulling import FileChange
from billing_as_code.service.session import Session
from billing_as_code.service.using import known_approvers

MOST_WHY = 2_000
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


# -- propose ---------------------------------------------------------------------------------------


def propose(
    session: Session,
    asked: Sequence[Mapping[str, Json]] = (),
    *,
    onto: str | None = None,
    alone: bool = False,
    why: str = "",
    progress: Progress = lambda done, known: None,
) -> Proposal:
    """Plan the catalog with edits laid over it, and keep the plan for review. OpenMeter and the files stay as they are.

    `asked` is a list of {address, spec}: a whole resource as YAML would write it, or None to take it out. Without any,
    the catalog is proposed as it stands. `onto` is the digest of a proposal that nobody has decided on: the new one
    holds its edits as well and takes its place. With `alone`, only what is edited changes (and what that depends on),
    whatever else the catalog is ahead of OpenMeter. `why` is shown to the reviewer as the proposer's words.

    The same proposal twice is one. Where there is nothing to do, the plan has no changes and nothing is kept. Raises
    CatalogError (an edit's problem names its address), PlanError, ApiError, Refused where too many are open, and
    GateRefused where `onto` is not open.
    """
    below = _below(session, onto) if onto is not None else None
    wanted = edits.laid_over(asked_of(below.plan) if below else {}, edits.parse(asked, session.every))
    is_alone = alone and (below is None or bool(below.plan.scope))
    made = planned(session, wanted, [str(a) for a in wanted] if is_alone else (), progress=progress)
    if below is not None:
        made = replace(made, onto=below.digest)
        if below.state == "superseded" and made.changes and made.digest != below.superseded_by:
            approved(below)  # the same call once more is the proposal that it has made; another one is not
    also = sorted({below.about.by, *below.about.also_by} - {session.who}) if below is not None else ()
    return propose_plan(session, made, why=why, also_by=also)


def propose_plan(
    session: Session,
    made: Plan,
    *,
    why: str = "",
    replaced: Sequence[str] = (),
    gap: bool = False,
    also_by: Sequence[str] = (),
) -> Proposal:
    """Keep a plan for review; where it has no changes and no edits, nothing is kept. Raises as `propose` does.

    `replaced` and `gap` are what it was made with (see `plan`), since it is made once more before it is approved.
    `also_by` are the others who proposed what it holds.
    """
    same_target(session, made)
    until = session.seconds + LIFE
    about = About(
        session.who,
        why[:MOST_WHY],
        session.seconds,
        until,
        replaced=tuple(replaced),
        gap=gap,
        also_by=tuple(also_by),
    )
    _refuse_unmergeable(session, made)
    changed = declare(session, made)  # what the files cannot say is no proposal
    if not (made.changes or changed):
        return Proposal(made, about, "open")
    # what was applied before and is wanted once more is another proposal, since an approval counts once
    while session.proposals.is_claimed(made.digest) or session.proposals.has_ended(made.digest):
        made = replace(made, onto=made.digest)
    is_new = made.digest not in session.proposals.digests()
    if is_new and session.environment.propose == "git" and changed:
        about = replace(about, branch=_to_branch(session, made, about, changed))
    session.proposals.add(made, about)
    if is_new:
        args = digest({"edits": [e._asdict() for e in made.edits], "why": why})
        session.note("proposed", digest=made.digest, changes=len(made.changes), edits=len(made.edits), args=args)
    return session.proposals.get(made.digest, known_approvers(session))


def _refuse_unmergeable(session: Session, made: Plan) -> None:
    """Raises GateRefused where only what is merged is applied, and a part of a plan stands in no file."""
    found = unwritten(made, session.kinds) if session.environment.propose == "git" else []
    if found:
        raise GateRefused(
            "read_only",
            f"{session.environment.name} is changed by what is merged (propose: git), and no file says {found[0]}",
            "Have it done in OpenMeter itself, or where proposals are applied",
            made.digest,
        )


def _below(session: Session, text: str) -> Proposal:
    """The proposal that another one goes onto. Raises GateRefused where that cannot be, or has not been: one that is
    part of another already may be what this very call has made of it."""
    found = proposal(session, text)
    same_target(session, found.plan)
    if found.state in ("open", "superseded"):
        return found
    if found.state == "approved":
        raise GateRefused(
            "approval_required",
            f"{found.digest[:12]} is approved already, and another change would need another approval",
            "Apply it first, and then propose without `onto`",
            found.digest,
        )
    approved(found)
    raise AssertionError(found.state)


def planned(
    session: Session,
    wanted: Mapping[Address, Json],
    scope: Sequence[str],
    *,
    replaced: Sequence[str] = (),
    gap: bool = False,
    progress: Progress,
) -> Plan:
    """The plan of the catalog with edits laid over it, and of what no catalog has that they ask for."""
    with uncollected():
        before = load_desired(session)
        strays = frozenset(a for a, spec in wanted.items() if spec is None and _is_stray(session, a, before))
        laid = {address: spec for address, spec in wanted.items() if address not in strays}
        desired = edited(session, laid).desired if laid else before
        live = live_state.read(session.client, session.kinds, width=session.environment.reads, progress=progress)
        beside = [desired[address] for address in wanted if address in desired and address.kind not in session.kinds]
        live |= live_state.bearing(session.client, session.every, beside, live)
        made = compared(session, desired, live, scope, replaced, gap, as_edits(wanted, before), strays)
        return _telling(made, session)


def _is_stray(session: Session, address: Address, declared: State) -> bool:
    """Whether what an edit takes out can only be live: then it is deleted there, where its kind allows that."""
    return address not in declared and session.every[address.kind].deleted_unowned


def _telling(made: Plan, session: Session) -> Plan:
    """The plan without the edits that no file would hold and that change nothing: what they ask for is so already."""
    changed = {str(change.address) for change in made.changes}
    idle = {address for address in unwritten(made, session.kinds) if address not in changed}
    if not idle:
        return made
    kept = tuple(edit for edit in made.edits if edit.address not in idle)
    return replace(made, edits=kept, scope=tuple(s for s in made.scope if s not in idle))


def _to_branch(session: Session, made: Plan, about: About, changed: Sequence[FileChange]) -> str:
    """A commit with the edits on a branch of its own, for a pull request; its name."""
    repository = Repository.around(session.config.root)
    if repository is None:
        raise UsageError(f"{session.environment.name} proposes through git, and {session.config.root} is no repository")
    if repository.is_changed(session.config.catalog):
        raise UsageError(
            f"the catalog has changes that are not committed, and would be part of the proposal. Commit them first: "
            f"{session.config.catalog}"
        )
    branch = f"bac/{made.digest[:12]}"
    repository.commit(branch, {f.path: f.after for f in changed}, _message(made, about))
    return branch


def _message(made: Plan, about: About) -> str:
    """A commit message: what is edited, the proposer's words, and which plan it belongs to."""
    names = [e.address for e in made.edits]
    first = names[0] if len(names) == 1 else f"{len(names)} resources"
    rows = [f"{'take out' if e.spec is None else 'declare'} {e.address}" for e in made.edits]
    words = [f"{about.by} says: {' '.join(about.why.split())}", ""] if about.why else []
    tail = [f"Bac-Environment: {made.target.environment}", f"Bac-Digest: {made.digest}", f"Bac-Intent: {made.intent}"]
    lines = [f"Propose {first} for {made.target.environment}", "", *rows, "", *words, *tail, ""]
    return "\n".join(map(_printable, lines))


def _printable(text: str) -> str:
    """On one line, with what nobody sees or what turns the writing direction as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


# -- look ------------------------------------------------------------------------------------------


def proposals(session: Session) -> list[Proposal]:
    """All proposals for the session's environment, oldest first, and how they stand. No decision counts where there
    are no approvers."""
    found = session.proposals.all(known_approvers(session))
    return [p for p in found if p.plan.target == session.target]


def tampered(session: Session) -> list[str]:
    """Digests of proposals, of any environment, whose plan is not what it was; they are in no list."""
    return session.proposals.tampered()


def proposal(session: Session, text: str) -> Proposal:
    """One proposal, by its whole digest. Raises GateRefused where there is none, or where it is not what it was."""
    match = _DIGEST.fullmatch(text.strip())
    if match is None:
        raise GateRefused(
            "plan_unknown", "that is no digest: it has 64 hexadecimal digits", "Propose, and take the digest from there"
        )
    return session.proposals.get(match[1], known_approvers(session))


def meant(session: Session, text: str) -> str:
    """The digest of the proposal that a person means by its first eight digits or more. Raises UsageError."""
    return session.proposals.meant(text)


def files(session: Session, plan: Plan) -> list[FileChange]:
    """What a proposal's edits would make of the catalog's files. Raises GateRefused, CatalogError, PlanError."""
    return declare(session, plan)


def same_target(session: Session, plan: Plan) -> None:
    """Raises GateRefused (wrong_target) where a plan is for another target than the session's."""
    if plan.target != session.target:
        made, now = plan.target, session.target
        raise GateRefused(
            "wrong_target",
            f"{plan.digest[:12]} was proposed for {made.environment} ({made.url}, owner {made.owner}), "
            f"and this is {now.environment} ({now.url}, owner {now.owner})",
            "Propose for this one",
            plan.digest,
        )
