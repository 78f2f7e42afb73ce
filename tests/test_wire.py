"""The referee itself: it stops what OpenMeter's documents do not allow, and lets through what a real OpenMeter does.

The recordings of a real OpenMeter are its proof: every answer in them passes, but for the departures that are listed,
and each of those is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import openapi
import pytest
import wire
from wire import DEPARTURES, Departure, Foul, Referee

RECORDINGS = openapi.FOLDER.parent / "recordings"
SCENARIOS = sorted(path for folder in ("core", "entitlements") for path in (RECORDINGS / folder).glob("*.json"))

beside = pytest.mark.skipif(not (wire.DOCUMENTS.present and SCENARIOS), reason=openapi.ABSENT)

ON_PURPOSE = (
    Departure("GET /api/v1/(customers|subjects)", "query limit: there is no such parameter", "customers_list"),
    Departure("GET /api/v[13]/.*meters", "query colour: there is no such parameter", "meters_list"),
    Departure("GET /api/v3/openmeter/meters", r"query page .*'' was unexpected\)", "errors_v3_transport"),
    Departure("POST /api/v1/(customers|features|meters)", r"body .*'colour' was unexpected\)", "meters_v1_validation"),
    Departure("POST /api/v1/meters", r"body .*'windowSize', 'colour' were unexpected\)", "meters_v1_validation"),
    Departure("POST /api/v1/customers", r"body .*'id', 'createdAt' were unexpected\)", "customers_v1_validation"),
    Departure("POST /api/v1/features", r"body .*'description' was unexpected\)", "features_v1_lifecycle"),
    Departure("POST /api/v1/features", r"body .*'\$regex' was unexpected\)", "features_v1_validation"),
    Departure("POST /api/v1/events", r"body .*'traceid' was unexpected\)", "events_bad_fields"),
    Departure("POST /api/v1/meters/.*/query", r"body .*'typo' was unexpected\)", "query_groups_filters"),
    Departure("POST /api/v2/.*/entitlements", r"body .*'isSoftLimit', 'typo' were .*", "ent_validation_errors"),
    Departure("PUT /api/v1/customers/.*", r"body .*billingAddress: .*'colour' was .*", "customers_v1_address"),
    Departure("PUT /api/v1/meters/.*", r"body .*'slug', 'eventType', .* were unexpected\)", "meters_v1_put_clears"),
    Departure("POST /api/v./.*meters", "body: is no JSON", "errors_v1_transport"),
)
"""What scenarios send to see that OpenMeter takes it all the same."""


class Judged(NamedTuple):
    """What the referee says of one recorded exchange."""

    scenario: str
    operation: str
    status: int
    answer: str
    request_problems: list[str]
    reply_problems: list[str]


@cache
def judged() -> list[Judged]:
    """Every recorded exchange with a documented path and method, judged."""
    return list(_judge_all())


def _judge_all() -> Iterator[Judged]:
    for file in SCENARIOS:
        recording = json.loads(re.sub(r"\{\{([^}]+)\}\}|<id>", _filled, file.read_text()))
        for exchange in recording["exchanges"]:
            if "request" not in exchange:
                continue
            sent, got = exchange["request"], exchange["response"]
            url = httpx.URL("http://openmeter.test" + sent["path"])
            url = url.copy_merge_params(sent["query"]) if sent.get("query") else url
            path = url.raw_path.partition(b"?")[0].decode()
            operation = wire.DOCUMENTS.operation(sent["method"], path)
            if operation is None:
                assert got["status"] >= 400, f"{file.stem}: {sent['method']} {path} is not documented, and works"
                continue
            headers = httpx.Headers({"content-type": "application/json"} if "body" in sent else {})
            headers.update(sent.get("headers"))
            kind, content = headers.get("content-type", ""), _content(sent)
            yield Judged(
                file.stem,
                operation.name,
                got["status"],
                json.dumps(got.get("body")),
                operation.wrong_with_request(path, url.params.multi_items(), kind, content),
                operation.wrong_with_reply(got["status"], got.get("content_type") or "", _content(got)),
            )


def _filled(placeholder: re.Match[str]) -> str:
    """Something of the form that stands there: a time, or an id."""
    return "2026-11-24T00:00:00Z" if placeholder[1] in ("from", "to") else "01G65Z755AFWAKHE12NY0CQ9FH"


def _content(message: dict[str, Any]) -> bytes:
    if "raw" in message or "body" not in message:
        return message.get("raw", "").encode()
    body = message["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def test_the_referee_has_openmeters_documents() -> None:
    if not wire.DOCUMENTS.present:
        pytest.skip(f"{openapi.ABSENT}: no request and no answer of this run is judged")
    assert len(wire.DOCUMENTS.operations) > 250


@beside
def test_every_recorded_answer_is_as_documented_but_for_the_departures_listed() -> None:
    seen = [(j, problem) for j in judged() for problem in j.reply_problems]
    unlisted = [
        f"{j.scenario}: {j.operation}: {problem}"
        for j, problem in seen
        if not any(d.covers(j.operation, problem) for d in DEPARTURES)
    ]
    assert unlisted == []
    assert len(judged()) > 1900


@beside
@pytest.mark.parametrize("departure", DEPARTURES, ids=lambda d: f"{d.recording}-{d.problem[:30]}")
def test_each_departure_is_shown_by_its_recording(departure: Departure) -> None:
    mine = [j for j in judged() if j.scenario == departure.recording]
    assert any(departure.covers(j.operation, problem) for j in mine for problem in j.reply_problems)


@beside
def test_what_openmeter_took_is_allowed_but_for_what_was_sent_on_purpose() -> None:
    taken = [(j, problem) for j in judged() if j.status < 400 for problem in j.request_problems]
    used = {d for j, problem in taken for d in ON_PURPOSE if d.covers(j.operation, problem)}
    unlisted = [
        f"{j.scenario}: {j.operation}: {problem}"
        for j, problem in taken
        if not any(d.covers(j.operation, problem) for d in ON_PURPOSE)
    ]
    assert unlisted == []
    assert used == set(ON_PURPOSE)


@beside
def test_what_openmeters_own_validator_refused_is_a_foul() -> None:
    refused = [j for j in judged() if j.status == 400 and "doesn't match schema" in j.answer]
    missed = [j for j in refused if not j.request_problems]
    assert len(refused) > 50
    # the documents leave an event's data open, and OpenMeter's validator takes no null in it all the same
    assert {j.scenario for j in missed} == {"events_bad_fields"}
    assert len(missed) == 1


# -- the transport -----------------------------------------------------------------------------------------------------

METER = {"slug": "calls", "eventType": "call", "aggregation": "COUNT"}
CUSTOMER = {"key": "acme", "name": "ACME"}


def client(answer: httpx.Response | None = None) -> httpx.Client:
    """A client whose server always gives one answer, past the referee."""

    def handle(request: httpx.Request) -> httpx.Response:
        assert answer is not None, "the request reached the server"
        return answer

    return httpx.Client(
        transport=Referee(httpx.MockTransport(handle), wire.DOCUMENTS), base_url="http://openmeter.test"
    )


@beside
@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("GET", "/api/v1/nonsense", None, "documents no such operation"),
        ("PATCH", "/api/v1/meters", None, "documents no such operation"),
        ("GET", "/api/v1/meters?colour=blue", None, "query colour: there is no such parameter"),
        ("GET", "/api/v1/meters?page=none", None, "query page"),
        ("GET", "/api/v3/openmeter/meters?page[colour]=1", None, "query page"),
        ("GET", "/api/v3/openmeter/customers/acme", None, "path customerId"),
        ("POST", "/api/v1/meters", None, "body: is missing"),
        ("POST", "/api/v1/meters", {**METER, "colour": "blue"}, "'colour' was unexpected"),
        ("POST", "/api/v1/meters", {"slug": "calls", "eventType": "call"}, '"aggregation" is a required property'),
        ("POST", "/api/v1/meters", {**METER, "aggregation": "sum"}, "body application/json aggregation"),
        ("POST", "/api/v1/customers", {**CUSTOMER, "id": "01G65Z755AFWAKHE12NY0CQ9FH"}, "'id' was unexpected"),
        ("DELETE", "/api/v1/meters/calls", {"force": True}, "body: is there, and none is documented"),
    ],
)
def test_a_request_that_is_not_documented_is_a_foul_and_is_not_sent(
    method: str, path: str, body: Any, says: str
) -> None:
    with client() as http, pytest.raises(Foul, match=re.escape(says)):
        http.request(method, path, json=body)


@beside
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(202, json=[]), "status 202: only 200"),
        (httpx.Response(200, text="[]"), "reply 200: text/plain"),
        (httpx.Response(200, content=b"[", headers={"content-type": "application/json"}), "reply 200: is no JSON"),
        (httpx.Response(200, json={"items": []}), "reply 200"),
        (httpx.Response(200, json=[METER]), '"id" is a required property'),
    ],
)
def test_an_answer_that_is_not_documented_is_a_foul(answer: httpx.Response, says: str) -> None:
    with client(answer) as http, pytest.raises(Foul, match=re.escape(says)):
        http.get("/api/v1/meters")


@beside
def test_what_is_documented_goes_through_unchanged() -> None:
    with client(httpx.Response(200, json=[], headers={"x-powered-by": "OpenMeter"})) as http:
        answer = http.get("/api/v1/meters", params={"order": "ASC", "page": 1})
    assert (answer.json(), answer.headers["x-powered-by"]) == ([], "OpenMeter")


@beside
def test_a_fault_that_a_test_made_up_is_not_judged() -> None:
    with client(httpx.Response(418, text="teapot", headers={wire.FAULT: "yes"})) as http:
        assert http.get("/api/v1/meters").status_code == 418


def test_the_documents_are_read_once_and_then_found_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = tmp_path / "openmeter", tmp_path / "kept"
    folder.mkdir()
    kept.mkdir()
    path = "paths: {/things: {get: {responses: {'204': {description: none}}}}}"
    for name in openapi.PREFIXES:
        (folder / name).write_text(f"{path}\ncomponents: {{schemas: {{}}}}\n")
    first = [o.data for o in openapi.Documents(folder, kept).operations]
    monkeypatch.setattr(openapi.yaml, "load", lambda *_, **__: pytest.fail("read again"))
    assert [o.data for o in openapi.Documents(folder, kept).operations] == first
    assert [o["path"] for o in first] == ["/api/v3/things", "/things"]
