"""The command that feeds usage: ingest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import click

from billing_as_code.cli import options, view
from billing_as_code.cli.group import INTERRUPTED, tell
from billing_as_code.cli.interrupting import orderly
from billing_as_code.errors import EXIT_ERROR, EXIT_PARTLY, BacError, UsageError

if TYPE_CHECKING:
    from billing_as_code.service import Feed, Refusal

_MOST_SHOWN = 50
_MOST_KEPT = 1000


@click.command(
    short_help="Send usage events.",
    epilog=options.examples(
        "bac ingest usage.ndjson",
        "bac ingest usage.csv --type prompt --map time=ts --map subject=customer --map data.tokens=tokens",
        "bac ingest --type prompt --subject acme --data '{\"tokens\": 5}'",
        "producer | bac ingest - --env production --json",
    ),
)
@click.argument("file", required=False)
@options.env
@click.option("--format", "kind", type=click.Choice(("ndjson", "csv")), help="What FILE is; else told by its name.")
@click.option(
    "--map",
    "columns",
    metavar="FIELD=COLUMN",
    multiple=True,
    help="CSV: id, source, type, subject, time or data.NAME is this column; data.NAME:text where it is never a number. "
    "Repeatable.",
)
@click.option("--type", "event_type", metavar="TYPE", help="The type of events that have none.")
@click.option("--subject", metavar="SUBJECT", help="The subject of events that have none.")
@click.option("--source", metavar="SOURCE", help="The source of events that have none.  [default: bac-ingest]")
@click.option("--time", metavar="TIME", help="The time of events that have none: now, RFC 3339, or seconds since 1970.")
@click.option("--id", "event_id", metavar="ID", help="Without FILE: the event's id; else made.")
@click.option("--data", metavar="JSON", help="Without FILE: the event's data, a JSON object.")
@click.option("--batch", type=click.IntRange(1, 1000), default=100, show_default=True, help="Events in a request.")
@click.option("--strict", is_flag=True, help="Send nothing where any line is wrong.")
@click.option("--again", is_flag=True, help="Send what was accepted before once more.")
@click.option("--dry-run", is_flag=True, help="Check everything and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON, and nothing else.")
@click.pass_context
def ingest(
    ctx: click.Context,
    file: str | None,
    env: str | None,
    kind: Literal["ndjson", "csv"] | None,
    columns: tuple[str, ...],
    event_type: str | None,
    subject: str | None,
    source: str | None,
    time: str | None,
    event_id: str | None,
    data: str | None,
    batch: int,
    strict: bool,
    again: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send usage events: CloudEvents from NDJSON or CSV, - for a pipe, or one from flags.

    Lines that OpenMeter would refuse are told and left out, the others are sent (exit code 3; 1 where none was).
    Events get ids that are the same each time, and what was accepted of a file is remembered: run again, it goes on
    where it stopped and sends nothing twice.
    """
    from billing_as_code import service
    from billing_as_code.service import Feed

    if file is None:
        if columns or kind is not None:
            raise UsageError("--map and --format speak of a FILE")
        feed = Feed(event=_event(event_type, subject, event_id), data=data, source=source, time=time)
    else:
        if event_id is not None or data is not None:
            raise UsageError("--id and --data make one event without a FILE; a file's events have their own")
        feed = Feed(
            path=None if file == "-" else Path(file),
            stream=_pipe(file),
            format=kind,
            columns=columns,
            type=event_type,
            subject=subject,
            source=source,
            time=time,
        )
    config = options.configuration()
    told = _Told(feed, dry_run=dry_run, as_json=as_json)
    with service.open_session(config, options.chosen(config, env)) as session:
        run = service.ingest(
            session, feed, told.tally, told.refused, batch=batch, strict=strict, again=again, dry_run=dry_run
        )
        ctx.exit(told.follow(run))


def _event(event_type: str | None, subject: str | None, event_id: str | None) -> dict[str, Any]:
    """The event of flags alone. Raises UsageError."""
    if event_type is None or subject is None:
        raise UsageError("say what to send: a FILE, - for a pipe, or one event with --type and --subject")
    return {"type": event_type, "subject": subject, "id": event_id}


def _pipe(file: str) -> IO[bytes] | None:
    """What is read once and has no end that is known: stdin, a named pipe, a shell's `<(command)`."""
    if file == "-":
        return sys.stdin.buffer
    path = Path(file)
    return path.open("rb") if path.is_fifo() or path.is_char_device() else None


def _nothing() -> None:
    """Nothing is shown yet that would have to be cleared."""


class _Told:
    """What is printed of a run, while it goes on and when it has ended."""

    def __init__(self, feed: Feed, *, dry_run: bool, as_json: bool) -> None:
        from billing_as_code.service import Tally

        self.tally = Tally()
        self.interrupted = False
        self._feed, self._dry_run, self._as_json = feed, dry_run, as_json
        self._refusals: list[Refusal] = []
        self._goes_on = False
        self._clear: Callable[[], None] = _nothing

    @property
    def begun(self) -> bool:
        """Whether anything has been sent."""
        return self.tally.requests > 0

    def refused(self, refusal: Refusal) -> None:
        """A line that is not sent."""
        from billing_as_code.render import ingest as rendered

        if len(self._refusals) < _MOST_KEPT:
            self._refusals.append(refusal)
            if not self._as_json and len(self._refusals) <= _MOST_SHOWN:
                self._clear()
                click.echo(rendered.refusal(self._feed.name, refusal), err=True)

    def follow(self, run: Iterator[None]) -> int:
        """Go through with it; the exit code."""
        from billing_as_code.render import ingest as rendered

        error: BacError | None = None
        try:
            with orderly(self), options.progress("Reading what is metered") as shown:
                self._clear = shown.clear
                for _ in run:
                    shown.say(rendered.current(self.tally))
                    self._tell_where_it_goes_on()
                    if self.interrupted:
                        shown.say("Stopping: requests that are under way are let finish")
                        run.close()  # type: ignore[attr-defined]
                        break
        except KeyboardInterrupt:
            if not self.begun:
                raise
            self.interrupted = True
        except BacError as failed:
            if not (self.begun or self._refusals):
                raise
            error = failed
        return self._end(error)

    def _tell_where_it_goes_on(self) -> None:
        if self.begun and self.tally.already_to and not (self._goes_on or self._as_json):
            self._goes_on = True
            self._clear()
            told = f"Going on after line {self.tally.already_to:,}: what stands before was accepted earlier."
            options.stdout().text([told])

    def _end(self, error: BacError | None) -> int:
        from billing_as_code.render import ingest as rendered

        tally, dry_run = self.tally, self._dry_run
        if (more := tally.refused - _MOST_SHOWN) > 0 and not self._as_json:
            click.echo(f"... and {more:,} more", err=True)
        if error is not None:
            tell(error)
        stopped = error is not None or self.interrupted
        if self._as_json:
            ended = {"interrupted": self.interrupted, "error": str(error) if error is not None else None}
            ended |= {"dry_run": dry_run, "id": tally.last_id if self._feed.event is not None else None}
            view.print_json(rendered.outcome_json(tally, self._refusals, self._feed.name, **ended))
        else:
            options.stdout().lines(rendered.outcome(tally, self._feed.name, dry_run=dry_run, stopped=stopped))
            if self._feed.event is not None and tally.accepted and not dry_run:
                options.stdout().text([f"Its id: {tally.last_id}"])
            if stopped and self._feed.path is not None:
                click.echo("Next: the same command goes on from there", err=True)
        if not (stopped or tally.refused):
            return 0
        return EXIT_PARTLY if tally.accepted or tally.already else INTERRUPTED if self.interrupted else EXIT_ERROR
