"""What the event lists say is wrong with an event, for the meters of its type (openmeter/meter/parse.go).

These checks find a value by another JSONPath library than the query does (github.com/oliveagle/jsonpath), which
takes other paths: one that a query reads well may show as missing here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from .meters import MeterRow

_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|0x(?:[0-9a-f_]+\.?[0-9a-f_]*|\.[0-9a-f_]+)p[+-]?\d+)",
    re.ASCII | re.IGNORECASE,
)
_GO_TYPES = {bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
_SUBSCRIPT = re.compile(r"[^\[\]]*\[([^\[\]]+)\]")


class _Missing(Exception):
    """The path leads nowhere, or is not one that the library knows."""


def event_errors(event_type: str, data: str | None, meters: Iterable[MeterRow]) -> list[str]:
    """The errors of an event's data, meter by meter, or that no meter counts its type."""
    matching = [meter for meter in meters if meter.event_type == event_type]
    if not matching:
        return [f"no meter found for event type: {event_type}"]
    parsed = None if data is None else json.loads(data)
    return [f"invalid event: {error}" for meter in matching if (error := _error(meter, parsed)) is not None]


def _error(meter: MeterRow, data: Any) -> str | None:
    if meter.aggregation == "COUNT":
        return None
    if data is None:
        return "null and missing value property"
    path = meter.value_property or ""
    try:
        value = _lookup(data, _steps(path))
    except _Missing:
        return f"missing value property: {json.dumps(path, ensure_ascii=False)}"
    if value is None:
        return "value cannot be null"
    if meter.aggregation == "UNIQUE_COUNT":
        return None
    if isinstance(value, str):
        return _text_error(value)
    if isinstance(value, bool | dict | list):
        return f"unsupported value property type: {_GO_TYPES[type(value)]}"
    return None


def _text_error(text: str) -> str | None:
    """Why Go's ParseFloat does not take a text, or takes it for no number."""
    word = text.lstrip("+-").lower() if len(text) - len(text.lstrip("+-")) <= 1 else ""
    if word in ("inf", "infinity"):
        return "value cannot be infinity"
    if text.lower() == "nan":
        return "value cannot be NaN"
    unparsable = f"value cannot be parsed as float64: {text}"
    if _FLOAT.fullmatch(text) is None:
        return unparsable
    try:
        number = float.fromhex(text.replace("_", "")) if "x" in word else float(text)
    except (ValueError, OverflowError):
        return unparsable
    return unparsable if math.isinf(number) else None


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[tuple[str, str, Any], ...]:
    """The steps of a path as (operation, key, argument): `key`, `index` or `range`."""
    if not path.startswith("$"):
        raise _Missing
    return tuple(_step(token) for token in _tokens(path[1:]))


def _tokens(rest: str) -> list[str]:
    tokens: list[str] = []
    token = ""
    for character in rest:
        token += character
        if token == ".":
            continue
        if token == "..":
            raise _Missing
        if "[" in token:
            if character == "]":
                tokens.append(token.removeprefix("."))
                token = ""
        elif character == ".":
            tokens.append(token[:-1].removeprefix("."))
            token = "."
    token = token.removeprefix(".")
    return [*tokens, token] if token else tokens


def _step(token: str) -> tuple[str, str, Any]:
    if token == "*":
        raise _Missing
    if "[" not in token:
        return "key", token, None
    match = _SUBSCRIPT.fullmatch(token)
    if match is None:
        raise _Missing
    key, inside = token.split("[", 1)[0], match[1]
    if inside == "*":
        return "range", key, (None, None)
    parts = inside.split(":") if ":" in inside else inside.split(",")
    try:
        numbers = [int(part.strip(" ")) if part.strip(" ") or ":" not in inside else None for part in parts]
    except ValueError:
        raise _Missing from None
    if ":" not in inside:
        return "index", key, tuple(numbers)
    if len(numbers) != 2:
        raise _Missing
    return "range", key, tuple(numbers)


def _lookup(value: Any, steps: tuple[tuple[str, str, Any], ...]) -> Any:
    for operation, key, argument in steps:
        if key:
            value = _member(value, key)
        if operation == "index":
            found = [_element(value, index) for index in argument]
            value = found[0] if len(found) == 1 else found
        elif operation == "range":
            value = _slice(value, *argument)
    return value


def _member(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        if key not in value:
            raise _Missing
        return value[key]
    if isinstance(value, list):
        found = []
        for item in value:
            try:
                found.append(_member(item, key))
            except _Missing:
                continue
        return found
    raise _Missing


def _element(value: Any, index: int) -> Any:
    if not isinstance(value, list) or not -len(value) <= index < len(value):
        raise _Missing
    return value[index]


def _slice(value: Any, first: int | None, last: int | None) -> Any:
    if isinstance(value, dict) and first is None and last is None:
        return list(value.values())
    if not isinstance(value, list):
        raise _Missing
    start = 0 if first is None else first
    end = len(value) if last is None else last + 1 if last >= 0 else len(value) + last + 1
    start = start if start >= 0 else len(value) + start
    if not (0 <= start < max(len(value), 1)) or not 0 <= end <= len(value) or start > end:
        raise _Missing
    return value[start:end]
