"""Billing profiles through v3, which reads them here (`api/v3/handlers/billingprofiles`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from ..clock import wire
from ..labels import from_metadata
from ..operation import Call, Resource
from ..paging import PAGE_V3, Page, count, envelope_v3
from ..parameters import Param
from ..replies import json_reply
from ..schema_fragments import ULID_V3
from .profiles import PURPOSES, Profile, Supplier, get_profile, list_profiles

resource = Resource("billing_profiles_v3")

_PROFILES = "/api/v3/openmeter/profiles"
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
        "collection": workflow["collection"],
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


@resource.operation("GET", _PROFILES, query=[PAGE_V3])
def list_profiles_v3(call: Call) -> Response:
    """Those that are not deleted, the oldest first."""
    page = Page.of_v3(call)
    where = "deleted_at IS NULL"
    found = list_profiles(call.store, where, "rowid", page.clause)
    total = count(call.store, f"FROM billing_profiles WHERE {where}", [])
    return json_reply(envelope_v3(page, total, [profile_v3(profile) for profile in found]))


@resource.operation("GET", f"{_PROFILES}/{{id}}", path=[Param("id", ULID_V3)])
def get_profile_v3(call: Call) -> Response:
    return json_reply(profile_v3(get_profile(call.store, call.path["id"])))
