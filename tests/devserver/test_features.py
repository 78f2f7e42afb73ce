"""Features through v1 and v3."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

V1 = "/api/v1/features"
V3 = "/api/v3/openmeter/features"
LLM = {"type": "llm", "provider": "openai", "model": "gpt-5", "token_type": "input"}
LLM_BY_PROPERTY = {"type": "llm", "provider_property": "p", "model_property": "m", "token_type_property": "t"}


@pytest.fixture
def meter(client: httpx.Client) -> dict[str, Any]:
    """A meter with the dimensions model, p, m and t."""
    body = {
        "slug": "tokens",
        "eventType": "prompt",
        "aggregation": "SUM",
        "valueProperty": "$.tokens",
        "groupBy": {"model": "$.model", "p": "$.p", "m": "$.m", "t": "$.t"},
    }
    made: dict[str, Any] = client.post("/api/v1/meters", json=body).json()
    return made


def make(client: httpx.Client, **body: Any) -> dict[str, Any]:
    reply = client.post(V3, json={"key": "ai", "name": "AI", **body})
    assert reply.status_code == 201, reply.text
    feature: dict[str, Any] = reply.json()
    return feature


def test_v1_neither_takes_nor_shows_a_description(client: httpx.Client) -> None:
    made = client.post(V1, json={"key": "ai", "name": "AI", "description": "text"}).json()
    assert "description" not in client.get(f"{V3}/{made['id']}").json()
    make(client, key="sso", description="text")
    assert "description" not in client.get(f"{V1}/sso").json()


def test_an_archived_feature_is_gone_but_for_v1_lists_that_ask_for_it(client: httpx.Client) -> None:
    feature = make(client)
    assert client.delete(f"{V3}/{feature['id']}").status_code == 204
    for path in (f"{V1}/ai", f"{V1}/{feature['id']}", f"{V3}/{feature['id']}"):
        assert client.get(path).status_code == 404
    assert client.delete(f"{V1}/ai").json()["detail"] == "feature not found: ai"
    assert client.get(V1).json() == []
    archived = client.get(V1, params={"includeArchived": "true"}).json()
    assert [entry["id"] for entry in archived] == [feature["id"]]
    assert make(client)["id"] != feature["id"]


def test_a_taken_key_is_told_with_the_id_of_its_feature(client: httpx.Client) -> None:
    feature = make(client)
    reply = client.post(V1, json={"key": "ai", "name": "Again"})
    assert reply.status_code == 409
    assert reply.json()["detail"] == f"feature {feature['id']} with key ai already exists"


@pytest.mark.parametrize(("key", "refused"), [("0" * 26, True), ("z" * 26, False), ("0" * 25, False)])
def test_a_key_must_not_look_like_an_id(client: httpx.Client, key: str, refused: bool) -> None:
    reply = client.post(V1, json={"key": key, "name": "AI"})
    assert (reply.status_code == 400) == refused
    if refused:
        assert reply.json()["detail"] == "validation error: Feature key cannot be a valid ULID"


def test_v1_answers_an_array_until_a_page_is_asked_for(client: httpx.Client) -> None:
    for key in ("a", "b", "c"):
        make(client, key=key)
    assert [entry["key"] for entry in client.get(V1, params={"limit": 2, "offset": 1}).json()] == ["b", "c"]
    page = client.get(V1, params={"page": 2, "pageSize": 2}).json()
    assert [entry["key"] for entry in page.pop("items")] == ["c"]
    assert page == {"totalCount": 3, "page": 2, "pageSize": 2}


def test_filters_of_v3_are_patterns_in_v1_and_come_back_as_they_were(
    client: httpx.Client, meter: dict[str, Any]
) -> None:
    filters = {"model": {"contains": "100%_a\\b"}, "p": {"and": [{"neq": "x"}, {"or": [{"in": ["y"]}]}]}}
    feature = make(client, meter={"id": meter["id"], "filters": filters})
    assert feature["meter"]["filters"] == filters
    shown = client.get(f"{V1}/ai").json()
    assert shown["advancedMeterGroupByFilters"] == {
        "model": {"$like": "%100\\%\\_a\\\\b%"},
        "p": {"$and": [{"$ne": "x"}, {"$or": [{"$in": ["y"]}]}]},
    }
    assert "meterGroupByFilters" not in shown


def test_v1_shows_the_plain_filters_only_where_all_are_equalities(client: httpx.Client, meter: dict[str, Any]) -> None:
    body = {"key": "ai", "name": "AI", "meterSlug": "tokens", "meterGroupByFilters": {"model": "a", "p": "b"}}
    shown = client.post(V1, json=body).json()
    assert shown["meterGroupByFilters"] == {"model": "a", "p": "b"}
    assert shown["advancedMeterGroupByFilters"] == {"model": {"$eq": "a"}, "p": {"$eq": "b"}}


@pytest.mark.parametrize(
    ("filters", "detail"),
    [
        ({"model": {"eq": "a", "neq": "b"}}, "filter is invalid: multiple operators are set"),
        ({"model": {"and": [{"eq": "a", "neq": "b"}]}}, "filter is invalid: multiple operators are set"),
        ({"model": {"in": ["a", ""]}}, "filter is invalid: format mismatch"),
        ({"color": {"eq": "a"}}, 'filter key "color" is not a valid dimension of meter "tokens"'),
    ],
)
def test_filters_that_make_no_sense_are_refused(
    client: httpx.Client, meter: dict[str, Any], filters: dict[str, Any], detail: str
) -> None:
    body = {"key": "ai", "name": "AI", "meter": {"id": meter["id"], "filters": filters}}
    reply = client.post(V3, json=body)
    assert reply.status_code == 400
    assert reply.json()["detail"] == f"validation error: {detail}"


@pytest.mark.parametrize(
    ("sent", "shown"), [("0.0100", "0.01"), ("10.00", "10"), ("00.5", "0.5"), ("-0", "0"), ("0.000", "0")]
)
def test_an_amount_is_rendered_without_superfluous_zeros(client: httpx.Client, sent: str, shown: str) -> None:
    feature = make(client, unit_cost={"type": "manual", "amount": sent})
    assert feature["unit_cost"] == {"type": "manual", "amount": shown}


def test_a_unit_cost_is_changed_and_cleared_and_nothing_else(client: httpx.Client, meter: dict[str, Any]) -> None:
    feature = make(client, meter={"id": meter["id"]})
    path = f"{V3}/{feature['id']}"
    assert client.patch(path, json={"unit_cost": LLM}).json()["unit_cost"] == LLM
    assert "unit_cost" not in client.patch(path, json={"unit_cost": None}).json()
    assert client.patch(path, json={"name": "X"}).status_code == 400
    assert client.patch(path, json={}).json()["detail"] == "validation error: unitCost is required"


def test_a_models_price_goes_from_values_to_properties_only_through_something_else(
    client: httpx.Client, meter: dict[str, Any]
) -> None:
    path = f"{V3}/{make(client, meter={'id': meter['id']}, unit_cost=LLM)['id']}"
    assert client.patch(path, json={"unit_cost": LLM_BY_PROPERTY}).status_code == 500
    assert client.get(path).json()["unit_cost"] == LLM
    other = LLM | {"provider": "anthropic"}
    assert client.patch(path, json={"unit_cost": other}).json()["unit_cost"] == other
    client.patch(path, json={"unit_cost": {"type": "manual", "amount": "1"}})
    assert client.patch(path, json={"unit_cost": LLM_BY_PROPERTY}).json()["unit_cost"] == LLM_BY_PROPERTY


def test_a_models_price_needs_a_meter_and_its_dimensions(client: httpx.Client, meter: dict[str, Any]) -> None:
    reply = client.post(V3, json={"key": "ai", "name": "AI", "unit_cost": LLM})
    assert reply.json()["detail"] == (
        "validation error: LLM unit cost requires a meter to be associated with the feature"
    )
    body = {"key": "ai", "name": "AI", "meter": {"id": meter["id"]}}
    reply = client.post(V3, json=body | {"unit_cost": LLM_BY_PROPERTY | {"model_property": "nope"}})
    assert reply.json()["detail"] == 'validation error: model_property "nope" not found in meter group-by keys'


def test_v3_filters_by_meter_and_refuses_what_is_no_id(client: httpx.Client, meter: dict[str, Any]) -> None:
    make(client, meter={"id": meter["id"]})
    make(client, key="sso")
    found = client.get(V3, params={"filter[meter_id]": meter["id"]}).json()["data"]
    assert [feature["key"] for feature in found] == ["ai"]
    assert client.get(V3, params={"filter[meter_id]": "tokens"}).json()["detail"] == (
        "validation error: validation error: filter is invalid: format mismatch"
    )
