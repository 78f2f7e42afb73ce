"""Entitlements as they are stored (`openmeter/entitlement/adapter/entitlement.go`).

Times are kept as the database's text, which compares as text; what calculates with them parses them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from ..clock import from_db, to_db
from ..durations import parse_duration
from ..periods import Recurrence, UsagePeriod
from ..problems import DomainProblem
from ..store import Store

NAMESPACE: Final = "default"

DDL: Final = """
CREATE TABLE IF NOT EXISTS entitlements (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    feature_id TEXT NOT NULL,
    feature_key TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    metadata TEXT,
    annotations TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT,
    active_from TEXT NOT NULL,
    active_to TEXT,
    measure_usage_from TEXT,
    issue_amount REAL,
    issue_priority INTEGER,
    is_soft_limit INTEGER NOT NULL DEFAULT 0,
    preserve_overage INTEGER NOT NULL DEFAULT 0,
    config TEXT,
    interval TEXT,
    anchor TEXT,
    -- Manual resets, oldest first: [time, anchor, interval]. They are only ever read with their entitlement.
    resets TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS entitlements_of_customer ON entitlements (customer_id, feature_key);
CREATE INDEX IF NOT EXISTS entitlements_on_feature ON entitlements (feature_id);
CREATE INDEX IF NOT EXISTS entitlements_on_key ON entitlements (feature_key);
CREATE INDEX IF NOT EXISTS entitlements_by_creation
    ON entitlements (created_at, id, active_from, active_to) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS entitlements_by_update
    ON entitlements (updated_at, id, active_from, active_to) WHERE deleted_at IS NULL;
"""


@dataclass(frozen=True)
class Entitlement:
    """One entitlement; what belongs to another type is None."""

    id: str
    type: str
    feature_id: str
    feature_key: str
    customer_id: str
    metadata: Mapping[str, str] | None
    annotations: Mapping[str, Any] | None
    created_at: str
    updated_at: str
    deleted_at: str | None
    active_from: str
    active_to: str | None
    measure_usage_from: str | None
    issue_amount: float | None
    issue_priority: int | None
    is_soft_limit: bool
    preserve_overage: bool
    config: str | None
    interval: str | None
    anchor: str | None
    resets: Sequence[tuple[str, str, str]]

    @cached_property
    def usage_period(self) -> UsagePeriod | None:
        """How its time is cut, or None when it has no usage period."""
        if self.interval is None or self.anchor is None:
            return None
        grids = [(self.measure_usage_from or self.anchor, self.anchor, self.interval), *self.resets]
        recurrences = [Recurrence(parse_duration(every), from_db(anchor)) for _, anchor, every in grids]
        return UsagePeriod([from_db(start) for start, _, _ in grids], recurrences)

    @property
    def last_reset(self) -> str | None:
        """The last manual reset, or where usage is measured from."""
        return self.resets[-1][0] if self.resets else self.measure_usage_from

    @property
    def is_subscribed(self) -> bool:
        """Whether a subscription manages it."""
        return "subscription.id" in (self.annotations or {})

    def active_at(self, at: str) -> bool:
        """Whether it can give access at a time (Entitlement.IsActive)."""
        if self.deleted_at is not None and at >= self.deleted_at:
            return False
        ends = self.active_to or self.deleted_at
        if self.active_from > at or self.active_from == ends:
            return False
        return self.active_to is None or at < self.active_to


# The columns in the order of the fields above.
COLUMNS: Final = tuple(field.name for field in fields(Entitlement))


_SIZE: Final = len(COLUMNS)
_METADATA, _ANNOTATIONS, _SOFT, _PRESERVE, _RESETS = (
    COLUMNS.index(name) for name in ("metadata", "annotations", "is_soft_limit", "preserve_overage", "resets")
)


def from_row(row: Sequence[Any]) -> Entitlement:
    """The entitlement of a row that starts with COLUMNS."""
    values = list(row[:_SIZE])
    for index in (_METADATA, _ANNOTATIONS):
        if values[index] is not None:
            values[index] = json.loads(values[index])
    for index in (_SOFT, _PRESERVE):
        values[index] = bool(values[index])
    resets = values[_RESETS]
    values[_RESETS] = () if resets == "[]" else [tuple(reset) for reset in json.loads(resets)]
    return Entitlement(*values)


def columns(table: str) -> str:
    """The columns to select for `from_row`."""
    return ", ".join(f"{table}.{name}" for name in COLUMNS)


class EntitlementNotFound(DomainProblem):
    """404 in the words of entitlement.NotFoundError."""

    def __init__(self, id_or_key: str) -> None:
        super().__init__(404, f"entitlement not found {id_or_key} in namespace {NAMESPACE}")


def find(store: Store, entitlement_id: str) -> Entitlement | None:
    """The entitlement with this id, unless it is deleted."""
    row = store.one(
        f"SELECT {columns('entitlements')} FROM entitlements WHERE id = ? AND (deleted_at IS NULL OR deleted_at > ?)",
        (entitlement_id, store.stamp()),
    )
    return None if row is None else from_row(row)


def get(store: Store, entitlement_id: str) -> Entitlement:
    """The same, or 404."""
    found = find(store, entitlement_id)
    if found is None:
        raise EntitlementNotFound(entitlement_id)
    return found


def get_of_customer(store: Store, customer_id: str, id_or_key: str, at: datetime | None = None) -> Entitlement:
    """By id, whoever's it is, else the customer's on that feature key at a time (default now), or 404."""
    found = find(store, id_or_key)
    if found is not None:
        return found
    stamp = store.stamp() if at is None else to_db(at)
    row = store.one(
        f"SELECT {columns('e')} FROM entitlements e JOIN customers c ON c.id = e.customer_id"
        " WHERE e.customer_id = :customer AND e.feature_key = :key AND e.active_from <= :at"
        " AND (e.active_to IS NULL OR e.active_to > :at) AND (e.deleted_at IS NULL OR e.deleted_at > :at)"
        " AND (c.deleted_at IS NULL OR c.deleted_at > :at) ORDER BY e.created_at, e.id",
        {"customer": customer_id, "key": id_or_key, "at": stamp},
    )
    if row is None:
        raise EntitlementNotFound(id_or_key)
    return from_row(row)


def active_of_customer(store: Store, customer_id: str) -> list[Entitlement]:
    """The customer's active entitlements, in the order of creation."""
    rows = store.all(
        f"SELECT {columns('entitlements')} FROM entitlements WHERE customer_id = :customer AND active_from <= :at"
        " AND (active_to IS NULL OR active_to > :at) AND (deleted_at IS NULL OR deleted_at > :at)"
        " ORDER BY created_at, id",
        {"customer": customer_id, "at": store.stamp()},
    )
    return [from_row(row) for row in rows]


def has_active(store: Store, *, feature_ids: Sequence[str] | None = None, customer_id: str | None = None) -> bool:
    """Whether there is an active entitlement on any of these features, or of this customer.

    The one keeps a meter from being deleted (`meter/adapter/manage.go`), the other a customer
    (`entitlement/validators/customer/validator.go`).
    """
    conditions = ["e.active_from <= :at", "(e.active_to IS NULL OR e.active_to > :at)"]
    conditions += ["(e.deleted_at IS NULL OR e.deleted_at > :at)"]
    parameters: dict[str, Any] = {"at": store.stamp()}
    if feature_ids is not None:
        marks = {f"feature{n}": feature_id for n, feature_id in enumerate(feature_ids)}
        conditions.append(f"e.feature_id IN ({', '.join(':' + name for name in marks)})")
        conditions.append("(c.deleted_at IS NULL OR c.deleted_at > :at)")
        parameters |= marks
    if customer_id is not None:
        conditions.append("e.customer_id = :customer")
        parameters["customer"] = customer_id
    sql = "SELECT 1 FROM entitlements e JOIN customers c ON c.id = e.customer_id WHERE "
    return store.one(sql + " AND ".join(conditions), parameters) is not None


def insert(store: Store, values: Mapping[str, Any]) -> Entitlement:
    """Store a new entitlement."""
    entitlement_id, now = store.new_id(), store.stamp()
    store.insert("entitlements", {"id": entitlement_id, "created_at": now, "updated_at": now, **values})
    return get(store, entitlement_id)


def update(store: Store, entitlement_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of an entitlement."""
    store.update("entitlements", {**values, "updated_at": store.stamp()}, id=entitlement_id)
