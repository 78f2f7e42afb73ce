"""Features: their table, their rules, and v1 (`openmeter/productcatalog/feature`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response

from . import feature_filters, unit_costs
from .clock import wire
from .meters import find_meter
from .operation import Call, Resource, json_body
from .paging import DEFAULT_SIZE, LIMIT, OFFSET, ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1, order_by
from .parameters import Param
from .problems import DomainProblem, internal, invalid
from .replies import json_reply, no_content
from .schema_fragments import add_schemas
from .store import Row, Store

add_schemas("features")

resource = Resource(
    "features",
    ddl="""
    CREATE TABLE IF NOT EXISTS features (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        meter_id TEXT,
        filters TEXT NOT NULL,
        unit_cost TEXT NOT NULL,
        metadata TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        archived_at TEXT
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS features_by_live_key ON features (key) WHERE archived_at IS NULL;
    CREATE INDEX IF NOT EXISTS features_by_key ON features (key);
    CREATE INDEX IF NOT EXISTS features_by_meter ON features (meter_id);
    """,
)

_AGGREGATIONS = ("SUM", "COUNT", "UNIQUE_COUNT", "LATEST")
_SELECT = "SELECT features.*, meters.key AS meter_key FROM features LEFT JOIN meters ON meters.id = features.meter_id"
_COLUMNS = {"key": "key", "name": "name", "createdAt": "created_at", "updatedAt": "updated_at"}
_ORDER_BY = order_by("FeatureOrderBy", ("id", *_COLUMNS), "features")
_FEATURE_ID = Param("featureId", {"type": "string"}, required=True)
_METER_SLUG = Param("meterSlug", {"type": "array", "items": {"type": "string"}}, "list")
_INCLUDE_ARCHIVED = Param("includeArchived", {"type": "boolean"}, "bool", explode=False)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A feature as stored; `meter_key` is its meter's, also when that was deleted."""

    id: str
    key: str
    name: str
    description: str | None
    meter_id: str | None
    filters: feature_filters.Filters
    unit_cost: unit_costs.UnitCost | None
    metadata: Mapping[str, str] | None
    created_at: str
    updated_at: str
    archived_at: str | None
    meter_key: str | None

    @classmethod
    def of(cls, row: Row) -> FeatureRow:
        values = dict(row)
        decoded = {name: json.loads(values[name]) for name in ("filters", "unit_cost", "metadata")}
        return cls(**values | decoded)


@dataclass(frozen=True, slots=True)
class FeatureInput:
    """What a create needs, from either API; `meter` is an id or a slug."""

    key: str
    name: str
    description: str | None
    meter: str | None
    filters: feature_filters.Filters
    unit_cost: unit_costs.UnitCost | None
    metadata: Mapping[str, str] | None


def feature_not_found(id_or_key: str) -> DomainProblem:
    """404, without the usual prefix."""
    return DomainProblem(404, f"feature not found: {id_or_key}")


def find_feature(store: Store, id_or_key: str, *, archived: bool = False) -> FeatureRow:
    """A live feature by id or key, or with `archived` the live or last one. Raises 404."""
    where = "(features.id = ? OR features.key = ?)" + ("" if archived else " AND archived_at IS NULL")
    order = "archived_at IS NOT NULL, archived_at DESC"
    row = store.one(f"{_SELECT} WHERE {where} ORDER BY {order} LIMIT 1", [id_or_key, id_or_key])
    if row is None:
        raise feature_not_found(id_or_key)
    return FeatureRow.of(row)


def create_feature(store: Store, wanted: FeatureInput) -> FeatureRow:
    """Validate and store a feature (`feature/connector.go`)."""
    meter = None if wanted.meter is None else find_meter(store, wanted.meter)
    if meter is not None:
        if meter.aggregation not in _AGGREGATIONS:
            text = f"aggregation is {meter.aggregation} but features can only be created for"
            raise DomainProblem(400, f"meter {meter.key}'s {text} {', '.join(_AGGREGATIONS)}")
        feature_filters.validate(wanted.filters, meter.group_by or {})
    if wanted.unit_cost is not None:
        unit_costs.validate(wanted.unit_cost, None if meter is None else meter.group_by or {})
    _refuse_key(store, wanted.key)
    if not wanted.name:
        raise internal()
    stamp, id = store.stamp(), store.new_id()
    values = {
        "id": id,
        "key": wanted.key,
        "name": wanted.name,
        "description": wanted.description,
        "meter_id": None if meter is None else meter.id,
        "filters": json.dumps(wanted.filters),
        "unit_cost": json.dumps(wanted.unit_cost),
        "metadata": json.dumps(wanted.metadata),
        "created_at": stamp,
        "updated_at": stamp,
    }
    store.insert("features", values)
    return find_feature(store, id)


def change_unit_cost(store: Store, feature: FeatureRow, cost: unit_costs.UnitCost | None) -> FeatureRow:
    """Set a feature's unit cost, or clear it."""
    if cost is not None:
        meter = None if feature.meter_key is None else _meter_of(store, cost, feature.meter_key)
        unit_costs.validate(cost, meter)
        cost = unit_costs.replaced(feature.unit_cost, cost)
    store.update("features", {"unit_cost": json.dumps(cost), "updated_at": store.stamp()}, id=feature.id)
    return find_feature(store, feature.id)


def archive_feature(store: Store, id_or_key: str, *, refusal: int) -> None:
    """Archive a live feature, unless a plan or subscription in force has it, which the APIs have two statuses for.

    Entitlements on it do not prevent that, and go on.
    """
    from .plans import has_plan_in_force
    from .subscriptions import has_subscription_in_force

    feature = find_feature(store, id_or_key)
    stamp = store.stamp()
    user = "plan" if has_plan_in_force(store, feature.id, feature.key) else None
    user = user or ("subscription" if has_subscription_in_force(store, feature.key) else None)
    if user is not None:
        why = f"feature is referenced by active {user}, it cannot be archived"
        raise DomainProblem(refusal, f"forbidden for feature {feature.id}: {why}")
    store.update("features", {"archived_at": stamp, "updated_at": stamp}, id=feature.id)


def list_features(store: Store, where: str, order: str, parameters: list[Any], page: str) -> list[FeatureRow]:
    """Features that meet a condition, in an order."""
    return [FeatureRow.of(row) for row in store.all(f"{_SELECT} WHERE {where} ORDER BY {order}{page}", parameters)]


def _meter_of(store: Store, cost: unit_costs.UnitCost, meter_key: str) -> Mapping[str, str] | None:
    """The dimensions that a model's price may name; looked up by key, so a deleted meter is not found."""
    return {} if cost["type"] == "manual" else find_meter(store, meter_key).group_by or {}


def _refuse_key(store: Store, key: str) -> None:
    # A lenient parser of ULIDs only looks at the length and the first character.
    if len(key) == 26 and key[0] <= "7":
        raise invalid("Feature key cannot be a valid ULID")
    taken = store.value("SELECT id FROM features WHERE key = ? AND archived_at IS NULL", [key])
    if taken is not None:
        raise DomainProblem(409, f"feature {taken} with key {key} already exists")


def feature_v1(feature: FeatureRow) -> dict[str, Any]:
    """A feature as v1 shows it: without its description (`driver/parser.go`)."""
    shown: dict[str, Any] = {
        "id": feature.id,
        "key": feature.key,
        "name": feature.name,
        "createdAt": wire(feature.created_at),
        "updatedAt": wire(feature.updated_at),
    }
    if feature.metadata:
        shown["metadata"] = feature.metadata
    if feature.meter_key is not None:
        shown["meterSlug"] = feature.meter_key
    if feature.filters:
        shown["advancedMeterGroupByFilters"] = feature_filters.to_v1(feature.filters)
        plain = feature_filters.to_v1_plain(feature.filters)
        if plain is not None:
            shown["meterGroupByFilters"] = plain
    if feature.unit_cost is not None:
        shown["unitCost"] = unit_costs.to_v1(feature.unit_cost)
    if feature.archived_at is not None:
        shown["archivedAt"] = wire(feature.archived_at)
    return shown


@resource.operation(
    "GET",
    "/api/v1/features",
    query=[_METER_SLUG, _INCLUDE_ARCHIVED, PAGE, PAGE_SIZE, OFFSET, LIMIT, ORDER, _ORDER_BY],
)
def list_v1(call: Call) -> Response:
    """An array by limit and offset, or an envelope as soon as a page is asked for."""
    query = call.query
    order_field = query["orderBy"] or "key"
    if order_field not in _COLUMNS:
        raise invalid(f"validation error: invalid feature order by: {order_field}")
    where, parameters = _where_v1(query)
    order = f"features.{_COLUMNS[order_field]} {query['order'] or 'ASC'}, features.created_at, features.id"
    if query["page"] is None and query["pageSize"] is None:
        clause = f" LIMIT {query['limit'] or DEFAULT_SIZE} OFFSET {query['offset'] or 0}"
        features = list_features(call.store, where, order, parameters, clause)
        return json_reply([feature_v1(feature) for feature in features])
    page = Page.of_v1(call)
    features = list_features(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM features LEFT JOIN meters ON meters.id = meter_id WHERE {where}", parameters)
    return json_reply(envelope_v1(page, total, [feature_v1(feature) for feature in features]))


def _where_v1(query: Mapping[str, Any]) -> tuple[str, list[Any]]:
    conditions = ["1"] if query["includeArchived"] else ["archived_at IS NULL"]
    slugs = query["meterSlug"] or []
    if slugs:
        conditions.append(f"meters.key IN ({', '.join('?' * len(slugs))})")
    return " AND ".join(conditions), list(slugs)


@resource.operation("POST", "/api/v1/features", body=json_body("FeatureCreateInputs"))
def create_v1(call: Call) -> Response:
    body = call.body
    if "meterSlug" in body:
        find_meter(call.store, body["meterSlug"])
    wanted = FeatureInput(
        key=body["key"],
        name=body["name"],
        description=None,
        meter=body.get("meterSlug"),
        filters=feature_filters.from_v1(body.get("advancedMeterGroupByFilters"), body.get("meterGroupByFilters")),
        unit_cost=unit_costs.from_v1(body["unitCost"]) if "unitCost" in body else None,
        metadata=body.get("metadata"),
    )
    return json_reply(feature_v1(create_feature(call.store, wanted)), 201)


@resource.operation("GET", "/api/v1/features/{featureId}", path=[_FEATURE_ID])
def get_v1(call: Call) -> Response:
    return json_reply(feature_v1(find_feature(call.store, call.path["featureId"])))


@resource.operation("DELETE", "/api/v1/features/{featureId}", path=[_FEATURE_ID])
def delete_v1(call: Call) -> Response:
    archive_feature(call.store, call.path["featureId"], refusal=400)
    return no_content()
