"""The plan as a document: what it is bound to, what it holds, what it may do, and when it no longer holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import World, catalogs, edited, written
from wire import refereed
from workspace import Workspace

from billing_as_code import plan as plans
from billing_as_code import service
from billing_as_code.devserver import create_app
from billing_as_code.errors import BacError, ChangedIntent, PlanError, Refused, StalePlan, UsageError
from billing_as_code.model import Class
from billing_as_code.plan import Plan

CATALOG: dict[str, Any] = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
    "features": {"ai": {"meter": "tokens", "unit_cost": {"type": "manual", "amount": "0.5"}}, "sso": {}},
    "customers": {"acme": {"name": "ACME"}, "globex": {"name": "Globex"}},
    "entitlements": {
        "acme": {"ai": {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": "2.5"}}}
    },
    "grants": {"acme": {"ai": {"promo": {"amount": "0.5", "effective_at": "2026-11-24T12:00:00Z"}}}},
}


def addresses(plan: Plan) -> set[str]:
    return {str(c.address) for c in plan.changes}


def changed(**sections: Any) -> dict[str, Any]:
    """The catalog with some resources merged into it by section."""
    return CATALOG | {name: CATALOG[name] | section for name, section in sections.items()}


def check(ws: Workspace, plan: Plan, **options: Any) -> None:
    with ws.session() as session:
        service.check(session, plan, **options)


@pytest.fixture
def applied(ws: Workspace) -> Workspace:
    """The catalog, applied two days ago."""
    ws.write("catalog/a.yaml", CATALOG)
    ws.converge()
    ws.clock("2026-11-26T12:00:00Z")
    return ws


# -- the document ---------------------------------------------------------------------------------------------------


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_plan_file_holds_no_float_and_reads_back_as_the_same_plan(ws: Workspace, data: st.DataObject) -> None:
    ws.reset()
    first = data.draw(catalogs())
    ws.write("catalog/a.yaml", written(first))
    found = [ws.plan()]
    ws.apply(found[0])
    ws.clock("2026-12-02T10:00:00Z")
    ws.write("catalog/a.yaml", written(data.draw(edited(World(first))).catalog))
    try:
        found.append(ws.plan())
    except PlanError as error:
        assert error.reasons
    for plan in found:
        text = plan.dump()
        assert not [leaf for leaf in leaves(json.loads(text)) if isinstance(leaf, float)]
        again = plans.load(text)
        assert (again.digest, again.intent, again.dump()) == (plan.digest, plan.intent, text)
        assert [(c.address, c.prepare, c.steps, c.reads) for c in again.changes] == [
            (c.address, c.prepare, c.steps, c.reads) for c in plan.changes
        ]


def test_the_same_inputs_make_the_same_bytes_whenever_they_are_planned(applied: Workspace) -> None:
    later = changed(customers={"acme": {"name": "New"}}, features={"new": {}})
    applied.write("catalog/a.yaml", later)
    first = applied.plan()
    applied.clock("2026-11-26T12:01:40Z")
    # another order of files and keys is the same catalog
    applied.write("catalog/a.yaml", {k: later[k] for k in sorted(later, reverse=True) if k != "customers"})
    applied.write("catalog/z/b.yml", {"customers": dict(reversed(later["customers"].items()))})
    second = applied.plan()
    assert addresses(first) == {"customers.acme", "features.new"}
    assert (first.dump(), first.digest) == (second.dump(), second.digest)


def test_a_plan_file_holds_neither_a_clock_nor_a_token(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OM_TOKEN", "om_very_secret")
    monkeypatch.setenv("BAC_ENV", "production")
    ws.configure(environments={"production": {"url": "http://om.test:8888", "token": {"from_env": "OM_TOKEN"}}})
    ws.write("catalog/a.yaml", {k: v for k, v in CATALOG.items() if k != "grants"})
    text = ws.plan().dump()
    assert "om_very_secret" not in text
    assert not re.findall(r"20\d\d-\d\d-\d\dT", text)
    assert json.loads(text)["target"] == {
        "environment": "production",
        "owner": "acme-billing",
        "url": "http://om.test:8888",
    }


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "not json", '{"version": 1}', '{"version": 1, "changes": 5}', "[" * 100_000],
)
def test_what_is_no_plan_file_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match="this is no plan file of bac"):
        plans.load(text)


def test_a_plan_of_another_version_is_refused(ws: Workspace) -> None:
    data = ws.plan().json | {"version": 99}
    with pytest.raises(UsageError, match=r"the plan has version 99, this bac reads 1\. Plan again"):
        plans.load(json.dumps(data))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_plan_file_with_anything_in_it_is_read_or_clearly_refused(applied_plan: str, data: st.DataObject) -> None:
    document = json.loads(applied_plan)
    into: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(into) if isinstance(into, dict) else range(len(into))))
        if not isinstance(into[key], dict | list) or not into[key] or data.draw(st.booleans()):
            break
        into = into[key]
    into[key] = data.draw(st.sampled_from([None, 0, "x", [], {}, [1], "a.b", {"$ref": 1}, {"$number": "x"}, True]))
    try:
        plan = plans.load(json.dumps(document))
    except BacError as error:
        assert str(error)
    else:
        assert plan.dump()


@pytest.fixture(scope="module")
def applied_plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    app = create_app()
    workspace = Workspace(tmp_path_factory.mktemp("plan"), refereed(app))
    workspace.write("catalog/a.yaml", CATALOG)
    workspace.converge()
    issue = CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 9}}
    workspace.write("catalog/a.yaml", changed(entitlements={"acme": {"ai": issue}}, customers={"new": {"name": "N"}}))
    text = workspace.plan().dump()
    workspace.close()
    app.config["DATABASE"].close()
    return text


# -- the intent -----------------------------------------------------------------------------------------------------


def test_the_intent_stays_while_ids_and_fingerprints_move(applied: Workspace) -> None:
    applied.write("catalog/a.yaml", changed(customers={"acme": {"name": "New"}}))
    first = applied.plan()
    # somebody else writes what the plan does not speak of, and the customer gets another id
    customers = applied.http.get("/api/v1/customers/globex").json()
    applied.http.put("/api/v1/customers/globex", json={k: customers[k] for k in ("key", "name", "metadata")})
    body = {"key": "acme", "name": "ACME", "metadata": {"bac.owner": "acme-billing"}, "description": "D"}
    applied.http.put("/api/v1/customers/acme", json=body).raise_for_status()
    second = applied.plan()
    assert second.intent != first.intent  # another field differs now
    body.pop("description")
    applied.http.put("/api/v1/customers/acme", json=body).raise_for_status()
    assert applied.plan().intent == first.intent


def test_the_intent_is_the_same_on_another_server_of_the_same_environment(ws: Workspace, tmp_path: Path) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    ws.converge()
    app = create_app()
    (tmp_path / "other").mkdir()
    other = Workspace(tmp_path / "other", refereed(app))
    other.http.post("/api/v1/customers", json={"key": "unrelated", "name": "U"}).raise_for_status()
    other.write("catalog/a.yaml", CATALOG)
    other.converge()
    # through a meter's replace, which speaks of ids everywhere
    meters = {"tokens": CATALOG["meters"]["tokens"] | {"event_type": "other"}}
    for workspace in (ws, other):
        workspace.write("catalog/a.yaml", changed(meters=meters))
    one, two = ws.plan(), other.plan()
    assert one.digest != two.digest
    assert one.intent == two.intent
    other.close()
    app.config["DATABASE"].close()


@pytest.mark.parametrize(
    "other",
    [
        {"acme": {"name": "Newer"}},
        {"acme": {"name": "New", "description": "D"}},
        {"acme": {"name": "New"}, "third": {"name": "T"}},
    ],
)
def test_another_change_is_another_intent(applied: Workspace, other: dict[str, Any]) -> None:
    applied.write("catalog/a.yaml", changed(customers={"acme": {"name": "New"}}))
    first = applied.plan()
    applied.write("catalog/a.yaml", changed(customers=other))
    assert applied.plan().intent != first.intent


def test_what_is_made_is_part_of_the_intent(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {"new": {"name": "One"}}})
    first = ws.plan()
    ws.write("catalog/a.yaml", {"customers": {"new": {"name": "Two"}}})
    assert ws.plan().intent != first.intent


def test_a_reviewed_intent_needs_no_other_word_and_another_one_is_told_apart(applied: Workspace) -> None:
    applied.write("catalog/a.yaml", {k: v for k, v in CATALOG.items() if k != "grants"})
    plan = applied.plan()
    assert plan.cls is Class.BREAKING
    check(applied, plan, intent=plan.intent)
    check(applied, plan, intent=plan.intent[:12])
    for wrong in ("", plan.intent[:11], "0" * 64, plan.digest):
        with pytest.raises(ChangedIntent, match=f"this plan's intent is {plan.intent[:12]}"):
            check(applied, plan, intent=wrong)


# -- may it be applied ----------------------------------------------------------------------------------------------


def test_what_is_breaking_needs_to_be_allowed(applied: Workspace) -> None:
    applied.write("catalog/a.yaml", {k: v for k, v in CATALOG.items() if k != "grants"})
    plan = applied.plan()
    with pytest.raises(Refused, match=r"1 breaking: grants\.acme\.ai\.promo\. .*--allow-breaking"):
        check(applied, plan)
    check(applied, plan, allow_breaking=True)


def test_what_is_safe_or_commercial_needs_no_word(applied: Workspace) -> None:
    more = CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 100}}
    applied.write("catalog/a.yaml", changed(entitlements={"acme": {"ai": more}}, customers={"new": {"name": "N"}}))
    plan = applied.plan()
    assert plan.cls is Class.COMMERCIAL
    check(applied, plan)


def test_an_environment_that_requires_approval_applies_reviewed_intents_only(ws: Workspace) -> None:
    ws.configure(environments={"local": {"require_approval": True}})
    ws.write("catalog/a.yaml", {"customers": {"new": {"name": "N"}}})
    plan = ws.plan()
    with pytest.raises(Refused, match=f"--expect-intent {plan.intent[:12]}"):
        check(ws, plan, allow_breaking=True)
    check(ws, plan, intent=plan.intent)


def crowd(ws: Workspace, size: int, name: str = "C") -> None:
    ws.write("catalog/a.yaml", {"customers": {f"c{n:02}": {"name": name} for n in range(size)}})


def test_more_deletes_than_the_limit_need_their_number_typed(ws: Workspace) -> None:
    ws.configure(limits={"deletes": 2, "changed_share": "100%"})
    crowd(ws, 8)
    ws.converge()
    crowd(ws, 6)
    check(ws, ws.plan(), allow_breaking=True)
    crowd(ws, 5)
    plan = ws.plan()
    for force in (None, 0, 2, 4):
        with pytest.raises(Refused, match=r"3 deletes are more than limits.deletes allows \(2\).*--force 3"):
            check(ws, plan, allow_breaking=True, force=force)
    check(ws, plan, allow_breaking=True, force=3)
    with pytest.raises(Refused, match="--allow-breaking"):
        check(ws, plan, force=3)


def test_the_share_of_what_changes_counts_from_ten_changes_on_and_creates_do_not_count(ws: Workspace) -> None:
    ws.configure(limits={"deletes": 5, "changed_share": "30%"})
    crowd(ws, 30)
    plan = ws.plan()
    check(ws, plan)  # thirty creates
    ws.apply(plan)
    ws.write("catalog/a.yaml", {"customers": {f"c{n:02}": {"name": "N" if n < 9 else "C"} for n in range(30)}})
    check(ws, ws.plan())
    ws.write("catalog/a.yaml", {"customers": {f"c{n:02}": {"name": "N" if n < 10 else "C"} for n in range(30)}})
    plan = ws.plan()
    with pytest.raises(Refused, match=r"10 of 30 existing resources would change, .*\(30%\).*--force 10"):
        check(ws, plan)
    check(ws, plan, force=10)


# -- only a part ----------------------------------------------------------------------------------------------------


def test_only_takes_what_it_depends_on_with_it_and_prunes_nothing(ws: Workspace) -> None:
    ws.write("catalog/b.yaml", {"subjects": {"old": {}}})
    ws.converge()
    ws.remove("catalog/b.yaml")
    ws.write("catalog/a.yaml", CATALOG)
    assert "subjects.old" in addresses(ws.plan())
    plan = ws.plan(only=["entitlements.acme"])
    assert addresses(plan) == {"meters.tokens", "features.ai", "customers.acme", "entitlements.acme.ai"}
    assert plan.scope == ("entitlements.acme",)
    assert ws.apply(plan)[1].whole
    assert addresses(ws.plan(only=["customers.globex"])) == {"customers.globex"}


def test_only_takes_what_must_be_replaced_with_it(applied: Workspace) -> None:
    meters = {"tokens": CATALOG["meters"]["tokens"] | {"event_type": "other"}}
    applied.write("catalog/a.yaml", changed(meters=meters, customers={"globex": {"name": "New"}}))
    plan = applied.plan(only=["meters.tokens"])
    assert {str(c.address): c.action for c in plan.changes} == {
        "meters.tokens": "replace",
        "features.ai": "replace",
        "entitlements.acme.ai": "replace",
    }
    assert applied.apply(plan)[1].whole


@pytest.mark.parametrize("scope", ["customers.nobody", "customer", "acme", "entitlements.acme.a"])
def test_only_of_what_the_catalog_does_not_have_is_an_error(ws: Workspace, scope: str) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    with pytest.raises(UsageError, match=f"--only {scope}: the catalog has no such address"):
        ws.plan(only=["features.ai", scope])


def test_errors_outside_of_the_scope_do_not_count(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG | {"subjects": {"gone": {"external": True}}})
    with pytest.raises(PlanError):
        ws.plan()
    assert addresses(ws.plan(only=["customers.acme"])) == {"customers.acme"}
    with pytest.raises(PlanError):
        ws.plan(only=["subjects.gone"])


@pytest.mark.parametrize("text", ["customers", "customers.nobody", "customers..x"])
def test_replace_needs_an_address_of_the_catalog(ws: Workspace, text: str) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    with pytest.raises(UsageError, match=f"--replace {text}: "):
        ws.plan(replaced=[text])


# -- where and when it holds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"owner": "other-team"},
        {"environments": {"local": {"url": "http://elsewhere.test"}}},
        {"environments": {"local2": {}}},
    ],
)
def test_a_plan_for_one_target_cannot_be_applied_to_another(ws: Workspace, settings: dict[str, Any]) -> None:
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A"}}})
    plan = plans.load(ws.plan().dump())
    ws.configure(**settings)
    with pytest.raises(Refused, match=r"the plan was made for local \(embedded:\.bac/local\.db, owner acme-billing\)"):
        ws.apply(plan)
    assert ws.writes() == []


def test_a_stale_plan_names_every_resource_and_field_and_writes_nothing(applied: Workspace) -> None:
    later = changed(
        customers={"acme": {"name": "New"}, "globex": {"name": "New"}},
        features={"ai": {**CATALOG["features"]["ai"], "unit_cost": {"type": "manual", "amount": "0.7"}}, "new": {}},
    )
    applied.write("catalog/a.yaml", later)
    plan = plans.load(applied.plan().dump())
    owned = {"bac.owner": "acme-billing"}
    body = {"key": "acme", "name": "Theirs", "description": "D", "metadata": owned}
    applied.http.put("/api/v1/customers/acme", json=body).raise_for_status()
    applied.http.delete("/api/v1/customers/globex").raise_for_status()
    applied.http.post("/api/v3/openmeter/features", json={"key": "new", "name": "new"}).raise_for_status()
    applied.forget()
    with pytest.raises(StalePlan) as caught:
        applied.apply(plan)
    assert dict(caught.value.differences) == {
        "customers.acme": "changed: name, description",
        "customers.globex": "is gone",
        "features.new": "has appeared, or is another one now",
    }
    assert applied.writes() == []


def test_a_plan_that_was_applied_is_stale(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    plan = ws.plan()
    assert ws.apply(plan)[1].whole
    ws.forget()
    with pytest.raises(StalePlan):
        ws.apply(plan)
    assert ws.writes() == []


@pytest.mark.parametrize(
    "happens",
    [
        "a grant more",
        "another customer of the same key",
        "the label is gone",
    ],
)
def test_what_no_field_shows_makes_a_plan_stale_too(applied: Workspace, happens: str) -> None:
    more = CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 100}}
    applied.write("catalog/a.yaml", changed(entitlements={"acme": {"ai": more}}, customers={"globex": {"name": "New"}}))
    plan = applied.plan()
    if happens == "a grant more":
        grant = {"amount": 3, "effective_at": "x", "effectiveAt": "2026-11-26T12:00:00Z"}
        grant.pop("effective_at")
        applied.http.post("/api/v2/customers/acme/entitlements/ai/grants", json=grant).raise_for_status()
        expected = ("entitlements.acme.ai", "its owner or its grants changed")
    elif happens == "the label is gone":
        applied.http.put("/api/v1/customers/globex", json={"key": "globex", "name": "Globex"}).raise_for_status()
        expected = ("customers.globex", "its owner or its grants changed")
    else:
        applied.http.delete("/api/v1/customers/globex").raise_for_status()
        body = {"key": "globex", "name": "Globex", "metadata": {"bac.owner": "acme-billing"}}
        applied.http.post("/api/v1/customers", json=body).raise_for_status()
        expected = ("customers.globex", "is another one of the same name now")
    with pytest.raises(StalePlan) as caught:
        applied.apply(plan)
    assert caught.value.differences == (expected,)


def test_usage_and_time_make_no_plan_stale(applied: Workspace) -> None:
    more = CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 100}}
    applied.write("catalog/a.yaml", changed(entitlements={"acme": {"ai": more}}))
    plan = applied.plan()
    event = {"id": "1", "source": "t", "specversion": "1.0", "type": "prompt", "subject": "acme", "data": {"n": 1}}
    headers = {"content-type": "application/cloudevents+json"}
    applied.http.post("/api/v1/events", content=json.dumps(event), headers=headers).raise_for_status()
    customer = applied.http.get("/api/v1/customers/acme").json()
    applied.http.put("/api/v1/customers/acme", json={k: customer[k] for k in ("key", "name", "metadata")})
    applied.clock("2026-11-27T09:00:00Z")
    assert applied.apply(plan)[1].whole
    assert applied.plan().changes == ()


def test_a_resource_that_changes_between_the_first_read_and_its_delete_is_left_alone(applied: Workspace) -> None:
    applied.write("catalog/a.yaml", CATALOG | {"customers": {"acme": {"name": "ACME"}}})
    plan = applied.plan()
    assert addresses(plan) == {"customers.globex"}
    with applied.session() as session:
        run = service.apply(session, plan)
        read, listed = session.client.get, []

        def meddling(path: str, query: Any = ()) -> Any:
            if path.startswith("/api/v1/customers/") and not listed:
                listed.append(path)
                body = {"key": "globex", "name": "Theirs", "metadata": {"bac.owner": "acme-billing"}}
                applied.http.put("/api/v1/customers/globex", json=body).raise_for_status()
            return read(path, query)

        session.client.get = meddling  # type: ignore[method-assign]
        list(run)
        [(address, why)] = session.outcome.tally.failed.items()
    assert str(address) == "customers.globex"
    assert why == "customers.globex was changed since the plan was made (name), plan again"
    assert applied.http.get("/api/v1/customers/globex").json()["name"] == "Theirs"
