"""The values of this room: an event, a line that is refused, and how a run stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """A line that is not sent, or that OpenMeter refused. `line` counts from 1, and is 0 for an event from flags."""

    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return self.message + (f" ({self.remedy})" if self.remedy else "")


class Event(NamedTuple):
    """An event that may be sent.

    `body` is its JSON. `key` stands for its source and id, `content` for all of the rest: 64 bits of a hash each.
    `data` is None where it has none; `ignored` are attributes beside it that OpenMeter does not look at.
    """

    line: int
    id: str
    type: str
    subject: str
    data: dict[str, Any] | None
    body: bytes
    key: int
    content: int
    ignored: tuple[str, ...] = ()


class Warned(NamedTuple):
    """Something about events that OpenMeter takes and does not count, or not for anybody. `events` is how many."""

    message: str
    events: int
    remedy: str = ""

    def __str__(self) -> str:
        return self.message + (f" ({self.remedy})" if self.remedy else "")


@dataclass
class Tally:
    """How a run stands: events by what became of them, and the requests that took them there.

    `repeated` were in the input twice under one id, `already` had been accepted by an earlier run, and lines up to
    `already_to` hold nothing else. `first` and `last_id` are the first event's JSON and the last one's id. `halved` is
    how often OpenMeter asked to slow down.
    """

    line: int = 0
    accepted: int = 0
    refused: int = 0
    repeated: int = 0
    already: int = 0
    already_to: int = 0
    requests: int = 0
    halved: int = 0
    first: bytes | None = None
    last_id: str = ""
    warnings: list[Warned] = field(default_factory=list)
