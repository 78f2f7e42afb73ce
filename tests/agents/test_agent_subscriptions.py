"""What puts a customer on a pricing plan: proposed, approved, created once, and in no file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent import Agent, unchanged
from commands import against
from mortal import Killed, Mortal
from reviewing import Approver, apply_approved
from subscribed import PRO, V1, publish
from workspace import Workspace

from billing_as_code import service
from billing_as_code.config import AgentPolicy
from billing_as_code.errors import CatalogError
from billing_as_code.render import markdown

KEY = "acme-corp-001"


def proposed(agent: Agent, **arguments: Any) -> dict[str, Any]:
    """A call that becomes a proposal, with nothing written."""
    with unchanged(agent.ws):
        told = agent.fails("create_subscription", **arguments)
    assert told["code"] == "approval_required", told
    return told


def subscriptions(ws: Workspace, customer: str = KEY) -> list[dict[str, Any]]:
    """What OpenMeter has of a customer."""
    found: list[dict[str, Any]] = ws.http.get(f"{V1}/customers/{customer}/subscriptions").json()["items"]
    return found


# -- the whole way -----------------------------------------------------------------------------------------------------


def test_a_subscription_is_proposed_approved_and_created_once_and_stands_in_no_file(
    agent: Agent, ada: Approver
) -> None:
    plan = publish(agent.ws)
    files = {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*.yaml")}
    told = proposed(agent, customer=KEY, plan="pro", metadata={"crm": "42"}, why="signed on Monday")
    (change,) = told["changes"]
    assert (change["address"], change["action"], change["severity"]) == (f"subscriptions.{KEY}", "create", "commercial")
    assert change["values"] == ["plan: pro", "version: 1", 'metadata: {crm: "42"}']
    assert change["why"] == [
        "it starts as soon as it is applied",
        "it bills in USD every P1M",
        "its rate card fee: flat 49 every P1M",
        "its rate card spare: free, access (boolean)",
    ]
    assert (told["patch"], f"subscriptions.{KEY}" in told["notes"][0]) == (None, True)
    assert proposed(agent, customer=KEY, plan="pro", metadata={"crm": "42"})["digest"] == told["digest"]
    ada.approve(agent.ws, told["digest"])
    done = agent.call("create_subscription", customer=KEY, plan="pro", metadata={"crm": "42"})
    assert (done["status"], done["done"]) == ("applied", [f"subscriptions.{KEY}"])
    assert "catalog's files do not say this" in done["notes"][0]
    (live,) = subscriptions(agent.ws)
    assert live["plan"] == {"id": plan, "key": "pro", "version": 1}
    assert live["metadata"] == {"bac.owner": "acme-billing", "crm": "42"}
    with unchanged(agent.ws):
        again = agent.call("create_subscription", customer=KEY, plan="pro", metadata={"crm": "42"})
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "already_applied"
    assert (again["status"], again["notes"]) == ("nothing_to_do", ["It is so already."])
    assert agent.call("list_proposals")["proposals"] == []
    assert {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*.yaml")} == files
    assert agent.ws.plan().changes == ()
    shown = agent.call("get_customer", key=KEY)
    assert (shown["subscription"]["plan"], shown["subscription"]["status"]) == ("pro", "active")
    assert [e["feature"] for e in shown["entitlements"]] == ["ai_tokens", "seats", "spare", "sso"]


def test_one_that_starts_later_is_scheduled_for_that_instant(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    call = {"customer": KEY, "plan": "pro", "version": 1, "start": "2027-03-01T01:00:00+01:00"}
    told = proposed(agent, **call, billing_anchor="2027-03-01T00:00:00Z")
    ada.approve(agent.ws, told["digest"])
    assert agent.call("apply_changes", digest=told["digest"])["status"] == "applied"
    (live,) = subscriptions(agent.ws)
    assert (live["status"], live["activeFrom"], live["plan"]["version"]) == ("scheduled", "2027-03-01T00:00:00Z", 1)
    assert agent.call("create_subscription", **call)["status"] == "nothing_to_do"
    # it has not begun, so whoever wants one now has none, and no room for one
    assert "has a subscription already" in agent.fails("create_subscription", customer=KEY, plan="pro")["message"]


def test_a_following_one_starts_when_the_cancelled_one_ends(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    body = {"customerKey": KEY, "plan": {"key": "pro"}}
    first = agent.ws.http.post(f"{V1}/subscriptions", json=body).raise_for_status().json()
    cancel = f"{V1}/subscriptions/{first['id']}/cancel"
    end = agent.ws.http.post(cancel, json={"timing": "next_billing_cycle"}).raise_for_status().json()["activeTo"]
    publish(agent.ws, key="plus")
    with unchanged(agent.ws):
        for plan in ("pro", "plus"):
            failed = agent.fails("create_subscription", customer=KEY, plan=plan)
            assert (failed["code"], f"timing: {end}" in failed["message"]) == ("plan_impossible", True)
    told = proposed(agent, customer=KEY, plan="plus", start=end)
    ada.approve(agent.ws, told["digest"])
    agent.call("apply_changes", digest=told["digest"])
    assert {s["plan"]["key"]: s["status"] for s in subscriptions(agent.ws)} == {"pro": "canceled", "plus": "scheduled"}


def test_an_onboarding_is_one_review_and_the_same_calls_after_it_do_it_once(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    first = agent.fails("create_customer", key="globex", name="Globex", currency="USD")
    pending = agent.fails("create_subscription", customer="globex", plan="pro")
    assert (pending["code"], pending["digest"]) == ("reference_pending", first["digest"])
    grant = {"customer": "globex", "feature": "ai_tokens", "type": "metered", "amount": "100", "onto": first["digest"]}
    second = agent.fails("create_entitlement", **grant)
    last = {"customer": "globex", "plan": "pro", "onto": second["digest"]}
    third = proposed(agent, **last)
    names = {c["address"] for c in third["changes"]}
    assert names == {"customers.globex", "entitlements.globex.ai_tokens", "subscriptions.globex"}
    ada.approve(agent.ws, third["digest"])
    assert agent.call("create_subscription", **last)["total_done"] == 3
    with unchanged(agent.ws):
        assert agent.call("create_subscription", **last)["status"] == "nothing_to_do"
    assert [s["status"] for s in subscriptions(agent.ws, "globex")] == ["active"]
    assert agent.ws.plan().changes == ()
    files = "".join(p.read_text() for p in (agent.ws.root / "catalog").rglob("*.yaml"))
    assert ("globex" in files, "subscriptions" in files) == (True, False)


def test_where_it_is_allowed_it_is_created_at_once(applied: Workspace) -> None:
    publish(applied)
    agent = Agent(applied, policy=AgentPolicy(rules={"create_subscription": "allow"}))
    assert agent.call("create_subscription", customer=KEY, plan="pro")["status"] == "applied"
    assert len(subscriptions(applied)) == 1


# -- what OpenMeter would refuse ---------------------------------------------------------------------------------------


def test_what_openmeter_would_refuse_is_told_before_anybody_reviews_it(agent: Agent) -> None:
    http = agent.ws.http
    http.post(f"{V1}/plans", json=PRO).raise_for_status()
    publish(agent.ws, key="euro", currency="EUR")
    cards = [{**PRO["phases"][0]["rateCards"][1], "key": "sso", "featureKey": "sso"}]
    publish(agent.ws, key="clash", phases=[{**PRO["phases"][0], "rateCards": cards}])
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"plan": "pro"}, "not_found", "No version of a pricing plan pro is published"),
        ({"plan": "pro", "version": 1}, "plan_impossible", "no version of pricing plan pro is published"),
        ({"plan": "nothing"}, "not_found", "No version of a pricing plan nothing is published"),
        ({"plan": "euro", "version": 2}, "plan_impossible", "is not the published one, which is 1"),
        ({"plan": "euro"}, "plan_impossible", "Choose a plan in USD"),
        ({"plan": "clash"}, "plan_impossible", f"entitlements.{KEY}.sso does so already"),
        ({"plan": "euro", "start": "2026-01-01T00:00:00Z"}, "plan_impossible", "starts no subscription in the past"),
        ({"plan": "clash", "metadata": {"crm": "A 42"}}, "catalog_invalid", "is no label value"),
        ({"plan": "clash", "start": "2026-02-30T00:00:00Z"}, "catalog_invalid", "timing"),
    ]
    with unchanged(agent.ws):
        for call, code, text in cases:
            told = agent.fails("create_subscription", customer=KEY, **call)
            assert (told["code"], text in json.dumps(told)) == (code, True), told
        told = agent.fails("create_subscription", customer="nobody", plan="clash")
        assert (told["code"], "customers.nobody" in told["message"]) == ("not_found", True)
    assert agent.call("list_proposals", all=True)["proposals"] == []


def test_a_subscription_of_another_hand_is_told_as_what_it_is(agent: Agent) -> None:
    publish(agent.ws)
    publish(agent.ws, key="plus")
    body = {"customerKey": KEY, "plan": {"key": "plus"}, "metadata": {"bac.owner": "sales"}}
    agent.ws.http.post(f"{V1}/subscriptions", json=body).raise_for_status()
    told = agent.fails("create_subscription", customer=KEY, plan="pro")
    assert (told["code"], "plus v1, active from" in told["message"]) == ("plan_impossible", True)
    assert agent.call("create_subscription", customer=KEY, plan="plus")["status"] == "nothing_to_do"


@pytest.mark.parametrize("start", [None, "2027-03-01T00:00:00Z"])
def test_a_plan_that_was_published_anew_since_the_review_is_not_subscribed_to(
    agent: Agent, ada: Approver, start: str | None
) -> None:
    publish(agent.ws)
    told = proposed(agent, customer=KEY, plan="pro", start=start)
    ada.approve(agent.ws, told["digest"])
    publish(agent.ws)
    with unchanged(agent.ws):
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "drifted"
    assert proposed(agent, customer=KEY, plan="pro", start=start)["changes"][0]["values"][1] == "version: 2"


def test_a_subscription_that_has_appeared_since_the_review_is_not_doubled(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    told = proposed(agent, customer=KEY, plan="pro")
    ada.approve(agent.ws, told["digest"])
    body = {"customerKey": KEY, "plan": {"key": "pro"}}
    agent.ws.http.post(f"{V1}/subscriptions", json=body).raise_for_status()
    with unchanged(agent.ws):
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "drifted"
        assert agent.call("create_subscription", customer=KEY, plan="pro")["status"] == "nothing_to_do"


def test_what_openmeter_refuses_at_last_is_told_with_what_helps(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    told = proposed(agent, customer=KEY, plan="pro")
    ada.approve(agent.ws, told["digest"])
    problem = {"title": "Conflict", "status": 409, "detail": "invalid billing setup: no default billing profile"}
    agent.ws.faults({"path": "*/subscriptions", "method": "POST", "status": 409, "body": problem})
    failed = agent.fails("apply_changes", digest=told["digest"])
    assert failed["code"] == "partly_applied"
    assert "invalid billing setup" in failed["failed"][0]
    assert "billing profile" in failed["failed"][0].split("invalid billing setup: no default billing profile")[1]


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, "2027-03-01T00:00:00Z"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_makes_no_second_one(agent: Agent, ada: Approver, when: str, start: str | None) -> None:
    publish(agent.ws)
    told = proposed(agent, customer=KEY, plan="pro", start=start)
    ada.approve(agent.ws, told["digest"])
    agent.ws.faults({"path": "*/subscriptions", "method": "POST", "nth": 1, "drop": when})
    assert agent.call("apply_changes", digest=told["digest"])["status"] == "applied"
    assert len(subscriptions(agent.ws)) == 1


@pytest.mark.parametrize("start", [None, "2027-03-01T00:00:00Z"])
@pytest.mark.parametrize("is_sent", [False, True])
def test_an_apply_that_died_at_the_request_is_resumed_without_a_second_one(
    applied: Workspace, ada: Approver, is_sent: bool, start: str | None
) -> None:
    publish(applied)
    agent = Agent(applied)
    told = proposed(agent, customer=KEY, plan="pro", start=start)
    ada.approve(applied, told["digest"])
    inner, applied.transport = applied.transport, Mortal(applied.transport)
    applied.transport.die_at(1, is_sent=is_sent, only_writes=True)
    with pytest.raises(Killed):
        apply_approved(applied, told["digest"])
    applied.transport = inner
    assert len(subscriptions(applied)) == is_sent
    _, outcome = applied.resume()
    assert (outcome.whole, len(subscriptions(applied))) == (True, 1)
    assert agent.fails("apply_changes", digest=told["digest"])["code"] == "already_applied"


# -- no section of a catalog -------------------------------------------------------------------------------------------


def test_a_section_of_a_catalogs_file_is_refused_with_what_to_do_instead(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", "subscriptions:\n  acme: {plan: pro, version: 1}\nplans: {}\n")
    with pytest.raises(CatalogError) as refused:
        ws.plan()
    assert [(p.line, p.message) for p in refused.value.problems] == [
        (1, "a catalog has no section `subscriptions`"),
        (3, "a catalog has no section `plans`"),
    ]
    assert "create_subscription" in refused.value.problems[0].remedy


def test_the_review_and_the_explanation_say_that_no_file_has_it(
    agent: Agent, ada: Approver, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(agent.ws)
    bac = against(agent.ws, monkeypatch)
    for tool, call in (
        ("create_subscription", {"customer": KEY, "plan": "pro"}),
        ("delete_subject", {"key": "cust_99"}),
    ):
        told = agent.fails(tool, **call)
        shown = bac("proposals", told["digest"][:12]).stdout
        address = told["changes"][0]["address"]
        assert f"{address} is in OpenMeter alone: no file says it, before or after." in shown
    with agent.ws.session() as session:
        [made, *_] = [p.plan for p in service.proposals(session) if p.plan.changes[0].address.kind == "subscriptions"]
    comment = "\n".join(markdown.plan(made))
    assert ("unknown" in comment, "| subscriptions | 1 |" in comment) == (False, True)
    assert "rate card fee: flat 49 every P1M" in comment
    assert "create_subscription" in bac("explain", "subscriptions", code=1).stderr


def test_it_is_in_no_list_of_resources_and_no_edit_takes_one_out(agent: Agent) -> None:
    publish(agent.ws)
    agent.ws.http.post(f"{V1}/subscriptions", json={"customerKey": KEY, "plan": {"key": "pro"}}).raise_for_status()
    kinds = {row["address"].split(".")[0] for row in agent.call("list_resources")["resources"]}
    assert kinds == {"meters", "features", "customers", "subjects", "entitlements"}
    edits = [{"address": f"subscriptions.{KEY}", "spec": None}]
    told = agent.fails("plan_changes", edits=edits)
    assert told["code"] == "catalog_invalid"


def test_no_file_says_it_so_it_cannot_be_merged(applied: Workspace) -> None:
    publish(applied)
    applied.configure(environments={"local": {"propose": "git"}})
    agent = Agent(applied)
    with unchanged(applied):
        for tool, call in (
            ("create_subscription", {"customer": KEY, "plan": "pro"}),
            ("delete_subject", {"key": "cust_99"}),
        ):
            told = agent.fails(tool, **call)
            assert (told["code"], "is changed by what is merged" in told["message"]) == ("read_only", True)
    assert agent.call("list_proposals", all=True)["proposals"] == []


def test_an_edit_that_asks_for_one_is_judged_as_any(agent: Agent, ada: Approver) -> None:
    publish(agent.ws)
    address = f"subscriptions.{KEY}"
    wrong: list[tuple[Any, str]] = [
        ({"plan": "pro"}, "version"),
        ({"plan": "pro", "version": 1, "external": True}, "external"),
        ({"plan": "pro", "version": 1, "timing": "next_billing_cycle"}, "timing"),
        ({"plan": "pro", "version": 1, "addons": {}}, "addons"),
    ]
    with unchanged(agent.ws):
        for spec, text in wrong:
            told = agent.fails("plan_changes", edits=[{"address": address, "spec": spec}])
            assert (told["code"], text in json.dumps(told["problems"])) == ("catalog_invalid", True), told
        edits = [{"address": address, "spec": {"plan": "pro", "version": 1}}]
        found = agent.call("plan_changes", edits=edits)
    assert [c["address"] for c in found["changes"]] == [address]
    ada.approve(agent.ws, found["digest"])
    assert agent.call("apply_changes", digest=found["digest"])["done"] == [address]
