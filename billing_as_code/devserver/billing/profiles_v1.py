"""Billing profiles through v1 (`openmeter/billing/httpdriver/profile.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from ..clock import wire
from ..operation import Call, Resource, json_body
from ..paging import ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1
from ..parameters import Param
from ..replies import json_reply, no_content
from ..schema import V1
from ..schema_fragments import add_schemas
from ..store import Store
from .apps import BY_ID_V1, app_v1, get_app
from .profiles import (
    PURPOSES,
    Profile,
    Supplier,
    Wanted,
    create_profile,
    delete_profile,
    get_profile,
    list_profiles,
    replace_profile,
    workflow_of,
)

add_schemas("billing")

resource = Resource("billing_profiles_v1")

_PROFILES = "/api/v1/billing/profiles"
_ONE = _PROFILES + "/{id}"
# The order of creation is that of the rows, also when the server's clock was set back since the first start.
_COLUMNS = {"createdAt": "rowid", "updatedAt": "updated_at", "default": "is_default", "name": "name"}
V1.add(
    {
        "BillingProfileOrderBy": {
            "type": "string",
            "enum": list(_COLUMNS),
            "description": "BillingProfileOrderBy specifies the ordering options for profiles",
        }
    }
)
_EXPAND = Param("expand", {"type": "array", "items": {"$ref": "#/components/schemas/BillingProfileExpand"}}, "list")


def profile_v1(store: Store, profile: Profile, *, with_apps: bool) -> dict[str, Any]:
    """A profile as v1 shows it, with its apps or with references to them."""
    app = app_v1(get_app(store, profile.app_id)) if with_apps else {"id": profile.app_id}
    shown: dict[str, Any] = {
        "id": profile.id,
        "name": profile.name,
        "default": profile.is_default,
        "supplier": supplier_v1(profile.supplier),
        "workflow": profile.workflow,
        "apps": dict.fromkeys(PURPOSES, app),
        "createdAt": wire(profile.created_at),
        "updatedAt": wire(profile.updated_at),
    }
    optional = {
        "description": profile.description,
        "metadata": profile.metadata or None,
        "deletedAt": profile.deleted_at and wire(profile.deleted_at),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def supplier_v1(supplier: Supplier) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": supplier.name, "addresses": [supplier.address]}
    return shown if supplier.tax_code is None else shown | {"taxId": {"code": supplier.tax_code}}


def _wanted(body: Mapping[str, Any]) -> Wanted:
    """Alignments are not looked at, as there."""
    return Wanted(
        name=body["name"],
        description=body.get("description"),
        metadata=body.get("metadata") or {},
        is_default=body["default"],
        supplier=_supplier(body["supplier"]),
        workflow=workflow_of(body["workflow"]),
    )


def _supplier(party: Mapping[str, Any]) -> Supplier:
    """Without an address not even a tax id is taken over, as there."""
    addresses = party.get("addresses") or []
    if not addresses:
        return Supplier(party.get("name", ""))
    return Supplier(party.get("name", ""), party.get("taxId", {}).get("code"), addresses[0])


@resource.operation(
    "GET",
    _PROFILES,
    query=[
        Param("includeArchived", {"type": "boolean"}, "bool", explode=False),
        _EXPAND,
        PAGE,
        PAGE_SIZE,
        ORDER,
        Param("orderBy", {"$ref": "#/components/schemas/BillingProfileOrderBy"}, explode=False),
    ],
)
def list_profiles_v1(call: Call) -> Response:
    """The newest first unless told otherwise; `expand` is accepted and does nothing, as there."""
    page = Page.of_v1(call)
    where = "1" if call.query["includeArchived"] else "deleted_at IS NULL"
    direction = call.query["order"] or "DESC"
    order = f"{_COLUMNS[call.query['orderBy'] or 'createdAt']} {direction}, rowid"
    found = list_profiles(call.store, where, order, page.clause)
    total = count(call.store, f"FROM billing_profiles WHERE {where}", [])
    items = [profile_v1(call.store, profile, with_apps=False) for profile in found]
    return json_reply(envelope_v1(page, total, items))


@resource.operation("POST", _PROFILES, body=json_body("BillingProfileCreate"))
def create_profile_v1(call: Call) -> Response:
    made = create_profile(call.store, _wanted(call.body), call.body["apps"])
    return json_reply(profile_v1(call.store, made, with_apps=True), 201)


@resource.operation("GET", _ONE, path=BY_ID_V1, query=[_EXPAND])
def get_profile_v1(call: Call) -> Response:
    with_apps = "apps" in (call.query["expand"] or ())
    return json_reply(profile_v1(call.store, get_profile(call.store, call.path["id"]), with_apps=with_apps))


@resource.operation("PUT", _ONE, path=BY_ID_V1, body=json_body("BillingProfileReplaceUpdateWithWorkflow"))
def replace_profile_v1(call: Call) -> Response:
    """A replacement that keeps the description, the apps and the mode of proration where they are not named."""
    replaced = replace_profile(call.store, call.path["id"], _wanted(call.body))
    return json_reply(profile_v1(call.store, replaced, with_apps=True))


@resource.operation("DELETE", _ONE, path=BY_ID_V1)
def delete_profile_v1(call: Call) -> Response:
    delete_profile(call.store, call.path["id"])
    return no_content()
