"""Grants: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.kinds.grants import GRANTS
from billing_as_code.model import Change, Class, Find, Ref, Step
from kinds.conftest import Problems
from kinds.recorded import listed, needs_recordings

ENTITLEMENT = "01M865F2AWJ65CREJC7BMFMD6K"
NAMES = {ENTITLEMENT: ("acme", "ai")}
KEYED = {"bac.owner": "acme-billing", "bac.key": "promo"}
ITEM = {
    "amount": 100,
    "createdAt": "2026-11-24T07:11:26.14513Z",
    "effectiveAt": "2026-11-24T06:11:00Z",
    "entitlementId": ENTITLEMENT,
    "id": "01M865F2AWJ65CREJC7BMFMD6G",
    "maxRolloverAmount": 100,
    "metadata": KEYED,
    "minRolloverAmount": 0,
    "priority": 0,
    "updatedAt": "2026-11-24T07:11:26.145131Z",
}
PLAIN: dict[str, Any] = {"amount": 100, "effective_at": "2026-11-24T06:11:00Z"}
PROMO, AI = "grants.acme.ai.promo", "entitlements.acme.ai"
CATALOG: dict[str, Any] = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
    "features": {"ai": {"meter": "tokens"}},
    "customers": {"acme": {"name": "ACME"}},
    "entitlements": {"acme": {"ai": {"type": "metered", "usage_period": {"interval": "month"}}}},
}


def catalog(**grants: dict[str, Any]) -> dict[str, Any]:
    return CATALOG | {"grants": {"acme": {"ai": grants}}}


# -- canonical form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"amount": "100.0", "priority": 0, "min_rollover_amount": 0, "max_rollover_amount": 100}, {}),
        ({"effective_at": "2026-11-24T07:11:42+01:00"}, {}),
        ({"amount": "0.50"}, {"amount": 0.5, "maxRolloverAmount": 0.5}),
        (
            {"max_rollover_amount": "0.4", "min_rollover_amount": "0.1"},
            {"maxRolloverAmount": 0.4, "minRolloverAmount": 0.1},
        ),
        ({"priority": 255}, {"priority": 255}),
        (
            {"expiration": {"duration": "year", "count": 1}},
            {"expiration": {"count": 1, "duration": "YEAR"}, "expiresAt": "2027-11-24T06:11:00Z"},
        ),
        (
            {"recurrence": {"interval": "P7D", "anchor": "2026-11-23T07:11:30Z"}},
            {"recurrence": {"anchor": "2026-11-23T07:11:00Z", "interval": "WEEK", "intervalISO": "P1W"}},
        ),
        ({"metadata": {"why": "a promise"}}, {"metadata": KEYED | {"why": "a promise"}}),
    ],
)
def test_what_yaml_says_equals_what_openmeter_shows_of_it(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    path = ("acme", "ai", "promo")
    assert GRANTS.canonical(path, PLAIN | fields) == GRANTS.from_wire(path, ITEM | shown, NAMES)


def test_the_terms_as_declared_count_where_what_had_to_be_written_differs() -> None:
    declared = {"amount": 100, "effective_at": "2026-01-01T00:00:00Z", "max_rollover_amount": 100}
    terms = json.dumps(declared | {"min_rollover_amount": 0, "priority": 0})
    resource = GRANTS.live(ITEM | {"amount": 42, "metadata": KEYED | {"bac.terms": terms}}, NAMES)
    assert resource is not None
    assert resource.spec == GRANTS.canonical((), {"amount": 100, "effective_at": "2026-01-01T00:00:00Z"})


@pytest.mark.parametrize("text", ["", "no json", "[]", '"x"'])
def test_terms_that_another_hand_wrote_do_not_stop_the_reading(text: str) -> None:
    resource = GRANTS.live(ITEM | {"metadata": KEYED | {"bac.terms": text}}, NAMES)
    assert resource is not None
    assert GRANTS.get(resource.spec, "amount") == 100


@pytest.mark.parametrize("metadata", [None, {}, {"bac.owner": "acme-billing"}])
def test_a_grant_without_a_key_is_never_ours(metadata: dict[str, str] | None) -> None:
    assert GRANTS.live({k: v for k, v in (ITEM | {"metadata": metadata}).items() if v is not None}, NAMES) is None


def test_a_voided_grant_stands_for_its_declaration_only_where_it_says_that_it_was_spent() -> None:
    voided = ITEM | {"voidedAt": "2026-11-24T08:00:00Z"}
    spent = voided | {"metadata": KEYED | {"bac.spent": "true"}}
    found = [GRANTS.live(item, NAMES) for item in (ITEM, voided, spent)]
    assert [resource is not None and GRANTS.counts(resource) for resource in found] == [True, False, True]


@needs_recordings
def test_every_grant_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = [i for i in listed("/api/v2/grants") + listed("/api/v2/customers/.*/grants") if isinstance(i, dict)]
    assert len(items) > 20
    for item in items:
        labelled = item | {"metadata": item.get("metadata", {}) | KEYED}
        resource = GRANTS.live(labelled, {item["entitlementId"]: ("acme", "ai")})
        assert resource is not None
        assert float(GRANTS.get(resource.spec, "amount")) == item["amount"]


# -- refused before OpenMeter sees it -------------------------------------------------------------------------------

SCHEMA = "request body has an error: doesn't match schema #/components/schemas/EntitlementGrantCreateInputV2: Error at"
WIRE = {"effective_at": "effectiveAt"}


@pytest.mark.parametrize(
    ("changed", "said", "theirs"),
    [
        ({"amount": None}, "`amount` is missing", f'{SCHEMA} "/amount": property "amount" is missing'),
        ({"amount": 0}, "a grant of nothing (an amount above 0)", "amount must be positive"),
        ({"amount": "0.00"}, "a grant of nothing (an amount above 0)", None),
        ({"amount": -5}, "`amount` is -5, must be at least 0", f'{SCHEMA} "/amount": number must be at least 0'),
        ({"amount": "0.1234567890123456789"}, "0.1234567890123456789 is more precise than OpenMeter's", None),
        ({"max_rollover_amount": 2**53 + 1}, f"{2**53 + 1} is more precise than OpenMeter's numbers", None),
        ({"effective_at": None}, "`effective_at` is missing", f'{SCHEMA} "/effectiveAt": property "effectiveAt"'),
        (
            {"effective_at": "2026-02-30T00:00:00Z"},
            "`effective_at` is `2026-02-30T00:00:00Z`, which does not exist",
            None,
        ),
        ({"effective_at": "2026-12-01"}, "`effective_at` is `2026-12-01`, which is not of the right form", None),
        (
            {"priority": 256},
            "`priority` is 256, must be at most 255",
            f'{SCHEMA} "/priority": number must be at most 255',
        ),
        ({"priority": -1}, "`priority` is -1, must be at least 0", f'{SCHEMA} "/priority": number must be at least 1'),
        (
            {"expiration": {"duration": "minute", "count": 1}},
            "`expiration.duration` is `minute`, must be one of hour, day, week, month, year",
            'Error at "/expiration/duration": doesn\'t match schema due to: value is not one of the allowed values',
        ),
        ({"expiration": {"duration": "month"}}, "an expiration needs a duration and a count", None),
        ({"expiration": {"count": 2}}, "an expiration needs a duration and a count", None),
        (
            {"expiration": {"duration": "day", "count": 0}},
            "`expiration.count` is 0, must be at least 1",
            'Error at "/expiration/count": number must be at least 1',
        ),
        (
            {"expiration": {"duration": "day", "count": 1001}},
            "`expiration.count` is 1001, must be at most 1000",
            'Error at "/expiration/count": number must be at most 1000',
        ),
        (
            {"effective_at": "9999-12-01T00:00:00Z", "expiration": {"duration": "year", "count": 1}},
            "the grant would end after the year 9999",
            None,
        ),
        ({"recurrence": {"anchor": "2026-11-24T00:00:00Z"}}, "a recurrence needs an interval", None),
        ({"recurrence": {"interval": "P0D"}}, "P0D is no time at all", None),
        ({"recurrence": {"interval": "P2000Y"}}, "P2000Y is longer than a thousand years", None),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    ws: Workspace, problems: Problems, anybody: httpx.Client, changed: dict[str, Any], said: str, theirs: str | None
) -> None:
    fields = {k: v for k, v in (PLAIN | changed).items() if v is not None}
    assert problems(catalog(promo=fields))[0].startswith(f"{PROMO}: {said}")
    if theirs is not None:
        ws.write("catalog/a.yaml", CATALOG)
        ws.converge()
        body = {WIRE.get(k, k): v for k, v in fields.items()}
        if "effectiveAt" in body:
            body["effectiveAt"] = "2026-11-24T12:00:00Z"
        if "expiration" in body:
            body["expiration"] = body["expiration"] | {"duration": body["expiration"]["duration"].upper()}
        answer = anybody.post("/api/v2/customers/acme/entitlements/ai/grants", json=body)
        assert answer.status_code == 400
        problem = answer.json()
        text = problem.get("detail") or problem["extensions"]["validationErrors"][0]["message"]
        assert text.split("\n")[0].startswith(theirs)


@pytest.mark.parametrize("fields", [{"type": "boolean"}, {"type": "static", "config": 1}])
def test_only_a_metered_entitlement_takes_grants(problems: Problems, fields: dict[str, Any]) -> None:
    [problem] = problems(catalog(promo=PLAIN) | {"entitlements": {"acme": {"ai": fields}}})
    assert problem == f"{PROMO}: {AI} is {fields['type']}, and only a metered one takes grants (type: metered)"


def test_a_grant_needs_its_entitlement_in_the_catalog(problems: Problems) -> None:
    [problem] = problems({k: v for k, v in catalog(promo=PLAIN).items() if k != "entitlements"})
    assert problem.startswith(f"{PROMO}: is part of {AI}, which is not in the catalog")


# -- what changes become --------------------------------------------------------------------------------------------


def declare(ws: Workspace, **grants: dict[str, Any]) -> None:
    ws.write("catalog/a.yaml", catalog(**grants))


def only(ws: Workspace) -> Change:
    [change] = ws.plan().changes
    return change


def test_a_grant_that_starts_later_is_posted_as_it_is_declared(ws: Workspace) -> None:
    declare(ws)
    ws.converge()
    fields = {
        "amount": "0.5",
        "effective_at": "2026-12-01T00:00:30Z",
        "priority": 3,
        "expiration": {"duration": "month", "count": 3},
        "recurrence": {"interval": "P2W"},
        "metadata": {"why": "a promise"},
    }
    declare(ws, promo=fields)
    change = only(ws)
    path = change.steps[0].path
    body = {
        "amount": 0.5,
        "priority": 3,
        "effectiveAt": "2026-12-01T00:00:00Z",
        "expiration": {"duration": "MONTH", "count": 3},
        "maxRolloverAmount": 0.5,
        "minRolloverAmount": 0,
        "recurrence": {"interval": "P14D", "anchor": "2026-12-01T00:00:00Z"},
        "metadata": {"why": "a promise", **KEYED},
    }
    where = (("metadata.bac.key", "promo"), ("deletedAt?", False), ("voidedAt?", False))
    found = Find(path, where, "items", (("pageSize", 1000),))
    assert change.steps == (Step("POST", path, body, saves=PROMO, find=found),)
    assert path[-2:] == ("ai", "grants")
    assert (change.cls, change.notes) == (Class.COMMERCIAL, ())
    ws.converge()


def test_one_whose_start_has_passed_starts_with_the_period_and_keeps_its_end(ws: Workspace) -> None:
    declare(ws)
    ws.converge()
    start = "2026-10-01T00:00:00Z"
    declare(ws, promo={"amount": 5, "effective_at": start, "expiration": {"duration": "month", "count": 3}})
    change = only(ws)
    body = change.steps[0].body
    assert change.notes == (("starts_with_period", start),)
    assert body["effectiveAt"] == Ref("later_of", AI, f"{start} 2027-01-01T00:00:00Z")
    assert body["expiration"] == Ref("until", AI, f"{start} 2027-01-01T00:00:00Z")
    assert "bac.terms" in body["metadata"]
    assert "priority" not in body
    ws.converge()
    [grant] = ws.http.get("/api/v2/grants").json()["items"]
    assert (grant["effectiveAt"], grant["expiresAt"]) == ("2026-11-24T12:00:00Z", "2027-01-01T00:00:00Z")


def test_one_that_has_ended_is_never_made(ws: Workspace) -> None:
    ended = {"amount": 5, "effective_at": "2026-01-01T00:00:00Z", "expiration": {"duration": "month", "count": 1}}
    declare(ws, promo=ended)
    plan = ws.plan()
    assert plan.skipped == ((PROMO, "ended"),)
    assert PROMO not in {str(c.address) for c in plan.changes}
    ws.converge()


def test_one_that_ended_while_it_was_declared_is_no_diff_and_nothing_to_delete(ws: Workspace) -> None:
    grant = {"amount": 5, "effective_at": "2026-11-24T12:00:00Z", "expiration": {"duration": "day", "count": 1}}
    declare(ws, promo=grant)
    ws.converge()
    ws.clock("2026-11-26T12:00:00Z")
    assert ws.plan().changes == ()
    declare(ws)
    assert ws.plan().changes == ()


def test_new_terms_are_a_new_grant_of_what_they_leave_and_then_the_old_is_voided(ws: Workspace) -> None:
    declare(ws, promo={"amount": 5, "effective_at": "2026-11-24T12:00:00Z"})
    ws.converge()
    ws.clock("2026-11-25T12:00:00Z")
    declare(ws, promo={"amount": 8, "effective_at": "2026-11-24T12:00:00Z"})
    change = only(ws)
    assert (change.action, change.cls) == ("replace", Class.COMMERCIAL)
    assert set(change.reasons) == {"fixed:amount", "fixed:max_rollover_amount"}
    assert [r.name for r in change.reads] == ["entitlement", "value", "grants"]
    left, spent, void_spent, void_old, void_rest = change.steps
    assert left.body["amount"] == Ref("left", PROMO, "5 8")
    assert left.body["effectiveAt"] == Ref("from", PROMO, "2026-11-24T12:00:00Z")
    assert change.before is not None
    assert left.body["metadata"]["bac.replaces"] == change.before.id
    assert left.when == Ref("left", PROMO, "5 8")
    # where nothing is left, a grant that is voided at once says so
    assert (spent.body["amount"], spent.body["metadata"]["bac.spent"]) == (8, "true")
    assert spent.when == void_spent.when == Ref("none_left", PROMO, "5 8")
    assert (void_spent.method, void_spent.path) == ("DELETE", ("api", "v1", "grants", Ref("id", PROMO)))
    assert void_old.path == ("api", "v1", "grants", Ref("old_id", PROMO))
    assert (void_old.query, void_old.when) == ((("at", Ref("minute", PROMO)),), Ref("old_id", PROMO))
    assert void_old.done == "already voided"
    assert void_rest.when == Ref("rest_id", PROMO)
    ws.converge()
    live = [g for g in ws.http.get("/api/v2/grants").json()["items"] if not g.get("voidedAt")]
    assert [g["amount"] for g in live] == [8]


def test_new_terms_of_a_recurring_grant_are_two_grants_its_rest_and_what_recurs(ws: Workspace) -> None:
    grant = {"amount": 5, "effective_at": "2026-11-24T12:00:00Z", "recurrence": {"interval": "week"}}
    declare(ws, promo=grant)
    ws.converge()
    ws.clock("2026-11-26T12:00:00Z")
    declare(ws, promo=grant | {"amount": 8})
    change = only(ws)
    rest, whole, *voids = change.steps
    grid = "2026-11-24T12:00:00Z week"
    assert rest.body["amount"] == Ref("left", PROMO, "5 8")
    assert rest.body["expiration"] == Ref("until_next", PROMO, grid.replace("week", "WEEK"))
    assert rest.body["metadata"]["bac.rest"] == "promo"
    assert "bac.key" not in rest.body["metadata"]
    assert "recurrence" not in rest.body
    assert (whole.body["amount"], whole.body["effectiveAt"]) == (8, Ref("next", PROMO, grid.replace("week", "WEEK")))
    assert whole.body["recurrence"] == {"interval": "WEEK", "anchor": "2026-11-24T12:00:00Z"}
    assert [v.method for v in voids] == ["DELETE", "DELETE"]
    ws.converge()
    live = [g for g in ws.http.get("/api/v2/grants").json()["items"] if not g.get("voidedAt")]
    assert sorted((g["effectiveAt"], g.get("expiresAt")) for g in live) == [
        ("2026-11-26T12:00:00Z", "2026-12-01T12:00:00Z"),
        ("2026-12-01T12:00:00Z", None),
    ]


def test_a_grant_that_left_the_catalog_is_voided_through_v1(ws: Workspace) -> None:
    declare(ws, promo={"amount": 5, "effective_at": "2026-11-24T12:00:00Z"})
    ws.converge()
    declare(ws)
    [change] = ws.converge().changes
    assert change.before is not None
    own = ("api", "v1", "grants", change.before.id)
    assert change.steps == (Step("DELETE", own, gone=True, done="already voided"),)
    assert (change.action, change.reasons, change.cls) == ("delete", ("left_catalog",), Class.BREAKING)


def test_a_grant_that_is_dropped_while_its_entitlement_changes_is_not_carried_over(ws: Workspace) -> None:
    declare(ws, promo={"amount": 5, "effective_at": "2026-11-24T12:00:00Z"})
    ws.converge()
    entitlements = {"acme": {"ai": CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 3}}}}
    ws.write("catalog/a.yaml", CATALOG | {"entitlements": entitlements})
    plan = ws.plan()
    by_name = {str(c.address): c for c in plan.changes}
    assert by_name[PROMO].steps == ()
    assert [s.method for s in by_name[AI].steps] == ["PUT"]
    ws.converge()
    assert [g for g in ws.http.get("/api/v2/grants").json()["items"] if g.get("metadata")] == []


@pytest.mark.parametrize(
    ("changed", "cls"),
    [
        ({"amount": 4}, Class.BREAKING),
        ({"amount": 6}, Class.COMMERCIAL),
        ({"priority": 9}, Class.SAFE),
        ({"expiration": {"duration": "year", "count": 1}}, Class.BREAKING),
    ],
)
def test_less_is_breaking_and_more_is_commercial(ws: Workspace, changed: dict[str, Any], cls: Class) -> None:
    grant = {"amount": 5, "effective_at": "2026-12-24T12:00:00Z"}
    declare(ws, promo=grant)
    ws.converge()
    declare(ws, promo=grant | changed)
    assert only(ws).cls is cls
