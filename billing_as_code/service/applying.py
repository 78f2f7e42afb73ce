"""Check, apply, resume, abandon: what carries a plan out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from billing_as_code import executor, safety
from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code.closing import Closing, follows_touched
from billing_as_code.collecting import uncollected
from billing_as_code.errors import GateRefused, Refused, StalePlan
from billing_as_code.journal import Journal
from billing_as_code.live import Progress
from billing_as_code.model import Address, Event, State
from billing_as_code.plan import Plan
from billing_as_code.service.session import Outcome, Session
from billing_as_code.service.using import Use, check_approved, note_given_up

# -- may it be applied -----------------------------------------------------------------------------


def check(
    session: Session, plan: Plan, *, allow_breaking: bool = False, force: int | None = None, intent: str | None = None
) -> None:
    """Whether a plan may be applied. Raises Refused, ChangedIntent.

    `intent` is that of a reviewed plan: an equal one needs nothing else. `force` is the number of existing resources
    that the plan changes, typed by whoever means it.
    """
    if intent is not None:
        safety.check_intent(plan, intent)
        return
    if session.environment.require_approval:
        check_approved(session, plan)
        return
    limits = session.config.limits
    safety.check(
        plan,
        deletes=limits.deletes,
        changed_share=limits.changed_share,
        allow_breaking=allow_breaking,
        force=force,
    )


# -- apply -----------------------------------------------------------------------------------------


def apply(
    session: Session,
    plan: Plan,
    *,
    by_approval: bool = False,
    intent: str | None = None,
    progress: Progress = lambda done, known: None,
) -> Iterator[Event]:
    """Carry a plan out, and nothing else; what became of it is in `session.outcome`. A proposal's edits stand in the
    catalog's files then. With `by_approval` that of an approver is used, which counts once. An environment that
    requires approval uses one whoever calls, but for a plan whose `intent` was reviewed.

    Raises, before anything is written: Refused where the plan is for another target, another apply runs or one died;
    ChangedIntent where it is not the reviewed one; StalePlan where a resource that it touches has changed; GateRefused
    where its approval does not count.
    """
    _same_target(session, plan)
    if not (plan.changes or plan.edits):
        return
    if intent is not None:
        safety.check_intent(plan, intent)
    by_approval = by_approval or (session.environment.require_approval and intent is None)
    with session.runs.lock(session.target.url):
        session.runs.refuse_unfinished(session.target.url)
        use = Use(session, plan, by_approval=by_approval)
        use.rehearse()
        live = _read(session, plan, progress)
        if differences := plans.stale(plan, live, session.every):
            raise StalePlan(differences)
        journal = session.runs.begin(plan.dump(), plan.digest, session.target.url)
        try:
            use.begin()
        except GateRefused:
            journal.end("refused")
            raise
        except BaseException:
            journal.close()  # without an end: it can be resumed, where its approval was used
            raise
        yield from _run(session, plan, live, journal, use)


def resume(session: Session, *, progress: Progress = lambda done, known: None) -> Iterator[Event]:
    """Finish the apply that died. What it had not touched must be as the plan saw it, or as it made it."""
    with session.runs.lock(session.target.url):
        journal, text = session.runs.resume(session.target.url)
        try:
            plan = plans.load(text)
            live = _resumable(session, plan, journal, progress)
            use = Use.resumed(session, plan)
            use.begin()
        except BaseException:
            journal.close()  # without an end: it can be resumed once more
            raise
        yield from _run(session, plan, live, journal, use)


def _resumable(session: Session, plan: Plan, journal: Journal, progress: Progress) -> State:
    """What is live. Raises Refused or StalePlan where the run that died cannot be finished from there."""
    _same_target(session, plan)
    live = _read(session, plan, progress)
    touched = {name.partition("#")[0] for name, _ in {*journal.done, *journal.doubtful}}
    closing, after = _closing(session, live), {str(c.address): c for c in plan.changes}
    differences = [
        (address, how)
        for address, how in plans.stale(plan, live, session.every)
        if address not in touched
        and not (address in after and closing.is_after(after[address]))
        and not follows_touched(plan, address, touched)
    ]
    if differences:
        raise StalePlan(differences)
    return live


def abandon(session: Session) -> Path:
    """Give up the apply that died; the next plan starts from what is live."""
    with session.runs.lock(session.target.url):
        given_up, digest = session.runs.abandon(session.target.url)
        note_given_up(session, digest)
        return given_up


def _same_target(session: Session, plan: Plan) -> None:
    if plan.target != session.target:
        made, now = plan.target, session.target
        raise Refused(
            f"the plan was made for {made.environment} ({made.url}, owner {made.owner}), "
            f"this is {now.environment} ({now.url}, owner {now.owner}). Plan again for this one"
        )


def _read(session: Session, plan: Plan, progress: Progress) -> State:
    names = {c.address.kind for c in plan.changes} | {Address.parse(a).kind for a in plan.base}
    kinds = {n: kind for n, kind in live_state.closure(names, session.every).items() if n in session.kinds}
    beside = [c.after for c in plan.changes if c.after is not None and c.address.kind not in session.kinds]
    with uncollected():
        live = live_state.read(session.client, kinds, width=session.environment.reads, progress=progress)
        return live | live_state.bearing(session.client, session.every, beside, live)


def _run(session: Session, plan: Plan, live: State, journal: Journal, use: Use) -> Iterator[Event]:
    outcome = session.outcome = Outcome()
    lanes = executor.Lanes(session.environment.wide, session.environment.narrow)
    args = (session.client, session.every)
    try:
        yield from executor.execute(plan, *args, live, journal, lanes, outcome.tally, session.now)
        yield from _close(session, plan, lanes)
    except (GeneratorExit, KeyboardInterrupt):
        _end(use, journal, outcome, "interrupted")  # what was sent has been answered, so the next plan sees all of it
        raise
    except BaseException:
        journal.close()  # without an end: it can be resumed
        raise
    finally:
        outcome.halved = lanes.halved
    _end(use, journal, outcome, "done" if outcome.whole else "partly")


def _end(use: Use, journal: Journal, outcome: Outcome, how: str) -> None:
    """The run ends last: whoever dies before it resumes it."""
    try:
        use.end(outcome, how)
        journal.end(how)
    finally:
        journal.close()


def _close(session: Session, plan: Plan, lanes: executor.Lanes) -> Iterator[Event]:
    """The closing read: a 2xx proves little. What landed twice is voided, what was not carried is, the rest is told."""
    finished, outcome = set(session.outcome.tally.done), session.outcome
    done = [c for c in plan.changes if c.address in finished]
    if not done:
        return
    closing = _closing(session, _read(session, plan, lambda a, b: None))
    if mending := closing.mends(finished):
        second = executor.Tally()
        yield Event(None, "note", f"{len(mending)} to be made whole: a lost answer had left something twice or undone")
        mends, args = replace(plan, changes=mending, base={}), (session.client, session.every)
        yield from executor.execute(mends, *args, closing.live, Journal(), lanes, second, session.now)
        outcome.loose += [(str(a), why) for a, why in second.failed.items()]
        closing = _closing(session, _read(session, plan, lambda a, b: None))
    not_so = "was written, and is not as declared. Plan again"
    outcome.loose += [(str(c.address), not_so) for c in done if not closing.is_after(c)]


def _closing(session: Session, live: State) -> Closing:
    return Closing(live, session.every, session.target.owner, session.now(), session.config.formerly)
