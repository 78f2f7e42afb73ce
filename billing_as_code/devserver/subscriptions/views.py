"""Subscriptions as v1 shows them (`productcatalog/subscription/http/mapping.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..clock import from_db, to_wire, wire
from ..customers import CustomerRow, find_customer_by_id
from ..durations import PeriodError
from ..entitlements import rows as entitlement_rows
from ..entitlements.views import entitlement_v1
from ..features import feature_v1, find_feature
from ..plans.cards_v1 import discounts_v1, price_v1, tax_v1
from ..problems import DomainProblem, internal
from ..store import Store
from . import rows
from .rows import Item, PhaseOf, Subscription
from .spec import Spec

Shown = dict[str, Any]


def subscription_v1(subscription: Subscription, now: str) -> Shown:
    """A subscription by itself, at a time in the database's form."""
    enabled, mode = subscription.pro_rating
    shown: Shown = {
        "id": subscription.id,
        "customerId": subscription.customer_id,
        "name": subscription.name,
        "status": subscription.status(now),
        "currency": subscription.currency,
        "costBasisMode": subscription.cost_basis_mode,
        "costBasisPins": [],
        "alignment": {"billablesMustAlign": True},
        "billingCadence": subscription.billing_cadence,
        "billingAnchor": wire(subscription.billing_anchor),
        "proRatingConfig": {"enabled": enabled, "mode": mode},
        "settlementMode": subscription.settlement_mode,
        "activeFrom": wire(subscription.active_from),
        "createdAt": wire(subscription.created_at),
        "updatedAt": wire(subscription.updated_at),
    }
    plan = subscription.plan
    optional = {
        "activeTo": subscription.active_to and wire(subscription.active_to),
        "description": subscription.description,
        "plan": None if plan is None else {"id": plan.id, "key": plan.key, "version": plan.version},
        "metadata": subscription.metadata or None,
        "annotations": subscription.annotations or None,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def expanded_v1(store: Store, subscription: Subscription) -> Shown:
    """A subscription with its phases and what they include."""
    now = store.stamp()
    shown = subscription_v1(subscription, now)
    phases = rows.phases_of(store, subscription.id)
    spec = Spec.of(subscription, phases)
    period = billing_period(spec, now)
    if period is not None:
        shown["alignment"] = shown["alignment"] | {"currentAlignedBillingPeriod": period}
    customer = find_customer_by_id(store, subscription.customer_id)
    shown["phases"] = [_phase(store, customer, spec, index, phase, now) for index, phase in enumerate(phases)]
    return shown


def billing_period(spec: Spec, now: str) -> Shown | None:
    """The billing period at a time, None before the start; 500 where it cannot be calculated."""
    try:
        period = spec.billing_period(from_db(now))
    except PeriodError:
        raise internal() from None
    return None if period is None else {"from": to_wire(period[0]), "to": to_wire(period[1])}


def shown_items(spec: Spec, index: int, phase: PhaseOf, now: str) -> Sequence[Item]:
    """The items of a phase that are worth showing: of the current one those that hold now, of others all."""
    if spec.current(from_db(now)) == index:
        return [item for item in phase.items if item.is_active(now)]
    return phase.items


def end_of_phase(spec: Spec, index: int) -> str | None:
    """When a phase ends, as it goes out."""
    ends = spec.cadence(index)[1]
    return None if ends is None else to_wire(ends)


def _phase(store: Store, customer: CustomerRow, spec: Spec, index: int, phase: PhaseOf, now: str) -> Shown:
    shown: Shown = {
        "id": phase.id,
        "key": phase.key,
        "name": phase.name,
        "activeFrom": wire(phase.active_from),
        "createdAt": wire(phase.created_at),
        "updatedAt": wire(phase.updated_at),
        "items": [_item(store, customer, item) for item in shown_items(spec, index, phase, now)],
        "itemTimelines": {item.key: [_item(store, customer, item)] for item in phase.items},
    }
    optional = {"activeTo": end_of_phase(spec, index), "description": phase.description}
    return shown | {name: value for name, value in optional.items() if value is not None}


def _item(store: Store, customer: CustomerRow, item: Item) -> Shown:
    card = item.card
    shown: Shown = {
        "id": item.id,
        "key": item.key,
        "name": card.name,
        "billingCadence": card.cadence,
        "price": None if card.price is None else price_v1(card.price),
        "activeFrom": wire(item.active_from),
        "createdAt": wire(item.created_at),
        "updatedAt": wire(item.updated_at),
    }
    optional = {
        "activeTo": item.active_to and wire(item.active_to),
        "description": card.description,
        "featureKey": card.feature_key,
        "currency": card.currency,
        "taxConfig": None if card.tax is None else tax_v1(card.tax),
        "discounts": discounts_v1(card),
        "included": _included(store, customer, item),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _included(store: Store, customer: CustomerRow, item: Item) -> Shown | None:
    """The feature of an item and the entitlement to it; nothing without a feature."""
    name = item.card.feature_id or item.card.feature_key
    if name is None:
        return None
    try:
        included: Shown = {"feature": feature_v1(find_feature(store, name, archived=True))}
    except DomainProblem:
        return None
    found = None if item.entitlement_id is None else entitlement_rows.find(store, item.entitlement_id)
    if found is not None:
        subject = customer.subject_keys[0] if customer.subject_keys else ""
        included["entitlement"] = entitlement_v1(found, subject, store.now())
    return included
