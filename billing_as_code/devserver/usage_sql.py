"""The SQL of a question about usage: which events count, how they are grouped, and what their values are.

It follows the query that OpenMeter sends to ClickHouse (`openmeter/streaming/clickhouse/meter_query.go`). Paths stand
in it as literals, since they come again and again; what else was sent is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .aggregation import bucket_seconds, unix, window
from .jsonpath import native_path, parse
from .questions import Question
from .store import Store

_MANY = 10_000
_WORTH = 10


class UnknownColumn(ValueError):
    """ClickHouse would not find the column, and OpenMeter's query fails."""


@dataclass(frozen=True)
class Part:
    """A group as the database made it: a piece of a window, a subject where it matters, and dimensions."""

    window: tuple[int, int] | None
    subject: str | None
    dimensions: Mapping[str, str]


class Selection:
    """The SQL of a question: what is selected of which events, and how they are grouped."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._scanned = False
        self._dimensions = [name for name in sorted(question.group_by) if name not in ("subject", "customer_id")]
        self._by_subject = "subject" in question.group_by or "customer_id" in question.group_by

    def choose(self, store: Store) -> None:
        """Read the whole table where much of it is wanted: in its order that takes a tenth of the time per event.

        Few events are found by the index, and so added up in the order in which ClickHouse keeps them.
        """
        held = store.value("SELECT max(seq) FROM events") or 0
        if held >= _MANY and not self._question.subjects and not self._question.customers:
            where, parameters = self.by_key()
            self._scanned = store.value(f"SELECT count(*) FROM events WHERE {where}", parameters) > held / _WORTH

    def sql(self, columns: str, condition: str = "", *, by_value: bool = False) -> tuple[str, list[Any]]:
        """A statement that answers these columns per group."""
        keys = self._keys()
        where, parameters = self._where()
        inner = ", ".join(
            ["seq", "part", "time", *(f"{sql} AS {name}" for name, sql in keys), f"{self._value()} AS value"]
        )
        grouped = [name for name, _ in keys] + (["value"] if by_value else [])
        if by_value:
            condition = "value <> 'null'"
        return (
            f"SELECT {', '.join([*(name for name, _ in keys), columns])} FROM (SELECT {inner}"
            f" FROM events{' NOT INDEXED' if self._scanned else ''} WHERE {where})"
            + (f" WHERE {condition}" if condition else "")
            + (f" GROUP BY {', '.join(grouped)}" if grouped else ""),
            parameters,
        )

    def part(self, row: Any) -> Part:
        """Which group a row of the answer is about."""
        size, zone = self._question.window_size, self._question.zone
        span = None if size is None else window(row["bucket"] * bucket_seconds(size, zone), size, zone)
        dimensions = {name: row[f"d{index}"] for index, name in enumerate(self._dimensions)}
        return Part(span, row["subject"] if self._by_subject else None, dimensions)

    def _keys(self) -> list[tuple[str, str]]:
        keys = []
        if size := self._question.window_size:
            keys.append(("bucket", f"time / {bucket_seconds(size, self._question.zone)}"))
        if self._by_subject:
            keys.append(("subject", "subject"))
        paths = self._question.meter.group_by
        keys += [(f"d{index}", text_sql(paths[name])) for index, name in enumerate(self._dimensions)]
        return keys

    def _value(self) -> str:
        meter = self._question.meter
        if meter.aggregation == "COUNT":
            return "1"
        path = meter.value_property or ""
        return text_sql(path) if meter.aggregation == "UNIQUE_COUNT" else number_sql(path)

    def _where(self) -> tuple[str, list[Any]]:
        question = self._question
        where, parameters = self.by_key()
        for name in sorted(question.filters):
            column = self._column(name)
            if (condition := question.filters[name].sql(column)) is not None:
                where += f" AND {condition[0]}"
                parameters += condition[1]
        return where, parameters

    def _column(self, name: str) -> str:
        """What a filter on a group-by looks at; two names mean more than the meter's path."""
        question = self._question
        if name == "subject":
            return "subject"
        if name != "customer_id":
            return text_sql(question.meter.group_by[name])
        if "customer_id" not in question.group_by:
            raise UnknownColumn(name)
        owners = "".join(
            f" WHEN {_literal(subject)} THEN {_literal(owner)}" for subject, owner in question.owners.items()
        )
        return f"(CASE subject{owners} ELSE '' END)"

    def by_key(self) -> tuple[str, list[Any]]:
        """The conditions on the columns that events are sorted by: type, subject and time."""
        question = self._question
        conditions: list[str] = ["type = ?"]
        parameters: list[Any] = [question.meter.event_type]
        claimed = [subject for customer in question.customers for subject in customer.subjects]
        for subjects in (claimed or None, question.subjects or None):
            if subjects is not None:
                conditions.append(f"subject IN ({', '.join('?' * len(subjects))})")
                parameters += subjects
        starts = [] if question.start is None else [unix(question.start)]
        if question.meter.event_from is not None:
            starts.append(unix(question.meter.event_from))
        if starts:
            conditions.append("time >= ?")
            parameters.append(max(starts))
        if question.end is not None:
            conditions.append("time < ?")
            parameters.append(unix(question.end))
        return " AND ".join(conditions), parameters


def text_sql(path: str) -> str:
    """An SQL expression for `JSON_VALUE(data, path)`; raises InvalidPath where ClickHouse would fail."""
    parse(path)
    fallback = f"json_text(data, {_literal(path)})"
    native = native_path(path)
    if native is None:
        return fallback
    found = f"data, {_literal(native)}"
    return (
        f"(CASE json_type({found}) WHEN 'text' THEN json_extract({found})"
        f" WHEN 'integer' THEN CAST(json_extract({found}) AS TEXT) WHEN 'real' THEN {fallback}"
        f" WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null' ELSE '' END)"
    )


def number_sql(path: str) -> str:
    parse(path)
    native = native_path(path)
    if native is None:
        return f"float_or_null(json_text(data, {_literal(path)}))"
    found = f"data, {_literal(native)}"
    return (
        f"(CASE json_type({found}) WHEN 'integer' THEN CAST(json_extract({found}) AS REAL)"
        f" WHEN 'real' THEN json_extract({found}) WHEN 'text' THEN float_or_null(json_extract({found})) END)"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
