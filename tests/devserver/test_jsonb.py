"""JSON text as PostgreSQL prints it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.devserver.jsonb import InvalidJSON, UnstorableJSON, normalised


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('{"b":1,"aa":3,"a":2}', '{"a": 2, "b": 1, "aa": 3}'),
        ('{"é":1,"zz":2}', '{"zz": 2, "é": 1}'),
        ('{"a":1,"a":2}', '{"a": 2}'),
        ("[1e2, 1.50, -0, -0.0, 1E-3, 12345678901234567890]", "[100, 1.50, 0, 0.0, 0.001, 12345678901234567890]"),
        ('"\\u00e9\\/\\n\\u001f"', '"é/\\n\\u001f"'),
        (" null ", "null"),
        ('{"z":[],"y":{}}', '{"y": {}, "z": []}'),
    ],
)
def test_texts_come_back_in_its_form(text: str, printed: str) -> None:
    assert normalised(text) == printed


@pytest.mark.parametrize("text", ["", "{max: 1}", "NaN", "[1,]", "01", "'a'", '"\n"', "1 2"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidJSON):
        normalised(text)


@pytest.mark.parametrize("text", ['"\\u0000"', '"\\ud800"'])
def test_what_it_cannot_store_is_told_apart(text: str) -> None:
    with pytest.raises(UnstorableJSON):
        normalised(text)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abé"', max_size=3), inner, max_size=4),
)


@given(values)
def test_the_meaning_stays_and_printing_again_changes_nothing(value: object) -> None:
    printed = normalised(json.dumps(value))
    assert json.loads(printed) == value
    assert normalised(printed) == printed
