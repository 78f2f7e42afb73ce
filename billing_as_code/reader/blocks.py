"""What reading gives: maps and lists that know where they, their keys and their values stand."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from typing import Any, TypeAlias

from billing_as_code.model import Place

Mark: TypeAlias = int | Place
"""A place in a block's own file (line and column from 0, packed: there may be a million), or one in any."""

Marks: TypeAlias = "list[Mark] | array[int]"
"""An array where it was read, a quarter of a list's size."""

_COLUMN = 32


def packed(line: int, column: int) -> int:
    """A mark of a place in the block's own file."""
    return line << _COLUMN | column


class Block(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand. One made by hand grows by `put` alone."""

    __slots__ = ("at", "file", "marks")

    def __init__(self, file: str, at: Mark) -> None:
        self.file = file
        self.at = at
        self.marks: Marks = []

    def put(self, key: str, value: Any, key_mark: Mark, value_mark: Mark) -> None:
        """Append an entry that is not there yet."""
        self[key] = value
        assert isinstance(self.marks, list)
        self.marks += (key_mark, value_mark)

    @property
    def place(self) -> Place:
        return _place(self.file, self.at)

    def key_place(self, key: str) -> Place:
        return _place(self.file, self.marks[2 * list(self).index(key)])

    def value_place(self, key: str) -> Place:
        return _place(self.file, self.marks[2 * list(self).index(key) + 1])

    def entries(self) -> Iterator[tuple[str, Any, Place, Place]]:
        """Key, value and the places of both."""
        for i, (key, value) in enumerate(self.items()):
            yield key, value, _place(self.file, self.marks[2 * i]), _place(self.file, self.marks[2 * i + 1])


class Items(list[Any]):
    """A sequence that knows where it and its entries stand. Not to be changed once it is made."""

    __slots__ = ("at", "file", "marks")

    def __init__(self, file: str, at: Mark) -> None:
        self.file = file
        self.at = at
        self.marks: Marks = []

    @property
    def place(self) -> Place:
        return _place(self.file, self.at)

    def item_place(self, index: int) -> Place:
        return _place(self.file, self.marks[index])


def _place(file: str, mark: Mark) -> Place:
    return mark if isinstance(mark, Place) else Place(file, (mark >> _COLUMN) + 1, (mark & (2**_COLUMN - 1)) + 1)


def describe(value: Any) -> str:
    """What sort of value somebody wrote, in words: it is ..."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "a map"


def shown(text: str) -> str:
    """A text from a file as a message may show it: short, and nothing in it that a terminal would act on."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return short if short.isprintable() else json.dumps(short)[1:-1]
