"""Functions that SQLite lacks and that a query needs in order to answer as ClickHouse does.

The store makes every connection know `FUNCTIONS`: (name in SQL, number of arguments, function), all of them
deterministic, and `AGGREGATES`: (name, number of arguments, class).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .jsonpath import json_value

_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def float_or_null(text: str | None) -> float | None:
    """`ifNotFinite(toFloat64OrNull(text), NULL)`: the whole text must be a finite number."""
    if text is None or _FLOAT.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def matches_like(text: str | None, pattern: str) -> bool:
    """`LIKE` as ClickHouse has it: case counts, `\\` escapes, `%` and `_` also match line ends."""
    return text is not None and _like(pattern).fullmatch(text) is not None


def matches_like_anycase(text: str | None, pattern: str) -> bool:
    """`LOWER(text) LIKE LOWER(pattern)`: ClickHouse's `lower` changes ASCII letters only."""
    return text is not None and _like(_lower(pattern)).fullmatch(_lower(text)) is not None


def contains_anycase(text: str | None, part: str) -> bool:
    """`positionCaseInsensitive(text, part) > 0`."""
    return text is not None and _lower(part) in _lower(text)


def _json_text(data: str | None, path: str) -> str:
    return json_value(data or "", path)


_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _lower(text: str) -> str:
    return text.translate(_UPPER_TO_LOWER)


@lru_cache(maxsize=512)
def _like(pattern: str) -> re.Pattern[str]:
    parts, escaped = [], False
    for character in pattern:
        if escaped:
            # Only the wild cards and the escape itself can be escaped; before others the escape is literal.
            parts.append(re.escape(character if character in "%_\\" else "\\" + character))
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
    if escaped:
        parts.append(re.escape("\\"))
    return re.compile("".join(parts), re.DOTALL)


FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("json_text", 2, _json_text),
    ("float_or_null", 1, float_or_null),
    ("matches_like", 2, matches_like),
    ("matches_like_anycase", 2, matches_like_anycase),
    ("contains_anycase", 2, contains_anycase),
)


class FloatSum:
    """A sum by plain additions in order, as ClickHouse's of few rows; newer SQLite's own corrects the rounding."""

    def __init__(self) -> None:
        self._total: float | None = None

    def step(self, value: float | None) -> None:
        if value is not None:
            self._total = value if self._total is None else self._total + value

    def finalize(self) -> float | None:
        return self._total


AGGREGATES: tuple[tuple[str, int, Any], ...] = (("float_sum", 1, FloatSum),)
