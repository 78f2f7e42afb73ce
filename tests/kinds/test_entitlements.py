"""Entitlements: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.errors import CatalogError, PlanError
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.model import Address, Change, Class, Find, Read, Ref, Step
from kinds.conftest import Problems
from kinds.recorded import listed, needs_recordings

ACME, FEATURE = "01M865F2AWJ65CREJC7BMFMD6H", "01M865F2AWJ65CREJC7BMFMD6J"
NAMES = {ACME: ("acme",)}
METERED: dict[str, Any] = {"type": "metered", "usage_period": {"interval": "month"}}
ITEM = {
    "activeFrom": "2026-11-24T07:14:01.345583Z",
    "createdAt": "2026-11-24T07:14:01.354402Z",
    "customerId": ACME,
    "customerKey": "acme",
    "featureId": FEATURE,
    "featureKey": "ai",
    "id": "01M865F2AWJ65CREJC7BMFMD6K",
    "type": "boolean",
    "updatedAt": "2026-11-24T07:14:01.354402Z",
}
METERED_ITEM = ITEM | {
    "type": "metered",
    "currentUsagePeriod": {"from": "2026-11-24T04:44:00Z", "to": "2026-12-24T04:44:00Z"},
    "isSoftLimit": False,
    "issue": {"amount": 0},
    "issueAfterReset": 0,
    "lastReset": "2026-11-24T04:44:00Z",
    "measureUsageFrom": "2026-11-24T04:44:00Z",
    "preserveOverageAtReset": False,
    "usagePeriod": {"anchor": "2026-11-24T04:44:00Z", "interval": "MONTH", "intervalISO": "P1M"},
}
OWNED = {"bac.owner": "acme-billing"}
AI = "entitlements.acme.ai"
CATALOG: dict[str, Any] = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
    "features": {"ai": {"meter": "tokens"}, "sso": {}},
    "customers": {"acme": {"name": "ACME"}},
}


def compared(one: Any, other: Any) -> list[str]:
    """The fields in which two specs differ, but for those that are not compared where they are left out."""
    never = {"measure_usage_from", "usage_period.anchor"}
    rows = zip(ENTITLEMENTS.fields, one, other, strict=True)
    return [row.name for row, a, b in rows if a != b and row.name not in never]


# -- canonical form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"issue": {"amount": 0}, "is_soft_limit": False, "preserve_overage_at_reset": False}, {}),
        ({"issue": {}}, {"issue": {"amount": 0}}),
        ({"issue": {"amount": "1000000.50", "priority": 5}}, {"issue": {"amount": 1000000.5, "priority": 5}}),
        ({"issue": {"amount": 1_000_000}}, {"issue": {"amount": 1000000.0, "priority": 1}}),
        ({"usage_period": {"interval": "P1M"}}, {}),
        ({"usage_period": {"interval": "P7D"}}, {"usagePeriod": {"interval": "WEEK", "intervalISO": "P7D"}}),
        ({"usage_period": {"interval": "day"}}, {"usagePeriod": {"interval": "DAY", "intervalISO": "PT24H"}}),
        ({"usage_period": {"interval": "P12M"}}, {"usagePeriod": {"interval": "YEAR", "intervalISO": "P1Y"}}),
        ({"usage_period": {"interval": "P2W"}}, {"usagePeriod": {"interval": "P2W", "intervalISO": "P2W"}}),
        ({"measure_usage_from": "now"}, {}),
        ({"measure_usage_from": "2020-01-01T00:00:00Z"}, {}),
        ({"metadata": {"note": "signed 2026"}}, {"metadata": OWNED | {"note": "signed 2026"}}),
    ],
)
def test_what_yaml_says_of_a_metered_one_equals_what_openmeter_shows(
    fields: dict[str, Any], shown: dict[str, Any]
) -> None:
    yaml = ENTITLEMENTS.canonical(("acme", "ai"), METERED | fields)
    assert compared(yaml, ENTITLEMENTS.from_wire(("acme", "ai"), METERED_ITEM | shown, NAMES)) == []


def test_an_anchor_is_compared_to_the_minute() -> None:
    fields = {**METERED, "usage_period": {"interval": "month", "anchor": "2026-11-24T05:44:37+01:00"}}
    spec = ENTITLEMENTS.canonical(("acme", "ai"), fields)
    live = ENTITLEMENTS.from_wire(("acme", "ai"), METERED_ITEM, NAMES)
    assert ENTITLEMENTS.get(spec, "usage_period.anchor") == ENTITLEMENTS.get(live, "usage_period.anchor")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"b": 1, "aa": 3, "a": 2}, '{"a": 2, "b": 1, "aa": 3}'),
        ({"max": 100}, '{"max": 100}'),
        ({"max": 1e2}, '{"max": 100}'),
        ({"rate": 1.5}, '{"rate": 1.50}'),
        ({"n": 12345678901234567890}, '{"n": 12345678901234567890}'),
        ({"n": -0.0}, '{"n": 0}'),
        ([1, None, True], "[1, null, true]"),
        ("text", '"text"'),
        (False, "false"),
        ({"ü": "\u2028"}, '{"ü": "\u2028"}'),
    ],
)
def test_a_static_value_is_compared_as_json_however_its_text_comes_back(config: Any, shown: str) -> None:
    yaml = ENTITLEMENTS.canonical(("acme", "ai"), {"type": "static", "config": config})
    assert yaml == ENTITLEMENTS.from_wire(("acme", "ai"), ITEM | {"type": "static", "config": shown}, NAMES)


def test_true_is_not_one_in_a_static_value() -> None:
    spec = ENTITLEMENTS.canonical(("acme", "ai"), {"type": "static", "config": {"a": True}})
    assert spec != ENTITLEMENTS.from_wire(("acme", "ai"), ITEM | {"type": "static", "config": '{"a": 1}'}, NAMES)


def test_a_usage_period_that_openmeter_shows_of_a_boolean_is_no_difference() -> None:
    period = {"anchor": "2026-10-31T22:00:00Z", "interval": "YEAR", "intervalISO": "P1Y"}
    yaml = ENTITLEMENTS.canonical(("acme", "ai"), {"type": "boolean"})
    assert yaml == ENTITLEMENTS.from_wire(("acme", "ai"), ITEM | {"usagePeriod": period}, NAMES)


def test_one_that_a_subscription_manages_says_so_and_an_unknown_customers_is_nobodys() -> None:
    managed = ENTITLEMENTS.live(ITEM | {"annotations": {"subscription.id": "01M8"}}, NAMES)
    assert managed is not None
    assert (managed.managed, managed.address) == ("subscription", Address("entitlements", ("acme", "ai")))
    assert ENTITLEMENTS.live(ITEM, {}) is None


@needs_recordings
def test_every_entitlement_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v2/entitlements")
    assert len(items) > 20
    for item in items:
        resource = ENTITLEMENTS.live(item, {item["customerId"]: ("c",)})
        assert resource is not None
        assert ENTITLEMENTS.get(resource.spec, "type") == item["type"]


# -- refused before OpenMeter sees it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feature", "fields", "said", "theirs"),
    [
        ("ai", {}, "`type` is missing (one of metered, static, boolean)", None),
        ("ai", {"type": "unlimited"}, "`type` is `unlimited`, must be one of metered, static, boolean", None),
        ("ai", {"type": "metered"}, "`usage_period.interval` is missing", 'Error at "/usagePeriod": property'),
        ("sso", {"type": "static"}, "`config` is missing", 'Error at "/config": property "config" is missing'),
        ("sso", METERED, "feature sso has no meter, so nothing can be metered", "invalid feature "),
        ("nope", {"type": "boolean"}, "refers to feature `nope`, which is not in", "feature not found: nope"),
        ("ai", METERED | {"issue": {"amount": -1}}, "`issue.amount` is -1, must be at least 0", 'Error at "/issue":'),
        (
            "ai",
            METERED | {"issue": {"amount": 1, "priority": 0}},
            "`issue.priority` is 0, must be at least 1",
            'Error at "/issue": doesn\'t match schema due to: Error at "/priority": number must be at least 1',
        ),
        (
            "ai",
            METERED | {"issue": {"amount": 1, "priority": 256}},
            "`issue.priority` is 256, must be at most 255",
            'Error at "/issue": doesn\'t match schema due to: Error at "/priority": number must be at most 255',
        ),
        (
            "ai",
            METERED | {"issue": {"amount": "0.1234567890123456789"}},
            "0.1234567890123456789 is more precise than OpenMeter's numbers (17 digits or fewer)",
            None,
        ),
        ("ai", METERED | {"issue": {"amount": 2**53 + 1}}, f"{2**53 + 1} is more precise than OpenMeter's", None),
        ("ai", METERED | {"issue": {"amount": 0.1}}, "`issue.amount` is a number with a point, must be a whole", None),
        ("ai", METERED | {"is_soft_limit": "yes"}, "`is_soft_limit` is text, must be true", 'Error at "/isSoftLimit"'),
        (
            "ai",
            {**METERED, "usage_period": {"interval": "PT59M"}},
            "PT59M is shorter than an hour (PT1H or more)",
            None,
        ),
        ("ai", {**METERED, "usage_period": {"interval": "P0D"}}, "P0D is shorter than an hour (PT1H or more)", None),
        ("ai", {**METERED, "usage_period": {"interval": "P1001Y"}}, "P1001Y is longer than a thousand years", None),
        ("ai", {**METERED, "usage_period": {"interval": "Month"}}, "`usage_period.interval` is `Month`, which", None),
        (
            "ai",
            {**METERED, "usage_period": {"interval": "month", "anchor": "2026-02-30T00:00:00Z"}},
            "`usage_period.anchor` is `2026-02-30T00:00:00Z`, which does not exist",
            None,
        ),
        (
            "ai",
            METERED | {"measure_usage_from": "LAST_PERIOD"},
            "`measure_usage_from` is `LAST_PERIOD`",
            'Error at "/m',
        ),
        ("ai", METERED | {"config": {}}, "`config` is for type static, this one is metered", None),
        ("sso", {"type": "boolean", "issue": {"amount": 1}}, "`issue.amount` is for type metered, this one is", None),
        ("sso", {"type": "boolean", "metadata": {"n": 1}}, "`metadata.n` is a number, must be text", 'Error at "/met'),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    problems: Problems, anybody: httpx.Client, feature: str, fields: dict[str, Any], said: str, theirs: str | None
) -> None:
    found = problems(CATALOG | {"entitlements": {"acme": {feature: fields}}})
    assert [p for p in found if p.startswith(f"entitlements.acme.{feature}: {said}")], found
    if theirs is not None:
        meter = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.n"}
        anybody.post("/api/v1/meters", json=meter)
        anybody.post("/api/v1/features", json={"key": "ai", "name": "AI", "meterSlug": "tokens"})
        anybody.post("/api/v1/features", json={"key": "sso", "name": "SSO"})
        anybody.post("/api/v1/customers", json={"key": "acme", "name": "ACME"})
        body = {"featureKey": feature, **{WIRE.get(k, k): v for k, v in fields.items()}}
        if "usagePeriod" in body:
            body["usagePeriod"] = {"interval": "MONTH"}
        answer = anybody.post("/api/v2/customers/acme/entitlements", json=body)
        assert answer.status_code in (400, 404)
        assert answer.json()["detail"].split("\n")[0].startswith(theirs)


WIRE = {"usage_period": "usagePeriod", "is_soft_limit": "isSoftLimit", "measure_usage_from": "measureUsageFrom"}


@pytest.mark.parametrize("first", [None, {"type": "static", "config": 1}], ids=["new", "in place of a static one"])
def test_usage_cannot_be_measured_from_the_future(ws: Workspace, first: dict[str, Any] | None) -> None:
    """OpenMeter takes it, and answers 500 wherever access is asked for until then."""
    ws.write("catalog/a.yaml", CATALOG | {"entitlements": {"acme": {"ai": first} if first else {}}})
    ws.converge()
    later = METERED | {"measure_usage_from": "2026-11-24T12:01:00Z"}
    ws.write("catalog/a.yaml", CATALOG | {"entitlements": {"acme": {"ai": later}}})
    with pytest.raises(PlanError, match="measure_usage_from lies in the future") as error:
        ws.plan()
    assert [address for address, _ in error.value.reasons] == ["entitlements.acme.ai"]
    ws.clock("2026-11-24T12:01:00Z")
    ws.converge()


def test_what_is_measured_already_is_not_measured_anew_from_the_future(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG | {"entitlements": {"acme": {"ai": METERED}}})
    ws.converge()
    later = METERED | {"measure_usage_from": "2026-12-24T12:01:00Z", "issue": {"amount": 7}}
    ws.write("catalog/a.yaml", CATALOG | {"entitlements": {"acme": {"ai": later}}})
    ws.converge()
    assert ws.http.get("/api/v2/customers/acme/entitlements/ai/value").json()["balance"] == 7


def test_a_number_that_json_cannot_carry_is_refused_since_a_refused_override_destroys_grants(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    ws.write("catalog/b.yaml", "entitlements: {acme: {sso: {type: static, config: {max: .inf}}}}")
    with pytest.raises(CatalogError, match="holds a number that JSON cannot carry"):
        ws.plan()


# -- what changes become --------------------------------------------------------------------------------------------


def declare(ws: Workspace, *, grants: dict[str, Any] | None = None, **entitlements: dict[str, Any]) -> None:
    catalog = CATALOG | {"entitlements": {"acme": entitlements}}
    ws.write("catalog/a.yaml", catalog | ({"grants": {"acme": {"ai": grants}}} if grants else {}))


def path_of(change: Change) -> tuple[Any, ...]:
    path = change.steps[0].path
    return path[: path.index("entitlements") + 1]


def test_new_entitlements_are_posts_in_the_narrow_lane(ws: Workspace) -> None:
    config = {"max": 25, "a": [1.5]}
    declare(
        ws,
        ai=METERED | {"issue": {"amount": "10.5"}, "measure_usage_from": "current_period_start"},
        sso={"type": "static", "config": config},
    )
    by_name = {str(c.address): c for c in ws.plan().changes}
    customer = Ref("id", "customers.acme")
    path = ("api", "v2", "customers", customer, "entitlements")
    assert by_name[AI].steps == (
        Step(
            "POST",
            path,
            {
                "featureKey": "ai",
                "type": "metered",
                "usagePeriod": {"interval": "MONTH"},
                "issue": {"amount": 10.5},
                "isSoftLimit": False,
                "preserveOverageAtReset": False,
                "measureUsageFrom": "CURRENT_PERIOD_START",
                "metadata": OWNED,
            },
            lane="narrow",
            saves=AI,
            find=Find((*path, "ai"), (("featureKey", "ai"), ("type", "metered"))),
        ),
    )
    assert by_name["entitlements.acme.sso"].steps[0].body["config"] == '{"a":[1.5],"max":25}'
    assert by_name[AI].needs == ("customers.acme", "features.ai")
    assert by_name[AI].cls is Class.COMMERCIAL
    ws.converge()


@pytest.mark.parametrize(
    "fields",
    [
        METERED | {"issue": {"priority": 2}},
        METERED | {"issue": {"amount": 5, "priority": 255}, "is_soft_limit": True, "preserve_overage_at_reset": True},
        {**METERED, "usage_period": {"interval": "P2W", "anchor": "2026-01-31T10:20:30+02:00"}},
        {**METERED, "usage_period": {"interval": "PT24H"}},
        {**METERED, "usage_period": {"interval": "P1M2DT3H"}},
        METERED | {"measure_usage_from": "2026-11-01T00:00:30Z", "metadata": {"note": "two words"}},
        {"type": "static", "config": {"b": 1.50, "aa": [True, None], "a": "ü"}},
        {"type": "boolean", "metadata": {"note": ""}},
    ],
)
def test_what_was_applied_is_no_diff_afterwards(ws: Workspace, fields: dict[str, Any]) -> None:
    declare(ws, ai=fields)
    ws.converge()
    assert ws.plan().held == ()


def test_another_amount_is_an_override_that_keeps_the_period_and_its_usage(ws: Workspace) -> None:
    declare(ws, ai=METERED | {"issue": {"amount": 10}})
    ws.converge()
    ws.clock("2026-12-01T12:00:00Z")
    declare(ws, ai=METERED | {"issue": {"amount": 20}})
    [change] = ws.plan().changes
    path = path_of(change)
    assert (change.action, change.reasons, change.cls) == ("replace", ("fixed:issue.amount",), Class.COMMERCIAL)
    assert change.reads == (Read("now", (*path, "ai")),)
    [override] = change.steps
    assert (override.method, override.path, override.lane) == ("PUT", (*path, "ai", "override"), "narrow")
    assert override.body == {
        "featureKey": "ai",
        "type": "metered",
        "usagePeriod": {"interval": "MONTH", "anchor": "2026-11-24T12:00:00Z"},
        "issue": {"amount": 20},
        "isSoftLimit": False,
        "preserveOverageAtReset": False,
        "measureUsageFrom": Ref("period_start", AI),
        "metadata": OWNED,
    }
    assert override.find == Find((*path, "ai"), (("type", "metered"), ("id!", Ref("replaced_id", AI))))
    ws.converge()


def test_an_override_reads_what_is_left_and_makes_every_grant_again(ws: Workspace) -> None:
    grants = {
        "welcome": {
            "amount": 5,
            "effective_at": "2026-11-24T12:00:00Z",
            "expiration": {"duration": "month", "count": 2},
        },
        "weekly": {"amount": 7, "effective_at": "2026-11-24T12:00:00Z", "recurrence": {"interval": "week"}},
    }
    declare(ws, ai=METERED | {"issue": {"amount": 10}}, grants=grants)
    ws.converge()
    ws.clock("2027-01-05T12:00:00Z")
    declare(ws, ai=METERED | {"issue": {"amount": 20}}, grants=grants)
    [change] = [c for c in ws.plan().changes if str(c.address) == AI]
    path = path_of(change)
    assert change.reads == (
        Read("now", (*path, "ai")),
        Read("value", (*path, "ai", "value"), (("time", Ref("period_start", AI)),)),
        Read("grants", (*path, "ai", "grants"), (("pageSize", 1000),)),
    )
    override, *copies = change.steps
    assert override.body["metadata"] == OWNED | {"bac.carried": Ref("carried", AI)}
    assert [(c.method, c.path) for c in copies] == [("POST", (*path, "ai", "grants"))] * 3
    by_saves = {c.saves: c for c in copies}
    welcome = by_saves["grants.acme.ai.welcome"]
    old = welcome.body["metadata"]["bac.from"]
    assert welcome.body["amount"] == Ref("left", AI, f"{old} whole")
    assert welcome.body["effectiveAt"] == Ref("start", AI, f"{old} whole")
    assert welcome.body["expiration"] == Ref("expiration", AI, f"{old} whole")
    assert welcome.when == Ref("left", AI, f"{old} whole")
    assert welcome.find is not None
    assert welcome.find.where == (("metadata.bac.from", old), ("recurrence?", False))
    # a recurring grant becomes its remainder until it recurs, and the recurring one from then
    recurring = [c for c in copies if c is not welcome]
    assert sorted("recurrence" in c.body for c in recurring) == [False, True]
    assert {c.body["metadata"].get("bac.rest") or c.body["metadata"].get("bac.key") for c in recurring} == {"weekly"}
    ws.converge()


def test_another_interval_restarts_usage_and_says_so(ws: Workspace) -> None:
    declare(ws, ai=METERED | {"issue": {"amount": 10}})
    ws.converge()
    declare(ws, ai={"type": "metered", "usage_period": {"interval": "week"}, "issue": {"amount": 10}})
    [change] = ws.plan().changes
    assert change.cls is Class.BREAKING
    assert ("usage_restarts", "") in change.notes
    assert change.steps[0].body["measureUsageFrom"] == Ref("minute", AI)
    ws.converge()


def test_another_type_is_an_override_that_tells_which_grants_it_destroys(ws: Workspace) -> None:
    grant = {"amount": 5, "effective_at": "2026-11-24T12:00:00Z"}
    declare(ws, ai=METERED, grants={"welcome": grant})
    ws.converge()
    declare(ws, ai={"type": "static", "config": {"max": 1}})
    [change] = ws.plan().changes
    assert (change.action, change.cls, change.destroys) == (
        "replace",
        Class.BREAKING,
        (("grants.acme.ai.welcome", "grant"),),
    )
    [override] = change.steps
    assert override.body == {"featureKey": "ai", "type": "static", "config": '{"max":1}', "metadata": OWNED}
    ws.converge()


@pytest.mark.parametrize(
    ("before", "after", "cls"),
    [
        ({"issue": {"amount": 10}}, {"issue": {"amount": 9}}, Class.BREAKING),
        ({"issue": {"amount": 9}}, {"issue": {"amount": "9.5"}}, Class.COMMERCIAL),
        ({}, {"is_soft_limit": True}, Class.COMMERCIAL),
        ({"is_soft_limit": True}, {}, Class.BREAKING),
        ({}, {"preserve_overage_at_reset": True}, Class.BREAKING),
        ({"issue": {"amount": 1}}, {"issue": {"amount": 1, "priority": 9}}, Class.SAFE),
    ],
)
def test_less_is_breaking_and_more_is_commercial(
    ws: Workspace, before: dict[str, Any], after: dict[str, Any], cls: Class
) -> None:
    declare(ws, ai=METERED | before)
    ws.converge()
    declare(ws, ai=METERED | after)
    assert ws.plan().changes[0].cls is cls


@pytest.mark.parametrize(
    ("before", "after", "cls"),
    [
        ({"max": 1}, {"max": 2}, Class.COMMERCIAL),
        ({"max": 2}, {"max": 1}, Class.BREAKING),
        ({"max": 1}, {"max": 1, "more": 1}, Class.COMMERCIAL),
        ({"max": 1, "more": 1}, {"max": 1}, Class.BREAKING),
        ({"on": False}, {"on": True}, Class.COMMERCIAL),
        ({"on": True}, {"on": False}, Class.BREAKING),
        ({"on": 1}, {"on": True}, Class.BREAKING),
        (["a"], ["b"], Class.BREAKING),
        ([1], [True], Class.BREAKING),
    ],
)
def test_a_static_value_that_only_grows_is_commercial(ws: Workspace, before: Any, after: Any, cls: Class) -> None:
    declare(ws, sso={"type": "static", "config": before})
    ws.converge()
    declare(ws, sso={"type": "static", "config": after})
    assert ws.plan().changes[0].cls is cls


def test_one_that_left_the_catalog_is_deleted_with_its_grants(ws: Workspace) -> None:
    declare(ws, ai=METERED, grants={"welcome": {"amount": 5, "effective_at": "2026-11-24T12:00:00Z"}})
    ws.converge()
    declare(ws)
    [change] = ws.converge().changes
    assert change.before is not None
    own = (*path_of(change), change.before.id)
    assert (change.action, change.destroys) == ("delete", (("grants.acme.ai.welcome", "grant"),))
    assert (change.reads, change.steps) == ((Read("now", own),), (Step("DELETE", own, lane="narrow", gone=True),))


@pytest.mark.parametrize("gap", [False, True])
def test_a_replaced_meter_is_bridged_unless_a_gap_is_allowed(ws: Workspace, gap: bool) -> None:
    declare(ws, ai=METERED | {"issue": {"amount": 10}})
    ws.converge()
    meters = {"tokens": CATALOG["meters"]["tokens"] | {"event_type": "completion"}}
    entitlements = {"acme": {"ai": METERED | {"issue": {"amount": 10}}}}
    ws.write("catalog/a.yaml", CATALOG | {"meters": meters, "entitlements": entitlements})
    plan = ws.plan(gap=gap)
    by_name = {str(c.address): c for c in plan.changes}
    [prepared] = by_name[AI].prepare
    if gap:
        assert (prepared.method, by_name[AI].steps[0].method) == ("DELETE", "POST")
        assert [s.method for s in by_name["features.ai"].prepare] == ["DELETE"]
    else:
        assert prepared.path[-1] == "override"
        assert prepared.body["type"] == "boolean"
        assert prepared.body["metadata"]["bac.period"] == Ref("period", AI)
        assert (by_name[AI].steps[0].method, by_name[AI].steps[0].path[-1]) == ("PUT", "override")
        assert [s.method for s in by_name["features.ai"].prepare] == ["DELETE", "POST"]
    assert set(by_name["meters.tokens"].needs) >= {"features.ai#prepare", f"{AI}#prepare"}
    _, outcome = ws.apply(plan)
    assert outcome.whole
    assert ws.plan().changes == ()
