"""How a map is laid over another: maps merge, lists and scalars replace, `null` takes out, opaque JSON is a scalar."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from billing_as_code.kinds.base import Kind
from billing_as_code.reader import Block

OPAQUE = None


class Shape:
    """What a map in a section is: keys of a kind's path, or fields; it decides what of it merges.

    `below` gives the shape of an entry's value, `OPAQUE` where the value is replaced as a whole.
    """

    def __init__(self, levels: int, opaque: Iterable[tuple[str, ...]] = ()) -> None:
        self._levels = levels
        self._opaque = frozenset(opaque)

    @cached_property
    def _inner(self) -> Shape:
        return Shape(self._levels - 1, self._opaque)

    @cached_property
    def _named(self) -> dict[str, Shape | None]:
        named: dict[str, Shape | None] = {}
        for first in {path[0] for path in self._opaque}:
            rest = [path[1:] for path in self._opaque if path[0] == first]
            named[first] = OPAQUE if () in rest else Shape(0, rest)
        return named

    def below(self, key: str) -> Shape | None:
        return self._inner if self._levels else self._named.get(key, FREE)


FREE = Shape(0)
"""A map of which nothing is opaque."""


def shape_of(kind: Kind) -> Shape:
    """The shape of a kind's section."""
    return Shape(len(kind.keys), _opaque(kind))


def shape_of_one(kind: Kind) -> Shape:
    """The shape of a kind's resource."""
    return Shape(0, _opaque(kind))


def _opaque(kind: Kind) -> Iterable[tuple[str, ...]]:
    return (tuple(field.name.split(".")) for field in kind.fields if field.opaque)


def merge(lower: Block, upper: Block, shape: Shape, *, keep_nulls: bool = False) -> Block:
    """`upper` laid over `lower`; every entry keeps the place where its value was written.

    With `keep_nulls` a null stays in the result, for a layer below that it is to take something out of.
    """
    merged = Block(upper.file, upper.place)
    for key, value, key_place, value_place in lower.entries():
        if key not in upper:
            merged.put(key, value, key_place, value_place)
            continue
        over, inner = upper[key], shape.below(key)
        if over is None and not keep_nulls:
            continue
        if inner is not OPAQUE and isinstance(value, Block) and isinstance(over, Block):
            over = merge(value, over, inner, keep_nulls=keep_nulls)
        merged.put(key, over, key_place, upper.value_place(key))
    for key, value, key_place, value_place in upper.entries():
        if key not in lower:
            merged.put(key, value, key_place, value_place)
    return merged
