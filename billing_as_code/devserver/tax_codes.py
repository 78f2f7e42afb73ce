"""Tax codes: those of the first boot, and those that a rate card's Stripe code makes (`openmeter/taxcode`).

The endpoints are in tax_codes_v3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .operation import Resource
from .problems import DomainProblem, conflict, internal, issue, validation_issues
from .store import Duplicate, Row, Store

resource = Resource(
    "tax_codes",
    ddl="""
    CREATE TABLE IF NOT EXISTS tax_codes (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        description TEXT,
        metadata TEXT,
        -- What apps call it: a list of objects with app_type and tax_code.
        app_mappings TEXT NOT NULL,
        is_system INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS default_tax_codes (
        -- One row, default.
        id TEXT PRIMARY KEY,
        invoicing TEXT NOT NULL,
        credit_grant TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    """,
)

Mappings = Sequence[Mapping[str, str]]
_FAULTS = {
    "app_types_must_be_unique": "app types must be unique",
    "tax_code_empty": "tax code cannot be empty",
    "tax_code_stripe_invalid": "stripe tax code must be in the format of txcd_12345678",
}
_BY_SYSTEM = "tax code is managed by the system and cannot be modified or deleted"


@dataclass(frozen=True)
class TaxCode:
    """A tax code."""

    id: str
    key: str
    name: str
    description: str | None
    metadata: Mapping[str, str]
    app_mappings: Mappings
    is_system: bool
    created_at: str
    updated_at: str

    @property
    def stripe_code(self) -> str | None:
        """What Stripe calls it."""
        codes = [mapping["tax_code"] for mapping in self.app_mappings if mapping["app_type"] == "stripe"]
        return codes[0] if codes else None

    @classmethod
    def of(cls, row: Row) -> TaxCode:
        values = dict(row)
        values["is_system"] = bool(values["is_system"])
        values["metadata"] = json.loads(values["metadata"] or "{}")
        values["app_mappings"] = json.loads(values["app_mappings"])
        return cls(**values)


def at_boot(store: Store) -> None:
    """The two codes of a new deployment, which are its defaults."""
    if store.one("SELECT 1 FROM tax_codes") is not None:
        return
    invoicing = _insert(store, "default", "Provider default", [], is_system=True)
    credit_grant = _insert(store, "nontaxable", "Nontaxable", _at_stripe("txcd_00000000"), is_system=True)
    stamp = store.stamp()
    values = {"id": "default", "invoicing": invoicing, "credit_grant": credit_grant}
    store.insert("default_tax_codes", {**values, "created_at": stamp, "updated_at": stamp})


def tax_code(store: Store, id: str) -> TaxCode | None:
    """A tax code by id."""
    row = store.one("SELECT * FROM tax_codes WHERE id = ?", [id])
    return None if row is None else TaxCode.of(row)


def get_tax_code(store: Store, id: str) -> TaxCode:
    """The same. Raises 404."""
    found = tax_code(store, id)
    if found is None:
        raise validation_issues([issue("tax_code_not_found", "tax code not found", "$.id", id=id)], status=404)
    return found


def tax_code_of_stripe(store: Store, code: str) -> TaxCode:
    """The tax code that stands for one of Stripe's, the oldest of several, made where there is none.

    Raises 500 where one that was made for it stands for another by now, as there.
    """
    row = store.one(
        "SELECT tax_codes.* FROM tax_codes, json_each(app_mappings) AS mapping"
        " WHERE mapping.value ->> 'app_type' = 'stripe' AND mapping.value ->> 'tax_code' = ?"
        " ORDER BY tax_codes.rowid LIMIT 1",
        [code],
    )
    if row is not None:
        return TaxCode.of(row)
    try:
        return get_tax_code(store, _insert(store, f"stripe_{code}", code, _at_stripe(code)))
    except Duplicate:
        raise internal() from None


def create_tax_code(
    store: Store, key: str, name: str, description: str | None, metadata: Mapping[str, str] | None, mappings: Mappings
) -> TaxCode:
    """Store a tax code. Raises 400 for mappings that make no sense, 409 for a key that there is."""
    _refuse_faulty(mappings)
    more = {"description": description, "metadata": json.dumps(metadata or {})}
    try:
        return get_tax_code(store, _insert(store, key, name, mappings, **more))
    except Duplicate:
        raise conflict("tax code with the same key already exists") from None


def replace_tax_code(
    store: Store, id: str, name: str, description: str | None, metadata: Mapping[str, str] | None, mappings: Mappings
) -> TaxCode:
    """Replace a tax code; a description that is not given stays. The two of the first boot are not changed."""
    _refuse_faulty(mappings)
    if get_tax_code(store, id).is_system:
        raise validation_issues([issue("tax_code_managed_by_system", _BY_SYSTEM)], status=409)
    values = {"name": name, "metadata": json.dumps(metadata or {}), "app_mappings": json.dumps(list(mappings))}
    if description is not None:
        values["description"] = description
    store.update("tax_codes", {**values, "updated_at": store.stamp()}, id=id)
    return get_tax_code(store, id)


def _at_stripe(code: str) -> Mappings:
    return [{"app_type": "stripe", "tax_code": code}]


def _insert(store: Store, key: str, name: str, mappings: Mappings, **more: Any) -> str:
    id, stamp = store.new_id(), store.stamp()
    values = {"id": id, "key": key, "name": name, "app_mappings": json.dumps(list(mappings)), **more}
    store.insert("tax_codes", {**values, "created_at": stamp, "updated_at": stamp})
    return id


def _refuse_faulty(mappings: Mappings) -> None:
    codes = _faults(mappings)
    if codes:
        raise _faulty(codes)


def _faulty(codes: Sequence[str]) -> DomainProblem:
    return validation_issues([issue(code, _FAULTS[code], "$.app_mappings") for code in codes])


def _faults(mappings: Mappings) -> list[str]:
    """Codes of what is wrong with mappings."""
    found = []
    if len({mapping["app_type"] for mapping in mappings}) != len(mappings):
        found.append("app_types_must_be_unique")
    for mapping in mappings:
        code = mapping["tax_code"]
        if code == "":
            found.append("tax_code_empty")
        elif mapping["app_type"] == "stripe" and not _is_stripe_code(code):
            found.append("tax_code_stripe_invalid")
    return found


def _is_stripe_code(code: str) -> bool:
    number = code.removeprefix("txcd_")
    return number != code and len(number) == 8 and number.isascii() and number.isdigit()
