"""A plan of what changed since a commit shows for that what a whole plan would, and reads nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from commands import against
from hypothesis import given, note, settings
from hypothesis import strategies as st
from mortal import Mortal
from profiles import share
from strategies import World, catalogs, edited, written
from test_converge import begin, is_refused
from wire import refereed
from workspace import Workspace, describe

from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code import service
from billing_as_code.devserver import create_app
from billing_as_code.errors import GateRefused, PlanError, UsageError
from billing_as_code.kinds import KINDS
from billing_as_code.model import Address, Change
from billing_as_code.plan import Part, Plan, Since
from billing_as_code.planschema import plan_schema
from billing_as_code.service.planning import context_of, load_desired, rules_of


def git(ws: Workspace, *args: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run(["git", *who, *args], cwd=ws.root, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(ws: Workspace) -> str:
    """Everything as it stands, in a commit; its id."""
    if not (ws.root / ".git").is_dir():
        git(ws, "init", "-q", "-b", "main")
    git(ws, "add", "-A", "--", "bac.yaml", "catalog")
    git(ws, "commit", "-q", "--allow-empty", "-m", "x")
    return git(ws, "rev-parse", "HEAD")


def paths(ws: Workspace) -> list[str]:
    """What was asked for since the last `forget`."""
    found = [(r["path"], r["query"]) for r in ws.requests()]
    return [f"{path}?{query}" if query else path for path, query in found]


METERING: dict[str, Any] = {
    "meters": {
        "tokens": {"event_type": "prompt", "aggregation": "sum", "value_property": "$.tokens"},
        "calls": {"event_type": "call", "aggregation": "count"},
    },
    "features": {"ai_tokens": {"meter": "tokens"}, "api_calls": {"meter": "calls"}, "sso": {}},
}
METERED = {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": 100}}


def customers(ws: Workspace, number: int, **changed: dict[str, Any]) -> None:
    """So many customers with a metered and a boolean entitlement, but for what is `changed` of one's entitlements."""
    names = [f"c{n:04d}" for n in range(number)]
    ws.write("catalog/metering.yaml", METERING)
    ws.write(
        "catalog/customers.yaml",
        {
            "customers": {name: {"name": name} for name in names},
            "entitlements": {
                name: {"ai_tokens": METERED, "sso": {"type": "boolean"}} | changed.get(name, {}) for name in names
            },
        },
    )


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_a_change_that_is_not_committed_counts_and_what_was_changed_by_hand_elsewhere_does_not(ws: Workspace) -> None:
    customers(ws, 3)
    ws.converge()
    commit(ws)
    for key in ("c0000", "c0001"):
        body = {"key": key, "name": "by hand", "metadata": {"bac.owner": "acme-billing"}}
        ws.http.put(f"/api/v1/customers/{key}", json=body).raise_for_status()
    customers(ws, 3, c0001={"sso": {"type": "static", "config": {}}})
    plan = ws.plan(since="main")
    assert {str(c.address): c.action for c in plan.changes} == {
        "customers.c0001": "update",  # what it depends on
        "entitlements.c0001.sso": "replace",
    }
    assert plan.since == Since(
        "main", git(ws, "rev-parse", "HEAD"), "", ("entitlements.c0001.sso",), looked_at=3, unseen=11
    )


def test_what_was_taken_out_of_the_catalog_is_deleted_and_what_left_it_before_is_not(ws: Workspace) -> None:
    customers(ws, 3)
    ws.converge()
    customers(ws, 2)
    before = commit(ws)
    customers(ws, 1)
    commit(ws)
    assert {str(c.address): c.action for c in ws.plan(since=before).changes} == {
        "customers.c0001": "delete",
        "entitlements.c0001.ai_tokens": "delete",
        "entitlements.c0001.sso": "delete",
    }


def test_where_branches_part_counts_and_not_what_the_other_has_become(ws: Workspace) -> None:
    customers(ws, 2)
    ws.converge()
    commit(ws)
    git(ws, "checkout", "-q", "-b", "other")
    customers(ws, 2, c0000={"sso": {"type": "static", "config": {}}})
    commit(ws)
    git(ws, "checkout", "-q", "main")
    customers(ws, 2, c0001={"sso": {"type": "static", "config": {}}})
    commit(ws)
    plan = ws.plan(since="other")
    assert [str(c.address) for c in plan.changes] == ["entitlements.c0001.sso"]


def test_a_template_touches_all_who_use_it_and_a_comment_nobody(ws: Workspace) -> None:
    ws.write("catalog/metering.yaml", METERING)
    ws.write("catalog/templates.yaml", "templates: {t: {sso: {type: boolean}}}")
    ws.write(
        "catalog/c.yaml",
        {
            "customers": {n: {"name": n} for n in "abc"},
            "entitlements": {n: {"$use": ["t"]} for n in "ab"} | {"c": {"sso": {"type": "boolean"}}},
        },
    )
    ws.converge()
    commit(ws)
    ws.write("catalog/metering.yaml", "# a comment\n" + (ws.root / "catalog/metering.yaml").read_text())
    ws.forget()
    assert not ws.plan(since="main").changes
    assert paths(ws) == []
    ws.write("catalog/templates.yaml", "templates: {t: {sso: {type: static, config: 1}}}")
    assert [str(c.address) for c in ws.plan(since="main").changes] == ["entitlements.a.sso", "entitlements.b.sso"]


def test_an_overlay_touches_its_environment_alone(ws: Workspace) -> None:
    ws.configure(environments={"local": {}, "staging": {}})
    customers(ws, 2)
    ws.converge()
    commit(ws)
    ws.write("catalog/environments/staging/c.yaml", {"customers": {"c0000": {"name": "of staging"}}})
    assert ws.plan(since="main").since.touched == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"ignore": ["customers.*.metadata.crm_*"]}, "configuration"),
        ({"exclusive": ["features"]}, "configuration"),
        ({"environments": {"local": {"url": "http://openmeter.test"}}}, "environment"),
        ({"limits": {"deletes": 3}}, ""),
    ],
)
def test_what_bac_yaml_says_of_all_resources_makes_the_plan_a_whole_one(
    ws: Workspace, settings: dict[str, Any], why: str
) -> None:
    customers(ws, 2)
    commit(ws)
    ws.configure(**settings)
    plan = ws.plan(since="main")
    assert plan.since is not None
    assert plan.since.whole == why
    assert len(plan.changes) == (11 if why else 0)


def test_a_catalog_that_cannot_be_read_any_more_makes_the_plan_a_whole_one(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", "meters: [wrong]")
    commit(ws)
    customers(ws, 1)
    ws.remove("catalog/all.yaml")
    plan = ws.plan(since="main")
    assert plan.since is not None
    assert (plan.since.whole, len(plan.changes)) == ("unreadable", 8)


def test_a_commit_that_is_not_there_is_told(ws: Workspace) -> None:
    customers(ws, 1)
    with pytest.raises(UsageError, match="is in no git repository"):
        ws.plan(since="main")
    commit(ws)
    for ref in ("gone", "--help", "HEAD~1"):
        with pytest.raises(UsageError, match=f"^{ref} is no commit here"):
            ws.plan(since=ref)
    with pytest.raises(UsageError, match="so does --only"):
        ws.plan(since="main", only=["meters"])


def test_who_keeps_a_subject_that_a_touched_customer_takes_is_told(ws: Workspace) -> None:
    ws.write("catalog/c.yaml", {"customers": {"acme": {"name": "A"}, "globex": {"name": "G", "subjects": ["s1"]}}})
    ws.converge()
    ws.write("catalog/c.yaml", {"customers": {"acme": {"name": "A"}, "globex": {"name": "G"}}})
    commit(ws)
    ws.write("catalog/c.yaml", {"customers": {"acme": {"name": "A", "subjects": ["s1"]}, "globex": {"name": "G"}}})
    with pytest.raises(PlanError, match=r"takes 's1', a subject of customers\.globex"):
        ws.plan(since="main")


def test_all_that_hangs_on_a_replaced_meter_follows(ws: Workspace) -> None:
    customers(ws, 30)
    ws.converge()
    commit(ws)
    meter = METERING["meters"]["tokens"] | {"aggregation": "latest"}
    ws.write("catalog/metering.yaml", METERING | {"meters": METERING["meters"] | {"tokens": meter}})
    ws.forget()
    plan = ws.plan(since="main")
    assert {c.address.kind: c.action for c in plan.changes} == dict.fromkeys(
        ("meters", "features", "entitlements"), "replace"
    )
    assert len(plan.changes) == 1 + 1 + 30
    assert not [r for r in ws.requests() if r["path"] == "/api/v1/subjects"]
    assert plan.changes == ws.plan().changes


def test_it_can_be_saved_applied_and_repeated(ws: Workspace) -> None:
    customers(ws, 3)
    ws.converge()
    commit(ws)
    customers(ws, 3, c0002={"api_calls": METERED})
    plan = plans.load(ws.plan(since="main").dump())
    _, outcome = ws.apply(plan)
    assert outcome.whole
    assert not ws.plan(since="main").changes
    assert not ws.plan().changes


def test_the_command_says_what_it_did_not_look_at_and_what_applies_it(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(ws, 3)
    ws.converge()
    commit(ws)
    bac = against(ws, monkeypatch)
    assert (
        bac("plan", "--changed-since", "main", "--exit-code")
        .stdout.splitlines()[0]
        .endswith("is as the catalog says (0 resources changed since main).")
    )
    customers(ws, 3, c0002={"api_calls": METERED})
    text = bac("plan", "--changed-since", "main", "--exit-code", code=2).stdout
    assert f"Only what changed since main ({git(ws, 'rev-parse', 'HEAD')[:12]}): 1 resource, " in text
    assert "Not looked at: 11 other resources of the catalog, and what else is live." in text
    assert text.splitlines()[-1] == "Next: bac apply --changed-since main"
    for flag in ("markdown", "json"):
        assert "main" in bac("plan", "--changed-since", "main", "--format", flag).stdout
    made = json.loads(bac("plan", "--changed-since", "main", "--json").stdout)["plan"]
    jsonschema.validate(made, plan_schema())
    bac("apply", "--changed-since", "main", "--yes")
    assert bac("plan").stdout.startswith("Nothing to do")
    bac("apply", "plan.json", "--changed-since", "main", code=1)


def test_a_proposal_of_what_changed_is_planned_once_more_as_that(ws: Workspace) -> None:
    customers(ws, 2)
    ws.converge()
    commit(ws)
    customers(ws, 2, c0001={"api_calls": METERED})
    with ws.session() as session:
        proposal = service.propose_plan(session, service.plan(session, since="main"))
        assert service.decidable(session, proposal.digest, "approve").digest == proposal.digest
        customers(ws, 2, c0000={"api_calls": METERED}, c0001={"api_calls": METERED})
        with pytest.raises(GateRefused, match="is not what bac plans now"):
            service.decidable(session, proposal.digest, "approve")


# -- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_ten_changes_among_forty_thousand_resources_are_a_handful_of_requests(ws: Workspace) -> None:
    names = [f"c{n:05d}" for n in range(10_000)]
    declared = [f"  {name}: {{name: {name}}}" for name in names]
    three = "{sso: {type: boolean}, ai_tokens: {type: static, config: 1}, api_calls: {type: boolean}}"
    held = [f"  {name}: {three}" for name in names]
    ws.write("catalog/metering.yaml", METERING)
    near = slice(500, 520)  # the only ones that are live, since nobody asks for the others
    ws.write("catalog/customers.yaml", "\n".join(["customers:", *declared[near], "entitlements:", *held[near], ""]))
    ws.apply()
    ws.write("catalog/customers.yaml", "\n".join(["customers:", *declared, "entitlements:", *held, ""]))
    commit(ws)
    for n in range(510, 515):
        held[n] = held[n].replace("config: 1", "config: 2")
    for n in range(515, 520):
        held[n] = held[n].replace("sso: {type: boolean}", "sso: {type: static, config: 0}")
    ws.write("catalog/customers.yaml", "\n".join(["customers:", *declared, "entitlements:", *held, ""]))
    ws.forget()
    plan = ws.plan(since="main")
    assert {str(c.address): c.action for c in plan.changes} == {
        f"entitlements.{name}.{feature}": "replace"
        for feature, some in (("ai_tokens", names[510:515]), ("sso", names[515:520]))
        for name in some
    }
    assert plan.since is not None
    assert (plan.since.looked_at, plan.since.unseen) == (23, 40_005 - 23)
    labels = "/api/v1/entitlements/"  # of each boolean, one by one
    asked = Counter(labels if r["path"].startswith(labels) else r["path"] for r in ws.requests())
    assert asked == {
        "/api/v1/customers": 10,
        "/api/v1/meters": 1,
        "/api/v3/openmeter/features": 2,
        "/api/v2/entitlements": 1,
        "/api/v2/grants": 1,
        labels: 5,
    }


# -- never less than a whole plan -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("project"), Mortal(refereed(create_app())))
    yield workspace
    workspace.close()


def told(change: Change) -> tuple[Any, ...]:
    """What a person is shown of a change."""
    return change.action, change.fields, change.cls, change.reasons, change.before, change.after


def of_everything(ws: Workspace, since: Since) -> Plan:
    """The same plan, made by somebody who has read everything."""
    with ws.session() as session:
        desired, live = load_desired(session), live_state.read(session.client, KINDS)
        roots = frozenset(map(Address.parse, since.touched))
        part = Part(since, roots, frozenset(desired.keys() | live.keys()))
        context = context_of(session, desired, live)
        return plans.build(desired, live, KINDS, session.target, rules_of(session), context, part=part)


def attempt(make: Any) -> Plan | list[tuple[str, str]]:
    try:
        return make()
    except PlanError as error:
        return list(error.reasons)


@pytest.mark.thorough
@settings(max_examples=share(0.1))
@given(st.data())
def test_it_shows_of_what_changed_all_that_a_whole_plan_shows(project: Workspace, data: st.DataObject) -> None:
    ws, world = project, World(data.draw(catalogs(), label="catalog"))
    begin(ws, world.catalog)
    commit(ws)
    live = data.draw(st.none() | edited(world, most=4), label="live")
    if live is not None:
        ws.write("catalog/all.yaml", written(live.catalog))
        if not is_refused(ws):
            ws.apply()
    then = data.draw(edited(world, most=4), label="now")
    ws.write("catalog/all.yaml", written(then.catalog))
    part = attempt(lambda: ws.plan(since="main"))
    if isinstance(part, list):
        whole = attempt(ws.plan)
        assert isinstance(whole, list)
        assert set(part) <= set(whole)
        return
    assert part.since is not None
    note(str((part.since, describe(part))))
    same = of_everything(ws, part.since)
    assert (part.changes, part.base, part.held, part.skipped) == (same.changes, same.base, same.held, same.skipped)
    whole = attempt(ws.plan)
    if isinstance(whole, list):
        assert not {address for address, _ in whole} & set(part.since.touched)
        return
    shown, all_ = ({str(c.address): told(c) for c in plan.changes} for plan in (part, whole))
    assert {a: shown.get(a) for a in part.since.touched} == {a: all_.get(a) for a in part.since.touched}
    assert shown.items() <= all_.items()
