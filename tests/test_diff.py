"""What is a difference and what is not: ownership, other hands, what is kept, held, ignored and protected."""

from __future__ import annotations

from typing import Any

import pytest
from workspace import Workspace

from billing_as_code.diff import leaves
from billing_as_code.errors import PlanError, Protected
from billing_as_code.model import Class
from billing_as_code.plan import Plan

COUNT = {"aggregation": "count", "event_type": "call"}
OWNED = {"bac.owner": "acme-billing"}


def said(plan: Plan) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(c.action, str(c.address), c.reasons) for c in plan.changes]


def refused(ws: Workspace, **options: Any) -> tuple[tuple[str, str], ...]:
    with pytest.raises(PlanError) as caught:
        ws.plan(**options)
    return caught.value.reasons


def make_meter(ws: Workspace, **changed: Any) -> None:
    body = {"slug": "calls", "name": "calls", "eventType": "call", "aggregation": "COUNT", **changed}
    ws.http.post("/api/v1/meters", json=body).raise_for_status()


def make_feature(ws: Workspace, **changed: Any) -> None:
    ws.http.post("/api/v3/openmeter/features", json={"key": "sso", "name": "sso", **changed}).raise_for_status()


# -- ownership ------------------------------------------------------------------------------------------------------


def test_what_nobody_owns_is_adopted_by_a_change_of_its_own_that_only_sets_the_label(ws: Workspace) -> None:
    make_meter(ws, metadata={"team": "x"})
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"metadata": {"team": "x"}}}})
    [change] = ws.converge().changes
    assert (change.action, change.reasons, change.cls) == ("update", ("adopted",), Class.SAFE)
    assert [(f.path, f.before, f.after) for f in change.fields] == [("owner", None, "acme-billing")]
    assert ws.http.get("/api/v1/meters/calls").json()["metadata"] == {"team": "x", **OWNED}


def test_what_cannot_be_labelled_stays_without_a_label_and_is_never_pruned(ws: Workspace) -> None:
    make_feature(ws)
    ws.write("catalog/a.yaml", {"features": {"sso": {}}})
    assert ws.plan().changes == ()
    ws.write("catalog/a.yaml", {})
    assert ws.plan().changes == ()


def test_what_carries_another_owner_is_an_error_and_left_alone(ws: Workspace) -> None:
    make_meter(ws, metadata={"bac.owner": "other-team"})
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT}})
    [(address, text)] = refused(ws)
    assert address == "meters.calls"
    assert text.startswith("belongs to other-team. Declare it {external: true}")
    ws.write("catalog/a.yaml", {})
    assert ws.plan().changes == ()


def test_an_external_one_must_be_there_and_is_never_changed(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": {"external": True}}, "features": {"sso": {"meter": "calls"}}})
    [(address, text)] = refused(ws)
    assert (address, text[:40]) == ("meters.calls", "is declared external, and OpenMeter has "[:40])
    make_meter(ws, metadata={"bac.owner": "other-team"})
    assert said(ws.converge()) == [("create", "features.sso", ())]
    assert ws.http.get("/api/v1/meters/calls").json()["metadata"] == {"bac.owner": "other-team"}


def test_declaring_ours_external_takes_our_label_off_it_and_nothing_else(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"name": "Calls", "metadata": {"team": "x"}}}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"calls": {"external": True}}})
    [change] = ws.converge().changes
    assert (change.action, change.reasons, change.cls) == ("update", ("released",), Class.SAFE)
    meter = ws.http.get("/api/v1/meters/calls").json()
    assert (meter["metadata"], meter["name"]) == ({"team": "x"}, "Calls")


def test_a_label_that_openmeter_cannot_take_off_makes_that_an_error(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"features": {"sso": {}}})
    ws.converge()
    ws.write("catalog/a.yaml", {"features": {"sso": {"external": True}}})
    [(address, text)] = refused(ws)
    assert address == "features.sso"
    assert "cannot take our label off a feature" in text


def test_all_that_is_wrong_is_said_at_once(ws: Workspace) -> None:
    make_meter(ws, metadata={"bac.owner": "other-team"})
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT, "gone": {"external": True}}})
    assert [address for address, _ in refused(ws)] == ["meters.calls", "meters.gone"]


# -- what left the catalog ------------------------------------------------------------------------------------------


def test_what_is_ours_and_left_the_catalog_is_deleted_in_every_kind(ws: Workspace) -> None:
    ws.write(
        "catalog/a.yaml",
        {
            "meters": {"calls": COUNT},
            "features": {"ai": {"meter": "calls"}},
            "customers": {"acme": {"name": "A"}},
            "subjects": {"s": {}},
            "entitlements": {"acme": {"ai": {"type": "metered", "usage_period": {"interval": "day"}}}},
            "grants": {"acme": {"ai": {"g": {"amount": 1, "effective_at": "2026-12-01T00:00:00Z"}}}},
        },
    )
    ws.converge()
    ws.http.post("/api/v1/customers", json={"key": "theirs", "name": "T"}).raise_for_status()
    ws.write("catalog/a.yaml", {})
    plan = ws.converge()
    # the grant goes with its entitlement, which says so
    gone = ("customers.acme", "entitlements.acme.ai", "features.ai", "meters.calls", "subjects.s")
    assert sorted(said(plan)) == [("delete", address, ("left_catalog",)) for address in gone]
    assert plan.cls is Class.BREAKING
    assert [c["key"] for c in ws.http.get("/api/v1/customers").json()["items"]] == ["theirs"]


def test_an_exclusive_kind_loses_what_nobody_owns_and_keeps_what_others_do(ws: Workspace) -> None:
    make_feature(ws, key="nobodys")
    make_feature(ws, key="theirs", labels={"bac.owner": "other-team"})
    ws.configure(exclusive=["features"])
    assert said(ws.converge()) == [("delete", "features.nobodys", ("exclusive",))]


def test_a_customer_that_somebody_else_still_hangs_on_is_not_deleted(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"features": {"sso": {}}, "customers": {"acme": {"name": "A"}}})
    ws.converge()
    ws.http.post(
        "/api/v2/customers/acme/entitlements", json={"type": "boolean", "featureKey": "sso"}
    ).raise_for_status()
    ws.write("catalog/a.yaml", {"features": {"sso": {}}})
    [(address, text)] = refused(ws)
    assert address == "customers.acme"
    assert text.startswith("left the catalog, and entitlements.acme.sso needs it")


def test_a_replace_that_would_break_what_is_not_declared_names_it(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT}})
    ws.converge()
    meter = ws.http.get("/api/v1/meters/calls").json()["id"]
    make_feature(ws, key="theirs", meter={"id": meter})
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"event_type": "other"}}})
    assert refused(ws) == (
        (
            "meters.calls",
            "must be replaced, and features.theirs hangs on it, which is not in the catalog. Change that first",
        ),
    )


# -- kept, held, ignored --------------------------------------------------------------------------------------------


def test_what_openmeter_cannot_clear_is_kept_and_no_difference(ws: Workspace) -> None:
    ws.write(
        "catalog/a.yaml",
        {
            "customers": {"acme": {"name": "A", "currency": "USD", "primary_email": "a@b"}},
            "meters": {"m": COUNT | {"description": "D"}},
        },
    )
    ws.converge()
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A"}}, "meters": {"m": COUNT}})
    assert ws.plan().changes == ()


def test_a_held_difference_is_shown_changes_nothing_and_goes_with_the_next_replace(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"features": {"sso": {}}})
    ws.converge()
    ws.write(
        "catalog/a.yaml",
        {"features": {"sso": {"name": "Single sign-on", "unit_cost": {"type": "manual", "amount": 1}}}},
    )
    plan = ws.plan()
    assert said(plan) == [("update", "features.sso", ())]
    assert [(str(h.address), [f.path for f in h.fields]) for h in plan.held] == [("features.sso", ["name"])]
    ws.converge()
    # what an update has to leave as it is, it does not claim to have changed
    assert [(str(h.address), [f.path for f in h.fields]) for h in ws.plan().held] == [("features.sso", ["name"])]
    replace = ws.plan(replaced=["features.sso"])
    assert said(replace) == [("replace", "features.sso", ("asked",))]
    assert ws.apply(replace)[1].whole
    assert (ws.plan().changes, ws.plan().held) == ((), ())


def test_what_other_hands_write_is_neither_compared_nor_removed(ws: Workspace) -> None:
    ws.configure(ignore=["customers.*.metadata.crm_*", "customers.acme.description"])
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A"}}})
    ws.converge()
    theirs = {"key": "acme", "name": "A", "description": "theirs", "metadata": {**OWNED, "crm_id": "42", "x": "1"}}
    ws.http.put("/api/v1/customers/acme", json=theirs).raise_for_status()
    [change] = ws.plan().changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [("metadata.x", "1", None)]
    ws.converge()
    live = ws.http.get("/api/v1/customers/acme").json()
    assert (live["metadata"], live["description"]) == ({**OWNED, "crm_id": "42"}, "theirs")


def test_what_was_changed_behind_our_back_is_a_difference_and_is_put_right(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A", "subjects": ["s"]}}})
    ws.converge()
    ws.http.put("/api/v1/customers/acme", json={"key": "acme", "name": "B", "metadata": OWNED}).raise_for_status()
    [change] = ws.converge().changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [("name", "B", "A"), ("subjects", (), ("s",))]


def test_somebody_who_takes_our_label_off_is_answered_by_adoption(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A"}}})
    ws.converge()
    ws.http.put("/api/v1/customers/acme", json={"key": "acme", "name": "A"}).raise_for_status()
    assert said(ws.converge()) == [("update", "customers.acme", ("adopted",))]


def test_that_nobody_owned_what_is_replaced_is_said(ws: Workspace) -> None:
    ws.http.post("/api/v1/meters", json={"slug": "calls", "eventType": "other", "aggregation": "COUNT"})
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT}})
    [change] = ws.plan().changes
    assert (change.action, change.reasons) == ("replace", ("fixed:event_type", "unowned"))


# -- protect --------------------------------------------------------------------------------------------------------


def test_a_protected_one_is_neither_deleted_nor_replaced(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"protect": True}}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"protect": True, "event_type": "other"}}})
    assert refused(ws) == (("meters.calls", "is protected (protect: true), and the plan would replace it"),)
    ws.write("catalog/a.yaml", {})
    assert refused(ws) == (
        ("meters.calls", "is protected, and left the catalog. Declare it with protect: false first"),
    )


def test_what_protection_alone_refuses_has_the_exit_code_of_a_refusal(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"protect": True}}})
    ws.converge()
    ws.write("catalog/a.yaml", {})
    with pytest.raises(Protected) as refusal:
        ws.plan()
    assert refusal.value.exit_code == 5
    ws.write("catalog/a.yaml", {"features": {"none": {"external": True}}})
    with pytest.raises(PlanError) as error:
        ws.plan()
    assert error.value.exit_code == 1


def test_protection_comes_off_by_a_safe_change_of_its_own(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT | {"protect": True}}})
    ws.converge()
    ws.write("catalog/a.yaml", {"meters": {"calls": COUNT}})
    [change] = ws.converge().changes
    assert [(f.path, f.before, f.after, f.cls) for f in change.fields] == [("protect", True, False, Class.SAFE)]
    ws.write("catalog/a.yaml", {})
    assert said(ws.converge()) == [("delete", "meters.calls", ("left_catalog",))]


# -- single values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": "1"}, {"a": "2", "b": "3"}, [("f.a", "1", "2"), ("f.b", None, "3")]),
        ({"a": "1"}, {}, [("f.a", "1", None)]),
        (None, {"a": "1"}, [("f", None, {"a": "1"})]),
        (("a",), ("b",), [("f", ("a",), ("b",))]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("f.a.c", 2, 3)]),
    ],
)
def test_maps_differ_by_entry_and_everything_else_as_a_whole(before: Any, after: Any, found: Any) -> None:
    assert list(leaves("f", before, after)) == found


def test_opaque_json_differs_by_entry_too_and_true_is_not_one() -> None:
    assert list(leaves("config", '{"a":1,"b":[1,2]}', '{"a":true,"b":[1,3]}', opaque=True)) == [
        ("config.a", 1, True),
        ("config.b.1", 2, 3),
    ]
