"""Check, apply, resume, abandon: what carries a plan out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from billing_as_code import executor, safety
from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code.closing import Closing, follows_touched
from billing_as_code.errors import Refused, StalePlan
from billing_as_code.journal import Journal
from billing_as_code.live import Progress
from billing_as_code.model import Address, Event, State
from billing_as_code.plan import Plan
from billing_as_code.service.session import Outcome, Session, uncollected

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
        raise Refused(
            f"{session.environment.name} applies reviewed plans only (require_approval). "
            f"Give the reviewed plan's intent: --expect-intent {plan.intent[:12]}"
        )
    limits = session.config.limits
    safety.check(
        plan,
        deletes=limits.deletes,
        changed_share=limits.changed_share,
        allow_breaking=allow_breaking,
        force=force,
    )


# -- apply -----------------------------------------------------------------------------------------


def apply(session: Session, plan: Plan, *, progress: Progress = lambda done, known: None) -> Iterator[Event]:
    """Carry a plan out, and nothing else; what became of it is in `session.outcome`.

    Raises, before anything is written: Refused where the plan is for another target, another apply runs or one died;
    StalePlan where a resource that it touches has changed.
    """
    _same_target(session, plan)
    if not plan.changes:
        return
    with session.runs.lock(session.target.url):
        session.runs.refuse_unfinished(session.target.url)
        live = _read(session, plan, progress)
        if differences := plans.stale(plan, live, session.kinds):
            raise StalePlan(differences)
        journal = session.runs.begin(plan.dump(), plan.digest, session.target.url)
        yield from _run(session, plan, live, journal)


def resume(session: Session, *, progress: Progress = lambda done, known: None) -> Iterator[Event]:
    """Finish the apply that died. What it had not touched must be as the plan saw it, or as it made it."""
    with session.runs.lock(session.target.url):
        journal, text = session.runs.resume(session.target.url)
        try:
            plan = plans.load(text)
            live = _resumable(session, plan, journal, progress)
        except BaseException:
            journal.close()  # without an end: it can be resumed once more
            raise
        yield from _run(session, plan, live, journal)


def _resumable(session: Session, plan: Plan, journal: Journal, progress: Progress) -> State:
    """What is live. Raises Refused or StalePlan where the run that died cannot be finished from there."""
    _same_target(session, plan)
    live = _read(session, plan, progress)
    touched = {name.partition("#")[0] for name, _ in {*journal.done, *journal.doubtful}}
    closing, after = _closing(session, live), {str(c.address): c for c in plan.changes}
    differences = [
        (address, how)
        for address, how in plans.stale(plan, live, session.kinds)
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
        return session.runs.abandon(session.target.url)


def _same_target(session: Session, plan: Plan) -> None:
    if plan.target != session.target:
        made, now = plan.target, session.target
        raise Refused(
            f"the plan was made for {made.environment} ({made.url}, owner {made.owner}), "
            f"this is {now.environment} ({now.url}, owner {now.owner}). Plan again for this one"
        )


def _read(session: Session, plan: Plan, progress: Progress) -> State:
    names = {c.address.kind for c in plan.changes} | {Address.parse(a).kind for a in plan.base}
    kinds = live_state.closure(names, session.kinds)
    with uncollected():
        return live_state.read(session.client, kinds, width=session.environment.reads, progress=progress)


def _run(session: Session, plan: Plan, live: State, journal: Journal) -> Iterator[Event]:
    outcome = session.outcome = Outcome()
    lanes = executor.Lanes(session.environment.wide, session.environment.narrow)
    args = (session.client, session.kinds)
    try:
        yield from executor.execute(plan, *args, live, journal, lanes, outcome.tally, session.now)
        yield from _close(session, plan, lanes)
    except (GeneratorExit, KeyboardInterrupt):
        journal.end("interrupted")  # what was sent has been answered, so the next plan sees all of it
        raise
    except BaseException:
        journal.close()  # without an end: it can be resumed
        raise
    finally:
        outcome.halved = lanes.halved
    journal.end("done" if outcome.whole else "partly")


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
        mends, args = replace(plan, changes=mending, base={}), (session.client, session.kinds)
        yield from executor.execute(mends, *args, closing.live, Journal(), lanes, second, session.now)
        outcome.loose += [(str(a), why) for a, why in second.failed.items()]
        closing = _closing(session, _read(session, plan, lambda a, b: None))
    not_so = "was written, and is not as declared. Plan again"
    outcome.loose += [(str(c.address), not_so) for c in done if not closing.is_after(c)]


def _closing(session: Session, live: State) -> Closing:
    return Closing(live, session.kinds, session.target.owner, session.now(), session.config.formerly)
