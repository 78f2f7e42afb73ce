"""Subjects as they are stored (`openmeter/subject/adapter`), and how customers make those that are missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .problems import conflict, invalid, not_found
from .store import Duplicate, Row, Store

DDL = """
CREATE TABLE IF NOT EXISTS subjects (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    display_name TEXT,
    stripe_customer_id TEXT,
    metadata TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS subjects_by_live_key ON subjects (key) WHERE deleted_at IS NULL;
"""


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """A subject as stored."""

    id: str
    key: str
    display_name: str | None
    stripe_customer_id: str | None
    metadata: Mapping[str, Any]
    created_at: str
    updated_at: str
    deleted_at: str | None

    @classmethod
    def of(cls, row: Row) -> SubjectRow:
        values = dict(row)
        return cls(**values | {"metadata": json.loads(values["metadata"]) if values["metadata"] else {}})


def find_subject(store: Store, id_or_key: str) -> SubjectRow | None:
    """A subject by id, deleted or not, or a live one by key."""
    row = store.one("SELECT * FROM subjects WHERE id = ?", [id_or_key])
    row = row or store.one("SELECT * FROM subjects WHERE key = ? AND deleted_at IS NULL", [id_or_key])
    return None if row is None else SubjectRow.of(row)


def get_subject(store: Store, id_or_key: str) -> SubjectRow:
    """The same; raises 404 when there is none."""
    subject = find_subject(store, id_or_key)
    if subject is None:
        raise not_found(f"subject not found [namespace=default subject.idOrKey={id_or_key}]")
    return subject


def insert_subject(
    store: Store,
    key: str,
    *,
    display_name: str | None = None,
    stripe_customer_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SubjectRow:
    """Store a subject; 409 when a live one has the key."""
    stamp, id = store.stamp(), store.new_id()
    values = {
        "id": id,
        "key": key,
        "display_name": display_name,
        "stripe_customer_id": stripe_customer_id,
        "metadata": json.dumps(metadata) if metadata else None,
        "created_at": stamp,
        "updated_at": stamp,
    }
    try:
        store.insert("subjects", values)
    except Duplicate:
        raise conflict(f"subject with key already exists: {key}") from None
    return get_subject(store, id)


def provision_subjects(store: Store, customer_id: str, keys: Sequence[str]) -> None:
    """Make the subjects that a customer names and that are not there (`hooks/customersubject.go`)."""
    faults = []
    for key in keys:
        subject = find_subject(store, key)
        if subject is None or subject.deleted_at is not None:
            metadata = {"createdBy": "subject.provisioner", "customerId": customer_id}
            insert_subject(store, key, metadata=metadata)
        elif subject.key != key:
            context = f"namespace=default customer.id={customer_id} customer.usage_attribution_key: {key}"
            faults.append(f"use subject key instead of id for usage attribution [{context}]")
    if faults:
        # Several faults are joined there, and the first one is what the answer shows.
        raise invalid(faults[0])
