"""Ingest of events, v1 and v3 (`openmeter/ingest`, `api/v3/handlers/events/ingest.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from . import event_schemas
from .aggregation import unix
from .cloudevents import InvalidEvent, incoming
from .eventstore import EVENTS_DDL, IncomingEvent, add_events
from .gojson import loads
from .operation import Body, Call, Resource
from .problems import DomainProblem, bad_request
from .replies import no_content
from .schema import V1, V3
from .store import Store

V1.add(event_schemas.V1_SCHEMAS)
V3.add(event_schemas.V3_SCHEMAS)

resource = Resource("events", ddl=EVENTS_DDL)

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EITHER = "application/json"


def _body(event: str, either: Mapping[str, Any]) -> Body:
    one = {"$ref": f"#/components/schemas/{event}"}
    return Body({SINGLE: one, BATCH: {"type": "array", "items": one}, EITHER: either})


_V1_BODY = _body("Event", {"$ref": "#/components/schemas/IngestEventsBody"})
_ONE_V3 = {"$ref": "#/components/schemas/MeteringEvent"}
_V3_BODY = _body("MeteringEvent", {"anyOf": [_ONE_V3, {"type": "array", "items": _ONE_V3}]})


@resource.operation("POST", "/api/v1/events", body=_V1_BODY)
def ingest(call: Call) -> Response:
    """Take events; v1 compares the content type with its header as it is, parameters and all."""
    if call.content_type not in (SINGLE, BATCH, EITHER):
        raise DomainProblem(400, f"invalid content type: {call.content_type}")
    try:
        events = _read(call.store, call.content_type, call.body)
    except InvalidEvent as error:
        raise DomainProblem(400, f"invalid event: {error}") from None
    add_events(call.store, events)
    return no_content()


@resource.operation("POST", "/api/v3/openmeter/events", body=_V3_BODY)
def ingest_v3(call: Call) -> Response:
    """Take events through v3; what is wrong with them behind the schema is not told."""
    content_type = call.content_type.split(";")[0].strip().lower()
    if content_type != EITHER:
        _refuse_defaults(content_type, call.raw_body)
    try:
        events = _read(call.store, content_type, call.body)
    except InvalidEvent:
        raise bad_request([]) from None
    add_events(call.store, events)
    return no_content(202)


def _read(store: Store, content_type: str, body: Any) -> list[IncomingEvent]:
    now = unix(store.now())
    if content_type != EITHER:
        return [incoming(document, now) for document in (body if isinstance(body, list) else [body])]
    try:
        events = [incoming(document, now) for document in (body if isinstance(body, list) else [body])]
    except InvalidEvent:
        # Tried as one and as many, and what failed is forgotten.
        events = []
    if not events:
        raise InvalidEvent("no events found")
    return events


def _refuse_defaults(content_type: str, raw: bytes) -> None:
    """A missing `specversion` is put in by the validator, which then cannot write the body back."""
    document = loads(raw)
    documents = document if isinstance(document, list) else [document]
    if any(event.get("specversion") is None for event in documents):
        reason = f'rewriting failed: unsupported content type "{content_type}"'
        raise bad_request([{"field": "", "reason": f"request body has an error: {reason}", "source": ""}])
