"""Events: ingest through v1 and v3, deduplication, and the three lists."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

V1 = "/api/v1/events"
V2 = "/api/v2/events"
V3 = "/api/v3/openmeter/events"
ONE = "application/cloudevents+json"
MANY = "application/cloudevents-batch+json"


def event(id: str, **changes: Any) -> dict[str, Any]:
    """A valid event; a change to None leaves the field out."""
    fields = {
        "specversion": "1.0",
        "id": id,
        "source": "gateway",
        "type": "prompt",
        "subject": "acme-prod",
        "time": "2026-11-20T10:15:00Z",
        "data": {"tokens": 10},
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def send(client: httpx.Client, events: Any, *, path: str = V1, content_type: str | None = None) -> httpx.Response:
    content_type = content_type or (MANY if isinstance(events, list) else ONE)
    return client.post(path, content=json.dumps(events), headers={"content-type": content_type})


def take(client: httpx.Client, *events: dict[str, Any]) -> None:
    assert send(client, list(events)).status_code == 204


def ids(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    body = reply.json()
    listed = body if isinstance(body, list) else body.get("items", body.get("data"))
    return [entry["event"]["id"] for entry in listed]


def make_meter(client: httpx.Client, **changes: Any) -> None:
    meter = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"} | changes
    assert client.post("/api/v1/meters", json={k: v for k, v in meter.items() if v is not None}).status_code == 200


def make_customer(client: httpx.Client, key: str, *subjects: str) -> str:
    body = {"name": key.title(), "key": key, "usageAttribution": {"subjectKeys": list(subjects)}}
    reply = client.post("/api/v1/customers", json=body)
    assert reply.status_code == 201, reply.text
    id: str = reply.json()["id"]
    return id


def advance(client: httpx.Client, now: str) -> None:
    assert client.put("/_dev/clock", json={"now": now}).status_code == 200


@pytest.mark.parametrize(("path", "status"), [(V1, 204), (V3, 202)])
@pytest.mark.parametrize("content_type", [ONE, "application/json"])
def test_one_event_is_taken_without_a_body_in_the_answer(
    client: httpx.Client, path: str, status: int, content_type: str
) -> None:
    reply = send(client, event("a"), path=path, content_type=content_type)
    assert (reply.status_code, reply.content) == (status, b"")
    assert ids(client.get(V1)) == ["a"]


def test_v1_compares_the_content_type_as_it_was_sent_and_v3_does_not(client: httpx.Client) -> None:
    with_charset = "application/json; charset=utf-8"
    reply = send(client, event("a"), content_type=with_charset)
    assert (reply.status_code, reply.json()["detail"]) == (400, f"invalid content type: {with_charset}")
    assert send(client, event("a"), path=V3, content_type=with_charset).status_code == 202


def test_an_empty_array_is_a_batch_but_no_json_body(client: httpx.Client) -> None:
    assert send(client, []).status_code == 204
    reply = send(client, [], content_type="application/json")
    assert (reply.status_code, reply.json()["detail"]) == (400, "invalid event: no events found")


def test_one_bad_event_refuses_the_whole_batch(client: httpx.Client) -> None:
    reply = send(client, [event("good"), event("bad", subject=None)])
    assert reply.status_code == 400
    assert reply.json()["detail"].endswith('Error at "/1/subject": property "subject" is missing')
    assert ids(client.get(V1)) == []


def test_an_unknown_version_of_cloudevents_is_refused_behind_the_schema(client: httpx.Client) -> None:
    reply = send(client, event("a", specversion="2.0"))
    assert reply.json()["detail"] == "invalid event: specversion: unknown value: 2.0\n"
    reply = send(client, event("a", specversion="2.0"), path=V3)
    assert (reply.status_code, reply.json()["detail"]) == (400, "Bad Request")


def test_v3_puts_in_a_version_only_where_it_can_write_the_body_back(client: httpx.Client) -> None:
    without = event("a", specversion=None)
    assert send(client, without, path=V3, content_type="application/json").status_code == 202
    reply = send(client, [without], path=V3)
    assert reply.status_code == 400
    assert f'rewriting failed: unsupported content type "{MANY}"' in reply.json()["detail"]


def test_times_are_cut_to_seconds_and_shown_in_utc(client: httpx.Client) -> None:
    take(client, event("a", time="2026-11-20T12:15:00.999+02:00"))
    assert client.get(V1).json()[0]["event"]["time"] == "2026-11-20T10:15:00Z"


def test_an_event_without_a_time_happens_now(client: httpx.Client) -> None:
    advance(client, "2026-11-24T09:30:05Z")
    take(client, event("a", time=None))
    listed = client.get(V1).json()[0]
    assert listed["event"]["time"] == listed["ingestedAt"] == listed["storedAt"] == "2026-11-24T09:30:05Z"


def test_what_is_older_than_1970_is_taken_and_dropped(client: httpx.Client) -> None:
    take(client, event("a", time="1969-12-31T23:59:59Z"))
    assert ids(client.get(V2)) == []


def test_a_source_is_escaped_as_a_go_url(client: httpx.Client) -> None:
    take(client, event("a", source="my app/ü"), event("b", source="https://x.y/z?q=1"))
    sources = {entry["event"]["id"]: entry["event"]["source"] for entry in client.get(V1).json()}
    assert sources == {"a": "my%20app/%C3%BC", "b": "https://x.y/z?q=1"}
    assert (
        send(client, event("c", source=":x")).json()["detail"] == 'invalid event: parse ":x": missing protocol scheme'
    )


def test_numbers_lose_what_a_float64_cannot_hold(client: httpx.Client) -> None:
    take(client, event("a", data={"tokens": 12345678901234567890, "x": 1.0}))
    assert client.get(V1).json()[0]["event"]["data"] == {"tokens": 12345678901234567000, "x": 1}


def test_a_pair_of_source_and_id_counts_once(client: httpx.Client) -> None:
    make_meter(client)
    take(client, event("a"), event("a", data={"tokens": 500}))
    advance(client, "2026-11-25T00:00:00Z")
    take(client, event("a", subject="other", data={"tokens": 900}), event("a", source="worker"))
    assert client.get("/api/v1/meters/tokens/query").json()["data"][0]["value"] == 20


def test_after_32_days_a_pair_is_forgotten(client: httpx.Client) -> None:
    take(client, event("a"))
    advance(client, "2026-12-27T00:00:00Z")
    take(client, event("a"))
    assert ids(client.get(V2)) == ["a", "a"]


def test_without_deduplication_only_copies_that_come_together_count_once(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={"dedupe_enabled": False})
    advance(client, "2026-11-24T12:00:00Z")
    take(client, event("a"), event("a"))
    take(client, event("a"))
    assert ids(client.get(V2)) == ["a"]
    advance(client, "2026-11-24T12:00:10Z")
    take(client, event("a"))
    assert ids(client.get(V2)) == ["a", "a"]


def test_lists_say_what_is_wrong_with_an_event(client: httpx.Client) -> None:
    make_meter(client)
    make_meter(client, slug="users", aggregation="UNIQUE_COUNT", valueProperty="$.user")
    id = make_customer(client, "acme", "acme-prod")
    take(client, event("a", data={"tokens": True}), event("b", type="unheard", subject="stranger"))
    first, second = sorted(client.get(V1).json(), key=lambda entry: str(entry["event"]["id"]))
    assert first["customerId"] == id
    assert first["validationError"] == (
        'invalid event: unsupported value property type: bool\ninvalid event: missing value property: "$.user"'
    )
    assert "customerId" not in second
    assert second["validationError"] == (
        "no meter found for event type: unheard\nno customer found for event subject: stranger"
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("12", None),
        ("0x1p-2", None),
        ("1e999", "value cannot be parsed as float64: 1e999"),
        ("-Infinity", "value cannot be infinity"),
        ("nan", "value cannot be NaN"),
        (" 1", "value cannot be parsed as float64:  1"),
        ([1], "unsupported value property type: []interface {}"),
        ({"a": 1}, "unsupported value property type: map[string]interface {}"),
    ],
)
def test_values_are_read_as_go_reads_them(client: httpx.Client, value: Any, error: str | None) -> None:
    make_meter(client)
    make_customer(client, "acme", "acme-prod")
    take(client, event("a", data={"tokens": value}))
    shown = client.get(V1).json()[0].get("validationError")
    assert shown == (None if error is None else f"invalid event: {error}")


def test_a_subject_that_is_one_customers_key_and_anothers_subject_key_is_the_keys_owners(client: httpx.Client) -> None:
    owner = make_customer(client, "shared")
    make_customer(client, "umbrella", "shared")
    take(client, event("a", subject="shared"))
    assert client.get(V1).json()[0]["customerId"] == owner


def test_v1_lists_the_last_32_days_and_v2_everything(client: httpx.Client) -> None:
    take(client, event("new"), event("old", time="2026-10-01T00:00:00Z"))
    assert ids(client.get(V1)) == ["new"]
    assert ids(client.get(V2)) == ["new", "old"]
    reply = client.get(V1, params={"from": "2026-10-01T00:00:00Z"})
    assert reply.json()["detail"].startswith(
        "validation error: validate input: from date is too old: 2026-10-01T00:00:00Z"
    )


def test_v1_filters_by_part_of_the_id_whole_subject_times_and_customer(client: httpx.Client) -> None:
    id = make_customer(client, "acme", "acme-prod")
    take(client, event("a-1"), event("a-2", subject="other"), event("b-1", time="2026-11-21T00:00:00Z"))
    assert sorted(ids(client.get(V1, params={"id": "a-"}))) == ["a-1", "a-2"]
    assert ids(client.get(V1, params={"subject": "oth"})) == []
    assert ids(client.get(V1, params={"subject": "other"})) == ["a-2"]
    assert ids(client.get(V1, params={"customerId": id})) == ["b-1", "a-1"]
    assert ids(client.get(V1, params={"from": "2026-11-21T00:00:00Z"})) == ["b-1"]
    assert ids(client.get(V1, params={"to": "2026-11-21T00:00:00Z", "subject": "acme-prod"})) == ["a-1"]
    unknown = client.get(V1, params={"customerId": "01JAAAAAAAAAAAAAAAAAAAAAAA"})
    assert unknown.json()["detail"] == (
        "validation error: customers not found in namespace default: 01JAAAAAAAAAAAAAAAAAAAAAAA"
    )


def test_v1_lists_events_of_one_second_with_the_newer_half_of_the_batches_first(client: httpx.Client) -> None:
    for second, id in enumerate(("first", "second", "third", "fourth")):
        advance(client, f"2026-11-24T12:00:{second * 10:02}Z")
        take(client, event(id))
    assert ids(client.get(V1)) == ["third", "fourth", "first", "second"]


def test_v2_pages_go_on_within_a_second(client: httpx.Client) -> None:
    take(client, *(event(str(number)) for number in range(5)))
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        reply = client.get(V2, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += ids(reply)
        cursor = reply.json().get("nextCursor")
    assert seen == ["4", "3", "2", "1", "0"]
    assert cursor is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"id": {"$in": ["a", "c"]}}, ["c", "a"]),
        ({"id": {"$nin": ["a"]}, "source": {"$eq": "gateway"}}, ["c", "b"]),
        ({"subject": {"$like": "ACME%"}}, []),
        ({"subject": {"$ilike": "ACME%"}}, ["c", "b", "a"]),
        ({"time": {"$gt": "2026-11-20T10:15:00Z"}}, ["c"]),
        ({"time": {"$and": [{"$gte": "2026-11-20T10:15:00Z"}, {"$lt": "2026-11-21T00:00:00Z"}]}}, ["b", "a"]),
        ({"id": {"$or": [{"$eq": "a"}, {"$gt": "b"}]}}, ["c", "a"]),
        ({"id": {"$unknown": "a"}}, ["c", "b", "a"]),
    ],
)
def test_v2_filters(client: httpx.Client, wanted: dict[str, Any], found: list[str]) -> None:
    take(client, event("a"), event("b"), event("c", time="2026-11-21T00:00:00Z"))
    assert ids(client.get(V2, params={"filter": json.dumps(wanted)})) == found


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"cursor": "junk"}, "validation error: cursor is invalid: no delimiter found"),
        ({"cursor": "$$$$"}, "validation error: decode cursor: illegal base64 data at input byte 0"),
        (
            {"filter": '{"id": {"$eq": "a", "$ne": "b"}}'},
            "validation error: validate input: id: validation error: filter is invalid: multiple operators are set",
        ),
        (
            {"filter": '{"id": {"$or": [{"$and": [{"$eq": "a"}]}]}}'},
            "validation error: validate input: id: validation error: filter complexity exceeds maximum allowed depth",
        ),
        (
            {"filter": '{"id": {"$eq": 5}}'},
            "unmarshaling param filter: Error unmarshaling parameter filter as JSON: "
            "json: cannot unmarshal number into Go struct field FilterString.id.$eq of type string",
        ),
        ({"limit": "101"}, 'parameter "limit" in query has an error: number must be at most 100'),
    ],
)
def test_v2_says_what_is_wrong_with_a_request(client: httpx.Client, parameters: dict[str, str], detail: str) -> None:
    reply = client.get(V2, params=parameters)
    assert (reply.status_code, reply.json()["detail"]) == (400, detail)


def test_v3_pages_both_ways_of_the_time(client: httpx.Client) -> None:
    take(client, *(event(str(day), time=f"2026-11-1{day}T00:00:00Z") for day in range(3)))
    down = client.get(V3, params={"page[size]": 2, "sort": "time"})
    assert ids(down) == ["2", "1"]
    up = client.get(V3, params={"page[size]": 2, "sort": "time asc"})
    assert ids(up) == ["0", "1"]
    meta = up.json()["meta"]["page"]
    assert (meta["size"], meta["previous"], meta["next"]) == (2, None, meta["last"])
    rest = client.get(V3, params={"page[size]": 2, "sort": "time asc", "page[after]": meta["next"]})
    assert ids(rest) == ["2"]
    assert rest.json()["meta"]["page"]["next"] is None


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("filter[id]", "a", ["a"]),
        ("filter[id][neq]", "a", ["c", "b"]),
        ("filter[id][oeq]", "a,c", ["c", "a"]),
        ("filter[subject][contains]", "ACME", ["c", "b", "a"]),
        ("filter[id][ocontains]", "A,B", ["b", "a"]),
        ("filter[id][gte]", "b", ["c", "b"]),
        ("filter[type][exists]", "false", []),
        ("filter[time][lt]", "2026-11-21T00:00:00Z", ["b", "a"]),
        ("filter[ingested_at][gt]", "2027-01-01T00:00:00Z", []),
    ],
)
def test_v3_filters(client: httpx.Client, name: str, value: str, found: list[str]) -> None:
    take(client, event("a"), event("b"), event("c", time="2026-11-21T00:00:00Z"))
    assert ids(client.get(V3, params={name: value})) == found


@pytest.mark.parametrize(
    ("name", "value", "field", "reason"),
    [
        ("page[size]", "0", "page[size]", "must be between 1 and 100"),
        ("page[before]", "x", "page[before]", "backward pagination is not supported"),
        ("page[after]", "junk", "page[after]", "cursor is invalid: no delimiter found"),
        ("sort", "id", "sort", 'unsupported sort field "id", supported fields: time, ingested_at, stored_at'),
        ("filter[time]", "soon", "filter", "filter[time][eq]: invalid datetime"),
        ("filter[id][like]", "a", "filter", "filter[id][like]: unsupported operator"),
        ("filter[nope]", "a", "filter", "unknown filter field(s): nope"),
    ],
)
def test_v3_says_what_is_wrong_with_a_parameter(
    client: httpx.Client, name: str, value: str, field: str, reason: str
) -> None:
    reply = client.get(V3, params={name: value})
    assert reply.status_code == 400
    wrong = reply.json()["invalid_parameters"][0]
    assert (wrong["field"], wrong["reason"]) == (field, reason)
