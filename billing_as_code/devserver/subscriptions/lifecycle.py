"""Making, ending, continuing and exchanging subscriptions (`openmeter/subscription/service`, `…/workflow/service`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ..billing.checkout import refuse_unbillable
from ..clock import from_db, to_db
from ..customers import CustomerRow, find_customer_by_id, refuse_deleted, set_currency
from ..durations import Duration, parse_duration
from ..plans.cards import PlanTerms
from ..plans.rows import Plan
from ..problems import forbidden, invalid
from ..store import Store
from . import rows
from .entitling import entitle, withdraw
from .overlaps import Candidate, refuse_overlaps
from .rows import PlanReference, Subscription
from .spec import Spec
from .timing import Timing, end_of, start_of

_ALLOWED = {
    "active": ("update", "cancel"),
    "canceled": ("continue",),
    "scheduled": ("delete",),
    "inactive": (),
}


@dataclass(frozen=True)
class Wish:
    """What a new subscription is to be like; the plan is None where its terms are made for it alone."""

    terms: PlanTerms
    plan: Plan | None
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    billing_anchor: datetime | None = None
    settlement_mode: str | None = None
    cost_basis_mode: str = "dynamic"


def refuse_transition(subscription: Subscription, action: str, now: str) -> None:
    """403 for what a subscription in its state does not do (`subscription/state.go`)."""
    status = subscription.status(now)
    if action not in _ALLOWED[status]:
        raise forbidden(f"transition {action} in state {status} not allowed")


def create(store: Store, customer: CustomerRow, wish: Wish, timing: Timing) -> Subscription:
    """Make a subscription that starts at the timing, with what it entitles to."""
    _refuse_credits(store, wish)
    refuse_deleted(customer)
    return _create(store, customer, wish, start_of(timing, store.now()), {})


def cancel(store: Store, id: str, timing: Timing) -> Subscription:
    """End a running subscription at the timing."""
    subscription = rows.get_subscription(store, id)
    refuse_transition(subscription, "cancel", store.stamp())
    spec = Spec.of(subscription, rows.phases_of(store, id))
    return _move_end(store, subscription, replace(spec, active_to=end_of(timing, spec, store.now())))


def proceed(store: Store, id: str) -> Subscription:
    """Take a cancellation back, unless another subscription is to follow."""
    subscription = rows.get_subscription(store, id)
    refuse_transition(subscription, "continue", store.stamp())
    spec = replace(Spec.of(subscription, rows.phases_of(store, id)), active_to=None)
    others = rows.subscriptions_after(store, subscription.customer_id, subscription.active_from)
    endless = replace(Candidate.of(subscription), active_to=None)
    refuse_overlaps([*(Candidate.of(other) for other in others if other.id != id), endless])
    return _move_end(store, subscription, spec)


def delete(store: Store, id: str) -> None:
    """Delete a subscription that has not started, and what it would have brought."""
    subscription = rows.get_subscription(store, id)
    refuse_transition(subscription, "delete", store.stamp())
    for phase in rows.phases_of(store, id):
        for item in phase.items:
            if item.entitlement_id is not None:
                withdraw(store, item.entitlement_id)
            store.update("subscription_items", {"deleted_at": store.stamp()}, id=item.id)
    _forget_successor(store, subscription)
    rows.update(store, id, {"deleted_at": store.stamp()})


def _forget_successor(store: Store, deleted: Subscription) -> None:
    """Take the deleted subscription out of the annotations of the one that it was to follow."""
    previous = rows.find_subscription(store, deleted.annotations.get("subscription.previous.id", ""))
    if previous is not None:
        left = {name: value for name, value in previous.annotations.items() if name != "subscription.superseding.id"}
        rows.update(store, previous.id, {"annotations": json.dumps(left)})


def exchange(store: Store, id: str, wish: Wish, timing: Timing) -> tuple[Subscription, Subscription]:
    """End a subscription and start another one in the same instant; answers both."""
    _refuse_credits(store, wish)
    ended = cancel(store, id, timing)
    assert ended.active_to is not None, "it was just ended"
    anchor = wish.billing_anchor or from_db(ended.billing_anchor)
    customer = find_customer_by_id(store, ended.customer_id)
    refuse_deleted(customer)
    start = start_of(from_db(ended.active_to), store.now())
    annotations = {"subscription.previous.id": ended.id}
    following = _create(store, customer, replace(wish, billing_anchor=anchor), start, annotations)
    annotations = {**ended.annotations, "subscription.superseding.id": following.id}
    rows.update(store, id, {"annotations": json.dumps(annotations)})
    return rows.get_subscription(store, id), following


def _refuse_credits(store: Store, wish: Wish) -> None:
    mode = wish.settlement_mode or wish.terms.settlement_mode
    if mode == "credit_only" and not store.settings.credits_enabled:
        raise invalid("credits are not enabled on this deployment of OpenMeter")


def _create(
    store: Store, customer: CustomerRow, wish: Wish, start: datetime, annotations: Mapping[str, Any]
) -> Subscription:
    terms = wish.terms
    is_billable = any(card.price is not None for phase in terms.phases for card in phase.cards)
    if is_billable and customer.currency not in (None, terms.currency):
        text = f"customer currency is {customer.currency}, but subscription invoice currency is {terms.currency}"
        raise invalid(f"currency mismatch: {text}")
    plan = None if wish.plan is None else PlanReference(wish.plan.id, wish.plan.key, wish.plan.version)
    others = rows.subscriptions_after(store, customer.id, to_db(start))
    refuse_overlaps([*map(Candidate.of, others), Candidate(customer.id, plan, to_db(start), None)])
    values = _columns(wish, plan, start) | {"customer_id": customer.id, "annotations": json.dumps(annotations)}
    id = rows.insert(store, "subscriptions", values)
    subscription = rows.get_subscription(store, id)
    _insert_phases(store, customer, subscription, terms)
    if is_billable:
        refuse_unbillable(store, customer.id)
        if customer.currency is None:
            set_currency(store, customer.id, terms.currency)
    return subscription


def _columns(wish: Wish, plan: PlanReference | None, start: datetime) -> dict[str, Any]:
    return {
        "plan_id": plan and plan.id,
        "plan_key": plan and plan.key,
        "plan_version": plan and plan.version,
        "name": wish.name or wish.terms.name,
        "description": wish.description,
        "metadata": json.dumps(wish.metadata or {}),
        "currency": wish.terms.currency,
        "cost_basis_mode": wish.cost_basis_mode,
        "billing_cadence": wish.terms.billing_cadence,
        "billing_anchor": to_db(wish.billing_anchor or start),
        "pro_rating": json.dumps(wish.terms.pro_rating),
        "settlement_mode": wish.settlement_mode or wish.terms.settlement_mode,
        "active_from": to_db(start),
    }


def _insert_phases(store: Store, customer: CustomerRow, subscription: Subscription, terms: PlanTerms) -> None:
    after, starts = Duration(), []
    for phase in terms.phases:
        starts.append(str(after))
        after += parse_duration(phase.duration or "P0D")
    spec = replace(Spec.of(subscription, ()), starts=starts)
    for index, phase in enumerate(terms.phases):
        cadence = spec.cadence(index)
        values = {
            "subscription_id": subscription.id,
            "position": index,
            "key": phase.key,
            "name": phase.name,
            "description": phase.description,
            "start_after": starts[index],
            "active_from": to_db(cadence[0]),
        }
        phase_id = rows.insert(store, "subscription_phases", values)
        for card in phase.cards:
            priced = card if card.price is None else replace(card, currency=subscription.currency)
            document = json.dumps(asdict(priced))
            entitlement_id = entitle(store, customer, subscription.id, card, cadence, spec.billing_anchor)
            _insert_item(store, phase_id, card.key, card.feature_key, document, entitlement_id, cadence)


def _insert_item(
    store: Store,
    phase_id: str,
    key: str,
    feature_key: str | None,
    document: str,
    entitlement_id: str | None,
    cadence: tuple[datetime, datetime | None],
) -> None:
    values = {
        "phase_id": phase_id,
        "key": key,
        "feature_key": feature_key,
        "card": document,
        "entitlement_id": entitlement_id,
        "active_from": to_db(cadence[0]),
        "active_to": None if cadence[1] is None else to_db(cadence[1]),
    }
    rows.insert(store, "subscription_items", values)


def _move_end(store: Store, subscription: Subscription, spec: Spec) -> Subscription:
    """Let a subscription end when the spec says: items that it cuts or stretches are replaced, entitlements too."""
    ends = None if spec.active_to is None else to_db(spec.active_to)
    rows.update(store, subscription.id, {"active_to": ends})
    customer = find_customer_by_id(store, subscription.customer_id)
    for index, phase in enumerate(rows.phases_of(store, subscription.id)):
        cadence = spec.cadence(index)
        ends = None if cadence[1] is None else to_db(cadence[1])
        for item in phase.items:
            if item.active_to == ends:
                continue
            if item.entitlement_id is not None:
                withdraw(store, item.entitlement_id)
            store.update("subscription_items", {"deleted_at": store.stamp()}, id=item.id)
            entitlement_id = entitle(store, customer, subscription.id, item.card, cadence, spec.billing_anchor)
            document = json.dumps(asdict(item.card))
            _insert_item(store, phase.id, item.key, item.card.feature_key, document, entitlement_id, cadence)
    return rows.get_subscription(store, subscription.id)
