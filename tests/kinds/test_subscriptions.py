"""Subscriptions and pricing plans: what a recorded OpenMeter shows of them, and the request that a wish becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from billing_as_code.kinds.base import Context
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.subscriptions import PLANS, SUBSCRIPTIONS, Beside
from billing_as_code.model import Address, Change, Resource, Step
from kinds.recorded import exchanges, listed, needs_recordings

ADDRESS = Address("subscriptions", ("acme",))
CUSTOMER = Address("customers", ("acme",))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRO = {
    "id": "01PLAN",
    "key": "pro",
    "version": 3,
    "currency": "USD",
    "billing_cadence": "P1M",
    "phases": [
        {"key": "trial", "rate_cards": [{"key": "api", "name": "API", "price": {"type": "free"}}]},
        {
            "key": "paid",
            "rate_cards": [
                {
                    "key": "api",
                    "name": "API",
                    "feature": {"id": "01API"},
                    "billing_cadence": "P1M",
                    "price": {"type": "unit", "amount": "0.02"},
                    "entitlement": {"type": "metered", "limit": 1000},
                },
                {"key": "fee", "name": "Fee", "billing_cadence": "P1M", "price": {"type": "graduated", "tiers": []}},
            ],
        },
    ],
}


def wish(**fields: Any) -> Resource:
    """What a proposal asks for."""
    return Resource(ADDRESS, SUBSCRIPTIONS.canonical(ADDRESS.path, {"plan": "pro", "version": 3, **fields}))


def compiled(wanted: Resource, plan: dict[str, Any] = PRO) -> Change:
    """The change that creates it, for a customer that lives."""
    live = {
        CUSTOMER: Resource(CUSTOMER, CUSTOMERS.canonical(("acme",), {"name": "ACME"}), "01ACME"),
        Address("plans", ("pro",)): known(plan),
    }
    context = Context("acme-billing", live, {ADDRESS: wanted}, {ADDRESS: "create"}, False, NOW)
    change = Change(ADDRESS, "create", after=wanted)
    assert list(SUBSCRIPTIONS.refuse(change, context)) == []
    return SUBSCRIPTIONS.compile(change, context)


def known(plan: dict[str, Any]) -> Resource:
    """A pricing plan as a list shows it."""
    found = PLANS.live(plan, {"01API": ("api",)})
    assert found is not None
    return found


def step(wanted: Resource) -> Step:
    """Its one request."""
    [found] = compiled(wanted).steps
    return found


@needs_recordings
def test_every_subscription_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v3/openmeter/subscriptions")
    names = {item["customer_id"]: ("acme",) for item in items}
    found = [SUBSCRIPTIONS.live(item, names) for item in items]
    assert len(found) > 20
    for item, resource in zip(items, found, strict=True):
        assert resource is not None
        plan = item.get("plan") or {"key": "", "version": None}
        assert resource.spec[:2] == (plan["key"], plan["version"])
        assert resource.facts["status"] == item["status"]


@needs_recordings
def test_every_plan_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v3/openmeter/plans")
    assert len(items) > 20
    for item in items:
        found = known(item)
        assert found.spec == (item["version"], item["currency"], item["billing_cadence"])
        assert len(found.facts["cards"]) == sum(len(phase["rate_cards"]) for phase in item["phases"])


@needs_recordings
def test_it_is_created_as_a_recorded_openmeter_took_it() -> None:
    """The fields of our bodies are those of bodies that were answered 201, for both APIs."""
    taken: dict[str, set[str]] = {}
    for exchange in exchanges("catalog"):
        request = exchange["request"]
        is_taken = request["method"] == "POST" and exchange["response"]["status"] == 201
        if is_taken and request["path"].endswith("/subscriptions"):
            taken.setdefault(request["path"], set()).update(request["body"])
    later = {"timing": "2027-03-01T00:00:00Z", "billing_anchor": "2027-03-01T00:00:00Z"}
    for wanted in (wish(), wish(**later)):
        sent = step(wanted)
        known = taken["/" + "/".join(map(str, sent.path))] | {"customerId"}
        assert set(sent.body) <= known


def test_one_that_starts_at_once_goes_through_v3_with_the_version_of_the_plan() -> None:
    assert step(wish(metadata={"crm": "42"})).body == {
        "customer": {"id": "01ACME"},
        "plan": {"key": "pro", "version": 3},
        "labels": {"crm": "42", "bac.owner": "acme-billing"},
    }


def test_one_that_starts_later_goes_through_v1_which_alone_knows_a_timing() -> None:
    sent = step(wish(timing="2027-03-01T01:00:00+01:00", billing_anchor="2027-03-05T00:00:00Z"))
    assert sent.path == ("api", "v1", "subscriptions")
    assert sent.body == {
        "customerId": "01ACME",
        "plan": {"key": "pro"},
        "timing": "2027-03-01T00:00:00Z",
        "billingAnchor": "2027-03-05T00:00:00Z",
        "metadata": {"bac.owner": "acme-billing"},
    }


def test_the_review_tells_what_each_phase_of_the_plan_charges_and_gives() -> None:
    assert compiled(wish()).notes == (
        ("starts_at_once", ""),
        ("bills", "USD every P1M"),
        ("rate_card", "in phase trial api: free"),
        ("rate_card", "in phase paid api: unit 0.02 every P1M, access within 1000"),
        ("rate_card", "in phase paid fee: graduated every P1M"),
    )


@pytest.mark.parametrize(
    ("timing", "item", "stands"),
    [
        ("immediate", {"status": "active"}, "equal"),
        ("immediate", {"status": "scheduled", "active_from": "2027-03-01T00:00:00Z"}, "other"),
        ("immediate", {"status": "canceled", "active_to": "2026-12-24T00:00:00Z"}, "other"),
        ("2027-03-01T00:00:00Z", {"status": "active"}, "other"),
        ("2027-03-01T00:00:00Z", {"status": "scheduled", "active_from": "2027-03-01T00:00:00.000Z"}, "equal"),
        ("2027-03-01T00:00:00Z", {"status": "canceled", "active_to": "2027-03-01T00:00:00Z"}, "over"),
        ("2027-03-01T00:00:00Z", {"status": "canceled", "active_to": "2027-03-01T00:00:01Z"}, "other"),
    ],
)
def test_what_a_customer_has_is_the_wish_or_in_its_way_or_over_by_then(
    timing: str, item: dict[str, Any], stands: str
) -> None:
    plan = {"id": "01PLAN", "key": "pro", "version": 3}
    shown = {"id": "01S", "customer_id": "01ACME", "active_from": "2026-11-01T00:00:00Z", "plan": plan} | item
    body = {"data": [shown], "meta": {"page": {"size": 20, "number": 1, "total": 1}}}
    items = Beside("/x", timing=timing).items(1, body)
    assert (items == []) is (stands == "over")
    for one in items:
        found = SUBSCRIPTIONS.live(one, {"01ACME": ("acme",)})
        assert found is not None
        assert found.spec[:2] == (("pro", 3) if stands == "equal" else ("", 0))
