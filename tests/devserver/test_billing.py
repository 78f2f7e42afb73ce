"""Billing of the dev server: the default profile, and the invoices that gather what subscriptions will cost."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import advance, ok, refused
from subscribing import V1, V3, cancel, customer, fee, phase, publish, subscribe

PROFILES = f"{V1}/billing/profiles"
INVOICES = f"{V1}/billing/invoices"


def test_there_is_a_default_profile_on_the_sandbox_from_the_beginning(client: httpx.Client) -> None:
    [app] = ok(client.get(f"{V1}/apps"))["items"]
    [profile] = ok(client.get(PROFILES))["items"]
    assert (profile["default"], profile["apps"]["payment"]) == (True, {"id": app["id"]})
    assert ok(client.get(f"{V3}/profiles"))["data"][0]["id"] == profile["id"]
    assert client.get(f"{V1}/apps/{profile['id']}").status_code == 404


def test_one_profile_is_the_default(client: httpx.Client) -> None:
    [boot] = ok(client.get(PROFILES))["items"]
    supplier = {"name": "ACME", "addresses": [{"country": "NO"}]}
    apps = dict.fromkeys(("tax", "invoicing", "payment"), boot["apps"]["tax"]["id"])
    body = {"name": "EU", "supplier": supplier, "default": True, "workflow": {}, "apps": apps}
    made = ok(client.post(PROFILES, json=body))
    assert not ok(client.get(f"{PROFILES}/{boot['id']}"))["default"]
    assert refused(client.delete(f"{PROFILES}/{made['id']}"), 400).startswith("default profile cannot be deleted")
    assert client.delete(f"{PROFILES}/{boot['id']}").status_code == 204
    assert [profile["id"] for profile in ok(client.get(PROFILES))["items"]] == [made["id"]]


def test_a_refused_profile_leaves_the_default_where_it_was(client: httpx.Client) -> None:
    [boot] = ok(client.get(PROFILES))["items"]
    supplier = {"name": "ACME", "addresses": [{"country": "NO"}]}
    body = {"name": "EU", "supplier": supplier, "default": True, "workflow": {}, "apps": None}
    body["apps"] = dict.fromkeys(("tax", "invoicing", "payment"), boot["id"])
    assert client.post(PROFILES, json=body).status_code == 404
    assert ok(client.get(f"{PROFILES}/{boot['id']}"))["default"]


def test_a_workflow_that_makes_no_sense_is_refused(client: httpx.Client) -> None:
    [boot] = ok(client.get(PROFILES))["items"]
    body = {"name": "EU", "supplier": boot["supplier"], "default": True}
    workflow = {"tax": {"enabled": False, "enforced": True}}
    assert refused(client.put(f"{PROFILES}/{boot['id']}", json={**body, "workflow": workflow}), 400) == (
        "invalid workflow configuration: invalid tax config: tax is enforced but tax is not enabled"
    )
    workflow = {"invoicing": {"defaultTaxConfig": {"stripe": {"code": "txcd_10000000"}}}}
    reply = client.put(f"{PROFILES}/{boot['id']}", json={**body, "workflow": workflow})
    assert refused(reply, 400).startswith("validation error: setting a tax code")


def gathered(client: httpx.Client, of: Any) -> list[Any]:
    """The invoices, after an attempt to delete a customer, which gathers what there is."""
    assert client.delete(f"{V1}/customers/{of['id']}").status_code == 400
    invoices: list[Any] = ok(client.get(INVOICES))["items"]
    return invoices


def test_a_customer_with_a_subscription_stays_and_its_invoice_is_gathered(client: httpx.Client) -> None:
    acme = customer(client)
    publish(client, phase(fee(), fee("support", "10.50", term="in_arrears"), fee("setup", "100", cadence=None)))
    subscribe(client)
    [invoice] = gathered(client, acme)
    # Two months in advance, one in arrears, and what is paid once.
    assert invoice["totals"]["total"] == "208.5"
    assert invoice["number"] == "GATHER-ACME-USD-1"
    assert (invoice["period"]["from"], invoice["period"]["to"]) == ("2026-11-24T12:00:00Z", "2027-01-24T12:00:00Z")
    assert [again["id"] for again in gathered(client, acme)] == [invoice["id"]]


def test_a_subscription_that_ended_is_invoiced_for_the_time_it_ran(client: httpx.Client) -> None:
    acme = customer(client)
    publish(client, phase(fee(amount="30")))
    made = subscribe(client)
    gathered(client, acme)
    advance(client, "2026-12-04T12:00:00Z")
    cancel(client, made)
    [invoice] = gathered(client, acme)
    assert (invoice["totals"]["total"], invoice["period"]["to"]) == ("10", "2026-12-04T12:00:00Z")
    refusal = refused(client.delete(f"{V1}/customers/{acme['id']}"), 400)
    assert refusal == f"validation error: invoice {invoice['id']} is still in gathering state"


@pytest.mark.parametrize(("at", "status"), [("12:00:00.9Z", 400), ("12:00:01Z", 204)])
def test_what_was_gathered_for_a_subscription_cannot_shrink_to_less_than_a_second(
    client: httpx.Client, at: str, status: int
) -> None:
    acme = customer(client)
    publish(client, phase(fee()))
    advance(client, "2026-11-24T12:00:00.4Z")
    made = subscribe(client)
    gathered(client, acme)
    advance(client, f"2026-11-24T{at}")
    cancel(client, made)
    answer = client.delete(f"{V1}/customers/{acme['id']}")
    assert answer.status_code == status
    assert ("new service period to must be greater than existing service period from" in answer.text) == (status == 400)


def test_without_credits_a_subscription_that_did_not_last_leaves_no_invoice(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={"credits_enabled": False})
    advance(client, "2026-11-24T12:00:00Z")
    acme = customer(client)
    publish(client, phase(fee(term="in_arrears")))
    made = subscribe(client)
    gathered(client, acme)
    advance(client, "2026-11-24T12:00:02Z")
    cancel(client, made)
    assert client.delete(f"{V1}/customers/{acme['id']}").status_code == 204
    assert ok(client.get(INVOICES))["items"] == []


def test_a_customer_without_anything_to_pay_is_deleted(client: httpx.Client) -> None:
    acme = customer(client)
    publish(client, phase(fee(), key="trial", duration="P1W"), phase(fee()))
    made = subscribe(client, timing="2026-12-24T12:00:00Z")
    assert client.delete(f"{V1}/subscriptions/{made['id']}").status_code == 204
    assert client.delete(f"{V1}/customers/{acme['id']}").status_code == 204


def test_an_invoice_that_depends_on_usage_is_not_priced_here(client: httpx.Client) -> None:
    acme = customer(client)
    meter = {"slug": "calls", "eventType": "call", "aggregation": "COUNT"}
    ok(client.post(f"{V1}/meters", json=meter))
    ok(client.post(f"{V1}/features", json={"key": "calls", "name": "Calls", "meterSlug": "calls"}))
    usage = {"type": "usage_based", "key": "calls", "name": "Calls", "featureKey": "calls", "billingCadence": "P1M"}
    publish(client, phase(usage | {"price": {"type": "unit", "amount": "0.1"}}))
    subscribe(client)
    assert client.delete(f"{V1}/customers/{acme['id']}").status_code == 400
    assert client.get(INVOICES).status_code == 501


def test_currencies_are_listed_by_code_and_found_by_it(client: httpx.Client) -> None:
    page = ok(client.get(f"{V3}/currencies", params={"page[size]": 2, "sort": "code desc"}))
    assert [currency["code"] for currency in page["data"]] == ["ZMW", "ZMK"]
    assert page["meta"]["page"]["total"] == 171
    [euro] = ok(client.get(f"{V3}/currencies", params={"filter[code]": "EUR"}))["data"]
    assert (euro["name"], euro["precision"], euro["type"]) == ("Euro", 2, "fiat")
    assert ok(client.get(f"{V3}/currencies", params={"filter[type]": "custom"}))["data"] == []


def test_customers_are_found_by_the_default_profile(client: httpx.Client) -> None:
    acme = customer(client)
    [profile] = ok(client.get(PROFILES))["items"]
    for id, expected in ((profile["id"], [acme["id"]]), (acme["id"], [])):
        found = ok(client.get(f"{V3}/customers", params={"filter[billing_profile_id]": id}))["data"]
        assert [one["id"] for one in found] == expected
