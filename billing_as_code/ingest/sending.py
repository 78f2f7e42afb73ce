"""Batches of events to OpenMeter, some under way at a time, until each event is accepted or refused.

A batch whose answer was lost is sent again: each event has an id, and OpenMeter takes an id once (where it
deduplicates, else only within what it stores at a time). OpenMeter refuses a batch whole; then the event that it names
is taken out, or the batch is halved, until what is refused is found.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock

from billing_as_code.client import OpenMeter
from billing_as_code.errors import ApiError
from billing_as_code.ingest.events import Event, Refusal, Tally
from billing_as_code.ingest.sent import Sent

PATH = "/api/v1/events"
BATCH = "application/cloudevents-batch+json"
LARGEST = 500_000
"""Bytes of a batch from which on no more is put into it: proxies often take no more than a megabyte."""
_REFUSED = (400, 413, 422)
"""Statuses that say something about the events; any other is about the server or who asks."""
_HOPELESS = 50
"""Events refused, with none accepted, from which on the rest is not tried."""
_NAMED = re.compile(r'Error at "/(\d+)[/"]')


def batches(events: Iterable[Event | None], size: int) -> Iterator[list[Event]]:
    """The events in groups of at most `size`, fewer where they are large; an empty one for each None."""
    batch: list[Event] = []
    weight = 0
    for event in events:
        if event is None:
            yield []
            continue
        if batch and (len(batch) >= size or weight + len(event.body) > LARGEST):
            yield batch
            batch, weight = [], 0
        batch.append(event)
        weight += len(event.body) + 1
    if batch:
        yield batch


class Sender:
    """Sends to one OpenMeter, at most `width` requests at a time, half as many from each time that it is asked to slow
    down. Counts in `tally`, and what was accepted is remembered in `sent` at once."""

    def __init__(self, client: OpenMeter, width: int, sent: Sent, tally: Tally) -> None:
        self._client, self._width, self._sent, self._tally = client, width, sent, tally
        self._lock = Lock()
        self._refusals: list[Refusal] = []
        self._refused_in_all = 0

    def send(self, groups: Iterable[Sequence[Event]]) -> Iterator[list[Refusal]]:
        """Send all groups. Yields what was refused, whenever something was answered or a group is empty.

        Raises ApiError for what is not about the events. However it ends, what is under way is let finish and counted.
        """
        client, slowed = self._client, self._client.slowed
        client.slowed = self._slow_down
        under_way: set[Future[None]] = set()
        try:
            with ThreadPoolExecutor(self._width) as pool:
                for group in groups:
                    if not group:
                        yield self._taken()
                        continue
                    under_way.add(pool.submit(self._settle, group))
                    while len(under_way) >= self._width:
                        under_way = yield from self._finished(under_way)
                while under_way:
                    under_way = yield from self._finished(under_way)
        except ApiError:
            yield self._taken()
            raise
        finally:
            client.slowed = slowed

    def _finished(self, under_way: set[Future[None]]) -> Generator[list[Refusal], None, set[Future[None]]]:
        done, left = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        yield self._taken()
        return left

    def _taken(self) -> list[Refusal]:
        with self._lock:
            taken, self._refusals = self._refusals, []
        return taken

    def _slow_down(self) -> None:
        with self._lock:
            if self._width > 1:
                self._width //= 2
                self._tally.halved += 1

    def _settle(self, group: Sequence[Event]) -> None:
        """Send a batch until each of its events is accepted or refused."""
        left = [list(group)]
        while left:
            part = left.pop()
            try:
                self._client.deliver(PATH, b"[" + b",".join(event.body for event in part) + b"]", BATCH)
            except ApiError as error:
                if error.status not in _REFUSED:
                    raise
                left += self._refused(part, error)
            else:
                with self._lock:
                    self._tally.requests += 1
                    self._tally.accepted += len(part)
                    self._sent.add(part)

    def _refused(self, part: list[Event], error: ApiError) -> list[list[Event]]:
        """What is left of a batch that was refused, as batches to be sent."""
        named = _NAMED.search(error.detail)
        at = 0 if len(part) == 1 else int(named[1]) if named is not None and int(named[1]) < len(part) else None
        with self._lock:
            self._tally.requests += 1
            if at is None:
                middle = len(part) // 2
                return [part[middle:], part[:middle]]
            self._tally.refused += 1
            self._refusals.append(Refusal(part[at].line, f"OpenMeter refuses it: {_reason(error)}"))
            self._refused_in_all += 1
            if not self._tally.accepted and self._refused_in_all >= _HOPELESS:
                raise error
        rest = part[:at] + part[at + 1 :]
        return [rest] if rest else []


def _reason(error: ApiError) -> str:
    """OpenMeter's own words, without where in the batch it stood."""
    if error.status == 413:
        return "413, larger than the server or a proxy before it takes"
    text = error.detail.removeprefix("request body has an error: ").removeprefix("doesn't match schema: ")
    text = _NAMED.sub('Error at "/', text)
    return f"{error.status} {text}"
