"""Meters through v1 and v3."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

V1 = "/api/v1/meters"
V3 = "/api/v3/openmeter/meters"
TOKENS = {
    "slug": "tokens_total",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}


def make(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    reply = client.post(V1, json=TOKENS | changes)
    assert reply.status_code == 200, reply.text
    meter: dict[str, Any] = reply.json()
    return meter


def test_a_v1_create_answers_200_and_names_the_meter_after_its_slug(client: httpx.Client) -> None:
    meter = make(client)
    assert meter["name"] == "tokens_total"
    assert meter["metadata"] is None
    assert meter["annotations"] is None
    assert "description" not in meter
    assert meter["createdAt"].startswith("2026-11-24T12:00:0")


def test_a_meter_is_found_by_slug_and_by_id_and_looks_the_same_in_v3(client: httpx.Client) -> None:
    meter = make(client)
    assert client.get(f"{V1}/tokens_total").json() == meter
    assert client.get(f"{V1}/{meter['id']}").json() == meter
    shown = client.get(f"{V3}/{meter['id']}").json()
    assert shown["key"] == "tokens_total"
    assert shown["aggregation"] == "sum"
    assert shown["dimensions"] == {"model": "$.model"}


def test_dimensions_read_null_from_v3_where_they_never_were_and_empty_from_v1(client: httpx.Client) -> None:
    body = {"key": "calls", "name": "Calls", "event_type": "call", "aggregation": "count"}
    made = client.post(V3, json=body)
    assert made.status_code == 201
    assert made.json()["dimensions"] is None
    client.put(f"{V1}/calls", json={})
    assert client.get(f"{V3}/{made.json()['id']}").json()["dimensions"] == {}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"aggregation": "COUNT"}, "meter value property is not allowed when the aggregation is count"),
        ({"valueProperty": "tokens"}, None),
    ],
)
def test_an_aggregation_and_its_value_must_fit(
    client: httpx.Client, changes: dict[str, Any], detail: str | None
) -> None:
    reply = client.post(V1, json=TOKENS | changes)
    assert reply.status_code == 400
    if detail is None:
        assert reply.json()["detail"] == "validation error: invalid JSONPath: %!w(<nil>)"
    else:
        assert reply.json()["detail"] == f"validation error: invalid meter aggregation: {detail}"


def test_several_faults_are_told_line_by_line(client: httpx.Client) -> None:
    body = {
        "key": "calls",
        "name": "Calls",
        "description": "",
        "event_type": "call",
        "aggregation": "sum",
        "dimensions": {"1st": "$.first"},
    }
    lines = client.post(V3, json=body).json()["detail"].split("\n")
    assert lines == [
        "validation error: description must not be empty string",
        "invalid meter aggregation: meter value property is required when the aggregation is not count",
        "invalid meter group by: meter group by key 1st is invalid,"
        " only alphanumeric and underscore characters are allowed",
    ]


def test_a_replacement_drops_what_it_does_not_name_but_the_description(client: httpx.Client) -> None:
    make(client, name="Tokens", description="All tokens", metadata={"team": "ml"})
    replaced = client.put(f"{V1}/tokens_total", json={}).json()
    assert replaced["name"] == "tokens_total"
    assert replaced["description"] == "All tokens"
    assert replaced["metadata"] is None
    assert "groupBy" not in replaced


def test_a_replacement_says_nothing_about_fields_that_cannot_change(client: httpx.Client) -> None:
    make(client)
    replaced = client.put(f"{V1}/tokens_total", json={"aggregation": "COUNT", "eventType": "other"})
    assert replaced.status_code == 200
    assert replaced.json()["aggregation"] == "SUM"
    assert replaced.json()["eventType"] == "prompt"


def test_a_deleted_meter_stays_by_id_and_frees_its_slug(client: httpx.Client) -> None:
    old = make(client)
    assert client.delete(f"{V1}/tokens_total").status_code == 204
    assert client.get(f"{V1}/tokens_total").status_code == 404
    assert "deletedAt" in client.get(f"{V1}/{old['id']}").json()
    new = make(client)
    assert new["id"] != old["id"]
    assert [meter["id"] for meter in client.get(V1).json()] == [new["id"]]
    assert len(client.get(V1, params={"includeDeleted": "true"}).json()) == 2


def test_deleting_by_id_again_is_204_and_by_slug_404(client: httpx.Client) -> None:
    meter = make(client)
    client.delete(f"{V1}/{meter['id']}")
    assert client.delete(f"{V1}/{meter['id']}").status_code == 204
    assert client.delete(f"{V1}/tokens_total").status_code == 404


def test_a_slug_is_taken_only_while_its_meter_lives(client: httpx.Client) -> None:
    make(client)
    reply = client.post(V1, json=TOKENS)
    assert reply.status_code == 409
    assert reply.json()["detail"] == "conflict error: meter with the same slug already exists"


def test_a_meter_with_a_live_feature_cannot_be_deleted(client: httpx.Client) -> None:
    make(client)
    client.post("/api/v1/features", json={"key": "ai", "name": "AI", "meterSlug": "tokens_total"})
    reply = client.delete(f"{V1}/tokens_total")
    assert reply.status_code == 409
    assert reply.json()["detail"] == "conflict error: meter has active features and cannot be deleted"
    client.delete("/api/v1/features/ai")
    assert client.delete(f"{V1}/tokens_total").status_code == 204


def test_a_group_by_that_a_feature_filters_on_cannot_be_dropped_until_it_is_archived(client: httpx.Client) -> None:
    make(client, groupBy={"model": "$.model", "type": "$.type"})
    feature = {"key": "ai", "name": "AI", "meterSlug": "tokens_total", "meterGroupByFilters": {"model": "x"}}
    client.post("/api/v1/features", json=feature)
    assert client.put(f"{V1}/tokens_total", json={"groupBy": {"model": "$.other"}}).status_code == 200
    reply = client.put(f"{V1}/tokens_total", json={"groupBy": {"type": "$.type"}})
    assert reply.status_code == 409
    assert reply.json()["detail"] == (
        "conflict error: meter group by: model cannot be dropped because it is used by feature: ai"
    )
    client.delete("/api/v1/features/ai")
    assert client.put(f"{V1}/tokens_total", json={"groupBy": {"type": "$.type"}}).status_code == 200


def test_v3_reserves_two_names_of_dimensions_that_v1_allows(client: httpx.Client) -> None:
    body = {"key": "calls", "name": "Calls", "event_type": "call", "aggregation": "count"}
    reply = client.post(V3, json=body | {"dimensions": {"customer_id": "$.c"}})
    assert reply.json()["extensions"]["validationErrors"][0]["code"] == "reserved_dimension"
    meter = make(client, groupBy={"customer_id": "$.c"})
    reply = client.put(f"{V3}/{meter['id']}", json={"name": "Tokens", "dimensions": {"subject": "$.s"}})
    assert reply.json()["extensions"]["validationErrors"][0]["field"] == "$.dimensions.subject"


def test_v3_lists_in_pages_and_a_size_of_0_is_everything(client: httpx.Client) -> None:
    for number in range(25):
        make(client, slug=f"m{number:02}")
    first = client.get(V3, params={"sort": "key"}).json()
    assert len(first["data"]) == 20
    assert first["meta"] == {"page": {"size": 20, "number": 1, "total": 25}}
    last = client.get(V3, params={"sort": "key desc", "page[size]": "20", "page[number]": "2"}).json()
    assert [meter["key"] for meter in last["data"]] == ["m04", "m03", "m02", "m01", "m00"]
    assert len(client.get(V3, params={"page[size]": "0"}).json()["data"]) == 25


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({"filter[key]": "alpha"}, ["alpha"]),
        ({"filter[key][neq]": "alpha"}, ["beta", "gamma"]),
        ({"filter[key][oeq]": "alpha, gamma,"}, ["alpha", "gamma"]),
        ({"filter[key][contains]": "A"}, ["alpha", "beta", "gamma"]),
        ({"filter[key][contains]": "%"}, []),
        ({"filter[name][ocontains]": "lph,gam"}, ["alpha", "gamma"]),
        ({"filter[key][gt]": "alpha", "filter[key][lt]": "gamma"}, ["beta"]),
        ({"filter[name][exists]": "false"}, []),
        ({"filter[key]": ""}, ["alpha", "beta", "gamma"]),
    ],
)
def test_v3_filters_by_key_and_name(client: httpx.Client, filters: dict[str, str], keys: list[str]) -> None:
    for key in ("beta", "alpha", "gamma"):
        make(client, slug=key)
    reply = client.get(V3, params={"sort": "key", **filters})
    assert [meter["key"] for meter in reply.json()["data"]] == keys


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"filter[key][like]": "x"}, "filter[key][like]: unsupported operator"),
        ({"filter[color]": "x", "filter[b]": "y"}, "unknown filter field(s): b, color"),
        ({"filter[key][]": "x"}, 'invalid filter parameter "filter[key][]": empty operator in "[]"'),
        ({"filter[key][exists]": "maybe"}, 'filter[key][exists]: invalid boolean "maybe"'),
        (
            {"filter[key][oeq]": ",".join(str(number) for number in range(51))},
            "filter[key][oeq]: too many comma-separated items (max 50)",
        ),
    ],
)
def test_v3_refuses_filters_that_it_does_not_know(client: httpx.Client, filters: dict[str, str], reason: str) -> None:
    reply = client.get(V3, params=filters)
    assert reply.status_code == 400
    assert reply.json()["invalid_parameters"] == [
        {"field": "filter", "rule": "format", "reason": reason, "source": "query"}
    ]


def test_an_empty_value_of_a_filter_is_refused_by_the_service(client: httpx.Client) -> None:
    reply = client.get(V3, params={"filter[key][eq]": ""})
    assert reply.status_code == 400
    assert reply.json()["detail"] == (
        "validation error: invalid key filter: validation error: filter is invalid: format mismatch"
    )


def test_meters_of_the_configuration_are_there_after_a_reset_and_reserved_types_are_refused(
    client: httpx.Client,
) -> None:
    config = {
        "meters": [{"slug": "boot", "eventType": "_sys", "aggregation": "COUNT"}],
        "reservedEventTypes": ["^_"],
    }
    client.post("/_dev/reset", json={"config": config})
    assert [meter["slug"] for meter in client.get(V1).json()] == ["boot"]
    reply = client.post(V1, json=TOKENS | {"eventType": "_mine"})
    assert reply.json()["detail"] == (
        "validation error: invalid event type: event type '_mine' matched reserved pattern '^_'"
    )
    assert client.delete(f"{V1}/boot").status_code == 400
