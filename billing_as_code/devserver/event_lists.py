"""Lists of events, v1 and v2 (`openmeter/meterevent`), with what is wrong with each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Response

from .aggregation import unix, utc
from .clock import to_wire
from .cursors import Cursor, InvalidCursor
from .eventparts import parts_read, reading_order
from .filters import Filter, from_v1, times_from_v1
from .gotime import GoTime
from .jsonparams import json_parameter
from .listed_events import (
    MAXIMUM_LIMIT,
    EventQuestion,
    ListedEvent,
    cursor_of,
    listed,
    of_customers,
    page,
    wanted_customers,
)
from .operation import Call, Resource
from .parameters import Param
from .problems import invalid
from .questions import Attribution
from .replies import json_reply
from .schema_fragments import DATE_TIME
from .store import Row, Store

resource = Resource("event_lists")

_OLDEST = timedelta(days=32)
_ULID_ANY_CASE = {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"}
_CLIENT_ID = Param("clientId", {"type": "string", "minLength": 1, "maxLength": 36}, explode=False)
_LIMIT = Param("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "int", explode=False)
_STRING = {"$ref": "#/components/schemas/FilterString"}
_TIME = {"$ref": "#/components/schemas/FilterTime"}
_V2_FILTER = {
    "properties": {
        **dict.fromkeys(("id", "source", "subject", "type"), _STRING),
        "customerId": {"$ref": "#/components/schemas/FilterIDExact"},
        "time": _TIME,
        "ingestedAt": _TIME,
    }
}
_V2_FIELDS = {
    **dict.fromkeys(("id", "source", "subject", "type"), "api.FilterString"),
    "customerId": "api.FilterIDExact",
    **dict.fromkeys(("time", "ingestedAt"), "api.FilterTime"),
}


@resource.operation(
    "GET",
    "/api/v1/events",
    query=[
        _CLIENT_ID,
        Param("ingestedAtFrom", DATE_TIME, "time"),
        Param("ingestedAtTo", DATE_TIME, "time"),
        Param("id", {"type": "string"}, explode=False),
        Param("subject", {"type": "string"}, explode=False),
        Param("customerId", {"type": "array", "items": _ULID_ANY_CASE}, "list"),
        Param("from", DATE_TIME, "time"),
        Param("to", DATE_TIME, "time"),
        _LIMIT,
    ],
)
def list_events(call: Call) -> Response:
    """Events of the last 32 days at most, newest first."""
    store = call.store
    now = store.now()
    start = _sent(call, "from") or GoTime.of(now - _OLDEST + timedelta(seconds=1))
    _check_spans(call, now - _OLDEST, start)
    where, parameters = _v1_conditions(call, start.moment)
    customers = None
    if ids := call.query["customerId"]:
        customers = wanted_customers(store, ids)
        where, parameters = of_customers(where, parameters, customers)
    subjects = _limited_to(call.query["subject"], customers)
    rows = _newest(store, where, parameters, call.query["limit"] or MAXIMUM_LIMIT, subjects)
    return json_reply([event_v1(event) for event in listed(store, rows, customers)])


@resource.operation(
    "GET",
    "/api/v2/events",
    query=[
        Param("cursor", {"type": "string"}, explode=False),
        _LIMIT,
        _CLIENT_ID,
        Param("filter", {}, explode=False),
    ],
)
def list_events_v2(call: Call) -> Response:
    """Events page by page, newest first, with filters."""
    asked = json_parameter("filter", call.query["filter"], _V2_FILTER, _V2_FIELDS) or {}
    try:
        cursor = None if call.query["cursor"] is None else Cursor.decode(call.query["cursor"])
    except InvalidCursor as error:
        raise invalid(str(error)) from None
    filters = {name: from_v1(asked[name]) for name in ("id", "source", "subject", "type") if asked.get(name)}
    if customer := asked.get("customerId"):
        filters["customer_id"] = from_v1(customer)
    for name, column in (("time", "time"), ("ingestedAt", "ingested_at")):
        if asked.get(name):
            filters[column] = times_from_v1(asked[name])
    given = (filters.pop("customer_id", None) or Filter()).get("in") or ()
    question = EventQuestion(filters, tuple(given), cursor, call.query["limit"] or MAXIMUM_LIMIT)
    events = page(call.store, question)
    answer: dict[str, Any] = {"items": [event_v1(event) for event in events]}
    if len(events) == question.limit:
        answer["nextCursor"] = cursor_of(events[-1], question.sort).encode()
    return json_reply(answer)


def event_v1(event: ListedEvent) -> dict[str, Any]:
    """An event as v1 and v2 show it."""
    row = event.row
    shown = {
        "specversion": "1.0",
        "id": row["id"],
        "source": row["source"],
        "type": row["type"],
        "subject": row["subject"],
        "time": to_wire(utc(row["time"])),
    }
    if row["data"] is not None:
        shown |= {"datacontenttype": "application/json", "data": event.data}
    answer: dict[str, Any] = {
        "event": shown,
        "ingestedAt": to_wire(utc(row["ingested_at"])),
        "storedAt": to_wire(utc(row["stored_at"])),
    }
    if event.customer_id is not None:
        answer["customerId"] = event.customer_id
    if event.errors:
        answer["validationError"] = "\n".join(event.errors)
    return answer


def _sent(call: Call, name: str) -> GoTime | None:
    values = call.raw_query.get(name)
    return GoTime.parse(values[0]) if values else None


def _check_spans(call: Call, oldest: datetime, start: GoTime) -> None:
    limit = GoTime.of(oldest).whole_text
    end, ingested_from, ingested_to = (_sent(call, name) for name in ("to", "ingestedAtFrom", "ingestedAtTo"))
    faults = []
    if oldest > start.moment:
        faults.append(f"from date is too old: {start.whole_text}, must be after {limit}")
    if end is not None and end.moment < start.moment:
        faults.append(f"to date is before from date: {end.whole_text} < {start.whole_text}")
    if ingested_from is not None and oldest > ingested_from.moment:
        text = "ingestedAtFrom date is too old, must be after"
        faults.append(f"{text}: {ingested_from.whole_text}: {limit}")
    if ingested_from is not None and ingested_to is not None and ingested_to.moment < ingested_from.moment:
        span = f"{ingested_to.whole_text} < {ingested_from.whole_text}"
        faults.append(f"ingestedAtTo date is before ingestedAtFrom date: {span}")
    if faults:
        raise invalid("validate input: " + "\n".join(faults))


def _v1_conditions(call: Call, start: datetime) -> tuple[str, list[Any]]:
    query = call.query
    conditions = ["time >= ?"]
    parameters: list[Any] = [unix(start)]
    for condition, name in (
        ("time < ?", "to"),
        ("ingested_at >= ?", "ingestedAtFrom"),
        ("ingested_at < ?", "ingestedAtTo"),
    ):
        if query[name] is not None:
            conditions.append(condition)
            parameters.append(unix(query[name]))
    if query["id"] is not None:
        conditions.append("matches_like(id, ?)")
        parameters.append(f"%{query['id']}%")
    if query["subject"] is not None:
        conditions.append("subject = ?")
        parameters.append(query["subject"])
    return " AND ".join(conditions), parameters


def _limited_to(subject: str | None, customers: Sequence[Attribution] | None) -> list[str] | None:
    if subject is not None:
        return [subject]
    if customers is None:
        return None
    return [subject for customer in customers for subject in customer.subjects]


def _newest(store: Store, where: str, parameters: list[Any], limit: int, subjects: Sequence[str] | None) -> list[Row]:
    """The newest events; those of one second in the order in which ClickHouse reads them.

    The first parameter is the start of the list; `subjects` are those that it is limited to.
    """
    last = store.value(
        f"SELECT min(time) FROM (SELECT time FROM events WHERE {where} ORDER BY time DESC LIMIT {limit})", parameters
    )
    if last is None:
        return []
    rows = store.all(f"SELECT * FROM events WHERE {where} AND time >= ?", [*parameters, last])
    read = {row["part"] for row in rows}
    if len(read) > 1:
        read |= set(parts_read(store, parameters[0], subjects))
    place = reading_order(list(read))

    def order(row: Row) -> tuple[Any, ...]:
        return -row["time"], place[row["part"]], row["type"], row["subject"], row["time"] // 3600, row["seq"]

    return sorted(rows, key=order)[:limit]
