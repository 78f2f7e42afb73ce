"""The one text of a JSON value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing_as_code.model import canonical_json

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text('a0.1e+,:[]{}" -é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a0.:,", max_size=4), inner, max_size=3),
    max_leaves=10,
)


def numbers_in(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        return [n for inner in (value.values() if isinstance(value, dict) else value) for n in numbers_in(inner)]
    return [value] if isinstance(value, int | float) else []


@given(values)
@example([1e16, -1.0, {"a": 1e300}])
@example(2.0)
def test_the_text_says_the_same_and_writes_no_whole_number_as_a_float(value: Any) -> None:
    read = json.loads(canonical_json(value))

    assert read == value
    assert [n for n in numbers_in(read) if isinstance(n, float) and n.is_integer()] == []
    assert canonical_json(read) == canonical_json(value)


@pytest.mark.parametrize("text", ["1.0", "0.0,", ":1.0,", "1e+16", "127.0.0.1"])
def test_what_only_looks_like_a_whole_float_stays_text(text: str) -> None:
    assert canonical_json({"a": text}) == f'{{"a":"{text}"}}'
