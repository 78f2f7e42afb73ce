"""Values as people read them."""

from __future__ import annotations

import pytest

from billing_as_code.model import Ref
from billing_as_code.render import values
from billing_as_code.render.lines import encodable, padded, visible, width


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not set"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (999, "999"),
        (-1234567, "-1,234,567"),
        ("plain text", "plain text"),
        ("", '""'),
        (" padded ", '" padded "'),
        ("true", '"true"'),
        ("94607", '"94607"'),
        ("not set", '"not set"'),
        ((), "[]"),
        (("a", "b, c", 1000), '[a, "b, c", 1,000]'),
        ({"max": 250000, "sso": None}, "{max: 250,000, sso: null}"),
        ({"a": {"b": [1, 2]}}, "{a: {b: [1, 2]}}"),
        (tuple(range(9)), "[0, 1, 2, 3, 4, 5, and 3 more]"),
        (Ref("id", "meters.tokens_total"), "{id of meters.tokens_total}"),
    ],
)
def test_one_line_for_any_value(value: object, shown: str) -> None:
    assert values.shown(value) == shown


@pytest.mark.parametrize(
    ("kind", "path", "value", "shown"),
    [
        ("entitlements", "issue.amount", 1_000_000, "1,000,000"),
        ("entitlements", "issue.amount", "1234567.50", "1,234,567.50"),
        ("features", "unit_cost.amount", "0.000002", "0.000002 USD"),
        ("features", "unit_cost.amount", "1250", "1,250 USD"),
        ("features", "unit_cost", {"type": "manual", "amount": "0.5"}, "{type: manual, amount: 0.5 USD}"),
        ("features", "unit_cost", None, "not set"),
        ("grants", "amount", "9" * 5000, ",".join(["99", *["999"] * 1666])),
        ("entitlements", "config", '{"max":25}', "{max: 25}"),
        ("entitlements", "config.max", 25, "25"),
        ("customers", "billing_address.postal_code", "94607", '"94607"'),
        ("customers", "metadata.crm_id", "1000", '"1000"'),
        ("plans", "price", "10", '"10"'),
    ],
)
def test_a_field_says_how_its_value_reads(kind: str, path: str, value: object, shown: str) -> None:
    assert values.field_value(kind, path, value) == shown


def test_a_long_text_is_cut_and_its_length_told() -> None:
    shown = values.text("x" * 1_500)
    assert shown == "x" * 119 + "… (1,500 characters)"


def test_two_long_texts_that_differ_late_are_shown_from_where_they_part() -> None:
    before, after = values.change("customers", "description", "x" * 200 + "old", "x" * 200 + "new")
    assert before == "…" + "x" * 20 + "old"
    assert after == "…" + "x" * 20 + "new"


def test_of_long_lists_what_comes_and_goes_is_shown() -> None:
    many = [f"s{n}" for n in range(10)]
    assert values.change("customers", "subjects", many, [*many[1:], "new"]) == (
        "10 entries",
        "10 entries (-[s0], +[new])",
    )
    assert values.change("customers", "subjects", many, many[::-1]) == ("10 entries", "10 entries (in another order)")


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x1b", "\r", "\n", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\ud800"],
)
def test_what_is_invisible_or_acts_on_a_terminal_becomes_visible(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown.isprintable()
    assert shown == f"a{character.encode('unicode_escape', 'surrogatepass').decode()}b"


def test_letters_of_all_scripts_stay_as_they_are() -> None:
    text = "Tromsø 東京 עברית žluťoučký"
    assert visible(text) == text


def test_wide_characters_take_two_columns() -> None:
    assert width("東京") == 4
    assert padded("東京", 6) == "東京  "


def test_symbols_have_a_plain_form_where_the_encoding_has_none() -> None:
    assert encodable("± 1 → 2 · ✓", "ascii") == "-/+ 1 -> 2 | ok"
    assert encodable("ø → 東", "latin-1") == "ø -> \\u6771"
    assert encodable("± → ✓", "utf-8") == "± → ✓"
    assert encodable("→", "no-such-encoding") == "->"


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (50_000, 25_000, "-50%"),
        ("0.000002", "0.000003", "+50%"),
        (400, 401, "+0.2%"),
        (3, 2_000_000, "+66,666,567%"),
        (100_000, 100_001, ""),
        (0, 5, ""),
        (5, 5, ""),
        (None, 5, ""),
        (False, True, ""),
        ("free", "5", ""),
        ("1", "9" * 5_000, ""),
    ],
)
def test_a_number_says_how_far_it_moves(before: object, after: object, share: str) -> None:
    assert values.share("entitlements", "issue.amount", before, after) == share
