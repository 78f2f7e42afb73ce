"""Deleting customers, and what can be in the way of it (`openmeter/customer/service`, and its validators)."""

from __future__ import annotations

from .billing.gathering import refuse_unbilled
from .entitlements import has_active_entitlements
from .problems import conflict
from .store import Store
from .subscriptions import active_subscriptions


def delete_customer(store: Store, id: str) -> None:
    """Mark a customer deleted, unless it has entitlements, a subscription, or something to be invoiced.

    An unknown or deleted one is left alone.
    """
    if has_active_entitlements(store, customer_id=id):
        text = f"customer {id} still has active entitlements, please remove them before deleting the customer"
        raise conflict(text)
    subscribed = f"customer {id} still have active subscriptions, please cancel them before deleting the customer"
    refuse_unbilled(store, id, subscribed if active_subscriptions(store, [id]) else None)
    stamp = store.stamp()
    changed = store.execute(
        "UPDATE customers SET deleted_at = ?, updated_at = ? WHERE id = ? AND deleted_at IS NULL", [stamp, stamp, id]
    )
    if changed:
        store.execute(
            "UPDATE customer_subjects SET deleted_at = ? WHERE customer_id = ? AND deleted_at IS NULL", [stamp, id]
        )
