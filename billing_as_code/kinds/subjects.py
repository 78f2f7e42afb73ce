"""Subjects: who makes usage events. Declared only to give one a display name or data of its own; OpenMeter makes the
subjects that customers name by itself. An upsert keeps what it is not given, so every field is sent, null to clear it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import SAFE, Context, Field, Kind, Listing, Look, Sight
from billing_as_code.kinds.looks import times
from billing_as_code.model import Change, Json, Read, Resource, Step, Value

PATH = ("api", "v1", "subjects")


def _content(value: Mapping[str, Any]) -> str:
    """The metadata without our labels, and without what says that OpenMeter made the subject for a customer: that holds
    an id, and is nobody's content (openmeter/subject/service/hooks/customersubject.go)."""
    content = f.text_map(value)
    if content.get("createdBy") == "subject.provisioner":
        content = {k: v for k, v in content.items() if k not in ("createdBy", "customerId")}
    return f.opaque(content)


def _json(text: str) -> Json:
    return json.loads(text)


def _no_null(text: Value) -> tuple[str, str] | None:
    """OpenMeter takes null anywhere but as a value of the map itself."""
    empty = [name for name, value in _json(text).items() if value is None]
    return (f"`{empty[0]}` is null, which OpenMeter does not take here", "leave it out") if empty else None


def _kept(change: Change, context: Context) -> Iterator[tuple[str, str]]:
    """What OpenMeter keeps of one that nobody declares: its events, and its key in the customer that names it."""
    if "asked_gone" not in change.reasons:
        return
    from billing_as_code.kinds.customers import CUSTOMERS

    yield "events_stay", ""
    key = change.address.path[0]
    for address, resource in context.live.items():
        if address.kind == CUSTOMERS.name and key in CUSTOMERS.get(resource.spec, "subjects"):
            yield "named_by", str(address)


class SubjectKind(Kind):
    """Made and changed by one upsert, by key."""

    def says_something(self, resource: Resource) -> bool:
        return resource.spec != self.canonical(resource.address.path, {})

    def compile(self, change: Change, context: Context) -> Change:
        if change.action == "delete":
            assert change.before is not None
            own = (*PATH, change.before.id or "")
            notes = (*change.notes, *_kept(change, context))
            return replace(change, reads=(Read("now", own),), steps=(Step("DELETE", own, gone=True),), notes=notes)
        assert change.after is not None
        return replace(
            change,
            steps=(Step("POST", PATH, [self._body(change.after, context)], saves=str(change.address)),),
        )

    def _body(self, resource: Resource, context: Context) -> dict[str, Json]:
        body: dict[str, Json] = {
            "key": resource.address.path[0],
            "displayName": None,
            "stripeCustomerId": None,
        }
        body |= self.to_wire(resource.spec)
        body["metadata"] = body["metadata"] | self.labels(resource, context)
        return body

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        return (times(*PATH, resource.id or ""),)


SUBJECTS = SubjectKind(
    name="subjects",
    singular="subject",
    keys=("subject",),
    whom=0,
    key_schemas=({"type": "string", "minLength": 1},),
    listings=(Listing("/api/v1/subjects"),),
    deleted_unowned=True,
    doc="Who makes usage events; only those that need a display name or data of their own.",
    fields=(
        Field("display_name", f.TEXT, "displayName", rank=SAFE, example="ACME staging"),
        Field(
            "stripe_customer_id",
            {"type": "string", "pattern": "^cus_"},
            "stripeCustomerId",
            rank=SAFE,
            example="cus_123",
        ),
        Field(
            "metadata",
            {"type": "object"},
            default="{}",
            canonical=_content,
            write=_json,
            check=_no_null,
            opaque=True,
            rank=SAFE,
            doc="Any JSON.",
            example={"tier": "gold"},
        ),
    ),
)
