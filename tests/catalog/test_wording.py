"""One sentence per rule of a schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from billing_as_code.catalog.wording import Wrong, words
from billing_as_code.model import Place
from billing_as_code.reader import FloatText, read


def wrongs(schema: dict[str, Any], value: Any, hint: str = "") -> list[Wrong]:
    return list(words(jsonschema.Draft202012Validator(schema).iter_errors(value), hint))


@pytest.mark.parametrize(
    ("schema", "value", "message", "remedy"),
    [
        ({"type": "integer"}, "5", "is text, must be a whole number", "no quotes"),
        ({"type": "boolean"}, "yes", "is text, must be true or false", "no quotes"),
        ({"type": ["integer", "null"]}, [], "is a list, must be a whole number", ""),
        ({"type": "string"}, FloatText("0.10"), "is a number, must be text", 'quote it: "0.10"'),
        ({"type": "array"}, "a", "is text, must be a list", "[a]"),
        ({"const": "a"}, "b", "is `b`, must be one of a", ""),
        ({"enum": ["a", None]}, 5, "is `5`, must be one of a", ""),
        ({"pattern": "^a$"}, "b", "is `b`, which is not of the right form", "it has to match ^a$"),
        ({"minLength": 1}, "", "is empty text", "leave it out, or write something"),
        ({"maxLength": 1}, "ab", "has 2 characters, must have at most 1", "shorten it"),
        ({"minimum": 1}, 0, "is 0, must be at least 1", ""),
        ({"maximum": 1}, 2, "is 2, must be at most 1", ""),
        ({"minItems": 1}, [], "has 0 entries, must have at least 1", ""),
        ({"maxItems": 1}, [1, 2], "has 2 entries, must have at most 1", ""),
        ({"minProperties": 1}, {}, "has 0 entries, must have at least 1", ""),
        ({"maxProperties": 0}, {"a": 1}, "has 1 entries, must have at most 0", ""),
        ({"uniqueItems": True}, [1, 1], "holds the same entry twice", "keep one of them"),
        ({"required": ["a", "b"]}, {"a": 1}, "lacks `b`", ""),
        ({"not": {}}, {"a": 1}, 'is `{"a": 1}`, which is not allowed here', ""),
        ({"propertyNames": {"pattern": "^a$"}}, {"b": 1}, "`b` cannot be a name here", ""),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [], "is a list, must be a whole number or text", ""),
        ({"anyOf": [{"minimum": 5}, {"multipleOf": 2}]}, 3, "is `3`, which is not allowed here", ""),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "lacks one of `a` and `b`", ""),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 1, "b": 1},
            "has more than one of `a` and `b`",
            "leave the others out",
        ),
    ],
)
def test_each_rule_has_its_sentence(schema: dict[str, Any], value: Any, message: str, remedy: str) -> None:
    (wrong,) = wrongs(schema, value)

    assert (wrong.message, wrong.remedy) == (message, remedy)


def test_every_unknown_field_is_told_and_the_path_to_it() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"name": {}}, "additionalProperties": False}}}}

    first, second = wrongs(schema, {"a": [{"nam": 1, "xyz": 1, "name": 1}]})

    assert first == Wrong(("a", 0, "nam"), "unknown field `nam`", "did you mean `name`?", at_key=True)
    assert second.remedy == "fields are name"


def test_a_message_names_what_it_is_about_unless_it_does_so_itself() -> None:
    assert Wrong(("a", 0, "b.c"), "is wrong").said() == "`a[0].b.c` is wrong"
    assert Wrong(("a",), "unknown field `a`", at_key=True).said() == "unknown field `a`"
    assert Wrong((), "is wrong").said() == "is wrong"


def test_a_hint_is_for_the_whole_value_only() -> None:
    schema = {"type": "object", "additionalProperties": {"pattern": "^x"}}

    assert wrongs(schema, 5, "such as {}")[0].remedy == "such as {}"
    assert wrongs(schema, {"a": "b"}, "such as {}")[0].remedy == "it has to match ^x"


def test_a_text_with_control_characters_is_shown_escaped() -> None:
    (wrong,) = wrongs({"enum": ["a"]}, "\x1b[2J")

    assert wrong.message == "is `\\u001b[2J`, must be one of a"


def test_places_are_those_of_the_nearest_part() -> None:
    from billing_as_code.catalog.places import locate

    block, _ = read("f.yaml", b"x:\n  a: [1, {b: c}]\n")
    assert block is not None
    default = Place("f.yaml", 1, 1)

    assert locate(block["x"], ("a", 1, "b"), default) == Place("f.yaml", 2, 14)
    assert locate(block["x"], ("a", 1, "b"), default, at_key=True) == Place("f.yaml", 2, 11)
    assert locate(block["x"], ("a", 7), default) == Place("f.yaml", 2, 3)
    assert locate(block["x"], ("z", "a"), default) == default
