"""What must be done before what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import World, catalogs, edited, written
from workspace import Workspace

from billing_as_code import order
from billing_as_code.cascade import references
from billing_as_code.errors import PlanError
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.customers import CustomerKind
from billing_as_code.model import Address, Change, Resource, Step
from billing_as_code.plan import Plan

on_one_server = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def names(plan: Plan) -> list[str]:
    return [str(c.address) for c in plan.changes]


def check_order(plan: Plan) -> None:
    """Needs come before what needs them, makers before users, and deletes of users before those of what they use."""
    nodes = {name for c in plan.changes for name in (str(c.address), *([f"{c.address}#prepare"] if c.prepare else []))}
    place = {str(c.address): n for n, c in enumerate(plan.changes)}
    by_address = {c.address: c for c in plan.changes}
    for change in plan.changes:
        for need in (*change.needs, *change.prepare_needs):
            assert need in nodes
        for need in change.needs:
            name = need.partition("#")[0]
            assert name == str(change.address) or "#" in need or place[name] < place[str(change.address)]
        if change.after is not None and not change.after.external and change.action != "delete":
            for target, _ in references(change.after, KINDS):
                if target in by_address and by_address[target].action != "delete":
                    assert place[str(target)] < place[str(change.address)]
        if change.before is not None and change.action == "delete":
            for target, _ in references(change.before, KINDS):
                if target in by_address and by_address[target].action == "delete":
                    assert place[str(change.address)] < place[str(target)]


@on_one_server
@given(data=st.data())
def test_a_plan_is_in_an_order_in_which_it_can_be_done(ws: Workspace, data: st.DataObject) -> None:
    ws.reset()
    first = data.draw(catalogs())
    ws.write("catalog/a.yaml", written(first))
    plan = ws.plan()
    check_order(plan)
    ws.apply(plan)
    world = data.draw(edited(World(first)))
    ws.write("catalog/a.yaml", written(world.catalog))
    try:
        check_order(ws.plan())
    except PlanError as error:
        assert error.reasons


def test_things_are_made_from_what_they_refer_to_upwards_and_deleted_downwards(ws: Workspace) -> None:
    catalog = {
        "meters": {"m": {"aggregation": "count", "event_type": "e"}},
        "features": {"f": {"meter": "m"}},
        "customers": {"c": {"name": "C", "subjects": ["s"]}},
        "subjects": {"s": {}},
        "entitlements": {"c": {"f": {"type": "metered", "usage_period": {"interval": "day"}}}},
        "grants": {"c": {"f": {"g": {"amount": 1, "effective_at": "2026-12-01T00:00:00Z"}}}},
    }
    ws.write("catalog/a.yaml", catalog)
    needs = {str(c.address): set(c.needs) for c in ws.converge().changes}
    assert needs == {
        "meters.m": set(),
        "features.f": {"meters.m"},
        "customers.c": set(),
        # OpenMeter makes the subjects that a customer names, so that customer comes first
        "subjects.s": {"customers.c"},
        "entitlements.c.f": {"customers.c", "features.f"},
        "grants.c.f.g": {"entitlements.c.f", "customers.c", "features.f"},
    }
    ws.write("catalog/a.yaml", {})
    needs = {str(c.address): set(c.needs) for c in ws.converge().changes}
    assert needs["customers.c"] == {"entitlements.c.f"}
    assert "features.f" in needs["meters.m"]
    assert needs["entitlements.c.f"] == set()


def test_independent_changes_stand_by_address_and_need_nothing(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {key: {"name": key} for key in ("b", "c", "a")}})
    plan = ws.plan()
    assert names(plan) == ["customers.a", "customers.b", "customers.c"]
    assert {c.needs for c in plan.changes} == {()}


class Swapping(CustomerKind):
    """A kind that cannot let go of a name before it takes another."""

    def hands(self, change: Change) -> tuple[frozenset[str], frozenset[str]]:
        had, has = ({"x"}, {"y"}) if change.address.path == ("a",) else ({"y"}, {"x"})
        return frozenset(had), frozenset(has)


def test_changes_that_need_each_other_are_an_error_that_names_them() -> None:
    base = KINDS["customers"]
    kind = Swapping(**{f: getattr(base, f) for f in base.__dataclass_fields__})
    changes: dict[Address, Change] = {}
    for key in "ab":
        address = Address("customers", (key,))
        resource = Resource(address, base.canonical((key,), {"name": key}))
        changes[address] = Change(address, "update", before=resource, after=resource, steps=(Step("PUT", (key,)),))
    with pytest.raises(PlanError) as caught:
        order.link(changes, {**KINDS, "customers": kind})
    [(address_of, text)] = caught.value.reasons
    assert address_of == "customers.a"
    assert "customers.a, customers.b" in text
    # with something to prepare, who lets go first breaks the circle
    first = Address("customers", ("a",))
    changes[first] = replace(changes[first], prepare=(Step("PUT", ("a",)),))
    linked: Any = order.link(changes, {**KINDS, "customers": kind})
    assert {str(c.address): c.needs for c in linked}["customers.b"] == ("customers.a#prepare",)
