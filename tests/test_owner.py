"""Owners that change: `formerly` in bac.yaml, and `bac owner` taking over what another label holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from prepared import prepared
from terminal import on_a_terminal
from workspace import OWNER, Workspace

from billing_as_code import service
from billing_as_code.cli import main
from billing_as_code.config import load as load_config
from billing_as_code.errors import CatalogError, GateRefused, PlanError, StalePlan, UsageError
from billing_as_code.model import Class
from billing_as_code.plan import Plan
from billing_as_code.service import Takeover

NEW = "new-team"
CATALOG: dict[str, Any] = {
    "meters": {"calls": {"aggregation": "count", "event_type": "call", "metadata": {"team": "a"}}},
    "features": {"api": {"meter": "calls"}},
    "customers": {"acme": {"name": "ACME", "currency": "EUR", "subjects": ["s1"], "protect": True}},
    "subjects": {"s1": {"display_name": "One", "metadata": {"n": 1}}},
    "entitlements": {
        "acme": {
            "api": {"type": "metered", "issue": {"amount": 10}, "usage_period": {"interval": "month"}},
        }
    },
    "grants": {"acme": {"api": {"welcome": {"amount": 5, "effective_at": "2026-11-24T12:00:00Z"}}}},
}


@pytest.fixture
def theirs(ws: Workspace, openmeter: Flask) -> Workspace:
    """A server with a catalog's resources on it, whose owner has another name now."""
    return prepared(ws, openmeter, _theirs)


def _theirs(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.configure(owner=NEW)


def take_over(ws: Workspace, former: str = OWNER, **options: Any) -> Takeover:
    with ws.session() as session:
        return service.take_over(session, former, **options)


def labels(ws: Workspace) -> dict[str, dict[str, int]]:
    with ws.session() as session:
        return service.owners(session)


def changed(plan: Plan) -> list[tuple[str, str, list[tuple[Any, ...]]]]:
    return [(c.action, str(c.address), [tuple(f) for f in c.fields]) for c in plan.changes]


RELABELLED = ["customers.acme", "meters.calls", "subjects.s1"]


# -- formerly ---------------------------------------------------------------------------------------------------------


def test_without_formerly_a_renamed_owner_is_another_owner_and_the_way_out_is_told(theirs: Workspace) -> None:
    with pytest.raises(PlanError) as caught:
        theirs.plan()

    reasons = dict(caught.value.reasons)
    ways = "belongs to acme-billing. Declare it {external: true}, or give it up there; or take it over: "
    assert reasons["meters.calls"] == ways + "bac owner --from acme-billing"
    assert reasons["features.api"] == ways + "formerly: [acme-billing]"


def test_what_carries_a_former_name_is_relabelled_where_it_can_be_and_nothing_else_happens(theirs: Workspace) -> None:
    theirs.configure(owner=NEW, formerly=[OWNER])

    plan = theirs.converge()

    relabel = [("owner", OWNER, NEW, Class.BREAKING)]
    assert changed(plan) == [("update", address, relabel) for address in RELABELLED]
    assert {c.reasons for c in plan.changes} == {(f"taken_over:{OWNER}",)}
    assert labels(theirs) == {
        OWNER: {"features": 1, "entitlements": 1, "grants": 1},
        NEW: {"meters": 1, "customers": 1, "subjects": 1},
    }


def test_what_keeps_a_former_name_is_still_changed_replaced_and_pruned_as_ours(theirs: Workspace) -> None:
    theirs.configure(owner=NEW, formerly=[OWNER])
    raised = {"type": "metered", "issue": {"amount": 20}, "usage_period": {"interval": "month"}}
    theirs.write("catalog/all.yaml", {**CATALOG, "entitlements": {"acme": {"api": raised}}})

    theirs.converge()

    assert labels(theirs)[NEW]["entitlements"] == 1
    theirs.write("catalog/all.yaml", {"customers": CATALOG["customers"]})
    assert sorted((a, name) for a, name, _ in changed(theirs.converge())) == [
        ("delete", "entitlements.acme.api"),
        ("delete", "features.api"),
        ("delete", "meters.calls"),
        ("delete", "subjects.s1"),
    ]


def test_a_former_names_resource_that_is_external_now_loses_the_label(theirs: Workspace) -> None:
    theirs.configure(owner=NEW, formerly=[OWNER])
    theirs.write("catalog/all.yaml", {**CATALOG, "subjects": {"s1": {"external": True}}})

    theirs.converge()

    assert "bac.owner" not in theirs.http.get("/api/v1/subjects/s1").json()["metadata"]


def test_a_meters_replace_takes_a_former_names_dependents_with_it(theirs: Workspace) -> None:
    theirs.configure(owner=NEW, formerly=[OWNER])
    theirs.write("catalog/all.yaml", {**CATALOG, "meters": {"calls": {"aggregation": "count", "event_type": "hit"}}})

    plan = theirs.converge()

    assert {str(c.address) for c in plan.changes if c.action == "replace"} == {
        *("meters.calls", "features.api", "entitlements.acme.api")
    }
    assert labels(theirs)[NEW] == {"meters": 1, "features": 1, "customers": 1, "subjects": 1, "entitlements": 1}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([NEW], "`formerly` names `new-team`, which is the owner now (leave it out)"),
        ("old", "`formerly` is text, and must be a list of texts (formerly: [old-name])"),
        ([1], "`formerly[0]` is a number, and must be text (formerly: [old-name])"),
    ],
)
def test_a_formerly_that_is_none_is_told(ws: Workspace, value: Any, told: str) -> None:
    ws.configure(owner=NEW, formerly=value)

    with pytest.raises(CatalogError) as caught:
        load_config(ws.root)

    [problem] = caught.value.problems
    assert str(problem).endswith(told)


# -- taking over ------------------------------------------------------------------------------------------------------


def test_a_take_over_changes_labels_and_nothing_else(theirs: Workspace) -> None:
    before = theirs.http.get("/api/v1/customers/acme").json(), theirs.http.get("/api/v1/meters/calls").json()
    theirs.write("catalog/all.yaml", {**CATALOG, "meters": {"calls": {**CATALOG["meters"]["calls"], "name": "New"}}})

    found = take_over(theirs)
    _, outcome = theirs.apply(found.plan)

    assert outcome.whole
    assert changed(found.plan) == [
        ("update", address, [("owner", OWNER, NEW, Class.BREAKING)]) for address in RELABELLED
    ]
    assert [str(a) for a in found.fixed] == ["entitlements.acme.api", "features.api", "grants.acme.api.welcome"]
    assert found.undeclared == ()
    after = theirs.http.get("/api/v1/customers/acme").json(), theirs.http.get("/api/v1/meters/calls").json()
    for was, is_ in zip(before, after, strict=True):
        was["metadata"]["bac.owner"] = NEW
        assert {k: v for k, v in is_.items() if k != "updatedAt"} == {k: v for k, v in was.items() if k != "updatedAt"}
    assert len(theirs.writes()) == 3


def test_what_the_catalog_does_not_declare_is_left_alone_so_that_no_plan_deletes_it(theirs: Workspace) -> None:
    theirs.write("catalog/all.yaml", {"customers": CATALOG["customers"], "subjects": {"s1": {"external": True}}})

    found = take_over(theirs)

    assert [str(c.address) for c in found.plan.changes] == ["customers.acme"]
    assert [str(a) for a in found.undeclared] == [
        *("entitlements.acme.api", "features.api", "grants.acme.api.welcome", "meters.calls", "subjects.s1")
    ]


def test_only_narrows_a_take_over(theirs: Workspace) -> None:
    assert [str(c.address) for c in take_over(theirs, only=["customers", "features"]).plan.changes] == [RELABELLED[0]]
    with pytest.raises(UsageError, match=r"--only customers\.acm: nothing there carries the label acme-billing"):
        take_over(theirs, only=["customers.acm"])


def test_an_owner_that_has_nothing_is_told_with_who_has(theirs: Workspace) -> None:
    with pytest.raises(UsageError, match=r"carries that label \(did you mean `acme-billing`\?\)"):
        take_over(theirs, "acme-biling")
    with pytest.raises(UsageError, match=r"\(other owners here: acme-billing\)"):
        take_over(theirs, "x")
    with pytest.raises(UsageError, match=r"that is the owner in bac\.yaml"):
        take_over(theirs, NEW)


def test_a_label_that_is_no_text_is_some_other_owner(theirs: Workspace) -> None:
    for odd in ([], {"a": 1}, 7, True):
        body = [{"key": "s1", "metadata": {"bac.owner": odd}}]
        theirs.http.post("/api/v1/subjects", json=body).raise_for_status()
        theirs.configure(owner=NEW, formerly=[OWNER])

        with pytest.raises(PlanError, match=r"subjects\.s1: belongs to "):
            theirs.plan()
        assert json.dumps(odd, separators=(",", ":")) in labels(theirs)


def test_a_take_over_that_is_stale_writes_nothing(theirs: Workspace) -> None:
    plan = take_over(theirs).plan
    acme = {"key": "acme", "name": "Other", "usageAttribution": {"subjectKeys": ["s1"]}}
    theirs.http.put("/api/v1/customers/acme", json={**acme, "metadata": {"bac.owner": OWNER}}).raise_for_status()
    theirs.forget()

    with pytest.raises(StalePlan):
        theirs.apply(plan)

    assert theirs.writes() == []


def test_a_take_over_that_failed_half_way_is_finished_by_the_next(theirs: Workspace) -> None:
    theirs.faults({"method": "PUT", "path": "/api/v1/customers/*", "status": 400, "body": "{}"})
    _, outcome = theirs.apply(take_over(theirs).plan)
    assert [str(a) for a in outcome.tally.failed] == ["customers.acme"]
    theirs.faults()

    found = take_over(theirs)

    assert [str(c.address) for c in found.plan.changes] == ["customers.acme", "subjects.s1"]
    assert theirs.apply(found.plan)[1].whole


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on the embedded server whose catalog was applied under another name."""
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "BAC_ENV"):
        monkeypatch.delenv(variable, raising=False)
    assert bac("init", "--owner", "old-team").exit_code == 0
    assert bac("apply", "--yes").exit_code == 0
    config = tmp_path / "bac.yaml"
    config.write_text(config.read_text().replace("owner: old-team", "owner: new-team"))
    return tmp_path


def bac(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_owners_are_listed_with_what_they_have(project: Path) -> None:
    assert bac("owner").stdout == "old-team  1 meter, 2 features, 2 customers, 3 entitlements\n"
    assert json.loads(bac("owner", "--json").stdout) == {
        "owner": "new-team",
        "owners": {"old-team": {"meters": 1, "features": 2, "customers": 2, "entitlements": 3}},
    }


def test_a_take_over_needs_a_yes_and_then_tells_what_keeps_the_label(project: Path) -> None:
    refused = bac("owner", "--from", "old-team")
    assert refused.exit_code == 5
    assert "nobody to ask" in refused.stderr
    assert bac("owner").stdout.startswith("old-team")

    done = bac("owner", "--from", "old-team", "--yes")

    assert done.exit_code == 0
    assert "put this into bac.yaml: formerly: [old-team]" in done.stdout
    assert done.stdout.endswith("Applied: 3 done.\n")
    with (project / "bac.yaml").open("a") as file:
        file.write("formerly: [old-team]\n")
    assert bac("plan").stdout.startswith("Nothing to do")
    assert bac("owner").stdout == (
        "new-team  1 meter, 2 customers (bac.yaml's owner)\n"
        "old-team  2 features, 3 entitlements (formerly bac.yaml's)\n"
    )
    again = bac("owner", "--from", "old-team")
    assert again.exit_code == 0
    assert "so they count as yours" in again.stdout


@pytest.mark.parametrize(("answer", "code"), [("old-team", 0), ("yes", 5), ("", 5)])
def test_on_a_terminal_the_other_owners_name_is_typed(project: Path, answer: str, code: int) -> None:
    shown, ended = on_a_terminal(answer, "owner", "--from", "old-team")

    assert ended == code, shown
    assert "Take over from old-team in local? Type that owner's name to go on: " in shown
    assert bac("owner").stdout.startswith("new-team" if code == 0 else "old-team")


def test_an_environment_of_reviewed_plans_is_relabelled_through_formerly_alone(project: Path) -> None:
    config = project / "bac.yaml"
    config.write_text(config.read_text().replace("local: {}", "local: {require_approval: true}"))

    refused = bac("owner", "--from", "old-team", "--yes")

    assert refused.exit_code == 5
    assert "formerly: [old-team]" in refused.stderr


def test_no_take_over_gets_by_an_environment_of_reviewed_plans_whoever_asks_for_it(theirs: Workspace) -> None:
    theirs.configure(owner=NEW, environments={"local": {"require_approval": True}})
    found = take_over(theirs)
    with theirs.session() as session, pytest.raises(GateRefused) as refused:
        list(service.apply(session, found.plan))
    assert (refused.value.code, theirs.writes()) == ("approval_required", [])


def test_a_take_over_as_json_says_what_became_of_it(project: Path) -> None:
    told = json.loads(bac("owner", "--from", "old-team", "--yes", "--json").stdout)

    assert sorted(told["done"]) == ["customers.acme", "customers.globex", "meters.tokens_total"]
    assert (told["failed"], told["not_as_declared"]) == ({}, {})


@pytest.mark.parametrize("args", [["--yes"], ["--only", "customers"]])
def test_flags_of_a_take_over_need_to_know_from_whom(project: Path, args: list[str]) -> None:
    result = bac("owner", *args)

    assert result.exit_code == 1
    assert "say from whom, --from OWNER" in result.stderr
