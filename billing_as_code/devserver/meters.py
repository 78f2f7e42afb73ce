"""Meters: their table and their rules (`openmeter/meter`). The endpoints are in meters_v1 and meters_v3."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .clock import to_db
from .operation import Resource
from .parameters import Param
from .problems import conflict, invalid, not_found
from .schema_fragments import add_schemas
from .store import Duplicate, Row, Store

add_schemas("meters")

resource = Resource(
    "meters",
    ddl="""
    CREATE TABLE IF NOT EXISTS meters (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        aggregation TEXT NOT NULL,
        event_type TEXT NOT NULL,
        event_from TEXT,
        value_property TEXT,
        group_by TEXT NOT NULL,
        metadata TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS meters_by_live_key ON meters (key) WHERE deleted_at IS NULL;
    """,
)

_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
_DIMENSION_NAME = re.compile(r"[a-zA-Z_][0-9a-zA-Z_]*")
METER_ID_OR_SLUG = Param(
    "meterIdOrSlug",
    {
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "pattern": "^[a-z0-9]+(?:_[a-z0-9]+)*$|^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$",
    },
    required=True,
)


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A meter as stored; times in the database's form, `group_by` None when it never had any."""

    id: str
    key: str
    name: str
    description: str | None
    aggregation: str
    event_type: str
    event_from: str | None
    value_property: str | None
    group_by: Mapping[str, str] | None
    metadata: Mapping[str, str] | None
    created_at: str
    updated_at: str
    deleted_at: str | None

    @classmethod
    def of(cls, row: Row) -> MeterRow:
        values = dict(row)
        return cls(**values | {name: json.loads(values[name]) for name in ("group_by", "metadata")})


@dataclass(frozen=True, slots=True)
class MeterInput:
    """What a create needs, from either API or the server's configuration."""

    key: str
    name: str
    description: str | None
    aggregation: str
    event_type: str
    event_from: datetime | None
    value_property: str | None
    group_by: Mapping[str, str] | None
    metadata: Mapping[str, str] | None


def find_meter(store: Store, id_or_key: str) -> MeterRow:
    """A meter by id, deleted or not, or a live one by key. Raises 404 `meter not found: …`."""
    row = store.one("SELECT * FROM meters WHERE id = ?", [id_or_key])
    row = row or store.one("SELECT * FROM meters WHERE key = ? AND deleted_at IS NULL", [id_or_key])
    if row is None:
        raise not_found(f"meter not found: {id_or_key}")
    return MeterRow.of(row)


def create_meter(store: Store, wanted: MeterInput, *, reserved_types_allowed: bool = False) -> MeterRow:
    """Validate and store a meter (`meter/service/manage.go`)."""
    _validate(wanted)
    if not reserved_types_allowed:
        _refuse_reserved_type(store, wanted.event_type)
    stamp, id = store.stamp(), store.new_id()
    values = {
        "id": id,
        "key": wanted.key,
        "name": wanted.name,
        "description": wanted.description,
        "aggregation": wanted.aggregation,
        "event_type": wanted.event_type,
        "event_from": None if wanted.event_from is None else to_db(wanted.event_from),
        "value_property": wanted.value_property,
        "group_by": json.dumps(wanted.group_by),
        "metadata": json.dumps(wanted.metadata),
        "created_at": stamp,
        "updated_at": stamp,
    }
    try:
        store.insert("meters", values)
    except Duplicate:
        raise conflict("meter with the same slug already exists") from None
    return find_meter(store, id)


def update_meter(
    store: Store,
    meter: MeterRow,
    *,
    name: str,
    description: str | None,
    group_by: Mapping[str, str] | None,
    metadata: Mapping[str, str] | None,
) -> MeterRow:
    """Replace name, group-bys and metadata; a description that is None stays as it was."""
    _refuse_reserved_type(store, meter.event_type)
    _raise_joined(_common_faults(name, description) + _group_by_faults(meter.value_property, group_by))
    _refuse_dropped_dimensions(store, meter, group_by or {})
    changes: dict[str, Any] = {
        "name": name,
        "group_by": json.dumps(group_by),
        "metadata": json.dumps(metadata),
        "updated_at": store.stamp(),
    }
    if description is not None:
        changes["description"] = description
    store.update("meters", changes, id=meter.id)
    return find_meter(store, meter.id)


def delete_meter(store: Store, meter: MeterRow) -> None:
    """Mark a meter deleted, unless live features or active entitlements use it; again does nothing."""
    if meter.deleted_at is not None:
        return
    _refuse_reserved_type(store, meter.event_type)
    features = _features_on(store, meter.id)
    if any(feature["archived_at"] is None for feature in features):
        raise conflict("meter has active features and cannot be deleted")
    if _has_entitlements(store, [feature["id"] for feature in features]):
        raise conflict("meter has active entitlements and cannot be deleted")
    stamp = store.stamp()
    store.update("meters", {"deleted_at": stamp, "updated_at": stamp}, id=meter.id)


def at_boot(store: Store) -> None:
    """Make the meters of the server's configuration that are not there yet (`app/common/meter.go`)."""
    for entry in store.settings.config.get("meters") or []:
        if store.value("SELECT 1 FROM meters WHERE key = ? AND deleted_at IS NULL", [entry["slug"]]) is None:
            create_meter(store, _configured(entry), reserved_types_allowed=True)


def _configured(entry: Mapping[str, Any]) -> MeterInput:
    return MeterInput(
        key=entry["slug"],
        name=entry.get("name") or entry["slug"],
        description=entry.get("description"),
        aggregation=entry["aggregation"],
        event_type=entry["eventType"],
        event_from=None,
        value_property=entry.get("valueProperty"),
        group_by=entry.get("groupBy"),
        metadata=entry.get("metadata"),
    )


def _features_on(store: Store, meter_id: str) -> list[Row]:
    return store.all("SELECT id, key, archived_at, filters FROM features WHERE meter_id = ?", [meter_id])


def _has_entitlements(store: Store, feature_ids: list[str]) -> bool:
    from .entitlements import has_active_entitlements

    return bool(feature_ids) and has_active_entitlements(store, feature_ids=feature_ids)


def _refuse_reserved_type(store: Store, event_type: str) -> None:
    for pattern in store.settings.reserved_event_types:
        if re.search(pattern, event_type):
            text = f"event type '{event_type}' matched reserved pattern '{pattern}'"
            raise invalid(f"invalid event type: {text}")


def _refuse_dropped_dimensions(store: Store, meter: MeterRow, group_by: Mapping[str, str]) -> None:
    dropped = [name for name in meter.group_by or {} if name not in group_by]
    if not dropped:
        return
    for feature in _features_on(store, meter.id):
        filters = json.loads(feature["filters"]) or {}
        for name in dropped:
            if feature["archived_at"] is None and name in filters:
                text = f"meter group by: {name} cannot be dropped because it is used by feature: {feature['key']}"
                raise conflict(text)


def _validate(wanted: MeterInput) -> None:
    faults = _common_faults(wanted.name, wanted.description)
    if wanted.event_from is not None and wanted.event_from == _ZERO_TIME:
        faults.append("meter event from must not be zero")
    faults += [f"invalid meter aggregation: {fault}" for fault in _aggregation_faults(wanted)]
    faults += [f"invalid meter group by: {fault}" for fault in _group_by_faults(wanted.value_property, wanted.group_by)]
    _raise_joined(faults)


def _raise_joined(faults: list[str]) -> None:
    if faults:
        raise invalid("\n".join(faults))


def _common_faults(name: str, description: str | None) -> list[str]:
    faults = [] if name else ["name is required"]
    return [*faults, "description must not be empty string"] if description == "" else faults


def _aggregation_faults(wanted: MeterInput) -> list[str]:
    value_property = wanted.value_property
    if wanted.aggregation == "COUNT":
        if value_property is None:
            return []
        return ["meter value property is not allowed when the aggregation is count"]
    if value_property is None:
        return ["meter value property is required when the aggregation is not count"]
    if value_property == "":
        return ["meter value property cannot be empty when the aggregation is not count"]
    return [] if value_property.startswith("$") else ["meter value property must start with $"]


def _group_by_faults(value_property: str | None, group_by: Mapping[str, str] | None) -> list[str]:
    """The first fault of the group-bys (Go walks a map in random order; here it is the given one)."""
    for name, path in (group_by or {}).items():
        if not path.startswith("$"):
            return [f"meter group by value must start with $ for key {name}"]
        if not name.strip():
            return ["meter group by key cannot be empty"]
        if not _DIMENSION_NAME.fullmatch(name):
            allowed = "only alphanumeric and underscore characters are allowed"
            return [f"meter group by key {name} is invalid, {allowed}"]
        if path == value_property:
            return [f"meter group by value {name} cannot be the same as value property"]
    return []


def list_meters(store: Store, where: str, order: str, parameters: list[Any], page: str = "") -> list[MeterRow]:
    """Meters that meet a condition, in an order."""
    rows = store.all(f"SELECT * FROM meters WHERE {where} ORDER BY {order}{page}", parameters)
    return [MeterRow.of(row) for row in rows]
