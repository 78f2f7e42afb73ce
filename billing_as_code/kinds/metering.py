"""The usage of a meter by day, from its query: what `looks` of meters are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from billing_as_code.kinds.looks import Answers, Group, Grouped, Look, Series, Sight, View, Window, exact, moment, word
from billing_as_code.kinds.moves import Growth, Span
from billing_as_code.kinds.times import instant
from billing_as_code.model import NO_MARKS, Json, Read, canonical_json

DAYS = 14
SUBJECT = "subject"
_NEVER = datetime.min.replace(tzinfo=UTC)
_FROM_NOTHING = ("sum", "count", "unique_count")
"""Aggregations that make 0 of no events; the others make nothing."""


def by_day(meter: tuple[str, ...], aggregation: str, sight: Sight) -> Look:
    """The last days, today among them. The whole span is asked for too: days do not add up for every aggregation."""
    today = sight.now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = tuple(today - timedelta(days=n) for n in reversed(range(DAYS)))
    span = (("from", instant(days[0])), ("to", instant(today + timedelta(days=1))))
    grouped = tuple(("groupBy", name) for name in sight.by)
    path = (*meter, "query")
    reads = (Read("days", path, (*span, ("windowSize", "DAY"), *grouped)), Read("total", path, (*span, *grouped)))
    zero = Decimal(0) if aggregation in _FROM_NOTHING else None
    shape = partial(_grouped, sight.by, days, zero) if sight.by else partial(_series, days, zero)
    return Look("usage", f"Usage by day, the last {DAYS} days, today so far (UTC)", reads, shape)


class Question(NamedTuple):
    """What to ask a meter: from `start` on and before `end`, a row for each `window` (minute, hour, day or month in the
    time zone `zone`) and group of the dimensions `by`; only of these `subjects` and `customers`, and where dimensions
    have the values `where`."""

    meter: str
    start: datetime | None = None
    end: datetime | None = None
    window: str | None = None
    zone: str | None = None
    by: Sequence[str] = ()
    subjects: Sequence[str] = ()
    customers: Sequence[str] = ()
    where: Mapping[str, str] = NO_MARKS

    def read(self) -> Read:
        """The query, where `customers` are ids."""
        query: list[tuple[str, Json]] = [("from", instant(self.start))] if self.start is not None else []
        query += [("to", instant(self.end))] if self.end is not None else []
        query += [("windowSize", self.window.upper())] if self.window is not None else []
        query += [("windowTimeZone", self.zone)] if self.zone is not None else []
        query += [("groupBy", name) for name in self.by]
        query += [("subject", name) for name in self.subjects]
        query += [("filterCustomerId", name) for name in self.customers]
        query += [(f"filterGroupBy[{name}]", value) for name, value in self.where.items()]
        return Read("usage", ("api", "v1", "meters", self.meter, "query"), tuple(query))


class Usage(NamedTuple):
    """An amount of usage: in a window, or in all of what was asked for; `groups` by the names of what it is grouped
    by, None where an event says nothing of it."""

    start: datetime
    end: datetime
    value: Decimal
    groups: Mapping[str, str | None]


def answered(by: Sequence[str], body: Json) -> list[Usage]:
    """The rows of the query's answer, by time, then the largest first. Raises KeyError, TypeError or ValueError where
    it is none."""
    rows = [
        Usage(
            moment(row["windowStart"]) or _NEVER,
            moment(row["windowEnd"]) or _NEVER,
            exact(row["value"]),
            {name: row.get(SUBJECT) if name == SUBJECT else row["groupBy"].get(name) for name in by},
        )
        for row in body["data"]
    ]
    return sorted(rows, key=lambda row: (row.start, -row.value, [value or "" for value in row.groups.values()]))


# -- for the impact of a plan ---------------------------------------------------------------------------------------

MOST_CUSTOMERS = 50
"""So many customers are asked for at once: OpenMeter takes 100, but an address of that length is too long for some
proxies."""


_GROWTH: Mapping[str, Growth] = {"unique_count": "distinct", "latest": "latest"}


def growth(aggregation: str) -> Growth:
    """How usage grows by what it is aggregated by."""
    return _GROWTH.get(aggregation, "adds")


def used(meter: str, span: Span, customers: Sequence[str], filters: Json = None) -> Read:
    """The query of what customers used in a span of time, MOST_CUSTOMERS at most; `filters` are those of a feature as
    OpenMeter's v1 shows them."""
    query: list[tuple[str, Json]] = [("from", instant(span.start)), ("to", instant(span.end))]
    query += [("filterCustomerId", id) for id in customers]
    if filters:
        query.append(("advancedMeterGroupByFilters", canonical_json(filters)))
    return Read("used", ("api", "v1", "meters", meter, "query"), tuple(query))


def filters_of(feature: Json) -> Json:
    """The filters of a feature as OpenMeter's v1 shows it. Raises KeyError, TypeError or AttributeError where it shows
    none."""
    found = feature["advancedMeterGroupByFilters"]
    if not found.keys():
        raise KeyError("advancedMeterGroupByFilters")
    return found


def used_by(body: Json) -> dict[str, Decimal]:
    """What each customer used, by OpenMeter's ids; those that used nothing are not there. Raises KeyError, TypeError or
    ValueError where the answer is none."""
    return {word(row["customerId"]): exact(row["value"]) for row in body["data"]}


def _series(days: Sequence[datetime], zero: Decimal | None, answers: Answers) -> View:
    windows = {moment(row["windowStart"]): exact(row["value"]) for row in answers["days"]["data"]}
    total = [exact(row["value"]) for row in answers["total"]["data"]]
    return Series("day", _filled(days, windows, zero), total[0] if total else zero)


def _grouped(by: tuple[str, ...], days: Sequence[datetime], zero: Decimal | None, answers: Answers) -> View:
    windows: dict[tuple[str, ...], dict[datetime | None, Decimal]] = {}
    for row in answers["days"]["data"]:
        windows.setdefault(_values(by, row), {})[moment(row["windowStart"])] = exact(row["value"])
    totals = {_values(by, row): exact(row["value"]) for row in answers["total"]["data"]}
    groups = [
        Group(values, totals.get(values), _filled(days, windows.get(values, {}), zero))
        for values in sorted(totals.keys() | windows.keys(), key=lambda v: (-totals.get(v, Decimal(0)), v))
    ]
    return Grouped(by, "day", tuple(groups))


def _values(by: tuple[str, ...], row: Mapping[str, Json]) -> tuple[str, ...]:
    """What a row stands for; a value that an event does not have is the empty text."""
    return tuple(str((row.get("subject") if name == SUBJECT else row["groupBy"].get(name)) or "") for name in by)


def _filled(
    days: Sequence[datetime], windows: Mapping[datetime | None, Decimal], zero: Decimal | None
) -> tuple[Window, ...]:
    """OpenMeter leaves out the days on which there was nothing."""
    return tuple(Window(day, day + timedelta(days=1), windows.get(day, zero)) for day in days)
