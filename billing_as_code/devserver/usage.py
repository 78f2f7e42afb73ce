"""Usage: which events count for a question about a meter, and what they come to.

`measure` is one value for some subjects over a period (what entitlements ask), `measure_windows` the same per
window, `query` the full meter query with groups. The rules are those of the query that OpenMeter sends to
ClickHouse (openmeter/streaming/clickhouse/meter_query.go): times are cut to seconds, the start counts and the
end does not, and a meter's `event_from` raises the start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from .aggregation import MeterDefinition, State, minute_floor, nothing, utc
from .clock import from_db
from .eventparts import latest_rank_sql, newer_parts, time_of_rank
from .filters import Filter, from_model
from .grouporder import ordered
from .meters import MeterRow
from .questions import Question, UsageRow, WindowValue
from .store import Store
from .usage_sql import Part, Selection

__all__ = ["WindowValue", "definition", "measure", "measure_windows", "query"]


def measure(
    store: Store,
    meter: MeterRow,
    *,
    subjects: Collection[str],
    filters: Mapping[str, Mapping[str, Any]] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> float | None:
    """The meter's value over [start, end) for events of these subjects; None where there is no row.

    COUNT and UNIQUE_COUNT of no events are None as well, as for OpenMeter's query grouped by customer. No
    subjects at all means everybody's events. `filters` are a feature's as it stores them (`{"$eq": …}`).
    """
    question = Question(definition(meter), start, end, subjects, filters=_stored(filters), group_by=("subject",))
    total: State | None = None
    for _, state in _states(store, question):
        if total is None:
            total = state
        else:
            total.merge(state)
    return None if total is None else total.value(meter.aggregation)


def measure_windows(
    store: Store,
    meter: MeterRow,
    *,
    subjects: Collection[str],
    filters: Mapping[str, Mapping[str, Any]] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window_size: str,
    zone: tzinfo = UTC,
) -> list[WindowValue]:
    """The meter's value per window (MINUTE, HOUR, DAY or MONTH), in the order of time.

    Windows are whole, so the first and the last may reach beyond `start` and `end`; events do not.
    """
    question = Question(
        definition(meter), start, end, subjects, filters=_stored(filters), window_size=window_size, zone=zone
    )
    return [WindowValue(row.start, row.end, row.value) for row in query(store, question)]


def _stored(filters: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Filter]:
    return {name: from_model(document) for name, document in (filters or {}).items()}


def definition(meter: MeterRow) -> MeterDefinition:
    """What of a stored meter decides its values."""
    start = None if meter.event_from is None else from_db(meter.event_from)
    return MeterDefinition(meter.event_type, meter.aggregation, meter.value_property, meter.group_by or {}, start)


def query(store: Store, question: Question) -> list[UsageRow]:
    """Answer a meter query: rows in the order of windows, and within one in ClickHouse's order of groups."""
    names = sorted(question.group_by)
    owners = question.owners
    groups: dict[tuple[tuple[int, int] | None, tuple[str, ...]], State] = {}
    for part, state in _states(store, question):
        key = (part.window, tuple(_group_value(name, part, owners) for name in names))
        if key in groups:
            groups[key].merge(state)
        else:
            groups[key] = state
    if not groups and not names and question.window_size is None:
        groups[(None, ())] = nothing()
    met = sorted(groups, key=lambda key: (dict(zip(names, key[1], strict=True)).get("subject", ""), groups[key].first))
    rows = []
    for span, values in ordered(met, names=names, window_size=question.window_size):
        value = groups[(span, values)].value(question.meter.aggregation)
        if value is not None:
            rows.append(_row(question, span, dict(zip(names, values, strict=True)), groups[(span, values)], value))
    return rows


def _states(store: Store, question: Question) -> Iterable[tuple[Part, State]]:
    aggregation = question.meter.aggregation
    selection = Selection(question)
    selection.choose(store)
    for row in store.all(*selection.sql(_STATE_COLUMNS[aggregation])):
        if row["first"] is not None:
            yield selection.part(row), _state(row)
    if aggregation == "LATEST":
        newer = newer_parts(store, *selection.by_key())
        for row in store.all(
            *selection.sql(f"max({latest_rank_sql(newer)}) AS rank, value AS latest", "value IS NOT NULL")
        ):
            if row["rank"] is not None:
                time = time_of_rank(row["rank"])
                yield selection.part(row), State(time, time, latest=row["latest"], latest_rank=row["rank"])
    elif aggregation == "UNIQUE_COUNT":
        for row in store.all(*selection.sql("min(time) AS first, max(time) AS last, value AS text", by_value=True)):
            yield selection.part(row), State(row["first"], row["last"], texts={row["text"]})


_SPAN = "min(time) AS first, max(time) AS last"
_STATE_COLUMNS = {
    "SUM": f"{_SPAN}, float_sum(value) AS total",
    "COUNT": f"{_SPAN}, count(*) AS count",
    "AVG": f"{_SPAN}, float_sum(value) AS total, count(value) AS counted",
    "MIN": f"{_SPAN}, min(value) AS least",
    "MAX": f"{_SPAN}, max(value) AS greatest",
    "LATEST": _SPAN,
    "UNIQUE_COUNT": _SPAN,
}
_STATE_FIELDS = frozenset(("first", "last", "count", "total", "counted", "least", "greatest"))


def _state(row: Any) -> State:
    return State(**{name: row[name] for name in row.keys() if name in _STATE_FIELDS})  # noqa: SIM118


def _group_value(name: str, part: Part, owners: Mapping[str, str]) -> str:
    if name == "subject":
        return part.subject or ""
    if name == "customer_id":
        return owners.get(part.subject or "", "")
    return part.dimensions[name]


def _row(
    question: Question, span: tuple[int, int] | None, groups: dict[str, str], state: State, value: float
) -> UsageRow:
    if span is None:
        start = question.start or utc(minute_floor(state.first))
        end = question.end or utc(minute_floor(state.last) + 60)
    else:
        start, end = utc(span[0]), utc(span[1])
    subject, customer = groups.pop("subject", None), groups.pop("customer_id", None)
    return UsageRow(start, end, value, subject, customer, groups)
