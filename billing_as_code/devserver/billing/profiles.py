"""Billing profiles: who invoices, through which app, and how (`openmeter/billing`).

A workflow is kept in v1's form, which has every setting; v3 shows another view of it. The endpoints are in
profiles_v1 and profiles_v3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..durations import DurationError, parse_duration
from ..operation import Resource
from ..problems import DomainProblem, internal
from ..store import Row, Store
from .apps import SANDBOX, find_app, get_app

resource = Resource(
    "billing_profiles",
    ddl="""
    CREATE TABLE IF NOT EXISTS billing_profiles (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        description TEXT,
        metadata TEXT NOT NULL,
        is_default INTEGER NOT NULL,
        app_id TEXT NOT NULL,
        supplier TEXT NOT NULL,
        workflow TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    );
    CREATE UNIQUE INDEX IF NOT EXISTS the_default_profile
        ON billing_profiles (is_default) WHERE is_default AND deleted_at IS NULL;
    """,
)

Json = Mapping[str, Any]
# What the apps of a profile are for.
PURPOSES = ("tax", "invoicing", "payment")
_PRORATION = "subscriptionEndProrationMode"
_BY_SUBSCRIPTION: Json = {"type": "subscription"}
_DEFAULTS: Json = {
    "collection": {"alignment": _BY_SUBSCRIPTION, "interval": "PT1H"},
    "invoicing": {
        "autoAdvance": True,
        "draftPeriod": "P0D",
        "dueAfter": "P30D",
        "progressiveBilling": True,
        _PRORATION: "bill_actual_period",
    },
    "payment": {"collectionMethod": "charge_automatically"},
    "tax": {"enabled": True, "enforced": False},
}
_DURATIONS = {"collection": ("interval",), "invoicing": ("draftPeriod", "dueAfter")}
_TAX_CODES_ARE_GONE = (
    "setting a tax code (stripe.code / taxCodeId) on a billing profile's defaultTaxConfig is deprecated and can no"
    " longer be added or changed; the organization default tax code is used instead. You may still remove it."
    " (behavior is unaffected.)"
)


@dataclass(frozen=True)
class Supplier:
    """Who invoices; the address has v1's names."""

    name: str
    tax_code: str | None = None
    address: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What a profile is to be; what there is of description and mode of proration stays where none is wanted."""

    name: str
    description: str | None
    metadata: Mapping[str, str]
    is_default: bool
    supplier: Supplier
    workflow: Json


@dataclass(frozen=True)
class Profile:
    """A stored profile; one app does everything."""

    id: str
    name: str
    description: str | None
    metadata: Mapping[str, str]
    is_default: bool
    app_id: str
    supplier: Supplier
    workflow: Json
    created_at: str
    updated_at: str
    deleted_at: str | None

    @classmethod
    def of(cls, row: Row) -> Profile:
        values = dict(row)
        values["is_default"] = bool(values["is_default"])
        for name in ("metadata", "supplier", "workflow"):
            values[name] = json.loads(values[name])
        values["supplier"] = Supplier(**values["supplier"])
        return cls(**values)


def at_boot(store: Store) -> None:
    """A new deployment has a default profile on the sandbox app."""
    if store.one("SELECT 1 FROM billing_profiles") is not None:
        return
    sandbox = find_app(store, SANDBOX)
    assert sandbox is not None, "it is made at boot, before"
    description = "Default profile for OpenMeter sandbox"
    supplier = Supplier("OpenMeter", address={"country": "US"})
    _insert(store, Wanted("openmeter-sandbox", description, {}, True, supplier, _DEFAULTS), sandbox.id)


def standard_profile(store: Store, name: str, app_id: str) -> Profile:
    """A new profile on an app with the settings that OpenMeter gives where it is told none; not the default."""
    supplier = Supplier(name, address={"country": "US"})
    return get_profile(store, _insert(store, Wanted(name, None, {}, False, supplier, _DEFAULTS), app_id))


def workflow_of(given: Json, alignment: Json = _BY_SUBSCRIPTION) -> dict[str, dict[str, Any]]:
    """A workflow with what was not given filled in, but for the mode of proration. Bad durations are a 500."""
    filled: dict[str, dict[str, Any]] = {part: {**values, **given.get(part, {})} for part, values in _DEFAULTS.items()}
    filled["collection"]["alignment"] = alignment
    if _PRORATION not in given.get("invoicing", {}):
        del filled["invoicing"][_PRORATION]
    for part, names in _DURATIONS.items():
        for name in names:
            try:
                filled[part][name] = str(parse_duration(filled[part][name]))
            except DurationError:
                raise internal() from None
    return filled


def _with_proration(workflow: Json, mode: str) -> Json:
    """The workflow with a mode of proration, unless it has one."""
    return {**workflow, "invoicing": {_PRORATION: mode, **workflow["invoicing"]}}


def create_profile(store: Store, wanted: Wanted, app_ids: Mapping[str, str]) -> Profile:
    """Store a profile on apps, which must be the same one. A new default takes the place of the one before."""
    workflow = _with_proration(wanted.workflow, _DEFAULTS["invoicing"][_PRORATION])
    _refuse_faulty_supplier(wanted.supplier)
    _refuse_faulty_workflow(workflow, "config")
    if wanted.is_default:
        _demote(store)
    ids = {get_app(store, app_ids[purpose]).id for purpose in PURPOSES}
    if len(ids) > 1:
        raise DomainProblem(400, "all apps must be the same")
    _refuse_tax_codes(workflow)
    return get_profile(store, _insert(store, replace(wanted, workflow=workflow), ids.pop()))


def replace_profile(store: Store, id: str, wanted: Wanted) -> Profile:
    """Replace a profile by what is wanted; its app stays, and its mode of proration where none is wanted."""
    profile = get_profile(store, id)
    if profile.deleted_at is not None:
        raise _refused("profile_already_deleted", id)
    if wanted.is_default and not profile.is_default:
        _demote(store)
    if profile.is_default and not wanted.is_default:
        raise _refused("default_profile_cannot_be_unset", id)
    workflow = _with_proration(wanted.workflow, profile.workflow["invoicing"][_PRORATION])
    _refuse_faulty_workflow(workflow, "configuration")
    _refuse_faulty_supplier(wanted.supplier)
    _refuse_tax_codes(workflow)
    values = {**_columns(replace(wanted, workflow=workflow)), "updated_at": store.stamp()}
    if wanted.description is None:
        del values["description"]
    store.update("billing_profiles", values, id=id)
    return get_profile(store, id)


def delete_profile(store: Store, id: str) -> None:
    """Mark a profile deleted, unless it is the default; a deleted one is left alone."""
    profile = get_profile(store, id)
    if profile.deleted_at is not None:
        return
    if profile.is_default:
        raise _refused("default_profile_cannot_be_deleted", id)
    stamp = store.stamp()
    store.update("billing_profiles", {"deleted_at": stamp, "updated_at": stamp}, id=id)


def get_profile(store: Store, id: str) -> Profile:
    """A profile by id, deleted or not. Raises 404."""
    row = store.one("SELECT * FROM billing_profiles WHERE id = ?", [id])
    if row is None:
        raise _refused("profile_not_found", id, status=404)
    return Profile.of(row)


def default_profile(store: Store) -> Profile:
    """The profile of every customer; there is always one."""
    row = store.one("SELECT * FROM billing_profiles WHERE is_default AND deleted_at IS NULL")
    assert row is not None, "the default can be replaced, but not taken away"
    return Profile.of(row)


def profile_on(store: Store, app_id: str) -> Profile | None:
    """The first profile on an app that is not deleted."""
    row = store.one("SELECT * FROM billing_profiles WHERE app_id = ? AND deleted_at IS NULL ORDER BY rowid", [app_id])
    return None if row is None else Profile.of(row)


def make_default(store: Store, id: str) -> Profile:
    """Give the default flag to a profile."""
    _demote(store)
    store.update("billing_profiles", {"is_default": True, "updated_at": store.stamp()}, id=id)
    return get_profile(store, id)


def list_profiles(store: Store, where: str, order: str, page: str = "") -> list[Profile]:
    """Profiles that meet a condition, in an order."""
    rows = store.all(f"SELECT * FROM billing_profiles WHERE {where} ORDER BY {order}{page}")
    return [Profile.of(row) for row in rows]


def _insert(store: Store, wanted: Wanted, app_id: str) -> str:
    id, stamp = store.new_id(), store.stamp()
    values = {**_columns(wanted), "id": id, "app_id": app_id}
    store.insert("billing_profiles", {**values, "created_at": stamp, "updated_at": stamp})
    return id


def _columns(wanted: Wanted) -> dict[str, Any]:
    supplier = wanted.supplier
    return {
        "name": wanted.name,
        "description": wanted.description,
        "metadata": json.dumps(dict(wanted.metadata)),
        "is_default": wanted.is_default,
        "supplier": json.dumps(
            {"name": supplier.name, "tax_code": supplier.tax_code, "address": dict(supplier.address)}
        ),
        "workflow": json.dumps(wanted.workflow),
    }


def _demote(store: Store) -> None:
    """Take the default flag from the profile that has it."""
    store.update("billing_profiles", {"is_default": False, "updated_at": store.stamp()}, id=default_profile(store).id)


def _refuse_faulty_supplier(supplier: Supplier) -> None:
    missing = "name" if not supplier.name else "country" if "country" not in supplier.address else None
    if missing is not None:
        raise DomainProblem(400, f"invalid supplier: {missing} is required")


def _refuse_faulty_workflow(workflow: Json, word: str) -> None:
    fault = _workflow_fault(workflow)
    if fault is not None:
        raise DomainProblem(400, f"invalid workflow {word}: {fault}")


def _workflow_fault(workflow: Json) -> str | None:
    invoicing, alignment = workflow["invoicing"], workflow["collection"]["alignment"]
    if alignment["type"] == "anchored":
        period = alignment.get("recurringPeriod")
        if period is None:
            return "invalid collection config: anchored alignment detail must be set"
        if _is_negative(period["interval"]):
            fault = "invalid anchored alignment detail: interval must be greater or equal to 0"
            return f"invalid collection config: {fault}"
    if _is_negative(workflow["collection"]["interval"]):
        return "invalid collection config: item collection period must be greater or equal to 0"
    if _is_negative(invoicing["draftPeriod"]) and invoicing["autoAdvance"]:
        return "invalid invoice config: draft period must be greater or equal to 0"
    if _is_negative(invoicing["dueAfter"]):
        return "invalid invoice config: due after must be greater or equal to 0"
    if workflow["tax"]["enforced"] and not workflow["tax"]["enabled"]:
        return "invalid tax config: tax is enforced but tax is not enabled"
    return None


def _is_negative(duration: str) -> bool:
    return duration.startswith("-")


def _refuse_tax_codes(workflow: Json) -> None:
    """No profile has a tax code here, so that one that is named is always new."""
    tax = workflow["invoicing"].get("defaultTaxConfig") or {}
    if tax.get("taxCodeId") is not None or tax.get("stripe", {}).get("code"):
        raise DomainProblem(400, f"validation error: {_TAX_CODES_ARE_GONE}")


def _refused(code: str, id: str, *, status: int = 400) -> DomainProblem:
    message = code.replace("_", " ")
    extensions = {"code": code, "message": message, "severity": "critical"}
    return DomainProblem(status, f"{message} [id={id}]", extensions=extensions)
