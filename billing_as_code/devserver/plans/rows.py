"""Plans as they are stored: a row per version (`openmeter/productcatalog/plan/adapter`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..problems import DomainProblem, not_found
from ..store import Row, Store
from .cards import Phase, PlanTerms

DDL: Final = """
CREATE TABLE IF NOT EXISTS plans (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    metadata TEXT,
    currency TEXT NOT NULL,
    billing_cadence TEXT NOT NULL,
    pro_rating TEXT NOT NULL,
    settlement_mode TEXT NOT NULL,
    phases TEXT NOT NULL,
    -- Whether a card has what v1 cannot show: its lists leave such plans out.
    is_beyond_v1 INTEGER NOT NULL,
    effective_from TEXT,
    effective_to TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS plans_by_live_version ON plans (key, version) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS plans_by_key ON plans (key, version);
"""


@dataclass(frozen=True)
class Plan:
    """One version of a plan."""

    id: str
    version: int
    terms: PlanTerms
    effective_from: str | None
    effective_to: str | None
    created_at: str
    updated_at: str
    deleted_at: str | None

    @property
    def key(self) -> str:
        return self.terms.key

    def status(self, now: str) -> str:
        """draft, scheduled, active or archived, at a time in the database's form."""
        if self.effective_from is None:
            return "draft"
        if self.effective_from > now:
            return "scheduled"
        return "active" if self.effective_to is None or self.effective_to > now else "archived"

    @classmethod
    def of(cls, row: Row) -> Plan:
        metadata = row["metadata"]
        enabled, mode = json.loads(row["pro_rating"])
        terms = PlanTerms(
            key=row["key"],
            name=row["name"],
            currency=row["currency"],
            billing_cadence=row["billing_cadence"],
            phases=tuple(Phase.of(phase) for phase in json.loads(row["phases"])),
            description=row["description"],
            metadata=None if metadata is None else json.loads(metadata),
            pro_rating=(enabled, mode),
            settlement_mode=row["settlement_mode"],
        )
        own = ("id", "version", "effective_from", "effective_to", "created_at", "updated_at", "deleted_at")
        return cls(terms=terms, **{name: row[name] for name in own})


def plan_not_found(*, id: str = "", key: str = "", version: int = 0) -> DomainProblem:
    """404 in the words of plan.NotFoundError."""
    named = {"namespace": "default", "id": id, "key": key, "version": version}
    shown = " ".join(f"{name}={value}" for name, value in named.items() if value)
    return not_found(f"plan not found. [{shown}]")


def get_plan(store: Store, id: str) -> Plan:
    """A version by id, deleted or not. Raises 404."""
    row = store.one("SELECT * FROM plans WHERE id = ?", [id])
    if row is None:
        raise plan_not_found(id=id)
    return Plan.of(row)


def active_plan(store: Store, key: str) -> Plan | None:
    """The active version of a key."""
    row = store.one(
        "SELECT * FROM plans WHERE key = :key AND deleted_at IS NULL AND effective_from <= :now"
        " AND (effective_to IS NULL OR effective_to > :now)",
        {"key": key, "now": store.stamp()},
    )
    return None if row is None else Plan.of(row)


def latest_plan(store: Store, key: str) -> Plan | None:
    """The version of a key with the highest number, whatever became of it; of two the one that is left."""
    row = store.one("SELECT * FROM plans WHERE key = ? ORDER BY version DESC, deleted_at IS NOT NULL LIMIT 1", [key])
    return None if row is None else Plan.of(row)


def plan_version(store: Store, key: str, version: int) -> Plan | None:
    """A version by its number, deleted or not; of two with one number the one that is left."""
    row = store.one(
        "SELECT * FROM plans WHERE key = ? AND version = ? ORDER BY deleted_at IS NOT NULL LIMIT 1", [key, version]
    )
    return None if row is None else Plan.of(row)


def versions(store: Store, key: str) -> list[Plan]:
    """All versions of a key, deleted ones too, by number."""
    return [Plan.of(row) for row in store.all("SELECT * FROM plans WHERE key = ? ORDER BY version", [key])]


def insert_plan(store: Store, terms: PlanTerms, version: int) -> Plan:
    """Store a new draft."""
    id, stamp = store.new_id(), store.stamp()
    values = {"id": id, "key": terms.key, "version": version, "currency": terms.currency, **_columns(terms)}
    store.insert("plans", values | {"created_at": stamp, "updated_at": stamp})
    return get_plan(store, id)


def replace_terms(store: Store, plan: Plan, terms: PlanTerms) -> Plan:
    """Store other terms of a draft; key and currency stay."""
    return update_plan(store, plan.id, _columns(terms))


def update_plan(store: Store, id: str, values: Mapping[str, Any]) -> Plan:
    """Change columns of a plan."""
    store.update("plans", {**values, "updated_at": store.stamp()}, id=id)
    return get_plan(store, id)


def list_plans(store: Store, where: str, order: str, parameters: Sequence[Any], page: str) -> list[Plan]:
    """Plans that meet a condition, in an order."""
    return [Plan.of(row) for row in store.all(f"SELECT * FROM plans WHERE {where} ORDER BY {order}{page}", parameters)]


def _columns(terms: PlanTerms) -> dict[str, Any]:
    return {
        "name": terms.name,
        "description": terms.description,
        "metadata": None if terms.metadata is None else json.dumps(terms.metadata),
        "billing_cadence": terms.billing_cadence,
        "pro_rating": json.dumps(terms.pro_rating),
        "settlement_mode": terms.settlement_mode,
        "phases": json.dumps([asdict(phase) for phase in terms.phases]),
        "is_beyond_v1": terms.has_unit_config or terms.has_currency_overrides,
    }


def has_plan_in_force(store: Store, feature_id: str, feature_key: str) -> bool:
    """Whether a published plan that is not archived has a card on this feature: it keeps it from being archived."""
    row = store.one(
        "SELECT 1 FROM plans, json_each(phases) AS phase, json_each(phase.value, '$.cards') AS card"
        " WHERE effective_from IS NOT NULL AND (effective_to IS NULL OR effective_to > ?)"
        " AND (json_extract(card.value, '$.feature_id') = ? OR json_extract(card.value, '$.feature_key') = ?)",
        [store.stamp(), feature_id, feature_key],
    )
    return row is not None
