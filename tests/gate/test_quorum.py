"""Several people who must approve: who counts as one, who counts at all, and what takes an approval back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import against
from reviewing import Approver, allow, apply_approved, propose, refused, smuggled
from workspace import Workspace

from billing_as_code import service
from billing_as_code.errors import Refused

GLOBEX = {"address": "customers.globex", "spec": {"name": "Globex"}}
ACME = {"address": "customers.acme", "spec": {"name": "ACME"}}


@pytest.fixture
def people(desk: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[Approver, Approver]:
    """Two who may approve, of whom both must."""
    ws.configure(environments={"local": {"approvals": 2}})
    both = Approver("ada", desk), Approver("grace", desk)
    allow(monkeypatch, desk, *both)
    return both


def trail(ws: Workspace) -> list[tuple[object, ...]]:
    """Who decided and applied, as the audit trail tells it."""
    with ws.session() as session:
        entries = service.read_audit(session.config).entries
    told = ("approver", "counts", "approved_by")
    return [(e["what"], *(e.get(name) for name in told)) for e in entries if e["what"] in ("approved", "began")]


def test_what_two_must_approve_is_applied_when_both_have(ws: Workspace, people: tuple[Approver, Approver]) -> None:
    ada, grace = people
    made = propose(ws, [GLOBEX])
    assert (made.needed, refused(ws, made.digest).code) == (2, "approval_required")
    assert ada.approve(ws, made.digest).state == "open"
    told = refused(ws, made.digest)
    assert (told.code, "1 of 2 people have approved" in told.message) == ("approval_required", True)
    with pytest.raises(Refused, match=r"ada has approved .* already"):
        ada.approve(ws, made.digest)
    assert grace.approve(ws, made.digest).state == "approved"
    _, outcome = apply_approved(ws, made.digest)
    assert outcome.whole
    assert trail(ws) == [
        ("approved", "ada", "1 of 2", None),
        ("approved", "grace", "2 of 2", None),
        ("began", None, None, "ada, grace"),
    ]
    assert refused(ws, made.digest).code == "already_applied"


def test_a_person_with_two_keys_is_one(ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws.configure(environments={"local": {"approvals": 2}})
    first, second = Approver("ada", desk), Approver("Ada", desk)
    second.file.rename(desk / "second.key")
    second.file = desk / "second.key"
    allow(monkeypatch, desk, first, second)
    made = propose(ws, [GLOBEX])
    first.approve(ws, made.digest)
    with pytest.raises(Refused, match=r"Ada has approved .* already"):
        second.approve(ws, made.digest)
    found = smuggled(ws, made.digest, second, "Ada")
    assert (found.state, len(found.approvals)) == ("open", 1)
    assert refused(ws, made.digest).code == "approval_required"


def test_a_key_with_two_names_is_one_person_and_so_is_every_key_of_those_names(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.configure(environments={"local": {"approvals": 2}})
    work, home = Approver("ada", desk), Approver("ada_at_home", desk)
    file = allow(monkeypatch, desk, work, home)
    file.write_text(file.read_text() + f"ada,ada_at_home {work.public}\n")
    made = propose(ws, [GLOBEX])
    work.approve(ws, made.digest)
    assert len(smuggled(ws, made.digest, work, "ada_at_home").approvals) == 1
    assert len(smuggled(ws, made.digest, home, "ada_at_home").approvals) == 1
    assert refused(ws, made.digest).code == "approval_required"


def test_a_rejection_takes_back_every_approval_before_it(ws: Workspace, people: tuple[Approver, Approver]) -> None:
    ada, grace = people
    made = propose(ws, [GLOBEX])
    ada.approve(ws, made.digest)
    ws.clock("2026-11-24T12:10:00Z")
    assert grace.reject(ws, made.digest, "not yet").state == "rejected"
    ws.clock("2026-11-24T12:20:00Z")
    found = grace.approve(ws, made.digest)
    assert (found.state, [s.decision.by for s in found.approvals]) == ("open", ["grace"])
    ws.clock("2026-11-24T12:30:00Z")
    assert ada.approve(ws, made.digest).state == "approved"


def test_an_approval_whose_time_is_over_must_be_given_again(ws: Workspace, people: tuple[Approver, Approver]) -> None:
    ada, grace = people
    made = propose(ws, [GLOBEX])
    ada.approve(ws, made.digest, lasts=600)
    grace.approve(ws, made.digest)
    ws.clock("2026-11-24T13:00:00Z")
    assert "1 of 2 people have approved" in refused(ws, made.digest).message
    assert ada.approve(ws, made.digest).state == "approved"


@pytest.mark.parametrize(
    ("label", "name"),
    [("ada", "ada"), ("agent of ada", "ada@example.com"), ("agent build-bot", "build-bot"), ("Ada", "ada@example.com")],
)
def test_whoever_proposed_is_not_one_of_those_who_approve(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch, label: str, name: str
) -> None:
    ws.configure(environments={"local": {"self_approval": False}})
    ada, grace = Approver(name, desk), Approver("grace", desk)
    allow(monkeypatch, desk, ada, grace)
    with ws.session() as session:
        session.who = label
        made = service.propose(session, [GLOBEX])
    with pytest.raises(Refused, match=r"proposed .*, or part of it"):
        ada.approve(ws, made.digest)
    found = smuggled(ws, made.digest, ada, name)
    assert (found.state, found.approvals, found.ignored) == ("open", (), (f"is by {name}, who proposed it",))
    assert "who proposed it" in refused(ws, made.digest).message
    assert ada.reject(ws, made.digest).state == "rejected"  # but may take it back
    ws.clock("2026-11-24T13:00:00Z")
    assert grace.approve(ws, made.digest).state == "approved"


def test_whoever_proposed_a_part_of_it_proposed_it(ws: Workspace, people: tuple[Approver, Approver]) -> None:
    ws.configure(environments={"local": {"self_approval": False}})
    ada, grace = people
    with ws.session() as session:
        session.who = "ada"
        first = service.propose(session, [ACME])
        session.who = "bob"
        second = service.propose(session, [GLOBEX], onto=first.digest)
    assert (second.about.by, second.about.also_by) == ("bob", ("ada",))
    with pytest.raises(Refused, match="or part of it"):
        ada.approve(ws, second.digest)
    assert grace.approve(ws, second.digest).state == "approved"


def test_where_nothing_is_said_one_approves_and_may_have_proposed(
    ws: Workspace, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Approver("agent", desk)
    allow(monkeypatch, desk, ada)
    made = propose(ws, [GLOBEX])
    assert ada.approve(ws, made.digest).state == "approved"


def test_the_list_and_the_review_tell_how_many_have_approved(
    ws: Workspace, people: tuple[Approver, Approver], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, grace = people
    bac = against(ws, monkeypatch)
    made = propose(ws, [GLOBEX])
    assert "open, 0 of 2" in bac("proposals").stdout
    ada.approve(ws, made.digest)
    assert "open, 1 of 2 (ada)" in bac("proposals").stdout
    assert "Approvals: 1 of 2 (ada), each of another person." in bac("proposals", made.digest[:12]).stdout
    grace.approve(ws, made.digest)
    assert "approved by ada, grace" in bac("proposals").stdout
    [told] = json.loads(bac("proposals", "--json").stdout)["proposals"]
    assert (told["approvals_needed"], [a["by"] for a in told["approvals"]]) == (2, ["ada", "grace"])
    apply_approved(ws, made.digest)
    assert "counts 1 of 2" in bac("audit").stdout


def test_what_bac_yaml_says_of_it_is_judged(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    ws.configure(environments={"local": {"approvals": 0, "self_approval": "no"}})
    told = against(ws, monkeypatch)("proposals", code=1).output
    assert "`approvals` is 0, and must be a whole number from 1 to 20" in told
    assert "`self_approval` is text, and must be true or false" in told
