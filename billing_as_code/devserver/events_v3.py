"""The list of events, v3 (`api/v3/handlers/events/list.go`)."""

from __future__ import annotations

from typing import Any

from flask import Response

from .aggregation import utc
from .clock import to_wire
from .cursors import Cursor, InvalidCursor
from .filters import Filter
from .list_filters import FieldFilter, filters_of
from .listed_events import MAXIMUM_LIMIT, EventQuestion, ListedEvent, cursor_of, page
from .operation import Call, Resource
from .paging import SORT_V3, sort_v3
from .parameters import Param
from .problems import invalid_query
from .replies import json_reply

resource = Resource("events_v3")

_DEFAULT_SIZE = 20
_SORTS = ("time", "ingested_at", "stored_at")
_TEXTS = ("id", "source", "subject", "type")
_KINDS = {
    **dict.fromkeys(_TEXTS, "string"),
    "customer_id": "ulid",
    **dict.fromkeys(_SORTS, "datetime"),
}
_PAGE = Param("page", {"type": "object"}, "object", fields={"size": "int", "after": "str", "before": "str"})


@resource.operation("GET", "/api/v3/openmeter/events", query=[_PAGE, SORT_V3], filters=filters_of(_KINDS))
def list_events_v3(call: Call) -> Response:
    """Events page by page, newest first unless sorted otherwise."""
    cursor, size = _page(call)
    given: dict[str, FieldFilter] = call.query["filter"]
    filters = {name: _filter(given[name]) for name in (*_TEXTS, *_SORTS) if name in given}
    customer_ids = _customer_ids(given.get("customer_id"))
    sort = sort_v3(call, _SORTS) if call.query["sort"] else None
    question = EventQuestion(
        filters,
        customer_ids,
        cursor,
        size,
        sort.field if sort else "time",
        # Without a direction a field goes down here, unlike in other lists.
        sort is not None and len(call.query["sort"].split()) == 2 and not sort.descending,
    )
    events = page(call.store, question)
    meta: dict[str, Any] = {"size": size, "next": None, "previous": None}
    if events:
        meta["first"] = cursor_of(events[0], question.sort).encode()
        meta["last"] = cursor_of(events[-1], question.sort).encode()
        if len(events) == size:
            meta["next"] = meta["last"]
    return json_reply({"data": [_event(event) for event in events], "meta": {"page": meta}})


def _page(call: Call) -> tuple[Cursor | None, int]:
    given = call.query["page"] or {}
    if "before" in given:
        raise invalid_query("page[before]", "backward pagination is not supported")
    cursor = None
    if "after" in given:
        try:
            cursor = Cursor.decode(given["after"])
        except InvalidCursor as error:
            raise invalid_query("page[after]", str(error)) from None
    size = given.get("size", _DEFAULT_SIZE)
    if not 1 <= size <= MAXIMUM_LIMIT:
        raise invalid_query("page[size]", f"must be between 1 and {MAXIMUM_LIMIT}")
    return cursor, size


def _filter(given: FieldFilter) -> Filter:
    """A parameter's operators as OpenMeter's filter: several become an `and` (`filters.FromAPIFilterString`)."""
    parts = []
    for operator, value in given.operators.items():
        if operator == "ocontains":
            parts.append(Filter((("or", tuple(Filter((("contains", part),)) for part in value)),)))
        else:
            parts.append(Filter((({"neq": "ne", "oeq": "in"}.get(operator, operator), value),)))
    return parts[0] if len(parts) == 1 else Filter((("and", tuple(parts)),))


def _customer_ids(given: FieldFilter | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if "neq" in given.operators:
        raise invalid_query("filter[customer_id]", "only eq and oeq operators are supported")
    return tuple(([given.operators["eq"]] if "eq" in given.operators else []) + list(given.operators.get("oeq", [])))


def _event(event: ListedEvent) -> dict[str, Any]:
    row = event.row
    shown = {
        "id": row["id"],
        "source": row["source"],
        "specversion": "1.0",
        "subject": row["subject"],
        "time": to_wire(utc(row["time"])),
        "type": row["type"],
    }
    if row["data"] is not None:
        shown |= {"data": event.data, "datacontenttype": "application/json"}
    answer: dict[str, Any] = {
        "event": shown,
        "ingested_at": to_wire(utc(row["ingested_at"])),
        "stored_at": to_wire(utc(row["stored_at"])),
    }
    if event.customer_id:
        answer["customer"] = {"id": event.customer_id}
    if event.errors:
        answer["validation_errors"] = [{"code": "validation_error", "message": text} for text in event.errors]
    return answer
