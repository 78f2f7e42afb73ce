"""Plans of the dev server: drafts, versions, and what keeps them from being published."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import advance, ok, refused
from subscribing import V1, V3, draft, feature, fee, included, phase, publish


def test_a_plan_is_a_draft_until_it_is_published_and_then_cannot_be_changed(client: httpx.Client) -> None:
    made = draft(client, phase(fee()))
    assert (made["status"], made["version"], made.get("effectiveFrom")) == ("draft", 1, None)
    published = ok(client.post(f"{V1}/plans/{made['id']}/publish"))
    assert published["status"] == "active"
    body = {"name": "Other", "billingCadence": "P1M", "phases": [phase(fee())]}
    assert client.put(f"{V1}/plans/{made['id']}", json=body).status_code == 400
    assert client.delete(f"{V1}/plans/{made['id']}").status_code == 400


def test_publishing_a_version_archives_the_one_before(client: httpx.Client) -> None:
    first = publish(client, phase(fee()))
    second = ok(client.post(f"{V1}/plans/pro/next"))
    assert (second["status"], second["version"]) == ("draft", 2)
    advance(client, "2026-11-24T13:00:00Z")
    ok(client.post(f"{V1}/plans/{second['id']}/publish"))
    listed = ok(client.get(f"{V1}/plans", params={"orderBy": "version", "order": "ASC"}))["items"]
    assert [(plan["version"], plan["status"]) for plan in listed] == [(1, "archived"), (2, "active")]
    assert ok(client.get(f"{V1}/plans/{first['id']}"))["effectiveTo"][:19] == listed[1]["effectiveFrom"][:19]


def test_there_is_one_draft_of_a_key_at_a_time(client: httpx.Client) -> None:
    draft(client, phase(fee()))
    body = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M", "phases": [phase(fee())]}
    refusal = refused(client.post(f"{V1}/plans", json=body), 400)
    assert refusal == "validation error: only a single draft version is allowed for Plan"


def test_a_plan_with_an_archived_feature_is_not_published(client: httpx.Client) -> None:
    sso = feature(client, "sso")
    made = draft(client, phase(included("sso", {"type": "boolean"})))
    ok(client.delete(f"{V1}/features/{sso['id']}"))
    reply = client.post(f"{V1}/plans/{made['id']}/publish")
    assert reply.status_code == 400
    [issue] = reply.json()["extensions"]["validationErrors"]
    assert issue["code"] == "rate_card_feature_not_found"
    assert ok(client.get(f"{V1}/plans/{made['id']}"))["status"] == "draft"


def test_a_feature_of_a_plan_in_force_is_not_archived_and_may_be_once_the_plan_is(client: httpx.Client) -> None:
    sso = feature(client, "sso")
    plan = publish(client, phase(included("sso", {"type": "boolean"})))
    refusal = refused(client.delete(f"{V1}/features/{sso['id']}"), 400)
    because = "feature is referenced by active plan, it cannot be archived"
    assert refusal == f"forbidden for feature {sso['id']}: {because}"
    advance(client, "2026-11-24T13:00:00Z")
    ok(client.post(f"{V1}/plans/{plan['id']}/archive"))
    advance(client, "2026-11-24T14:00:00Z")
    assert client.delete(f"{V1}/features/{sso['id']}").status_code == 204


def test_both_apis_show_one_plan(client: httpx.Client) -> None:
    feature(client, "sso")
    made = publish(client, phase(fee(), included("sso", {"type": "boolean"})))
    shown = ok(client.get(f"{V3}/plans/{made['id']}"))
    assert (shown["key"], shown["status"], shown["billing_cadence"]) == ("pro", "active", "P1M")
    [only] = shown["phases"]
    cards = {card["key"]: card for card in only["rate_cards"]}
    assert cards["fee"]["price"] == {"type": "flat", "amount": "49"}
    assert (cards["sso"]["price"], cards["sso"]["entitlement"]) == ({"type": "free"}, {"type": "boolean"})


@pytest.mark.parametrize(
    ("phases", "code"),
    [
        ([phase(fee(), duration="P1M")], "plan_has_last_phase_with_duration"),
        ([phase(fee(), key="trial"), phase(fee())], "plan_has_non_last_phase_with_no_duration"),
        ([phase(fee(cadence="P1W"))], "rate_card_billing_cadence_unaligned"),
    ],
)
def test_a_draft_is_kept_with_its_faults_and_not_published(client: httpx.Client, phases: list[Any], code: str) -> None:
    made = draft(client, *phases)
    assert [issue["code"] for issue in made["validationErrors"]] == [code]
    reply = client.post(f"{V1}/plans/{made['id']}/publish")
    assert reply.status_code == 400
    assert [issue["code"] for issue in reply.json()["extensions"]["validationErrors"]] == [code]


def test_two_cards_of_one_key_in_a_phase_are_refused_at_once(client: httpx.Client) -> None:
    body = {"key": "pro", "name": "Pro", "currency": "USD", "billingCadence": "P1M", "phases": [phase(fee(), fee())]}
    reply = client.post(f"{V1}/plans", json=body)
    assert reply.status_code == 400
    assert client.get(f"{V1}/plans").json()["totalCount"] == 0


def test_a_deleted_draft_is_shown_on_demand_alone(client: httpx.Client) -> None:
    made = draft(client, phase(fee()))
    assert client.delete(f"{V1}/plans/{made['id']}").status_code == 204
    assert ok(client.get(f"{V1}/plans"))["totalCount"] == 0
    [shown] = ok(client.get(f"{V1}/plans", params={"includeDeleted": True}))["items"]
    assert shown["id"] == made["id"]
    assert "deletedAt" in shown


def test_a_stripe_code_on_a_card_makes_a_tax_code_or_finds_the_one_there_is(client: httpx.Client) -> None:
    mapping = {"app_type": "stripe", "tax_code": "txcd_10103001"}
    saas = ok(client.post(f"{V3}/tax-codes", json={"key": "saas", "name": "SaaS", "app_mappings": [mapping]}))
    cards = [
        fee(f"fee_{code[-1]}", taxConfig={"stripe": {"code": code}}) for code in ("txcd_10103001", "txcd_20030002")
    ]
    made = draft(client, phase(*cards))
    first, second = (card["taxConfig"] for card in made["phases"][0]["rateCards"])
    assert first == {"stripe": {"code": "txcd_10103001"}, "taxCodeId": saas["id"]}
    codes = {code["id"]: code["key"] for code in ok(client.get(f"{V3}/tax-codes"))["data"]}
    assert codes[second["taxCodeId"]] == "stripe_txcd_20030002"


def test_the_tax_codes_of_the_first_start_are_not_changed(client: httpx.Client) -> None:
    [system, _] = ok(client.get(f"{V3}/tax-codes"))["data"]
    reply = client.put(f"{V3}/tax-codes/{system['id']}", json={"name": "Mine", "app_mappings": []})
    assert reply.status_code == 409
    assert ok(client.get(f"{V3}/tax-codes/{system['id']}")) == system


@pytest.mark.parametrize(("version", "why"), [("one", "invalid syntax"), ("9223372036854775808", "value out of range")])
def test_a_version_that_is_no_number_is_refused(client: httpx.Client, version: str, why: str) -> None:
    refusal = refused(client.get(f"{V1}/plans", params={"keyVersion[pro][0]": version}), 400)
    assert refusal == (
        f'parameter "keyVersion" in query has an error: path pro.0: value {version}: an invalid integer: {why}'
    )
