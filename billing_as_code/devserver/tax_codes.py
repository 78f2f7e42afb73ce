"""Tax codes: those of the first boot, and those that a rate card's Stripe code makes (`openmeter/taxcode`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Response

from .clock import wire
from .labels import from_metadata
from .operation import Call, Resource
from .paging import PAGE_V3, Page, count, envelope_v3
from .parameters import Param
from .problems import not_found
from .replies import json_reply
from .schema_fragments import ULID_V3
from .store import Row, Store

resource = Resource(
    "tax_codes",
    ddl="""
    CREATE TABLE IF NOT EXISTS tax_codes (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        -- What Stripe calls it, or nothing.
        stripe_code TEXT UNIQUE,
        -- What a deployment without a customised tax set-up uses it for: invoicing, credit_grant, or nothing.
        default_for TEXT,
        annotations TEXT NOT NULL DEFAULT '{}',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    """,
)

_CODES = "/api/v3/openmeter/tax-codes"
_AT_BOOT = (
    ("default", "Provider default", None, "invoicing"),
    ("nontaxable", "Nontaxable", "txcd_00000000", "credit_grant"),
)


@dataclass(frozen=True)
class TaxCode:
    """A tax code, as far as rate cards are concerned."""

    id: str
    stripe_code: str | None


def at_boot(store: Store) -> None:
    """The two codes of a new deployment, which are its defaults."""
    if store.one("SELECT 1 FROM tax_codes") is not None:
        return
    for key, name, stripe_code, default_for in _AT_BOOT:
        annotations = json.dumps({"managed_by": "system"})
        _insert(store, key, name, stripe_code, default_for=default_for, annotations=annotations)


def tax_code(store: Store, id: str) -> TaxCode | None:
    """A tax code by id."""
    row = store.one("SELECT id, stripe_code FROM tax_codes WHERE id = ?", [id])
    return None if row is None else TaxCode(row["id"], row["stripe_code"])


def tax_code_of_stripe(store: Store, code: str) -> TaxCode:
    """The tax code that stands for one of Stripe's, made where there is none."""
    id = store.value("SELECT id FROM tax_codes WHERE stripe_code = ?", [code])
    return TaxCode(id or _insert(store, f"stripe_{code}", code, code), code)


def _insert(store: Store, key: str, name: str, stripe_code: str | None, **more: Any) -> str:
    id, stamp = store.new_id(), store.stamp()
    values = {"id": id, "key": key, "name": name, "stripe_code": stripe_code, "created_at": stamp, "updated_at": stamp}
    store.insert("tax_codes", values | more)
    return id


def _shown(row: Row) -> dict[str, Any]:
    code = row["stripe_code"]
    return {
        "id": row["id"],
        "key": row["key"],
        "name": row["name"],
        "app_mappings": [] if code is None else [{"app_type": "stripe", "tax_code": code}],
        "labels": from_metadata(None, json.loads(row["annotations"])),
        "created_at": wire(row["created_at"]),
        "updated_at": wire(row["updated_at"]),
    }


@resource.operation(
    "GET", _CODES, query=[PAGE_V3, Param("include_deleted", {"type": "boolean"}, "bool", explode=False)]
)
def list_codes(call: Call) -> Response:
    """In the order of creation, whatever the clock was set to since; none is ever deleted."""
    page = Page.of_v3(call)
    rows = call.store.all(f"SELECT * FROM tax_codes ORDER BY rowid{page.clause}")
    return json_reply(envelope_v3(page, count(call.store, "FROM tax_codes", []), [_shown(row) for row in rows]))


@resource.operation("GET", f"{_CODES}/{{taxCodeId}}", path=[Param("taxCodeId", ULID_V3)])
def get_code(call: Call) -> Response:
    row = call.store.one("SELECT * FROM tax_codes WHERE id = ?", [call.path["taxCodeId"]])
    if row is None:
        raise not_found(f"tax code with id {call.path['taxCodeId']} not found")
    return json_reply(_shown(row))


@resource.operation("GET", "/api/v3/openmeter/defaults/tax-codes")
def get_defaults(call: Call) -> Response:
    rows = {row["default_for"]: row for row in call.store.all("SELECT * FROM tax_codes WHERE default_for IS NOT NULL")}
    invoicing, credit_grant = rows["invoicing"], rows["credit_grant"]
    return json_reply(
        {
            "invoicing_tax_code": {"id": invoicing["id"]},
            "credit_grant_tax_code": {"id": credit_grant["id"]},
            "created_at": wire(credit_grant["created_at"]),
            "updated_at": wire(credit_grant["updated_at"]),
        }
    )
