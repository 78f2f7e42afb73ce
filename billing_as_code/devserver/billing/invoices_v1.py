"""Invoices through v1, of which there are only gathering ones here (`openmeter/billing/httpdriver/invoice.go`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import Response

from ..clock import to_wire, wire
from ..customers import CustomerRow, find_customer_by_id
from ..customers_v1 import address_v1
from ..operation import Call, Resource
from ..paging import ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1
from ..parameters import Param
from ..problems import not_implemented_here
from ..replies import json_reply
from ..store import Store
from .apps import app_v1, get_app
from .gathering import Gathering, gathering_invoices
from .profiles import PURPOSES, default_profile
from .profiles_v1 import supplier_v1

resource = Resource("invoices_v1")

# The filters and additions that a list here does not know.
_UNKNOWN = (
    *("statuses", "extendedStatuses", "customers", "expand", "orderBy", "issuedAfter", "issuedBefore"),
    *("periodStartAfter", "periodStartBefore", "createdAfter", "createdBefore"),
)


@resource.operation(
    "GET",
    "/api/v1/billing/invoices",
    query=[PAGE, PAGE_SIZE, ORDER, Param("includeDeleted", {"type": "boolean"}, "bool", explode=False)],
)
def list_invoices_v1(call: Call) -> Response:
    """The gathering invoices, by their creation."""
    asked = [name for name in _UNKNOWN if name in call.raw_query]
    if asked or call.query["includeDeleted"]:
        what = asked[0] if asked else "includeDeleted"
        raise not_implemented_here(f"its list of invoices does not know {what}")
    page = Page.of_v1(call)
    found = gathering_invoices(call.store, order=f"rowid {call.query['order'] or 'ASC'}", page=page.clause)
    total = count(call.store, "FROM gathering_invoices WHERE deleted_at IS NULL", [])
    return json_reply(envelope_v1(page, total, [_shown(call.store, invoice) for invoice in found]))


def _shown(store: Store, invoice: Gathering) -> dict[str, Any]:
    profile = default_profile(store)
    app = app_v1(get_app(store, profile.app_id))
    now = store.now()
    due = any(line.invoice_at <= now for line in invoice.lines)
    return {
        "id": invoice.id,
        "type": "standard",
        "number": invoice.number,
        "currency": invoice.currency,
        "customer": _customer(find_customer_by_id(store, invoice.customer_id)),
        "supplier": supplier_v1(profile.supplier),
        "period": {
            "from": to_wire(min(line.service_from for line in invoice.lines)),
            "to": to_wire(max(line.service_to for line in invoice.lines)),
        },
        "status": "gathering",
        "statusDetails": {
            "availableActions": {"invoice": {}} if due else {},
            "extendedStatus": "gathering",
            "failed": False,
            "immutable": False,
        },
        "totals": _totals(invoice),
        "workflow": {
            "apps": dict.fromkeys(PURPOSES, app),
            "sourceBillingProfileId": profile.id,
            "workflow": profile.workflow,
        },
        "collectionAt": wire(invoice.created_at),
        "quantitySnapshotedAt": to_wire(now),
        "createdAt": wire(invoice.created_at),
        "updatedAt": wire(invoice.updated_at),
    }


def _customer(customer: CustomerRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": customer.id,
        "name": customer.name,
        "usageAttribution": {"subjectKeys": customer.subject_keys},
    }
    if customer.key is not None:
        shown["key"] = customer.key
    if customer.address:
        shown["addresses"] = [address_v1(customer.address)]
    return shown


def _totals(invoice: Gathering) -> dict[str, str]:
    """The sum of the fees. Raises 501 where usage has to be priced, which is not done here."""
    amounts = [line.amount for line in invoice.lines]
    if None in amounts:
        raise not_implemented_here("it does not price the usage of an invoice")
    total = sum((amount for amount in amounts if amount is not None), Decimal())
    parts = ("charges", "credits", "discounts", "taxesExclusive", "taxesInclusive", "taxes")
    shown = _text(total)
    return {"amount": shown, "total": shown, **{f"{part}Total": "0" for part in parts}}


def _text(amount: Decimal) -> str:
    """Without zeros that mean nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
