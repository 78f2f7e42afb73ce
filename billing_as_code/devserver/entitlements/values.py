"""What an entitlement gives at a time: access, and the balance behind it (`entitlement/service/service.go`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..aggregation import as_number
from ..clock import to_db
from ..credit_state import Balances, Snapshot
from ..store import Store
from . import rows
from .balances import Ledger
from .rows import Entitlement


@dataclass(frozen=True)
class Value:
    """Whether there is access; a balance for a metered, a config for a static entitlement."""

    has_access: bool
    type: str | None = None
    config: str | None = None
    snapshot: Snapshot | None = None


NO_ACCESS = Value(False)


def value_of(store: Store, entitlement: Entitlement, at: datetime) -> Value:
    """The value of an entitlement at a time; none while it is not active."""
    if not entitlement.active_at(to_db(at)):
        return NO_ACCESS
    if entitlement.type != "metered":
        return Value(True, entitlement.type, entitlement.config)
    if rows.find(store, entitlement.id) is None:
        # Deleted since: OpenMeter finds it by its key at that time, but then not its balance.
        raise rows.EntitlementNotFound(entitlement.id)
    snapshot = Ledger(store, entitlement).balance_at(at)
    return Value(entitlement.is_soft_limit or snapshot.balance > 0, "metered", None, snapshot)


def access_of(store: Store, customer_id: str) -> dict[str, Value]:
    """The values of all active entitlements of a customer by feature key, now."""
    now = store.now()
    return {e.feature_key: value_of(store, e, now) for e in rows.active_of_customer(store, customer_id)}


def value_v1(value: Value) -> dict[str, Any]:
    """As v1 shows it."""
    shown: dict[str, Any] = {"hasAccess": value.has_access}
    if value.config:
        shown["config"] = value.config
    if value.snapshot is not None:
        shown |= {
            "balance": as_number(value.snapshot.balance),
            "usage": as_number(value.snapshot.usage),
            "overage": as_number(value.snapshot.overage),
            "totalAvailableGrantAmount": as_number(value.snapshot.total_available),
        }
    return shown


def value_v2(value: Value) -> dict[str, Any]:
    """As v2 shows it: with the balance of each grant, and without `hasAccess` when there is none."""
    shown = value_v1(value)
    if not value.has_access:
        del shown["hasAccess"]
    if value.snapshot is not None:
        shown["grantBalances"] = numbers(value.snapshot.balances)
    return shown


def numbers(balances: Balances) -> Mapping[str, Any]:
    """Balances as they go out."""
    return {grant_id: as_number(balance) for grant_id, balance in balances.items()}
