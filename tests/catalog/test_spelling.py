"""Did you mean."""

from __future__ import annotations

import pytest

from billing_as_code.catalog.spelling import Spelling

FEW = ["aggregation", "event_type", "metadata"]
MANY = [f"customer-{i:04}" for i in range(5_000)] + ["x" * 100]


@pytest.mark.parametrize(
    ("names", "word", "nearest"),
    [
        (FEW, "agregation", "aggregation"),
        (FEW, "eventType", "event_type"),
        (FEW, "colour", None),
        ([], "a", None),
        (FEW, "a" * 300, None),
        (MANY, "custmer-0042", "customer-0042"),
        (MANY, "custommer-0042", "customer-0042"),
        (MANY, "customre-0042", "customer-0042"),
        (MANY, "cuztomer-0042", "customer-0042"),
        (MANY, "somebody", None),
    ],
)
def test_the_nearest_name_is_found_where_one_is_near(names: list[str], word: str, nearest: str | None) -> None:
    assert Spelling(names).nearest(word) == nearest


def test_the_remedy_is_a_question_or_nothing() -> None:
    assert Spelling(FEW).remedy("metdata") == "did you mean `metadata`?"
    assert Spelling(FEW).remedy("xyz") == ""


def test_it_may_be_asked_again() -> None:
    spelling = Spelling(MANY)

    assert [spelling.nearest(word) for word in ("customer-42", "custome-0042")] == [None, "customer-0042"]
