"""Labels: what v3 takes and shows of metadata."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.devserver.labels import faults, from_metadata

_AS_DECLARED = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]?[a-zA-Z0-9])?){1,63}")


@given(st.text(alphabet="aZ9._-/", max_size=14))
def test_values_are_well_formed_as_the_pattern_says(text: str) -> None:
    assert ("invalid_label_value_format" not in faults("key", text)) == bool(_AS_DECLARED.fullmatch(text))


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("1.2.3", False),
        ("10.20.30", True),
        ("a" * 189, True),
        ("a" * 190, False),
        ("a" * 5000 + "!", False),
        ("", False),
    ],
)
def test_one_character_between_two_separators_is_refused(text: str, fine: bool) -> None:
    assert ("invalid_label_value_format" not in faults("key", text)) == fine


def test_v3_shows_only_what_it_would_take_and_annotations_under_a_prefix() -> None:
    metadata = {"a": "b", "note": "two words", "kong": "x"}
    assert from_metadata(metadata, {"by": "me", "n": 1}) == {"a": "b", "openmeter_by": "me"}
