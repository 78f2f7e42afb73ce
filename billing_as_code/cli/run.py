"""The command that writes: apply."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from billing_as_code.cli import options, view
from billing_as_code.cli.group import INTERRUPTED, tell
from billing_as_code.cli.interrupting import orderly
from billing_as_code.errors import EXIT_PARTLY, EXIT_STALE, BacError, Refused, UsageError

if TYPE_CHECKING:
    from billing_as_code.model import Address, Event
    from billing_as_code.plan import Plan
    from billing_as_code.service import Session

_MOST_LINES = 200
Start: TypeAlias = "Callable[..., Iterator[Event]]"
"""What starts a run, given `progress` for its reads."""


@click.command(
    short_help="Carry out a plan, saved or made now.",
    epilog=options.examples(
        "bac apply",
        "bac apply plan.json --yes",
        "bac apply --env production --expect-intent 3f2a91bc0d4e",
        "bac apply --approved 3f2a91bc0d4e",
        "bac apply --resume",
    ),
)
@click.argument("file", metavar="[PLAN]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@options.env
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow-breaking", is_flag=True, help="Apply breaking changes too.")
@click.option(
    "--force", type=int, metavar="N", help="Go beyond the limits of bac.yaml; N is the number of changes meant."
)
@options.changing
@click.option("--resume", is_flag=True, help="Finish an apply that died.")
@click.option("--abandon", is_flag=True, help="Give up an apply that died; the next plan starts from what is live.")
@click.option(
    "--expect-intent", metavar="DIGEST", help="Apply, unasked, what was reviewed under this intent, or nothing."
)
@click.option("--approved", metavar="DIGEST", help="Apply the proposal of this digest, which somebody approved.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON, and nothing else.")
@click.pass_context
def apply(
    ctx: click.Context,
    file: Path | None,
    env: str | None,
    yes: bool,
    allow_breaking: bool,
    force: int | None,
    only: tuple[str, ...],
    replaced: tuple[str, ...],
    gap: bool,
    since: str | None,
    resume: bool,
    abandon: bool,
    expect_intent: str | None,
    approved: str | None,
    as_json: bool,
) -> None:
    """Carry out a plan: one that was saved, or one made now and shown first.

    Writes nothing where what the plan touches has changed since it was made (exit code 4), or where it goes beyond what
    was allowed (5). What fails stops only what depends on it (3); planning again shows what is left.
    """
    from billing_as_code import service

    _agree(file is not None, bool(only or replaced or gap or since is not None), resume, abandon, approved is not None)
    config = options.configuration()
    made = options.saved(file) if file is not None else None
    name = env if env is not None or made is None else made.target.environment
    environment = options.chosen(config, name)
    with service.open_session(config, environment) as session:
        if abandon:
            given_up = service.abandon(session)
            flag = options.env_flag(config, environment)
            options.stdout().text([f"Given up: {given_up}. Next: bac plan{flag}"])
            return
        if resume:
            ctx.exit(carry_out(session, partial(service.resume, session), as_json=as_json))
        if approved is not None:
            made = service.proposal(session, service.meant(session, approved)).plan
            _preview(made, known=True, as_json=as_json)
            start = partial(service.apply_approved, session, made.digest)
            ctx.exit(carry_out(session, start, plan=made, as_json=as_json))
        if made is None:
            with options.reading(environment) as progress:
                made = service.plan(session, only=only, replaced=replaced, gap=gap, since=since, progress=progress)
        _preview(made, known=file is not None and (yes or expect_intent is not None), as_json=as_json)
        if made.changes:
            service.check(session, made, allow_breaking=allow_breaking, force=force, intent=expect_intent)
            if not yes and expect_intent is None:
                _ask(made)
        start = partial(service.apply, session, made, intent=expect_intent)
        ctx.exit(carry_out(session, start, plan=made, as_json=as_json))


def _agree(saved: bool, making: bool, resume: bool, abandon: bool, approved: bool) -> None:
    """Raises UsageError where flags say two things at once about which plan is meant."""
    if saved and making:
        raise UsageError("--only, --replace, --gap and --changed-since make a plan; the plan file is made already")
    if approved and (saved or making or resume or abandon):
        raise UsageError("--approved says by itself which plan is meant")
    if resume + abandon + (saved or making) > 1:
        raise UsageError("--resume and --abandon speak of the apply that died, and take no plan")


def _preview(made: Plan, *, known: bool, as_json: bool) -> None:
    """The plan, in short where it was looked at before."""
    from billing_as_code.render import text

    if not as_json:
        options.stdout().lines(text.summary(made) if known else text.plan(made))


def _ask(made: Plan) -> None:
    """Raises Refused where the answer is not yes, or where there is nobody to ask."""
    from billing_as_code.render.terminal import watched

    if not (sys.stdin.isatty() and watched(sys.stdout, os.environ)):
        raise Refused(
            "nothing was written: there is nobody to ask (no terminal, or CI). If it is meant: bac apply --yes"
        )
    number = len(made.changes)
    what = "this change" if number == 1 else f"these {number:,} changes"
    answer = click.prompt(
        f"\nApply {what} to {made.target.environment}? Type yes to go on", default="", show_default=False
    )
    if answer.strip() != "yes":
        raise Refused("the answer was not yes, so nothing was written")


# -- while it runs ----------------------------------------------------------------------------------------------------


class _Watch:
    """What has been seen of a run: which changes began and which ended."""

    def __init__(self) -> None:
        self.begun: set[Address] = set()
        self.ended: set[Address] = set()
        self.interrupted = False
        self.broken = False

    def see(self, event: Event) -> None:
        if event.address is not None:
            (self.begun if event.status == "started" else self.ended).add(event.address)

    @property
    def under_way(self) -> int:
        return len(self.begun - self.ended)


def carry_out(session: Session, start: Start, *, plan: Plan | None = None, as_json: bool) -> int:
    """Start a run and follow it to its end; the exit code."""
    watch = _Watch()
    try:
        with orderly(watch):
            _follow(start, watch, plan, quiet=as_json)
    except KeyboardInterrupt:
        if not watch.begun:
            raise
        watch.interrupted = True
    except BacError as error:
        if not watch.begun:
            raise
        watch.broken = True
        tell(error)
    return _told_json(session, watch, plan) if as_json else _told(session, watch, plan)


def _follow(start: Start, watch: _Watch, plan: Plan | None, *, quiet: bool) -> None:
    from billing_as_code.render import progress
    from billing_as_code.render.terminal import watched

    actions = progress.actions(plan) if plan is not None else {}
    everything = not watched(sys.stderr, os.environ) or len(actions) <= _MOST_LINES
    checking = "Checking that nothing has changed"
    with options.progress(checking) as shown:
        events = start(progress=lambda done, known: shown.say(f"{checking}: {done}/{known} requests"))
        for event in events:
            watch.see(event)
            last = event.status == "done" and event.done == event.total
            shown.say("Reading back what was written" if last else progress.current(event, actions))
            line = progress.event(event)
            if line is not None and not quiet and (everything or event.status != "done"):
                shown.clear()
                options.stdout().lines([line])
            if watch.interrupted:
                shown.say("Stopping: requests that are under way are let finish")
                close: Any = getattr(events, "close", None)
                close()
                return


# -- when it has ended ------------------------------------------------------------------------------------------------


def _code(session: Session, watch: _Watch) -> int:
    tally = session.outcome.tally
    if watch.interrupted:
        return EXIT_PARTLY if watch.begun else INTERRUPTED
    if session.outcome.whole and not watch.broken:
        return 0
    only_stale = (
        not (tally.done or watch.broken) and set(tally.failed) == set(tally.stale) and not session.outcome.loose
    )
    return EXIT_STALE if only_stale else EXIT_PARTLY


def _told(session: Session, watch: _Watch, plan: Plan | None) -> int:
    from billing_as_code.render import progress

    outcome, code = session.outcome, _code(session, watch)
    tally = outcome.tally
    if plan is not None and not plan.changes:
        return code
    lines = progress.outcome(
        done=len(tally.done),
        failed=len(tally.failed),
        blocked=len(tally.blocked),
        loose=outcome.loose,
        halved=outcome.halved,
    )
    options.stdout().lines(lines)
    flag = options.env_flag(session.config, session.environment)
    if watch.interrupted:
        left = f", {watch.under_way:,} under way were let finish" if watch.under_way else ""
        said = f"interrupted after {len(tally.done):,} changes{left}. The rest was not begun."
        click.echo(f"{said} Next: bac plan{flag} shows what is left", err=True)
    elif watch.broken:
        said = "error: the apply broke off. Next: bac apply --resume"
        click.echo(f"{said}{flag} finishes it, --abandon gives it up", err=True)
    elif code:
        click.echo(f"error: not everything was applied. Next: bac plan{flag} shows what is left", err=True)
    return code


def _told_json(session: Session, watch: _Watch, plan: Plan | None) -> int:
    tally = session.outcome.tally
    view.print_json(
        {
            "digest": plan.digest if plan is not None else None,
            "intent": plan.intent if plan is not None else None,
            "done": [str(a) for a in tally.done],
            "failed": {str(a): text for a, text in tally.failed.items()},
            "blocked": [str(a) for a in tally.blocked],
            "not_as_declared": dict(session.outcome.loose),
            "interrupted": watch.interrupted,
        }
    )
    return _code(session, watch)
