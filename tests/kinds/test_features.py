"""Features: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.kinds.features import FEATURES
from billing_as_code.model import Class, Find, Read, Ref, Step
from kinds.conftest import Problems
from kinds.recorded import exchanges, needs_recordings

METER_ID, FEATURE_ID = "01M865F2AWJ65CREJC7BMFMD6H", "01M865F2AWJ65CREJC7BMFMD6J"
NAMES = {METER_ID: ("tokens",)}
ITEM = {"id": FEATURE_ID, "key": "ai", "name": "ai", "labels": {}, "created_at": "2026-11-24T06:54:51.457702Z"}
METERS = {
    "tokens": {
        "aggregation": "sum",
        "event_type": "prompt",
        "value_property": "$.tokens",
        "dimensions": {"model": "$.model", "type": "$.type", "provider": "$.provider"},
    },
    "latency": {"aggregation": "avg", "event_type": "prompt", "value_property": "$.ms"},
}
VALUES = {"type": "llm", "provider": "openai", "model": "gpt-5", "token_type": "input"}
PROPERTIES = {
    "type": "llm",
    "provider_property": "provider",
    "model_property": "model",
    "token_type_property": "type",
}
OWNED = {"bac.owner": "acme-billing"}
FEATURES_PATH = ("api", "v3", "openmeter", "features")


def from_yaml(fields: dict[str, Any]) -> Any:
    return FEATURES.canonical(("ai",), fields)


def from_wire(**changed: Any) -> Any:
    return FEATURES.from_wire(("ai",), ITEM | changed, NAMES)


def metered(**shown: Any) -> dict[str, Any]:
    return {"meter": {"id": METER_ID, **shown}}


# -- canonical form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"name": "ai", "metadata": {}}, {"labels": OWNED}),
        ({"metadata": {"tier": "core"}}, {"labels": {"tier": "core"}}),
        ({"description": "All"}, {"description": "All"}),
        ({"meter": "tokens"}, metered()),
        ({"meter": "tokens"}, metered(filters={})),
        ({"meter": "tokens", "filters": {"model": {"eq": "gpt-5"}}}, metered(filters={"model": {"eq": "gpt-5"}})),
        (
            {"meter": "tokens", "filters": {"model": {"in": ["b", "a", "b"]}}},
            metered(filters={"model": {"in": ["a", "b"]}}),
        ),
        (
            {"meter": "tokens", "filters": {"type": {"and": [{"neq": "cached"}, {"nin": ["b", "a"]}]}}},
            metered(filters={"type": {"and": [{"neq": "cached"}, {"nin": ["a", "b"]}]}}),
        ),
        ({"unit_cost": {"type": "manual", "amount": "0.0100"}}, {"unit_cost": {"amount": "0.01", "type": "manual"}}),
        ({"unit_cost": {"type": "manual", "amount": "00.5"}}, {"unit_cost": {"amount": "0.5", "type": "manual"}}),
        ({"unit_cost": {"type": "manual", "amount": 10}}, {"unit_cost": {"amount": "10", "type": "manual"}}),
        ({"unit_cost": {"type": "manual", "amount": "10.00"}}, {"unit_cost": {"amount": "10", "type": "manual"}}),
        (
            {"meter": "tokens", "unit_cost": VALUES},
            metered() | {"unit_cost": {**VALUES, "pricing": {"input_per_token": "0.1"}}},
        ),
    ],
)
def test_what_yaml_says_equals_what_openmeter_shows_of_it(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    assert from_yaml(fields) == from_wire(**shown)


def test_an_empty_description_that_another_hand_wrote_is_not_the_same_as_none() -> None:
    assert from_wire(description="") != from_yaml({})


def test_a_meter_that_is_gone_is_no_key_that_a_catalog_can_have() -> None:
    spec = FEATURES.from_wire(("ai",), ITEM | metered(), {})
    assert FEATURES.get(spec, "meter") == METER_ID
    assert spec != from_yaml({"meter": "tokens"})


@needs_recordings
def test_every_feature_that_a_recorded_openmeter_showed_is_understood() -> None:
    items = [
        exchange["response"]["body"]
        for exchange in exchanges()
        if exchange["request"]["path"].startswith("/api/v3/openmeter/features/")
        and exchange["response"]["status"] == 200
        and isinstance(exchange["response"].get("body"), dict)
        and "key" in exchange["response"]["body"]
    ]
    assert len(items) > 20
    for item in items:
        resource = FEATURES.live(item, {})
        assert resource is not None
        cost = FEATURES.get(resource.spec, "unit_cost")
        assert (cost is None) == ("unit_cost" not in item)


# -- refused before OpenMeter sees it -------------------------------------------------------------------------------

ALL_OF = "Bad Request: meter [allOf]: doesn't match all schemas from"
COST_ALL_OF = "Bad Request: unit_cost [allOf]: doesn't match all schemas from"
NO_LABEL = "is no label value: up to 63 letters and digits"


@pytest.mark.parametrize(
    ("changed", "said", "theirs"),
    [
        ({"name": ""}, "`name` is empty text", "Bad Request: name [min_length]: minimum string length is 1"),
        ({"name": "n" * 257}, "`name` has 257 characters", "Bad Request: name [max_length]: maximum string length"),
        ({"description": ""}, "`description` is empty text", None),
        (
            {"meter": "latency"},
            "a feature cannot use a meter that aggregates by avg (one of sum, count, unique_count, latest)",
            "meter latency's aggregation is AVG but features can only be created for SUM, COUNT, UNIQUE_COUNT, LATEST",
        ),
        ({"meter": "nope"}, "`meter` refers to meter `nope`, which is not in the catalog", None),
        (
            {"filters": {"colour": {"eq": "red"}}},
            "`colour` is no dimension of meter tokens (one of model, provider, type)",
            'validation error: filter key "colour" is not a valid dimension of meter "tokens"',
        ),
        (
            {"filters": {"model": {"eq": "a", "neq": "b"}}},
            "`filters.model` has 2 entries, must have at most 1",
            "validation error: filter is invalid: multiple operators are set",
        ),
        ({"filters": {"model": {"in": []}}}, "`filters.model.in` has 0 entries, must have at least 1", ALL_OF),
        (
            {"filters": {"model": {"eq": ""}}},
            "`filters.model.eq` is empty text",
            "validation error: filter is invalid: format mismatch",
        ),
        ({"filters": {"model": "gpt-5"}}, "`filters.model` is text, must be a map", ALL_OF),
        ({"filters": {"model": {"like": "a%"}}}, "unknown field `like` (fields are eq, neq, in", ALL_OF),
        (
            {"filters": {f"d{n}": {"eq": "x"} for n in range(11)}},
            "`filters` has 11 entries, must have at most 10",
            ALL_OF,
        ),
        ({"meter": None, "filters": {"model": {"eq": "a"}}}, "filters need a meter", None),
        (
            {"unit_cost": {"type": "manual", "amount": "-1"}},
            "`unit_cost.amount` is `-1`, which is not of the right form",
            "validation error: manual unit cost amount must be non-negative",
        ),
        ({"unit_cost": {"type": "manual", "amount": ".5"}}, "`unit_cost.amount` is `.5`, which is not", COST_ALL_OF),
        ({"unit_cost": {"type": "manual", "amount": "1e-3"}}, "`unit_cost.amount` is `1e-3`, which", COST_ALL_OF),
        (
            {"unit_cost": {"type": "manual", "amount": 0.5}},
            '`unit_cost.amount` is a number with a point, must be a whole number or text (quote it: "0.5")',
            COST_ALL_OF,
        ),
        ({"unit_cost": {"type": "manual"}}, "`unit_cost` lacks `amount`", COST_ALL_OF),
        ({"unit_cost": {"type": "free"}}, "`unit_cost.type` is `free`, must be one of manual, llm", COST_ALL_OF),
        (
            {"meter": None, "unit_cost": VALUES},
            "an llm unit cost needs a meter",
            "validation error: LLM unit cost requires a meter to be associated with the feature",
        ),
        (
            {"unit_cost": VALUES | {"provider_property": "provider"}},
            "`unit_cost` has more than one of `provider` and `provider_property`",
            None,
        ),
        (
            {"unit_cost": {k: v for k, v in VALUES.items() if k != "model"}},
            "`unit_cost` lacks one of `model` and `model_property`",
            None,
        ),
        (
            {"unit_cost": PROPERTIES | {"model_property": "colour"}},
            "`colour` is no dimension of meter tokens (one of model, provider, type)",
            None,
        ),
        (
            {"metadata": {"team": "two words"}},
            f"the value of `team` {NO_LABEL}",
            "Bad Request: labels.team [pattern]: string doesn't match the regular expression",
        ),
        ({"metadata": {"openmeter_x": "x"}}, "`openmeter_x` starts with a word that OpenMeter reserves", None),
        ({"metadata": {f"k{n}": "x" for n in range(49)}}, "49 entries (48 at most, since two are kept", None),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    problems: Problems, anybody: httpx.Client, changed: dict[str, Any], said: str, theirs: str | None
) -> None:
    fields = {k: v for k, v in ({"meter": "tokens"} | changed).items() if v is not None}
    assert any(p.startswith(f"features.ai: {said}") for p in problems({"meters": METERS, "features": {"ai": fields}}))
    if theirs is not None:
        answer = anybody.post("/api/v3/openmeter/features", json=wire_of(anybody, fields))
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(theirs)


def wire_of(anybody: httpx.Client, fields: dict[str, Any]) -> dict[str, Any]:
    """The POST of some fields, with their meter made before it."""
    body = {"key": "ai", "name": "ai", **{k: v for k, v in fields.items() if k not in ("meter", "filters", "metadata")}}
    body["labels"] = fields.get("metadata", {})
    if key := fields.get("meter"):
        meter = {"key": key, "name": key, **METERS[key]}
        made = anybody.post("/api/v3/openmeter/meters", json=meter).json()
        body["meter"] = {"id": made["id"]} | {k: v for k, v in fields.items() if k == "filters"}
    return body


@pytest.mark.parametrize("key", ["AI", "ai-tokens", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ai__x"])
def test_a_key_that_openmeter_refuses_is_refused_offline(problems: Problems, key: str) -> None:
    [problem] = problems({"features": {key: {}}})
    assert f"`{key}` cannot be the key of a feature" in problem


def test_whether_an_external_meter_has_a_dimension_is_not_known_offline(problems: Problems) -> None:
    feature = {"meter": "theirs", "filters": {"colour": {"eq": "red"}}}
    assert problems({"meters": {"theirs": {"external": True}}, "features": {"ai": feature}}) == []


# -- what changes become --------------------------------------------------------------------------------------------


def declare(ws: Workspace, **fields: Any) -> None:
    ws.write("catalog/a.yaml", {"meters": METERS, "features": {"ai": {"meter": "tokens", **fields}}})


def test_a_new_feature_is_one_post_through_v3_with_its_labels(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": METERS})
    ws.converge()
    declare(ws, description="All", filters={"model": {"in": ["b", "a"]}}, metadata={"tier": "core"})
    [change] = ws.plan().changes
    meter = change.steps[0].body["meter"]["id"]
    assert change.steps == (
        Step(
            "POST",
            FEATURES_PATH,
            {
                "key": "ai",
                "name": "ai",
                "description": "All",
                "labels": {"tier": "core", **OWNED},
                "meter": {"id": meter, "filters": {"model": {"in": ["a", "b"]}}},
            },
            saves="features.ai",
            find=Find(FEATURES_PATH, (("key", "ai"),), "data", (("filter[key]", "ai"),)),
        ),
    )
    ws.converge()


@pytest.mark.parametrize(
    ("before", "after", "bodies"),
    [
        (None, {"type": "manual", "amount": "0.10"}, [{"type": "manual", "amount": "0.1"}]),
        ({"type": "manual", "amount": "0.10"}, None, [None]),
        ({"type": "manual", "amount": "1"}, VALUES, [VALUES]),
        (VALUES, {"type": "manual", "amount": "1"}, [{"type": "manual", "amount": "1"}]),
        (VALUES, PROPERTIES, [None, PROPERTIES]),
        (PROPERTIES, VALUES, [None, VALUES]),
        (VALUES, VALUES | {"model": "gpt-5-mini"}, [None, VALUES | {"model": "gpt-5-mini"}]),
    ],
)
def test_a_unit_cost_is_patched_and_goes_through_null_between_two_of_llm(
    ws: Workspace, before: Any, after: Any, bodies: list[Any]
) -> None:
    declare(ws, **({"unit_cost": before} if before else {}))
    ws.converge()
    declare(ws, **({"unit_cost": after} if after else {}))
    [change] = ws.converge().changes
    assert change.before is not None
    own = (*FEATURES_PATH, change.before.id)
    assert change.steps == tuple(Step("PATCH", own, {"unit_cost": body}) for body in bodies)
    assert (change.action, change.cls) == ("update", Class.COMMERCIAL)


def test_a_name_alone_waits_for_the_next_replace(ws: Workspace) -> None:
    declare(ws)
    ws.converge()
    declare(ws, name="AI tokens", description="All", metadata={"tier": "core"})
    plan = ws.plan()
    assert plan.changes == ()
    assert [[f.path for f in h.fields] for h in plan.held] == [["name", "description", "metadata.tier"]]
    [change] = (asked := ws.plan(replaced=["features.ai"])).changes
    assert (change.action, change.reasons) == ("replace", ("asked",))
    assert ws.apply(asked)[1].whole
    assert (ws.plan().changes, ws.plan().held) == ((), ())


def test_other_filters_archive_the_feature_and_make_it_again(ws: Workspace) -> None:
    declare(ws)
    ws.converge()
    declare(ws, filters={"model": {"eq": "gpt-5"}})
    [change] = ws.converge().changes
    assert change.before is not None
    own = (*FEATURES_PATH, change.before.id)
    assert change.reads == (Read("now", own),)
    assert (change.prepare, [s.method for s in change.steps]) == ((), ["DELETE", "POST"])
    assert change.steps[0] == Step("DELETE", own, gone=True)
    assert (change.cls, change.reasons) == (Class.BREAKING, ("fixed:filters",))


def test_a_feature_whose_meter_is_replaced_steps_aside_before_it(ws: Workspace) -> None:
    declare(ws)
    ws.converge()
    meters = METERS | {"tokens": METERS["tokens"] | {"event_type": "completion"}}
    ws.write("catalog/a.yaml", {"meters": meters, "features": {"ai": {"meter": "tokens"}}})
    plan = ws.plan()
    by_name = {str(c.address): c for c in plan.changes}
    feature, meter = by_name["features.ai"], by_name["meters.tokens"]
    assert feature.before is not None
    assert feature.reasons[-1] == "follows:meters.tokens"
    assert feature.prepare == (Step("DELETE", (*FEATURES_PATH, feature.before.id), gone=True),)
    assert [(s.method, s.body["meter"]) for s in feature.steps] == [("POST", {"id": Ref("id", "meters.tokens")})]
    assert meter.needs == ("features.ai#prepare",)
    assert set(feature.needs) == {"features.ai#prepare", "meters.tokens"}
    ws.converge()
