"""What lists of plans are asked for, as SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..operation import Call
from ..problems import DomainProblem

STATUSES = ("draft", "active", "archived", "scheduled")
ORDERS = ("id", "key", "version", "created_at", "updated_at")
_STATUS_SQL = {
    "draft": "(effective_from IS NULL AND effective_to IS NULL)",
    "active": "(effective_from <= :now AND (effective_to >= :now OR effective_to IS NULL))",
    "archived": "(effective_to < :now)",
    "scheduled": "(effective_from > :now)",
}
# Where a sort leaves an order open: by key PostgreSQL goes along the index of versions, else it finds plans in the
# order of their last change.
_TIES = {"key": "version {0}, id", "version": "updated_at, id", "created_at": "id", "updated_at": "id"}
_KEY_VERSION = re.compile(r"keyVersion\[([^\]]*)\](.*)")


def of_statuses(statuses: Iterable[str], now: str) -> str:
    """A condition on the status of a plan at a time in the database's form; none at all is any."""
    conditions = [_STATUS_SQL[status].replace(":now", f"'{now}'") for status in statuses]
    return f"({' OR '.join(conditions)})" if conditions else "1"


def ordered(column: str, direction: str) -> str:
    """An order of plans, down to the last."""
    return f"{column} {direction}" + (f", {_TIES[column].format(direction)}" if column in _TIES else "")


def key_versions(call: Call) -> dict[str, list[int]]:
    """v1's `keyVersion[key][0]=number`; 400 for other forms."""
    found: dict[str, list[int]] = {}
    for name, values in call.raw_query.items():
        match = _KEY_VERSION.fullmatch(name)
        if match is None:
            continue
        key, index = match.groups()
        if not re.fullmatch(r"\[\d+\]", index):
            raise _unreadable(f"path {key}: array items must be set with indexes")
        if not re.fullmatch(r"[+-]?\d+", values[0]):
            raise _unreadable(f"path {key}.{index[1:-1]}: value {values[0]}: an invalid integer: invalid syntax")
        version = int(values[0])
        if not -(2**63) <= version < 2**63:
            raise _unreadable(f"path {key}.{index[1:-1]}: value {values[0]}: an invalid integer: value out of range")
        found.setdefault(key, []).append(version)
    return found


def where_v1(query: Mapping[str, Any], of_keys: Mapping[str, list[int]], now: str) -> tuple[str, list[Any]]:
    """v1's filters: those on identity and currency are alternatives to each other. Plans beyond v1 are left out."""
    alternatives: list[str] = []
    parameters: list[Any] = []
    for name, column in (("id", "id"), ("key", "key")):
        _one_of(column, query[name] or (), alternatives, parameters)
    for key, numbers in of_keys.items():
        alternatives.append(f"(key = ? AND version IN ({', '.join('?' * len(numbers))}))")
        parameters += [key, *numbers]
    _one_of("currency", query["currency"] or (), alternatives, parameters)
    conditions = ["NOT is_beyond_v1", of_statuses(query["status"] or (), now)]
    if alternatives:
        conditions.append(f"({' OR '.join(alternatives)})")
    if not query["includeDeleted"]:
        conditions.append("deleted_at IS NULL")
    return " AND ".join(conditions), parameters


def _one_of(column: str, values: Iterable[str], conditions: list[str], parameters: list[Any]) -> None:
    wanted = list(values)
    if wanted:
        conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
        parameters += wanted


def _unreadable(why: str) -> DomainProblem:
    return DomainProblem(400, f'parameter "keyVersion" in query has an error: {why}', traced=False)
