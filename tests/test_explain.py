"""`bac explain`: a section, a field, a map of fields, and what any catalog may say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from billing_as_code.cli import main
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Field, Kind
from billing_as_code.kinds.explaining import classes, names, part
from billing_as_code.kinds.schema import WORDS, field_schema

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"
FIELDS = [pytest.param(kind, field, id=f"{kind.name}.{field.name}") for kind in KINDS.values() for field in kind.fields]


def explain(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["explain", *args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


# -- sections ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KINDS))
def test_explain_tells_every_field_of_a_kind(kind: str) -> None:
    text = explain(kind)

    assert all(field.name in text for field in KINDS[kind].fields)
    assert json.loads(explain(kind, "--json"))["type"] == "object"


def test_explain_lists_kinds_and_words() -> None:
    assert all(f"\n{name} " in "\n" + explain() for name in [*KINDS, *WORDS])


# -- fields -----------------------------------------------------------------------------------------------------------


def test_a_field_is_told_with_its_default_its_reason_its_class_and_its_name_in_openmeter() -> None:
    assert explain("entitlements.issue.amount") == (
        "entitlements.issue.amount  Granted anew in each period.\n"
        "\n"
        "type          whole number, or decimal as text\n"
        "only where    type is metered\n"
        "left out      0\n"
        "fixed         OpenMeter updates no entitlement: an override makes a new one, with its usage, period\n"
        "              and grants. A change of it replaces the entitlement\n"
        "a change is   commercial where raised; breaking where lowered\n"
        "in OpenMeter  issue.amount, in v2\n"
        "\n"
        "  entitlements:\n"
        "    <customer>:\n"
        "      <feature>:\n"
        '        issue: {"amount": 1000000}\n'
    )


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("meters.description", "what is live is kept, since an update that leaves it out keeps it"),
        ("customers.currency", "what is live is kept, since OpenMeter keeps what an update does not name"),
        ("entitlements.usage_period.anchor", "left out      the moment of creation, so it is not compared"),
        ("entitlements.measure_usage_from", "it speaks at creation only, and is never compared"),
        ("features.metadata", "held          an update of a feature takes its unit_cost and nothing else"),
        ("features.meter", "a key of meters; bound to its id"),
        ("features.meter", "meter.id, in v3; v1 calls it meterSlug"),
        ("customers.subjects", "usageAttribution.subjectKeys, in v1; v3 calls it usage_attribution.subject_keys"),
        ("customers.subjects", "type          list of text\n"),
        ("entitlements.type", "one of metered, static, boolean"),
        ("entitlements.config", "commercial where raised; breaking where lowered or changed otherwise"),
        ("entitlements.preserve_overage_at_reset", "breaking where turned on; commercial where turned off"),
        ("grants.priority", "whole number, from 0 to 255"),
        ("meters.name", "a change is   safe"),
    ],
)
def test_what_is_particular_about_a_field_is_told(field: str, told: str) -> None:
    assert told in explain(field)


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_every_field_has_a_class_and_a_reason_where_openmeter_dictates_it(kind: Kind, field: Field) -> None:
    text = explain(f"{kind.name}.{field.name}")

    assert classes(kind, field)
    assert "a change is" in text
    if field.fixed:
        assert f"{'held' if field.held else 'fixed'} " in text
        assert field.why or kind.fixed_since
    found = part(kind, field.name)
    assert found is not None
    assert json.loads(explain(f"{kind.name}.{field.name}", "--json")) == field_schema(field) == found.schema


def test_a_map_of_fields_is_told_with_all_of_them() -> None:
    text = explain("entitlements.usage_period")

    assert text.startswith(
        "entitlements.usage_period  A map of:\n\nusage_period.interval  text; only where type is met"
    )
    assert "usage_period.anchor    text;" in text
    schema = json.loads(explain("entitlements.usage_period", "--json"))
    assert set(schema["properties"]) == {"interval", "anchor"}


def test_what_stands_within_a_fields_value_is_told_with_that_field() -> None:
    assert explain("meters.dimensions.model").startswith(
        "meters.dimensions.model  Within `dimensions`. What usage can be grouped and filtered by: name to JSONPath.\n"
        "\n"
        "type         text, as ^\\$\n"
    )
    assert json.loads(explain("features.filters.model.in", "--json"))["type"] == "array"
    schema = json.loads(explain("features.unit_cost.type", "--json"))
    assert schema == {"anyOf": [{"const": "manual"}, {"const": "llm"}]}


def test_a_field_behind_a_resources_keys_is_understood() -> None:
    assert explain('entitlements."acme inc".ai_tokens.issue.amount') == explain("entitlements.issue.amount")


@pytest.mark.parametrize("word", list(WORDS))
def test_what_any_catalog_may_say_is_told_with_an_example_that_is_valid(word: str) -> None:
    from billing_as_code.kinds.schema import catalog_schema
    from billing_as_code.reader import read

    example, problems = read("example", WORDS[word].example.encode())

    assert not problems
    jsonschema.Draft202012Validator(catalog_schema(KINDS)).validate(example)
    assert all(row in explain(word) for row in WORDS[word].example.splitlines())
    assert json.loads(explain(word, "--json")) == WORDS[word].schema


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("grant", "there is no kind 'grant' (did you mean `grants`?)"),
        ("featrues", "there is no kind 'featrues' (did you mean `features`?)"),
        ("$us", "there is no kind '$us' (did you mean `$use`?)"),
        ("entitlements.isue.amount", "did you mean `entitlements.issue.amount`?"),
        ("entitlements.amount", "did you mean `entitlements.issue.amount`?"),
        ("customers.billing_adress", "did you mean `customers.billing_address`?"),
        ("subjects.colour", "it has display_name, stripe_customer_id, metadata, protect, external, $use"),
        ("features.unit_cost.nope", "features have no field 'unit_cost.nope'"),
        ('meters."', "meters have no field"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_meant(asked: str, told: str) -> None:
    assert told in explain(asked, code=1)


# -- names in OpenMeter -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the checkout")
@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.also_in], ids=lambda k: k.name)
def test_the_names_in_both_apis_are_those_that_a_real_openmeter_was_sent_or_answered(kind: Kind) -> None:
    sections = {"v1": f"/api/v1/{kind.name}", "v3": f"/api/v3/openmeter/{kind.name}"}
    names = {api: set(recorded_names(path)) for api, path in sections.items()}

    assert [f.name for f in kind.fields if f.also and f.also not in names[kind.also_in]] == []
    assert [f.name for f in kind.fields if (f.wire or f.name) not in names[kind.api]] == []


def recorded_names(section: str) -> Iterator[str]:
    """The dotted names of everything in bodies that were recorded below a path."""
    for file in sorted((RECORDINGS / "core").glob("*.json")):
        for exchange in json.loads(file.read_text(encoding="utf-8"))["exchanges"]:
            request = exchange.get("request", {"path": ""})
            if request["path"].startswith(section):
                yield from dotted(request.get("body"), "")
                yield from dotted(exchange["response"].get("body"), "")


def dotted(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from dotted(item, name)
    elif isinstance(value, dict):
        for key, inner in value.items():
            below = key if not name or name in ("items", "data") else f"{name}.{key}"
            yield below
            yield from dotted(inner, below)


def test_every_path_that_is_offered_can_be_explained() -> None:
    assert [f"{k.name}.{n}" for k in KINDS.values() for n in names(k) if part(k, n) is None] == []
