"""Features through v3 (`api/v3/handlers/features`)."""

from __future__ import annotations

from typing import Any

from flask import Response

from . import feature_filters, unit_costs
from .clock import wire
from .features import (
    FeatureInput,
    FeatureRow,
    archive_feature,
    change_unit_cost,
    create_feature,
    find_feature,
    list_features,
)
from .labels import from_metadata, to_metadata
from .list_filters import FieldFilter, filters_of, where_of
from .meters import find_meter
from .operation import Call, Resource, json_body
from .paging import PAGE_V3, SORT_V3, Page, count, envelope_v3, sort_v3
from .parameters import Param
from .problems import invalid
from .replies import json_reply, no_content
from .schema_fragments import ULID_V3

resource = Resource("features_v3")

_FEATURES = "/api/v3/openmeter/features"
_FEATURE_ID = Param("featureId", ULID_V3, required=True)
_SORTS = ("key", "name", "created_at", "updated_at")
_FILTERS = {"meter_id": "ulid", "key": "string", "name": "string"}


def feature_v3(feature: FeatureRow) -> dict[str, Any]:
    """A feature as v3 shows it: its archiving is `deleted_at`."""
    shown: dict[str, Any] = {
        "id": feature.id,
        "key": feature.key,
        "name": feature.name,
        "labels": from_metadata(feature.metadata),
        "created_at": wire(feature.created_at),
        "updated_at": wire(feature.updated_at),
    }
    if feature.description is not None:
        shown["description"] = feature.description
    if feature.meter_id is not None:
        shown["meter"] = {"id": feature.meter_id}
        if feature.filters:
            shown["meter"]["filters"] = feature_filters.to_v3(feature.filters)
    if feature.unit_cost is not None:
        shown["unit_cost"] = feature.unit_cost
    if feature.archived_at is not None:
        shown["deleted_at"] = wire(feature.archived_at)
    return shown


@resource.operation("GET", _FEATURES, query=[PAGE_V3, SORT_V3], filters=filters_of(_FILTERS))
def list_features_v3(call: Call) -> Response:
    """Live features; without a sort in the order of their creation (OpenMeter has none then)."""
    page = Page.of_v3(call)
    sort = sort_v3(call, _SORTS)
    found: dict[str, FieldFilter] = call.query["filter"]
    faults = [fault for name in _FILTERS if name in found and (fault := found[name].fault(_FILTERS[name]))]
    if faults:
        raise invalid("\n".join(faults))
    where, parameters = where_of(found, {name: f"features.{name}" for name in _FILTERS})
    where = f"archived_at IS NULL AND {where}"
    order = "" if sort is None else f"features.{sort.field} {'DESC' if sort.descending else 'ASC'}, "
    order += "features.created_at, features.id"
    features = list_features(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM features WHERE {where}", parameters)
    return json_reply(envelope_v3(page, total, [feature_v3(feature) for feature in features]))


@resource.operation("POST", _FEATURES, body=json_body("CreateFeatureRequest"))
def create_v3(call: Call) -> Response:
    body = call.body
    reference = body.get("meter")
    if reference is not None:
        meter = find_meter(call.store, reference["id"])
        for name in reference.get("filters", {}):
            if name not in (meter.group_by or {}):
                raise invalid(f'filter key "{name}" is not a valid dimension of meter "{meter.key}"')
    wanted = FeatureInput(
        key=body["key"],
        name=body["name"],
        description=body.get("description"),
        metadata=to_metadata(body.get("labels")),
        meter=None if reference is None else reference["id"],
        filters=feature_filters.from_v3(None if reference is None else reference.get("filters")),
        unit_cost=unit_costs.from_v3(body["unit_cost"]) if "unit_cost" in body else None,
    )
    return json_reply(feature_v3(create_feature(call.store, wanted)), 201)


@resource.operation("GET", f"{_FEATURES}/{{featureId}}", path=[_FEATURE_ID])
def get_v3(call: Call) -> Response:
    return json_reply(feature_v3(find_feature(call.store, call.path["featureId"])))


@resource.operation("PATCH", f"{_FEATURES}/{{featureId}}", path=[_FEATURE_ID], body=json_body("UpdateFeatureRequest"))
def update_v3(call: Call) -> Response:
    """Only the unit cost can be changed; null clears it."""
    body = call.body
    if "unit_cost" not in body:
        raise invalid("unitCost is required")
    feature = find_feature(call.store, call.path["featureId"])
    cost = None if body["unit_cost"] is None else unit_costs.from_v3(body["unit_cost"])
    return json_reply(feature_v3(change_unit_cost(call.store, feature, cost)))


@resource.operation("DELETE", f"{_FEATURES}/{{featureId}}", path=[_FEATURE_ID])
def delete_v3(call: Call) -> Response:
    archive_feature(call.store, call.path["featureId"], refusal=403)
    return no_content()
