"""The rules behind usage, without a server: paths, windows, numbers, filters, the order of groups."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.devserver.aggregation import plain_text, window
from billing_as_code.devserver.eventparts import reading_order
from billing_as_code.devserver.filters import Filter, from_v1, from_v3
from billing_as_code.devserver.gotime import GoTime
from billing_as_code.devserver.grouporder import ordered, string_hash
from billing_as_code.devserver.jsonpath import json_value, native_path, shortest, valid_jsonpath
from billing_as_code.devserver.sqlfunctions import float_or_null, matches_like

DATA = '{"a": {"b c": [1.5, {"d": "x"}, true]}, "1k": 2, "n": null, "e": {}, "s": "text", "big": 1e30}'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.s", "text"),
        ("$[s]", "text"),
        ("$['s']", "text"),
        ("$ . s", "text"),
        ("$.1k", "2"),
        ("$.n", "null"),
        ("$.e", ""),
        ("$.missing.deep", ""),
        ('$.a["b c"][0]', "1.5"),
        ('$.a."b c"[2]', "true"),
        ("$.a['b c'][*]", "1.5"),
        ("$.a['b c'][*].d", "x"),
        ("$.a['b c'][1 to 3]", "true"),
        ("$.a['b c'][1, 0]", "1.5"),
        ("$.a['b c'].d", ""),
        ("$.big", "1e+30"),
        ("$", ""),
    ],
)
def test_a_path_answers_the_first_scalar_it_reaches(path: str, text: str) -> None:
    assert valid_jsonpath(path)
    assert json_value(DATA, path) == text


@pytest.mark.parametrize(
    "path", ["", "s", "$s", "$..s", "$.", "$.a[[", "$.a-b", "$.*", "$[-1]", "$.[a]", "$.a[]", "$.a[3 to 1]", "$[a b]"]
)
def test_clickhouse_refuses_a_path(path: str) -> None:
    assert not valid_jsonpath(path)


def test_a_document_with_an_integer_beyond_64_bits_is_no_document() -> None:
    assert json_value('{"a": 18446744073709551615}', "$.a") == "18446744073709551615"
    assert json_value('{"a": 18446744073709551616, "b": 1}', "$.b") == ""


def test_only_members_and_single_elements_are_left_to_sqlite() -> None:
    assert native_path("$.a['b c'][0]") == '$."a"."b c"[0]'
    assert native_path("$.a[*]") is None
    assert native_path("$.a[0, 1]") is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_texts_of_numbers_read_back_as_the_number(number: float) -> None:
    assert float(shortest(number)) == number
    assert float(plain_text(number)) == number
    assert "e" not in plain_text(number).lower()


def test_the_shorter_form_of_a_number_wins_and_the_fixed_one_a_tie() -> None:
    assert [shortest(number) for number in (0.0001, 0.00012, 1e21, 123456.75)] == [
        "1e-04",
        "0.00012",
        "1e+21",
        "123456.75",
    ]


@pytest.mark.parametrize(("text", "number"), [("1", 1.0), ("+.5e1", 5.0), ("1.", 1.0), ("-2e-1", -0.2)])
def test_a_text_is_a_number_as_a_whole(text: str, number: float) -> None:
    assert float_or_null(text) == number


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1_000", "0x10", "1e", "nan", "inf", "1e999", "true", "\u0661"])
def test_a_text_that_is_no_finite_number_is_null(text: str) -> None:
    assert float_or_null(text) is None


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("a%", True), ("A%", False), ("_b%", True), ("a\\%c", True), ("a\\_c", False), ("%\n%", False), ("ab", False)],
)
def test_like_counts_case_and_takes_escapes(pattern: str, matches: bool) -> None:
    assert matches_like("a%c" if "\\" in pattern else "abc", pattern) is matches


def spans(size: str, zone: str, *times: str) -> list[tuple[str, str]]:
    found = [window(int(datetime.fromisoformat(time).timestamp()), size, ZoneInfo(zone)) for time in times]
    return [tuple(datetime.fromtimestamp(end, UTC).strftime("%m-%dT%H:%M") for end in span) for span in found]  # type: ignore[misc]


def test_days_have_23_or_25_hours_where_the_clocks_change() -> None:
    assert spans("DAY", "America/New_York", "2026-11-01T12:00Z", "2026-03-08T12:00Z") == [
        ("11-01T04:00", "11-02T05:00"),
        ("03-08T05:00", "03-09T04:00"),
    ]


def test_an_hour_that_happens_twice_is_two_windows() -> None:
    assert spans("HOUR", "America/New_York", "2026-11-01T05:30Z", "2026-11-01T06:30Z") == [
        ("11-01T05:00", "11-01T06:00"),
        ("11-01T06:00", "11-01T07:00"),
    ]


def test_hours_of_a_quarter_hour_zone_and_months_of_a_zone() -> None:
    assert spans("HOUR", "Asia/Kathmandu", "2026-11-01T05:30Z") == [("11-01T05:15", "11-01T06:15")]
    assert spans("MONTH", "Europe/Budapest", "2026-10-31T23:30Z", "2026-10-01T00:00Z") == [
        ("10-31T23:00", "11-30T23:00"),
        ("09-30T22:00", "10-31T23:00"),
    ]
    assert spans("MINUTE", "Asia/Kathmandu", "2026-11-01T05:30:59Z") == [("11-01T05:30", "11-01T05:31")]


def test_groups_come_in_the_order_of_clickhouse() -> None:
    subjects = ["acme-dev", "acme-prod", "globex-1", "stranger", ""]
    found = ordered([(None, (subject,)) for subject in subjects], names=["subject"], window_size=None)
    assert [texts[0] for _, texts in found] == ["", "acme-prod", "globex-1", "acme-dev", "stranger"]


def test_a_customers_group_beside_its_subject_does_not_matter_for_the_order() -> None:
    names = ["customer_id", "subject"]
    keys = [(None, ("1", subject)) for subject in ("stranger", "acme-dev", "acme-prod")]
    assert [texts[1] for _, texts in ordered(keys, names=names, window_size=None)] == [
        "acme-prod",
        "acme-dev",
        "stranger",
    ]


@given(st.lists(st.text(), unique=True, max_size=300))
def test_an_order_of_groups_loses_none(names: list[str]) -> None:
    keys = [(None, (name,)) for name in names]
    found = ordered(keys, names=["model"], window_size=None)
    assert sorted(found) == sorted(keys)


def test_the_hash_is_clickhouses() -> None:
    assert [string_hash(text) & 255 for text in (b"small", b"large", b"acme-dev", b"acme-prod")] == [24, 84, 127, 45]


def test_the_newer_half_of_the_parts_is_read_first() -> None:
    assert reading_order([5, 1, 3]) == {3: 0, 5: 1, 1: 2}
    assert reading_order([7]) == {7: 0}


def test_filters_of_both_apis_mean_the_same() -> None:
    assert from_v1({"$ne": "a", "$nope": 1, "$eq": None}) == from_v3({"neq": "a"}) == Filter((("ne", "a"),))
    assert from_v3({"contains": "50%_\\"}).operators == (("like", "%50\\%\\_\\\\%"),)
    assert from_v1({"$exists": True}).empty


def test_a_filter_says_what_is_wrong_with_it() -> None:
    assert from_v1({"$eq": "a", "$ne": "b"}).problem() == "filter is invalid: multiple operators are set"
    assert from_v1({"$in": ["a", ""]}).problem() == "filter is invalid: format mismatch"
    nested = from_v1({"$or": [{"$and": [{"$eq": "a"}]}]})
    assert nested.problem() is None
    assert nested.problem(1) == "filter complexity exceeds maximum allowed depth"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("2026-11-18T00:00:00.500+02:00", "2026-11-18T00:00:00.5+02:00"),
        ("2026-11-18T00:00:00.123456789Z", "2026-11-18T00:00:00.123456789Z"),
        ("2026-11-18T00:00:00+00:00", "2026-11-18T00:00:00Z"),
        ("2026-11-18", "2026-11-18T00:00:00Z"),
    ],
)
def test_a_time_is_given_back_as_go_writes_it(sent: str, text: str) -> None:
    time = GoTime.parse(sent)
    assert time is not None
    assert time.text == text
