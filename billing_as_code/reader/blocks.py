"""What reading gives: maps and lists that know where they, their keys and their values stand."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeAlias

from billing_as_code.model import Place, place_of

Mark: TypeAlias = int | Place
"""A place in a block's own file (line and column from 0, packed: there may be a million), or one in any."""

Marks: TypeAlias = "list[Mark] | array[int]"
"""An array where it was read, a quarter of a list's size."""

_COLUMN = 32


def packed(line: int, column: int) -> int:
    """A mark of a place in the block's own file."""
    return line << _COLUMN | column


class Origin:
    """Where maps and lists came from that were read without their places: `again` reads them with these."""

    def __init__(self, file: str, again: Callable[[], Block]) -> None:
        self.file = file
        self._again = again

    @cached_property
    def marks(self) -> list[tuple[Mark, Marks]]:
        """Of each map and list, in the order in which they begin, where it and its entries stand."""
        marks: list[tuple[Mark, Marks]] = []

        def walk(value: Any) -> None:
            if isinstance(value, (Block, Items)):
                marks.append((value.at, value.marks))
                for inner in value.values() if isinstance(value, Block) else value:
                    walk(inner)

        walk(self._again())
        return marks


class _Placed:
    """What a map and a list share. Without places, `file`, `at` and `marks` are found when they are asked for."""

    __slots__ = ()

    file: str
    at: Mark
    marks: Marks
    origin: Origin
    number: int
    """Of all maps and lists of the file, in the order in which they begin."""

    def __getattr__(self, name: str) -> Any:
        # only called for what is not there
        if name not in ("file", "at", "marks"):
            raise AttributeError(name)
        found: dict[str, Any] = {"file": self.origin.file}
        if name != "file":
            found["at"], found["marks"] = self.origin.marks[self.number]
        for each, value in found.items():
            setattr(self, each, value)
        return found[name]

    @property
    def place(self) -> Place:
        return _place(self.file, self.at)


class Block(dict[str, Any], _Placed):
    """A mapping that knows where it, its keys and its values stand. One made by hand grows by `put` alone."""

    __slots__ = ("at", "file", "key_at", "marks", "number", "origin")

    key_at: int
    """The mark of the key that leads here; only where it was read without places."""

    def __init__(self, file: str, at: Mark) -> None:
        self.file = file
        self.at = at
        self.marks: Marks = []

    def put(self, key: str, value: Any, key_mark: Mark, value_mark: Mark) -> None:
        """Append an entry that is not there yet."""
        self[key] = value
        assert isinstance(self.marks, list)
        self.marks += (key_mark, value_mark)

    def key_place(self, key: str) -> Place:
        return _place(self.file, self.marks[2 * list(self).index(key)])

    def value_place(self, key: str) -> Place:
        return _place(self.file, self.marks[2 * list(self).index(key) + 1])

    def entries(self) -> Iterator[tuple[str, Any, Place, Place]]:
        """Key, value and the places of both."""
        for i, (key, value) in enumerate(self.items()):
            yield key, value, _place(self.file, self.marks[2 * i]), _place(self.file, self.marks[2 * i + 1])

    def keyed(self) -> Iterator[tuple[str, Any, Place]]:
        """Key, value and the key's place. Of a map that was read without places, this asks for none as long as its
        values are maps."""
        at_hand = hasattr(self, "key_at")
        for i, (key, value) in enumerate(self.items()):
            mark = value.key_at if at_hand and value.__class__ is Block else self.marks[2 * i]
            yield key, value, _place(self.file, mark)


class Items(list[Any], _Placed):
    """A sequence that knows where it and its entries stand. Not to be changed once it is made."""

    __slots__ = ("at", "file", "marks", "number", "origin")

    def __init__(self, file: str, at: Mark) -> None:
        self.file = file
        self.at = at
        self.marks: Marks = []

    def item_place(self, index: int) -> Place:
        return _place(self.file, self.marks[index])


def _place(file: str, mark: Mark) -> Place:
    return mark if isinstance(mark, Place) else place_of((file, (mark >> _COLUMN) + 1, (mark & (2**_COLUMN - 1)) + 1))


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
