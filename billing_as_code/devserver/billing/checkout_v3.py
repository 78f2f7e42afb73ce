"""Stripe checkout through v3 (`api/v3/handlers/customers/billing`)."""

from __future__ import annotations

from typing import Any

from flask import Response

from ..clock import wire
from ..customers import CustomerRow, find_customer_by_id
from ..customers_v3 import CUSTOMER_ID
from ..operation import Call, Resource, json_body
from ..problems import gone, not_implemented_here
from ..replies import json_reply
from ..schema_fragments import add_schemas
from .checkout import Opened, app_of_customer, open_checkout, stripe_app_of, stripe_data_of

add_schemas("billing")

resource = Resource("checkout_v3")

_STRIPE = "/api/v3/openmeter/customers/{customerId}/billing/stripe"
# The options that a session shows or that decide on it, with v1's names.
_OPTIONS = {
    "cancel_url": "cancelURL",
    "success_url": "successURL",
    "return_url": "returnURL",
    "client_reference_id": "clientReferenceID",
    "currency": "currency",
    "metadata": "metadata",
    "ui_mode": "uiMode",
}


@resource.operation(
    "POST",
    f"{_STRIPE}/checkout-sessions",
    path=[CUSTOMER_ID],
    body=json_body("BillingCustomerStripeCreateCheckoutSessionRequest"),
)
def create_session_v3(call: Call) -> Response:
    customer = _live_customer(call)
    app_id = app_of_customer(call.store, customer.id)
    given = call.body["stripe_options"]
    options = {name: given[option] for option, name in _OPTIONS.items() if option in given}
    return json_reply(_session_v3(open_checkout(call.store, app_id, customer.id, options)), 201)


def _live_customer(call: Call) -> CustomerRow:
    customer = find_customer_by_id(call.store, call.path["customerId"])
    if customer.deleted_at is not None:
        raise gone()
    return customer


def _session_v3(opened: Opened) -> dict[str, Any]:
    session, options = opened.session, opened.session.options
    shown: dict[str, Any] = {
        "customer_id": opened.customer.id,
        "stripe_customer_id": opened.stripe_customer.stripe_id,
        "session_id": session.id,
        "setup_intent_id": session.setup_intent,
        "mode": "setup",
        "status": session.status,
        "metadata": {},
        "created_at": wire(session.created_at),
        "expires_at": wire(session.expires_at),
    }
    optional = {
        "url": session.url,
        "client_secret": session.client_secret,
        **{option: options.get(name) for option, name in _OPTIONS.items() if option not in ("metadata", "ui_mode")},
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


@resource.operation(
    "POST",
    f"{_STRIPE}/portal-sessions",
    path=[CUSTOMER_ID],
    body=json_body("BillingCustomerStripeCreateCustomerPortalSessionRequest"),
)
def create_portal_session_v3(call: Call) -> Response:
    customer = _live_customer(call)
    stripe_data_of(call.store, stripe_app_of(call.store, customer.id), customer.id)
    raise not_implemented_here("it has no Stripe customer portal")
