"""Values as a person would write them: short maps and lists on one line, everything else in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from billing_as_code.authoring.scalars import literal, scalar

WIDTH = 110
INDENT = 2
_FIELDS_ON_A_LINE = 2


class Group(dict[str, Any]):
    """A map of keys that lead to resources: always a block."""


class Fields(dict[str, Any]):
    """A resource: on one line where it says little."""


def lines(group: dict[str, Any], indent: int = 0) -> Iterator[str]:
    """A map as a block, without line ends."""
    for key, value in group.items():
        yield from entry(key, value, indent)


def entry(key: str, value: Any, indent: int) -> Iterator[str]:
    """One entry of a block."""
    head = " " * indent + scalar(key) + ":"
    one = scalar(value, in_block=True) if isinstance(value, str) else flow(value)
    if _is_line(value, len(head) + 1 + len(one)):
        yield f"{head} {one}"
    elif isinstance(value, dict):
        yield head
        yield from lines(value, indent + INDENT)
    elif isinstance(value, list):
        yield head
        yield from _items(value, indent + INDENT)
    elif isinstance(value, str) and (block := literal(value)) is not None:
        yield f"{head} {block[0]}"
        yield from (f"{' ' * (indent + INDENT)}{row}" if row else "" for row in block[1])
    else:
        yield f"{head} {one}"


def flow(value: Any) -> str:
    """Any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def _is_line(value: Any, width: int) -> bool:
    match value:
        case Group():
            return not value
        case Fields() if len(value) > _FIELDS_ON_A_LINE:
            return False
        case dict() | list():
            return not value or width <= WIDTH
        case str():
            return "\n" not in value
    return True


def _items(values: Iterable[Any], indent: int) -> Iterator[str]:
    for value in values:
        one = flow(value)
        if not isinstance(value, dict) or indent + INDENT + len(one) <= WIDTH:
            yield f"{' ' * indent}- {one}"
            continue
        first, *rest = lines(value, indent + INDENT)
        yield f"{' ' * indent}- {first.lstrip()}"
        yield from rest
