"""Subscriptions of the dev server: their life, and the entitlements that come and go with them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import advance, ok, refused
from subscribing import V1, V3, cancel, customer, draft, feature, fee, included, phase, publish, subscribe

ENTITLEMENTS = "/api/v2/customers/acme/entitlements"
SSO = f"{ENTITLEMENTS}/sso"


@pytest.fixture
def plan(client: httpx.Client) -> Any:
    """A published plan with a fee and a boolean feature, and a customer."""
    feature(client, "sso")
    customer(client)
    return publish(client, phase(fee(), included("sso", {"type": "boolean"})))


def status_of(client: httpx.Client, subscription: Any) -> str:
    status: str = ok(client.get(f"{V1}/subscriptions/{subscription['id']}"))["status"]
    return status


def access(client: httpx.Client) -> bool:
    """v2 says nothing where there is no access."""
    has: bool = ok(client.get(f"{SSO}/value")).get("hasAccess", False)
    return has


@pytest.mark.usefixtures("plan")
def test_a_subscription_brings_what_its_plan_promises(client: httpx.Client) -> None:
    made = subscribe(client)
    assert made["status"] == "active"
    assert access(client)
    [entitlement] = ok(client.get(ENTITLEMENTS))["items"]
    assert entitlement["annotations"]["subscription.id"] == made["id"]


@pytest.mark.usefixtures("plan")
def test_what_a_subscription_brought_is_not_taken_away_by_hand(client: httpx.Client) -> None:
    subscribe(client)
    assert client.delete(SSO).status_code == 403
    override = {"type": "boolean", "featureKey": "sso"}
    assert client.put(f"{SSO}/override", json=override).status_code == 403
    assert access(client)


@pytest.mark.usefixtures("plan")
def test_a_cancelled_subscription_takes_its_entitlements_along(client: httpx.Client) -> None:
    made = subscribe(client)
    advance(client, "2026-11-24T13:00:00Z")
    assert cancel(client, made)["status"] == "inactive"
    assert not access(client)
    refused(client.post(f"{V1}/subscriptions/{made['id']}/cancel", json={"timing": "immediate"}), 403)


@pytest.mark.usefixtures("plan")
def test_a_subscription_cancelled_at_the_end_of_its_period_runs_until_then(client: httpx.Client) -> None:
    made = subscribe(client)
    cancelled = cancel(client, made, "next_billing_cycle")
    assert (cancelled["status"], cancelled["activeTo"][:10]) == ("canceled", "2026-12-24")
    assert access(client)
    advance(client, "2026-12-24T13:00:00Z")
    assert status_of(client, made) == "inactive"
    assert not access(client)


@pytest.mark.usefixtures("plan")
@pytest.mark.parametrize("timing", ["2026-12-25T12:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_subscription_ends_only_where_a_billing_period_does(client: httpx.Client, timing: str) -> None:
    made = subscribe(client)
    refusal = refused(client.post(f"{V1}/subscriptions/{made['id']}/cancel", json={"timing": timing}), 400)
    assert refusal == "validation error: cannot cancel aligned subscription with custom misaligned timing"


@pytest.mark.usefixtures("plan")
def test_a_cancellation_can_be_taken_back(client: httpx.Client) -> None:
    made = subscribe(client)
    cancel(client, made, "next_billing_cycle")
    ok(client.post(f"{V1}/subscriptions/{made['id']}/unschedule-cancelation"))
    advance(client, "2027-01-24T13:00:00Z")
    assert status_of(client, made) == "active"
    assert access(client)


@pytest.mark.usefixtures("plan")
def test_a_customer_has_one_subscription_to_a_plan_at_a_time(client: httpx.Client) -> None:
    subscribe(client)
    body = {"customerKey": "acme", "plan": {"key": "pro"}, "timing": "immediate"}
    assert client.post(f"{V1}/subscriptions", json=body).status_code == 409


@pytest.mark.usefixtures("plan")
def test_a_subscription_of_later_is_scheduled_and_can_be_deleted(client: httpx.Client) -> None:
    made = subscribe(client, timing="2026-12-01T00:00:00Z")
    assert made["status"] == "scheduled"
    assert client.delete(f"{V1}/subscriptions/{made['id']}").status_code == 204
    assert client.get(f"{V1}/subscriptions/{made['id']}").status_code == 404
    advance(client, "2026-12-02T00:00:00Z")
    assert ok(client.get(ENTITLEMENTS))["items"] == []


def test_a_phase_brings_its_own_entitlements_when_it_begins(client: httpx.Client) -> None:
    feature(client, "sso")
    customer(client)
    trial = phase(fee("setup", cadence=None), key="trial", duration="P1W")
    publish(client, trial, phase(fee(), included("sso", {"type": "boolean"})))
    phases = ok(client.get(f"{V1}/subscriptions/{subscribe(client)['id']}"))["phases"]
    assert [entry["activeFrom"][:10] for entry in phases] == ["2026-11-24", "2026-12-01"]
    assert not access(client)
    advance(client, "2026-12-01T13:00:00Z")
    assert access(client)


@pytest.mark.usefixtures("plan")
def test_changing_the_plan_ends_one_subscription_and_starts_the_next(client: httpx.Client) -> None:
    publish(client, phase(fee(amount="99")), key="big")
    made = subscribe(client)
    advance(client, "2026-11-24T13:00:00Z")
    body = {"timing": "immediate", "plan": {"key": "big"}}
    changed = ok(client.post(f"{V1}/subscriptions/{made['id']}/change", json=body))
    assert changed["current"]["activeTo"] == changed["next"]["activeFrom"]
    assert (changed["current"]["status"], changed["next"]["plan"]["key"]) == ("inactive", "big")
    assert not access(client)


def test_migrating_moves_a_subscription_to_the_new_version_of_its_plan(client: httpx.Client, plan: Any) -> None:
    made = subscribe(client)
    following = ok(client.post(f"{V1}/plans/{plan['id']}/next"))
    advance(client, "2026-11-24T13:00:00Z")
    ok(client.post(f"{V1}/plans/{following['id']}/publish"))
    body = {"timing": "immediate", "targetVersion": 2}
    moved = ok(client.post(f"{V1}/subscriptions/{made['id']}/migrate", json=body))
    assert moved["next"]["plan"] == {"id": following["id"], "key": "pro", "version": 2}
    assert access(client)


@pytest.mark.usefixtures("plan")
def test_both_apis_list_one_subscription(client: httpx.Client) -> None:
    made = subscribe(client)
    [of_customer] = ok(client.get(f"{V1}/customers/acme/subscriptions"))["items"]
    [shown] = ok(client.get(f"{V3}/subscriptions"))["data"]
    assert made["id"] == of_customer["id"] == shown["id"]
    assert ok(client.get(f"{V3}/subscriptions", params={"filter[status]": "canceled"}))["data"] == []
    assert ok(client.get(f"{V1}/customers/acme"))["currentSubscriptionId"] == made["id"]


@pytest.mark.usefixtures("plan")
def test_only_a_published_plan_can_be_subscribed_to(client: httpx.Client) -> None:
    draft(client, phase(fee()), key="new")
    body = {"customerKey": "acme", "plan": {"key": "new"}, "timing": "immediate"}
    assert client.post(f"{V1}/subscriptions", json=body).status_code == 404
    body = {"customer": {"key": "acme"}, "plan": {"key": "new"}}
    refusal = refused(client.post(f"{V3}/subscriptions", json=body), 400)
    assert refusal.startswith("validation error: plan new@1 is not active at ")


@pytest.mark.usefixtures("plan")
def test_a_refused_subscription_leaves_nothing_behind(client: httpx.Client) -> None:
    ok(client.post(ENTITLEMENTS, json={"type": "boolean", "featureKey": "sso"}))
    body = {"customerKey": "acme", "plan": {"key": "pro"}, "timing": "immediate"}
    assert client.post(f"{V1}/subscriptions", json=body).status_code == 409
    assert ok(client.get(f"{V3}/subscriptions"))["data"] == []
    assert "currency" not in ok(client.get(f"{V1}/customers/acme"))


@pytest.mark.usefixtures("plan")
def test_the_first_subscription_with_a_price_decides_the_currency_of_a_customer(client: httpx.Client) -> None:
    subscribe(client)
    assert ok(client.get(f"{V1}/customers/acme"))["currency"] == "USD"
    customer(client, "globex", currency="EUR")
    body = {"customerKey": "globex", "plan": {"key": "pro"}, "timing": "immediate"}
    assert "currency mismatch" in refused(client.post(f"{V1}/subscriptions", json=body), 400)


@pytest.mark.usefixtures("plan")
def test_editing_a_subscription_is_not_done_here(client: httpx.Client) -> None:
    made = subscribe(client)
    body = {"customizations": [{"op": "remove_item", "phaseKey": "default", "itemKey": "sso"}]}
    assert client.patch(f"{V1}/subscriptions/{made['id']}", json=body).status_code == 501
