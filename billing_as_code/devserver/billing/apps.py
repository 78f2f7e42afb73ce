"""Installed apps, which send invoices and collect payments: the sandbox of the first boot, and a stand-in for Stripe.

From `openmeter/app`; both APIs, which only read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response

from ..clock import wire
from ..operation import Call, Resource
from ..paging import PAGE, PAGE_SIZE, PAGE_V3, Page, count, envelope_v1, envelope_v3
from ..parameters import Param
from ..problems import DomainProblem, not_found
from ..replies import json_reply
from ..schema import V1
from ..schema_fragments import ULID_V3
from ..store import Row, Store

resource = Resource(
    "apps",
    ddl="""
    CREATE TABLE IF NOT EXISTS apps (
        id TEXT PRIMARY KEY,
        -- sandbox or stripe.
        type TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        -- What only a Stripe app has.
        account_id TEXT,
        masked_api_key TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    """,
)

SANDBOX = "sandbox"
STRIPE = "stripe"
_APPS_V1 = "/api/v1/apps"
_APPS_V3 = "/api/v3/openmeter/apps"
BY_ID_V1 = [Param("id", {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"})]
_TYPES = [STRIPE, SANDBOX, "custom_invoicing"]
V1.add({"AppType": {"type": "string", "enum": _TYPES, "description": "Type of the app."}})
_CAPABILITIES = (
    ("collect_payment", "collectPayments", "Payment", "Process payments"),
    ("calculate_tax", "calculateTax", "Calculate Tax", "Calculate tax for a payment"),
    ("invoice_customer", "invoiceCustomers", "Invoice Customer", "Invoice a customer"),
)
# Each type's name, description and method of installation in the marketplace.
_LISTINGS = {
    SANDBOX: (
        "Sandbox",
        "Sandbox can be used to test OpenMeter without external connections.",
        "no_credentials_required",
    ),
    STRIPE: ("Stripe", "Send invoices, calculate tax and collect payments.", "with_api_key"),
}
_IN_V3 = {
    "collectPayments": "collect_payments",
    "calculateTax": "calculate_tax",
    "invoiceCustomers": "invoice_customers",
}


@dataclass(frozen=True)
class App:
    """An installed app; the last two are a Stripe app's."""

    id: str
    type: str
    name: str
    description: str
    created_at: str
    updated_at: str
    account_id: str | None
    masked_api_key: str | None

    @classmethod
    def of(cls, row: Row) -> App:
        return cls(**dict(row))


def at_boot(store: Store) -> None:
    """A new deployment has the sandbox app."""
    if store.one("SELECT 1 FROM apps") is None:
        install(store, SANDBOX, "Sandbox", "OpenMeter Sandbox App to be used for testing purposes.")


def install(store: Store, type: str, name: str, description: str, **more: str) -> str:
    """Store an app; answers its id."""
    id, stamp = store.new_id(), store.stamp()
    values = {"id": id, "type": type, "name": name, "description": description, **more}
    store.insert("apps", {**values, "created_at": stamp, "updated_at": stamp})
    return id


def get_app(store: Store, id: str) -> App:
    """An app by id. Raises 404."""
    row = store.one("SELECT * FROM apps WHERE id = ?", [id])
    if row is None:
        raise app_not_found(id)
    return App.of(row)


def find_app(store: Store, type: str) -> App | None:
    """The first app of a type."""
    row = store.one("SELECT * FROM apps WHERE type = ? ORDER BY rowid", [type])
    return None if row is None else App.of(row)


def app_not_found(id: str) -> DomainProblem:
    return not_found(f"app with id {id} not found in default namespace")


def app_v1(app: App) -> dict[str, Any]:
    """An app as v1 shows it: the description is a Stripe app's alone (`app/httpdriver/mapper.go`)."""
    name, description, method = _LISTINGS[app.type]
    shown: dict[str, Any] = {
        "id": app.id,
        "type": app.type,
        "name": app.name,
        "status": "ready",
        "listing": {
            "type": app.type,
            "name": name,
            "description": description,
            "capabilities": _capabilities(app),
            "installMethods": [method],
        },
        "createdAt": wire(app.created_at),
        "updatedAt": wire(app.updated_at),
    }
    if app.type == STRIPE:
        shown["description"] = app.description
        shown |= {"stripeAccountId": app.account_id, "livemode": False, "maskedAPIKey": app.masked_api_key}
    return shown


def _capabilities(app: App) -> list[dict[str, str]]:
    return [
        {"type": type, "key": f"{app.type}_{key}", "name": name, "description": description}
        for key, type, name, description in _CAPABILITIES
    ]


def _app_v3(app: App) -> dict[str, Any]:
    name, description, method = _LISTINGS[app.type]
    shown: dict[str, Any] = {
        "id": app.id,
        "type": app.type,
        "name": app.name,
        "description": app.description,
        "labels": {},
        "status": "ready",
        "definition": {
            "type": app.type,
            "name": name,
            "description": description,
            "capabilities": [entry | {"type": _IN_V3[entry["type"]]} for entry in _capabilities(app)],
            "install_methods": [method],
        },
        "created_at": wire(app.created_at),
        "updated_at": wire(app.updated_at),
    }
    if app.type == STRIPE:
        shown |= {"account_id": app.account_id, "livemode": False, "masked_api_key": app.masked_api_key}
    return shown


def _apps(store: Store, page: Page) -> tuple[list[App], int]:
    found = store.all(f"SELECT * FROM apps ORDER BY rowid{page.clause}")
    return [App.of(row) for row in found], count(store, "FROM apps", [])


@resource.operation("GET", _APPS_V1, query=[PAGE, PAGE_SIZE])
def list_apps_v1(call: Call) -> Response:
    page = Page.of_v1(call)
    apps, total = _apps(call.store, page)
    return json_reply(envelope_v1(page, total, [app_v1(app) for app in apps]))


@resource.operation("GET", f"{_APPS_V1}/{{id}}", path=BY_ID_V1)
def get_app_v1(call: Call) -> Response:
    return json_reply(app_v1(get_app(call.store, call.path["id"])))


@resource.operation("GET", _APPS_V3, query=[PAGE_V3])
def list_apps_v3(call: Call) -> Response:
    page = Page.of_v3(call)
    apps, total = _apps(call.store, page)
    return json_reply(envelope_v3(page, total, [_app_v3(app) for app in apps]))


@resource.operation("GET", f"{_APPS_V3}/{{appId}}", path=[Param("appId", ULID_V3)])
def get_app_v3(call: Call) -> Response:
    return json_reply(_app_v3(get_app(call.store, call.path["appId"])))
