"""YAML text to a tree that knows from where to where everything stands: what an edit of the text needs.

Only for text that `read` takes without a problem. Aliases stay aliases here, and know what they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from billing_as_code.reader.building import FAST
from billing_as_code.reader.scalars import plain_value, tagged_value

_Events: Any = yaml.CSafeLoader if FAST else yaml.SafeLoader


@dataclass(slots=True, eq=False)
class Node:
    """Something in a text: `start` and `end` count characters, `column` from 0.

    `start` is where its anchor or tag stands, if it has one. `end` is behind its last character; comments and blank
    lines that follow are not part of it.
    """

    start: int
    end: int
    line: int
    column: int
    anchor: str | None = None


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A text, number, boolean or null."""

    value: Any = None
    """As `read` would give it."""


@dataclass(slots=True, eq=False)
class Alias(Node):
    """`*name`."""

    target: Node | None = None


@dataclass(slots=True, eq=False)
class Map(Node):
    """A mapping. `flow` is one in braces."""

    flow: bool = False
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    """By key: the key and the value."""


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list. `flow` is one in brackets."""

    flow: bool = False
    items: list[Node] = field(default_factory=list)


def extents(text: str) -> Map | None:
    """The tree of a file's text, None where it says nothing."""
    reading = _Reading(text)
    root = reading.document()
    return root if isinstance(root, Map) else None


def walk(node: Node) -> Iterator[Node]:
    """A node and everything in it; what an alias stands for is not."""
    yield node
    if isinstance(node, Map):
        for _, value in node.entries.values():
            yield from walk(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from walk(item)


def plain(node: Node) -> Any:
    """What a node says, as plain dicts and lists, aliases written out."""
    match node:
        case Scalar():
            return node.value
        case Map():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
        case Sequence():
            return [plain(item) for item in node.items]
        case Alias(target=Node() as target):
            return plain(target)
    return None


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._events = _Events(text)
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        self._event()
        if type(self._event()) is StreamEndEvent:
            return None
        return self._node(self._event())

    def _event(self) -> Any:
        return self._events.get_event()

    def _node(self, event: Any) -> Node:
        at = (event.start_mark.index, event.end_mark.index, event.start_mark.line, event.start_mark.column)
        match event:
            case AliasEvent():
                return Alias(*at, None, self._anchors[str(event.anchor)])
            case ScalarEvent():
                scalar = Scalar(*at, event.anchor, _value(event))
                if event.style in ("|", ">"):
                    scalar.end = self._end_of_block(scalar)
                return self._known(scalar)
            case MappingStartEvent():
                block = Map(*at, event.anchor, bool(event.flow_style))
                self._known(block)
                while type(key := self._event()) is not MappingEndEvent:
                    name = self._node(key)
                    assert isinstance(name, Scalar)
                    value = self._node(self._event())
                    block.entries[key.value] = (name, value)
                    block.end = max(name.end, value.end)
                block.end = _stop(key) if block.flow else block.end
                return block
        items = Sequence(*at, event.anchor, event.flow_style)
        self._known(items)
        while type(item := self._event()) is not SequenceEndEvent:
            items.items.append(self._node(item))
            items.end = max(items.end, items.items[-1].end)
        items.end = _stop(item) if items.flow else items.end
        return items

    def _end_of_block(self, scalar: Scalar) -> int:
        """Without the blank lines behind a text block, unless they are part of it (`|+`)."""
        header, _, body = self._text[scalar.start : scalar.end].partition("\n")
        return scalar.end if "+" in header or not body.strip() else scalar.start + len(header) + 1 + len(body.rstrip())

    def _known(self, node: Node) -> Node:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        return node


def _value(event: Any) -> Any:
    if event.tag == "!" or (event.tag is None and not event.implicit[0]):
        return event.value
    return plain_value(event.value) if event.tag is None else tagged_value(event.tag, event.value)


def _stop(event: Any) -> int:
    return int(event.end_mark.index)
