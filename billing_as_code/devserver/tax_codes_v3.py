"""Tax codes and the organisation's defaults, which v3 alone has (`api/v3/handlers/taxcodes`)."""

from __future__ import annotations

from typing import Any

from flask import Response

from .clock import wire
from .labels import from_metadata, to_metadata
from .operation import Call, Resource, json_body
from .paging import PAGE_V3, Page, count, envelope_v3
from .parameters import Param
from .problems import KongProblem, invalid
from .replies import json_reply
from .schema_fragments import ULID_V3, add_schemas
from .store import Row, Store
from .tax_codes import TaxCode, create_tax_code, get_tax_code, replace_tax_code

add_schemas("tax_codes")

resource = Resource("tax_codes_v3")

_CODES = "/api/v3/openmeter/tax-codes"
_ONE = _CODES + "/{taxCodeId}"
_BY_ID = [Param("taxCodeId", ULID_V3)]
_DEFAULTS = "/api/v3/openmeter/defaults/tax-codes"


def _shown(code: TaxCode) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": code.id,
        "key": code.key,
        "name": code.name,
        "app_mappings": code.app_mappings,
        "labels": from_metadata(code.metadata, {"managed_by": "system"} if code.is_system else None),
        "created_at": wire(code.created_at),
        "updated_at": wire(code.updated_at),
    }
    return shown if code.description is None else shown | {"description": code.description}


@resource.operation(
    "GET", _CODES, query=[PAGE_V3, Param("include_deleted", {"type": "boolean"}, "bool", explode=False)]
)
def list_codes(call: Call) -> Response:
    """In the order of creation, whatever the clock was set to since; none is ever deleted."""
    page = Page.of_v3(call)
    rows = call.store.all(f"SELECT * FROM tax_codes ORDER BY rowid{page.clause}")
    return json_reply(
        envelope_v3(page, count(call.store, "FROM tax_codes", []), [_shown(TaxCode.of(row)) for row in rows])
    )


@resource.operation("POST", _CODES, body=json_body("CreateTaxCodeRequest"))
def create_code(call: Call) -> Response:
    body = call.body
    more = (body.get("description"), to_metadata(body.get("labels")), body["app_mappings"])
    return json_reply(_shown(create_tax_code(call.store, body["key"], body["name"], *more)), 201)


@resource.operation("GET", _ONE, path=_BY_ID)
def get_code(call: Call) -> Response:
    return json_reply(_shown(get_tax_code(call.store, call.path["taxCodeId"])))


@resource.operation("PUT", _ONE, path=_BY_ID, body=json_body("UpsertTaxCodeRequest"))
def replace_code(call: Call) -> Response:
    """A replacement, labels included, but for the description."""
    body = call.body
    more = (body.get("description"), to_metadata(body.get("labels")), body["app_mappings"])
    return json_reply(_shown(replace_tax_code(call.store, call.path["taxCodeId"], body["name"], *more)))


@resource.operation("DELETE", _ONE, path=_BY_ID)
def delete_code(call: Call) -> Response:
    """Refused always, as there."""
    raise KongProblem(403, "unauthorized", "Forbidden", "Deleting tax codes is not allowed")


@resource.operation("GET", _DEFAULTS)
def get_defaults(call: Call) -> Response:
    return json_reply(_shown_defaults(_defaults(call.store)))


@resource.operation("PUT", _DEFAULTS, body=json_body("UpdateOrganizationDefaultTaxCodesRequest"))
def replace_defaults(call: Call) -> Response:
    """Both at a time."""
    values = {}
    for name in ("invoicing", "credit_grant"):
        id = call.body.get(f"{name}_tax_code", {}).get("id")
        if not id:
            raise invalid(f"{name}_tax_code.id is required")
        values[name] = id
    for id in values.values():
        get_tax_code(call.store, id)
    call.store.update("default_tax_codes", {**values, "updated_at": call.store.stamp()}, id="default")
    return json_reply(_shown_defaults(_defaults(call.store)))


def _defaults(store: Store) -> Row:
    row = store.one("SELECT * FROM default_tax_codes")
    assert row is not None, "it is made at boot"
    return row


def _shown_defaults(row: Row) -> dict[str, Any]:
    return {
        "invoicing_tax_code": {"id": row["invoicing"]},
        "credit_grant_tax_code": {"id": row["credit_grant"]},
        "created_at": wire(row["created_at"]),
        "updated_at": wire(row["updated_at"]),
    }
