"""Filters on one text or time: OpenMeter's FilterString and FilterTime (pkg/filter/filter.go).

A filter has at most one operator; `and` and `or` hold further filters. Operators are named here as in the
source (`eq`, `ne`, `in`, `nin`, `like`, ...): v1 writes them with a `$`, v3 in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .aggregation import unix
from .clock import parse_rfc3339

UNLIMITED = 1 << 30

MULTIPLE_OPERATORS = "filter is invalid: multiple operators are set"
TOO_DEEP = "filter complexity exceeds maximum allowed depth"
FORMAT_MISMATCH = "filter is invalid: format mismatch"

_OPERATORS = (
    *("eq", "ne", "exists", "in", "nin", "like", "nlike", "ilike", "nilike", "contains", "ncontains"),
    *("gt", "gte", "lt", "lte", "and", "or"),
)
_NOT_IN_V1 = ("exists", "contains", "ncontains")
_V3_OPERATORS = {"neq": "ne", "contains": "like", "ncontains": "nlike"}
_COMPARISONS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PATTERNS = {
    "like": ("", "matches_like"),
    "nlike": ("NOT ", "matches_like"),
    "ilike": ("", "matches_like_anycase"),
    "nilike": ("NOT ", "matches_like_anycase"),
    "contains": ("", "contains_anycase"),
    "ncontains": ("NOT ", "contains_anycase"),
}

Sql = tuple[str, list[Any]]


@dataclass(frozen=True)
class Filter:
    """What was asked of one field: operator to value, in the order of the source's struct."""

    operators: tuple[tuple[str, Any], ...] = ()

    @property
    def empty(self) -> bool:
        return not self.operators

    def get(self, operator: str) -> Any:
        """The value of an operator, or None."""
        return dict(self.operators).get(operator)

    def problem(self, depth: int = UNLIMITED) -> str | None:
        """What OpenMeter finds wrong with the filter, or None."""
        if len(self.operators) > 1:
            return MULTIPLE_OPERATORS
        for operator, value in self.operators:
            if "" in (value if operator in ("in", "nin") else [value]):
                return FORMAT_MISMATCH
            if operator not in ("and", "or"):
                continue
            if depth <= 0:
                return TOO_DEEP
            for child in value:
                if (problem := child.problem(depth - 1)) is not None:
                    return str(problem)
        return None

    def sql(self, column: str) -> Sql | None:
        """A condition on the column (an SQL expression without parameters), or None when all rows match."""
        if self.empty:
            return None
        operator, value = self.operators[0]
        if operator in ("and", "or"):
            return _joined([child.sql(column) for child in value], operator.upper())
        if operator == "exists":
            return f"{column} IS {'NOT ' if value else ''}NULL", []
        if operator in ("in", "nin"):
            negation = "NOT " if operator == "nin" else ""
            return f"{column} {negation}IN ({', '.join('?' * len(value))})", list(value)
        if operator in _PATTERNS:
            negation, function = _PATTERNS[operator]
            return f"{negation}{function}({column}, ?)", [value]
        return f"{column} {_COMPARISONS[operator]} ?", [unix(value) if isinstance(value, datetime) else value]


def _joined(parts: Sequence[Sql | None], word: str) -> Sql | None:
    given = [part for part in parts if part is not None]
    if not given:
        return None
    parameters = [value for _, values in given for value in values]
    return "(" + f" {word} ".join(sql for sql, _ in given) + ")", parameters


def from_model(document: Mapping[str, Any]) -> Filter:
    """Read a filter as OpenMeter stores it (`{"$eq": …}`, as features have them)."""
    return _from_dollars(document, _OPERATORS)


def from_v1(document: Mapping[str, Any]) -> Filter:
    """Read a v1 filter; what is null or that v1 does not know does not count, as in the Go struct."""
    return _from_dollars(document, tuple(operator for operator in _OPERATORS if operator not in _NOT_IN_V1))


def _from_dollars(document: Mapping[str, Any], known: Sequence[str]) -> Filter:
    found: list[tuple[str, Any]] = []
    for operator in known:
        value = document.get("$" + operator)
        if value is None:
            continue
        if operator in ("and", "or"):
            value = tuple(_from_dollars(child, known) for child in value)
        found.append((operator, value))
    return Filter(tuple(found))


def times_from_v1(document: Mapping[str, Any]) -> Filter:
    """Read a v1 filter of a time: comparisons, `and` and `or`."""
    found: list[tuple[str, Any]] = []
    for operator in ("gt", "gte", "lt", "lte", "and", "or"):
        value = document.get("$" + operator)
        if value is None:
            continue
        nested = operator in ("and", "or")
        found.append((operator, tuple(map(times_from_v1, value)) if nested else parse_rfc3339(value)))
    return Filter(tuple(found))


def from_v3(document: Mapping[str, Any]) -> Filter:
    """Read a v3 query filter (api/v3/request/filter.go): `contains` becomes a `like` of its literal text."""
    found: list[tuple[str, Any]] = []
    for name, value in document.items():
        operator = _V3_OPERATORS.get(name, name)
        if name in ("contains", "ncontains"):
            value = contains_pattern(value)
        found.append((operator, tuple(map(from_v3, value)) if operator in ("and", "or") else value))
    return Filter(tuple(found))


def contains_pattern(text: str) -> str:
    """The LIKE pattern that finds the text literally."""
    for character in ("\\", "%", "_"):
        text = text.replace(character, "\\" + character)
    return f"%{text}%"
