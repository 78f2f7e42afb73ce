"""Meters through v3 (`api/v3/handlers/meters`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response

from .clock import as_sent, parse_rfc3339, wire
from .labels import from_metadata, to_metadata
from .list_filters import FieldFilter, filters_of, where_of
from .meters import MeterInput, MeterRow, create_meter, delete_meter, find_meter, list_meters, update_meter
from .operation import Call, Resource, json_body
from .paging import PAGE_V3, SORT_V3, Page, count, envelope_v3, sort_v3
from .parameters import Param
from .problems import bad_request, invalid, issue, validation_issues
from .replies import json_reply, no_content
from .schema_fragments import ULID_V3

resource = Resource("meters_v3")

_METERS = "/api/v3/openmeter/meters"
METER_ID = Param("meterId", ULID_V3, required=True)
_SORTS = ("key", "name", "aggregation", "created_at", "updated_at")
_RESERVED_DIMENSIONS = ("subject", "customer_id")


def meter_v3(meter: MeterRow) -> dict[str, Any]:
    """A meter as v3 shows it: `dimensions` null when it never had any."""
    shown: dict[str, Any] = {
        "id": meter.id,
        "key": meter.key,
        "name": meter.name,
        "aggregation": meter.aggregation.lower(),
        "event_type": meter.event_type,
        "dimensions": meter.group_by,
        "labels": from_metadata(meter.metadata),
        "created_at": wire(meter.created_at),
        "updated_at": wire(meter.updated_at),
    }
    optional = {
        "description": meter.description,
        "events_from": meter.event_from and wire(meter.event_from),
        "value_property": meter.value_property,
        "deleted_at": meter.deleted_at and wire(meter.deleted_at),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


@resource.operation("GET", _METERS, query=[PAGE_V3, SORT_V3], filters=filters_of({"key": "string", "name": "string"}))
def list_meters_v3(call: Call) -> Response:
    """Live meters; without a sort in the order of their keys (OpenMeter has none then)."""
    page = Page.of_v3(call)
    sort = sort_v3(call, _SORTS)
    found: dict[str, FieldFilter] = call.query["filter"]
    faults = [f"invalid {name} filter: {fault}" for name in found if (fault := found[name].fault("string"))]
    if faults:
        raise invalid("\n".join(faults))
    where, parameters = where_of(found, {"key": "key", "name": "name"})
    where = f"deleted_at IS NULL AND {where}"
    order = "key" if sort is None else f"{sort.field} {'DESC' if sort.descending else 'ASC'}, key"
    meters = list_meters(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM meters WHERE {where}", parameters)
    return json_reply(envelope_v3(page, total, [meter_v3(meter) for meter in meters]))


@resource.operation("POST", _METERS, body=json_body("CreateMeterRequest"))
def create_v3(call: Call) -> Response:
    body = call.body
    events_from = _events_from(body)
    _refuse_reserved_dimensions(body)
    wanted = MeterInput(
        key=body["key"],
        name=body["name"],
        description=body.get("description"),
        aggregation=body["aggregation"].upper(),
        event_type=body["event_type"],
        event_from=events_from,
        value_property=body.get("value_property"),
        group_by=body.get("dimensions"),
        metadata=to_metadata(body.get("labels")),
    )
    shown = meter_v3(create_meter(call.store, wanted))
    if "events_from" in body:
        # A create answers with the time as it came, later reads with the stored one.
        shown["events_from"] = as_sent(body["events_from"])
    return json_reply(shown, 201)


def _refuse_reserved_dimensions(body: Mapping[str, Any]) -> None:
    for name in body.get("dimensions", {}):
        if name in _RESERVED_DIMENSIONS:
            text = "dimension name is reserved"
            raise validation_issues([issue("reserved_dimension", text, f"$.dimensions.{name}", value=name)])


def _events_from(body: Mapping[str, Any]) -> datetime | None:
    """The time from which events count; a day that does not exist passes the schema, and fails after it."""
    if "events_from" not in body:
        return None
    moment = parse_rfc3339(body["events_from"])
    if moment is None:
        raise bad_request([{"field": "", "reason": "unable to parse body", "source": "body"}])
    return moment


@resource.operation("GET", f"{_METERS}/{{meterId}}", path=[METER_ID])
def get_v3(call: Call) -> Response:
    return json_reply(meter_v3(find_meter(call.store, call.path["meterId"])))


@resource.operation("PUT", f"{_METERS}/{{meterId}}", path=[METER_ID], body=json_body("UpdateMeterRequest"))
def update_v3(call: Call) -> Response:
    body = call.body
    _refuse_reserved_dimensions(body)
    metadata = to_metadata(body.get("labels"))
    updated = update_meter(
        call.store,
        find_meter(call.store, call.path["meterId"]),
        name=body.get("name", ""),
        description=body.get("description"),
        group_by=body.get("dimensions"),
        metadata=metadata,
    )
    return json_reply(meter_v3(updated))


@resource.operation("DELETE", f"{_METERS}/{{meterId}}", path=[METER_ID])
def delete_v3(call: Call) -> Response:
    delete_meter(call.store, find_meter(call.store, call.path["meterId"]))
    return no_content()
