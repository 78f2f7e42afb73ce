"""Stripe checkout through v1, and what v1 shows of a customer's Stripe data (`openmeter/app/stripe/httpdriver`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from ..clock import wire
from ..customers import CustomerInput, find_live_customer, find_live_customer_by_key
from ..customers_v1 import CUSTOMER_ID_OR_KEY, customer_input_v1
from ..operation import Call, Resource, json_body
from ..paging import PAGE, PAGE_SIZE, Page, envelope_v1
from ..parameters import Param
from ..problems import internal, not_implemented_here
from ..replies import json_reply
from . import stripe
from .apps import STRIPE, App, app_v1, find_app
from .checkout import Opened, app_of_customer, app_of_default_profile, open_checkout, stripe_app_of, stripe_data_of
from .stripe import StripeCustomer

resource = Resource("checkout_v1")

_CUSTOMER = "/api/v1/customers/{customerIdOrKey}"
_TYPE = Param("type", {"$ref": "#/components/schemas/AppType"}, explode=False)


@resource.operation("POST", "/api/v1/stripe/checkout/sessions", body=json_body("CreateStripeCheckoutSessionRequest"))
def create_session_v1(call: Call) -> Response:
    """For a customer by id or key, or for one that is made on the way."""
    body = call.body
    customer = _customer(call, body["customer"])
    app_id = body.get("appId")
    if app_id is None:
        known = isinstance(customer, str)
        app_id = app_of_customer(call.store, str(customer)) if known else app_of_default_profile(call.store)
    opened = open_checkout(call.store, app_id, customer, body["options"], body.get("stripeCustomerId"))
    return json_reply(_session_v1(opened), 201)


def _customer(call: Call, named: Mapping[str, Any]) -> str | CustomerInput:
    """The id of a customer, or what is needed to make one: what has a name is to be made."""
    if named.get("name"):
        return customer_input_v1(named)
    if named.get("id"):
        return str(named["id"])
    if named.get("key"):
        return find_live_customer_by_key(call.store, named["key"]).id
    raise internal()


def _session_v1(opened: Opened) -> dict[str, Any]:
    session, options = opened.session, opened.session.options
    shown: dict[str, Any] = {
        "customerId": opened.customer.id,
        "stripeCustomerId": opened.stripe_customer.stripe_id,
        "sessionId": session.id,
        "setupIntentId": session.setup_intent,
        "mode": "setup",
        "status": session.status,
        "metadata": {},
        "createdAt": wire(session.created_at),
        "expiresAt": wire(session.expires_at),
    }
    optional = {
        "url": session.url,
        "clientSecret": session.client_secret,
        "clientReferenceId": options.get("clientReferenceID"),
        "currency": options.get("currency"),
        **{name: options.get(name) for name in ("cancelURL", "successURL", "returnURL")},
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


@resource.operation("GET", f"{_CUSTOMER}/apps", path=[CUSTOMER_ID_OR_KEY], query=[PAGE, PAGE_SIZE, _TYPE])
def list_customer_apps(call: Call) -> Response:
    """What the apps know of a customer; the sandbox knows nothing."""
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    page = Page.of_v1(call)
    app, known = find_app(call.store, STRIPE), stripe.find_customer(call.store, customer.id)
    if app is None or known is None or call.query["type"] not in (None, STRIPE):
        return json_reply(envelope_v1(page, 0, []))
    return json_reply(envelope_v1(page, 1, [_stripe_data(app, known)] if page.number == 1 else []))


@resource.operation("GET", f"{_CUSTOMER}/stripe", path=[CUSTOMER_ID_OR_KEY])
def get_stripe_data(call: Call) -> Response:
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    app = stripe_app_of(call.store, customer.id)
    return json_reply(_stripe_data(app, stripe_data_of(call.store, app, customer.id)))


def _stripe_data(app: App, known: StripeCustomer) -> dict[str, Any]:
    shown = {"id": app.id, "type": STRIPE, "app": app_v1(app), "stripeCustomerId": known.stripe_id}
    if known.payment_method is not None:
        shown["stripeDefaultPaymentMethodId"] = known.payment_method
    return shown


@resource.operation(
    "POST",
    f"{_CUSTOMER}/stripe/portal",
    path=[CUSTOMER_ID_OR_KEY],
    body=json_body("CreateStripeCustomerPortalSessionParams"),
)
def create_portal_session_v1(call: Call) -> Response:
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    stripe_data_of(call.store, stripe_app_of(call.store, customer.id), customer.id)
    raise not_implemented_here("it has no Stripe customer portal")
