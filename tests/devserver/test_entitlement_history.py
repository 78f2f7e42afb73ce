"""The balance over time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import ENTITLEMENTS, TOKENS, at, grant, metered, ok, refused, set_up, use


@pytest.fixture(autouse=True)
def entitlement(client: httpx.Client) -> None:
    set_up(client)
    metered(client, usagePeriod={"interval": "DAY", "anchor": at(10)}, issue={"amount": 100})


def history(client: httpx.Client, **query: Any) -> Any:
    return ok(client.get(f"{TOKENS}/history", params={"windowSize": "HOUR"} | query))


def windows(shown: Any) -> list[tuple[str, float, float]]:
    return [(w["period"]["from"][11:16], w["usage"], w["balanceAtStart"]) for w in shown["windowedHistory"]]


def test_windows_carry_the_balance_on_and_segments_follow_the_grants(client: httpx.Client) -> None:
    use(client, 30, at(10, 30))
    use(client, 20, at(12, 5))
    later = grant(client, 50, effectiveAt=at(12, 30))
    use(client, 60, at(12, 40))
    shown = history(client, to=at(14))
    # A grant that starts within a window shows at the next one.
    assert windows(shown) == [("10:00", 30, 100), ("11:00", 0, 70), ("12:00", 80, 70), ("13:00", 0, 40)]
    first, second = shown["burndownHistory"]
    assert (first["period"], first["usage"]) == ({"from": at(10), "to": at(12, 30)}, 50)
    assert (second["balanceAtStart"], second["balanceAtEnd"], second["overage"]) == (100, 40, 0)
    assert second["grantUsages"][0] == {"grantId": later["id"], "usage": 50}
    assert second["grantBalancesAtEnd"][later["id"]] == 0


def test_windows_begin_whole_but_count_from_the_time_asked_for(client: httpx.Client) -> None:
    use(client, 30, at(11, 10))
    shown = history(client, **{"from": at(11, 30), "to": at(12, 30)})
    assert windows(shown) == [("11:00", 0, 100), ("12:00", 0, 100)]
    assert shown["burndownHistory"][0]["period"]["from"] == at(11)


def test_a_reset_shows_as_a_rollover_of_no_length(client: httpx.Client) -> None:
    use(client, 30, at(11))
    ok(client.post(f"{TOKENS}/reset", json={"effectiveAt": at(12)}))
    shown = history(client, **{"from": at(10), "to": at(13)})
    spans = [(s["period"]["from"][11:16], s["period"]["to"][11:16]) for s in shown["burndownHistory"]]
    assert spans == [("10:00", "12:00"), ("12:00", "12:00"), ("12:00", "13:00")]
    assert windows(shown) == [("10:00", 0, 100), ("11:00", 30, 100), ("12:00", 0, 100)]


def test_days_are_cut_in_the_offset_of_the_times_so_that_other_zones_find_no_usage(client: httpx.Client) -> None:
    use(client, 30, at(10, 30))
    body = {"type": "metered", "featureKey": "more_tokens", "usagePeriod": {"interval": "DAY"}}
    ok(client.post(ENTITLEMENTS, json=body | {"measureUsageFrom": "2026-11-23T00:00:00Z", "issue": {"amount": 5}}))
    url = f"{ENTITLEMENTS}/more_tokens/history"

    def days(zone: str) -> list[tuple[str, float]]:
        shown = ok(client.get(url, params={"windowSize": "DAY", "windowTimeZone": zone}))
        return [(w["period"]["from"], w["usage"]) for w in shown["windowedHistory"]]

    offset = {"from": "2026-11-23T05:00:00+01:00", "to": "2026-11-24T13:00:00+01:00"}
    shown = ok(client.get(url, params={"windowSize": "DAY", "windowTimeZone": "Europe/Budapest"} | offset))
    assert [w["usage"] for w in shown["windowedHistory"]] == [30]
    assert days("UTC") == [("2026-11-23T00:00:00Z", 0), ("2026-11-24T00:00:00Z", 30)]
    assert days("Europe/Budapest") == [("2026-11-23T01:00:00+01:00", 0), ("2026-11-24T01:00:00+01:00", 0)]


def test_what_cannot_be_asked(client: httpx.Client) -> None:
    url = f"{TOKENS}/history"
    hour = {"windowSize": "HOUR"}
    assert refused(client.get(url, params=hour | {"from": at(9)}), 400).startswith(
        "validation error: from 2026-11-24T09"
    )
    detail = refused(client.get(url, params=hour | {"from": at(12), "to": at(11)}), 400)
    assert detail == "validation error: from must be before to"
    assert refused(client.get(url, params=hour | {"windowTimeZone": "Mars/Base"}), 400) == "unknown time zone Mars/Base"
    made = ok(client.get(TOKENS))["id"]
    v1 = f"/api/v1/subjects/acme-1/entitlements/{made}/history"
    assert client.get(v1, params=hour | {"windowTimeZone": "Mars/Base"}).status_code == 500
    assert ok(client.get(v1, params=hour)) == ok(client.get(url, params=hour))
    ok(client.post(ENTITLEMENTS, json={"type": "boolean", "featureKey": "sso"}))
    refused(client.get(f"{ENTITLEMENTS}/sso/history", params=hour), 400)


def test_an_empty_span_has_no_windows(client: httpx.Client) -> None:
    shown = history(client, **{"from": at(12), "to": at(12)})
    assert shown["windowedHistory"] == []
    assert [s["usage"] for s in shown["burndownHistory"]] == [0]
