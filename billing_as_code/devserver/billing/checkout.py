"""Stripe checkout: sessions in which a customer saves a payment method (`openmeter/app/stripe`).

The endpoints are in checkout_v1 and checkout_v3; Stripe itself is stood in for by stripe.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..customers import CustomerInput, CustomerRow, create_customer, find_customer_by_id, refuse_deleted
from ..problems import DomainProblem, conflict, internal, invalid, not_found, precondition_failed
from ..store import Store
from . import stripe
from .apps import STRIPE, App, app_not_found, find_app, get_app
from .profiles import default_profile, list_profiles
from .stripe import Session, StripeCustomer

_RESERVED = ("om_namespace", "om_app_id", "om_customer_id")
_NO_PROFILE = "no stripe billing profile found, please create a billing profile with a stripe app"
_NO_DEFAULT = "you have stripe billing profiles, but none is marked as default, provide the app id in the request"


@dataclass(frozen=True)
class Opened:
    """A session with the customer that it is for, as OpenMeter and as Stripe know it."""

    customer: CustomerRow
    stripe_customer: StripeCustomer
    session: Session


def app_of_customer(store: Store, customer_id: str) -> str:
    """The id of the Stripe app that collects a customer's payments. Raises 404 for an unknown customer as well."""
    find_customer_by_id(store, customer_id)
    app = get_app(store, default_profile(store).app_id)
    if app.type != STRIPE:
        raise not_found("customer has a billing profile, but the payment app is not a stripe app")
    return app.id


def app_of_default_profile(store: Store) -> str:
    """The id of the Stripe app for customers to come. Raises 404."""
    profiles = [
        profile
        for profile in list_profiles(store, "deleted_at IS NULL", "rowid")
        if get_app(store, profile.app_id).type == STRIPE
    ]
    for profile in profiles:
        if profile.is_default:
            return profile.app_id
    raise not_found(_NO_DEFAULT if profiles else _NO_PROFILE)


def open_checkout(
    store: Store,
    app_id: str,
    customer: str | CustomerInput,
    options: Mapping[str, Any],
    stripe_id: str | None = None,
) -> Opened:
    """A session for a customer by id, or for one to be made. The options have v1's names."""
    fault = _fault(options, stripe_id)
    if fault is not None:
        raise invalid(f"error create checkout session: {fault}")
    app = find_app(store, STRIPE)
    if app is None or app.id != app_id:
        raise app_not_found(app_id)
    if isinstance(customer, str):
        target = find_customer_by_id(store, customer)
        refuse_deleted(target)
    else:
        target = create_customer(store, customer)
    known = stripe.find_customer(store, target.id)
    if known is not None and stripe_id not in (None, known.stripe_id):
        raise internal()
    known = known or stripe.add_customer(store, target.id, stripe_id)
    for name in _RESERVED:
        if name in options.get("metadata", {}):
            raise invalid(f"metadata key {name} is reserved")
    currency = {"currency": target.currency} if target.currency is not None else {}
    return Opened(target, known, stripe.open_session(store, target.id, {**currency, **options}))


def _fault(options: Mapping[str, Any], stripe_id: str | None) -> str | None:
    if stripe_id is not None and not stripe_id.startswith("cus_"):
        return "stripe customer id must start with cus_"
    mode = options.get("uiMode")
    if mode == "embedded" and "cancelURL" in options:
        return "cancel url is not allowed for embedded ui mode"
    if mode == "hosted" and "successURL" not in options:
        return "success url is required for hosted ui mode"
    return None


def stripe_app_of(store: Store, customer_id: str) -> App:
    """The Stripe app of a customer's billing profile. Raises 412."""
    app = get_app(store, default_profile(store).app_id)
    if app.type != STRIPE:
        raise precondition_failed(f"no stripe app found in billing profile for customer {customer_id}")
    return app


def stripe_data_of(store: Store, app: App, customer_id: str) -> StripeCustomer:
    """What Stripe knows of a customer. Raises 412."""
    known = stripe.find_customer(store, customer_id)
    if known is None:
        raise _unmet(app, customer_id, "customer has no data for stripe app")
    return known


def refuse_unbillable(store: Store, customer_id: str) -> None:
    """409 where Stripe is to collect payments, and knows no way to pay of a customer."""
    profile = default_profile(store)
    app = get_app(store, profile.app_id)
    if app.type != STRIPE:
        return
    try:
        known = stripe_data_of(store, app, customer_id)
        automatic = profile.workflow["payment"]["collectionMethod"] == "charge_automatically"
        if automatic and known.payment_method is None:
            raise _unmet(app, customer_id, "stripe customer must have a default payment method")
    except DomainProblem as problem:
        raise conflict(f"invalid billing setup: {problem.detail}") from None


def _unmet(app: App, customer_id: str, condition: str) -> DomainProblem:
    place = f"for stripe app type with id {app.id} in namespace default"
    return precondition_failed(f"customer with id {customer_id} does not meet condition {condition} {place}")
