"""What is to become of a text: edits as one tree of keys, so that a text is walked once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from billing_as_code.reader import Alias, Map, Node

REMOVED = object()
"""The value of an edit that takes an entry out."""


class Edit(NamedTuple):
    """The value (plain JSON, or REMOVED) that is to stand at a path of keys, from the file's root."""

    path: tuple[str, ...]
    value: Any


class EditError(ValueError):
    """The text cannot be edited there; its text says why."""


class Leaf(NamedTuple):
    """The end of a path: what is to stand there."""

    value: Any


def tree(edits: Iterable[Edit]) -> dict[str, Any]:
    """The edits by key; every end is a `Leaf`. Raises EditError where two are in each other's way."""
    wanted: dict[str, Any] = {}
    for path, value in edits:
        into = wanted
        for key in path[:-1]:
            into = into.setdefault(key, {})
            if not isinstance(into, dict):
                raise EditError(f"two edits of one place: {'.'.join(path)}")
        if path[-1] in into:
            raise EditError(f"two edits of one place: {'.'.join(path)}")
        into[path[-1]] = Leaf(value)
    return wanted


def real(node: Node | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The edits without those that take out what is not there."""
    while isinstance(node, Alias):
        node = node.target
    entries = node.entries if isinstance(node, Map) else {}
    there: dict[str, Any] = {}
    for key, want in wanted.items():
        value = entries[key][1] if key in entries else None
        if not isinstance(want, Leaf):
            if inner := real(value, want):
                there[key] = inner
        elif value is not None or want.value is not REMOVED:
            there[key] = want
    return there


def patched(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A plain map with edits in it."""
    out = dict(value)
    for key, want in wanted.items():
        if isinstance(want, Leaf):
            if want.value is REMOVED:
                out.pop(key, None)
            else:
                out[key] = want.value
        else:
            inner = out.get(key)
            out[key] = patched(inner if isinstance(inner, dict) else {}, want)
    return out
