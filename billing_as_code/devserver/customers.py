"""Customers: their tables and rules (`openmeter/customer`). The endpoints are in customers_v1 and customers_v3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .currencies import FIAT_CURRENCIES
from .operation import Resource
from .problems import conflict, invalid, not_found, precondition_failed
from .store import Duplicate, Row, Store
from .subject_rows import provision_subjects

resource = Resource(
    "customers",
    ddl="""
    CREATE TABLE IF NOT EXISTS customers (
        id TEXT PRIMARY KEY,
        key TEXT,
        name TEXT NOT NULL,
        description TEXT,
        primary_email TEXT,
        currency TEXT,
        country TEXT,
        postal_code TEXT,
        state TEXT,
        city TEXT,
        line1 TEXT,
        line2 TEXT,
        phone_number TEXT,
        metadata TEXT,
        annotations TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    );
    CREATE UNIQUE INDEX IF NOT EXISTS customers_by_live_key ON customers (key) WHERE deleted_at IS NULL;
    CREATE INDEX IF NOT EXISTS customers_by_live_name ON customers (name, id) WHERE deleted_at IS NULL;
    CREATE INDEX IF NOT EXISTS customers_by_live_time ON customers (created_at, id) WHERE deleted_at IS NULL;
    CREATE INDEX IF NOT EXISTS customers_by_live_id ON customers (id) WHERE deleted_at IS NULL;
    CREATE TABLE IF NOT EXISTS customer_subjects (
        customer_id TEXT NOT NULL,
        subject_key TEXT NOT NULL,
        created_at TEXT NOT NULL,
        deleted_at TEXT
    );
    CREATE UNIQUE INDEX IF NOT EXISTS customer_subjects_by_live_key
        ON customer_subjects (subject_key) WHERE deleted_at IS NULL;
    CREATE INDEX IF NOT EXISTS customer_subjects_by_customer ON customer_subjects (customer_id);
    """,
)

ADDRESS_FIELDS = ("country", "postal_code", "state", "city", "line1", "line2", "phone_number")


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer as stored, with its subject keys in order; a deleted one has those it had at the end."""

    id: str
    key: str | None
    name: str
    description: str | None
    primary_email: str | None
    currency: str | None
    address: Mapping[str, str]
    metadata: Mapping[str, str]
    annotations: Mapping[str, Any]
    created_at: str
    updated_at: str
    deleted_at: str | None
    subject_keys: tuple[str, ...]

    @classmethod
    def of(cls, row: Row, subject_keys: Sequence[str]) -> CustomerRow:
        return cls(
            id=row["id"],
            key=row["key"],
            name=row["name"],
            description=row["description"],
            primary_email=row["primary_email"],
            currency=row["currency"],
            address={name: row[name] for name in ADDRESS_FIELDS if row[name] is not None},
            metadata=json.loads(row["metadata"]) if row["metadata"] else {},
            annotations=json.loads(row["annotations"]) if row["annotations"] else {},
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            deleted_at=row["deleted_at"],
            subject_keys=tuple(sorted(subject_keys)),
        )

    @property
    def event_subjects(self) -> tuple[str, ...]:
        """The subjects of events that are this customer's usage: its key and its subject keys."""
        own = () if self.key is None else (self.key,)
        return own + tuple(key for key in self.subject_keys if key != self.key)


@dataclass(frozen=True, slots=True)
class CustomerInput:
    """What a create or a replacement needs, from either API; an address is None or what was named of it."""

    key: str | None
    name: str
    description: str | None = None
    primary_email: str | None = None
    currency: str | None = None
    address: Mapping[str, str] | None = None
    subject_keys: Sequence[str] = ()
    metadata: Mapping[str, str] | None = None
    annotations: Mapping[str, Any] | None = None


def find_customer(store: Store, id_or_key: str) -> CustomerRow:
    """A customer by id, deleted or not, or a live one by key; of two the older. Raises 404."""
    row = store.one(
        "SELECT * FROM customers WHERE id = ? OR (key = ? AND deleted_at IS NULL) ORDER BY id LIMIT 1",
        [id_or_key, id_or_key],
    )
    if row is None:
        raise not_found(f"customer with id or key {id_or_key} not found in default namespace")
    return _with_subjects(store, [row])[0]


def find_customer_by_id(store: Store, id: str) -> CustomerRow:
    """A customer by id, deleted or not. Raises 404."""
    row = store.one("SELECT * FROM customers WHERE id = ?", [id])
    if row is None:
        raise not_found(f"customer with id {id} not found in default namespace")
    return _with_subjects(store, [row])[0]


def find_live_customer_by_key(store: Store, key: str) -> CustomerRow:
    """A live customer by key, and by nothing else. Raises 404."""
    row = store.one("SELECT * FROM customers WHERE key = ? AND deleted_at IS NULL", [key])
    if row is None:
        raise not_found(f"customer with key {key} not found in default namespace")
    return _with_subjects(store, [row])[0]


def find_live_customer(store: Store, id_or_key: str) -> CustomerRow:
    """A customer by id or key; 404 when there is none, 412 when it was deleted."""
    customer = find_customer(store, id_or_key)
    refuse_deleted(customer)
    return customer


def refuse_deleted(customer: CustomerRow) -> None:
    if customer.deleted_at is not None:
        raise precondition_failed(f"customer is deleted [namespace=default customer.id={customer.id}]")


def customer_of_subject(store: Store, key: str) -> CustomerRow | None:
    """The live customer with this key, or else the one with this subject key."""
    row = store.one("SELECT * FROM customers WHERE key = ? AND deleted_at IS NULL", [key]) or store.one(
        "SELECT customers.* FROM customer_subjects JOIN customers ON customers.id = customer_id"
        " WHERE subject_key = ? AND customer_subjects.deleted_at IS NULL AND customers.deleted_at IS NULL",
        [key],
    )
    return None if row is None else _with_subjects(store, [row])[0]


def list_customers(store: Store, where: str, order: str, parameters: list[Any], page: str) -> list[CustomerRow]:
    """Customers that meet a condition, in an order."""
    rows = store.all(f"SELECT * FROM customers WHERE {where} ORDER BY {order}{page}", parameters)
    return _with_subjects(store, rows)


def create_customer(store: Store, wanted: CustomerInput, *, provision: bool = True) -> CustomerRow:
    """Validate and store a customer; with `provision`, its missing subjects are made too."""
    _validate(wanted, "error creating customer: ")
    _refuse_key(store, wanted.key, own_id=None)
    stamp = store.stamp()
    id = store.new_id()
    address = wanted.address or {}
    values = {
        **_replaced_columns(wanted),
        **{name: address.get(name) for name in ADDRESS_FIELDS},
        "id": id,
        "primary_email": wanted.primary_email,
        "currency": wanted.currency,
        "created_at": stamp,
        "updated_at": stamp,
    }
    _write(store, lambda: store.insert("customers", values), wanted.key)
    _add_subjects(store, id, wanted.subject_keys, stamp)
    if provision:
        provision_subjects(store, id, sorted(wanted.subject_keys))
    return find_customer_by_id(store, id)


def replace_customer(
    store: Store, customer: CustomerRow, wanted: CustomerInput, *, provision: bool = True
) -> CustomerRow:
    """Replace a live customer. Currency, email and parts of an address that are not named stay."""
    _validate(wanted, "")
    _refuse_other_subjects(store, customer, wanted)
    _refuse_key(store, wanted.key, own_id=customer.id)
    stamp = store.stamp()
    values: dict[str, Any] = {**_replaced_columns(wanted), "updated_at": stamp}
    if wanted.primary_email is not None:
        values["primary_email"] = wanted.primary_email
    if wanted.currency is not None:
        values["currency"] = wanted.currency
    values |= dict.fromkeys(ADDRESS_FIELDS) if wanted.address is None else wanted.address
    _write(store, lambda: store.update("customers", values, id=customer.id), wanted.key)
    wanted_keys = list(dict.fromkeys(wanted.subject_keys))
    _add_subjects(store, customer.id, [key for key in wanted_keys if key not in customer.subject_keys], stamp)
    _drop_subjects(store, customer.id, [key for key in customer.subject_keys if key not in wanted_keys], stamp)
    if provision:
        provision_subjects(store, customer.id, sorted(wanted_keys))
    return find_customer_by_id(store, customer.id)


def _refuse_other_subjects(store: Store, customer: CustomerRow, wanted: CustomerInput) -> None:
    """The subjects of a customer with a subscription stay, in their order; it is not noticed when none are sent."""
    from .subscriptions import active_subscriptions

    if not wanted.subject_keys or tuple(wanted.subject_keys) == customer.subject_keys:
        return
    if active_subscriptions(store, [customer.id]):
        raise invalid("cannot change subject keys for customer with active subscriptions")


def set_currency(store: Store, id: str, currency: str) -> None:
    """Give a customer the currency that it is billed in."""
    store.update("customers", {"currency": currency, "updated_at": store.stamp()}, id=id)


def _with_subjects(store: Store, rows: Sequence[Row]) -> list[CustomerRow]:
    keys: dict[str, list[str]] = {row["id"]: [] for row in rows}
    found = store.all(
        "SELECT customer_id, subject_key FROM json_each(?) AS wanted"
        " CROSS JOIN customers ON customers.id = wanted.value"
        " CROSS JOIN customer_subjects ON customer_id = customers.id"
        " WHERE customer_subjects.deleted_at IS customers.deleted_at",
        [json.dumps(list(keys))],
    )
    for row in found:
        keys[row["customer_id"]].append(row["subject_key"])
    return [CustomerRow.of(row, keys[row["id"]]) for row in rows]


def _replaced_columns(wanted: CustomerInput) -> dict[str, Any]:
    return {
        "key": wanted.key,
        "name": wanted.name,
        "description": wanted.description,
        "metadata": json.dumps(wanted.metadata) if wanted.metadata else None,
        "annotations": json.dumps(wanted.annotations) if wanted.annotations else None,
    }


def _write(store: Store, write: Any, key: str | None) -> None:
    try:
        write()
    except Duplicate:
        raise conflict(f'key "{key or ""}" is already used by an another customer in the namespace default') from None


def _add_subjects(store: Store, customer_id: str, keys: Sequence[str], stamp: str) -> None:
    try:
        store.execute_many(
            "INSERT INTO customer_subjects (customer_id, subject_key, created_at) VALUES (?, ?, ?)",
            [(customer_id, key, stamp) for key in keys],
        )
    except Duplicate:
        text = f"one or multiple subject keys of [{', '.join(keys)}] are already associated"
        raise conflict(f"{text} with an different customer in the namespace default") from None


def _drop_subjects(store: Store, customer_id: str, keys: Sequence[str], stamp: str) -> None:
    store.execute_many(
        "UPDATE customer_subjects SET deleted_at = ? WHERE customer_id = ? AND subject_key = ? AND deleted_at IS NULL",
        [(stamp, customer_id, key) for key in keys],
    )


def _refuse_key(store: Store, key: str | None, *, own_id: str | None) -> None:
    """A key must be no customer's id and no other customer's subject key."""
    if key is None:
        return
    if store.value("SELECT 1 FROM customers WHERE id = ?", [key]) is not None:
        raise conflict(f"key {key} overlaps with id of another customer")
    owner = store.value(
        "SELECT customer_id FROM customer_subjects"
        " WHERE subject_key = ? AND deleted_at IS NULL AND customer_id IS NOT ?",
        [key, own_id],
    )
    if owner is not None:
        raise conflict(f"key {key} overlaps with subject of another customer: {owner}")


def _validate(wanted: CustomerInput, context: str) -> None:
    fault = _fault(wanted)
    if fault is not None:
        raise invalid(f"{context}validation error: validation error: {fault}")


def _fault(wanted: CustomerInput) -> str | None:
    """What is wrong, as CustomerMutate.Validate words it."""
    if wanted.key == "":
        return "key cannot be empty"
    if wanted.name == "":
        return "name is required"
    if wanted.currency is not None and wanted.currency not in FIAT_CURRENCIES:
        return f"validation error: invalid fiat currency code: {wanted.currency}"
    if wanted.key is None and not wanted.subject_keys:
        return "either key or usageAttribution.subjectKeys must be provided"
    return None
