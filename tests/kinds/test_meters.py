"""Meters: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.kinds.meters import METERS
from billing_as_code.model import Class, Find, Read, Ref, Step
from kinds.conftest import Problems
from kinds.recorded import listed, needs_recordings

SUM = {"aggregation": "sum", "event_type": "prompt", "value_property": "$.tokens"}
ITEM = {
    "aggregation": "SUM",
    "annotations": None,
    "createdAt": "2026-11-24T06:53:33.505956Z",
    "eventType": "prompt",
    "id": "01M865F2AWJ65CREJC7BMFMD6H",
    "metadata": None,
    "name": "tokens_total",
    "slug": "tokens_total",
    "updatedAt": "2026-11-24T06:53:33.505961Z",
    "valueProperty": "$.tokens",
}
OWNED = {"bac.owner": "acme-billing"}


def from_yaml(fields: dict[str, Any]) -> Any:
    return METERS.canonical(("tokens_total",), fields)


def from_wire(**changed: Any) -> Any:
    return METERS.from_wire(("tokens_total",), ITEM | changed, {})


# -- canonical form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"name": "tokens_total"}, {}),
        ({"dimensions": {}}, {"groupBy": {}}),
        ({"dimensions": None}, {"groupBy": None}),
        ({"metadata": {}}, {"metadata": {}}),
        ({}, {"metadata": {"bac.owner": "acme-billing"}}),
        ({"metadata": {"team": "ml"}}, {"metadata": {"bac.owner": "acme-billing", "team": "ml"}}),
        ({"name": "Tokens", "description": "All"}, {"name": "Tokens", "description": "All"}),
        ({"dimensions": {"b": "$.b", "a": "$.a"}}, {"groupBy": {"a": "$.a", "b": "$.b"}}),
        ({"events_from": "2026-01-01T01:00:00+01:00"}, {"eventFrom": "2026-01-01T00:00:00Z"}),
        ({"events_from": "2026-01-01T00:00:00.500Z"}, {"eventFrom": "2026-01-01T00:00:00.5Z"}),
    ],
)
def test_what_yaml_says_equals_what_openmeter_shows_of_it(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    assert from_yaml(SUM | fields) == from_wire(**shown)


@pytest.mark.parametrize("dimensions", [None, {}])
def test_v3_shows_the_same_meter(dimensions: dict[str, str] | None) -> None:
    item = {
        "key": "tokens_total",
        "name": "tokens_total",
        "aggregation": "sum",
        "event_type": "prompt",
        "value_property": "$.tokens",
        "dimensions": dimensions,
        "labels": {},
        "id": "01M865F2AWJ65CREJC7BMFMD6H",
    }
    [as_v1] = METERS.listings[0].items(3, {"data": [item]})
    assert METERS.from_wire(("tokens_total",), as_v1, {}) == from_yaml(SUM)


def test_a_meters_address_is_its_slug_and_its_owner_stands_in_its_metadata() -> None:
    resource = METERS.live(ITEM | {"metadata": OWNED | {"bac.protect": "true"}}, {})
    assert resource is not None
    assert str(resource.address) == "meters.tokens_total"
    assert (resource.owner, resource.protect, resource.id) == ("acme-billing", True, ITEM["id"])


@needs_recordings
def test_every_meter_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v1/meters")
    assert len(items) > 10
    for item in items:
        resource = METERS.live(item, {})
        assert resource is not None
        assert METERS.get(resource.spec, "aggregation") == item["aggregation"].lower()


# -- refused before OpenMeter sees it -------------------------------------------------------------------------------

RIGHT_PATH = "(a JSONPath into the event's data, such as $.tokens)"
REGEX = "string doesn't match the regular expression"
SCHEMA = "request body has an error: doesn't match schema #/components/schemas/MeterCreate: Error at"
WIRE = {
    "event_type": "eventType",
    "value_property": "valueProperty",
    "dimensions": "groupBy",
    "events_from": "eventFrom",
}


@pytest.mark.parametrize(
    ("key", "changed", "said", "theirs"),
    [
        ("Api-Calls", {}, "`Api-Calls` cannot be the key of a meter", f'{SCHEMA} "/slug": {REGEX}'),
        ("api__calls", {}, "`api__calls` cannot be the key of a meter", f'{SCHEMA} "/slug": {REGEX}'),
        ("a" * 65, {}, "the meter key has 65 characters", f'{SCHEMA} "/slug": maximum string length is 64'),
        ("m", {"aggregation": "median"}, "`aggregation` is `median`, must be one of", 'Error at "/aggregation": value'),
        ("m", {"aggregation": None}, "`aggregation` is missing", None),
        (
            "m",
            {"event_type": None},
            "`event_type` is missing",
            f'{SCHEMA} "/eventType": property "eventType" is missing',
        ),
        ("m", {"event_type": ""}, "`event_type` is empty text", f'{SCHEMA} "/eventType": minimum string length is 1'),
        (
            "m",
            {"value_property": None},
            f"sum needs a value_property {RIGHT_PATH}",
            "validation error: invalid meter aggregation: meter value property is required when the aggregation is not",
        ),
        (
            "m",
            {"aggregation": "count"},
            "a count takes no value_property (leave it out: count counts events)",
            "validation error: invalid meter aggregation: meter value property is not allowed when the aggregation is",
        ),
        (
            "m",
            {"value_property": "n"},
            "`value_property` is `n`, which is not of the right form (such as $.tokens)",
            "validation error: invalid JSONPath: %!w(<nil>)",
        ),
        (
            "m",
            {"value_property": "$..["},
            f"'$..[' is no JSONPath that OpenMeter can query {RIGHT_PATH}",
            "validation error: invalid JSONPath: %!w(<nil>)",
        ),
        (
            "m",
            {"dimensions": {"path": "$.a[["}},
            f"'$.a[[' is no JSONPath that OpenMeter can query {RIGHT_PATH}",
            "validation error: invalid JSONPath for path group by: %!w(<nil>)",
        ),
        (
            "m",
            {"dimensions": {"path": "path"}},
            "`dimensions.path` is `path`, which is not of the right form",
            "validation error: invalid JSONPath for path group by: %!w(<nil>)",
        ),
        (
            "m",
            {"dimensions": {"1path": "$.path"}},
            "`1path` cannot be a name here",
            "validation error: invalid meter group by: meter group by key 1path is invalid, only alphanumeric",
        ),
        (
            "m",
            {"dimensions": {"n": "$.tokens"}},
            "a dimension cannot be the value_property itself (another path)",
            "validation error: invalid meter group by: meter group by value n cannot be the same as value property",
        ),
        ("m", {"description": ""}, "`description` is empty text", "validation error: description must not be empty"),
        (
            "m",
            {"description": "d" * 1025},
            "`description` has 1,025 characters, must have at most 1,024",
            f'{SCHEMA} "/description": maximum string length is 1024',
        ),
        (
            "m",
            {"name": "n" * 257},
            "`name` has 257 characters, must have at most 256",
            f'{SCHEMA} "/name": maximum string length is 256',
        ),
        ("m", {"name": ""}, "`name` is empty text", None),
        (
            "m",
            {"metadata": {"n": 1}},
            '`metadata.n` is a number, must be text (quote it: "1")',
            'Error at "/metadata/n"',
        ),
        (
            "m",
            {"events_from": "yesterday"},
            "`events_from` is `yesterday`, which is not of the right form",
            f'{SCHEMA} "/eventFrom": string doesn\'t match the format "date-time"',
        ),
        (
            "m",
            {"events_from": "2026-02-30T00:00:00Z"},
            "`events_from` is `2026-02-30T00:00:00Z`, which does not exist",
            None,
        ),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    problems: Problems, anybody: httpx.Client, key: str, changed: dict[str, Any], said: str, theirs: str | None
) -> None:
    fields = {k: v for k, v in (SUM | changed).items() if v is not None}
    [problem] = problems({"meters": {key: fields}})
    assert problem.startswith(f"meters.{key}: {said}")
    if theirs is not None:
        body = {WIRE.get(k, k): v for k, v in fields.items()} | {"slug": key}
        body["aggregation"] = fields["aggregation"].upper()
        answer = anybody.post("/api/v1/meters", json=body)
        assert answer.status_code == 400
        assert answer.json()["detail"].split("\n")[0].startswith(theirs)


def test_labels_that_bac_writes_are_refused_in_a_catalog(problems: Problems) -> None:
    assert problems({"meters": {"m": SUM | {"metadata": {"bac.owner": "me"}}}}) == [
        "meters.m: `bac.owner` is a label that bac writes itself (leave it out)"
    ]


# -- what changes become --------------------------------------------------------------------------------------------


def test_a_new_meter_is_one_post_that_can_be_looked_up_by_its_slug(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM | {"dimensions": {"model": "$.model"}}}})
    [change] = ws.plan().changes
    assert change.steps == (
        Step(
            "POST",
            ("api", "v1", "meters"),
            {
                "slug": "tokens",
                "name": "tokens",
                "aggregation": "SUM",
                "eventType": "prompt",
                "valueProperty": "$.tokens",
                "groupBy": {"model": "$.model"},
                "metadata": OWNED,
            },
            saves="meters.tokens",
            find=Find(("api", "v1", "meters", "tokens"), (("slug", "tokens"),)),
        ),
    )
    assert (change.action, change.cls, change.reads, change.prepare) == ("create", Class.SAFE, (), ())


def test_an_update_puts_all_that_a_put_takes_and_nothing_else(ws: Workspace) -> None:
    first = SUM | {"description": "All", "dimensions": {"model": "$.model"}, "metadata": {"team": "ml"}}
    ws.write("catalog/a.yaml", {"meters": {"tokens": first}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM | {"name": "Tokens"}}})
    [change] = ws.converge().changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [
        ("name", "tokens", "Tokens"),
        ("dimensions.model", "$.model", None),
        ("metadata.team", "ml", None),
    ]
    [put] = change.steps
    assert (put.method, put.path[:3], put.find) == ("PUT", ("api", "v1", "meters"), None)
    # the description that the catalog no longer speaks of cannot be cleared, so it is kept and sent
    assert put.body == {"name": "Tokens", "description": "All", "groupBy": {}, "metadata": OWNED}


def test_a_fixed_field_deletes_the_meter_and_makes_it_again(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM | {"event_type": "completion"}}})
    [change] = ws.plan().changes
    assert (change.action, change.reasons, change.cls) == ("replace", ("fixed:event_type",), Class.BREAKING)
    assert change.before is not None
    own = ("api", "v1", "meters", change.before.id)
    assert change.reads == (Read("now", own),)
    assert [(s.method, s.path, s.gone) for s in change.steps] == [
        ("DELETE", own, True),
        ("POST", ("api", "v1", "meters"), False),
    ]
    ws.converge()


def test_a_meter_that_left_the_catalog_is_read_once_more_and_deleted(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM}})
    ws.converge()
    ws.write("catalog/a.yaml", {})
    [change] = ws.converge().changes
    assert change.before is not None
    own = ("api", "v1", "meters", change.before.id)
    assert (change.action, change.reasons) == ("delete", ("left_catalog",))
    assert (change.reads, change.steps) == ((Read("now", own),), (Step("DELETE", own, gone=True),))


def test_a_dimension_less_is_breaking_and_a_new_name_is_not(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM | {"dimensions": {"model": "$.model"}}}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM | {"name": "T"}}})
    assert {f.path: f.cls for f in ws.plan().changes[0].fields} == {
        "name": Class.SAFE,
        "dimensions.model": Class.BREAKING,
    }


def test_a_replaced_meter_is_bound_by_the_id_that_only_apply_knows(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"tokens": SUM}, "features": {"ai": {"meter": "tokens"}}})
    plan = ws.plan()
    [feature] = [c for c in plan.changes if c.address.kind == "features"]
    assert feature.steps[0].body["meter"] == {"id": Ref("id", "meters.tokens")}
    assert feature.needs == ("meters.tokens",)


def test_more_than_a_thousand_meters_are_read_from_both_ends_and_the_middle() -> None:
    listing = METERS.listings[0]

    def page(names: range) -> list[dict[str, Any]]:
        return [{"id": str(n)} for n in names]

    first, last, overlapping = page(range(1000)), page(range(2499, 1499, -1)), page(range(1500, 500, -1))
    ids = {1: {m["id"] for m in first}, 2: {m["id"] for m in last}}
    assert listing.request(1) == ("/api/v1/meters", (("order", "ASC"),))
    assert list(listing.more(1, page(range(999)), {})) == []
    assert list(listing.more(1, first, ids)) == [2]
    assert listing.request(2) == ("/api/v1/meters", (("order", "DESC"),))
    assert list(listing.more(2, last, ids)) == [3]
    assert list(listing.more(2, overlapping, ids | {2: {m["id"] for m in overlapping}})) == []
    assert listing.request(3)[0] == "/api/v3/openmeter/meters"
    assert dict(listing.request(3)[1])["page[number]"] == 2
    assert list(listing.more(3, {"meta": {"page": {"total": 2500}}}, ids)) == []
    assert list(listing.more(3, {"meta": {"page": {"total": 4500}}}, ids)) == [4, 5]
