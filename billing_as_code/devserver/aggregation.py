"""What a meter makes of its events: the seven aggregations, and the windows of time (no database here).

Rules are those of ClickHouse as OpenMeter asks it (openmeter/streaming/clickhouse/meter_query.go). A state is
what is known of a group of events; states of parts of a group combine, so that the database can do the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache


@dataclass(frozen=True)
class MeterDefinition:
    """What of a meter decides its values."""

    event_type: str
    aggregation: str
    value_property: str | None = None
    group_by: Mapping[str, str] = field(default_factory=dict)
    event_from: datetime | None = None


@dataclass
class State:
    """What is known of a group of events: their span in Unix seconds, and enough to tell the value."""

    first: int
    last: int
    count: int = 0
    total: float | None = None
    counted: int = 0
    least: float | None = None
    greatest: float | None = None
    latest: float | None = None
    latest_rank: int | None = None
    texts: set[str] = field(default_factory=set)

    def merge(self, other: State) -> None:
        """Take in the state of another part of the same group."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        if other.total is not None:
            self.total = other.total if self.total is None else self.total + other.total
        self.counted += other.counted
        if other.least is not None and (self.least is None or other.least < self.least):
            self.least = other.least
        if other.greatest is not None and (self.greatest is None or other.greatest > self.greatest):
            self.greatest = other.greatest
        if other.latest_rank is not None and (self.latest_rank is None or other.latest_rank > self.latest_rank):
            self.latest, self.latest_rank = other.latest, other.latest_rank
        self.texts |= other.texts

    def value(self, aggregation: str) -> float | None:
        """The value; None is SQL's NULL, for which OpenMeter shows no row."""
        match aggregation:
            case "SUM":
                return self.total
            case "COUNT":
                return float(self.count)
            case "AVG":
                return None if self.total is None else self.total / self.counted
            case "MIN":
                return self.least
            case "MAX":
                return self.greatest
            case "LATEST":
                return self.latest
            case "UNIQUE_COUNT":
                return float(len(self.texts))
        raise ValueError(f"invalid aggregation type: {aggregation}")


def nothing() -> State:
    """The state of no events at all; ClickHouse's minimum and maximum of no times is the epoch."""
    return State(first=0, last=0)


def minute_floor(seconds: int) -> int:
    return seconds // 60 * 60


def bucket_seconds(size: str, zone: tzinfo) -> int:
    """A length that every window of this size in this zone is a multiple of, to group by in the database."""
    if size == "MINUTE":
        return 60
    if zone is UTC:
        return 3600 if size == "HOUR" else 86400
    return 900


@lru_cache(maxsize=65536)
def window(seconds: int, size: str, zone: tzinfo) -> tuple[int, int]:
    """The window that holds a time: start (inclusive) and end (exclusive), in Unix seconds."""
    if size == "MINUTE":
        start = minute_floor(seconds)
        return start, start + 60
    local = datetime.fromtimestamp(seconds, zone)
    if size == "HOUR":
        offset = int((local.utcoffset() or timedelta(0)).total_seconds())
        start = (seconds + offset) // 3600 * 3600 - offset
        return start, start + 3600
    if size == "DAY":
        day = local.date()
        return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    if size == "MONTH":
        month = local.date().replace(day=1)
        following = (month + timedelta(days=31)).replace(day=1)
        return _midnight(month, zone), _midnight(following, zone)
    raise ValueError(f"invalid window size type: {size}")


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def as_number(value: float) -> int | float:
    """The number as Go writes a float64 in JSON: whole ones without a fraction, in their shortest digits."""
    return int(Decimal(repr(value))) if value == int(value) and abs(value) < 1e21 else value


def plain_text(value: float) -> str:
    """The value as Go's FormatFloat(value, 'f', -1, 64): shortest digits, never an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.removesuffix(".0")


def utc(seconds: int) -> datetime:
    """A time in UTC from Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def unix(time: datetime) -> int:
    """Whole Unix seconds, cut as Go's Time.Unix does."""
    return int(time.timestamp() // 1)
