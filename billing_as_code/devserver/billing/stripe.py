"""A stand-in for Stripe: its customers, their payment methods and checkout sessions, and the page of a session.

`POST /_dev/stripe` puts it in the place of the sandbox, as an administrator would install OpenMeter's Stripe app.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any, Final

from flask import Response, request

from ..clock import from_db, to_db
from ..operation import Call, Resource
from ..problems import DomainProblem, invalid, not_found
from ..replies import json_reply
from ..store import Row, Store
from .apps import SANDBOX, STRIPE, App, find_app, install
from .profiles import Profile, default_profile, make_default, profile_on, standard_profile

resource = Resource(
    "stripe",
    ddl="""
    CREATE TABLE IF NOT EXISTS stripe_customers (
        -- The customer's id.
        id TEXT PRIMARY KEY,
        stripe_id TEXT NOT NULL,
        payment_method TEXT
    );
    CREATE TABLE IF NOT EXISTS checkout_sessions (
        id TEXT PRIMARY KEY,
        customer_id TEXT NOT NULL,
        setup_intent TEXT NOT NULL,
        client_secret TEXT,
        -- open or complete.
        status TEXT NOT NULL,
        options TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    );
    """,
)

_CONTROL = "/_dev/stripe"
_PAGE = _CONTROL + "/checkout/{sessionId}"
_LIFETIME: Final = timedelta(days=1)
_ACCOUNT = "acct_dev"


@dataclass(frozen=True)
class StripeCustomer:
    """What Stripe knows of a customer."""

    id: str
    stripe_id: str
    payment_method: str | None


@dataclass(frozen=True)
class Session:
    """A checkout session, which saves a payment method. The options have v1's names."""

    id: str
    customer_id: str
    setup_intent: str
    client_secret: str | None
    status: str
    options: Mapping[str, Any]
    created_at: str
    expires_at: str

    @property
    def url(self) -> str | None:
        """Where the customer goes; an embedded session has no page of its own."""
        if self.client_secret is not None:
            return None
        return request.host_url.rstrip("/") + _PAGE.replace("{sessionId}", self.id)

    @classmethod
    def of(cls, row: Row) -> Session:
        return cls(**{**dict(row), "options": json.loads(row["options"])})


def find_customer(store: Store, customer_id: str) -> StripeCustomer | None:
    """A customer as Stripe knows it, None before it was told of it."""
    row = store.one("SELECT * FROM stripe_customers WHERE id = ?", [customer_id])
    return None if row is None else StripeCustomer(**dict(row))


def add_customer(store: Store, customer_id: str, stripe_id: str | None) -> StripeCustomer:
    """Make a customer known to Stripe, under an id of Stripe's if there is one already."""
    stripe_id = stripe_id or f"cus_{secrets.token_hex(7)}"
    store.insert("stripe_customers", {"id": customer_id, "stripe_id": stripe_id})
    return StripeCustomer(customer_id, stripe_id, None)


def open_session(store: Store, customer_id: str, options: Mapping[str, Any]) -> Session:
    """A new session, in whole seconds as Stripe counts. Raises 400 for what Stripe itself would refuse."""
    embedded = options.get("uiMode") == "embedded"
    if not embedded and "successURL" not in options:
        raise _refused("Missing required param: success_url.")
    for name in ("successURL", "cancelURL", "returnURL"):
        if name in options and not options[name].startswith(("http://", "https://")):
            raise _refused("Not a valid URL")
    id = f"cs_test_{secrets.token_hex(16)}"
    created = store.now().replace(microsecond=0)
    values = {
        "id": id,
        "customer_id": customer_id,
        "setup_intent": f"seti_{secrets.token_hex(12)}",
        "client_secret": f"{id}_secret_{secrets.token_hex(16)}" if embedded else None,
        "status": "open",
        "options": json.dumps(options),
        "created_at": to_db(created),
        "expires_at": to_db(created + _LIFETIME),
    }
    store.insert("checkout_sessions", values)
    return _session(store, id)


def _refused(text: str) -> DomainProblem:
    return invalid(f"stripe error: {text}, request log url: ")


def _session(store: Store, id: str) -> Session:
    row = store.one("SELECT * FROM checkout_sessions WHERE id = ?", [id])
    if row is None:
        raise not_found(f"checkout session {id} not found")
    return Session.of(row)


@resource.operation("POST", _CONTROL)
def switch(call: Call) -> Response:
    """Put Stripe in the place of the sandbox; with `{"on": false}` the other way round."""
    on = _wanted(call.raw_body)
    app = find_app(call.store, STRIPE if on else SANDBOX)
    if app is None and on:
        app = _install(call.store)
    assert app is not None, "the sandbox is there from the beginning"
    profile = _default_on(call.store, app)
    return json_reply({"on": on, "app_id": app.id, "billing_profile_id": profile.id})


def _wanted(raw: bytes) -> bool:
    try:
        wanted = json.loads(raw or b"{}")
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("on", True), bool) or set(wanted) - {"on"}:
        raise DomainProblem(400, 'the body must be {"on": true} or {"on": false}, or nothing')
    on: bool = wanted.get("on", True)
    return on


def _install(store: Store) -> App:
    more = {"account_id": _ACCOUNT, "masked_api_key": "sk_test_***dev"}
    install(store, STRIPE, "Stripe", "Stripe account " + _ACCOUNT, **more)
    found = find_app(store, STRIPE)
    assert found is not None, "it was just installed"
    return found


def _default_on(store: Store, app: App) -> Profile:
    """The default profile, after it was made one on this app."""
    current = default_profile(store)
    if current.app_id == app.id:
        return current
    profile = profile_on(store, app.id) or standard_profile(store, "Stripe Test Account", app.id)
    return make_default(store, profile.id)


@resource.operation("GET", _PAGE)
def show_session(call: Call) -> Response:
    """What stands in for Stripe's page."""
    session = _session(call.store, call.path["sessionId"])
    if _is_over(call.store, session):
        return _page("<p>This checkout session is over.</p>", 410)
    cancel = session.options.get("cancelURL")
    back = f'<p><a href="{escape(cancel)}">Cancel</a></p>' if cancel else ""
    return _page(f'<form method="post"><button>Save a test card</button></form>{back}')


@resource.operation("POST", _PAGE)
def complete_session(call: Call) -> Response:
    """The customer's card is saved; OpenMeter hears of it, and the customer goes on to where the caller said."""
    session = _session(call.store, call.path["sessionId"])
    if _is_over(call.store, session):
        return _page("<p>This checkout session is over.</p>", 410)
    call.store.update("checkout_sessions", {"status": "complete"}, id=session.id)
    card = {"payment_method": f"pm_{secrets.token_hex(12)}"}
    call.store.update("stripe_customers", card, id=session.customer_id)
    target = session.options["successURL"].replace("{CHECKOUT_SESSION_ID}", session.id)
    return Response(status=303, headers={"Location": target})


def _is_over(store: Store, session: Session) -> bool:
    return session.status != "open" or session.url is None or from_db(session.expires_at) <= store.now()


def _page(content: str, status: int = 200) -> Response:
    text = f"<!doctype html><title>Checkout</title><h1>Checkout (dev server, not Stripe)</h1>{content}"
    return Response(text, status, mimetype="text/html")
