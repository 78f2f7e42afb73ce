"""The referee: stands between a client and a server, and stops the game where OpenMeter's documents say foul.

A request must go to a documented path and method, with documented parameters and a body of the documented schema; an
answer must have a documented status, content type and body. So the client and the dev server, which the same hands
wrote, cannot share a mistake that OpenMeter's documents know of. Where OpenMeter itself departs from its documents,
DEPARTURES says so, each with a recording of a real OpenMeter that shows it (`test_wire.py` checks that).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx
from openapi import Documents

FAULT = "x-fault"
"""A header of answers that a test has made up: they stand for what is between the client and OpenMeter."""


class Foul(AssertionError):
    """A request or an answer is not as OpenMeter's documents say."""


@dataclass(frozen=True)
class Departure:
    """OpenMeter answers otherwise than its documents say.

    `operation` and `problem` are regular expressions for the whole of an operation's name and of what the referee says;
    `recording` is a scenario whose answers show it.
    """

    operation: str
    problem: str
    recording: str

    def covers(self, operation: str, problem: str) -> bool:
        """Whether this departure explains a problem."""
        return bool(re.fullmatch(self.operation, operation) and re.fullmatch(self.problem, problem))


DEPARTURES = (
    # what a new meter is answered with
    Departure("POST /api/v1/meters", "status 200: .*", "meters_v1_lifecycle"),
    Departure(".* /api/v3/openmeter/meters.*", r"reply 20. (data\.\d+\.)?dimensions: null .*", "meters_v3_lifecycle"),
    # a value leaves hasAccess out where it is false
    Departure("GET .*/value", r"reply 200 : \"hasAccess\" is a required property", "val_burn_down"),
    Departure("GET .*/access", r"reply 200 entitlements\..*: \"hasAccess\" is a required property", "val_burn_down"),
    Departure("GET .*/access", r"reply 200 entitlements\..*: .*\('grantBalances' was unexpected\)", "val_burn_down"),
    # a grant without a priority has 0, which the documents let nobody have
    Departure(".*grants", r"reply 20[01] .*priority: 0 is less than .*", "grants_defaults_errors"),
    # v1 shows the subject keys that it is given, which may be any text, or none
    Departure(".* /api/v1/.*entitlements.*", r"reply 20[01] .*subjectKey: .* does not match .*", "ent_types_full"),
    Departure(".* /api/v1/.*entitlements.*", r"reply 200 .*subjectKey: \"\" is shorter .*", "ent_customer_lifecycle"),
    Departure("POST /api/v1/subjects", "reply 200: is no JSON", "subjects_v1"),
    # errors of v1: those of its request validator have no instance
    Departure(".* /api/v[12]/.*", r"reply 400 : \"instance\" is a required property", "meters_v1_validation"),
    Departure(".*", r"reply (400|404|500) : \"detail\" is a required property", "ent_validation_errors"),
    # errors of v3: statuses that the documents do not list, parameters in a form of their own
    Departure(".* /api/v3/.*", "status 409: .*", "meters_v3_lifecycle"),
    Departure("GET /api/v3/.*/entitlement-access", "status 412: .*", "customer_delete_with_entitlement"),
    Departure("POST /api/v3/openmeter/features", "status 404: .*", "features_v3_validation"),
    Departure("PATCH /api/v3/openmeter/features/.*", "status 500: .*", "features_unit_cost"),
    Departure("POST /api/v3/openmeter/meters/.*/query", "status 500: .*", "meters_v3_validation"),
    Departure(".* /api/v3/.*", r"reply 400 invalid_parameters\.\d+: .* not valid under any .*", "meters_v3_validation"),
    Departure(".* /api/v3/.*", r"reply 400 : \"invalid_parameters\" is a required .*", "features_v3_validation"),
    Departure(".* /api/v3/.*", r"reply 40[04] : .*\('extensions' was unexpected\)", "meters_metadata_and_labels"),
    Departure(".*", "reply 500: no content type, .*", "val_recurrence"),
)


class Referee(httpx.BaseTransport):
    """A transport that judges what goes through it. The dev server's own controls (`/_dev/`) pass unjudged.

    Without `replies` it judges requests alone: a real server may be of another version than the documents.
    """

    def __init__(self, inner: httpx.BaseTransport, documents: Documents, *, replies: bool = True) -> None:
        self._inner, self._documents, self._replies = inner, documents, replies

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The inner transport's answer. Raises Foul where it, or the request, is not as documented."""
        path = request.url.raw_path.partition(b"?")[0].decode()
        if path.startswith("/_dev/"):
            return self._inner.handle_request(request)
        operation = self._documents.operation(request.method, path)
        if operation is None:
            raise Foul(f"{request.method} {path}: OpenMeter documents no such operation")
        content = request.read()
        kind = request.headers.get("content-type", "")
        _judge(request, operation.wrong_with_request(path, request.url.params.multi_items(), kind, content), content)
        answer = self._inner.handle_request(request)
        body = answer.read()
        if self._replies and FAULT not in answer.headers:
            wrong = operation.wrong_with_reply(answer.status_code, answer.headers.get("content-type", ""), body)
            _judge(request, [w for w in wrong if not any(d.covers(operation.name, w) for d in DEPARTURES)], body)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body, extensions=answer.extensions)


def _judge(request: httpx.Request, wrong: list[str], content: bytes) -> None:
    if wrong:
        raise Foul("\n".join([f"{request.method} {request.url}", *wrong, content.decode(errors="replace")[:2000]]))


DOCUMENTS = Documents()
"""OpenMeter's documents; the test session gives them a folder to be kept in (`conftest.py`)."""


def refereed(app: Any) -> httpx.BaseTransport:
    """The way to a WSGI application, past the referee; without one where OpenMeter's documents are absent."""
    direct = httpx.WSGITransport(app=app)
    return Referee(direct, DOCUMENTS) if DOCUMENTS.present else direct
