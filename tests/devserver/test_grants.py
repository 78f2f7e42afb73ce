"""Grants: given, voided, listed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import ENTITLEMENTS, TOKENS, advance, at, grant, metered, ok, refused, set_up, use, value


@pytest.fixture(autouse=True)
def entitlement(client: httpx.Client) -> None:
    set_up(client)
    metered(client)


def test_v2_lets_all_roll_over_and_v1_nothing_unless_told(client: httpx.Client) -> None:
    assert grant(client, 5)["maxRolloverAmount"] == 5
    body = {"amount": 5, "effectiveAt": at(12), "expiration": {"duration": "DAY", "count": 1}}
    made = ok(client.post("/api/v1/subjects/acme-1/entitlements/tokens/grants", json=body))
    assert (made["maxRolloverAmount"], made["priority"]) == (0, 0)


def test_times_are_cut_to_the_minute_and_answered_in_the_offset_that_they_were_sent_in(client: httpx.Client) -> None:
    made = grant(
        client,
        5,
        effectiveAt="2026-11-24T13:00:59+01:00",
        expiration={"duration": "MONTH", "count": 3},
        recurrence={"interval": "P1D", "anchor": "2026-11-20T00:00:30.5Z"},
    )
    assert made["effectiveAt"] == "2026-11-24T13:00:00+01:00"
    assert made["expiresAt"] == "2027-02-24T13:00:00+01:00"
    listed = ok(client.get("/api/v2/grants"))["items"][0]
    assert (listed["effectiveAt"], listed["expiresAt"]) == (at(12), "2027-02-24T12:00:00Z")
    assert made["recurrence"] == {"anchor": "2026-11-20T00:00:00Z", "interval": "DAY", "intervalISO": "P1D"}
    assert made["nextRecurrence"] == "2026-11-25T00:00:00Z"


def test_a_refusal_shows_the_time_in_the_offset_that_it_was_sent_in(client: httpx.Client) -> None:
    body = {"amount": 1, "effectiveAt": "2026-11-24T05:00:30-05:00"}
    detail = refused(client.post(f"{TOKENS}/grants", json=body), 400)
    assert detail == (
        "validation error: grant effective date 2026-11-24 05:00:00 -0500 -0500"
        " is before the current usage period 2026-11-24 12:00:00 +0000 UTC"
    )


def test_a_day_that_is_none_is_told_as_the_decoder_does(client: httpx.Client) -> None:
    body = {"amount": 1, "effectiveAt": "2026-02-30T00:00:00Z"}
    detail = refused(client.post(f"{TOKENS}/grants", json=body), 400)
    assert detail == 'decode json: parsing time "2026-02-30T00:00:00Z": day out of range'


def test_only_metered_entitlements_take_grants_though_all_list_them(client: httpx.Client) -> None:
    ok(client.post(ENTITLEMENTS, json={"type": "boolean", "featureKey": "sso"}))
    body = {"amount": 1, "effectiveAt": at(12)}
    detail = refused(client.post(f"{ENTITLEMENTS}/sso/grants", json=body), 400)
    assert detail == "expected entitlement type metered but got boolean"
    assert ok(client.get(f"{ENTITLEMENTS}/sso/grants"))["items"] == []


def test_a_recurrence_that_never_comes_breaks_down_and_stays(client: httpx.Client) -> None:
    body = {"amount": 1, "effectiveAt": at(12), "recurrence": {"interval": "P0D", "anchor": at(11)}}
    broken = client.post(f"{TOKENS}/grants", json=body)
    assert (broken.status_code, broken.content) == (500, b"")
    assert client.get("/api/v2/grants").status_code == 500
    assert client.get(f"{TOKENS}/value").status_code == 500


def test_with_an_entitlement_it_leaves_nothing(client: httpx.Client) -> None:
    body = {"amount": 1, "effectiveAt": at(12), "recurrence": {"interval": "P0D", "anchor": at(11)}}
    wanted = {"type": "metered", "featureKey": "more_tokens", "usagePeriod": {"interval": "DAY"}, "grants": [body]}
    broken = client.post(ENTITLEMENTS, json=wanted)
    assert (broken.status_code, broken.content) == (500, b"")
    assert ok(client.get("/api/v2/grants"))["totalCount"] == 0
    refused(client.get(f"{ENTITLEMENTS}/more_tokens"), 404)


def test_voiding_ends_a_grant_once_and_within_the_period(client: httpx.Client) -> None:
    made = grant(client, 10)
    advance(client, at(12, 40))
    void = f"/api/v1/grants/{made['id']}"
    assert "must not be in the future" in refused(client.delete(void, params={"at": at(12, 41)}), 400)
    detail = refused(client.delete(void, params={"at": at(11, 59)}), 400)
    assert detail.endswith("is before the current usage period start 2026-11-24 12:00:00 +0000 UTC")
    use(client, 4, at(12, 5))
    assert value(client)["balance"] == 6
    ok(client.delete(void, params={"at": "2026-11-24T12:30:45Z"}))
    shown = ok(client.get(f"{TOKENS}/grants"))["items"][0]
    assert shown["voidedAt"] == at(12, 30)
    assert value(client) == {
        "balance": 0,
        "usage": 4,
        "overage": 0,
        "totalAvailableGrantAmount": 4,
        "grantBalances": {},
    }
    assert refused(client.delete(void), 400) == "validation error: grant already voided"


def test_voiding_in_the_past_uncovers_later_usage(client: httpx.Client) -> None:
    made = grant(client, 10)
    use(client, 4, at(12, 5))
    use(client, 3, at(12, 20))
    advance(client, at(12, 40))
    ok(client.delete(f"/api/v1/grants/{made['id']}", params={"at": at(12, 10)}))
    shown = value(client)
    assert (shown["usage"], shown["overage"], shown["totalAvailableGrantAmount"]) == (7, 3, 4)


def test_grants_of_a_deleted_entitlement_are_deleted_and_cannot_be_voided(client: httpx.Client) -> None:
    made = grant(client, 10)
    ok(client.delete(TOKENS))
    assert ok(client.get("/api/v2/grants"))["items"] == []
    shown = ok(client.get("/api/v2/grants", params={"includeDeleted": True}))["items"]
    assert [g["id"] for g in shown] == [made["id"]] and "deletedAt" in shown[0]
    assert client.delete(f"/api/v1/grants/{made['id']}").status_code == 500
    assert refused(client.delete("/api/v1/grants/unknown"), 404) == "grant not found: unknown"


def test_lists_page_by_page_or_by_offset(client: httpx.Client) -> None:
    made = [grant(client, n, effectiveAt=at(12, n))["id"] for n in (3, 1, 2)]
    by_time = [made[1], made[2], made[0]]

    def found(url: str, **query: Any) -> tuple[list[str], int, int, int]:
        body = ok(client.get(url, params=query))
        return [g["id"] for g in body["items"]], body["page"], body["pageSize"], body["totalCount"]

    assert found(f"{TOKENS}/grants") == (made, 1, 100, 3)
    assert found(f"{TOKENS}/grants", offset=1) == (made[1:], 0, 0, 3)
    assert found(f"{TOKENS}/grants", page=2, pageSize=2, limit=1) == (made[2:], 2, 2, 3)
    assert found("/api/v2/grants") == (by_time, 0, 0, 3)
    assert found("/api/v2/grants", order="DESC", limit=1) == ([made[0]], 0, 0, 3)
    assert found("/api/v2/grants", pageSize=2, orderBy="id") == (made[:2], 1, 2, 3)
    assert found("/api/v2/grants", feature="more_tokens") == ([], 0, 0, 0)
    assert found("/api/v2/grants", customer="globex") == ([], 0, 0, 0)
    refused(client.get("/api/v2/grants", params={"customer": "nobody"}), 404)
    assert [g["id"] for g in ok(client.get("/api/v1/grants"))] == by_time
    assert ok(client.get("/api/v1/grants", params={"page": 1}))["pageSize"] == 0
    assert client.get("/api/v1/grants", params={"pageSize": 2}).status_code == 500
    assert [g["id"] for g in ok(client.get("/api/v1/subjects/acme-1/entitlements/tokens/grants"))] == made


def test_naming_only_deleted_customers_filters_nothing(client: httpx.Client) -> None:
    made = grant(client, 1)
    globex = ok(client.get("/api/v1/customers/globex"))["id"]
    ok(client.delete(f"/api/v1/customers/{globex}"))
    found = ok(client.get("/api/v2/grants", params={"customer": globex}))
    assert [g["id"] for g in found["items"]] == [made["id"]]


def test_v1_says_of_an_endless_grant_that_it_ends_in_a_hundred_years(client: httpx.Client) -> None:
    grant(client, 1)
    shown = ok(client.get("/api/v1/grants"))[0]
    assert shown["expiration"] == {"duration": "YEAR", "count": 100}
    assert shown["expiresAt"].startswith("2126-11-24T12:00:0")
