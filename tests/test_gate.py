"""The review gate, from a proposal to the catalog's files: what an approver signed is applied, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from commands import Bac, against
from flask import Flask
from mortal import Killed, Mortal
from prepared import prepared
from reviewing import Approver, allow, apply_approved, propose, refused
from terminal import on_a_terminal
from workspace import Workspace

from billing_as_code import service
from billing_as_code.cli import main
from billing_as_code.errors import CatalogError, GateRefused, PlanError, Refused, RunUnderway, RunUnfinished, UsageError

CATALOG = """\
# what we sell
meters:
  calls: {aggregation: count, event_type: call}
features:
  api: {meter: calls}   # the API
customers:
  acme:
    name: ACME   # our first
entitlements:
  acme:
    api: {type: metered, usage_period: {interval: month}, issue: {amount: 100}}
"""
GLOBEX = {"address": "customers.globex", "spec": {"name": "Globex"}}
ACCESS = {
    "address": "entitlements.globex.api",
    "spec": {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": 7}},
}


@pytest.fixture(autouse=True)
def project(ws: Workspace, openmeter: Flask) -> Workspace:
    """A project whose catalog is applied."""
    return prepared(ws, openmeter, applied)


def applied(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()


def text(ws: Workspace) -> str:
    return (ws.root / "catalog/all.yaml").read_text()


# -- what is approved is applied --------------------------------------------------------------------------------------


def test_what_was_signed_is_applied_and_stands_in_the_files_with_their_comments(ws: Workspace, ada: Approver) -> None:
    made = propose(ws, [GLOBEX, ACCESS], why="a new customer")
    assert (made.state, [str(c.address) for c in made.plan.changes]) == ("open", [GLOBEX["address"], ACCESS["address"]])
    assert ws.writes() == [] and text(ws) == CATALOG
    assert ada.approve(ws, made.digest).state == "approved"

    _, outcome = apply_approved(ws, made.digest)

    assert outcome.whole
    assert text(ws) == CATALOG.replace("first\n", "first\n  globex: {name: Globex}\n") + (
        "  globex:\n    api:\n      type: metered\n      usage_period: {interval: month}\n      issue: {amount: 7}\n"
    )
    assert not ws.plan().changes


def test_a_resource_is_changed_and_taken_out_in_place(ws: Workspace, ada: Approver) -> None:
    ws.write("catalog/more.yaml", "customers:\n  old: {name: Old}\n  kept: {name: Kept}\n")
    ws.converge()
    edits = [{"address": "customers.old", "spec": None}, {"address": "customers.acme", "spec": {"name": "ACME Ltd."}}]
    made = propose(ws, edits)
    ada.approve(ws, made.digest)
    apply_approved(ws, made.digest)
    assert (ws.root / "catalog/more.yaml").read_text() == "customers:\n  kept: {name: Kept}\n"
    assert text(ws) == CATALOG.replace("name: ACME ", "name: ACME Ltd. ")
    assert not ws.plan().changes


def test_alone_a_proposal_changes_what_it_edits_and_no_more(ws: Workspace, ada: Approver) -> None:
    ws.write("catalog/more.yaml", "customers: {later: {name: Later}, old: {name: Old}}\n")
    ws.converge(only=["customers.old"])
    made = propose(ws, [GLOBEX, {"address": "customers.old", "spec": None}], alone=True)
    changes = [(c.action, str(c.address)) for c in made.plan.changes]
    assert sorted(changes) == [("create", "customers.globex"), ("delete", "customers.old")]
    ada.approve(ws, made.digest)
    apply_approved(ws, made.digest)
    assert [str(c.address) for c in ws.plan().changes] == ["customers.later"]


def test_an_onboarding_is_one_review(ws: Workspace, ada: Approver) -> None:
    first = propose(ws, [GLOBEX])
    second = propose(ws, [ACCESS], onto=first.digest)
    assert [e.address for e in second.plan.edits] == [GLOBEX["address"], ACCESS["address"]]
    with pytest.raises(GateRefused, match=f"is part of {second.digest[:12]} now") as caught:
        ada.approve(ws, first.digest)
    assert caught.value.code == "approval_required"
    assert refused(ws, first.digest).next == f"Ask a person to review that one: bac approve {second.digest[:12]}"
    ada.approve(ws, second.digest)
    apply_approved(ws, second.digest)
    assert not ws.plan().changes
    with pytest.raises(GateRefused, match="is used"):
        propose(ws, [], onto=second.digest)


def test_the_same_proposal_twice_is_one(ws: Workspace, ada: Approver) -> None:
    assert propose(ws, [GLOBEX], why="one").digest == propose(ws, [GLOBEX], why="two").digest
    with ws.session() as session:
        assert [p.about.why for p in service.proposals(session)] == ["one"]


def test_where_there_is_nothing_to_do_nothing_is_kept(ws: Workspace, ada: Approver) -> None:
    made = propose(ws)
    assert made.plan.changes == ()
    with ws.session() as session:
        assert service.proposals(session) == []


def test_what_is_wrong_with_an_edit_names_its_address(ws: Workspace, ada: Approver) -> None:
    wrong = [
        {"address": "customers.globex", "spec": {"nmae": "Globex", "name": "Globex"}},
        {"address": "entitlements.nobody.api", "spec": {"type": "boolean"}},
        {"address": "customers.nobody", "spec": None},
    ]
    with pytest.raises(CatalogError) as caught:
        propose(ws, wrong)
    assert str(caught.value).split("\n") == [
        "edits: customers.globex: unknown field `nmae` (did you mean `name`?)",
        "edits: customers.nobody: is to be taken out, and is not in the catalog (leave the edit out)",
        "edits: entitlements.nobody.api: refers to customer `nobody`, which is not in the catalog "
        "(declare it, as {external: true} if another hand manages it in customers)",
    ]


def test_of_what_a_template_says_only_the_difference_is_written(ws: Workspace, ada: Approver) -> None:
    small = "type: metered, usage_period: {interval: month}"
    more = (
        f"templates: {{small: {{api: {{{small}, issue: {{amount: 1}}}}}}}}\n"
        "customers: {initech: {name: Initech}}\nentitlements:\n  initech:\n    $use: small\n"
    )
    ws.write("catalog/more.yaml", more)
    spec = {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": 2}}
    made = propose(ws, [{"address": "entitlements.initech.api", "spec": spec}])
    ada.approve(ws, made.digest)
    apply_approved(ws, made.digest)
    assert (ws.root / "catalog/more.yaml").read_text() == more + "    api: {issue: {amount: 2}}\n"
    assert not ws.plan().changes


def test_what_fields_alone_do_not_lead_to_is_written_as_a_whole(ws: Workspace, ada: Approver) -> None:
    ws.write(
        "catalog/more.yaml",
        "features: {seats: {}}\nentitlements: {acme: {seats: {type: static, config: {max: null}}}}   # seats\n",
    )
    ws.converge()
    made = propose(ws, [{"address": "entitlements.acme.seats", "spec": {"type": "static", "config": {}}}])
    ada.approve(ws, made.digest)
    apply_approved(ws, made.digest)
    assert (ws.root / "catalog/more.yaml").read_text() == (
        "features: {seats: {}}\nentitlements: {acme: {seats: {type: static, config: {}}}}   # seats\n"
    )
    assert not ws.plan().changes


def test_what_the_files_cannot_say_is_no_proposal(ws: Workspace, ada: Approver) -> None:
    ws.write(
        "catalog/more.yaml",
        "templates: {small: {api: {type: metered, usage_period: {interval: month}, issue: {amount: 1}}}}\n"
        "customers: {initech: {name: Initech}}\nentitlements: {initech: {$use: [small]}}\n",
    )
    with pytest.raises(PlanError, match=r"entitlements\.initech\.api: cannot be made to stand so") as caught:
        propose(ws, [{"address": "entitlements.initech.api", "spec": None}])
    assert len(caught.value.reasons) == 1


def test_an_edit_that_changes_nothing_live_gets_into_the_files_all_the_same(ws: Workspace, ada: Approver) -> None:
    ws.http.post("/api/v1/customers", json={"key": "initech", "name": "Initech"}).raise_for_status()
    made = propose(ws, [{"address": "customers.initech", "spec": {"external": True}}])
    assert made.plan.changes == () and made.state == "open"
    ada.approve(ws, made.digest)
    ws.forget()
    apply_approved(ws, made.digest)
    assert ws.writes() == []
    assert "  initech: {external: true}\n" in text(ws)
    assert refused(ws, made.digest).code == "already_applied"


# -- what is not ------------------------------------------------------------------------------------------------------


def test_nothing_is_applied_that_nobody_approved(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    refusal = refused(ws, digest)
    assert (refusal.code, refusal.exit_code, refusal.digest) == ("approval_required", 5, digest)
    assert text(ws) == CATALOG


def test_a_rejected_proposal_is_not_applied_also_where_it_was_approved_before(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    ada.reject(ws, digest, "not them")
    refusal = refused(ws, digest)
    assert (refusal.code, refusal.message) == ("approval_rejected", f"ada rejected {digest[:12]}: not them")


def test_an_approval_ends(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest, lasts=3600)
    ws.clock("2026-11-24T13:00:01Z")
    assert refused(ws, digest).code == "approval_expired"
    assert ada.approve(ws, digest).state == "approved"
    assert apply_approved(ws, digest)[1].whole


def test_a_proposal_waits_for_seven_days(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ws.clock("2026-12-01T12:00:01Z")
    assert refused(ws, digest).code == "approval_expired"
    with pytest.raises(GateRefused, match="in time"):
        ada.approve(ws, digest)
    again = propose(ws, [GLOBEX])
    assert (again.digest, again.state) == (digest, "open")


def test_an_approval_counts_once(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    apply_approved(ws, digest)
    assert refused(ws, digest).code == "already_applied"
    # the account and the files as they were: the plan would fit once more
    ws.http.delete("/api/v1/customers/globex").raise_for_status()
    ws.write("catalog/all.yaml", CATALOG)
    assert refused(ws, digest).code == "already_applied"
    again = propose(ws, [GLOBEX])
    assert (again.digest != digest, again.plan.onto, again.state) == (True, digest, "open")
    ada.approve(ws, again.digest)
    assert apply_approved(ws, again.digest)[1].whole


def test_a_plan_that_was_changed_after_it_was_made_is_not_applied(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    file = ws.root / ".bac/proposals" / f"{digest}.json"
    file.write_text(file.read_text().replace("Globex", "Mallory"))
    assert refused(ws, digest).code == "plan_tampered"
    with pytest.raises(GateRefused):
        ada.approve(ws, digest)
    assert propose(ws, [GLOBEX]).state == "approved"
    apply_approved(ws, digest)
    assert ws.http.get("/api/v1/customers/globex").json()["name"] == "Globex"


def test_what_bac_would_not_plan_is_not_approved_whatever_it_shows(ws: Workspace, ada: Approver) -> None:
    honest = propose(ws, [GLOBEX]).plan
    [change] = honest.changes
    other = change.steps[0]._replace(method="DELETE", path=("api", "v1", "customers", "acme"), body=None, find=None)
    forged = replace(honest, changes=(replace(change, steps=(*change.steps, other)),))
    folder = ws.root / ".bac/proposals"
    (folder / f"{forged.digest}.json").write_text(forged.dump())
    (folder / f"{forged.digest}.about.json").write_text((folder / f"{honest.digest}.about.json").read_text())
    with pytest.raises(GateRefused, match="it was not bac that made it") as caught:
        ada.approve(ws, forged.digest)
    assert caught.value.code == "drifted"
    assert ada.approve(ws, honest.digest).state == "approved"


def test_what_was_reviewed_too_late_is_not_approved(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [{"address": "customers.acme", "spec": {"name": "ACME Ltd."}}]).digest
    customer = {"key": "acme", "name": "Acme & Sons", "metadata": {"bac.owner": "acme-billing"}}
    ws.http.put("/api/v1/customers/acme", json=customer).raise_for_status()
    with pytest.raises(GateRefused, match="has changed since it was proposed"):
        ada.approve(ws, digest)


@pytest.mark.parametrize("digest", ["0" * 64, "sha256:" + "0" * 64, "../../bac", "", "0" * 12])
def test_a_digest_of_nothing_is_refused(ws: Workspace, ada: Approver, digest: str) -> None:
    assert refused(ws, digest).code == "plan_unknown"


@pytest.mark.parametrize(
    "settings", [{"owner": "another-team"}, {"environments": {"other": {"url": "http://openmeter.test"}}}]
)
def test_a_proposal_for_another_target_is_neither_approved_nor_applied(
    ws: Workspace, ada: Approver, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    ws.configure(**settings)
    monkeypatch.setenv("BAC_ENV", next(iter(settings.get("environments", {"local": {}}))))
    assert refused(ws, digest).code == "wrong_target"
    with pytest.raises(GateRefused, match="was proposed for local"):
        ada.approve(ws, digest)


def test_an_approval_moved_to_another_proposal_does_not_count(ws: Workspace, ada: Approver) -> None:
    signed, other = propose(ws, [GLOBEX]).digest, propose(ws, [GLOBEX, ACCESS]).digest
    ada.approve(ws, signed)
    [file] = (ws.root / ".bac/proposals").glob(f"{signed}.decision-*.json")
    file.with_name(file.name.replace(signed, other)).write_text(file.read_text())
    refusal = refused(ws, other)
    assert refusal.code == "approval_required"
    assert "is about another plan or another target" in refusal.message


def test_a_decision_edited_into_another_does_not_count(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.reject(ws, digest)
    [file] = (ws.root / ".bac/proposals").glob(f"{digest}.decision-*.json")
    changed = {**json.loads(file.read_text()), "verdict": "approve", "until": 2**33}
    file.write_text(json.dumps(changed))
    refusal = refused(ws, digest)
    assert (refusal.code, "does not fit what was signed" in refusal.message) == ("approval_required", True)


def test_a_key_that_is_no_approvers_signs_nothing_and_counts_for_nothing(
    ws: Workspace, ada: Approver, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    hers = desk / "mallory"
    hers.mkdir()
    mallory = Approver("ada", hers)
    with pytest.raises(Refused, match="is no approver's by"):
        mallory.approve(ws, digest)
    # under her own list her signature is made; under ours it counts for nothing
    allow(monkeypatch, hers, mallory)
    mallory.approve(ws, digest)
    allow(monkeypatch, desk, ada)
    refusal = refused(ws, digest)
    assert (refusal.code, "a key that is no approver's" in refusal.message) == ("approval_required", True)


def test_without_approvers_nothing_is_applied(
    ws: Workspace, ada: Approver, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    monkeypatch.setenv("BAC_APPROVERS", str(desk / "nothing"))
    ws.forget()
    with pytest.raises(UsageError, match="no approvers"):
        apply_approved(ws, digest)
    assert ws.writes() == []


def test_approvers_in_the_work_tree_are_refused(
    ws: Workspace, ada: Approver, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    allow(monkeypatch, ws.root, ada)
    with pytest.raises(UsageError, match="is in the work tree"):
        ada.approve(ws, digest)
    (desk / "link").symlink_to(ws.root / "approvers")
    monkeypatch.setenv("BAC_APPROVERS", str(desk / "link"))
    with pytest.raises(UsageError, match="is in the work tree"):
        ada.approve(ws, digest)


def test_what_has_changed_since_the_review_is_not_overwritten(ws: Workspace, ada: Approver) -> None:
    made = propose(ws, [{"address": "customers.acme", "spec": {"name": "ACME Ltd."}}])
    ada.approve(ws, made.digest)
    customer = {"key": "acme", "name": "ACME", "metadata": {"bac.owner": "acme-billing"}}
    ws.http.put("/api/v1/customers/acme", json={**customer, "name": "Acme & Sons"}).raise_for_status()
    refusal = refused(ws, made.digest)
    assert (refusal.code, refusal.exit_code) == ("drifted", 4)
    assert refusal.message.endswith("since it was reviewed: customers.acme changed: name")
    # nothing was used up by that
    ws.http.put("/api/v1/customers/acme", json=customer).raise_for_status()
    assert apply_approved(ws, made.digest)[1].whole


def test_what_somebody_has_written_into_the_catalog_since_is_not_overwritten(ws: Workspace, ada: Approver) -> None:
    made = propose(ws, [{"address": "customers.acme", "spec": {"name": "ACME Ltd."}}])
    ada.approve(ws, made.digest)
    mine = CATALOG.replace("name: ACME ", "name: Acme by hand ")
    ws.write("catalog/all.yaml", mine)
    assert refused(ws, made.digest).code == "drifted"
    ws.write("catalog/all.yaml", "meters: [")
    assert refused(ws, made.digest).code == "drifted"
    ws.write("catalog/all.yaml", mine)
    assert text(ws) == mine


def test_more_than_fifty_wait_for_nobody(ws: Workspace, ada: Approver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_as_code.gate.proposals.MOST_OPEN", 2)
    first = propose(ws, [GLOBEX])
    propose(ws, [{**GLOBEX, "spec": {"name": "Globex 2"}}])
    with pytest.raises(Refused, match="2 proposals are open already"):
        propose(ws, [{**GLOBEX, "spec": {"name": "Globex 3"}}])
    stacked = propose(ws, [ACCESS], onto=first.digest)
    assert stacked.state == "open"
    # what is decided waits no longer
    ada.approve(ws, stacked.digest)
    assert propose(ws, [{**GLOBEX, "spec": {"name": "Globex 3"}}]).state == "open"


# -- two at once, and death -------------------------------------------------------------------------------------------


def test_of_two_applies_of_one_approval_exactly_one_runs(ws: Workspace, ada: Approver) -> None:
    digest = propose(ws, [GLOBEX, ACCESS]).digest
    ada.approve(ws, digest)
    ws.forget()
    ends: list[object] = []
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        try:
            ends.append(apply_approved(ws, digest)[1].whole)
        except Refused as error:
            ends.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert True in ends and len(ends) == 2
    assert [e for e in ends if e is not True] in ([RunUnderway], [GateRefused])
    assert len(ws.writes()) == 2


def test_an_apply_that_died_anywhere_is_finished_as_the_same_use(
    ws: Workspace, ada: Approver, transport: httpx.BaseTransport
) -> None:
    mortal = Mortal(transport)
    ws.transport = mortal
    for nth in range(1, 8):
        edits = [{"address": f"customers.c{nth}", "spec": {"name": "C"}}, {"address": f"subjects.s{nth}", "spec": {}}]
        digest = propose(ws, edits).digest
        ada.approve(ws, digest)
        mortal.die_at(nth, is_sent=nth % 2 == 0, only_writes=nth < 3)
        try:
            apply_approved(ws, digest)
        except Killed:
            mortal.live_on()
            with ws.session() as session:
                has_begun = session.runs.unfinished(session.target.url) is not None
            if has_begun:
                with pytest.raises(RunUnfinished):
                    apply_approved(ws, digest)
                ws.resume()
            else:
                apply_approved(ws, digest)
        mortal.live_on()
        assert f"c{nth}" in text(ws) and not ws.plan().changes
        assert refused(ws, digest).code == "already_applied"


@pytest.mark.parametrize(
    "where",
    [
        "billing_as_code.gate.proposals.Proposals.claim",
        "billing_as_code.executor.execute",
        "billing_as_code.service.using.save",
        "billing_as_code.gate.proposals.Proposals.end",
        "billing_as_code.journal.Journal.end",
    ],
)
def test_a_death_between_requests_and_files_is_made_good_by_resume(
    ws: Workspace, ada: Approver, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)

    def die(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(where, die)
        with pytest.raises(Killed):
            apply_approved(ws, digest)
    ws.clock("2026-11-25T13:00:00Z" if not where.endswith("claim") else "2026-11-24T12:10:00Z")
    with pytest.raises(RunUnfinished):
        apply_approved(ws, digest)
    _, outcome = ws.resume()
    assert outcome.whole
    assert text(ws).count("globex") == 1 and not ws.plan().changes
    assert len([w for w in ws.writes() if w["path"] == "/api/v1/customers"]) == 1
    with ws.session() as session:
        assert [p.state for p in service.proposals(session)] == ["applied"]
    assert refused(ws, digest).code == "already_applied"


def test_a_run_that_is_given_up_has_used_its_approval(
    ws: Workspace, ada: Approver, transport: httpx.BaseTransport
) -> None:
    ws.transport = mortal = Mortal(transport)
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    mortal.die_at(1, only_writes=True)
    with pytest.raises(Killed):
        apply_approved(ws, digest)
    mortal.live_on()
    with ws.session() as session:
        service.abandon(session)
        assert [p.state for p in service.proposals(session)] == ["partly"]
    assert refused(ws, digest).code == "already_applied"


def test_what_openmeter_refused_is_left_for_the_next_plan_and_the_approval_is_used(
    ws: Workspace, ada: Approver
) -> None:
    digest = propose(ws, [GLOBEX]).digest
    ada.approve(ws, digest)
    ws.faults({"method": "POST", "path": "/api/v1/customers", "status": 400, "body": {"detail": "no"}})
    _, outcome = apply_approved(ws, digest)
    assert not outcome.whole
    ws.faults()
    assert refused(ws, digest).code == "already_applied"
    assert [str(c.address) for c in ws.plan().changes] == ["customers.globex"]
    with ws.session() as session:
        assert [p.state for p in service.proposals(session)] == ["partly"]


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bac(ws: Workspace, ada: Approver, monkeypatch: pytest.MonkeyPatch) -> Bac:
    return against(ws, monkeypatch)


def test_an_environment_that_asks_for_approval_takes_an_approved_plan(ws: Workspace, ada: Approver, bac: Bac) -> None:
    ws.configure(environments={"local": {"require_approval": True}})
    ws.write("catalog/more.yaml", "customers: {globex: {name: Globex}}\n")
    shown = bac("plan", "--propose", "--why", "sales\x1b[8m said so", "--out", "plan.json").stdout
    digest = json.loads(bac("proposals", "--json").stdout)["proposals"][0]["digest"]
    assert f"Proposed. Next: bac approve {digest[:12]}" in shown
    assert "nobody has approved" in bac("apply", "plan.json", "--yes", code=5).stderr
    assert "\\x1b[8m said so" in bac("proposals", digest[:12]).stdout
    ada.approve(ws, digest)
    assert "Applied: 1 done." in bac("apply", "plan.json", "--yes").stdout
    assert "is used" in bac("apply", "--approved", digest[:12], code=5).stderr


def test_an_approved_proposal_is_applied_by_its_digest(ws: Workspace, ada: Approver, bac: Bac) -> None:
    digest = propose(ws, [GLOBEX], why="why not").digest
    assert "open" in bac("proposals").stdout
    assert "+  globex: {name: Globex}" in bac("proposals", digest[:12]).stdout.replace("+    ", "+  ")
    ada.approve(ws, digest)
    done = json.loads(bac("apply", "--approved", digest[:12], "--json").stdout)
    assert (done["digest"], done["done"]) == (digest, ["customers.globex"])
    assert bac("proposals").stdout == "No proposals for local.\n"
    assert "applied" in bac("proposals", "--all").stdout
    assert "there is no such proposal" in bac("apply", "--approved", "0" * 12, code=1).stderr
    rejected = propose(ws, [ACCESS]).digest
    ada.reject(ws, rejected, "no\x1b[2J")
    assert "ada rejected" in (told := bac("apply", "--approved", rejected, code=5).stderr) and "no\\x1b[2J" in told
    assert "says by itself" in bac("apply", "--approved", digest[:12], "--resume", code=1).stderr


def test_a_review_shows_all_of_what_is_long(ws: Workspace, ada: Approver, bac: Bac) -> None:
    subjects = [f"subject-{n}" for n in range(30)]
    spec = {"name": "G" * 200 + "lobex", "subjects": subjects}
    digest = propose(ws, [{"address": "customers.globex", "spec": spec}]).digest
    shown = bac("proposals", digest[:12]).stdout
    above, below = shown.split("In full, what is cut above")
    assert "G" * 200 + "lobex" not in above and "subject-29" not in above
    assert "    " + "G" * 200 + "lobex\n" in below and all(f'"{s}"' in below for s in subjects)


def test_a_proposal_that_replaces_says_so_once_more_when_it_is_approved(ws: Workspace, ada: Approver, bac: Bac) -> None:
    bac("plan", "--propose", "--replace", "meters.calls", "--gap")
    [made] = json.loads(bac("proposals", "--json").stdout)["proposals"]
    assert ada.approve(ws, made["digest"]).state == "approved"
    bac("apply", "--approved", made["digest"])
    assert not ws.plan().changes


def test_a_list_tells_what_was_tampered_with(ws: Workspace, ada: Approver, bac: Bac) -> None:
    digest = propose(ws, [GLOBEX]).digest
    (ws.root / ".bac/proposals" / f"{digest}.json").write_text("{}\n")
    result = bac("proposals", code=1)
    assert result.stdout == "No proposals for local.\n"
    assert f"the plan of {digest[:12]} was changed after it was proposed" in result.stderr


def test_nobody_signs_without_a_terminal(ws: Workspace, ada: Approver, bac: Bac) -> None:
    digest = propose(ws, [GLOBEX]).digest
    for command in ("approve", "reject"):
        assert "is for a person at a terminal" in bac(command, digest, "--key", str(ada.file), code=5).stderr
    with ws.session() as session:
        assert [p.state for p in service.proposals(session)] == ["open"]


def test_the_trail_says_who_did_what(ws: Workspace, ada: Approver, bac: Bac) -> None:
    digest = propose(ws, [GLOBEX]).digest
    refused(ws, digest)
    ada.approve(ws, digest)
    apply_approved(ws, digest)
    trail = json.loads(bac("audit", "--json").stdout)
    told = [(e["what"], e["who"], e.get("approver") or e.get("approved_by"), e.get("code")) for e in trail["entries"]]
    me = trail["entries"][0]["who"]
    assert told[2:] == [
        ("proposed", "agent", None, None),
        ("refused", "agent", None, "approval_required"),
        ("approved", me, "ada", None),
        ("began", "agent", "ada", None),
        ("applied", "agent", None, None),
    ]
    assert all(e["digest"] == digest for e in trail["entries"][2:])
    assert trail["whole"] and "The chain is whole: 7 entries" in bac("audit").stdout
    file = ws.root / ".bac/audit.jsonl"
    file.write_text(file.read_text().replace('"approver":"ada"', '"approver":"eve"'))
    assert "Line 6 does not follow the line before it." in bac("audit", "--verify", code=1).stdout
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    bac("audit", "--verify")
    assert "entries are missing" in bac("audit", "--verify", "--head", trail["head"], code=1).stderr


def test_on_a_terminal_all_is_shown_and_breaking_changes_want_the_environments_name(
    tmp_path_factory: pytest.TempPathFactory, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("project")
    monkeypatch.chdir(root)
    for variable in ("CI", "BAC_ENV"):
        monkeypatch.delenv(variable, raising=False)
    (root / "bac.yaml").write_text("owner: acme\nenvironments: {local: {}}\n")
    (root / "catalog").mkdir()
    (root / "catalog/all.yaml").write_text(CATALOG)
    person = Approver("ada", desk)
    allow(monkeypatch, desk, person)
    assert CliRunner().invoke(main, ["apply", "--yes"]).exit_code == 0
    Path("catalog/all.yaml").write_text(CATALOG.replace("100", "50"))
    assert CliRunner().invoke(main, ["plan", "--propose"]).exit_code == 0
    [found] = json.loads(CliRunner().invoke(main, ["proposals", "--json"]).stdout)["proposals"]
    digest = found["digest"]
    shown, code = on_a_terminal("yes", "approve", digest[:12], "--key", str(person.file))
    assert code == 5 and "the answer was not local, so nothing was signed" in shown
    shown, code = on_a_terminal("local", "approve", digest[:12], "--key", str(person.file))
    assert code == 0, shown
    assert "1 change is breaking. Type the environment's name, local, to go on: " in shown
    assert "issue.amount" in shown and "Approved by ada" in shown
    shown, code = on_a_terminal("yes", "reject", digest[:12], "--key", str(person.file), "--reason", "no")
    assert code == 0 and "Rejected by ada" in shown


# -- through git ------------------------------------------------------------------------------------------------------


@pytest.fixture
def git(ws: Workspace, ada: Approver) -> Callable[..., str]:
    """Git in the project, whose catalog is committed."""
    ws.configure(environments={"local": {"propose": "git"}})
    who = {f"GIT_{who}_{what}": "bo" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*args: str) -> str:
        return subprocess.run(
            ["git", *args], cwd=ws.root, check=True, capture_output=True, text=True, env={**os.environ, **who}
        ).stdout

    run("init", "-q", "-b", "main")
    ws.write(".gitignore", ".bac/\n")
    run("add", ".")
    run("commit", "-qm", "catalog")
    return run


def test_a_proposal_is_a_commit_for_a_pull_request_and_the_work_tree_stays(
    ws: Workspace, ada: Approver, git: Callable[..., str]
) -> None:
    ws.write("note.txt", "mine")
    made = propose(ws, [GLOBEX], why="a new\ncustomer\u202e")
    assert made.about.branch == f"bac/{made.digest[:12]}"
    assert git("diff", "--stat=80", "main", made.about.branch).splitlines()[-1] == " 1 file changed, 1 insertion(+)"
    assert "+  globex: {name: Globex}" in git("diff", "main", made.about.branch)
    message = git("log", "-1", "--format=%B", made.about.branch)
    assert message.startswith(
        "Propose customers.globex for local\n\ndeclare customers.globex\n\nagent says: a new customer\\u202e\n"
    )
    assert f"Bac-Digest: {made.digest}" in message and f"Bac-Intent: {made.plan.intent}" in message
    assert git("status", "--porcelain") == "?? note.txt\n"
    assert git("branch", "--show-current") == "main\n"
    assert propose(ws, [GLOBEX]).about.branch == made.about.branch
    ada.approve(ws, made.digest)
    assert refused(ws, made.digest).code == "read_only"


def test_where_proposals_go_is_one_of_two(ws: Workspace) -> None:
    ws.configure(environments={"local": {"propose": "gti"}})
    with pytest.raises(CatalogError, match=r"`propose` is text, and must be git or here \(propose: git\)"):
        ws.plan()


def test_what_is_not_committed_gets_into_no_pull_request(ws: Workspace, ada: Approver, git: Callable[..., str]) -> None:
    ws.write("catalog/all.yaml", CATALOG + "# a secret thought\n")
    with pytest.raises(UsageError, match="the catalog has changes that are not committed"):
        propose(ws, [GLOBEX])
    assert git("branch", "--list", "bac/*") == ""
    with ws.session() as session:
        assert service.proposals(session) == []


def test_approvers_stand_in_the_branch_of_a_remote_and_in_no_local_one(
    ws: Workspace, ada: Approver, git: Callable[..., str], desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.configure()
    ws.write("approvers.txt", ada.line())
    git("add", ".")
    git("commit", "-qm", "approvers")
    git("init", "-q", "--bare", str(desk / "origin.git"))
    git("remote", "add", "origin", str(desk / "origin.git"))
    git("push", "-q", "origin", "main")
    digest = propose(ws, [GLOBEX]).digest
    monkeypatch.setenv("BAC_APPROVERS", "git:main:approvers.txt")
    with pytest.raises(UsageError, match="main is no branch of a remote"):
        ada.approve(ws, digest)
    monkeypatch.setenv("BAC_APPROVERS", "git:origin/main:approvers.txt")
    ws.write("approvers.txt", "mallory ssh-ed25519 AAAA\n")
    ada.approve(ws, digest)
    for wrong, why in (("git:origin/main:none", "has no file none"), ("git:origin/x:y", "there is no branch origin/x")):
        monkeypatch.setenv("BAC_APPROVERS", wrong)
        with pytest.raises(UsageError, match=why):
            ada.reject(ws, digest)
    monkeypatch.setenv("BAC_APPROVERS", "git:origin/main:approvers.txt")
    assert apply_approved(ws, digest)[1].whole
