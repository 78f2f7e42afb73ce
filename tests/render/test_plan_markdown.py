"""A plan as a comment: it fits, it hides nothing breaking, and text of the catalog makes no link and no mention."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import plans
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from profiles import share

from billing_as_code.model import Action, Address, Change, Class, FieldChange
from billing_as_code.plan import Plan, Target
from billing_as_code.render import markdown

COMMENT = 65_536
SNAPSHOT = Path(__file__).parent.parent / "snapshots" / "plan.md"


def rendered(plan: Plan) -> str:
    return "\n".join(markdown.plan(plan))


def shown(found: str, plan: Plan) -> str:
    return found.replace(plan.digest[:12], "<digest>").replace(plan.intent[:12], "<intent>")


# -- how it reads ----------------------------------------------------------------------------------------------------


def test_a_plan_with_everything_reads_like_this() -> None:
    made = plans.everything()
    assert shown(rendered(made), made) + "\n" == SNAPSHOT.read_text(encoding="utf-8")


def test_two_runs_write_the_same_comment() -> None:
    made = plans.everything()
    assert rendered(made) == rendered(plans.everything())
    turned = replace(made, changes=tuple(reversed(made.changes)))
    assert shown(rendered(turned), turned) == shown(rendered(made), made)


def test_the_worst_class_comes_first_in_the_table_and_below_it() -> None:
    found = rendered(plans.everything())
    table = [row for row in found.split("\n") if row.startswith(("| 🔴", "| 🟡", "| 🟢"))]
    assert [row[2] for row in table] == ["🔴", "🔴", "🟡", "🟢"]
    assert found.index("🔴 Breaking (2)") < found.index("🟡 Commercial (1)") < found.index("🟢 Safe (1)")


def limits(*customers: str, before: int = 10_000, after: int = 5_000) -> list[Change]:
    """The same entitlement of some customers, lowered."""
    field = FieldChange("issue.amount", before, after, Class.BREAKING)
    return [
        plans.change("replace", f"entitlements.{c}.ai_tokens", Class.BREAKING, field, notes=(("by_override", ""),))
        for c in customers
    ]


def test_a_change_that_many_get_is_one_row_with_their_names() -> None:
    found = rendered(plans.plan(*limits("acme", "globex", "initech"))).split("\n")
    assert found[6] == (
        "| 🔴 breaking | entitlement `ai_tokens` | replaced: `issue.amount` `10,000` → `5,000` (-50%) "
        "| 3 customers: `acme`, `globex`, `initech` |"
    )


def test_values_that_differ_between_customers_are_not_told_as_one() -> None:
    some = [*limits("acme"), *limits("globex", before=9_000)]
    found = rendered(plans.plan(*some)).split("\n")
    assert "replaced: `issue.amount` various → `5,000` | 2 customers: `acme`, `globex`" in found[6]


def test_what_many_get_is_written_once_under_their_addresses() -> None:
    found = rendered(plans.plan(*limits("acme", "globex"))).split("\n")
    at = found.index("! ± entitlements.acme.ai_tokens")
    assert found[at + 1 : at + 4] == [
        "! ± entitlements.globex.ai_tokens",
        "    ! issue.amount  10,000 → 5,000",
        "      overridden by a new one",
    ]


def test_many_names_in_a_row_are_cut_and_counted() -> None:
    made = plans.plan(*limits(*(f"c{n}" for n in range(100, 130))))
    row = next(r for r in rendered(made).split("\n") if r.startswith("| 🔴"))
    assert row.endswith("| 30 customers: `c100`, `c101`, `c102`, `c103`, `c104`, `c105`, `c106`, `c107` and 22 more |")


def test_many_things_that_change_alike_are_one_row_with_their_number() -> None:
    field = FieldChange("unit_cost.amount", "0.5", "0.75", Class.COMMERCIAL)
    made = plans.plan(*(plans.change("update", f"features.f{n}", Class.COMMERCIAL, field) for n in range(12)))
    assert rendered(made).split("\n")[6] == (
        "| 🟡 commercial | 12 features | updated: `unit_cost.amount` `0.5 USD` → `0.75 USD` (+50%) | everybody |"
    )


def test_rows_that_the_table_does_not_take_are_counted() -> None:
    fields = [tuple(FieldChange(f"metadata.k{n}_{m}", None, "x", Class.BREAKING) for m in range(6)) for n in range(30)]
    made = plans.plan(*(plans.change("update", "customers.acme", Class.BREAKING, *some) for some in fields))
    table = rendered(made).partition("| kind |")[0]
    assert table.count("; and 2 more fields | `acme` |") == 24
    assert "| | … | 6 more changes, 6 of them breaking | see below |" in table


def test_of_many_that_get_the_same_the_first_are_named_with_how_many_more() -> None:
    some = [
        plans.change("create", a, after=plans.resource(a, {"type": "boolean"}))
        for a in (f"entitlements.c{n}.sso" for n in range(30))
    ]
    found = rendered(plans.plan(*some))
    assert found.count("+ entitlements.c") == 20
    assert "      type: boolean\n  … and 10 more entitlements to create" in found


def test_what_is_made_alike_for_some_is_told_in_their_row() -> None:
    some = [
        plans.change("create", a, Class.COMMERCIAL, after=plans.resource(a, {"type": "static", "config": {"max": 5}}))
        for a in ("entitlements.acme.seats", "entitlements.globex.seats")
    ]
    found = rendered(plans.plan(*some)).split("\n")
    assert found[6] == (
        "| 🟡 commercial | entitlement `seats` | created: `type: static`; `config: {max: 5}` "
        "| 2 customers: `acme`, `globex` |"
    )


def test_a_table_counts_every_kind() -> None:
    found = rendered(plans.everything()).split("\n")
    assert "| kind | create | update | replace | delete | breaking |" in found
    assert "| customers | 1 |  |  | 1 | **1** |" in found
    assert "| entitlements |  |  | 1 |  | **1** |" in found


def test_nothing_to_do_says_so() -> None:
    assert rendered(plans.plan()).startswith("### bac plan: nothing to do\n")


def test_of_many_alike_that_break_nothing_the_first_are_shown_with_how_many_more() -> None:
    found = rendered(plans.many(300))
    assert "  … and 280 more customers to create" in found
    assert found.count("+ customers.") == 20


def test_of_a_change_that_takes_very_much_with_it_the_rest_is_counted() -> None:
    destroys = tuple((f"grants.acme.ai_tokens.g{n}", "grant") for n in range(100))
    made = plans.plan(plans.change("delete", "customers.acme", Class.BREAKING, destroys=destroys))
    assert "      … and 60 more lines" in rendered(made)


# -- it fits, and hides nothing --------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("action", "cls", "name"),
    [
        ("create", Class.SAFE, "c{}"),
        ("update", Class.BREAKING, "ü" * 100 + "{}"),
        ("update", Class.BREAKING, "c{}"),
        ("replace", Class.COMMERCIAL, "a_customer_with_a_long_name_{}"),
    ],
)
def test_ten_thousand_changes_fit_a_comment_and_are_counted(action: Action, cls: Class, name: str) -> None:
    made = plans.many(10_000, action, cls, name=name)
    found = rendered(made)
    assert len(found.encode()) < COMMENT
    assert f"10,000 to {action}" in found.split("\n")[0]
    if cls is Class.BREAKING:
        assert "10,000 breaking" in found.split("\n")[0]
        assert found.index("10,000 changes are breaking, more than a comment can name") < found.index("| what |")


@pytest.mark.thorough
@pytest.mark.parametrize("number", [300, 1_700, 3_000, 3_500])
def test_a_comment_never_claims_to_name_more_than_it_does(number: int) -> None:
    made = plans.plan(*limits(*(f"customer{n:05}" for n in range(number))))
    # every one of another amount, so that none is told with another
    made = replace(made, changes=tuple(_lowered_by(n, c) for n, c in enumerate(made.changes)))
    found = rendered(made)
    unnamed = re.search(r"\*\*([\d,]+) are not\*\*", found)
    missing = int(unnamed.group(1).replace(",", "")) if unnamed else 0
    names = set(re.findall(r"customer\d{5}", found.partition("#### ")[2]))
    assert len(names) == number - missing
    assert len(found.encode()) < COMMENT
    assert (missing == 0) is (number <= 3_000)


def _lowered_by(n: int, change: Change) -> Change:
    return replace(change, fields=(change.fields[0]._replace(after=n),))


@pytest.mark.thorough
def test_breaking_changes_are_shown_before_ten_thousand_safe_ones_take_the_room() -> None:
    safe = plans.many(10_000, "update").changes
    found = rendered(plans.plan(*safe, plans.REPLACED))
    assert "! ± entitlements.acme.ai_tokens" in found
    assert "more than a comment" not in found
    assert len(found.encode()) < COMMENT


def test_what_breaks_nothing_makes_room_for_names_and_says_so() -> None:
    breaking = plans.many(900, "update", Class.BREAKING, name="a_customer_with_a_rather_long_name_that_takes_room {}")
    fields = [FieldChange(f"metadata.k{n}", "x" * 110, "y" * 110, Class.SAFE) for n in range(30)]
    found = rendered(plans.plan(*breaking.changes, plans.change("update", "customers.acme", Class.SAFE, *fields)))
    assert "#### 🟢 Safe (1)" in found
    assert "1 customer: 1 to update. **There is no room for them here**: `bac plan` lists them." in found
    assert len(found.encode()) < COMMENT


def test_names_go_before_details_and_the_comment_says_so_at_its_top() -> None:
    made = plans.plan(*(_lowered_by(n, c) for n, c in enumerate(limits(*(f"customer{n}" for n in range(1_000))))))
    found = rendered(made)
    head = found.partition("| what |")[0]
    bare = re.search(r"All 1,000 breaking changes are named below, \*\*(\d+) of them without", head)
    assert bare is not None
    assert found.count("    ! issue.amount") == 1_000 - int(bare.group(1))
    assert all(f"entitlements.customer{n}.ai_tokens" in found for n in range(1_000))


def test_held_differences_never_push_a_comment_over_the_limit() -> None:
    made = plans.plan(plans.REPLACED, held=(plans.HELD,) * 10_000)
    assert len(rendered(made).encode()) < COMMENT


# -- text of others --------------------------------------------------------------------------------------------------

GFM = MarkdownIt("gfm-like")
OURS = {"inline", "text", "code_inline", "fence", "html_block", "softbreak", "heading", "paragraph", "strong"} | {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "blockquote",
}
HTML = re.compile(r"</details>|<details(?: open)?><summary>[^<>@#&\[\]]*</summary>")
EVIL = "x` @everyone ``` [a](http://evil.example) <img src=x> | ~~~\n```\n# heading http://evil.example\u202e"
FRAGMENTS = st.sampled_from(
    [
        *("`", "``", "```", "~~~", "|", "\\", "\\|", "\n", "\r", "\n\n", " ", "<", ">", "</details>", "<!--"),
        *("<img src=x>", "@everyone", "#1", "a/b#1", "GH-1", "http://evil.example", "www.evil.example"),
        *("a@evil.example", "![a](b)", "[a](b)", "[a]: b", "**", "*", "_", "~~", "&lt;", "&#64;", "# h", "- ", "1. "),
        *("> ", "---", ":tada:", "$`", "/close", "\u202e", "\u2028", "\x00", "\x1b[31m", "é", "東京"),
    ]
)
TEXTS = st.one_of(st.text(max_size=12), st.lists(FRAGMENTS, min_size=1, max_size=6).map("".join), st.just(EVIL))


def tokens(comment: str) -> list[Token]:
    return [t for outer in GFM.parse(comment) for t in (outer, *(outer.children or ()))]


def hostile(a: str, b: str) -> Plan:
    """A plan with two texts wherever a text of the catalog, of OpenMeter or of a plan file may stand."""
    address = str(Address("customers", (a,)))
    field = FieldChange(f"metadata.{b}", a, b, Class.BREAKING)
    changes: list[Change] = [
        plans.change("create", address, after=plans.resource(address, {"name": a or "x", "metadata": {b: a}})),
        plans.change("update", str(Address("entitlements", (a, b))), Class.BREAKING, field, reasons=(f"fixed:{a}", b)),
        plans.change("delete", str(Address("grants", (a, b, a))), Class.BREAKING, destroys=((a, "grant"), (b, a))),
        plans.change(
            "replace", str(Address("features", (b,))), Class.COMMERCIAL, notes=((a, b), ("usage_restarts", a))
        ),
        Change(Address(a, (b,)), "update", (FieldChange(a, None, {a: [b]}, Class.SAFE),), cls=Class.COMMERCIAL),
    ]
    return Plan(Target(a, f"https://a.example/{b}", b), tuple(changes), {}, scope=(a,), skipped=((a, b),), existing=1)


@settings(max_examples=share(0.5))
@given(a=TEXTS, b=TEXTS)
@example(a=EVIL, b=EVIL)
@example(a="`", b="``")
@example(a="\\", b="\\|")
@example(a="", b=" ")
def test_text_of_the_catalog_makes_no_link_no_mention_and_no_markup(a: str, b: str) -> None:
    for made in (hostile(a, b), replace(hostile(a, b), changes=())):
        found = rendered(made)
        seen = tokens(found)
        assert {t.type.removesuffix("_open").removesuffix("_close") for t in seen} <= OURS
        assert [t.content for t in seen if t.type == "text" and re.search(r"[@#<>\[\]`|]|://|www\.", t.content)] == []
        blocks = [t.content.strip() for t in seen if t.type == "html_block"]
        assert [b for b in blocks if HTML.fullmatch(b) is None] == []
        assert all(c.isprintable() or c == "\n" for c in found)
        number = Counter(t.type for t in seen)
        if made.changes:
            # a head and five changes of four cells each, a head and five kinds of six
            assert (number["tr_open"], number["td_open"], number["fence"]) == (12, 50, 6)


def test_a_plan_file_with_kinds_of_nobodys_making_still_fits() -> None:
    some = [plans.change("update", f"kind{n}.x", Class.BREAKING) for n in range(3_000)]
    assert len(rendered(plans.plan(*some)).encode()) < COMMENT
