"""The part of SQL/JSON path that ClickHouse's `JSON_VALUE` takes, and the text that it answers.

A meter's value and group-bys are paths into an event's `data`. OpenMeter hands them to ClickHouse
(openmeter/streaming/clickhouse/meter_query.go), so ClickHouse decides what a path may look like and what a
value reads as: the first scalar that the path reaches, as text, and the empty string where there is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

_UNSIGNED_LIMIT, _SIGNED_LIMIT = 2**64, -(2**63)


@dataclass(frozen=True)
class Member:
    """`.name`, `[name]` or `['name']`: one key of an object."""

    name: str


@dataclass(frozen=True)
class Ranges:
    """`[0]`, `[0, 2]` or `[1 to 3]`: elements of an array, each pair from (inclusive) to (exclusive)."""

    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Star:
    """`[*]`: every element of an array."""


Step = Member | Ranges | Star

_SPACE = r"\s*"
_NAME_QUOTED = r""""(?P<double>(?:[^"\\]|\\.|"")*)"|`(?P<back>(?:[^`\\]|\\.|``)*)`"""
_TEXT_QUOTED = r"""'(?P<single>(?:[^'\\]|\\.|'')*)'"""
_MEMBER = re.compile(rf"{_SPACE}\.{_SPACE}(?:(?P<word>[0-9A-Za-z_$]+)|{_NAME_QUOTED})")
_WORD = r"(?P<word>[0-9]*[A-Za-z_$][0-9A-Za-z_$]*)"
_SUBSCRIPT = re.compile(rf"{_SPACE}\[{_SPACE}(?:{_WORD}|{_TEXT_QUOTED}|{_NAME_QUOTED}){_SPACE}\]")
_STAR = re.compile(rf"{_SPACE}\[{_SPACE}\*{_SPACE}\]")
_RANGES = re.compile(
    rf"{_SPACE}\[(?P<ranges>{_SPACE}\d+(?:\s+to\s+\d+)?(?:{_SPACE},{_SPACE}\d+(?:\s+to\s+\d+)?)*){_SPACE}\]",
    re.IGNORECASE,
)
_ROOT = re.compile(rf"{_SPACE}\$(?![0-9A-Za-z_])")


class InvalidPath(ValueError):
    """The path is not one that ClickHouse can parse."""


def valid_jsonpath(path: str) -> bool:
    """Tell whether ClickHouse would take the path, as OpenMeter asks it when a meter is created in v1."""
    try:
        parse(path)
    except InvalidPath:
        return False
    return True


@lru_cache(maxsize=4096)
def parse(path: str) -> tuple[Step, ...]:
    """Split a path into its steps; raises InvalidPath for what ClickHouse refuses."""
    root = _ROOT.match(path)
    if root is None:
        raise InvalidPath(path)
    steps: list[Step] = []
    position = root.end()
    while path[position:].strip():
        step, position = _step(path, position)
        steps.append(step)
    return tuple(steps)


def _step(path: str, position: int) -> tuple[Step, int]:
    if match := _MEMBER.match(path, position) or _SUBSCRIPT.match(path, position):
        return Member(_name(match)), match.end()
    if match := _STAR.match(path, position):
        return Star(), match.end()
    if match := _RANGES.match(path, position):
        return Ranges(tuple(_pairs(path, match["ranges"]))), match.end()
    raise InvalidPath(path)


def _name(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if groups.get("word") is not None:
        return str(groups["word"])
    for quote, group in (("'", "single"), ('"', "double"), ("`", "back")):
        text = groups.get(group)
        if text is not None:
            return re.sub(r"\\(.)", r"\1", text.replace(quote * 2, quote))
    raise AssertionError("a member step has a name")


def _pairs(path: str, text: str) -> Iterator[tuple[int, int]]:
    for part in text.split(","):
        bounds = [int(number) for number in re.findall(r"\d+", part)]
        first, last = bounds[0], bounds[-1] + (1 if len(bounds) == 1 else 0)
        if first >= last:
            raise InvalidPath(path)
        yield first, last


@lru_cache(maxsize=4096)
def native_path(path: str) -> str | None:
    """Write the path as SQLite's JSON functions take it, or None where only `json_value` will do."""
    native = "$"
    for step in parse(path):
        match step:
            case Member(name) if '"' not in name and "\\" not in name and name:
                native += f'."{name}"'
            case Ranges(((first, last),)) if last == first + 1:
                native += f"[{first}]"
            case _:
                return None
    return native


def json_value(data: str, path: str) -> str:
    """Answer what `JSON_VALUE(data, path)` answers: text of the first scalar, or the empty string."""
    if not data:
        return ""
    try:
        root = json.loads(data, parse_int=_integer)
    except ValueError:
        return ""
    for value in _reach(root, parse(path)):
        if not isinstance(value, dict | list):
            return scalar_text(value)
    return ""


def scalar_text(value: Any) -> str:
    """Write a JSON scalar as ClickHouse does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return shortest(float(value))


def shortest(number: float) -> str:
    """The shortest text that reads back as the number, in fixed or in scientific form (C++ `to_chars`)."""
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, figures))
    scale = len(digits) - 1 + int(exponent)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    scientific = f"{digits[0]}{fraction}e{scale:+03d}"
    fixed = _fixed(digits, scale)
    return ("-" if sign else "") + (scientific if len(scientific) < len(fixed) else fixed)


def _fixed(digits: str, scale: int) -> str:
    if scale < 0:
        return "0." + "0" * (-scale - 1) + digits
    if len(digits) <= scale + 1:
        return digits + "0" * (scale + 1 - len(digits))
    return f"{digits[: scale + 1]}.{digits[scale + 1 :]}"


def _integer(text: str) -> int:
    # The parser behind JSON_VALUE refuses a document with an integer that fits no 64 bits.
    number = int(text)
    if not _SIGNED_LIMIT <= number < _UNSIGNED_LIMIT:
        raise ValueError(text)
    return number


def _reach(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    match step:
        case Member(name):
            if isinstance(value, dict) and name in value:
                yield from _reach(value[name], rest)
        case Star():
            if isinstance(value, list):
                for item in value:
                    yield from _reach(item, rest)
        case Ranges(pairs):
            if isinstance(value, list):
                for first, last in pairs:
                    for item in value[first:last]:
                        yield from _reach(item, rest)
