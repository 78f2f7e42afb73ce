"""v3's `filter[field][operator]=value` parameters (`api/v3/filters`), as conditions in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import parse_rfc3339
from .ids import is_ulid
from .parameters import BindError, Query
from .problems import invalid_query

_MAX_ITEMS = 50
_MAX_LENGTH = 1024
_STRING = ("eq", "neq", "contains", "gt", "gte", "lt", "lte", "oeq", "ocontains", "exists", "nexists")
_EXACT = ("eq", "neq", "oeq")
_TIMES = ("eq", "gt", "gte", "lt", "lte")
_OPERATORS = {"string": _STRING, "exact": _EXACT, "ulid": _EXACT, "datetime": _TIMES}
_TRUE = ("", "1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


@dataclass
class FieldFilter:
    """The operators given for one field, with their values; `exists` is a bool, `oeq` and `ocontains` lists."""

    operators: dict[str, Any] = field(default_factory=dict)

    def fault(self, kind: str) -> str | None:
        """Why OpenMeter refuses the values (`pkg/filter`): an empty text, or no ULID where one is wanted."""
        for value in self.operators.values():
            texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
            if any(not (is_ulid(text.upper()) if kind == "ulid" else text) for text in texts):
                return "validation error: filter is invalid: format mismatch"
        return None

    def condition(self, column: str) -> tuple[str, list[Any]]:
        """An SQL condition on a column, and its parameters."""
        parts: list[str] = []
        parameters: list[Any] = []
        for operator, value in self.operators.items():
            part, values = _CONDITIONS[operator](column, value)
            if part:
                parts.append(part)
                parameters.extend(values)
        return " AND ".join(parts) or "1", parameters


def filters_of(kinds: Mapping[str, str]) -> Callable[[Query], dict[str, FieldFilter]]:
    """A reader of the filters of a list with these fields; a kind is string, exact, ulid or datetime."""

    def read(query: Query) -> dict[str, FieldFilter]:
        _refuse_unknown(query, kinds)
        found: dict[str, FieldFilter] = {}
        for name, kind in kinds.items():
            operators = _read_field(query, name, kind)
            if operators:
                found[name] = FieldFilter(operators)
        return found

    return read


def _refuse_unknown(query: Query, kinds: Mapping[str, str]) -> None:
    unknown = set()
    for key in query:
        if not key.startswith("filter["):
            continue
        name, bracket, _ = key.removeprefix("filter[").partition("]")
        base = name.split(".")[0] or name
        if name and bracket and base not in kinds:
            unknown.add(name)
    if unknown:
        raise BindError("filter", f"unknown filter field(s): {', '.join(sorted(unknown))}")


def _read_field(query: Query, name: str, kind: str) -> dict[str, Any]:
    prefix = f"filter[{name}]"
    operators: dict[str, Any] = {}
    if not any(key == prefix or key.startswith(prefix + "[") for key in query):
        return operators
    for key, values in query.items():
        if not key.startswith(prefix):
            continue
        value = _single(key, values)
        rest = key[len(prefix) :]
        if rest == "" and value == "" and kind == "string":
            operators["exists"] = True
            continue
        if rest == "" and value == "" and kind == "datetime":
            raise BindError("filter", f"filter[{name}]: empty datetime value")
        operator = _operator(key, rest)
        if operator not in _OPERATORS[kind]:
            raise BindError("filter", f"filter[{name}][{operator}]: unsupported operator")
        _add(operators, name, operator, _moment(name, operator, value) if kind == "datetime" else value)
    return {operator: operators[operator] for operator in _STRING if operator in operators}


def _moment(name: str, operator: str, value: str) -> datetime:
    moment = parse_rfc3339(value)
    if moment is None:
        raise BindError("filter", f"filter[{name}][{operator}]: invalid datetime")
    return moment


def _add(operators: dict[str, Any], name: str, operator: str, value: Any) -> None:
    if operator in ("oeq", "ocontains"):
        items = [item.strip() for item in value.split(",") if item.strip()]
        if len(items) > _MAX_ITEMS:
            message = f"too many comma-separated items (max {_MAX_ITEMS})"
            raise BindError("filter", f"filter[{name}][{operator}]: {message}")
        if items:
            operators[operator] = items
    elif operator in ("exists", "nexists"):
        if value not in _TRUE + _FALSE:
            raise BindError("filter", f'filter[{name}][{operator}]: invalid boolean "{value}"')
        operators["exists"] = (value in _TRUE) == (operator == "exists")
    else:
        operators[operator] = value


def _single(key: str, values: Any) -> str:
    if len(values) > 1:
        message = f"repeated query parameter not allowed (got {len(values)} values)"
        raise BindError("filter", f'filter parameter "{key}": {message}')
    value: str = values[0]
    if len(value.encode()) > _MAX_LENGTH:
        raise BindError("filter", f'filter parameter "{key}": value too long (max {_MAX_LENGTH} bytes)')
    return value


def _operator(key: str, rest: str) -> str:
    if not rest:
        return "eq"
    if not (rest.startswith("[") and rest.endswith("]")):
        raise BindError("filter", f'invalid filter parameter "{key}": malformed operator segment "{rest}"')
    if len(rest) == 2:
        raise BindError("filter", f'invalid filter parameter "{key}": empty operator in "{rest}"')
    return rest[1:-1]


def _comparison(sign: str) -> Callable[[str, Any], tuple[str, list[Any]]]:
    return lambda column, value: (f"{column} {sign} ?", [value])


def _any_contains(column: str, values: list[str]) -> tuple[str, list[Any]]:
    return "(" + " OR ".join(f"contains_fold({column}, ?)" for _ in values) + ")", values


_CONDITIONS: Mapping[str, Callable[[str, Any], tuple[str, list[Any]]]] = {
    "eq": _comparison("="),
    "neq": _comparison("<>"),
    "gt": _comparison(">"),
    "gte": _comparison(">="),
    "lt": _comparison("<"),
    "lte": _comparison("<="),
    "contains": lambda column, value: (f"contains_fold({column}, ?)", [value]),
    "exists": lambda column, value: (f"{column} IS {'NOT ' if value else ''}NULL", []),
    "oeq": lambda column, values: (f"{column} IN ({', '.join('?' * len(values))})", list(values)),
    "ocontains": _any_contains,
}


def where_of(filters: Mapping[str, FieldFilter], columns: Mapping[str, str]) -> tuple[str, list[Any]]:
    """All filters as one SQL condition with its parameters."""
    parts: list[str] = []
    parameters: list[Any] = []
    for name, found in filters.items():
        part, values = found.condition(columns[name])
        parts.append(part)
        parameters.extend(values)
    return " AND ".join(parts) or "1", parameters


def statuses_of(filters: Mapping[str, FieldFilter], of: str, known: Sequence[str]) -> list[str]:
    """The states asked for with `filter[status]`, which takes `eq` and `oeq` alone (FromAPIStatusFilter)."""
    if "status" not in filters:
        return []
    operators = filters["status"].operators
    if "neq" in operators:
        raise invalid_query("filter[status]", "only eq and oeq operators are supported for status")
    asked = [operators["eq"]] if "eq" in operators else []
    asked += operators.get("oeq", [])
    unknown = [f"invalid {of} status: {status}" for status in asked if status not in known]
    if unknown:
        raise invalid_query("filter[status]", "validation error: " + "\n".join(unknown))
    return asked
