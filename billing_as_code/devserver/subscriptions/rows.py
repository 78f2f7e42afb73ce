"""Subscriptions as they are stored, with their phases and items (`openmeter/subscription/repo`).

Times are the database's text, which compares as text; what calculates with them parses them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..plans.cards import RateCard
from ..problems import not_found
from ..store import Row, Store

DDL: Final = """
CREATE TABLE IF NOT EXISTS subscriptions (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    -- The plan that it was made from; a custom one is stored nowhere but in the items.
    plan_id TEXT,
    plan_key TEXT,
    plan_version INTEGER,
    name TEXT NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    annotations TEXT NOT NULL,
    currency TEXT NOT NULL,
    cost_basis_mode TEXT NOT NULL,
    billing_cadence TEXT NOT NULL,
    billing_anchor TEXT NOT NULL,
    pro_rating TEXT NOT NULL,
    settlement_mode TEXT NOT NULL,
    active_from TEXT NOT NULL,
    active_to TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX IF NOT EXISTS subscriptions_of_customer ON subscriptions (customer_id, active_from);
CREATE INDEX IF NOT EXISTS subscriptions_to_plan ON subscriptions (plan_key);
CREATE TABLE IF NOT EXISTS subscription_phases (
    id TEXT PRIMARY KEY,
    subscription_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    -- How long after the start of the subscription it starts, and when that is.
    start_after TEXT NOT NULL,
    active_from TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS phases_of_subscription ON subscription_phases (subscription_id, position);
CREATE TABLE IF NOT EXISTS subscription_items (
    id TEXT PRIMARY KEY,
    phase_id TEXT NOT NULL,
    key TEXT NOT NULL,
    feature_key TEXT,
    card TEXT NOT NULL,
    entitlement_id TEXT,
    active_from TEXT NOT NULL,
    active_to TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX IF NOT EXISTS items_of_phase ON subscription_items (phase_id, key);
CREATE INDEX IF NOT EXISTS items_on_feature ON subscription_items (feature_key);
"""


@dataclass(frozen=True)
class PlanReference:
    """Which version of a plan a subscription was made from."""

    id: str
    key: str
    version: int


@dataclass(frozen=True)
class Subscription:
    """A subscription by itself."""

    id: str
    customer_id: str
    plan: PlanReference | None
    name: str
    description: str | None
    metadata: Mapping[str, str]
    annotations: Mapping[str, Any]
    currency: str
    cost_basis_mode: str
    billing_cadence: str
    billing_anchor: str
    pro_rating: tuple[bool, str]
    settlement_mode: str
    active_from: str
    active_to: str | None
    created_at: str
    updated_at: str
    deleted_at: str | None

    def status(self, now: str) -> str:
        """scheduled, active, canceled (it ends) or inactive (it ended), at a time in the database's form."""
        if self.active_from > now:
            return "scheduled"
        if self.active_to is None:
            return "active"
        return "canceled" if self.active_to > now else "inactive"

    @classmethod
    def of(cls, row: Row) -> Subscription:
        values = dict(row)
        plan = [values.pop(name) for name in ("plan_id", "plan_key", "plan_version")]
        for name in ("metadata", "annotations", "pro_rating"):
            values[name] = json.loads(values[name])
        return cls(plan=None if plan[0] is None else PlanReference(*plan), **values)


@dataclass(frozen=True)
class Item:
    """What a rate card became in a subscription, for the time that it holds."""

    id: str
    key: str
    card: RateCard
    entitlement_id: str | None
    active_from: str
    active_to: str | None
    created_at: str
    updated_at: str

    def is_active(self, now: str) -> bool:
        return self.active_from <= now and (self.active_to is None or now < self.active_to)


@dataclass(frozen=True)
class PhaseOf:
    """A phase of a subscription, with its items by their keys."""

    id: str
    key: str
    name: str
    description: str | None
    start_after: str
    active_from: str
    created_at: str
    updated_at: str
    items: Sequence[Item]


def get_subscription(store: Store, id: str) -> Subscription:
    """A subscription by id. Raises 404, also for a deleted one."""
    found = find_subscription(store, id)
    if found is None:
        raise not_found(f"subscription {id} not found")
    return found


def find_subscription(store: Store, id: str) -> Subscription | None:
    """The same, or None."""
    row = store.one("SELECT * FROM subscriptions WHERE id = ? AND deleted_at IS NULL", [id])
    return None if row is None else Subscription.of(row)


def list_subscriptions(
    store: Store, where: str, order: str, parameters: Sequence[Any], page: str = ""
) -> list[Subscription]:
    """Subscriptions that meet a condition, in an order; deleted ones do not."""
    sql = f"SELECT * FROM subscriptions WHERE deleted_at IS NULL AND {where} ORDER BY {order}{page}"
    return [Subscription.of(row) for row in store.all(sql, parameters)]


def active_subscriptions(store: Store, customer_ids: Iterable[str]) -> dict[str, list[Subscription]]:
    """The subscriptions that customers have now, canceled ones too, by customer."""
    wanted, now = list(customer_ids), store.stamp()
    marks = ", ".join("?" * len(wanted))
    where = f"customer_id IN ({marks}) AND active_from <= ? AND (active_to IS NULL OR active_to > ?)"
    found: dict[str, list[Subscription]] = {}
    for subscription in list_subscriptions(store, where, "active_from, id", [*wanted, now, now]):
        found.setdefault(subscription.customer_id, []).append(subscription)
    return found


def customers_with_plan(condition: str, now: str) -> str:
    """A condition on customers: to have a subscription at a time to a plan whose `plan_key` meets a condition."""
    return (
        f"id IN (SELECT customer_id FROM subscriptions WHERE deleted_at IS NULL AND active_from <= '{now}'"
        f" AND (active_to IS NULL OR active_to > '{now}') AND {condition})"
    )


def subscriptions_after(store: Store, customer_id: str, starting: str) -> list[Subscription]:
    """A customer's subscriptions that have not ended at a time, by their start."""
    where = "customer_id = ? AND (active_to IS NULL OR active_to > ?)"
    return list_subscriptions(store, where, "active_from, id", [customer_id, starting])


def phases_of(store: Store, subscription_id: str) -> list[PhaseOf]:
    """The phases of a subscription in their order, with the items that they have now."""
    found = store.all(
        "SELECT * FROM subscription_phases WHERE subscription_id = ? ORDER BY position", [subscription_id]
    )
    own = ("id", "key", "name", "description", "start_after", "active_from", "created_at", "updated_at")
    return [PhaseOf(items=_items_of(store, row["id"]), **{name: row[name] for name in own}) for row in found]


def _items_of(store: Store, phase_id: str) -> list[Item]:
    found = store.all(
        "SELECT * FROM subscription_items WHERE phase_id = ? AND deleted_at IS NULL ORDER BY key", [phase_id]
    )
    own = ("id", "key", "entitlement_id", "active_from", "active_to", "created_at", "updated_at")
    return [Item(card=RateCard.of(json.loads(row["card"])), **{name: row[name] for name in own}) for row in found]


def insert(store: Store, table: str, values: Mapping[str, Any]) -> str:
    """Store a row of one of the three tables; answers its id."""
    id, stamp = store.new_id(), store.stamp()
    store.insert(table, {"id": id, "created_at": stamp, "updated_at": stamp, **values})
    return id


def update(store: Store, subscription_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a subscription."""
    store.update("subscriptions", {**values, "updated_at": store.stamp()}, id=subscription_id)


def has_subscription_in_force(store: Store, feature_key: str) -> bool:
    """Whether a subscription that has not ended has an item on a feature: it keeps it from being archived."""
    row = store.one(
        "SELECT 1 FROM subscription_items AS item JOIN subscription_phases AS phase ON phase.id = item.phase_id"
        " JOIN subscriptions AS s ON s.id = phase.subscription_id"
        " WHERE item.feature_key = ? AND (s.active_to IS NULL OR s.active_to > ?)",
        [feature_key, store.stamp()],
    )
    return row is not None
