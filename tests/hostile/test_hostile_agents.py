"""An agent that tries to get by the gate, and whoever helps it.

Nothing is written that no one approved, no secret comes out, and every answer is an answer.
"""

from __future__ import annotations

import getpass
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import pytest
from agent import Agent
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from prepared import prepared
from profiles import share
from reviewing import Approver, allow, propose, smuggled
from serving import Elsewhere, serving
from subscribed import FEE_ALONE, publish
from terminal import BAC
from wire import refereed
from workspace import Workspace

from billing_as_code import service
from billing_as_code.agents.server import build
from billing_as_code.agents.tools import Desk
from billing_as_code.config import TOOLS, AgentPolicy
from billing_as_code.devserver import create_app
from billing_as_code.errors import Refused
from billing_as_code.gate import proposals

SECRET = "om_7f3a-very-secret-token"
CATALOG = {
    "meters": {"calls": {"aggregation": "count", "event_type": "call"}},
    "features": {"api": {"meter": "calls"}, "sso": {}},
    "customers": {"acme": {"name": "ACME"}},
    "subjects": {"laptop": {"display_name": "Laptop"}},
}
WANTED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_customer", {"key": "globex", "name": "Globex"}),
    ("create_feature", {"key": "img_gen", "meter": "calls"}),
    ("create_entitlement", {"customer": "acme", "feature": "sso", "type": "boolean"}),
    ("upsert_subjects", {"subjects": [{"key": "laptop", "display_name": "Desk"}]}),
    ("delete_subject", {"key": "laptop"}),
    ("delete_subject", {"key": "stray"}),
    ("create_subscription", {"customer": "acme", "plan": "pro"}),
    ("plan_changes", {"edits": [{"address": "customers.acme", "spec": None}]}),
    ("plan_changes", {"edits": []}),
)
"""What it would like to have done."""


def applied(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.http.post("/api/v1/subjects", json=[{"key": "stray"}]).raise_for_status()
    publish(ws, phases=FEE_ALONE)


@pytest.fixture
def agent(ws: Workspace, openmeter: Flask, ada: Approver) -> Agent:
    """The agent, at a project that is applied and that ada approves for."""
    return Agent(prepared(ws, openmeter, applied), policy=AgentPolicy(rules={"ingest_event": "off"}))


def wanted(agent: Agent, n: int = 0) -> str:
    """The digest of what it would like to have done."""
    tool, arguments = WANTED[n]
    digest: str = agent.fails(tool, **arguments)["digest"]
    return digest


def gets_nowhere(agent: Agent, digest: str, code: str) -> None:
    agent.ws.forget()
    assert agent.fails("apply_changes", digest=digest)["code"] == code
    assert agent.ws.writes() == []


def slipped_in(agent: Agent, digest: str, text: str) -> None:
    """A decision that the agent itself writes where decisions are kept."""
    (agent.ws.root / ".bac" / "proposals" / f"{digest}.decision-{'0' * 16}.json").write_text(text)


def decision(agent: Agent, digest: str) -> str:
    [path] = (agent.ws.root / ".bac" / "proposals").glob(f"{digest}.decision-*.json")
    return path.read_text()


# -- round the gate ----------------------------------------------------------------------------------------------------


def test_no_decision_that_an_agent_makes_counts(agent: Agent, ada: Approver, desk: Path) -> None:
    digest, other = wanted(agent), wanted(agent, 1)
    mallory = Approver("mallory", desk)
    gets_nowhere(agent, digest, "approval_required")
    for text in ("{}", "approved", '{"verdict": "approve"}', json.dumps({"digest": digest, "by": "ada"}), "\x00" * 99):
        slipped_in(agent, digest, text)
        gets_nowhere(agent, digest, "approval_required")
    with pytest.raises(Exception, match="is no approver's"):
        mallory.approve(agent.ws, digest)
    ada.approve(agent.ws, other)
    slipped_in(agent, digest, decision(agent, other))
    gets_nowhere(agent, digest, "approval_required")
    slipped_in(agent, digest, decision(agent, other).replace(other, digest))
    gets_nowhere(agent, digest, "approval_required")


def test_one_of_two_approvals_lets_no_agent_through_by_any_call(
    agent: Agent, ada: Approver, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = Approver("grace", desk)
    allow(monkeypatch, desk, ada, grace)
    agent.ws.configure(environments={"local": {"approvals": 2}})
    agent.restart()
    call = {"key": "globex", "name": "Globex"}
    told = agent.fails("create_customer", **call)
    ada.approve(agent.ws, told["digest"])
    agent.ws.forget()
    for _ in range(2):
        assert agent.fails("apply_changes", digest=told["digest"])["code"] == "approval_required"
        again = agent.fails("create_customer", **call)
        assert (again["code"], again["proposal"]["approvals"]) == ("approval_required", 1)
    # another one on top needs all of them anew
    more = agent.fails("create_customer", key="initech", name="Initech", onto=told["digest"])
    assert more["proposal"]["approvals"] == 0
    assert agent.ws.writes() == []
    for person in (ada, grace):
        person.approve(agent.ws, more["digest"])
    assert agent.call("apply_changes", digest=more["digest"])["total_done"] == 2


def test_one_person_with_two_keys_is_no_two_and_who_runs_the_agent_does_not_approve_for_it(
    agent: Agent, ada: Approver, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, grace = Approver(getpass.getuser(), desk), Approver("grace", desk)
    other = Approver("ada", desk / "other")
    allow(monkeypatch, desk, me, ada, other, grace)
    agent.ws.configure(environments={"local": {"approvals": 2, "self_approval": False}})
    agent.restart()
    digest = wanted(agent)
    ada.approve(agent.ws, digest)
    for person in (other, me):
        with pytest.raises(Refused):
            person.approve(agent.ws, digest)
        smuggled(agent.ws, digest, person, person.name)
        gets_nowhere(agent, digest, "approval_required")
    grace.approve(agent.ws, digest)
    assert agent.call("apply_changes", digest=digest)["status"] == "applied"


def test_a_rejection_cannot_be_turned(agent: Agent, ada: Approver) -> None:
    digest = wanted(agent)
    ada.reject(agent.ws, digest)
    gets_nowhere(agent, digest, "approval_rejected")
    slipped_in(agent, digest, decision(agent, digest).replace("reject", "approve"))
    gets_nowhere(agent, digest, "approval_rejected")


def test_an_approval_is_for_one_plan_one_time_and_one_use(agent: Agent, ada: Approver) -> None:
    digest = wanted(agent)
    ada.approve(agent.ws, digest, lasts=3600)
    agent.ws.clock("2026-11-24T13:10:00Z")
    gets_nowhere(agent, digest, "approval_expired")
    agent.ws.clock("2026-11-24T12:10:00Z")
    plan = agent.ws.root / ".bac" / "proposals" / f"{digest}.json"
    text = plan.read_text()
    plan.write_text(text.replace("Globex", "Globey"))
    gets_nowhere(agent, digest, "plan_tampered")
    plan.write_text(text)
    agent.call("apply_changes", digest=digest)
    gets_nowhere(agent, digest, "already_applied")
    for name in ("claim", "end"):
        assert (agent.ws.root / ".bac" / "proposals" / f"{digest}.{name}.json").is_file()


@pytest.mark.parametrize("change", [{"owner": "another"}, {"environments": {"staging": {}, "local": {"url": None}}}])
def test_an_approval_is_for_one_target(agent: Agent, ada: Approver, change: dict[str, Any]) -> None:
    digest = wanted(agent)
    ada.approve(agent.ws, digest)
    changed = {"owner": "another"} if "owner" in change else {"environments": {"staging": {}}}
    agent.ws.configure(**changed)
    agent.restart()
    gets_nowhere(agent, digest, "wrong_target")


def test_what_is_part_of_another_proposal_is_not_applied_alone(agent: Agent, ada: Approver) -> None:
    digest = wanted(agent)
    tool, arguments = WANTED[1]
    both = agent.fails(tool, **arguments, onto=digest)["digest"]
    gets_nowhere(agent, digest, "approval_required")
    ada.approve(agent.ws, both)
    gets_nowhere(agent, digest, "approval_required")


def test_an_approved_proposal_that_grows_needs_another_approval(agent: Agent, ada: Approver) -> None:
    digest = wanted(agent)
    ada.approve(agent.ws, digest)
    tool, arguments = WANTED[1]
    agent.ws.forget()
    assert agent.fails(tool, **arguments, onto=digest)["code"] == "approval_required"
    assert agent.ws.writes() == []


@contextmanager
def project(root: Path) -> Iterator[Workspace]:
    """A project on a server of its own, for a property."""
    app = create_app()
    ws = Workspace(root, refereed(app))
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.http.post("/api/v1/subjects", json=[{"key": "stray"}]).raise_for_status()
    publish(ws, phases=FEE_ALONE)
    try:
        yield ws
    finally:
        ws.close()
        app.config["DATABASE"].close()


@pytest.fixture(scope="module")
def unapproved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An agent at a project where nobody has approved anything."""
    with pytest.MonkeyPatch.context() as patch, project(tmp_path_factory.mktemp("project")) as ws:
        folder = tmp_path_factory.mktemp("desk")
        allow(patch, folder, Approver("ada", folder))
        yield Agent(ws, policy=AgentPolicy(rules={"ingest_event": "off"}))


MOVES = st.tuples(st.sampled_from([*WANTED, ("apply_changes", {})]), st.integers(0, 5), st.booleans())


@settings(max_examples=share(0.05))
@given(st.lists(MOVES, max_size=6))
def test_no_sequence_of_calls_writes_what_nobody_approved(
    unapproved: Agent, moves: list[tuple[tuple[str, dict[str, Any]], int, bool]]
) -> None:
    agent, digests = unapproved, ["0" * 64]
    agent.ws.forget()
    for (tool, arguments), which, stacked in moves:
        known = digests[which % len(digests)]
        given = {"digest": known} if tool == "apply_changes" else arguments
        if stacked and tool != "apply_changes" and len(digests) > 1:
            given = given | {"onto": known}
        facts = agent.raw(tool, given).structured_content
        digests += [facts["digest"]] if facts.get("digest") else []
    assert agent.ws.writes() == []
    assert agent.faults == []


# -- races and hang-ups ------------------------------------------------------------------------------------------------


def test_of_two_applies_of_one_approval_exactly_one_runs(agent: Agent, ada: Approver) -> None:
    digest = wanted(agent)
    ada.approve(agent.ws, digest)
    agent.ws.forget()
    server, told = agent.server, list[dict[str, Any]]()

    async def race() -> None:
        async def one() -> None:
            async with Client(server) as client:
                told.append((await client.call_tool("apply_changes", {"digest": digest})).structured_content)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)

    anyio.run(race)
    assert [one["status"] for one in told if "status" in one] == ["applied"]
    assert {one["code"] for one in told if "code" in one} <= {"already_applied", "apply_running"}
    assert [w["path"] for w in agent.ws.writes()] == ["/api/v1/customers"]


def test_a_client_that_hangs_up_does_not_cut_an_apply_in_half(
    tmp_path: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Approver("ada", desk)
    allow(monkeypatch, desk, person)
    monkeypatch.delenv("CI", raising=False)
    with serving() as url:
        ws = Workspace(tmp_path, Elsewhere(url), environments={"local": {"url": url}})
        ws.clock(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        edits = [{"address": f"customers.c{n}", "spec": {"name": f"C{n}"}} for n in range(20)]
        digest = propose(ws, edits).digest
        person.approve(ws, digest)
        ws.http.put("/_dev/faults", json={"rules": [{"path": "/api/v1/customers", "method": "POST", "wait": 0.2}]})
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "apply_changes", "arguments": {"digest": digest}, "_meta": meta}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        with subprocess.Popen([*BAC, "mcp"], cwd=tmp_path, stdin=PIPE, stdout=PIPE, stderr=PIPE) as server:
            assert server.stdin is not None
            server.stdin.write(json.dumps(call).encode() + b"\n")
            server.stdin.flush()
            end = time.monotonic() + 30
            while not ws.writes() and time.monotonic() < end:
                time.sleep(0.02)
            assert 0 < len(ws.writes()) < 20
            server.stdin.close()
            assert server.wait(30) == 0
        assert len(ws.http.get("/api/v1/customers").json()["items"]) == 20
        assert ws.plan().changes == ()
        with ws.session() as session:
            assert service.proposal(session, digest).state == "applied"
        ws.close()


def test_many_calls_at_once_are_all_answered(agent: Agent) -> None:
    answers: list[bool] = []

    async def flood() -> None:
        async with Client(agent.server) as client, anyio.create_task_group() as group:

            async def one(n: int) -> None:
                result = await client.call_tool("check_access", {"customer": "acme", "feature": f"f{n}"})
                answers.append(result.structured_content["access"])

            for n in range(200):
                group.start_soon(one, n)

    anyio.run(flood)
    assert answers == [False] * 200


# -- text and secrets --------------------------------------------------------------------------------------------------

AWFUL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.sampled_from(
        ["../../etc/passwd", "\u202e" * 50, "x" * 100_000, "\x00", "$ref", "!!python/object:os.system", "{}"]
    ),
)
JSON = st.recursive(
    AWFUL, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
NAMES = st.sampled_from(
    ["key", "name", "customer", "feature", "edits", "digest", "address", "kind", "meter", "data", "onto"]
)


@settings(max_examples=share(0.4))
@given(st.sampled_from(sorted(TOOLS)), st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=4))
def test_whatever_a_call_holds_it_is_answered(unapproved: Agent, tool: str, arguments: dict[str, Any]) -> None:
    try:
        sendable = json.loads(json.dumps(arguments, ensure_ascii=False).encode().decode())
    except UnicodeEncodeError:
        return  # half a surrogate pair cannot be sent
    result = unapproved.raw(tool, sendable)
    assert unapproved.faults == []
    text = result.content[0].text
    assert json.loads(text) == result.structured_content
    assert len(text.encode()) < 40_000
    assert "\u202e" not in text


def test_keys_that_look_like_paths_stay_keys(agent: Agent, ada: Approver) -> None:
    before = {p for p in agent.ws.root.parent.rglob("*") if "catalog" not in p.parts and ".bac" not in p.parts}
    for key in ("../../../evil", "/etc/passwd", "catalog/environments/local", ".bac", "a\\b", "%2e%2e%2f"):
        digest = agent.fails("create_customer", key=key, name="X")["digest"]
        ada.approve(agent.ws, digest)
        assert agent.call("apply_changes", digest=digest)["status"] == "applied"
    after = {p for p in agent.ws.root.parent.rglob("*") if "catalog" not in p.parts and ".bac" not in p.parts}
    assert after == before
    assert agent.ws.plan().changes == ()


def test_no_link_leads_out_of_the_catalog(agent: Agent, ada: Approver, desk: Path) -> None:
    digest = wanted(agent)
    ada.approve(agent.ws, digest)
    outside = desk / "outside.yaml"
    outside.write_text(f"customers: {{eve: {{name: {SECRET}}}}}\n")
    link = agent.ws.root / "catalog" / "link.yaml"
    link.symlink_to(outside)
    before = outside.read_bytes()
    agent.ws.forget()
    for tool, arguments in (
        ("plan_changes", {}),
        ("plan_changes", {"edits": [{"address": "customers.eve", "spec": {"name": "Eve"}}]}),
        ("create_customer", {"key": "mallory", "name": "M"}),
        ("apply_changes", {"digest": digest}),
    ):
        result = agent.raw(tool, arguments)
        assert result.is_error, (tool, result)
        assert SECRET not in str(result)
    assert (outside.read_bytes(), link.is_symlink(), agent.ws.writes()) == (before, True, [])


def test_a_secret_of_the_server_cannot_be_asked_for(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMETER_API_KEY", SECRET)
    for spec in (
        {"name": {"from_env": "OPENMETER_API_KEY"}},
        {"name": "x", "metadata": {"from_env": "OPENMETER_API_KEY"}},
        {"name": "${OPENMETER_API_KEY}", "description": "!env OPENMETER_API_KEY"},
    ):
        result = agent.raw("plan_changes", {"edits": [{"address": "customers.x", "spec": spec}]})
        assert SECRET not in str(result)
    assert not any(SECRET in p.read_text(errors="replace") for p in agent.ws.root.rglob("*.json*"))


def test_the_token_is_in_no_answer_even_where_openmeter_repeats_it(agent: Agent) -> None:
    said = {"title": "Unauthorized", "detail": f"bad header Authorization: Bearer {SECRET}"}
    agent.ws.faults({"path": "*", "status": 400, "body": said, "times": 1000})
    reports: list[str] = []
    server = build(Desk(agent.ws.opened(), AgentPolicy(), reports.append, SECRET))

    async def ask(tool: str, arguments: dict[str, Any]) -> Any:
        async with Client(server) as client:
            return await client.call_tool(tool, arguments)

    for tool, arguments in (*WANTED, ("get_customer", {"key": "acme"}), ("list_resources", {})):
        result = anyio.run(ask, tool, arguments)
        assert "(hidden)" in result.content[0].text
        assert SECRET not in str(result)
    assert reports == []


def test_a_flood_of_proposals_is_refused(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MOST_OPEN", 3)
    codes = [agent.fails("create_customer", key=f"c{n}", name="X")["code"] for n in range(5)]
    assert codes == ["approval_required"] * 3 + ["refused"] * 2
    assert agent.ws.writes() == []


def test_threads_of_the_service_are_not_left_behind(agent: Agent) -> None:
    before = threading.active_count()
    for _ in range(10):
        agent.call("list_resources")
    assert threading.active_count() <= before + 10
