"""Instants, intervals and the grids that they make, as OpenMeter counts them.

Everything is UTC. A canonical instant is RFC 3339 text with a trailing Z; a canonical interval is `day`, `week`,
`month`, `year` or ISO 8601 text in one spelling, so that `P7D` and `week` are equal.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
INSTANT = rf"^{_DATE}T{_TIME}(Z|[+-][0-9]{{2}}:[0-9]{{2}})$"
_ISO = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_DAYS = "(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
_HOURS = "(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"
INTERVAL = rf"^(day|week|month|year|P{_DAYS}{_HOURS})$"


class Interval(NamedTuple):
    """A calendar part in months and an exact part in seconds."""

    months: int
    seconds: int


DAY = 86_400
WORDS = {
    "day": Interval(0, DAY),
    "week": Interval(0, 7 * DAY),
    "month": Interval(1, 0),
    "year": Interval(12, 0),
}
_NAMES = {interval: word for word, interval in WORDS.items()}
_remembered = lru_cache(maxsize=4096)  # the same few texts stand on tens of thousands of resources


def parse_instant(text: str) -> datetime:
    """The instant of an RFC 3339 text; ValueError where it names no real one (30 February)."""
    # knows microseconds, as OpenMeter does, and cuts off what is finer
    return datetime.fromisoformat(text).astimezone(UTC)


def instant(when: datetime) -> str:
    """Canonical text; the fraction only where there is one, without trailing zeros."""
    text = when.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


@_remembered
def canonical_instant(text: str) -> str:
    return instant(parse_instant(text))


@_remembered
def canonical_minute(text: str) -> str:
    """OpenMeter cuts anchors and a grant's start to the minute, whatever was sent."""
    return instant(to_minute(parse_instant(text)))


def to_minute(when: datetime) -> datetime:
    """Cut to the minute, as OpenMeter cuts."""
    return when.replace(second=0, microsecond=0)


def parse_interval(text: str) -> Interval:
    """The interval of a word or an ISO text; ValueError where it is neither."""
    word = WORDS.get(text.lower())
    if word is not None:
        return word
    match = _ISO.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(text)
    years, months, weeks, days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    return Interval(12 * years + months, (weeks * 7 + days) * DAY + hours * 3600 + minutes * 60 + seconds)


def seconds(interval: Interval) -> float:
    """How long it is, as far as months are alike."""
    return interval.months * 30.436875 * DAY + interval.seconds


@_remembered
def canonical_interval(text: str) -> str:
    """The one spelling of an interval: `P7D` is `week`. ValueError where it is none."""
    interval = parse_interval(text)
    return _NAMES.get(interval) or iso_interval(interval)


def iso_interval(interval: Interval) -> str:
    days, rest = divmod(interval.seconds, DAY)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    years, months = divmod(interval.months, 12)
    date = f"{years}Y" * bool(years) + f"{months}M" * bool(months) + f"{days}D" * bool(days)
    time = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{seconds}S" * bool(seconds)
    return f"P{date}T{time}" if time else f"P{date or '0D'}"


def interval_to_wire(text: str) -> str:
    """OpenMeter takes its four words in capitals, and ISO text as it is."""
    return text.upper() if text in WORDS else text


def add(when: datetime, interval: Interval, times: int = 1) -> datetime:
    """`when` and `times` intervals; a day that the month lacks becomes its last (pkg/datetime AddMonthsNoOverflow)."""
    if interval.months:
        month = when.year * 12 + when.month - 1 + interval.months * times
        year, month = divmod(month, 12)
        day = min(when.day, calendar.monthrange(year, month + 1)[1])
        when = when.replace(year=year, month=month + 1, day=day)
    return when + timedelta(seconds=interval.seconds * times)


def next_on_grid(anchor: datetime, interval: Interval, after: datetime, *, inclusive: bool = False) -> datetime:
    """The first point of the grid after `after` (or at it, where inclusive)."""
    approximate = seconds(interval)
    n = int((after - anchor).total_seconds() // approximate) - 1
    while True:
        point = add(anchor, interval, n)
        if point > after or (inclusive and point == after):
            return point
        n += 1


def on_grid(anchor: datetime, interval: Interval, when: datetime) -> bool:
    return next_on_grid(anchor, interval, when, inclusive=True) == when


def expiry(start: datetime, duration: str, count: int) -> datetime:
    """When a grant ends; a month or year lets a missing day overflow into the next month (Go's AddDate)."""
    match duration:
        case "hour":
            return start + timedelta(hours=count)
        case "day":
            return start + timedelta(days=count)
        case "week":
            return start + timedelta(weeks=count)
        case "month" | "year":
            months = count * (12 if duration == "year" else 1)
            year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
            return start.replace(year=year, month=month + 1, day=1) + timedelta(days=start.day - 1)
    raise ValueError(duration)


class Term(NamedTuple):
    """A grant's start and the expiration (a number of units of `duration`) that gives it an end."""

    start: datetime
    duration: str
    units: int

    @property
    def end(self) -> datetime:
        return expiry(self.start, self.duration, self.units)


MOST_UNITS = 1000  # OpenMeter takes a count from 1 to 1000
_EXACT = {"hour": 3600, "day": DAY, "week": 7 * DAY}
_CALENDAR = {"month": 1, "year": 12}


def term_until(end: datetime, start: datetime, latest: datetime | None = None) -> Term:
    """The term that begins at `start` and ends at `end`, or as near to that as OpenMeter can say.

    OpenMeter has no absolute end: a grant lasts a count of units, 1000 at most. Where none fits, it begins later, but
    by `latest`, and ends exactly. Where that is no way either it begins at `start` and ends later: by less than an
    hour, or a day where the end is over 1000 hours away, or a week where it is over 1000 days away.
    """
    terms = [t for t in _ending_at(end, start) if start <= t.start <= max(latest or start, start)]
    return min(terms, default=None) or min(_ending_after(end, start), key=lambda t: t.end)


def term_before(end: datetime, start: datetime, earliest: datetime) -> Term | None:
    """The latest start from `earliest` to `start` from which a count of units ends at `end`; None without one."""
    terms = [
        Term(end - timedelta(seconds=seconds * count), duration, count)
        for duration, seconds in _EXACT.items()
        if (count := -(-int((end - start).total_seconds()) // seconds)) <= MOST_UNITS
    ]
    return max((t for t in terms if earliest <= t.start <= start), default=None)


def _ending_at(end: datetime, start: datetime) -> Iterator[Term]:
    """For each unit the term with the earliest start from `start` on, and those of the calendar from `start` itself."""
    for duration, seconds in _EXACT.items():
        count = int((end - start).total_seconds() // seconds)
        if 1 <= count <= MOST_UNITS:
            yield Term(end - timedelta(seconds=seconds * count), duration, count)
    for duration, months in _CALENDAR.items():
        count = ((end.year - start.year) * 12 + end.month - start.month) // months
        for near in (count - 1, count):
            if 1 <= near <= MOST_UNITS:
                begun = add(end, Interval(-months * near, 0))
                yield from (t for t in (Term(start, duration, near), Term(begun, duration, near)) if t.end == end)


def _ending_after(end: datetime, start: datetime) -> Iterator[Term]:
    """For each unit the shortest term from `start` that does not end before `end`."""
    for duration, seconds in _EXACT.items():
        count = max(1, -(-int((end - start).total_seconds()) // seconds))
        if count <= MOST_UNITS:
            yield Term(start, duration, count)
    for duration, months in _CALENDAR.items():
        count = max(1, ((end.year - start.year) * 12 + end.month - start.month) // months)
        found = (Term(start, duration, n) for n in range(count, min(count + 2, MOST_UNITS + 1)))
        yield from (t for t in found if start.year + (t.units * months) // 12 < 9998 and t.end >= end)
