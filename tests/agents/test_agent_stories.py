"""The conversations that people have with agents, as the calls that an agent makes of them.

What is said is shown where a test fails, and with `-rP`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agent import Agent
from reviewing import Approver
from subscribed import publish
from workspace import Workspace

from billing_as_code import service

KEY = "acme-corp-001"


@pytest.fixture
def talk(applied: Workspace, ada: Approver) -> Any:
    """An agent whose transcript is printed at the end, in the era that most programs still speak."""
    agent = Agent(applied, "legacy")
    yield agent
    for tool, arguments, answer in agent.transcript:
        sys.stdout.write(f"> {tool} {json.dumps(arguments)}\n  {json.dumps(answer)[:400]}\n")


def test_ingest_a_tokens_event_for_subject_cust_99_with_150_tokens_from_source_gpt_wrapper(talk: Agent) -> None:
    sent = talk.call("ingest_event", type="tokens", subject="cust_99", data={"tokens": 150}, source="gpt-wrapper")
    assert sent["sent"] is True
    usage = talk.call("query_usage", meter="tokens_total", subjects=["cust_99"])
    assert [row["value"] for row in usage["rows"]] == [150]


def test_create_a_new_feature_called_image_generation_with_key_img_gen_and_meter_slug_images_total(
    talk: Agent, ada: Approver
) -> None:
    call = {"key": "img_gen", "name": "Image Generation", "meter": "images_total"}
    assert talk.fails("create_feature", **call)["code"] == "not_found"
    spec = {"aggregation": "count", "event_type": "image"}
    meter = talk.call("plan_changes", edits=[{"address": "meters.images_total", "spec": spec}])
    told = talk.fails("create_feature", **call)
    assert (told["code"], told["digest"]) == ("reference_pending", meter["digest"])
    told = talk.fails("create_feature", **call, onto=meter["digest"])
    ada.approve(talk.ws, told["digest"])
    assert talk.call("apply_changes", digest=told["digest"])["total_done"] == 2
    live = talk.ws.http.get("/api/v1/features/img_gen").json()
    assert (live["name"], live["meterSlug"]) == ("Image Generation", "images_total")


def test_get_the_details_for_customer_with_key_acme_corp_001(talk: Agent) -> None:
    found = talk.call("get_customer", key="acme-corp-001")
    assert (found["name"], len(found["entitlements"])) == ("ACME", 3)


def test_a_customer_hits_its_limit_and_gets_a_top_up_and_a_checkout_link(talk: Agent, ada: Approver) -> None:
    talk.call("ingest_event", type="tokens", subject="cust_99", data={"tokens": 1200})
    limit = talk.call("get_customer", key=KEY)["entitlements"][0]
    assert (limit["feature"], limit["access"], limit["balance"], limit["overage"]) == ("ai_tokens", False, 0, 200)
    found = talk.call("get_resource", address=f"entitlements.{KEY}.ai_tokens")
    fields = {f["field"]: f["catalog"] for f in found["fields"] if f["catalog"] is not None}
    assert fields["issue.amount"] == 1000
    grant = {"amount": 500, "effective_at": "2026-11-24T12:00:00Z", "expiration": {"duration": "month", "count": 1}}
    top_up = talk.call(
        "plan_changes", edits=[{"address": f"grants.{KEY}.ai_tokens.top_up", "spec": grant}], why="asked by phone"
    )
    assert top_up["severity"] == "commercial"
    ada.approve(talk.ws, top_up["digest"])
    talk.call("apply_changes", digest=top_up["digest"])
    after = talk.call("check_access", customer=KEY, feature="ai_tokens")
    assert (after["access"], after["usage"]) == (True, 1200)
    talk.ws.http.post("/_dev/stripe", json={"on": True}).raise_for_status()
    page = talk.call(
        "create_stripe_checkout", customer=KEY, success_url="https://example.com/ok", cancel_url="https://example.com/"
    )
    assert page["session_id"] in page["url"]


def test_an_agent_proposes_a_person_approves_and_catalog_files_openmeter_and_trail_agree(
    talk: Agent, ada: Approver
) -> None:
    first = talk.fails("create_customer", key="globex", name="Globex", subjects=["globex-eu"])
    second = talk.fails(
        "create_entitlement", customer="globex", feature="ai_tokens", type="metered", amount="250", onto=first["digest"]
    )
    ada.approve(talk.ws, second["digest"])
    talk.call("apply_changes", digest=second["digest"])
    files = "".join(p.read_text() for p in sorted((talk.ws.root / "catalog").rglob("*.yaml")))
    assert "globex-eu" in files
    assert talk.ws.plan().changes == ()
    assert talk.call("plan_changes")["total_changes"] == 0
    with talk.ws.session() as session:
        trail = service.read_audit(session.config)
    steps = [(line["what"], str(line["who"]).split()[0]) for line in trail.entries]
    assert [what for what, _ in steps][-1] == "applied"
    assert ("proposed", "agent") in steps


def test_a_limit_that_a_person_approved_is_the_same_in_the_catalog_in_git_and_in_openmeter(
    talk: Agent, ada: Approver
) -> None:
    root = talk.ws.root
    (root / ".gitignore").write_text(".bac/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "As it stands")
    address = f"entitlements.{KEY}.ai_tokens"
    found = talk.call("get_resource", address=address)
    assert {f["field"]: f["live"] for f in found["fields"]}["issue.amount"] == 1000
    period = {"interval": "month", "anchor": "2026-11-01T00:00:00Z"}
    spec = {"type": "metered", "usage_period": period, "measure_usage_from": "2026-11-20T00:00:00Z"}
    told = talk.call("plan_changes", edits=[{"address": address, "spec": {**spec, "issue": {"amount": 2500}}}])
    assert [(c["address"], c["severity"]) for c in told["changes"]] == [(address, "commercial")]
    assert talk.fails("apply_changes", digest=told["digest"])["code"] == "approval_required"
    ada.approve(talk.ws, told["digest"])
    assert git(root, "status", "--porcelain") == ""
    assert talk.call("apply_changes", digest=told["digest"])["done"] == [address]

    changed = [
        line for line in git(root, "diff", "--unified=0").splitlines() if line[0] in "+-" and line[1] not in "+-"
    ]
    assert [line.strip("+- ") for line in changed] == ["amount: 1000", "amount: 2500"]
    git(root, "commit", "--quiet", "--all", "--message", "As approved")
    [live] = [e for e in openmeter_entitlements(talk) if e["featureKey"] == "ai_tokens"]
    assert live["issueAfterReset"] == 2500
    assert talk.call("plan_changes")["total_changes"] == 0
    assert git(root, "status", "--porcelain") == ""
    with talk.ws.session() as session:
        trail = service.read_audit(session.config)
    assert trail.broken == ()
    steps = [(line["what"], line.get("code")) for line in trail.entries if line.get("digest") == told["digest"]]
    assert steps == [
        ("proposed", None),
        ("refused", "approval_required"),
        ("approved", None),
        ("began", None),
        ("applied", None),
    ]


def git(root: Path, *args: str) -> str:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    return subprocess.run(["git", *who, *args], cwd=root, check=True, capture_output=True, text=True).stdout


def openmeter_entitlements(talk: Agent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = talk.ws.http.get("/api/v2/entitlements", params={"excludeInactive": "true"}).json()[
        "items"
    ]
    return found


def test_a_subject_is_cleaned_up(talk: Agent, ada: Approver) -> None:
    talk.ws.http.post("/api/v1/subjects", json=[{"key": "old_laptop"}]).raise_for_status()
    told = talk.fails("delete_subject", key="old_laptop", why="it was sold")
    assert told["changes"][0]["why"][0].startswith("nobody owns it")
    ada.approve(talk.ws, told["digest"])
    assert talk.call("delete_subject", key="old_laptop", why="it was sold")["status"] == "applied"
    assert [s["key"] for s in talk.ws.http.get("/api/v1/subjects").json()] == ["cust_99"]


def test_an_enterprise_is_onboarded_in_one_review(talk: Agent, ada: Approver) -> None:
    publish(talk.ws, key="enterprise")
    customer = {"key": "globex", "name": "Globex Corp.", "currency": "USD", "subjects": ["globex_eu", "globex_us"]}
    digest = talk.fails("create_customer", **customer, why="contract 42")["digest"]
    access = {"customer": "globex", "feature": "ai_tokens", "type": "metered", "amount": "5000000"}
    digest = talk.fails("create_entitlement", **access, onto=digest, why="contract 42")["digest"]
    seats = {"customer": "globex", "feature": "seats", "type": "static", "config": {"max": 250}}
    digest = talk.fails("create_entitlement", **seats, onto=digest, why="contract 42")["digest"]
    subscription = {"customer": "globex", "plan": "enterprise", "onto": digest, "why": "contract 42"}
    told = talk.fails("create_subscription", **subscription)
    assert (told["code"], told["counts"]["create"]) == ("approval_required", 4)
    assert [p["state"] for p in talk.call("list_proposals")["proposals"]] == ["open"]
    ada.approve(talk.ws, told["digest"])
    assert talk.call("create_subscription", **subscription)["total_done"] == 4
    found = talk.call("get_customer", key="globex")
    assert (found["subscription"]["plan"], found["subscription"]["status"]) == ("enterprise", "active")
    held = {e["feature"]: (e["access"], e["balance"], e["config"]) for e in found["entitlements"]}
    limits = {"ai_tokens": (True, 5000000, None), "seats": (True, None, {"max": 250})}
    assert held == limits | {"spare": (True, None, None)}
    assert talk.call("plan_changes")["total_changes"] == 0


def test_every_call_of_an_api_is_recorded_and_read_back(talk: Agent) -> None:
    calls = [("req-1", 150), ("req-2", 250), ("req-3", 100)]
    for id, tokens in calls:
        sent = talk.call("ingest_event", type="tokens", subject="cust_99", data={"tokens": tokens}, id=id)
        assert (sent["id"], sent["sent"]) == (id, True)
    # a client that did not hear the answer sends it again
    talk.restart()
    talk.call("ingest_event", type="tokens", subject="cust_99", data={"tokens": 250}, id="req-2")
    usage = talk.call("query_usage", meter="tokens_total", subjects=["cust_99"])
    assert [row["value"] for row in usage["rows"]] == [500]
    left = talk.call("check_access", customer=KEY, feature="ai_tokens")
    assert (left["usage"], left["balance"]) == (500, 500)
