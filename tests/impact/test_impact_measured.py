"""Whom a plan hits, measured on a server that has usage."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from commands import against
from workspace import Workspace

from billing_as_code import plan as plans
from billing_as_code import service
from billing_as_code.errors import CatalogError, UsageError
from billing_as_code.impact import Hit, Impact
from billing_as_code.planschema import plan_schema
from billing_as_code.render import impact_html

NOW = "2026-11-16T12:00:00Z"
ANCHOR = "2026-11-01T00:00:00Z"


def metered(amount: int, **others: Any) -> dict[str, Any]:
    return {
        "type": "metered",
        "usage_period": {"interval": "month", "anchor": ANCHOR},
        "issue": {"amount": amount},
        "measure_usage_from": ANCHOR,
        **others,
    }


CATALOG: dict[str, Any] = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
    "features": {"ai": {"meter": "tokens"}, "sso": {}, "seats": {}},
    "customers": {key: {"name": key, "subjects": [key]} for key in ("acme", "globex", "initech", "umbrella")},
    "entitlements": {
        "acme": {"ai": metered(1000), "sso": {"type": "boolean"}, "seats": {"type": "static", "config": {"max": 10}}},
        "globex": {"ai": metered(1000)},
        "initech": {"ai": metered(1000)},
        "umbrella": {"ai": metered(1000, is_soft_limit=True)},
    },
}


def use(ws: Workspace, customer: str, *days: tuple[str, int]) -> None:
    """Let a customer use something, at noon of each day."""
    events = [
        {
            "specversion": "1.0",
            "id": f"{customer}-{day}",
            "source": "test",
            "type": "prompt",
            "subject": customer,
            "time": f"{day}T12:00:00Z",
            "data": {"n": amount},
        }
        for day, amount in days
    ]
    headers = {"content-type": "application/cloudevents-batch+json"}
    ws.http.post("/api/v1/events", json=events, headers=headers).raise_for_status()


def with_amount(amount: int) -> dict[str, Any]:
    entitlements = {
        customer: {f: ({**e, "issue": {"amount": amount}} if f == "ai" else e) for f, e in features.items()}
        for customer, features in CATALOG["entitlements"].items()
    }
    return {**CATALOG, "entitlements": entitlements}


@pytest.fixture
def used(ws: Workspace) -> Workspace:
    """Four customers of 1,000 a month, half of the month gone."""
    ws.clock(NOW)
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    use(ws, "acme", ("2026-08-10", 600), ("2026-09-10", 610), ("2026-10-10", 620), ("2026-11-05", 700))
    use(ws, "globex", ("2026-09-10", 480), ("2026-10-10", 500), ("2026-11-05", 300))
    use(ws, "initech", ("2026-10-10", 100), ("2026-11-05", 40))
    use(ws, "umbrella", ("2026-11-05", 650))
    ws.forget()
    return ws


def impact(ws: Workspace, **options: Any) -> Impact:
    with ws.session() as session:
        found = service.plan_with_impact(session, **options).impact
    assert found is not None
    return found


def by_customer(found: Impact) -> dict[str, Hit]:
    return {hit.customer: hit for hit in found.hits}


def test_a_lower_amount_says_who_is_over_it_and_who_will_be(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    hits = by_customer(impact(used))
    assert {c: (h.outcome, h.confidence) for c, h in hits.items()} == {
        "acme": ("loses_access", "certain"),
        "globex": ("would_be_over", "high"),
        "initech": ("within", "high"),
        "umbrella": ("over", "certain"),
    }
    acme = hits["acme"]
    assert (acme.limit, acme.limit_after, acme.usage) == (Decimal(1000), Decimal(500), Decimal(700))
    assert acme.past == (Decimal(620), Decimal(610), Decimal(600))
    assert acme.by == ("entitlements.acme.ai",)
    assert acme.how == ("amount",)
    assert hits["globex"].past == (Decimal(500), Decimal(480), None)


def test_a_plan_that_takes_nothing_asks_nothing(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(2000))
    found = impact(used)
    assert (found.hits, found.touched, found.asked) == ((), 0, 0)
    assert [r["path"] for r in used.requests() if r["path"].endswith(("/value", "/query"))] == []


def test_what_is_taken_away_is_told_of_everyone_who_has_it(used: Workspace) -> None:
    acme = {"seats": {"type": "static", "config": {"max": 5}}}
    used.write("catalog/all.yaml", {**CATALOG, "entitlements": {**CATALOG["entitlements"], "acme": acme}})
    hits = {hit.feature: hit for hit in impact(used).hits}
    assert {f: (h.outcome, h.how, h.why) for f, h in hits.items()} == {
        "ai": ("loses_access", ("gone",), ""),
        "sso": ("loses_access", ("gone",), ""),
        "seats": ("unknown", ("config",), "static"),
    }
    assert (hits["ai"].usage, hits["ai"].past[0]) == (Decimal(700), Decimal(620))


def test_the_new_limit_is_the_one_that_apply_makes(used: Workspace) -> None:
    """What is foretold of access and of what may be used is what OpenMeter says afterwards."""
    promo = {"amount": 300, "effective_at": "2026-11-02T00:00:00Z"}
    used.write("catalog/all.yaml", {**CATALOG, "grants": {c: {"ai": {"promo": promo}} for c in ("acme", "globex")}})
    used.converge()
    lowered = {**with_amount(500), "grants": {"globex": {"ai": {"promo": {**promo, "amount": 100}}}}}
    used.write("catalog/all.yaml", lowered)
    hits = by_customer(impact(used))
    used.converge()
    for customer, hit in hits.items():
        value = used.http.get(f"/api/v2/customers/{customer}/entitlements/ai/value").json()
        assert hit.limit_after == Decimal(repr(value["totalAvailableGrantAmount"]))
        assert (hit.outcome == "loses_access") == (not value.get("hasAccess", False)), customer
        assert hit.usage == Decimal(repr(value["usage"]))


def test_a_shorter_period_at_the_same_amount_is_more_and_a_longer_one_less(used: Workspace) -> None:
    daily = {**metered(1000), "usage_period": {"interval": "day"}}
    yearly = {**metered(1000), "usage_period": {"interval": "year", "anchor": ANCHOR}}
    entitlements = {**CATALOG["entitlements"], "globex": {"ai": daily}, "initech": {"ai": yearly}}
    used.write("catalog/all.yaml", {**CATALOG, "entitlements": entitlements})
    hits = by_customer(impact(used))
    assert set(hits) == {"initech"}
    assert (hits["initech"].how, hits["initech"].usage) == (("reset",), Decimal(0))
    assert hits["initech"].past == (Decimal(140), None, None)


def test_another_anchor_starts_a_period_that_ends_on_its_grid(used: Workspace) -> None:
    moved = {**metered(300), "usage_period": {"interval": "month", "anchor": "2026-11-20T00:00:00Z"}}
    entitlements = {**CATALOG["entitlements"], "globex": {"ai": moved}}
    used.write("catalog/all.yaml", {**CATALOG, "entitlements": entitlements})
    (hit,) = impact(used).hits
    assert hit.period is not None
    assert (hit.usage, hit.period.start.day, hit.period.end.day) == (Decimal(0), 16, 20)


def test_a_meter_made_anew_is_counted_otherwise_and_nothing_is_foretold(used: Workspace) -> None:
    meters = {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.tokens"}}
    used.write("catalog/all.yaml", {**CATALOG, "meters": meters})
    hits = by_customer(impact(used))
    assert {(h.outcome, h.how, h.why) for h in hits.values()} == {("unknown", ("recounted",), "recounted")}
    assert hits["acme"].usage == Decimal(700)


def test_whoever_holds_an_archived_feature_on_keeps_it(used: Workspace) -> None:
    created = used.http.post("/api/v1/customers", json={"key": "theirs", "name": "Theirs"})
    body = {"type": "boolean", "featureKey": "sso"}
    used.http.post(f"/api/v2/customers/{created.json()['id']}/entitlements", json=body).raise_for_status()
    entitlements = {**CATALOG["entitlements"], "acme": {"ai": metered(1000)}}
    features = {"ai": {"meter": "tokens"}}
    used.write("catalog/all.yaml", {**CATALOG, "features": features, "entitlements": entitlements})
    hits = {(h.customer, h.feature): h for h in impact(used).hits}
    assert hits["theirs", "sso"].outcome == "within"
    assert hits["theirs", "sso"].how == ("archived",)
    assert hits["acme", "sso"].outcome == "loses_access"


def test_past_usage_is_narrowed_down_as_the_feature_is(used: Workspace) -> None:
    dimension = {"model": "$.model"}
    catalog = {
        **CATALOG,
        "meters": {"tokens": {**CATALOG["meters"]["tokens"], "dimensions": dimension}},
        "features": {**CATALOG["features"], "large": {"meter": "tokens", "filters": {"model": {"in": ["xl", "xxl"]}}}},
        "entitlements": {"acme": {"large": metered(1000)}},
    }
    used.write("catalog/all.yaml", catalog)
    used.converge()
    event = {"specversion": "1.0", "source": "test", "type": "prompt", "subject": "acme"}
    for n, model in enumerate(("s", "xl", "xxl")):
        data = {"n": 10 ** (n + 1), "model": model}
        used.http.post(
            "/api/v1/events",
            json={**event, "id": model, "time": "2026-10-10T12:00:00Z", "data": data},
            headers={"content-type": "application/cloudevents+json"},
        ).raise_for_status()
    used.write("catalog/all.yaml", {**catalog, "entitlements": {"acme": {"large": metered(900)}}})
    (hit,) = impact(used).hits
    assert hit.past[0] == Decimal(1100)


# -- many customers, and failures -----------------------------------------------------------------------------------


def test_of_too_many_customers_a_sample_is_asked_that_says_the_same_of_those(
    used: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    whole = by_customer(impact(used))
    monkeypatch.setattr(service.impacting, "MOST_CUSTOMERS", 2)
    used.forget()
    found = impact(used)
    assert (found.touched, found.asked, found.unasked, found.sampled) == (4, 2, 2, True)
    assert len([r for r in used.requests() if r["path"].endswith("/value")]) == 2
    for customer, hit in by_customer(found).items():
        assert (hit.outcome, hit.limit_after, hit.past) == (
            whole[customer].outcome,
            whole[customer].limit_after,
            whole[customer].past,
        )
    assert by_customer(impact(used)).keys() == by_customer(found).keys()
    assert not impact(used, full=True).sampled


def test_a_sample_says_that_it_is_one_and_how_far_it_can_be_trusted(
    used: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.impacting, "MOST_CUSTOMERS", 2)
    bac = against(used, monkeypatch)
    used.write("catalog/all.yaml", with_amount(500))
    said = "A sample: the usage of 2 customers of 4 was read, drawn by chance"
    for told in (bac("impact").stdout, bac("plan", "--impact", "--format", "markdown").stdout):
        assert said in told
        assert re.search(r"\(of all: about \d, \d to \d\)", told)
    assert json.loads(bac("impact", "--json").stdout)["unasked"] == 2


def test_after_enough_failures_in_a_row_nothing_more_is_asked(used: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.impacting, "_ENOUGH_FAILED", 2)
    used.configure(environments={"local": {"reads": 1}})
    used.write("catalog/all.yaml", with_amount(500))
    used.faults({"method": "GET", "path": "*/value", "status": 503})
    used.forget()
    hits = impact(used).hits
    assert {(h.outcome, "503" in h.why) for h in hits} == {("unknown", True)}
    asked = [r["path"] for r in used.requests() if r["path"].endswith(("/value", "/query"))]
    assert len(set(asked)) == 2


def test_past_periods_are_asked_of_many_customers_at_once(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    impact(used)
    queries = [r for r in used.requests() if r["path"].endswith("/query")]
    assert len(queries) == 3
    assert len([r for r in used.requests() if r["path"].endswith("/value")]) == 4


def test_a_value_that_cannot_be_read_hides_no_other(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    customer = used.http.get("/api/v1/customers/globex").json()["id"]
    used.faults({"method": "GET", "path": f"/api/v2/customers/{customer}/*", "status": 500})
    hits = by_customer(impact(used))
    assert (hits["globex"].outcome, hits["globex"].confidence) == ("unknown", "low")
    assert "500" in hits["globex"].why
    assert hits["acme"].outcome == "loses_access"


def test_without_the_past_the_pace_of_this_period_has_to_do(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    used.faults({"method": "GET", "path": "/api/v1/meters/*", "status": 500})
    hits = by_customer(impact(used))
    assert {h.why for h in hits.values()} == {"past_unread"}
    assert hits["globex"].past == ()
    assert hits["globex"].outcome == "would_be_over"


def test_an_answer_that_is_no_value_is_told(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    used.faults({"method": "GET", "path": "*/value", "status": 200, "body": {"hasAccess": True, "usage": "many"}})
    found = impact(used)
    assert {h.outcome for h in found.hits} == {"unknown"}
    assert all("not as OpenMeter gives it" in h.why for h in found.hits)


# -- what if --------------------------------------------------------------------------------------------------------


def supposing(ws: Workspace, *asked: str) -> Impact:
    with ws.session() as session:
        return service.what_if(session, asked)


def test_what_if_asks_of_what_is_supposed_and_of_nothing_else(used: Workspace) -> None:
    used.write("catalog/all.yaml", {**with_amount(400), "customers": CATALOG["customers"]})
    found = supposing(used, "entitlements.[ag]*.ai.issue.amount=650")
    assert {h.customer: h.outcome for h in found.hits} == {"acme": "loses_access", "globex": "within"}
    assert used.writes() == []


def test_what_if_takes_resources_out_and_sets_what_is_inside_of_a_value(used: Workspace) -> None:
    found = supposing(used, "entitlements.acme.sso=null", "entitlements.acme.seats.config.max=3")
    assert {h.feature: h.outcome for h in found.hits} == {"sso": "loses_access", "seats": "unknown"}


def test_a_key_in_quotes_is_meant_as_it_stands(used: Workspace) -> None:
    extra = {"a*": {"name": "Star"}, "a b.c": {"name": "Dots"}}
    entitlements = {**CATALOG["entitlements"], "a*": {"ai": metered(10)}, "a b.c": {"ai": metered(10)}}
    customers = {**CATALOG["customers"], **extra}
    used.write("catalog/all.yaml", {**CATALOG, "customers": customers, "entitlements": entitlements})
    used.converge()
    for asked, meant in (('"a*"', {"a*"}), ("a*", {"acme", "a*", "a b.c"}), ('"a b.c"', {"a b.c"})):
        assert by_customer(supposing(used, f"entitlements.{asked}.ai.issue.amount=5")).keys() == meant


def test_a_pattern_means_those_that_have_the_field(used: Workspace) -> None:
    assert {h.feature for h in supposing(used, "entitlements.*.*.issue.amount=1").hits} == {"ai"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nonsense", "is no address, field and value"),
        ("entitlement.a.b.c=1", "did you mean `entitlements`?"),
        ("entitlements.acme.ai.isue.amount=5", "did you mean `issue.amount`?"),
        ("entitlements.acme.nothing.issue.amount=5", "nothing in the catalog is meant by that"),
        ("entitlements.acme.ai=5", "names no field"),
        ("entitlements.acme.ai.issue.amount=[", "the value cannot be read"),
        ("entitlements.acme.ai.issue.amount=5\nb: 3", "is more than one value"),
        ("entitlements.acme.ai.issue.amount=-5", "must be at least 0"),
    ],
)
def test_what_means_nothing_is_refused_with_a_remedy(used: Workspace, asked: str, said: str) -> None:
    with pytest.raises((UsageError, CatalogError), match=re.escape(said)):
        supposing(used, asked)


# -- as a document, and as people see it ----------------------------------------------------------------------------


def test_a_plan_file_keeps_the_impact_and_is_the_same_plan_by_its_digest(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    with used.session() as session:
        made = service.plan_with_impact(session)
    assert made.impact is not None
    again = plans.load(made.file())
    assert again.impact == made.impact
    assert again.digest == made.digest == used.plan().digest
    jsonschema.Draft202012Validator(plan_schema()).validate(json.loads(made.file()))
    _, outcome = used.apply(again)
    assert outcome.whole


def test_an_impact_that_was_written_into_a_plan_by_hand_is_no_plan(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    with used.session() as session:
        data = json.loads(service.plan_with_impact(session).file())
    data["impact"]["features"]["ai"]["outcomes"]["loses_access"] = 0
    with pytest.raises(UsageError):
        plans.load(json.dumps(data))


def test_commands_tell_counts_names_and_method(used: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    bac = against(used, monkeypatch)
    assert bac("impact").stdout == "Hits nobody: nothing is taken from any customer.\n"
    used.write("catalog/all.yaml", with_amount(500))
    told = bac("plan", "--impact").stdout
    assert "Whom it hits: 4 customers\n  1 loses access now\n" in told
    assert re.search(r"acme +loses access +700 +1,18\d +1,000 → 500 +certain +amount", told)
    assert "the average of the last" in told
    comment = bac("plan", "--impact", "--format", "markdown").stdout
    assert "| `ai` | 1 | 1 | 1 | 1 |  | 2 certain, 2 high |" in comment
    assert "acme" not in comment[comment.index("#### Whom") : comment.index("</details>")]
    found = json.loads(bac("impact", "--json").stdout)
    assert found["customers"] == {"loses_access": 1, "over": 1, "would_be_over": 1, "within": 1, "unknown": 0}
    assert [hit["customer"] for hit in found["hits"]] == ["acme", "umbrella", "globex", "initech"]
    assert json.loads(bac("plan", "--full", "--json").stdout)["plan"]["impact"]["asked"] == 4
    shorter = bac("impact", "--names", "1").stdout
    assert "… and 3 more customers (--json has all)" in shorter


def test_the_page_names_everyone_and_escapes_what_is_not_ours(used: Workspace) -> None:
    used.write("catalog/all.yaml", with_amount(500))
    found = impact(used)
    evil = replace(found, hits=tuple(replace(h, customer="<script>&" + h.customer) for h in found.hits))
    page = impact_html.section(evil)
    ElementTree.fromstring(page)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;&amp;acme") == 2  # in the table and in the picture
    assert page.count("<rect") == 4
