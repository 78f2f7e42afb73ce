"""What the doctor finds of the review gate, each with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reviewing import Approver, allow, propose
from workspace import Workspace

from billing_as_code import service
from billing_as_code.doctor import Finding

GLOBEX = {"address": "customers.globex", "spec": {"name": "Globex"}}


@pytest.fixture(autouse=True)
def desk(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home outside of the project, in which nobody may approve and no key lies."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    for variable in ("CI", "BAC_ENV", "BAC_APPROVERS", "BAC_APPROVAL_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


def gate(ws: Workspace, **environment: Any) -> list[tuple[str, str, str]]:
    """The code, text and remedy of what is found of the gate."""
    if environment:
        ws.configure(environments={"local": environment})
    return [(f.code, f.text, f.remedy) for f in findings(ws) if f.about == "gate"]


def findings(ws: Workspace) -> list[Finding]:
    """Everything that is found."""
    return list(service.examine(ws.root, transport=ws.transport, now=ws.now).findings)


def test_of_a_gate_that_nobody_uses_nothing_is_said(ws: Workspace) -> None:
    assert gate(ws) == []


def test_that_nobody_may_approve_is_told_where_somebody_must(ws: Workspace) -> None:
    [(code, text, remedy)] = gate(ws, require_approval=True)
    assert (code, "nobody may approve" in text) == ("no_approvers", True)
    assert "BAC_APPROVERS" in remedy
    [(code, text, remedy)] = gate(ws, agents={"tools": {"ingest_event": "off"}})
    assert (code, "nothing they propose is ever applied" in text) == ("no_approvers_for_agents", True)
    assert "agents: {read_only: true}" in remedy
    assert gate(ws, agents={"read_only": True}) == []


def test_a_proposal_is_enough_to_ask_who_may_approve(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(ws, [GLOBEX])
    assert [code for code, *_ in gate(ws)] == ["trail_ok", "no_approvers_for_agents"]
    allow(monkeypatch, desk, Approver("ada", desk))
    assert [(code, text) for code, text, _ in gate(ws)] == [
        ("trail_ok", "nobody has changed the trail of who did what: entries 1"),
        ("gate_ok", f"1 may approve, by {desk}/approvers"),
    ]


def test_a_list_that_whoever_proposes_can_write_is_told_with_where_it_belongs(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Approver("ada", desk)
    file = allow(monkeypatch, desk, ada)
    file.chmod(0o664)
    text = f"others than its owner can write {file}, and so say who may approve"
    assert gate(ws, require_approval=True)[0] == (
        "approvers_writable",
        text,
        f"take that right away: chmod go-w {file}",
    )
    file.chmod(0o600)
    desk.chmod(0o777)
    assert gate(ws)[0][2] == f"take that right away: chmod go-w {desk}"
    desk.chmod(0o700)
    inside = ws.write("approvers", ada.line())
    monkeypatch.setenv("BAC_APPROVERS", str(inside))
    [(code, text, remedy)] = gate(ws)
    assert (code, "is in the work tree" in text) == ("approvers_unusable", True)
    assert "git:origin/main" in remedy


def test_a_list_that_is_wrong_is_told_by_its_line(ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, desk, Approver("ada", desk)).write_text("ada ssh-rsa AAAA\n")
    [(code, text, _)] = gate(ws, require_approval=True)
    assert (code, "approvers:1: " in text) == ("approvers_unusable", True)


def test_that_fewer_may_approve_than_must_is_told(ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Approver("ada", desk)
    file = allow(monkeypatch, desk, ada)
    file.write_text(ada.line() + f"ada_at_home {ada.public}\n")
    [(code, text, _)] = gate(ws, require_approval=True, approvals=2)
    assert code == "too_few_approvers"
    assert text == f"2 people must approve, and the list has 1 ({file}): nothing can be approved"
    allow(monkeypatch, desk, ada, Approver("grace", desk))
    assert [code for code, *_ in gate(ws)] == ["gate_ok"]


def test_that_a_plain_apply_asks_nobody_is_told_where_people_must_approve(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, desk, Approver("ada", desk), Approver("grace", desk))
    told = gate(ws, approvals=2)
    assert [(code, remedy) for code, _, remedy in told] == [
        ("approvals_not_required", "require_approval: true"),
        ("gate_ok", ""),
    ]


def test_a_key_that_others_can_read_is_told(ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Approver("ada", desk)
    ada.file.chmod(0o644)
    monkeypatch.setenv("BAC_APPROVAL_KEY", str(ada.file))
    [(code, text, remedy)] = gate(ws)
    assert (code, str(ada.file) in text, remedy.split(";")[0]) == ("key_readable", True, f"chmod 600 {ada.file}")
    ada.file.chmod(0o600)
    assert gate(ws) == []
    inside = ws.write("ada.key", ada.file.read_text())
    inside.chmod(0o600)
    monkeypatch.setenv("BAC_APPROVAL_KEY", str(inside))
    assert [(code, text) for code, text, _ in gate(ws)] == [
        ("key_inside", f"the key {inside} lies in the project, where agents work")
    ]


def test_a_trail_and_a_proposal_that_were_changed_are_told(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, desk, Approver("ada", desk))
    made = propose(ws, [GLOBEX])
    propose(ws, [{"address": "customers.acme", "spec": {"name": "ACME"}}])
    trail = ws.root / ".bac" / "audit.jsonl"
    trail.write_text(trail.read_text().replace('"agent"', '"nobody"', 1))
    plan = ws.root / ".bac" / "proposals" / f"{made.digest}.json"
    plan.chmod(0o600)
    plan.write_text(plan.read_text().replace("Globex", "Glowex"))
    told = gate(ws)
    assert [code for code, *_ in told] == ["trail_broken", "proposal_tampered", "gate_ok"]
    assert "line 2 does not follow the line before it" in told[0][1]
    assert f"the plan of proposal {made.digest[:12]} was changed" in told[1][1]
    assert not service.examine(ws.root, transport=ws.transport, now=ws.now).healthy


def test_what_cannot_be_read_is_told(ws: Workspace) -> None:
    (ws.root / ".bac" / "audit.jsonl").mkdir(parents=True)
    [(code, text, _)] = gate(ws)
    assert (code, "audit.jsonl" in text) == ("trail_unreadable", True)
