"""The parts in which ClickHouse stores events, as far as they show in answers.

The sink writes what arrived together as one part per month (`PARTITION BY toYYYYMM(time)`), sorted by type,
subject and hour. Two threads read: one the newer half of the parts, the other the older half, each in the order
of time; where nothing else decides, what the first thread read comes first. That order settles ties: which of two
values of the same second is the latest, and how events of the same second are listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .store import Store

# The sink flushes what came in within this time as one batch; copies in one batch are stored once.
FLUSH_SECONDS = 1

_MONTH_SHIFT = 32
_RANK_SHIFT = 30
_NEWER = 1 << 29


def part_of(time: int, flush: int) -> int:
    """The part for an event's month and flush; parts sort as ClickHouse sorts them."""
    moment = datetime.fromtimestamp(time, UTC)
    return (moment.year * 12 + moment.month - 1) << _MONTH_SHIFT | flush


def reading_order(parts: Sequence[int]) -> dict[int, int]:
    """The place of each part in the order in which they are read."""
    listed = sorted(set(parts))
    older = len(listed) // 2
    return {part: place for place, part in enumerate(listed[older:] + listed[:older])}


def parts_read(store: Store, start: int, subjects: Sequence[str] | None) -> list[int]:
    """The parts that a list of events since `start` reads, whether or not an event of theirs is in it.

    A part is left out by its times, or by its subjects where all its events are of one type (the primary key).
    """
    rows = store.all(
        "SELECT part, min(type) <> max(type) AS mixed, min(subject) AS low, max(subject) AS high"
        " FROM events WHERE time >= ? GROUP BY part",
        [start],
    )
    return [
        row["part"]
        for row in rows
        if subjects is None or row["mixed"] or any(row["low"] <= subject <= row["high"] for subject in subjects)
    ]


def newer_parts(store: Store, where: str, parameters: Sequence[Any]) -> int:
    """The first of the parts that are read first, among those that hold events of the condition."""
    parts = [row[0] for row in store.all(f"SELECT DISTINCT part FROM events WHERE {where} ORDER BY part", parameters)]
    return parts[len(parts) // 2] if parts else 0


def latest_rank_sql(newer: int) -> str:
    """An SQL expression that is greatest for the event that `argMax(value, time)` takes.

    The latest second wins; within one, the first that was read.
    """
    return f"(time << {_RANK_SHIFT}) + (part >= {newer}) * {_NEWER} - seq"


def time_of_rank(rank: int) -> int:
    """The time of the event behind a rank."""
    return (rank + _NEWER) >> _RANK_SHIFT
