"""The validator: its order and its words."""

from __future__ import annotations

from typing import Any

import pytest

from billing_as_code.devserver.schema import Document, Validator
from billing_as_code.devserver.schema_errors import MultiError, SchemaError

_DOCUMENT = Document()
_DOCUMENT.add(
    {
        "Name": {"type": "string", "minLength": 2},
        "Cat": {"type": "object", "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}},
        "Dog": {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["name"]},
    }
)
_FIRST = Validator(_DOCUMENT)
NOT_A_DIGIT = """string doesn't match the regular expression "^\\d$\""""
_ALL = Validator(_DOCUMENT, collect=True, set_defaults=True)


def first_line(schema: dict[str, Any], value: Any) -> str | None:
    error = _FIRST.check(schema, value)
    return None if error is None else error.text().split("\n")[0]


@pytest.mark.parametrize(
    ("schema", "value", "line"),
    [
        ({"type": "string"}, 1, "value must be a string"),
        ({"type": "string", "pattern": r"^\d$"}, "5", None),
        ({"type": "string", "pattern": r"^\d$"}, "5\n", NOT_A_DIGIT),
        ({"type": "string", "pattern": r"^\d$"}, "\N{ARABIC-INDIC DIGIT FIVE}", NOT_A_DIGIT),
        ({"type": "integer"}, "1", "value must be an integer"),
        ({"type": "integer"}, 1.5, "value must be an integer"),
        ({"type": "boolean"}, 1, "value must be a boolean"),
        ({"type": "number"}, True, "value must be a number"),
        ({"type": "string"}, None, "Value is not nullable"),
        ({"type": "string", "nullable": True}, None, None),
        ({}, None, "Value is not nullable"),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 0, "number must be more than 0"),
        ({"type": "number", "maximum": 2.5}, 3, "number must be at most 2.5"),
        (
            {"type": "string", "enum": ["a", "<b>"]},
            "c",
            r'value is not one of the allowed values ["a","\u003cb\u003e"]',
        ),
        ({"type": "array", "maxItems": 1}, [1, 2], "maximum number of items is 1"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 2], 'Error at "/1": value must be a string'),
        ({"type": "object", "additionalProperties": False}, {"b": 1}, 'property "b" is unsupported'),
        ({"type": "object", "required": ["a"]}, {}, 'Error at "/a": property "a" is missing'),
        ({"$ref": "#/components/schemas/Name"}, "x", "minimum string length is 2"),
        ({"type": "string", "pattern": "^a$"}, "a\n", 'string doesn\'t match the regular expression "^a$"'),
    ],
)
def test_each_keyword_has_its_words(schema: dict[str, Any], value: Any, line: str | None) -> None:
    assert first_line(schema, value) == line


def test_properties_are_visited_in_the_order_of_their_names() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}}
    assert first_line(schema, {"b": 1, "a": 1}) == 'Error at "/a": value must be a string'


def test_a_collecting_validator_tells_all_and_puts_in_defaults() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "default": 5},
            "s": {"type": "string", "minLength": 3, "pattern": "^a"},
        },
        "required": ["x"],
    }
    value: dict[str, Any] = {"s": "b"}
    error = _ALL.check(schema, value)
    assert isinstance(error, MultiError)
    assert [entry.keyword for entry in error.errors if isinstance(entry, SchemaError)] == [
        "minLength",
        "pattern",
        "required",
    ]
    assert value["n"] == 5


def test_the_text_behind_an_alternative_does_not_learn_its_place_later() -> None:
    alternatives = {"oneOf": [{"$ref": "#/components/schemas/Name"}, {"type": "integer"}]}
    schema = {"type": "object", "properties": {"p": alternatives}}
    error = _FIRST.check(schema, {"p": "x"})
    assert error is not None
    assert error.text().startswith('Error at "/p": doesn\'t match schema due to: minimum string length is 2\nSchema:')
    assert " Or value must be an integer\n" in error.text()


def test_a_discriminator_chooses_the_alternative() -> None:
    schema = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
        },
    }
    assert _FIRST.check(schema, {"kind": "cat"}) is None
    assert first_line(schema, {"kind": "dog"}) == (
        'doesn\'t match schema due to: Error at "/name": property "name" is missing'
    )
    assert first_line(schema, {"kind": "cow"}) == 'discriminator property "kind" has invalid value'
    assert first_line(schema, {}) == 'input does not contain the discriminator property "kind"'
