"""Customers through v3 (`api/v3/handlers/customers`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response

from .billing.profiles import default_profile
from .clock import wire
from .customer_deletion import delete_customer
from .customers import (
    CustomerInput,
    CustomerRow,
    create_customer,
    find_customer_by_id,
    list_customers,
    replace_customer,
)
from .labels import from_metadata, to_metadata
from .list_filters import FieldFilter, filters_of, where_of
from .operation import Call, Resource, json_body
from .paging import PAGE_V3, SORT_V3, Page, count, envelope_v3, sort_v3
from .parameters import Param
from .problems import gone, invalid
from .replies import json_reply, no_content
from .schema_fragments import ULID_V3
from .store import Store
from .subscriptions import customers_with_plan

resource = Resource("customers_v3")

_CUSTOMERS = "/api/v3/openmeter/customers"
CUSTOMER_ID = Param("customerId", ULID_V3, required=True)
_SORTS = ("id", "created_at", "name")
_FILTERS = {
    "key": "string",
    "name": "string",
    "primary_email": "string",
    "usage_attribution_subject_key": "string",
    "plan_key": "string",
    "billing_profile_id": "ulid",
}


def customer_v3(customer: CustomerRow) -> dict[str, Any]:
    """A customer as v3 shows it: one without a key has an empty one."""
    shown: dict[str, Any] = {
        "id": customer.id,
        "key": customer.key or "",
        "name": customer.name,
        "labels": from_metadata(customer.metadata, customer.annotations),
        "created_at": wire(customer.created_at),
        "updated_at": wire(customer.updated_at),
    }
    optional = {
        "description": customer.description,
        "primary_email": customer.primary_email,
        "currency": customer.currency,
        "billing_address": customer.address or None,
        "deleted_at": customer.deleted_at and wire(customer.deleted_at),
    }
    shown |= {name: value for name, value in optional.items() if value is not None}
    if customer.subject_keys:
        shown["usage_attribution"] = {"subject_keys": customer.subject_keys}
    return shown


def _wanted(body: Mapping[str, Any], key: str | None) -> CustomerInput:
    return CustomerInput(
        key=key,
        name=body["name"],
        description=body.get("description"),
        primary_email=body.get("primary_email"),
        currency=body.get("currency"),
        address=body.get("billing_address"),
        subject_keys=body.get("usage_attribution", {}).get("subject_keys", ()),
        metadata=to_metadata(body.get("labels")),
    )


@resource.operation("GET", _CUSTOMERS, query=[PAGE_V3, SORT_V3], filters=filters_of(_FILTERS))
def list_customers_v3(call: Call) -> Response:
    """Live customers, by name when there is no sort."""
    page = Page.of_v3(call)
    sort = sort_v3(call, _SORTS)
    found: dict[str, FieldFilter] = call.query["filter"]
    where, parameters = _where(found, call.store)
    field = "name" if sort is None else sort.field
    direction = "DESC" if sort is not None and sort.descending else "ASC"
    order = f"{field} {direction}" + ("" if field == "id" else f", id {direction}")
    customers = list_customers(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM customers WHERE {where}", parameters)
    return json_reply(envelope_v3(page, total, [customer_v3(customer) for customer in customers]))


def _where(found: Mapping[str, FieldFilter], store: Store) -> tuple[str, list[Any]]:
    faults = []
    for name, kind in _FILTERS.items():
        fault = found[name].fault(kind) if name in found else None
        if fault is not None:
            faults.append(f"validation error: invalid {name.replace('_', ' ')} filter: {fault}")
    if faults:
        raise invalid("validation error: " + "\n".join(faults))
    plain = {name: found[name] for name in ("key", "name", "primary_email") if name in found}
    where, parameters = where_of(plain, {name: name for name in plain})
    conditions = ["deleted_at IS NULL", where]
    if "usage_attribution_subject_key" in found:
        condition, values = found["usage_attribution_subject_key"].condition("subject_key")
        selected = (
            f"SELECT customer_id FROM customer_subjects WHERE {condition} AND customer_subjects.deleted_at IS NULL"
        )
        conditions.append(f"id IN ({selected})")
        parameters += values
    if "billing_profile_id" in found:
        # All customers are on the default profile.
        condition, values = found["billing_profile_id"].condition(f"'{default_profile(store).id}'")
        conditions.append(condition)
        parameters += values
    if "plan_key" in found:
        condition, values = found["plan_key"].condition("plan_key")
        conditions.append(customers_with_plan(condition, store.stamp()))
        parameters += values
    return " AND ".join(conditions), parameters


@resource.operation("POST", _CUSTOMERS, body=json_body("CreateCustomerRequest"))
def create_v3(call: Call) -> Response:
    return json_reply(customer_v3(create_customer(call.store, _wanted(call.body, call.body["key"]))), 201)


@resource.operation("GET", f"{_CUSTOMERS}/{{customerId}}", path=[CUSTOMER_ID])
def get_v3(call: Call) -> Response:
    return json_reply(customer_v3(find_customer_by_id(call.store, call.path["customerId"])))


@resource.operation("PUT", f"{_CUSTOMERS}/{{customerId}}", path=[CUSTOMER_ID], body=json_body("UpsertCustomerRequest"))
def replace_v3(call: Call) -> Response:
    """A replacement that keeps the key; called an upsert, but it never creates."""
    wanted = _wanted(call.body, None)
    customer = find_customer_by_id(call.store, call.path["customerId"])
    if customer.deleted_at is not None:
        raise gone()
    return json_reply(customer_v3(replace_customer(call.store, customer, replace(wanted, key=customer.key))))


@resource.operation("DELETE", f"{_CUSTOMERS}/{{customerId}}", path=[CUSTOMER_ID])
def delete_v3(call: Call) -> Response:
    """204 for an unknown or deleted one as well."""
    delete_customer(call.store, call.path["customerId"])
    return no_content()
