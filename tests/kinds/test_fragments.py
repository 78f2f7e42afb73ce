"""Amounts, labels, JSONPaths and currencies: our rules against numbers as they are, and against the dev server."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing_as_code.kinds import fragments
from billing_as_code.model import Class

shared_server = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
decimals = st.decimals(0, 10**9, allow_nan=False, places=6)


# -- amounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same", [(5, "5", "5.0", "05", 5.0), ("0.5", "0.50", "00.5", 0.5), (0, "0", "0.00", 0.0)])
def test_one_amount_has_one_form_whoever_wrote_it(same: tuple[Any, ...]) -> None:
    assert {fragments.amount(value) for value in same} == {fragments.amount(same[0])}


@given(st.decimals(0, 10**12, allow_nan=False, places=40))
def test_no_digit_of_an_amount_is_lost(value: Decimal) -> None:
    assert Decimal(fragments.amount(format(value, "f"))) == value
    assert Decimal(fragments.decimal_text(format(value, "f"))) == value


@given(st.floats(0, 1e15, allow_nan=False))
def test_an_amount_that_openmeter_showed_can_always_be_declared(number: float) -> None:
    value = fragments.amount(number)
    assert fragments.carried_exactly(value)
    assert fragments.amount_to_wire(value) == number


@pytest.mark.parametrize("value", [0, 1, "0.1", "0.000002", 2**53, "1000000.5", 10**15, "12345678901234.5"])
def test_an_amount_that_a_double_carries_is_taken(value: int | str) -> None:
    assert fragments.carried_exactly(fragments.amount(value))


@pytest.mark.parametrize(
    "value", [2**53 + 1, "0.1234567890123456789", "9007199254740993", "0." + "0" * 40 + "1" * 30, 10**400, "1" * 400]
)
def test_an_amount_that_a_double_would_round_is_not(value: int | str) -> None:
    assert not fragments.carried_exactly(fragments.amount(value))


@given(decimals, decimals)
def test_more_is_commercial_and_less_is_breaking(before: Decimal, after: Decimal) -> None:
    cls = fragments.more_is_commercial(fragments.amount(str(before)), fragments.amount(str(after)))
    assert cls is (Class.COMMERCIAL if after > before else Class.BREAKING)


# -- labels ---------------------------------------------------------------------------------------------------------

OPENMETERS_LABEL = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]?[a-zA-Z0-9])?){1,63}")


def test_short_labels_are_taken_exactly_as_openmeters_expression_takes_them() -> None:
    for length in range(7):
        for text in map("".join, product("a.-", repeat=length)):
            assert fragments.is_label(text) == bool(OPENMETERS_LABEL.fullmatch(text)), text


@pytest.mark.parametrize(("length", "taken"), [(63, True), (189, True), (190, False), (1_000_000, False)])
def test_a_label_is_cut_into_63_blocks_of_three_at_most(length: int, taken: bool) -> None:
    assert fragments.is_label("a" * length) is taken


def test_a_long_word_that_is_no_label_is_refused_at_once() -> None:
    assert not fragments.is_label("a" * 100_000 + "!")


@pytest.mark.parametrize("value", ["10.20.30", "aa-bb-cc", "a", "gold", "2026", "a.b"])
def test_a_label_value_that_openmeter_takes_is_taken(value: str) -> None:
    assert fragments.unsafe_label("tier", value) == ""


@pytest.mark.parametrize(
    "value", ["", "two words", "1.2.3", "a-b-c", "a-b_c.d", "-a", "a-", "a..b", "a/b", "a:b", "é", "a" * 64, "a\n"]
)
def test_a_label_value_that_openmeter_refuses_or_hides_is_refused(value: str) -> None:
    assert fragments.unsafe_label("tier", value).startswith("the value of `tier` is no label value")


@pytest.mark.parametrize("key", ["_x", "kong", "kongress", "konnect", "insomnia", "mesh", "kic", "kuma", "openmeter_x"])
def test_a_reserved_label_key_is_refused(key: str) -> None:
    assert "OpenMeter reserves" in fragments.unsafe_label(key, "x")


@pytest.mark.parametrize("key", ["", "a b", "1.2.3", "a/b", "a" * 190])
def test_a_label_key_that_is_no_label_is_refused(key: str) -> None:
    assert fragments.unsafe_label(key, "x").startswith(f"`{key}` is no label")


@shared_server
@given(
    st.text("aK0._- é/", min_size=1, max_size=9) | st.sampled_from(["Kong", "kongo", "bac.x", "a" * 64]),
    st.text("aZ9._- é/", max_size=9) | st.sampled_from(["a" * 63, "a" * 64]),
)
@example("k", "a\n")
def test_a_label_is_safe_exactly_where_a_feature_with_it_can_be_made(
    anybody: httpx.Client, key: str, value: str
) -> None:
    anybody.post("/_dev/reset", json={})
    answer = anybody.post("/api/v3/openmeter/features", json={"key": "f", "name": "F", "labels": {key: value}})
    assert answer.status_code in (201, 400)
    assert (fragments.unsafe_label(key, value) == "") == (answer.status_code == 201), answer.text


# -- JSONPath -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["$", "$.tokens", "$.a.b", "$['x y']", '$["x"]', "$.list[0]", "$.list[*]", "$.list[0 to 3, 7].n", '$."a b"']
)
def test_a_path_that_openmeter_can_query_is_taken(path: str) -> None:
    assert fragments.is_jsonpath(path)


@pytest.mark.parametrize(
    "path", ["", "n", "$..[", "$.a[[", "$.", "$.a.", "$[", "$['x", "$.a b", "$.tokens ", "$tokens"]
)
def test_a_path_that_openmeter_cannot_query_is_refused(path: str) -> None:
    assert not fragments.is_jsonpath(path)


@shared_server
@given(st.lists(st.sampled_from(["$", ".a", ".a_1", "[0]", "[*]", "['b c']", '["b"]', ".", "[", "]", " "]), max_size=5))
def test_a_path_is_taken_only_where_a_meter_with_it_can_be_made(anybody: httpx.Client, pieces: list[str]) -> None:
    anybody.post("/_dev/reset", json={})
    path = "".join(pieces)
    body = {"slug": "m", "eventType": "e", "aggregation": "SUM", "valueProperty": path}
    if fragments.is_jsonpath(path):
        assert anybody.post("/api/v1/meters", json=body).status_code == 200


# -- currencies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(fragments.CURRENCIES))
def test_every_currency_that_we_take_openmeter_takes(anybody: httpx.Client, code: str) -> None:
    answer = anybody.post("/api/v1/customers", json={"key": "c", "name": "C", "currency": code})
    assert answer.status_code == 201, answer.text
