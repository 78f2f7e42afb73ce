"""Billing profiles through v3 (`api/v3/handlers/billingprofiles`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from ..clock import parse_rfc3339, to_wire, wire
from ..durations import DurationError, parse_duration
from ..labels import from_metadata, to_metadata
from ..operation import Call, Resource, json_body
from ..paging import PAGE_V3, Page, count, envelope_v3
from ..parameters import Param
from ..replies import json_reply, no_content
from ..schema_fragments import ULID_V3, add_schemas
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

resource = Resource("billing_profiles_v3")

_PROFILES = "/api/v3/openmeter/profiles"
_BY_ID = [Param("id", ULID_V3)]
_ADDRESS = {"postalCode": "postal_code", "phoneNumber": "phone_number"}


def profile_v3(profile: Profile) -> dict[str, Any]:
    """A profile as v3 shows it: what is due when belongs to payment, and is said only of invoices that are sent."""
    shown: dict[str, Any] = {
        "id": profile.id,
        "name": profile.name,
        "default": profile.is_default,
        "labels": from_metadata(profile.metadata),
        "supplier": _supplier_v3(profile.supplier),
        "workflow": _workflow_v3(profile.workflow),
        "apps": {purpose: {"id": profile.app_id} for purpose in PURPOSES},
        "created_at": wire(profile.created_at),
        "updated_at": wire(profile.updated_at),
    }
    optional = {
        "description": profile.description,
        "deleted_at": profile.deleted_at and wire(profile.deleted_at),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _supplier_v3(supplier: Supplier) -> dict[str, Any]:
    address = {_ADDRESS.get(name, name): value for name, value in supplier.address.items()}
    shown: dict[str, Any] = {"id": "", "name": supplier.name, "addresses": {"billing_address": address}}
    return shown if supplier.tax_code is None else shown | {"tax_id": {"code": supplier.tax_code}}


def _workflow_v3(workflow: Mapping[str, Any]) -> dict[str, Any]:
    invoicing, payment = workflow["invoicing"], workflow["payment"]
    shown: dict[str, Any] = {
        "collection": {**workflow["collection"], "alignment": _alignment_v3(workflow["collection"]["alignment"])},
        "invoicing": {
            "auto_advance": invoicing["autoAdvance"],
            "draft_period": invoicing["draftPeriod"],
            "progressive_billing": invoicing["progressiveBilling"],
            "subscription_end_proration_mode": invoicing["subscriptionEndProrationMode"],
        },
        "payment": {"collection_method": payment["collectionMethod"]},
        "tax": dict(workflow["tax"]),
    }
    if payment["collectionMethod"] == "send_invoice":
        shown["payment"]["due_after"] = invoicing["dueAfter"]
    if "defaultTaxConfig" in invoicing:
        shown["tax"]["default_tax_config"] = invoicing["defaultTaxConfig"]
    return shown


def _alignment_v3(alignment: Mapping[str, Any]) -> Mapping[str, Any]:
    if alignment["type"] == "subscription":
        return alignment
    return {"type": alignment["type"], "recurring_period": alignment["recurringPeriod"]}


def _wanted(body: Mapping[str, Any]) -> Wanted:
    return Wanted(
        name=body["name"],
        description=body.get("description"),
        metadata=to_metadata(body.get("labels")) or {},
        is_default=body["default"],
        supplier=_supplier(body["supplier"]),
        workflow=_workflow(body["workflow"]),
    )


def _supplier(party: Mapping[str, Any]) -> Supplier:
    address = party.get("addresses", {}).get("billing_address", {})
    named = {v3: v1 for v1, v3 in _ADDRESS.items()}
    return Supplier(
        party.get("name", ""),
        party.get("tax_id", {}).get("code"),
        {named.get(name, name): value for name, value in address.items()},
    )


def _workflow(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A workflow in v1's form. Durations that cannot be read count as not given, as there."""
    collection, invoicing = given.get("collection", {}), given.get("invoicing", {})
    payment, tax = given.get("payment", {}), given.get("tax", {})
    parts: dict[str, dict[str, Any]] = {
        "collection": {"interval": _readable(collection.get("interval"))},
        "invoicing": {
            "autoAdvance": invoicing.get("auto_advance"),
            "draftPeriod": _readable(invoicing.get("draft_period")),
            "dueAfter": _readable(payment.get("due_after")),
            "progressiveBilling": invoicing.get("progressive_billing"),
            "subscriptionEndProrationMode": invoicing.get("subscription_end_proration_mode"),
            "defaultTaxConfig": _tax_config(tax.get("default_tax_config")),
        },
        "payment": {"collectionMethod": payment.get("collection_method")},
        "tax": {"enabled": tax.get("enabled"), "enforced": tax.get("enforced")},
    }
    said = {
        part: {name: value for name, value in values.items() if value is not None} for part, values in parts.items()
    }
    return workflow_of(said, _alignment(collection.get("alignment", {"type": "subscription"})))


def _readable(duration: str | None) -> str | None:
    try:
        return None if duration is None else str(parse_duration(duration))
    except DurationError:
        return None


def _alignment(given: Mapping[str, Any]) -> dict[str, Any]:
    """An alignment in v1's form; an anchored one whose interval cannot be read has no period."""
    if given["type"] != "anchored":
        return {"type": "subscription"}
    anchor, interval = parse_rfc3339(given["recurring_period"]["anchor"]), given["recurring_period"]["interval"]
    readable = _readable(interval)
    if readable is None or anchor is None:
        return {"type": "anchored"}
    return {"type": "anchored", "recurringPeriod": {"interval": readable, "anchor": to_wire(anchor)}}


def _tax_config(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    id = given.get("tax_code", {}).get("id", given.get("tax_code_id"))
    found = {"behavior": given.get("behavior"), "stripe": given.get("stripe"), "taxCodeId": id}
    return {name: value for name, value in found.items() if value is not None}


@resource.operation("GET", _PROFILES, query=[PAGE_V3])
def list_profiles_v3(call: Call) -> Response:
    """Those that are not deleted, the oldest first."""
    page = Page.of_v3(call)
    where = "deleted_at IS NULL"
    found = list_profiles(call.store, where, "rowid", page.clause)
    total = count(call.store, f"FROM billing_profiles WHERE {where}", [])
    return json_reply(envelope_v3(page, total, [profile_v3(profile) for profile in found]))


@resource.operation("GET", f"{_PROFILES}/{{id}}", path=_BY_ID)
def get_profile_v3(call: Call) -> Response:
    return json_reply(profile_v3(get_profile(call.store, call.path["id"])))


@resource.operation("POST", _PROFILES, body=json_body("CreateBillingProfileRequest"))
def create_profile_v3(call: Call) -> Response:
    app_ids = {purpose: app["id"] for purpose, app in call.body["apps"].items()}
    return json_reply(profile_v3(create_profile(call.store, _wanted(call.body), app_ids)), 201)


@resource.operation("PUT", f"{_PROFILES}/{{id}}", path=_BY_ID, body=json_body("UpsertBillingProfileRequest"))
def replace_profile_v3(call: Call) -> Response:
    """Called an upsert, but it never creates."""
    return json_reply(profile_v3(replace_profile(call.store, call.path["id"], _wanted(call.body))))


@resource.operation("DELETE", f"{_PROFILES}/{{id}}", path=_BY_ID)
def delete_profile_v3(call: Call) -> Response:
    delete_profile(call.store, call.path["id"])
    return no_content()
