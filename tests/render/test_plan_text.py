"""A plan as text: calm, complete, the worst first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import plans
import pytest

from billing_as_code.document import change_json, load_change
from billing_as_code.model import Address, Change, Class, FieldChange
from billing_as_code.plan import Plan, Target
from billing_as_code.render import text
from billing_as_code.render.lines import plain

SNAPSHOT = Path(__file__).parent.parent / "snapshots" / "plan.txt"


def rendered(plan: Plan, *following: str) -> str:
    return "\n".join(plain(text.plan(plan, following=following)))


def of(*changes: Change) -> str:
    return rendered(plans.plan(*changes))


def test_a_plan_with_everything_reads_like_this() -> None:
    found = rendered(plans.everything(), "Next: bac apply --env staging")
    digest = plans.everything()
    found = found.replace(digest.digest[:12], "<digest>").replace(digest.intent[:12], "<intent>")
    assert found + "\n" == SNAPSHOT.read_text(encoding="utf-8")


def test_nothing_to_do_is_one_line_that_names_the_target() -> None:
    assert plain(text.plan(plans.plan())) == [
        "Nothing to do: staging · https://openmeter.staging.internal · owner acme-billing is as the catalog says "
        "(12 resources)."
    ]


def test_the_target_heads_the_plan_and_the_embedded_server_is_called_so() -> None:
    made = replace(plans.everything(), target=Target("local", "embedded:.bac/local.db", "acme"))
    assert rendered(made).startswith("Plan for local · embedded server · owner acme\n")


def test_the_worst_class_comes_first() -> None:
    found = rendered(plans.everything())
    assert found.index("Breaking (2)") < found.index("Commercial (1)") < found.index("Safe (1)")


def test_breaking_changes_and_breaking_fields_are_marked_and_others_are_not() -> None:
    found = rendered(plans.everything()).split("\n")
    marked = [row.strip() for row in found if row.lstrip().startswith("!")]
    assert marked == [
        '! - customers."old corp"',
        "! ± entitlements.acme.ai_tokens  catalog/customers.yaml:12",
        "! issue.amount   10,000 → 5,000",
    ]


def test_held_differences_stand_apart_and_are_no_changes() -> None:
    made = plans.plan(held=(plans.HELD,))
    found = rendered(made)
    assert found.startswith("Nothing to do:")
    assert "Held (1)" in found
    assert "description  not set → Single sign-on" in found


def test_a_partial_plan_says_what_it_leaves_out() -> None:
    found = rendered(replace(plans.everything(), scope=("entitlements.acme",)))
    assert "Only entitlements.acme, and what it depends on. Nothing is pruned." in found


def test_a_plan_from_a_file_reads_as_the_plan_that_was_saved() -> None:
    made = plans.everything()
    again = replace(made, changes=tuple(load_change(change_json(c)) for c in made.changes))
    without_places = rendered(made).replace("  catalog/metering.yaml:7", "").replace("  catalog/customers.yaml:12", "")
    assert rendered(again) == without_places


def test_what_a_terminal_would_act_on_is_made_visible_wherever_it_comes_from() -> None:
    evil = "a\x1b[31m\nb\u202ec"
    address = str(Address("customers", (evil,)))
    found = of(
        plans.change("create", address, after=plans.resource(address, {"name": evil, "metadata": {evil: evil}})),
        plans.change("update", address, Class.SAFE, FieldChange(f"metadata.{evil}", evil, None, Class.SAFE)),
        plans.change("delete", address, Class.BREAKING, destroys=((evil, "grant"),), notes=((evil, evil),)),
    )
    assert found.replace("\n", "").isprintable()
    assert "a\\x1b[31m\\nb\\u202ec" in found


@pytest.mark.thorough
@pytest.mark.parametrize("action", ["create", "update", "replace"])
def test_many_changes_of_one_sort_are_folded_and_counted(action: str) -> None:
    found = rendered(plans.many(10_000, action))  # type: ignore[arg-type]
    assert found.count("\n") < 100
    assert f"… and 9,980 more customers to {action}" in found
    assert f"10,000 to {action}" in found


def test_two_hundred_are_not_folded() -> None:
    assert "more customers" not in rendered(plans.many(200))


@pytest.mark.thorough
def test_breaking_changes_are_never_folded_away() -> None:
    found = rendered(plans.many(5_000, "update", Class.BREAKING))
    assert found.count("\n! ~ customers.") == 5_000
    assert "5,000 breaking" in found


def test_the_digest_and_the_next_step_end_it() -> None:
    made = plans.everything()
    last = rendered(made, "Next: bac apply").split("\n")[-2:]
    assert last == [f"Digest {made.digest[:12]}, intent {made.intent[:12]}.", "Next: bac apply"]


def test_a_plan_that_was_seen_is_told_in_three_lines() -> None:
    found = plain(text.summary(plans.everything()))
    assert len(found) == 3
    assert found[1] == "Plan: 1 to create, 1 to update, 1 to replace, 1 to delete. 2 breaking, 1 commercial."
    assert len(plain(text.summary(plans.plan()))) == 1
