"""What an agent proposes, what a person approves, and that nothing else is ever written: the whole way over MCP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent import Agent, unchanged
from reviewing import Approver
from workspace import Workspace

from billing_as_code.config import AgentPolicy

KEY = "acme-corp-001"
RAISED = {
    "address": f"entitlements.{KEY}.ai_tokens",
    "spec": {
        "type": "metered",
        "usage_period": {"interval": "month", "anchor": "2026-11-01T00:00:00Z"},
        "issue": {"amount": 5000},
        "measure_usage_from": "2026-11-20T00:00:00Z",
    },
}


def proposed(agent: Agent, tool: str, **arguments: Any) -> dict[str, Any]:
    """A call that becomes a proposal, with nothing written anywhere."""
    before = {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*") if p.is_file()}
    with unchanged(agent.ws):
        told = agent.fails(tool, **arguments)
    assert told["code"] == "approval_required", told
    assert {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*") if p.is_file()} == before
    return told


# -- one thing at a time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "address"),
    [
        (
            "create_customer",
            {"key": "globex corp/1", "name": "Globex", "subjects": ["g1"], "metadata": {"crm": "1"}},
            'customers."globex corp/1"',
        ),
        ("create_feature", {"key": "img_gen", "name": "Image Generation", "meter": "tokens_total"}, "features.img_gen"),
        ("create_feature", {"key": "costly", "meter": "tokens_total", "unit_cost": "0.000002"}, "features.costly"),
        (
            "create_entitlement",
            {"customer": KEY, "feature": "spare", "type": "static", "config": {"max": 5}},
            f"entitlements.{KEY}.spare",
        ),
        ("upsert_subjects", {"subjects": [{"key": "cust_99", "display_name": "99"}]}, "subjects.cust_99"),
    ],
)
def test_a_call_is_a_proposal_and_the_same_call_after_approval_does_it_once(
    applied: Workspace, ada: Approver, tool: str, arguments: dict[str, Any], address: str
) -> None:
    agent = Agent(applied)
    told = proposed(agent, tool, **arguments)
    assert [change["address"] for change in told["changes"]] == [address]
    assert told["patch"].startswith("--- a/catalog/")
    assert proposed(agent, tool, **arguments)["digest"] == told["digest"]
    ada.approve(applied, told["digest"])
    done = agent.call(tool, **arguments)
    assert (done["status"], done["done"], done["digest"]) == ("applied", [address], told["digest"])
    assert applied.plan().changes == ()
    with unchanged(applied):
        again = agent.call(tool, **arguments)
    assert (again["status"], again["notes"]) == ("nothing_to_do", ["It is so already."])


def test_a_subject_that_is_declared_is_taken_out(agent: Agent, ada: Approver) -> None:
    agent.ws.write("catalog/more.yaml", {"subjects": {"cust_99": {"display_name": "99"}}})
    agent.ws.converge()
    told = proposed(agent, "delete_subject", key="cust_99")
    assert [(c["action"], c["address"]) for c in told["changes"]] == [("delete", "subjects.cust_99")]
    ada.approve(agent.ws, told["digest"])
    assert agent.call("delete_subject", key="cust_99")["done"] == ["subjects.cust_99"]
    assert agent.ws.plan().changes == ()


def test_a_subject_that_nobody_declares_is_deleted_with_that_and_what_stays_in_the_review(
    agent: Agent, ada: Approver
) -> None:
    http, files = agent.ws.http, {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*.yaml")}
    agent.call("ingest_event", type="tokens", subject="cust_99", data={"tokens": 150})
    told = proposed(agent, "delete_subject", key="cust_99")
    (change,) = told["changes"]
    assert (change["action"], change["address"], change["severity"]) == ("delete", "subjects.cust_99", "breaking")
    assert change["why"] == [
        "nobody owns it and no catalog declares it: it is deleted since the proposal asks for just that",
        "OpenMeter keeps its usage events, and they go on counting",
        f"customers.{KEY} keeps naming it: events count there, and OpenMeter makes it again when that customer is "
        "written",
    ]
    assert (told["patch"], "subjects.cust_99" in told["notes"][0]) == (None, True)
    ada.approve(agent.ws, told["digest"])
    assert agent.call("delete_subject", key="cust_99")["done"] == ["subjects.cust_99"]
    assert http.get("/api/v1/subjects").json() == []
    assert http.get(f"/api/v1/customers/{KEY}").json()["usageAttribution"]["subjectKeys"] == ["cust_99"]
    assert agent.call("check_access", customer=KEY, feature="ai_tokens")["usage"] == 150
    assert {p: p.read_bytes() for p in (agent.ws.root / "catalog").rglob("*.yaml")} == files
    with unchanged(agent.ws):
        for key in ("cust_99", "nobody"):
            assert agent.call("delete_subject", key=key)["status"] == "nothing_to_do"
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "already_applied"


def test_a_subject_of_another_hand_is_theirs_to_delete(agent: Agent, ada: Approver) -> None:
    theirs = [{"key": "cust_99", "metadata": {"bac.owner": "sales"}}]
    waiting = proposed(agent, "delete_subject", key="cust_99")
    ada.approve(agent.ws, waiting["digest"])
    agent.ws.http.post("/api/v1/subjects", json=theirs).raise_for_status()
    edits = [{"address": "subjects.cust_99", "spec": None}]
    with unchanged(agent.ws):
        told = agent.fails("delete_subject", key="cust_99")
        assert (told["code"], "sales" in told["message"]) == ("not_managed", True)
        told = agent.fails("plan_changes", edits=edits)
        assert (told["code"], "belongs to sales" in told["message"]) == ("plan_impossible", True)
        assert agent.fails("apply_changes", digest=waiting["digest"])["code"] == "drifted"


def test_a_subject_that_was_declared_since_the_review_is_not_deleted(agent: Agent, ada: Approver) -> None:
    told = proposed(agent, "delete_subject", key="cust_99")
    ada.approve(agent.ws, told["digest"])
    agent.ws.write("catalog/more.yaml", {"subjects": {"cust_99": {"display_name": "99"}}})
    with unchanged(agent.ws):
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "drifted"


def test_nothing_but_a_subject_is_deleted_that_the_catalog_does_not_declare(agent: Agent) -> None:
    agent.ws.http.post("/api/v1/customers", json={"key": "signup", "name": "By the sign-up"}).raise_for_status()
    with unchanged(agent.ws):
        told = agent.fails("plan_changes", edits=[{"address": "customers.signup", "spec": None}])
    assert (told["code"], "is not in the catalog" in json.dumps(told)) == ("catalog_invalid", True)


def test_what_is_left_out_of_a_subject_stays_as_it_is(agent: Agent, ada: Approver) -> None:
    agent.ws.write("catalog/more.yaml", {"subjects": {"cust_99": {"display_name": "99", "metadata": {"tier": 1}}}})
    agent.ws.converge()
    told = proposed(agent, "upsert_subjects", subjects=[{"key": "cust_99", "stripe_customer_id": "cus_1"}])
    assert [f["field"] for f in told["changes"][0]["fields"]] == ["stripe_customer_id"]


def test_what_exists_is_not_created_over(agent: Agent) -> None:
    with unchanged(agent.ws):
        told = agent.fails("create_customer", key=KEY, name="Another")
    assert told["code"] == "already_exists"
    assert agent.call("list_proposals")["proposals"] == []


def test_a_reference_that_leads_nowhere_is_told_so(agent: Agent) -> None:
    told = agent.fails("create_feature", key="img_gen", meter="images_total")
    assert (told["code"], "meters.images_total" in told["message"]) == ("not_found", True)
    assert agent.fails("create_entitlement", customer="x", feature="sso", type="boolean")["code"] == "not_found"


def test_a_customer_that_lives_in_openmeter_alone_enters_the_catalog_as_external(agent: Agent, ada: Approver) -> None:
    agent.ws.http.post("/api/v1/customers", json={"key": "signup", "name": "By the sign-up"}).raise_for_status()
    told = proposed(agent, "create_entitlement", customer="signup", feature="sso", type="boolean")
    assert "external: true" in told["patch"]
    assert [c["address"] for c in told["changes"]] == ["entitlements.signup.sso"]
    ada.approve(agent.ws, told["digest"])
    agent.call("apply_changes", digest=told["digest"])
    assert agent.call("check_access", customer="signup", feature="sso")["access"] is True
    assert agent.ws.http.get("/api/v1/customers/signup").json().get("metadata") in (None, {})


# -- stacking ----------------------------------------------------------------------------------------------------------


def test_an_onboarding_is_one_review(agent: Agent, ada: Approver) -> None:
    first = proposed(agent, "create_customer", key="globex", name="Globex")
    pending = agent.fails("create_entitlement", customer="globex", feature="sso", type="boolean")
    assert (pending["code"], pending["digest"]) == ("reference_pending", first["digest"])
    grant = {"customer": "globex", "feature": "ai_tokens", "type": "metered", "amount": "100"}
    both = proposed(agent, "create_entitlement", **grant, onto=first["digest"], why="signed on Monday")
    assert {c["address"] for c in both["changes"]} == {"customers.globex", "entitlements.globex.ai_tokens"}
    listed = agent.call("list_proposals")["proposals"]
    assert [(p["digest"], p["state"], p["why"]) for p in listed] == [(both["digest"], "open", "signed on Monday")]
    told = agent.fails("apply_changes", digest=first["digest"])
    assert (told["code"], both["digest"][:12] in told["next"]) == ("approval_required", True)
    ada.approve(agent.ws, both["digest"])
    done = agent.call("apply_changes", digest="sha256:" + both["digest"])
    assert (done["status"], done["total_done"]) == ("applied", 2)
    assert agent.call("get_customer", key="globex")["entitlements"][0]["balance"] == 100
    assert agent.ws.plan().changes == ()


# -- edits -------------------------------------------------------------------------------------------------------------


def test_edits_are_proposed_with_what_they_do_and_what_becomes_of_the_files(agent: Agent, ada: Approver) -> None:
    with unchanged(agent.ws):
        found = agent.call("plan_changes", edits=[RAISED], why="they hit the limit")
    assert (found["severity"], found["proposal"]["state"]) == ("commercial", "open")
    assert "-        amount: 1000" in found["patch"]
    assert "+        amount: 5000" in found["patch"]
    assert f"bac approve {found['digest'][:12]}" in found["next"]
    ada.approve(agent.ws, found["digest"])
    assert agent.call("plan_changes", edits=[RAISED])["proposal"]["state"] == "approved"
    agent.call("apply_changes", digest=found["digest"])
    assert agent.call("check_access", customer=KEY, feature="ai_tokens")["balance"] == 5000
    assert agent.fails("apply_changes", digest=found["digest"])["code"] == "already_applied"


def test_an_empty_list_of_edits_proposes_the_files_as_they_stand(agent: Agent, ada: Approver) -> None:
    agent.ws.write("catalog/more.yaml", {"features": {"img_gen": {}}})
    assert agent.call("plan_changes")["proposal"] is None
    found = agent.call("plan_changes", edits=[])
    assert (found["proposal"]["state"], found["patch"]) == ("open", None)
    ada.approve(agent.ws, found["digest"])
    assert agent.call("apply_changes", digest=found["digest"])["done"] == ["features.img_gen"]


WRONG: tuple[tuple[list[dict[str, Any]], str], ...] = (
    ([{"address": "features.img_gen", "spec": {"nmae": "x"}}], "did you mean"),
    ([{"address": "feature.img_gen", "spec": {}}], "did you mean"),
    ([{"address": "features.../../etc/passwd", "spec": {}}], "is no address"),
    ([{"address": "features.a", "spec": {}}, {"address": "features.a", "spec": None}], "is edited twice"),
    ([{"address": "features.IMG GEN", "spec": {}}], "is no address"),
    ([{"address": "features.gone", "spec": None}], "features.gone"),
    ([{"address": "meters.m", "spec": {"aggregation": "sum", "event_type": {"from_env": "HOME"}}}], "event_type"),
)


def test_an_edit_that_is_wrong_is_told_by_its_address(agent: Agent) -> None:
    with unchanged(agent.ws):
        for edits, told in WRONG:
            failed = agent.fails("plan_changes", edits=edits)
            assert (failed["code"], told in json.dumps(failed)) == ("catalog_invalid", True)
    assert agent.call("list_proposals", all=True)["proposals"] == []


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_rejection_is_told_with_its_reason(agent: Agent, ada: Approver) -> None:
    told = proposed(agent, "create_customer", key="globex", name="Globex")
    ada.reject(agent.ws, told["digest"], "not signed yet")
    with unchanged(agent.ws):
        refused = agent.fails("apply_changes", digest=told["digest"])
        assert (refused["code"], "not signed yet" in refused["message"]) == ("approval_rejected", True)
        again = agent.fails("create_customer", key="globex", name="Globex")
        assert (again["code"], again["proposal"]["state"]) == ("approval_required", "rejected")


def test_what_changed_since_the_review_is_not_applied(agent: Agent, ada: Approver) -> None:
    told = proposed(agent, "create_customer", key="globex", name="Globex")
    ada.approve(agent.ws, told["digest"])
    agent.ws.http.post("/api/v1/customers", json={"key": "globex", "name": "By hand"}).raise_for_status()
    with unchanged(agent.ws):
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "drifted"


def test_what_failed_half_way_is_told_with_what_was_done(agent: Agent, ada: Approver) -> None:
    first = proposed(agent, "create_customer", key="globex", name="Globex")
    grant = {"customer": "globex", "feature": "sso", "type": "boolean"}
    both = proposed(agent, "create_entitlement", **grant, onto=first["digest"])
    ada.approve(agent.ws, both["digest"])
    agent.ws.faults({"path": "*/entitlements", "method": "POST", "status": 400, "times": 9})
    told = agent.fails("apply_changes", digest=both["digest"])
    assert (told["code"], told["done"]) == ("partly_applied", ["customers.globex"])
    assert told["failed"][0].startswith("entitlements.globex.sso: ")


# -- policy ------------------------------------------------------------------------------------------------------------


def test_a_tool_that_is_allowed_acts_at_once_and_the_files_say_the_same(applied: Workspace) -> None:
    agent = Agent(applied, policy=AgentPolicy(rules={"create_feature": "allow"}))
    done = agent.call("create_feature", key="img_gen")
    assert (done["status"], done["done"]) == ("applied", ["features.img_gen"])
    assert applied.plan().changes == ()
    assert "img_gen" in "".join(p.read_text() for p in (applied.root / "catalog").rglob("*.yaml"))
    assert agent.call("list_proposals")["proposals"] == []
    proposed(agent, "create_customer", key="globex", name="Globex")


def test_what_is_breaking_waits_for_an_approval_whatever_is_allowed(applied: Workspace) -> None:
    applied.write("catalog/more.yaml", {"subjects": {"cust_99": {"display_name": "99"}}})
    applied.converge()
    agent = Agent(applied, policy=AgentPolicy(rules={"delete_subject": "allow"}))
    assert "breaking" in proposed(agent, "delete_subject", key="cust_99")["message"]


def test_an_environment_that_applies_reviewed_plans_only_is_stronger_than_allow(applied: Workspace) -> None:
    applied.configure(environments={"local": {"require_approval": True}})
    agent = Agent(applied, policy=AgentPolicy(rules={"create_feature": "allow"}))
    proposed(agent, "create_feature", key="img_gen")


def test_where_nobody_may_approve_nothing_is_applied(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAC_APPROVERS", "/nowhere/approvers")
    told = proposed(agent, "create_customer", key="globex", name="Globex")
    with unchanged(agent.ws):
        failed = agent.fails("apply_changes", digest=told["digest"])
    assert (failed["code"], "no approvers" in failed["message"]) == ("not_possible", True)


def test_a_server_that_only_reads_keeps_no_proposals(applied: Workspace) -> None:
    agent = Agent(applied, policy=AgentPolicy(read_only=True))
    assert agent.fails("plan_changes", edits=[RAISED])["code"] == "read_only"
    assert agent.call("list_proposals", all=True)["proposals"] == []
