"""Query and path parameters: bound to values as OpenMeter's generated router does, in its words.

Binding comes before everything else (`oapi-codegen/runtime`), validation against the parameter's schema after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .clock import parse_rfc3339
from .schema_errors import Schema

Query = Mapping[str, Sequence[str]]

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_INTEGER = re.compile(r"[+-]?[0-9]+")


class BindError(Exception):
    """A value that does not fit its parameter; `missing` when a required one is not there."""

    def __init__(self, name: str, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.missing = missing


@dataclass(frozen=True)
class Param:
    """A parameter of an operation, as the OpenAPI document declares it.

    `kind` is what the value becomes in code: str, int, bool, time, list (of str, repeated parameters), object
    (`name[field]=…` with the kinds of its fields) or map (`name[any]=…`).
    """

    name: str
    schema: Schema
    kind: str = "str"
    required: bool = False
    explode: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)


def bind(param: Param, query: Query) -> Any:
    """The value of a query parameter, None when it is not given. Raises BindError."""
    if param.kind in ("object", "map"):
        return _bind_object(param, query)
    values = query.get(param.name)
    if not values:
        if param.required:
            raise BindError(param.name, f"Query argument {param.name} is required, but not found", missing=True)
        return None
    if param.kind == "list":
        return list(values) if param.explode else _split(param, values)
    if len(values) != 1:
        message = f"multiple values for single value parameter '{param.name}'"
        if not param.explode:
            message = f"parameter '{param.name}' is not exploded, but is specified multiple times"
        raise BindError(param.name, message)
    try:
        return _SCALARS[param.kind](values[0])
    except ValueError as error:
        raise BindError(param.name, str(error)) from None


def schema_value(param: Param, query: Query, bound: Any) -> Any:
    """What is validated against the schema: times and texts as they were sent, the rest as bound."""
    if param.kind in ("time", "str"):
        return query[param.name][0]
    return bound


def _split(param: Param, values: Sequence[str]) -> list[str]:
    if len(values) != 1:
        raise BindError(param.name, f"parameter '{param.name}' is not exploded, but is specified multiple times")
    return values[0].split(",")


def _bind_object(param: Param, query: Query) -> dict[str, Any] | None:
    prefix = param.name + "["
    given = {key[len(prefix) :].rstrip("]"): values for key, values in query.items() if key.startswith(prefix)}
    if not given:
        if param.required:
            raise BindError(param.name, f"query parameter '{param.name}' is required")
        return None
    if param.kind == "map":
        return {key: values[0] for key, values in given.items()}
    bound: dict[str, Any] = {}
    for key in sorted(given):
        if key not in param.fields:
            message = f"field [{key}] is not present in destination object"
            raise BindError(param.name, f"error assigning value to destination: {message}")
        # A repeated field is taken for a list, and its text is empty.
        value = given[key][0] if len(given[key]) == 1 else ""
        if param.fields[key] == "int":
            if not _fits_int(value):
                message = f"error assigning field [{key}]: expected a valid int, got {value}"
                raise BindError(param.name, f"error assigning value to destination: {message}")
            bound[key] = int(value)
        else:
            bound[key] = value
    return bound


def _fits_int(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _int(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f'error binding string parameter: strconv.ParseInt: parsing "{text}": invalid syntax')
    if not _fits_int(text):
        raise ValueError(f'error binding string parameter: strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def _bool(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(f'error binding string parameter: strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _time(text: str) -> datetime | None:
    """A time or a date; an empty text is Go's zero time, which here is None."""
    if not text:
        return None
    moment = parse_rfc3339(text)
    if moment is not None:
        return moment
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        why = f'parsing time "{text}" as "2006-01-02": {_why_no_date(text)}'
        raise ValueError(f"error parsing '{text}' as RFC3339 or 2006-01-02 time: {why}") from None


def _why_no_date(text: str) -> str:
    """Where Go's time.Parse stops in a text that should be a date."""
    rest = text
    for digits, layout in ((4, "2006"), (0, "-"), (2, "01"), (0, "-"), (2, "02")):
        if digits == 0:
            if not rest.startswith("-"):
                return f'cannot parse "{rest}" as "-"'
            rest = rest[1:]
            continue
        if not rest[:digits].isdigit() or len(rest) < digits:
            return f'cannot parse "{rest}" as "{layout}"'
        if layout == "01" and not 1 <= int(rest[:2]) <= 12:
            return "month out of range"
        rest = rest[digits:]
    return f'extra text: "{rest}"' if rest else "day out of range"


_SCALARS: Mapping[str, Callable[[str], Any]] = {"str": str, "int": _int, "bool": _bool, "time": _time}
