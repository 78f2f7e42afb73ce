"""Meter queries, v1 (`openmeter/meter/httphandler`): GET, POST, CSV, subjects and values of group-bys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from flask import Response

from . import query_schemas
from .aggregation import as_number, unix
from .attribution import attributions, missing
from .filters import Filter, from_v1
from .gotime import GoTime
from .jsonparams import json_parameter
from .jsonpath import InvalidPath
from .meters import METER_ID_OR_SLUG, MeterRow, find_meter
from .operation import Call, Resource, json_body
from .parameters import Param
from .problems import internal, invalid, not_found
from .query_answers import DIMENSIONS, ShownRow, UnknownTimeZone, answer, csv_reply, time_zone, wants_csv
from .questions import Attribution, Question
from .replies import json_reply
from .schema import V1, V3
from .schema_fragments import DATE_TIME
from .store import Store
from .usage import definition
from .usage_sql import text_sql

V1.add(query_schemas.V1_SCHEMAS)
V3.add(query_schemas.V3_SCHEMAS)

resource = Resource("query")

_METER = "/api/v1/meters/{meterIdOrSlug}"
_FROM, _TO = Param("from", DATE_TIME, "time"), Param("to", DATE_TIME, "time")
_STRINGS = {"type": "array", "items": {"type": "string"}}
_ADVANCED = {"additionalProperties": {"$ref": "#/components/schemas/FilterString"}}
_QUERY = [
    Param("clientId", {"type": "string", "minLength": 1, "maxLength": 36}, explode=False),
    _FROM,
    _TO,
    Param("windowSize", {"$ref": "#/components/schemas/WindowSize"}, explode=False),
    Param("windowTimeZone", {"type": "string"}, explode=False),
    Param("subject", _STRINGS, "list"),
    Param("filterCustomerId", _STRINGS | {"maxItems": 100}, "list"),
    Param("filterGroupBy", {"type": "object"}, "map"),
    Param("advancedMeterGroupByFilters", {}, explode=False),
    Param("groupBy", _STRINGS, "list"),
]
_LONGEST_AGO, _LONGEST_WINDOW = timedelta(days=90), timedelta(days=30)


@dataclass(frozen=True)
class _Asked:
    """A query as v1 words it, from parameters or a body; names as in the body."""

    document: Mapping[str, Any]

    def time(self, name: str) -> GoTime | None:
        sent = self.document.get(name)
        return None if sent is None else GoTime.parse(sent)

    def get(self, name: str) -> Any:
        return self.document.get(name)


@resource.operation("GET", f"{_METER}/query", path=[METER_ID_OR_SLUG], query=_QUERY)
def query_meter(call: Call) -> Response:
    """Query by parameters, where a filter on a group-by has one value."""
    document = {name: value for name, value in call.query.items() if value is not None}
    for name in ("from", "to"):
        if name in document:
            document[name] = call.raw_query[name][0]
    if "filterGroupBy" in document:
        document["filterGroupBy"] = {name: [value] for name, value in document["filterGroupBy"].items()}
    name = "advancedMeterGroupByFilters"
    document[name] = json_parameter(name, document.get(name), _ADVANCED)
    return _reply(call, _Asked(document))


@resource.operation(
    "POST", f"{_METER}/query", path=[METER_ID_OR_SLUG], body=json_body("MeterQueryRequest"), writes=False
)
def query_meter_post(call: Call) -> Response:
    """Query by a body."""
    return _reply(call, _Asked(call.body))


@resource.operation("GET", f"{_METER}/subjects", path=[METER_ID_OR_SLUG], query=[_FROM, _TO])
def list_subjects(call: Call) -> Response:
    """The subjects of the meter's events; when the meter starts does not matter here."""
    meter = find_meter(call.store, call.path["meterIdOrSlug"])
    start, end = call.query["from"], call.query["to"]
    _raise(_span_faults(start, end))
    where, parameters = _between(meter, start, end)
    rows = call.store.all(f"SELECT DISTINCT subject FROM events WHERE {where} ORDER BY subject", parameters)
    return json_reply([row["subject"] for row in rows])


@resource.operation(
    "GET",
    f"{_METER}/group-by/{{groupByKey}}/values",
    path=[METER_ID_OR_SLUG, Param("groupByKey", {"type": "string"}, required=True)],
    query=[_FROM, _TO],
)
def list_group_by_values(call: Call) -> Response:
    """The values of a group-by, of the last day unless told otherwise."""
    meter = find_meter(call.store, call.path["meterIdOrSlug"])
    now = call.store.now()
    start, end = call.query["from"], call.query["to"]
    if start is None and end is None:
        start = now - timedelta(days=1)
    path = (meter.group_by or {}).get(call.path["groupByKey"])
    faults = [] if path else ["group by key is not valid for this meter"]
    if start is not None and now - start >= _LONGEST_AGO:
        faults.append("from time must not be more than 90 days ago")
    faults += _span_faults(start, end)
    if start is not None and end is not None and end - start > _LONGEST_WINDOW:
        faults.append("time window must be less than 30 days")
    _raise(faults)
    where, parameters = _between(meter, start, end)
    try:
        values = f"SELECT DISTINCT {text_sql(path or '')} AS value FROM events WHERE {where} ORDER BY value"
    except InvalidPath:
        raise internal() from None
    return json_reply([row["value"] for row in call.store.all(values, parameters)])


def _raise(faults: Sequence[str]) -> None:
    if faults:
        raise invalid("\n".join(faults))


def _span_faults(start: datetime | None, end: datetime | None) -> list[str]:
    if start is None or end is None or start < end:
        return []
    return ["from and to cannot be equal" if start == end else "from time must be before to time"]


def _between(meter: MeterRow, start: datetime | None, end: datetime | None) -> tuple[str, list[Any]]:
    conditions: list[str] = ["type = ?"]
    parameters: list[Any] = [meter.event_type]
    for condition, time in (("time >= ?", start), ("time < ?", end)):
        if time is not None:
            conditions.append(condition)
            parameters.append(unix(time))
    return " AND ".join(conditions), parameters


def _reply(call: Call, asked: _Asked) -> Response:
    store = call.store
    meter = find_meter(store, call.path["meterIdOrSlug"])
    group_by, question = _question(store, meter, asked)
    rows = answer(store, question, asked.time("from"), asked.time("to"))
    if wants_csv(call.headers.get("Accept", "")):
        return csv_reply(meter, _records(store, group_by, rows))
    shown: dict[str, Any] = {}
    for name in ("from", "to"):
        if (time := asked.time(name)) is not None:
            shown[name] = time.text
    if asked.get("windowSize") is not None:
        shown["windowSize"] = asked.get("windowSize")
    return json_reply(shown | {"data": [_row(row) for row in rows]})


def _question(store: Store, meter: MeterRow, asked: _Asked) -> tuple[list[str], Question]:
    """The question behind a request, and its group-bys in their order; in the order of OpenMeter's checks."""
    start, end = asked.time("from"), asked.time("to")
    group_by = list(asked.get("groupBy") or [])
    for name in group_by:
        if name not in DIMENSIONS and not (meter.group_by or {}).get(name):
            raise invalid(f"invalid group by: {name}")
    subjects = asked.get("subject")
    if subjects is not None and "subject" not in group_by:
        group_by.append("subject")
    customers = _customers(store, asked.get("filterCustomerId") or [])
    if customers and "customer_id" not in group_by:
        group_by.append("customer_id")
    question = Question(
        definition(meter),
        start.moment if start else None,
        end.moment if end else None,
        subjects,
        customers,
        zone=_zone(asked.get("windowTimeZone")),
        filters=_filters(meter, asked),
        group_by=tuple(dict.fromkeys(group_by)),
        window_size=asked.get("windowSize"),
    )
    return group_by, question


def _customers(store: Store, ids: Sequence[str]) -> list[Attribution]:
    customers = attributions(store, ids)
    for unknown in missing(ids, customers):
        raise not_found(f"customer with id {unknown} not found")
    return customers


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return time_zone(name)
    except UnknownTimeZone as error:
        raise invalid(f"invalid time zone: {error}") from None


def _filters(meter: MeterRow, asked: _Asked) -> dict[str, Filter]:
    advanced, plain = asked.get("advancedMeterGroupByFilters"), asked.get("filterGroupBy")
    filters = {name: from_v1(found) for name, found in (advanced or {}).items()}
    if not plain:
        return filters
    if filters:
        raise invalid("advanced meter group by filters and filter group by cannot be used together")
    for name in plain:
        if name not in (meter.group_by or {}):
            raise invalid(f"invalid group by filter: {name}")
    return {name: Filter((("in", values),)) for name, values in plain.items() if values}


def _row(shown: ShownRow) -> dict[str, Any]:
    row = shown.row
    answer: dict[str, Any] = {
        "value": as_number(row.value),
        "windowStart": shown.start.text,
        "windowEnd": shown.end.text,
        "subject": row.subject,
        "groupBy": dict(row.groups),
    }
    if row.customer_id is not None:
        answer["customerId"] = row.customer_id
    return answer


def _records(store: Store, group_by: Sequence[str], rows: Sequence[ShownRow]) -> list[list[str]]:
    """The table of a CSV answer; a customer's column is there, and empty, as in OpenMeter."""
    by_subject = "subject" in group_by
    names = {shown.row.subject: "" for shown in rows} if by_subject else {}
    known = _display_names(store, [name for name in names if name is not None])
    others = [name for name in group_by if name != "subject"]
    head = ["window_start", "window_end"] + (["subject"] if by_subject else [])
    records = [[*head, *(["subject_display_name"] if known else []), *others, "value"]]
    for shown in rows:
        record = [shown.start.whole_text, shown.end.whole_text]
        if by_subject:
            record.append(shown.row.subject or "")
        if known:
            record.append(known.get(shown.row.subject or "", ""))
        record += [shown.row.groups.get(name, "") for name in others]
        records.append([*record, f"{shown.row.value:.6f}"])
    return records


def _display_names(store: Store, subjects: Sequence[str]) -> dict[str, str]:
    if not subjects:
        return {}
    marks = ", ".join("?" * len(subjects))
    rows = store.all(
        f"SELECT key, display_name FROM subjects WHERE key IN ({marks}) AND deleted_at IS NULL", list(subjects)
    )
    return {row["key"]: row["display_name"] or "" for row in rows}
