"""Codes become sentences, every one of them."""

from __future__ import annotations

from pathlib import Path

import plans
import pytest

import billing_as_code
from billing_as_code.model import Class, FieldChange
from billing_as_code.render import prose

SOURCE = "".join(
    path.read_text()
    for path in Path(billing_as_code.__file__).parent.rglob("*.py")
    if not {"devserver", "render", "cli"} & set(path.parts)
)
REASONS = ("left_catalog", "exclusive", "adopted", "released", "asked", "finish_carry", "doubled")


@pytest.mark.parametrize(
    "code", [*REASONS, *(f"{name}:meters.a" for name in ("fixed", "rebound", "follows", "taken_over"))]
)
def test_every_reason_has_a_sentence(code: str) -> None:
    name, _, argument = code.partition(":")
    said = prose.reason(code)
    assert name in SOURCE
    assert said != f"{name.replace('_', ' ')}: {argument}".removesuffix(": ")
    assert argument in said


def test_all_fixed_fields_share_a_sentence() -> None:
    made = plans.change("replace", "meters.calls", reasons=("fixed:a", "fixed:b", "fixed:c", "asked"))
    assert prose.sentences(made) == [
        "deleted and created again, since OpenMeter cannot change a, b and c in place, and --replace asks for it"
    ]


def test_a_change_of_type_carries_nothing_over_and_does_not_say_so() -> None:
    field = FieldChange("type", "metered", "boolean", Class.BREAKING)
    made = plans.change("replace", "entitlements.acme.sso", Class.BREAKING, field, reasons=("fixed:type",))
    [said] = prose.sentences(made)
    assert said.startswith("deleted and created again")
    assert "carried over" not in said


def test_many_reasons_are_counted() -> None:
    made = plans.change("replace", "features.a", reasons=tuple(f"follows:meters.m{n}" for n in range(5)))
    assert "and 2 more reasons" in prose.sentences(made)[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (prose.note("starts_with_period", "2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z"),
        (prose.destroyed("grants.a.b.c", "grant"), "grants.a.b.c is lost with it"),
        (prose.skipped("ended"), "has ended already"),
    ],
)
def test_notes_losses_and_what_is_not_made_have_sentences(said: str, expected: str) -> None:
    assert expected in said


def test_a_code_that_is_not_known_yet_is_still_told() -> None:
    assert prose.reason("some_new_code") == "some new code"
    assert prose.note("some_new_code", "x\n") == "some new code: x\\n"
