"""Customers through v1 (`openmeter/customer/httpdriver`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from .clock import wire
from .customer_deletion import delete_customer
from .customers import (
    CustomerInput,
    CustomerRow,
    create_customer,
    find_customer,
    find_live_customer,
    list_customers,
    replace_customer,
)
from .operation import Call, Resource, json_body
from .paging import ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1, order_by
from .parameters import Param
from .problems import invalid
from .replies import json_reply, no_content
from .schema_fragments import ULID_OR_KEY, add_schemas
from .subscriptions import active_subscriptions, customers_with_plan
from .subscriptions.rows import Subscription
from .subscriptions.views import subscription_v1

add_schemas("customers")

resource = Resource("customers_v1")

_CUSTOMER = "/api/v1/customers/{customerIdOrKey}"
CUSTOMER_ID_OR_KEY = Param("customerIdOrKey", ULID_OR_KEY, required=True)
_COLUMNS = {"id": "id", "name": "name", "createdAt": "created_at"}
_ADDRESS = {
    "country": "country",
    "postalCode": "postal_code",
    "state": "state",
    "city": "city",
    "line1": "line1",
    "line2": "line2",
    "phoneNumber": "phone_number",
}
_TEXT = {"type": "string"}
_EXPAND = Param("expand", {"type": "array", "items": {"$ref": "#/components/schemas/CustomerExpand"}}, "list")
_LIST_QUERY = [
    PAGE,
    PAGE_SIZE,
    ORDER,
    order_by("CustomerOrderBy", tuple(_COLUMNS), "customers"),
    Param("includeDeleted", {"type": "boolean"}, "bool", explode=False),
    *(Param(name, _TEXT, explode=False) for name in ("key", "name", "primaryEmail", "subject", "planKey")),
    _EXPAND,
]
_FILTERS = {"key": "key", "name": "name", "primaryEmail": "primary email", "subject": "usage attribution subject key"}


def customer_v1(customer: CustomerRow) -> dict[str, Any]:
    """A customer as v1 shows it: without what is empty (`httpdriver/apimapping.go`)."""
    shown: dict[str, Any] = {
        "id": customer.id,
        "name": customer.name,
        "createdAt": wire(customer.created_at),
        "updatedAt": wire(customer.updated_at),
    }
    optional = {
        "key": customer.key,
        "description": customer.description,
        "primaryEmail": customer.primary_email,
        "currency": customer.currency,
        "metadata": customer.metadata or None,
        "annotations": customer.annotations or None,
        "deletedAt": customer.deleted_at and wire(customer.deleted_at),
    }
    shown |= {name: value for name, value in optional.items() if value is not None}
    if customer.address:
        shown["billingAddress"] = address_v1(customer.address)
    if customer.subject_keys:
        shown["usageAttribution"] = {"subjectKeys": customer.subject_keys}
    return shown


def address_v1(address: Mapping[str, str]) -> dict[str, str]:
    return {name: address[column] for name, column in _ADDRESS.items() if column in address}


def customer_input_v1(body: Mapping[str, Any]) -> CustomerInput:
    address = body.get("billingAddress")
    if address is not None:
        address = {column: address[name] for name, column in _ADDRESS.items() if name in address}
    return CustomerInput(
        key=body.get("key"),
        name=body["name"],
        description=body.get("description"),
        primary_email=body.get("primaryEmail"),
        currency=body.get("currency"),
        address=address,
        subject_keys=body.get("usageAttribution", {}).get("subjectKeys", ()),
        metadata=body.get("metadata"),
    )


@resource.operation("GET", "/api/v1/customers", query=_LIST_QUERY)
def list_v1(call: Call) -> Response:
    """A page; the filters look for a part, whatever its case."""
    page = Page.of_v1(call)
    where, parameters = _where(call.query, call.store.stamp())
    column = _COLUMNS[call.query["orderBy"] or "name"]
    direction = call.query["order"] or "ASC"
    order = f"{column} {direction}" + ("" if column == "id" else f", id {direction}")
    customers = list_customers(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM customers WHERE {where}", parameters)
    found = active_subscriptions(call.store, [customer.id for customer in customers])
    items = [customer_v1(customer) | _subscribed(call, found.get(customer.id, ())) for customer in customers]
    return json_reply(envelope_v1(page, total, items))


def _subscribed(call: Call, subscriptions: Sequence[Subscription]) -> dict[str, Any]:
    """What is shown of the subscriptions that a customer has now."""
    if not subscriptions:
        return {}
    now = call.store.stamp()
    return {
        "currentSubscriptionId": subscriptions[0].id,
        "subscriptions": [subscription_v1(subscription, now) for subscription in subscriptions],
    }


def _where(query: Mapping[str, Any], now: str) -> tuple[str, list[Any]]:
    conditions = [] if query["includeDeleted"] else ["deleted_at IS NULL"]
    parameters: list[Any] = []
    faults: list[str] = []
    for name, words in _FILTERS.items():
        part = query[name]
        if part is None:
            continue
        if part == "":
            fault = "validation error: filter is invalid: format mismatch"
            faults.append(f"validation error: invalid {words} filter: {fault}")
        column = "primary_email" if name == "primaryEmail" else name
        conditions.append(_HAS_SUBJECT if name == "subject" else f"contains_fold({column}, ?)")
        parameters.append(part)
    if faults:
        raise invalid("validation error: " + "\n".join(faults))
    if query["planKey"] is not None:
        conditions.append(customers_with_plan("plan_key = ?", now))
        parameters.append(query["planKey"])
    return " AND ".join(conditions) or "1", parameters


_HAS_SUBJECT = (
    "id IN (SELECT customer_id FROM customer_subjects"
    " WHERE contains_fold(subject_key, ?) AND customer_subjects.deleted_at IS NULL)"
)


@resource.operation("POST", "/api/v1/customers", body=json_body("CustomerCreate"))
def create_v1(call: Call) -> Response:
    return json_reply(customer_v1(create_customer(call.store, customer_input_v1(call.body))), 201)


@resource.operation("GET", _CUSTOMER, path=[CUSTOMER_ID_OR_KEY], query=[_EXPAND])
def get_v1(call: Call) -> Response:
    customer = find_customer(call.store, call.path["customerIdOrKey"])
    found = active_subscriptions(call.store, [customer.id]).get(customer.id, ())
    return json_reply(customer_v1(customer) | _subscribed(call, found))


@resource.operation("PUT", _CUSTOMER, path=[CUSTOMER_ID_OR_KEY], body=json_body("CustomerReplaceUpdate"))
def replace_v1(call: Call) -> Response:
    """A replacement, the key included: left out, it is taken away."""
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    return json_reply(customer_v1(replace_customer(call.store, customer, customer_input_v1(call.body))))


@resource.operation("DELETE", _CUSTOMER, path=[CUSTOMER_ID_OR_KEY])
def delete_v1(call: Call) -> Response:
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    delete_customer(call.store, customer.id)
    return no_content()
