"""Values first, places when somebody asks: most files are right, and nobody asks where anything in them stands.

What is out of the ordinary (an anchor, a tag, a key that stands twice, anything wrong) is left to `building`, which is
the authority on what a file says; this reads the rest of YAML, to the same values, in two thirds of its time.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern
from typing import Any

from yaml.events import (
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from billing_as_code.reader.blocks import Block, Items, Origin
from billing_as_code.reader.scalars import Scalars

_OFTEN = 2**11 - 1


class OddError(Exception):
    """The file holds something that this does not read."""


def values(following: Callable[[], Any], origin: Origin, most_depth: int, most_events: int) -> Block | None:
    """The values of a file's events, None where it is empty. Raises OddError, and what libyaml raises."""
    following()  # the stream's start
    if type(following()) is StreamEndEvent:
        return None
    root = following()
    if type(root) is not MappingStartEvent or root.anchor is not None or root.tag is not None:
        raise OddError
    block = _reading(following, origin, most_depth, most_events)
    if type(following()) is not DocumentEndEvent or type(following()) is not StreamEndEvent:
        raise OddError
    return block


def _reading(following: Callable[[], Any], origin: Origin, most_depth: int, most_events: int) -> Block:
    # Closures, not methods: this runs for every key of every file, and a local costs less than an attribute
    plain = Scalars()
    events = number = 0

    def count(more: int) -> None:
        nonlocal events
        events += more
        if events > most_events:
            raise OddError

    def collection(event: Any, depth: int, key_at: int) -> Any:
        if event.anchor is not None or event.tag is not None or depth > most_depth:
            raise OddError
        kind = type(event)
        if kind is MappingStartEvent:
            return mapping(depth, key_at)
        if kind is SequenceStartEvent:
            return sequence(depth)
        raise OddError

    def mapping(depth: int, key_at: int) -> Block:
        nonlocal number
        block: Block = Block.__new__(Block)
        block.origin, block.number, block.key_at = origin, number, key_at
        number += 1
        while type(key_event := following()) is ScalarEvent:
            key = key_event.value
            if key in block or key_event.anchor is not None:
                raise OddError
            event = following()
            if type(event) is ScalarEvent:
                if event.anchor is not None or event.tag is not None:
                    raise OddError
                block[intern(key)] = plain[event.value] if event.implicit[0] else event.value
            else:
                mark: Any = key_event.start_mark
                block[intern(key)] = collection(event, depth + 1, mark.line << 32 | mark.column)
            if not len(block) & _OFTEN:  # a map may be the whole file
                count(2 * _OFTEN + 2)
        if type(key_event) is not MappingEndEvent or "<<" in block or "" in block:
            raise OddError
        count(2 * (len(block) & _OFTEN) + 2)
        return block

    def sequence(depth: int) -> Items:
        nonlocal number
        items: Items = Items.__new__(Items)
        items.origin, items.number = origin, number
        number += 1
        while type(event := following()) is not SequenceEndEvent:
            if type(event) is ScalarEvent:
                if event.anchor is not None or event.tag is not None:
                    raise OddError
                items.append(plain[event.value] if event.implicit[0] else event.value)
            else:
                items.append(collection(event, depth + 1, 0))
            if not len(items) & _OFTEN:
                count(_OFTEN + 1)
        count((len(items) & _OFTEN) + 2)
        return items

    return mapping(1, 0)
