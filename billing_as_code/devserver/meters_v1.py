"""Meters through v1 (`openmeter/meter/httphandler`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response

from .clock import as_sent, parse_rfc3339, wire
from .jsonpath import valid_jsonpath
from .meters import (
    METER_ID_OR_SLUG,
    MeterInput,
    MeterRow,
    create_meter,
    delete_meter,
    find_meter,
    list_meters,
    update_meter,
)
from .operation import Call, Resource, json_body
from .paging import ORDER, PAGE, PAGE_SIZE, order_by
from .parameters import Param
from .problems import internal, invalid
from .replies import json_reply, no_content

resource = Resource("meters_v1")

_COLUMNS = {
    "key": "key",
    "name": "name",
    "aggregation": "aggregation",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
_ORDER_BY = order_by("MeterOrderBy", tuple(_COLUMNS), "meters")


def meter_v1(meter: MeterRow) -> dict[str, Any]:
    """A meter as v1 shows it (`meter/httphandler/mapping.go`)."""
    shown: dict[str, Any] = {
        "id": meter.id,
        "slug": meter.key,
        "name": meter.name,
        "aggregation": meter.aggregation,
        "eventType": meter.event_type,
        "metadata": meter.metadata,
        "annotations": None,
        "createdAt": wire(meter.created_at),
        "updatedAt": wire(meter.updated_at),
    }
    optional = {
        "description": meter.description,
        "eventFrom": meter.event_from and wire(meter.event_from),
        "valueProperty": meter.value_property,
        "groupBy": meter.group_by or None,
        "deletedAt": meter.deleted_at and wire(meter.deleted_at),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


_INCLUDE_DELETED = Param("includeDeleted", {"type": "boolean"}, "bool", explode=False)


@resource.operation("GET", "/api/v1/meters", query=[PAGE, PAGE_SIZE, ORDER, _ORDER_BY, _INCLUDE_DELETED])
def list_v1(call: Call) -> Response:
    """All meters: the page is validated, and ignored."""
    where = "1" if call.query["includeDeleted"] else "deleted_at IS NULL"
    column = _COLUMNS[call.query["orderBy"] or "key"]
    order = f"{column} {call.query['order'] or 'ASC'}, created_at"
    return json_reply([meter_v1(meter) for meter in list_meters(call.store, where, order, [], " LIMIT 1000")])


@resource.operation("POST", "/api/v1/meters", body=json_body("MeterCreate"))
def create_v1(call: Call) -> Response:
    body = call.body
    event_from = _event_from(body)
    if body.get("valueProperty") is not None:
        _check_json_path(body["valueProperty"], "invalid JSONPath")
    _check_group_by_paths(body.get("groupBy"))
    wanted = MeterInput(
        key=body["slug"],
        name=body.get("name", body["slug"]),
        description=body.get("description"),
        aggregation=body["aggregation"],
        event_type=body["eventType"],
        event_from=event_from,
        value_property=body.get("valueProperty"),
        group_by=body.get("groupBy", {}),
        metadata=body.get("metadata"),
    )
    shown = meter_v1(create_meter(call.store, wanted))
    if "eventFrom" in body:
        # A create answers with the time as it came, later reads with the stored one.
        shown["eventFrom"] = as_sent(body["eventFrom"])
    return json_reply(shown)


@resource.operation("GET", "/api/v1/meters/{meterIdOrSlug}", path=[METER_ID_OR_SLUG])
def get_v1(call: Call) -> Response:
    return json_reply(meter_v1(find_meter(call.store, call.path["meterIdOrSlug"])))


@resource.operation("PUT", "/api/v1/meters/{meterIdOrSlug}", path=[METER_ID_OR_SLUG], body=json_body("MeterUpdate"))
def update_v1(call: Call) -> Response:
    meter = find_meter(call.store, call.path["meterIdOrSlug"])
    _check_group_by_paths(call.body.get("groupBy"))
    updated = update_meter(
        call.store,
        meter,
        name=call.body.get("name", meter.key),
        description=call.body.get("description"),
        group_by=call.body.get("groupBy", {}),
        metadata=call.body.get("metadata"),
    )
    return json_reply(meter_v1(updated))


@resource.operation("DELETE", "/api/v1/meters/{meterIdOrSlug}", path=[METER_ID_OR_SLUG])
def delete_v1(call: Call) -> Response:
    delete_meter(call.store, find_meter(call.store, call.path["meterIdOrSlug"]))
    return no_content()


def _event_from(body: Mapping[str, Any]) -> datetime | None:
    """The time from which events count; a day that does not exist passes the schema, and fails after it."""
    if "eventFrom" not in body:
        return None
    moment = parse_rfc3339(body["eventFrom"])
    if moment is None:
        raise internal()
    return moment


def _check_group_by_paths(group_by: Mapping[str, str] | None) -> None:
    for name, path in (group_by or {}).items():
        _check_json_path(path, f"invalid JSONPath for {name} group by")


def _check_json_path(path: str, message: str) -> None:
    """v1 asks ClickHouse whether it reads a path; its text wraps an error that is not there."""
    if not valid_jsonpath(path):
        raise invalid(f"{message}: %!w(<nil>)")
