"""Entitlements: made, overridden, deleted, listed and shown, in v1 and v2."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import ENTITLEMENTS, TOKENS, advance, at, grant, metered, ok, refused, set_up, value

SEATS = {"type": "static", "featureKey": "seats", "config": '{"max": 5}'}
SSO = {"type": "boolean", "featureKey": "sso"}


@pytest.fixture(autouse=True)
def catalog(client: httpx.Client) -> None:
    set_up(client)


def test_the_usage_period_starts_at_the_measurement_and_ends_on_the_grid(client: httpx.Client) -> None:
    made = metered(client, usagePeriod={"interval": "MONTH", "anchor": "2026-01-31T00:00:30+02:00"})
    assert made["usagePeriod"] == {"anchor": "2026-01-30T22:00:00Z", "interval": "MONTH", "intervalISO": "P1M"}
    assert made["currentUsagePeriod"] == {"from": at(10), "to": "2026-11-30T22:00:00Z"}
    assert made["lastReset"] == made["measureUsageFrom"] == at(10)
    advance(client, "2026-12-15T00:00:00Z")
    later = ok(client.get(TOKENS))
    assert later["currentUsagePeriod"] == {"from": "2026-11-30T22:00:00Z", "to": "2026-12-30T22:00:00Z"}


def test_the_current_period_is_found_in_the_offset_that_the_anchor_was_sent_in(client: httpx.Client) -> None:
    advance(client, "2026-03-10T12:00:00Z")
    period = {"interval": "MONTH", "anchor": "2026-01-31T23:00:00-05:00"}
    made = metered(client, usagePeriod=period, measureUsageFrom="CURRENT_PERIOD_START")
    # 28 February at 23:00 where it was sent, though in UTC the grid is at the first of the month.
    assert made["measureUsageFrom"] == "2026-03-01T04:00:00Z"


def test_now_is_where_usage_is_measured_from_unless_told_otherwise(client: httpx.Client) -> None:
    body = {"type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "DAY"}}
    assert ok(client.post(ENTITLEMENTS, json=body))["measureUsageFrom"] == at(12)
    body = body | {"featureKey": "more_tokens", "measureUsageFrom": "NOW"}
    assert ok(client.post(ENTITLEMENTS, json=body))["measureUsageFrom"] == at(12)


def test_a_plain_entitlement_keeps_the_seconds_of_its_anchor(client: httpx.Client) -> None:
    made = ok(
        client.post(ENTITLEMENTS, json=SSO | {"usagePeriod": {"interval": "P1D", "anchor": "2026-11-24T06:00:30Z"}})
    )
    assert made["usagePeriod"]["anchor"] == "2026-11-24T06:00:30Z"
    assert made["currentUsagePeriod"] == {"from": "2026-11-24T06:00:30Z", "to": "2026-11-25T06:00:30Z"}


def test_an_interval_that_the_schema_lets_through_but_nobody_can_read_is_an_error(client: httpx.Client) -> None:
    for interval in ("P", "PT", "P1.5Y1M"):
        refused(client.post(ENTITLEMENTS, json=SSO | {"usagePeriod": {"interval": interval, "anchor": at(1)}}), 500)
    assert ok(client.get(ENTITLEMENTS))["totalCount"] == 0


def test_one_is_active_per_customer_and_feature_key(client: httpx.Client) -> None:
    made = ok(client.post(ENTITLEMENTS, json=SSO))
    again = client.post(ENTITLEMENTS, json=SSO)
    assert refused(again, 409).startswith(f"entitlement with id {made['id']} already exists for feature")
    assert again.json()["extensions"] == {"conflictingEntityId": made["id"]}
    ok(client.post("/api/v2/customers/globex/entitlements", json=SSO))
    ok(client.delete(f"{ENTITLEMENTS}/sso"))
    assert refused(client.delete(f"{ENTITLEMENTS}/sso"), 404) == "entitlement not found sso in namespace default"
    ok(client.post(ENTITLEMENTS, json=SSO))


def test_a_conflict_comes_before_what_is_wrong_with_the_type(client: httpx.Client) -> None:
    ok(client.post(ENTITLEMENTS, json=SSO))
    body = {"type": "metered", "featureKey": "sso", "usagePeriod": {"interval": "DAY"}}
    refused(client.post(ENTITLEMENTS, json=body), 409)
    ok(client.delete(f"{ENTITLEMENTS}/sso"))
    assert refused(client.post(ENTITLEMENTS, json=body), 400).endswith(": Feature has no meter")


def test_by_id_the_customer_in_the_path_does_not_matter(client: httpx.Client) -> None:
    made = ok(client.post(ENTITLEMENTS, json=SSO))
    seen = ok(client.get(f"/api/v2/customers/globex/entitlements/{made['id']}"))
    assert (seen["id"], seen["customerId"], seen["customerKey"]) == (made["id"], made["customerId"], "globex")
    ok(client.delete(f"/api/v2/customers/globex/entitlements/{made['id']}"))
    refused(client.get(f"/api/v2/entitlements/{made['id']}"), 404)


def test_a_grant_that_is_refused_takes_the_entitlement_with_it(client: httpx.Client) -> None:
    grants = [{"amount": 5, "effectiveAt": at(12)}, {"amount": 5, "effectiveAt": at(9)}]
    body = {"type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "DAY"}, "grants": grants}
    assert "is before the current usage period" in refused(client.post(ENTITLEMENTS, json=body), 400)
    assert ok(client.get(ENTITLEMENTS))["items"] == []
    assert ok(client.get("/api/v2/grants", params={"includeDeleted": True}))["items"] == []


def test_an_override_ends_the_old_one_and_starts_from_its_body_alone(client: httpx.Client) -> None:
    old = metered(client, issue={"amount": 10}, metadata={"a": "b"}, isSoftLimit=True)
    advance(client, at(12, 30))
    new = ok(
        client.put(
            f"{TOKENS}/override", json={"type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "DAY"}}
        )
    )
    assert new["id"] != old["id"] and "metadata" not in new and new["isSoftLimit"] is False
    assert new["issue"] == {"amount": 0}
    ended = ok(client.get(f"/api/v2/entitlements/{old['id']}"))
    assert ended["activeTo"] <= new["activeFrom"] and "deletedAt" not in ended
    assert value(client, of=f"{ENTITLEMENTS}/{old['id']}") == {}
    listed = ok(client.get("/api/v2/entitlements"))
    assert [e["id"] for e in listed["items"]] == [old["id"], new["id"]]
    assert ok(client.get("/api/v2/entitlements", params={"excludeInactive": True}))["totalCount"] == 1


def test_a_superseded_entitlement_cannot_be_overridden_again(client: httpx.Client) -> None:
    old = ok(client.post(ENTITLEMENTS, json=SSO))
    ok(client.put(f"{ENTITLEMENTS}/sso/override", json=SSO))
    detail = refused(client.put(f"{ENTITLEMENTS}/{old['id']}/override", json=SSO), 400)
    assert detail == "validation error: new entitlement must be active before the old one ends"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"type": "boolean", "featureKey": "nope"}, 404, "feature not found: nope"),
        (SSO, 400, "validation error: old and new entitlements belong to different features"),
        ({"type": "static", "featureKey": "tokens", "config": "{"}, 400, "validation error: invalid JSON config"),
    ],
)
def test_an_override_that_is_refused_has_deleted_the_grants(
    client: httpx.Client, body: dict[str, Any], status: int, detail: str
) -> None:
    metered(client, issue={"amount": 10})
    grant(client, 5)
    assert value(client)["balance"] == 15
    assert refused(client.put(f"{TOKENS}/override", json=body), status) == detail
    assert ok(client.get(TOKENS)).get("activeTo") is None
    assert value(client)["balance"] == 0
    assert ok(client.get("/api/v2/grants"))["totalCount"] == 0
    assert ok(client.get("/api/v2/grants", params={"includeDeleted": True}))["totalCount"] == 2


def test_an_override_that_never_reaches_the_old_one_leaves_its_grants(client: httpx.Client) -> None:
    metered(client, issue={"amount": 10})
    both = {"issue": {"amount": 1}, "grants": [{"amount": 1, "effectiveAt": at(12)}]}
    body = {"type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "DAY"}} | both
    refused(client.put(f"{TOKENS}/override", json=body), 400)
    assert value(client)["balance"] == 10


def test_lists_filter_by_customer_feature_type_and_activity(client: httpx.Client) -> None:
    first, second = ok(client.post(ENTITLEMENTS, json=SSO)), ok(client.post(ENTITLEMENTS, json=SEATS))
    third = ok(client.post("/api/v2/customers/globex/entitlements", json=SSO))

    def found(**query: Any) -> list[str]:
        return [e["id"] for e in ok(client.get("/api/v2/entitlements", params=query))["items"]]

    everything = [first["id"], second["id"], third["id"]]
    assert found() == everything
    assert found(order="DESC") == everything[::-1]
    assert found(customerKeys=["globex", "nobody"]) == [third["id"]]
    assert found(customerIds=[first["customerId"]]) == everything[:2]
    assert found(feature=["sso"]) == [first["id"], third["id"]]
    assert found(feature=[second["featureId"], "nope"]) == [second["id"]]
    assert found(entitlementType=["static"], feature=["sso"]) == []
    assert found(pageSize=2, page=2) == [third["id"]]
    ok(client.delete(f"{ENTITLEMENTS}/seats"))
    assert found() == [first["id"], third["id"]]


def test_v1_lists_are_arrays_until_a_page_is_asked_for(client: httpx.Client) -> None:
    for body in (SSO, SEATS):
        ok(client.post(ENTITLEMENTS, json=body))
    plain = ok(client.get("/api/v1/entitlements", params={"offset": 1, "limit": 5}))
    assert [e["featureKey"] for e in plain] == ["seats"]
    paged = ok(client.get("/api/v1/entitlements", params={"page": 2}))
    assert (paged["page"], paged["pageSize"], paged["totalCount"], paged["items"]) == (2, 100, 2, [])
    assert ok(client.get("/api/v1/entitlements", params={"subject": "acme-2"}))[0]["subjectKey"] == "acme-1"
    assert ok(client.get("/api/v1/entitlements", params={"subject": "acme"})) == []


def test_metadata_of_a_boolean_one_shows_in_v1_only(client: httpx.Client) -> None:
    made = ok(client.post(ENTITLEMENTS, json=SSO | {"metadata": {"a": "b"}}))
    assert "metadata" not in made
    assert ok(client.get(f"/api/v1/entitlements/{made['id']}"))["metadata"] == {"a": "b"}


def test_the_subject_level_finds_the_customer_by_key_or_subject_key(client: httpx.Client) -> None:
    made = ok(client.post("/api/v1/subjects/acme-2/entitlements", json=SSO))
    assert made["subjectKey"] == "acme-1" and "customerId" not in made
    assert ok(client.get("/api/v1/subjects/acme-1/entitlements")) == [made]
    assert ok(client.get(f"/api/v1/subjects/anybody/entitlements/{made['id']}")) == made
    refused(client.get("/api/v1/subjects/acme-1/entitlements/sso"), 404)
    ok(client.post("/api/v1/subjects", json=[{"key": "lonely"}]))
    detail = refused(client.get("/api/v1/subjects/lonely/entitlements"), 404)
    assert detail == "not found error: customer with subject key lonely not found in default namespace"


def test_v1_needs_an_amount_for_a_priority_where_v2_drops_it(client: httpx.Client) -> None:
    body = {"type": "metered", "featureKey": "tokens", "usagePeriod": {"interval": "DAY"}, "issueAfterResetPriority": 5}
    detail = refused(client.post("/api/v1/subjects/acme-1/entitlements", json=body), 400)
    assert detail == "invalid entitlement value for type metered: IssueAfterResetPriority requires IssueAfterReset"
    assert "issueAfterResetPriority" not in ok(client.post(ENTITLEMENTS, json=body))


def test_a_customer_and_a_meter_in_use_cannot_be_deleted(client: httpx.Client) -> None:
    metered(client)
    for key in ("tokens", "more_tokens"):
        ok(client.delete(f"/api/v1/features/{key}"))
    refused(client.delete("/api/v1/customers/acme"), 409)
    refused(client.delete("/api/v1/meters/tokens_total"), 409)
    ok(client.delete(TOKENS))
    ok(client.delete("/api/v1/meters/tokens_total"))
    ok(client.delete("/api/v1/customers/acme"))
