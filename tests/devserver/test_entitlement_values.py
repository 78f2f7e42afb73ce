"""Values, access, resets: what is left at a time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import ENTITLEMENTS, TOKENS, advance, at, grant, metered, ok, refused, set_up, use, value

ACCESS = "/api/v1/customers/acme/access"


def reset(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post(f"{TOKENS}/reset", json=body)


@pytest.fixture(autouse=True)
def catalog(client: httpx.Client) -> None:
    set_up(client)


def test_access_goes_with_the_balance_unless_the_limit_is_soft(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    metered(client, featureKey="more_tokens", isSoftLimit=True)
    use(client, 10, at(12, 1), subject="acme")
    advance(client, at(12, 5))
    used_up = {"balance": 0, "usage": 10, "overage": 0, "totalAvailableGrantAmount": 10}
    access = ok(client.get(ACCESS))["entitlements"]
    assert {k: v for k, v in access["tokens"].items() if k != "grantBalances"} == used_up
    assert access["more_tokens"]["hasAccess"] is True and access["more_tokens"]["overage"] == 10
    assert ok(client.get("/api/v1/customers/acme/entitlements/tokens/value")) == {"hasAccess": False} | used_up
    assert ok(client.get("/api/v1/customers/acme/entitlements/nope/value")) == {"hasAccess": False}
    assert value(client, of=f"{ENTITLEMENTS}/nope") == {}
    refused(client.get("/api/v1/subjects/acme-1/entitlements/nope/value"), 404)


def test_all_names_of_the_customer_are_its_usage_and_no_others(client: httpx.Client) -> None:
    metered(client, issue={"amount": 100})
    for amount, subject in ((1, "acme"), (2, "acme-1"), (4, "acme-2"), (8, "globex"), (16, "nobody")):
        use(client, amount, at(12, 1), subject=subject)
    assert value(client, at(12, 2))["usage"] == 7


def test_a_value_is_rounded_up_to_the_minute(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    use(client, 4, at(12, 10))
    assert value(client, at(12, 10))["usage"] == 0
    assert value(client, "2026-11-24T12:10:00.1Z")["usage"] == 4


def test_there_is_no_value_before_or_after_the_entitlement(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    assert value(client, "2026-11-24T11:59:59Z") == {}
    advance(client, at(12, 30))
    ok(client.put(f"{TOKENS}/override", json={"type": "boolean", "featureKey": "tokens"}))
    assert value(client, at(12, 40)) == {"hasAccess": True}


def test_of_a_deleted_one_only_what_needs_no_balance_is_found_in_the_past(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    ok(client.post(ENTITLEMENTS, json={"type": "static", "featureKey": "seats", "config": "{}"}))
    advance(client, at(12, 30))
    for key in ("tokens", "seats"):
        ok(client.delete(f"{ENTITLEMENTS}/{key}"))
    assert value(client, at(12, 10), of=f"{ENTITLEMENTS}/seats") == {"hasAccess": True, "config": "{}"}
    assert value(client, at(12, 10)) == {}


def test_an_issued_grant_is_whole_again_after_each_period(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True)
    use(client, 14, at(12, 10))
    assert value(client, at(12, 59))["overage"] == 4
    shown = value(client, at(13, 1))
    assert (shown["balance"], shown["usage"], shown["totalAvailableGrantAmount"]) == (6, 0, 10)


def test_a_balance_once_asked_for_does_not_see_usage_reported_late(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True)
    assert value(client, at(13, 30))["balance"] == 10
    use(client, 14, at(12, 10))
    # The balance at 13:00 was saved; what is asked before it still counts everything.
    assert value(client, at(12, 30))["overage"] == 4
    assert value(client, at(13, 30))["balance"] == 10


def test_a_grant_makes_saved_balances_after_it_void(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True)
    value(client, at(13, 30))
    use(client, 14, at(12, 10))
    grant(client, 1, effectiveAt=at(12))
    assert value(client, at(13, 30))["grantBalances"].keys()
    assert value(client, at(13, 30))["balance"] == 7


def test_a_reset_starts_a_period_and_moves_the_grid_unless_told(client: httpx.Client) -> None:
    made = metered(client, issue={"amount": 10}, usagePeriod={"interval": "DAY", "anchor": at(10)})
    use(client, 4, at(12, 10))
    advance(client, at(13))
    ok(reset(client, effectiveAt=at(12, 20), retainAnchor=True))
    kept = ok(client.get(TOKENS))
    assert kept["currentUsagePeriod"] == {"from": at(12, 20), "to": "2026-11-25T10:00:00Z"}
    ok(reset(client, effectiveAt="2026-11-24T12:40:30Z"))
    moved = ok(client.get(TOKENS))
    assert moved["currentUsagePeriod"] == {"from": at(12, 40), "to": "2026-11-25T12:40:00Z"}
    assert moved["usagePeriod"] == made["usagePeriod"]
    assert (moved["lastReset"], moved["measureUsageFrom"]) == (at(12, 40), at(10))
    assert moved["updatedAt"] > made["updatedAt"]


def test_resets_are_refused_in_the_future_before_the_period_or_before_the_last(client: httpx.Client) -> None:
    metered(client, usagePeriod={"interval": "DAY", "anchor": at(10)})
    detail = refused(reset(client, effectiveAt="2026-11-24T15:00:00+02:00"), 400)
    assert detail == "validation error: cannot reset at 2026-11-24 15:00:00 +0200 +0200 in the future"
    detail = refused(reset(client, effectiveAt="2026-11-24T10:00:59Z"), 400)
    assert detail.endswith("must be after last reset at 2026-11-24 10:00:00 +0000 UTC")
    assert "is before current usage period start" in refused(reset(client, effectiveAt=at(9)), 400)
    ok(reset(client, effectiveAt=at(11)))
    assert "is before current usage period start" in refused(reset(client, effectiveAt=at(10, 30)), 400)
    ok(client.post(ENTITLEMENTS, json={"type": "boolean", "featureKey": "sso"}))
    refused(client.post(f"{ENTITLEMENTS}/sso/reset", json={}), 400)


def test_a_reset_may_fall_on_the_start_of_the_running_period_once(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True)
    use(client, 3, at(12, 10))
    advance(client, at(12, 30))
    ok(reset(client, effectiveAt=at(12)))
    assert value(client)["balance"] == 7
    assert ok(client.get(TOKENS))["currentUsagePeriod"] == {"from": at(12), "to": at(13)}
    refused(reset(client, effectiveAt=at(12)), 400)


def test_a_kept_grid_goes_on_from_the_last_anchor_and_not_the_first(client: httpx.Client) -> None:
    metered(client, usagePeriod={"interval": "PT4H", "anchor": at(10)})
    advance(client, at(12, 30))
    ok(reset(client, effectiveAt=at(12, 10)))
    ok(reset(client, effectiveAt=at(12, 20), retainAnchor=True))
    assert ok(client.get(TOKENS))["currentUsagePeriod"] == {"from": at(12, 20), "to": at(16, 10)}


@pytest.mark.parametrize(("given", "overage"), [({}, 4), ({"preserveOverage": False}, 0)])
def test_a_reset_keeps_overage_as_the_entitlement_says_unless_told(
    client: httpx.Client, given: dict[str, Any], overage: int
) -> None:
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True, usagePeriod={"interval": "DAY"})
    use(client, 14, at(12, 10))
    advance(client, at(12, 30))
    ok(reset(client, **given))
    shown = value(client)
    assert (shown["balance"], shown["usage"]) == (10 - overage, 0)


def test_what_was_voided_is_not_issued_again_by_a_reset(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    issued = ok(client.get(f"{TOKENS}/grants"))["items"][0]
    assert issued["annotations"] == {"issueAfterReset": True} and issued["effectiveAt"] == at(12)
    advance(client, at(12, 10))
    ok(client.delete(f"/api/v1/grants/{issued['id']}"))
    ok(reset(client))
    assert value(client, at(14))["balance"] == 0


def test_periods_before_the_entitlement_was_made_had_no_grant(client: httpx.Client) -> None:
    use(client, 25, at(11, 30))
    metered(client, issue={"amount": 10})
    shown = value(client, at(12, 1))
    assert (shown["balance"], shown["overage"], shown["usage"]) == (10, 0, 0)
    ok(client.delete(TOKENS))
    metered(client, issue={"amount": 10}, preserveOverageAtReset=True)
    # A grant that starts with a period pays what was preserved twice: at the rollover, and when it is filled.
    shown = value(client, at(12, 1))
    assert (shown["balance"], shown["overage"], shown["usage"]) == (0, 5, 0)
    assert shown["totalAvailableGrantAmount"] == 20


def test_measuring_from_the_future_has_no_value_yet(client: httpx.Client) -> None:
    metered(client, measureUsageFrom=at(14))
    assert client.get(f"{TOKENS}/value").status_code == 500
    assert client.get(ACCESS).status_code == 500
    assert value(client, at(14))["usage"] == 0


def test_a_feature_counts_what_its_filters_let_through(client: httpx.Client) -> None:
    meter = {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT", "groupBy": {"n": "$.n"}}
    ok(client.post("/api/v1/meters", json=meter))
    body = {"key": "f", "name": "f", "meterSlug": "calls", "advancedMeterGroupByFilters": {"n": {"$in": ["1", "2"]}}}
    ok(client.post("/api/v1/features", json=body))
    metered(client, featureKey="f", issue={"amount": 10})
    for amount in (1, 2, 3, 3):
        use(client, amount, at(12, 1))
    assert value(client, at(12, 2), of=f"{ENTITLEMENTS}/f")["usage"] == 2


def test_v3_shows_access_by_feature_key(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    ok(client.post(ENTITLEMENTS, json={"type": "static", "featureKey": "seats", "config": '{"a":1}'}))
    acme = ok(client.get("/api/v1/customers/acme"))["id"]
    shown = ok(client.get(f"/api/v3/openmeter/customers/{acme}/entitlement-access"))["data"]
    assert shown == [
        {"feature_key": "seats", "type": "static", "has_access": True, "config": '{"a": 1}'},
        {"feature_key": "tokens", "type": "metered", "has_access": True},
    ]


def test_v3_pages_through_customers_both_ways(client: httpx.Client) -> None:
    query = "/api/v3/openmeter/entitlement-access/query"
    advance(client, at(12, 1))
    ok(client.post("/api/v1/customers", json={"key": "initech", "name": "initech"}))
    body = {"customer": {"keys": ["initech", "nobody", "globex-1", "acme", "globex"]}, "feature": {"keys": ["sso"]}}
    whole = ok(client.post(query, json=body))
    assert [c["matched"] for c in whole["data"]] == [["acme"], ["globex-1", "globex"], ["initech"]]
    assert whole["errors"] == [{"customer": "nobody", "code": "customer_not_found", "message": "customer not found"}]
    first = ok(client.post(query, json=body, params={"page[size]": 1}))
    assert first["meta"]["page"]["previous"] is None and first["meta"]["page"]["size"] == 1
    after = {"page[size]": 1, "page[after]": first["meta"]["page"]["next"]}
    second = ok(client.post(query, json=body, params=after))
    assert [c["customer"]["key"] for c in second["data"]] == ["globex"]
    before = {"page[before]": second["meta"]["page"]["previous"]}
    back = ok(client.post(query, json=body, params=before))
    assert [c["customer"]["key"] for c in back["data"]] == ["acme"] and back["meta"]["page"]["next"] is not None
    wrong = client.post(query, json=body, params={"page[size]": 101})
    assert wrong.status_code == 400 and wrong.json()["invalid_parameters"][0]["field"] == "page[size]"


# Counting distinct values: a difference of counts, whose base is the period before right after a reset.


@pytest.fixture
def counting(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={})
    advance(client, at(12))
    set_up(client, "UNIQUE_COUNT")


@pytest.mark.usefixtures("counting")
def test_distinct_values_count_once_within_a_period(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    for minute, name in ((1, "a"), (2, "a"), (20, "b"), (40, "a")):
        use(client, name, at(12, minute))
    grant(client, 5, effectiveAt=at(12, 30))
    assert value(client, at(12, 50))["usage"] == 2


@pytest.mark.usefixtures("counting")
def test_values_of_the_period_before_do_not_count_in_the_first_phase_of_the_next(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    use(client, "a", at(12, 1))
    for name in ("a", "b"):
        use(client, name, at(13, 1))
    assert value(client, at(13, 30))["usage"] == 1
    grant(client, 5, effectiveAt=at(13, 10))
    use(client, "a", at(13, 20))
    assert value(client, at(13, 40))["usage"] == 1
