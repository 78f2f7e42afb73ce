"""The YAML 1.2 core schema: what an unquoted scalar means. `NO`, `yes`, dates and `1_000` are text."""

from __future__ import annotations

import re
from typing import Any

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMERIC = frozenset("-+.0123456789")
_MOST_DIGITS = 400  # what is longer than any double is no number that somebody counts with
_TAG = "tag:yaml.org,2002:"


class FloatText(float):
    """A float that knows how it was written, since it may not be the number that its author meant."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> FloatText:
        number = super().__new__(cls, text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[FloatText], tuple[str]]:
        return FloatText, (self.text,)


class Scalars(dict[str, Any]):
    """The values of unquoted scalars by their text; a text is looked at once."""

    def __missing__(self, text: str) -> Any:
        # nearly all are words, and no number begins as a word does
        is_word = text[:1] not in _NUMERIC and text not in _NULL and text not in _BOOLEANS
        value = self[text] = text if is_word else plain_value(text)
        return value


def plain_value(text: str) -> Any:
    """None, a bool, an int, a `FloatText`, or the text itself."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    return FloatText(text) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> int | FloatText:
    if text.startswith("0o") and len(text) <= _MOST_DIGITS:
        return int(text[2:], 8)
    if text.startswith("0x") and len(text) <= _MOST_DIGITS:
        return int(text[2:], 16)
    if text.startswith(("0o", "0x")):
        return FloatText("inf")
    return int(text) if len(text) <= _MOST_DIGITS else FloatText(text)


def tagged_value(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag of the core schema; LookupError for any other tag.

    ValueError where the text is nothing of that sort (`!!int many`).
    """
    match tag.removeprefix(_TAG) if tag.startswith(_TAG) else "":
        case "str":
            return text
        case "null":
            wanted: tuple[type, ...] = (type(None),)
        case "bool":
            wanted = (bool,)
        case "int":
            wanted = (int,)
        case "float":
            wanted = (int, float)
        case _:
            raise LookupError(tag)
    value = plain_value(text)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ValueError(text)
    return FloatText(text) if float in wanted and isinstance(value, int) else value
