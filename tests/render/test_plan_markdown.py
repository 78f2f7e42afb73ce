"""A plan as a comment: it fits, it hides nothing breaking, and text of the catalog makes no link and no mention."""

from __future__ import annotations

import re
from dataclasses import replace

import plans
import pytest

from billing_as_code.model import Address, Class, FieldChange
from billing_as_code.plan import Plan, Target
from billing_as_code.render import markdown

COMMENT = 65_536


def rendered(plan: Plan) -> str:
    return "\n".join(markdown.plan(plan))


def outside_code(comment: str) -> str:
    """What a renderer looks for links, mentions and HTML in."""
    without_blocks = re.sub(r"^(`{3,})diff\n.*?^\1$", "", comment, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", without_blocks)


def test_the_summary_comes_first_then_the_changes_by_class() -> None:
    found = rendered(plans.everything())
    head, *rest = found.split("\n")
    assert head == ("### bac plan: 1 to create, 1 to update, 1 to replace, 1 to delete. 2 breaking, 1 commercial.")
    assert "`staging` · `https://openmeter.staging.internal` · owner `acme-billing`" in rest
    assert found.index("🔴 Breaking (2)") < found.index("🟡 Commercial (1)") < found.index("🟢 Safe (1)")
    assert "⚪ 1 held, 1 not made" in found


def test_a_table_counts_every_kind() -> None:
    found = rendered(plans.everything()).split("\n")
    assert "| kind | create | update | replace | delete | breaking |" in found
    assert "| customers | 1 |  |  | 1 | **1** |" in found
    assert "| entitlements |  |  | 1 |  | **1** |" in found


def test_changes_stand_in_a_diff_with_its_colours() -> None:
    found = rendered(plans.everything()).split("\n")
    assert "+ customers.acme" in found
    assert '! - customers."old corp"' in found
    assert "! ± entitlements.acme.ai_tokens  catalog/customers.yaml:12" in found


def test_nothing_to_do_says_so() -> None:
    assert rendered(plans.plan()).startswith("### bac plan: nothing to do\n")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("action", "cls"), [("create", Class.SAFE), ("update", Class.BREAKING), ("replace", Class.COMMERCIAL)]
)
def test_ten_thousand_changes_fit_a_comment_and_are_counted(action: str, cls: Class) -> None:
    found = rendered(plans.many(10_000, action, cls, name="ü" * 100 + " {}"))  # type: ignore[arg-type]
    assert len(found.encode()) < COMMENT
    assert f"10,000 to {action}" in found.split("\n")[0]
    if cls is Class.BREAKING:
        assert "10,000 breaking" in found.split("\n")[0]
        assert re.search(r"\*\*[\d,]+ more breaking changes do not fit here\*\*", found)


@pytest.mark.thorough
def test_breaking_changes_are_shown_before_ten_thousand_safe_ones_take_the_room() -> None:
    safe = plans.many(10_000, "update").changes
    found = rendered(plans.plan(*safe, plans.REPLACED))
    assert "! ± entitlements.acme.ai_tokens" in found
    assert len(found.encode()) < COMMENT


EVIL = "x` @everyone ``` [a](http://evil.example) <img src=x> | ~~~\n```\n# heading http://evil.example\u202e"


def test_text_of_the_catalog_makes_no_link_no_mention_and_no_markup() -> None:
    address = str(Address("customers", (EVIL,)))
    made = plans.plan(
        plans.change("create", address, after=plans.resource(address, {"name": EVIL, "metadata": {EVIL: EVIL}})),
        plans.change("update", address, Class.BREAKING, FieldChange(EVIL, EVIL, "b"), reasons=(EVIL,)),
        scope=(EVIL,),
        skipped=((EVIL, EVIL),),
    )
    evil_target = replace(made, target=Target(EVIL, f"https://a.example/{EVIL}", EVIL))
    for found in (rendered(evil_target), rendered(replace(evil_target, changes=()))):
        seen = outside_code(found)
        for sign in ("@everyone", "evil.example", "<img", "[a]"):
            assert sign not in seen
        assert "\u202e" not in found


def test_held_differences_never_push_a_comment_over_the_limit() -> None:
    made = plans.plan(plans.REPLACED, held=(plans.HELD,) * 10_000)
    assert len(rendered(made).encode()) < COMMENT
