"""Ingest: usage events from a file, a pipe or flags to OpenMeter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

from billing_as_code.errors import ApiError, UsageError
from billing_as_code.ingest import known, sources
from billing_as_code.ingest.checking import NOW, SOURCE, Checker, Defaults, instant
from billing_as_code.ingest.counting import Watch
from billing_as_code.ingest.events import Event, Refusal, Tally, Warned
from billing_as_code.ingest.sending import Sender, batches
from billing_as_code.ingest.sent import Sent, looked_up, nowhere, remembered
from billing_as_code.model import Json
from billing_as_code.service.session import Session

_PAUSE = 10_000
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Feed:
    """What is to be ingested: the file at `path`, else a pipe (`stream`, of which `path` is the name), else one `event`
    with `data` as JSON.

    `format` is guessed where None; `columns` are the `FIELD=COLUMN` of a CSV file. `type`, `subject` and `source` are
    for events that have none of their own, `time` as well ("now", or a time; None: each has its own).
    """

    path: Path | None = None
    stream: IO[bytes] | None = None
    event: dict[str, Any] | None = None
    data: str | None = None
    format: Literal["ndjson", "csv"] | None = None
    columns: tuple[str, ...] = ()
    type: str | None = None
    subject: str | None = None
    source: str | None = None
    time: str | None = None

    @property
    def name(self) -> str:
        return str(self.path) if self.path is not None else "stdin" if self.stream is not None else ""

    @property
    def is_file(self) -> bool:
        return self.stream is None and self.event is None

    @property
    def is_table(self) -> bool:
        if self.format is not None:
            return self.format == "csv"
        return self.path.suffix.lower() in _TABLES if self.path is not None else bool(self.columns)


def ingest(
    session: Session,
    feed: Feed,
    tally: Tally,
    refused: Callable[[Refusal], None],
    *,
    batch: int = 100,
    strict: bool = False,
    again: bool = False,
    dry_run: bool = False,
) -> Iterator[None]:
    """Send the events of a feed: what becomes of them is in `tally`, and `refused` is called for each that is not sent.

    Yields whenever OpenMeter has answered; closed then, it lets finish what is under way. `strict` sends nothing where
    a line is wrong, `again` forgets what earlier runs sent, `dry_run` sends nothing and counts what would be accepted.
    Raises UsageError, ApiError, and Refused where the same file is being sent already.
    """
    if strict and feed.stream is not None:
        raise UsageError("--strict looks at all lines before it sends one, and a pipe is read only once: give a file")
    defaults = _defaults(feed)
    watch = Watch(known.meters(session.client))
    with _remembered(session, feed, again=again, dry_run=dry_run) as sent:
        run = _Run(feed, lambda: Checker(defaults, session.now, live=not feed.is_file), sent, watch, tally, refused)
        if strict and run.is_wrong():
            return
        groups = batches(run.events(), batch)
        if dry_run:
            for group in groups:
                tally.accepted += len(group)
                tally.requests += bool(group)
                yield
        else:
            for refusals in Sender(session.client, session.environment.wide, sent, tally).send(groups):
                for refusal in refusals:
                    refused(refusal)
                yield
    tally.warnings += _warnings(session, watch)


def _defaults(feed: Feed) -> Defaults:
    """What holds for all events of a feed. Raises UsageError where it cannot be read as it says."""
    if feed.columns and not feed.is_table:
        raise UsageError("--map is for CSV: say --format csv where the file's name does not end in .csv")
    if feed.is_file:
        _opened(feed).close()
    time = instant(feed.time) if feed.time is not None else NOW if feed.event is not None else None
    return Defaults(feed.type, feed.subject, feed.source or SOURCE, time)


def _warnings(session: Session, watch: Watch) -> Iterator[Warned]:
    """What is to be told of the events, which have been accepted by now: nothing that fails here is a failure."""
    customers = None
    if watch.subjects:
        try:
            customers = known.subjects(session.client)
        except ApiError as error:
            yield Warned(f"no subject was compared with the customers: {error}", sum(watch.subjects.values()))
    yield from watch.warnings(customers)


def _remembered(session: Session, feed: Feed, *, again: bool, dry_run: bool) -> AbstractContextManager[Sent]:
    """What was accepted of the feed before. A pipe is another one each time, so nothing is remembered of it."""
    if not feed.is_file or feed.path is None or (again and dry_run):
        return nullcontext(nowhere())
    where = (session.config.state / "ingest", feed.path, session.target.url)
    return nullcontext(looked_up(*where)) if dry_run else remembered(*where, again=again)


def _opened(feed: Feed) -> IO[bytes]:
    if feed.stream is not None:
        return feed.stream
    if feed.path is None:
        return BytesIO()
    try:
        return feed.path.open("rb")
    except OSError as error:
        raise UsageError(f"{feed.path}: {error.strerror}") from error


class _Run:
    """One input on its way: each line is read, checked and counted."""

    def __init__(
        self,
        feed: Feed,
        checker: Callable[[], Checker],
        sent: Sent,
        watch: Watch,
        tally: Tally,
        refused: Callable[[Refusal], None],
    ) -> None:
        self._feed, self._checker, self._sent = feed, checker, sent
        self._watch, self._tally, self._refused = watch, tally, refused

    def is_wrong(self) -> bool:
        """Whether a line would be refused; tells of each that would. Reads all of them."""
        for _ in self._fresh():
            pass
        return self._tally.refused > 0

    def events(self) -> Iterator[Event | None]:
        """The events to be sent; None now and then where there are none for long."""
        for event in self._fresh():
            if event is None:
                yield None
                continue
            if self._tally.first is None:
                self._tally.first = event.body
            self._tally.last_id = event.id
            self._watch.see(event)
            yield event

    def _fresh(self) -> Iterator[Event | None]:
        """The events that are neither wrong nor accepted before, and None every ten thousand lines."""
        checker, tally = self._checker(), self._tally
        tally.already = 0
        contiguous = True
        with _opened(self._feed) as stream:
            for line, found in _found(self._feed, stream):
                tally.line = line
                if line % _PAUSE == 0:
                    yield None
                event = found if isinstance(found, Refusal) else checker.check(line, found)
                if event is None:
                    tally.repeated = checker.repeated
                    continue
                if isinstance(event, Event):
                    event = self._unless_sent(event)
                if isinstance(event, Refusal):
                    tally.refused += 1
                    self._refused(event)
                elif event is None:
                    tally.already += 1
                    tally.already_to = line if contiguous else tally.already_to
                else:
                    contiguous = False
                    yield event

    def _unless_sent(self, event: Event) -> Event | Refusal | None:
        before = self._sent.content(event)
        if before is None:
            return event
        if before == event.content:
            return None
        said = f"id {event.id[:60]!r} was accepted before with other content, and OpenMeter keeps the first"
        return Refusal(event.line, said, "give it another id")


def _found(feed: Feed, stream: IO[bytes]) -> Iterator[tuple[int, Json | Refusal]]:
    """What stands on each line, or why that cannot be known."""
    if feed.event is not None:
        return iter([(0, _with_data(feed.event, feed.data))])
    return sources.table(stream, feed.name, feed.columns) if feed.is_table else sources.ndjson(stream)


def _with_data(event: dict[str, Any], data: str | None) -> Json:
    if data is None:
        return event
    try:
        return {**event, "data": sources.parse(data)}
    except sources.NotJson as error:
        return Refusal(0, f"--data {error}", 'such as {"tokens": 5}')
