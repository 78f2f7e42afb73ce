"""JSON as Go reads and writes it, where that shows in answers.

Reading: the first value of a body counts and what follows is ignored; of a doubled field the last wins; what is
wrong is worded as `encoding/json` does. Writing: the indented form in validation texts, with Go's escapes.
"""

from __future__ import annotations

import json
import re
from typing import Any

_WHITESPACE = " \t\r\n"
_DIGITS = "0123456789"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(parse_constant=lambda name: _refuse(name))


class InvalidJSON(ValueError):
    """The text does not start with a JSON value; the message is Go's."""


def loads(raw: bytes) -> Any:
    """The first JSON value of a body. Raises InvalidJSON."""
    text = raw.decode("utf-8", errors="replace")
    start = len(text) - len(text.lstrip(_WHITESPACE))
    try:
        value, _ = _DECODER.raw_decode(text, start)
        return _without_lone_surrogates(value) if _SURROGATE.search(text) else value
    except ValueError:
        _Scanner(text).value(start, "looking for beginning of value")
        raise InvalidJSON("unexpected EOF") from None
    except RecursionError:
        raise InvalidJSON("exceeded max depth") from None


def _without_lone_surrogates(value: Any) -> Any:
    """Halves of surrogate pairs become U+FFFD, which is what Go makes of them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    return value


def dump_indented(value: Any) -> str:
    """A value as a Go encoder with `SetIndent("  ", "  ")` writes it, its final newline included."""
    text = _escaped(json.dumps(_go_numbers(value), indent=2, sort_keys=True, ensure_ascii=False))
    return text.replace("\n", "\n  ") + "\n"


def dump_compact(value: Any) -> str:
    """A value as Go marshals it: no spaces, keys of maps sorted."""
    return _escaped(json.dumps(_go_numbers(value), sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def _escaped(text: str) -> str:
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def _go_numbers(value: Any) -> Any:
    """Whole floats lose their fraction, as in Go."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, dict):
        return {key: _go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_go_numbers(item) for item in value]
    return value


def _refuse(name: str) -> Any:
    raise ValueError(name)


class _Scanner:
    """Walks a broken text to the character that Go's scanner stops at."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, at: int, context: str) -> int:
        """The position after the value at `at`; raises InvalidJSON where there is none."""
        at = self._skip(at)
        character = self._at(at)
        if character == "{":
            return self._object(at + 1)
        if character == "[":
            return self._array(at + 1)
        if character == '"':
            return self._string(at + 1)
        if character in "-" + _DIGITS:
            return self._number(at)
        for literal in ("true", "false", "null"):
            if character == literal[0]:
                return self._literal(at, literal)
        raise self._unexpected(at, context)

    def _object(self, at: int) -> int:
        at = self._skip(at)
        if self._at(at) == "}":
            return at + 1
        while True:
            at = self._skip(at)
            if self._at(at) != '"':
                raise self._unexpected(at, "looking for beginning of object key string")
            at = self._skip(self._string(at + 1))
            if self._at(at) != ":":
                raise self._unexpected(at, "after object key")
            at = self._skip(self.value(at + 1, "looking for beginning of value"))
            if self._at(at) == "}":
                return at + 1
            if self._at(at) != ",":
                raise self._unexpected(at, "after object key:value pair")
            at += 1

    def _array(self, at: int) -> int:
        at = self._skip(at)
        if self._at(at) == "]":
            return at + 1
        while True:
            at = self._skip(self.value(at, "looking for beginning of value"))
            if self._at(at) == "]":
                return at + 1
            if self._at(at) != ",":
                raise self._unexpected(at, "after array element")
            at += 1

    def _string(self, at: int) -> int:
        while True:
            character = self._at(at)
            if character == '"':
                return at + 1
            if character < " ":
                raise self._unexpected(at, "in string literal")
            at = self._escape(at + 1) if character == "\\" else at + 1

    def _escape(self, at: int) -> int:
        character = self._at(at)
        if character == "u":
            for offset in range(1, 5):
                if self._at(at + offset) not in "0123456789abcdefABCDEF":
                    raise self._unexpected(at + offset, "in \\u hexadecimal character escape")
            return at + 5
        if character not in 'bfnrt\\/"':
            raise self._unexpected(at, "in string escape code")
        return at + 1

    def _number(self, at: int) -> int:
        if self._at(at) == "-":
            at += 1
            if self._at(at) not in _DIGITS:
                raise self._unexpected(at, "in numeric literal")
        if self._text[at] == "0":
            at += 1
        else:
            at = self._digits(at)
        if self._peek(at) == ".":
            at += 1
            if self._at(at) not in _DIGITS:
                raise self._unexpected(at, "after decimal point in numeric literal")
            at = self._digits(at)
        if self._peek(at) in ("e", "E"):
            at += 1
            if self._at(at) in "+-":
                at += 1
            if self._at(at) not in _DIGITS:
                raise self._unexpected(at, "in exponent of numeric literal")
            at = self._digits(at)
        return at

    def _digits(self, at: int) -> int:
        while self._peek(at) in tuple(_DIGITS):
            at += 1
        return at

    def _literal(self, at: int, literal: str) -> int:
        for offset in range(1, len(literal)):
            if self._at(at + offset) != literal[offset]:
                wanted = _quoted(literal[offset])
                raise self._unexpected(at + offset, f"in literal {literal} (expecting {wanted})")
        return at + len(literal)

    def _skip(self, at: int) -> int:
        while self._peek(at) in tuple(_WHITESPACE):
            at += 1
        return at

    def _peek(self, at: int) -> str:
        return self._text[at : at + 1]

    def _at(self, at: int) -> str:
        """The character, where the text must go on."""
        if at >= len(self._text):
            raise InvalidJSON("unexpected EOF" if self._text.strip(_WHITESPACE) else "EOF")
        return self._text[at]

    def _unexpected(self, at: int, context: str) -> InvalidJSON:
        return InvalidJSON(f"invalid character {_quoted(self._at(at))} {context}")


def _quoted(character: str) -> str:
    """A character between single quotes as Go's scanner shows it (bytes of UTF-8, one at a time)."""
    if character == "'":
        return "'\\''"
    if character == '"':
        return "'\"'"
    first = chr(character.encode("utf-8", errors="replace")[0])
    escaped = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
    if first in escaped:
        return f"'{escaped[first]}'"
    return f"'{first}'" if first.isprintable() else f"'\\x{ord(first):02x}'"
