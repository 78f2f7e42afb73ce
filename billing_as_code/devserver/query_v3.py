"""Meter queries, v3 (`api/v3/handlers/meters/query.go`): JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from .aggregation import plain_text
from .attribution import attributions, missing
from .filters import Filter, from_v3
from .gotime import GoTime
from .meters import MeterRow, find_meter
from .meters_v3 import METER_ID
from .operation import Call, Resource, json_body
from .problems import invalid, issue, validation_issues
from .query_answers import DIMENSIONS, ShownRow, UnknownTimeZone, answer, csv_reply, time_zone, wants_csv
from .questions import Attribution, Question
from .replies import json_reply
from .store import Store
from .usage import definition

resource = Resource("query_v3")

_WINDOWS = {"PT1M": "MINUTE", "PT1H": "HOUR", "P1D": "DAY", "P1M": "MONTH"}
_MAXIMUM_DEPTH = 2


@resource.operation(
    "POST",
    "/api/v3/openmeter/meters/{meterId}/query",
    path=[METER_ID],
    body=json_body("MeterQueryRequest"),
    writes=False,
)
def query_meter_v3(call: Call) -> Response:
    """Query a meter by a body."""
    store, body = call.store, call.body
    meter = find_meter(store, call.path["meterId"])
    start, end = _time(body, "from"), _time(body, "to")
    question = _question(store, meter, body, start, end)
    rows = answer(store, question, start, end)
    if wants_csv(call.headers.get("Accept", "")):
        return csv_reply(meter, _records(store, question.group_by, rows))
    shown: dict[str, Any] = {}
    for name, time in (("from", start), ("to", end)):
        if time is not None:
            shown[name] = time.text
    return json_reply(shown | {"data": [_row(row) for row in rows]})


def _time(body: Mapping[str, Any], name: str) -> GoTime | None:
    return GoTime.parse(body[name]) if name in body else None


def _question(
    store: Store, meter: MeterRow, body: Mapping[str, Any], start: GoTime | None, end: GoTime | None
) -> Question:
    """The question behind a body, in the order of OpenMeter's checks (`BuildQueryParams`)."""
    try:
        zone = time_zone(body.get("time_zone", "UTC"))
    except UnknownTimeZone:
        wrong = issue("invalid_time_zone", "invalid time zone", "$.time_zone", value=body["time_zone"])
        raise validation_issues([wrong]) from None
    group_by = list(dict.fromkeys(body.get("group_by_dimensions") or []))
    for name in group_by:
        if name not in DIMENSIONS and name not in (meter.group_by or {}):
            text = "invalid group by dimension"
            raise validation_issues([issue("invalid_group_by", text, "$.group_by_dimensions", value=name)])
    subjects: list[str] = []
    customers: list[Attribution] = []
    filters: dict[str, Filter] = {}
    for name, found in (body.get("filters") or {}).get("dimensions", {}).items():
        if name == "subject":
            subjects = _values(name, found)
        elif name == "customer_id":
            customers = _customers(store, _values(name, found))
        else:
            filters[name] = _filter(meter, name, found)
        if name in DIMENSIONS and (subjects if name == "subject" else customers) and name not in group_by:
            group_by.append(name)
    return Question(
        definition(meter),
        start.moment if start else None,
        end.moment if end else None,
        subjects,
        customers,
        filters,
        tuple(group_by),
        _WINDOWS.get(body.get("granularity", "")),
        zone,
    )


def _values(name: str, found: Mapping[str, Any]) -> list[str]:
    """The values that a subject or a customer may have: only `eq` or `in` can be asked."""
    if set(found) - {"eq", "in"} or len(found) > 1:
        text = "only eq and in filter operators are supported for this field"
        raise validation_issues([issue("unsupported_filter_operator", text, f"$.filters.dimensions.{name}")])
    return [found["eq"]] if "eq" in found else list(found.get("in", []))


def _customers(store: Store, ids: Sequence[str]) -> list[Attribution]:
    customers = attributions(store, ids, deleted=True)
    place = "$.filters.dimensions.customer_id"
    unknown = [
        issue("customer_not_found", "customer not found", place, customer_id=one) for one in missing(ids, customers)
    ]
    if unknown:
        raise validation_issues(unknown, status=404)
    return customers


def _filter(meter: MeterRow, name: str, found: Mapping[str, Any]) -> Filter:
    if name not in (meter.group_by or {}):
        place = f"$.filters.dimensions.{name}"
        raise validation_issues([issue("invalid_dimension_filter", "invalid dimension filter", place)])
    wanted = from_v3(found)
    if (problem := wanted.problem(_MAXIMUM_DEPTH)) is not None:
        raise invalid(f'dimension filter "{name}": validation error: {problem}')
    return wanted


def _row(shown: ShownRow) -> dict[str, Any]:
    row = shown.row
    dimensions = dict(row.groups)
    if row.subject is not None:
        dimensions["subject"] = row.subject
    if row.customer_id is not None:
        dimensions["customer_id"] = row.customer_id
    return {
        "value": plain_text(row.value),
        "from": shown.start.text,
        "to": shown.end.text,
        "dimensions": dimensions,
    }


def _records(store: Store, group_by: Sequence[str], rows: Sequence[ShownRow]) -> list[list[str]]:
    """The table of a CSV answer: subject, customer with key and name, then the other dimensions."""
    by_subject, by_customer = "subject" in group_by, "customer_id" in group_by
    others = [name for name in group_by if name not in DIMENSIONS]
    head = ["from", "to"] + (["subject"] if by_subject else [])
    head += ["customer_id", "customer_key", "customer_name"] if by_customer else []
    records = [[*head, *others, "value"]]
    known = _keys_and_names(store, {shown.row.customer_id for shown in rows if shown.row.customer_id is not None})
    for shown in rows:
        row = shown.row
        record = [shown.start.whole_text, shown.end.whole_text]
        if by_subject:
            record.append(row.subject or "")
        if by_customer:
            record += [row.customer_id or "", *known.get(row.customer_id or "", ("", ""))]
        records.append([*record, *(row.groups.get(name, "") for name in others), plain_text(row.value)])
    return records


def _keys_and_names(store: Store, ids: set[str]) -> dict[str, tuple[str, str]]:
    """Keys and names of the customers that are not deleted."""
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = store.all(f"SELECT id, key, name FROM customers WHERE id IN ({marks}) AND deleted_at IS NULL", list(ids))
    return {row["id"]: (row["key"] or "", row["name"]) for row in rows}
