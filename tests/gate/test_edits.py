"""Edits as programs write them, laid over a catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.catalog import load
from billing_as_code.errors import CatalogError
from billing_as_code.gate import edits
from billing_as_code.kinds import KINDS
from billing_as_code.model import Address

FEATURE = {"sso": {}}
CONFIGS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=6) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(CONFIGS)
def test_any_json_arrives_as_it_was_sent(config: Any) -> None:
    address = Address("entitlements", ("acme", "sso"))
    sent = {"type": "static", "config": config}
    text = json.dumps(sent)
    if "\\u0000" in text or "\\ud" in text.replace("\\\\", ""):
        return
    [(at, entry)] = edits.entries(edits.parse([{"address": str(address), "spec": sent}], KINDS)).items()
    assert at == address
    assert json.loads(json.dumps(entry.raw)) == json.loads(text)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("customers.acme", "edits: is no list"),
        ([{"address": "customers.acme"}], "edits: edit 1 is not an address and a spec"),
        ([["customers.acme", {}]], "edits: edit 1 is not an address and a spec"),
        ([{"address": "acme", "spec": {}}], "edits: acme: is no address"),
        ([{"address": "custmers.acme", "spec": {}}], "edits: custmers.acme: there is no section `custmers` (did you"),
        ([{"address": "entitlements.acme", "spec": {}}], "edits: entitlements.acme: is no address of a entitlement"),
        ([{"address": "customers.acme", "spec": []}], "`spec` is neither a map of fields nor null"),
        ([{"address": "customers.acme", "spec": {}}] * 2, "edits: customers.acme: is edited twice"),
        ([{"address": "customers.acme", "spec": {}}] * 501, "edits: 501 edits are more than 500"),
    ],
)
def test_what_is_no_list_of_edits_is_told(asked: Any, told: str) -> None:
    with pytest.raises(CatalogError) as caught:
        edits.parse(asked, KINDS)
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", "\0"])
def test_what_nothing_can_carry_is_told(value: Any) -> None:
    spec = {"type": "static", "config": value}
    with pytest.raises(CatalogError, match=r"edits: entitlements\.acme\.sso: "):
        edits.entries({Address("entitlements", ("acme", "sso")): spec})


def test_an_edit_counts_for_its_environment_whatever_its_layers_say(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("customers: {acme: {name: ACME}, old: {name: Old}}\n")
    over = tmp_path / "environments/staging"
    over.mkdir(parents=True)
    (over / "all.yaml").write_text("customers: {acme: {name: ACME staging}}\n")
    asked = edits.entries({Address("customers", ("acme",)): {"name": "New"}, Address("customers", ("old",)): None})
    found = load(tmp_path, "staging", ["staging"], edits=asked).desired
    assert [(str(a), r.spec[0]) for a, r in found.items()] == [("customers.acme", "New")]
