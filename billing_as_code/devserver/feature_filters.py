"""The filters of a feature: which events of its meter count for it.

They are stored as OpenMeter's own model of them, `{dimension: {"$eq": …}}` (`pkg/filter`), in which v1 speaks too.
v3 has other names, and `contains` where v1 has a LIKE pattern (`api/v3/request/filter.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import DomainProblem, invalid

Filter = Mapping[str, Any]
Filters = Mapping[str, Filter]

_V1_OPERATORS = frozenset(
    ("$eq", "$ne", "$in", "$nin", "$like", "$nlike", "$ilike", "$nilike", "$gt", "$gte", "$lt", "$lte")
)
_LISTS = ("$and", "$or")
_V3_NAMES = {
    "exists": "$exists",
    "eq": "$eq",
    "neq": "$ne",
    "in": "$in",
    "nin": "$nin",
    "contains": "$like",
    "ncontains": "$nlike",
    "and": "$and",
    "or": "$or",
}
# The order of the fields in Go's struct, which shows in one error text.
_FIELDS = (
    *("$eq", "$ne", "$exists", "$in", "$nin", "$like", "$nlike", "$ilike", "$nilike"),
    *("$contains", "$ncontains", "$gt", "$gte", "$lt", "$lte", "$and", "$or"),
)


def from_v1(advanced: Filters | None, plain: Mapping[str, str] | None) -> dict[str, Any]:
    """The filters of a v1 body; advanced ones win, and operators that v1 does not know fall away."""
    if advanced:
        return {name: _known(found) for name, found in advanced.items()}
    return {name: {"$eq": value} for name, value in (plain or {}).items()}


def from_v3(filters: Filters | None) -> dict[str, Any]:
    """The filters of a v3 body."""
    return {name: _from_v3(found) for name, found in (filters or {}).items()}


def to_v1(filters: Filters) -> dict[str, Any]:
    """As v1 shows them."""
    return {name: _known(found) for name, found in filters.items()}


def to_v1_plain(filters: Filters) -> dict[str, str] | None:
    """As v1's older field shows them: only when every filter is an equality."""
    if all("$eq" in found for found in filters.values()):
        return {name: found["$eq"] for name, found in filters.items()}
    return None


def to_v3(filters: Filters) -> dict[str, Any]:
    """As v3 shows them."""
    return {name: _to_v3(found) for name, found in filters.items()}


def validate(filters: Filters, dimensions: Mapping[str, str]) -> None:
    """Refuse filters on what is no dimension of the meter, with several operators, or empty values."""
    for name, found in filters.items():
        if name not in dimensions:
            shown = " ".join(f"{key}:{_as_go_prints(value)}" for key, value in sorted(filters.items()))
            columns = " ".join(dimensions)
            raise DomainProblem(400, f"invalid filters for feature: map[{shown}], available columns: [{columns}]")
        _validate_one(found)


def _validate_one(found: Filter) -> None:
    if len(found) > 1:
        raise invalid("filter is invalid: multiple operators are set")
    for operator, value in found.items():
        values = value if operator in ("$in", "$nin") else [value]
        if operator not in _LISTS and "" in values:
            raise invalid("filter is invalid: format mismatch")
        for child in value if operator in _LISTS else ():
            _validate_one(child)


def _known(found: Filter) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for operator, value in found.items():
        if value is None:
            continue
        if operator in _V1_OPERATORS:
            known[operator] = value
        elif operator in _LISTS:
            known[operator] = [_known(child) for child in value]
    return known


def _from_v3(found: Filter) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, value in found.items():
        operator = _V3_NAMES[name]
        if operator in _LISTS:
            converted[operator] = [_from_v3(child) for child in value]
        else:
            converted[operator] = _pattern(value) if name in ("contains", "ncontains") else value
    return converted


def _to_v3(found: Filter) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, operator in _V3_NAMES.items():
        if operator not in found:
            continue
        value = found[operator]
        if operator in _LISTS:
            converted[name] = [_to_v3(child) for child in value]
        else:
            converted[name] = _text_of(value) if operator in ("$like", "$nlike") else value
    return converted


def _pattern(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _text_of(pattern: str) -> str:
    text = pattern.removeprefix("%").removesuffix("%")
    return text.replace("\\_", "_").replace("\\%", "%").replace("\\\\", "\\")


def _as_go_prints(found: Filter) -> str:
    """Go prints the addresses of what is set; here they are all one."""
    return "{" + " ".join("0xc000000000" if name in found else "<nil>" for name in _FIELDS) + "}"
