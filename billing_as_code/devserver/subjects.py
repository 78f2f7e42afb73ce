"""Subjects through v1, the only API that has them (`openmeter/subject`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response

from .clock import wire
from .operation import JSON, Body, Call, Resource
from .parameters import Param
from .problems import DomainProblem, invalid
from .replies import json_reply, no_content
from .schema_fragments import add_schemas
from .store import Store
from .subject_customers import drop_from_customer, provision_customer
from .subject_rows import DDL, SubjectRow, get_subject, insert_subject

add_schemas("subjects")

resource = Resource("subjects", ddl=DDL)

_SUBJECT = "/api/v1/subjects/{subjectIdOrKey}"
_SUBJECT_ID_OR_KEY = Param("subjectIdOrKey", {"type": "string"}, required=True)
_UPSERTS = Body({JSON: {"type": "array", "items": {"$ref": "#/components/schemas/SubjectUpsert"}}})


def subject_v1(subject: SubjectRow) -> dict[str, Any]:
    """A subject as v1 shows it: with metadata even when it is empty."""
    shown: dict[str, Any] = {
        "id": subject.id,
        "key": subject.key,
        "metadata": subject.metadata,
        "createdAt": wire(subject.created_at),
        "updatedAt": wire(subject.updated_at),
    }
    optional = {
        "displayName": subject.display_name,
        "stripeCustomerId": subject.stripe_customer_id,
        "deletedAt": subject.deleted_at and wire(subject.deleted_at),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


@resource.operation("GET", "/api/v1/subjects")
def list_v1(call: Call) -> Response:
    """All live subjects; there are no pages."""
    rows = call.store.all("SELECT * FROM subjects WHERE deleted_at IS NULL ORDER BY id")
    return json_reply([subject_v1(SubjectRow.of(row)) for row in rows])


@resource.operation("POST", "/api/v1/subjects", body=_UPSERTS)
def upsert_v1(call: Call) -> Response:
    """Create or change each; what was written before one that fails stays written."""
    for wanted in call.body:
        stripe = wanted.get("stripeCustomerId")
        if stripe is not None and not stripe.startswith("cus_"):
            raise DomainProblem(400, "stripeCustomerId must start with cus_ when set")
    # Which ones exist is decided before the first is written.
    existing = {wanted["key"]: _live_id(call.store, wanted["key"]) for wanted in call.body}
    written = []
    for wanted in call.body:
        with call.store.attempt():
            written.append(_upsert(call.store, wanted, existing[wanted["key"]]))
        call.store.keep()
    return json_reply([subject_v1(subject) for subject in written] or None)


def _live_id(store: Store, key: str) -> str | None:
    found: str | None = store.value("SELECT id FROM subjects WHERE key = ? AND deleted_at IS NULL", [key])
    return found


def _upsert(store: Store, wanted: Mapping[str, Any], id: str | None) -> SubjectRow:
    if id is None:
        if not wanted["key"]:
            raise invalid("key is required")
        subject = insert_subject(
            store,
            wanted["key"],
            display_name=wanted.get("displayName"),
            stripe_customer_id=wanted.get("stripeCustomerId"),
            metadata=wanted.get("metadata"),
        )
    else:
        _change(store, id, wanted)
        subject = get_subject(store, id)
    if store.settings.subject_hook:
        provision_customer(store, subject)
    return subject


def _change(store: Store, id: str, wanted: Mapping[str, Any]) -> None:
    """Change what is named; null clears it."""
    values: dict[str, Any] = {"updated_at": store.stamp()}
    if "displayName" in wanted:
        values["display_name"] = wanted["displayName"]
    if "stripeCustomerId" in wanted:
        values["stripe_customer_id"] = wanted["stripeCustomerId"]
    if "metadata" in wanted:
        values["metadata"] = json.dumps(wanted["metadata"]) if wanted["metadata"] else None
    store.update("subjects", values, id=id)


@resource.operation("GET", _SUBJECT, path=[_SUBJECT_ID_OR_KEY])
def get_v1(call: Call) -> Response:
    return json_reply(subject_v1(get_subject(call.store, call.path["subjectIdOrKey"])))


@resource.operation("DELETE", _SUBJECT, path=[_SUBJECT_ID_OR_KEY])
def delete_v1(call: Call) -> Response:
    """Mark a subject deleted; a deleted one, found by its id, stays as it is."""
    subject = get_subject(call.store, call.path["subjectIdOrKey"])
    if subject.deleted_at is None:
        stamp = call.store.stamp()
        call.store.update("subjects", {"deleted_at": stamp, "updated_at": stamp}, id=subject.id)
    if call.store.settings.subject_hook:
        drop_from_customer(call.store, subject.key)
    return no_content()
