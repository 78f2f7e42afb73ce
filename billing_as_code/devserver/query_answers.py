"""The rules that meter queries of v1 and v3 share, and their answers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from flask import Response

from .aggregation import MeterDefinition
from .filters import Filter
from .gotime import GoTime
from .jsonpath import InvalidPath
from .meters import MeterRow
from .problems import internal, invalid, not_implemented_here
from .questions import Question, UsageRow
from .store import Store
from .usage import query
from .usage_sql import UnknownColumn

CSV = "text/csv"
DIMENSIONS = ("subject", "customer_id")


class UnknownTimeZone(ValueError):
    """No zone of this name; the message is Go's."""


@dataclass(frozen=True)
class ShownRow:
    """A row of an answer with its times as they go out: those of the question keep their form."""

    row: UsageRow
    start: GoTime
    end: GoTime


def time_zone(name: str) -> tzinfo:
    """A zone of the IANA database by its name (`time.LoadLocation`)."""
    if name in ("", "UTC"):
        return UTC
    if name.startswith(("/", "\\")) or ".." in name.split("/") or "\\" in name:
        raise UnknownTimeZone("time: invalid location name")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not available_timezones():
            raise not_implemented_here("time zones, which need the system's data or the package tzdata") from None
        raise UnknownTimeZone(f"unknown time zone {name}") from None


def wants_csv(accept: str) -> bool:
    """Whether the Accept header is CSV and nothing else; parameters do not count, a list is not taken."""
    return accept.split(";")[0].strip().lower() == CSV


def answer(store: Store, question: Question, start: GoTime | None, end: GoTime | None) -> list[ShownRow]:
    """Ask, after the checks of `streaming.QueryParams`; raises 400 and, for paths that ClickHouse refuses, 500."""
    _check(question)
    try:
        rows = query(store, question)
    except (InvalidPath, UnknownColumn):
        raise internal() from None
    windowed = question.window_size is not None
    return [
        ShownRow(
            row,
            GoTime.of(row.start) if windowed or start is None else start,
            GoTime.of(row.end) if windowed or end is None else end,
        )
        for row in rows
    ]


def _check(question: Question) -> None:
    faults = []
    if question.start is not None and question.end is not None:
        if question.start == question.end:
            faults.append("from and to cannot be equal")
        elif question.start > question.end:
            faults.append("from must be before to")
    if "customer_id" in question.group_by and not question.customers:
        faults.append("customer filter is required with customer_id group by")
    for customer in question.customers:
        if not customer.subjects:
            faults.append("validation error: usage attribution must have a key or subject keys")
    for name in sorted(question.filters):
        if (problem := question.filters[name].problem()) is not None:
            faults.append(f"validation error: {problem}")
    if faults:
        raise invalid("\n".join(faults))
    _check_names(question.meter, question.filters)


def _check_names(meter: MeterDefinition, filters: Mapping[str, Filter]) -> None:
    for name in sorted(filters):
        if name not in meter.group_by:
            raise invalid(f"meter does not have group by: {name}")


def csv_reply(meter: MeterRow, records: Iterable[Sequence[str]]) -> Response:
    """Records as a CSV file named after the meter."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(records)
    reply = Response(buffer.getvalue(), content_type=CSV)
    reply.headers["Content-Disposition"] = f"attachment; filename={meter.key}.csv"
    return reply
