"""YAML text to plain values that know where they stand.

One pass over libyaml's events gives the YAML 1.2 core schema, the place of every key and value, keys that
stand twice, and limits on depth, aliases and size: whatever the bytes are, `read` answers in bounded time and
memory.
"""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from sys import intern
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from billing_as_code.errors import Problem
from billing_as_code.model import Address, Place
from billing_as_code.reader import unplaced
from billing_as_code.reader.blocks import Block, Items, Origin, describe, packed, shown
from billing_as_code.reader.encoding import at_byte, not_utf8, text_at
from billing_as_code.reader.escapes import may_write_nul, nul_texts
from billing_as_code.reader.scalars import Scalars, tagged_value
from billing_as_code.reader.syntax import MOST_DEPTH, TOO_DEEP, explain, unreadable

FAST = hasattr(yaml, "CSafeLoader")
"""Whether libyaml itself reads; without it the same is read, some ten times slower."""
_Events: Any = yaml.CSafeLoader if FAST else yaml.SafeLoader

MOST_BYTES = 32 * 2**20
MOST_EVENTS = 750_000
MOST_PROBLEMS = 1_000

_CORE_MAP, _CORE_SEQ = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_OFTEN = 2**12 - 1
_BYTES_OF_AN_EVENT = 8


def read(file: str, data: bytes, *, places: bool = True) -> tuple[Block | None, list[Problem]]:
    """What a file says, and everything that is wrong with it. `file` is what problems call it.

    None where it says nothing (empty, comments only) or cannot be read at all. Of a key that stands twice the
    first value counts. The address of a problem is the dotted path of the mapping that it is in. Without `places` it is
    the same, faster, and read once more when somebody asks where something stands.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if len(data) > MOST_BYTES:
        problem = Problem(file, 0, 0, "", f"is larger than {MOST_BYTES // 2**20} MB", "split it")
        return None, [problem]
    wrong_byte = not_utf8(data)
    if wrong_byte is not None:
        remedy = "save it as UTF-8"
        return None, [at_byte(file, data, wrong_byte, "is not UTF-8 text", remedy)]
    problems: list[Problem] = []
    is_likely_too_much = len(data) >= _BYTES_OF_AN_EVENT * MOST_EVENTS
    if not places and not is_likely_too_much and not may_write_nul(data):
        with suppress(unplaced.OddError, yaml.YAMLError):
            origin = Origin(file, lambda: _again(file, data))
            return unplaced.values(_Events(data).get_event, origin, MOST_DEPTH, MOST_EVENTS), problems
    try:
        return _Building(file, data, problems).document(), problems
    except _StopError:
        pass
    except yaml.reader.ReaderError as error:
        said = unreadable(error.character)
        problems.append(at_byte(file, data, error.position, said.message, said.remedy))
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax(file, data, error))
    return None, problems


def _again(file: str, data: bytes) -> Block:
    block, problems = read(file, data)
    assert block is not None and not problems  # whatever is out of the ordinary was read with its places at once
    return block


class _StopError(Exception):
    """Nothing more can be made of the file; the reason is in the problems."""


class _Anchor(NamedTuple):
    value: Any
    events: int
    height: int


class _Building:
    """Builds the values of one file from its events."""

    def __init__(self, file: str, data: bytes, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self._data = data
        self._next: Callable[[], Any] = _Events(data).get_event
        self._plain = Scalars()
        self._anchors: dict[str, _Anchor | None] = {}
        self._path: list[str] = []
        self._events = 0
        self._deepest = 0

    def document(self) -> Block | None:
        self._next()  # the stream's start
        if type(self._next()) is StreamEndEvent:
            return None
        event = self._next()
        root = self._value(event, 1)
        end = self._next()
        assert type(end) is DocumentEndEvent
        following = self._next()
        if type(following) is DocumentStartEvent:
            self._problem(following, "a second document begins here", "one document per file; delete the `---` line")
        if isinstance(root, Block):
            self.problems += islice(nul_texts(root, self._data), MOST_PROBLEMS)
        if root is None or isinstance(root, Block):
            return root
        self._problem(event, f"is {describe(root)}, and must be a map", "write `key: value` lines")
        return None

    def _problem(self, event: Any, message: str, remedy: str) -> None:
        mark = event.start_mark
        self._report(Place(self.file, mark.line + 1, mark.column + 1), message, remedy)

    def _report(self, place: Place, message: str, remedy: str) -> None:
        path = str(Address(self._path[0], tuple(self._path[1:]))) if self._path else ""
        self.problems.append(Problem(*place, path, message, remedy))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _StopError

    def _stop(self, event: Any, message: str, remedy: str) -> _StopError:
        self._problem(event, message, remedy)
        return _StopError()

    # -- values ----------------------------------------------------------------------------------------------

    def _value(self, event: Any, depth: int) -> Any:
        """The value that begins with `event`; reads to its end."""
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth > MOST_DEPTH:
            self._path.clear()
            raise self._stop(event, TOO_DEEP.message, TOO_DEEP.remedy)
        if event.tag not in (None, "!", _CORE_MAP if kind is MappingStartEvent else _CORE_SEQ):
            self._unknown_tag(event)
        if event.anchor is not None:
            return self._anchored(event, depth)
        return self._mapping(event, depth) if kind is MappingStartEvent else self._sequence(event, depth)

    def _mapping(self, start: Any, depth: int) -> Block:
        block = Block(self.file, _packed(start))
        marks: Any = block.marks
        following, plain = self._next, self._plain
        if depth > self._deepest:
            self._deepest = depth
        while type(key_event := following()) is not MappingEndEvent:
            if type(key_event) is not ScalarEvent:
                self._no_key(key_event, depth)
                continue
            key = key_event.value
            event = following()
            if key in block:
                self._twice(key_event, block, key)
                self._value(event, depth + 1)
                continue
            kind = type(event)
            if kind is ScalarEvent and event.anchor is None and event.tag is None:
                value = plain[event.value] if event.implicit[0] else event.value
            elif kind is MappingStartEvent and event.anchor is None and event.tag is None and depth < MOST_DEPTH:
                self._path.append(key)
                value = self._mapping(event, depth + 1)
                self._path.pop()
            else:
                self._path.append(key)
                value = self._value(event, depth + 1)
                self._path.pop()
            key_mark: Any = key_event.start_mark
            value_mark: Any = event.start_mark
            marks.append(key_mark.line << 32 | key_mark.column)  # `packed`, without the call
            marks.append(value_mark.line << 32 | value_mark.column)
            block[intern(key)] = value
            if key_event.anchor is not None:
                self._anchors[key_event.anchor] = _Anchor(key, 1, 0)
            if not len(marks) & _OFTEN:  # a map may be the whole file
                self._count(_OFTEN + 1, start)
        block.marks = array("Q", marks)
        if "<<" in block or "" in block:
            self._odd_keys(block)
        self._count(len(marks) % (_OFTEN + 1) + 2, start)
        return block

    def _sequence(self, start: Any, depth: int) -> Items:
        items = Items(self.file, _packed(start))
        marks: Any = items.marks
        following, plain = self._next, self._plain
        if depth > self._deepest:
            self._deepest = depth
        while type(event := following()) is not SequenceEndEvent:
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                value = plain[event.value] if event.implicit[0] else event.value
            else:
                value = self._value(event, depth + 1)
            mark: Any = event.start_mark
            marks.append(mark.line << 32 | mark.column)
            items.append(value)
            if not len(marks) & _OFTEN:
                self._count(_OFTEN + 1, start)
        items.marks = array("Q", marks)
        self._count(len(marks) % (_OFTEN + 1) + 2, start)
        return items

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag == "!" or (event.tag is None and not event.implicit[0]):
            value = text
        elif event.tag is None:
            value = self._plain[text]
        else:
            value = self._tagged(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(value, 1, 0)
        return value

    def _count(self, events: int, event: Any) -> None:
        self._events += events
        if self._events > MOST_EVENTS:
            what = f"holds more than {MOST_EVENTS:,} keys and values, aliases written out"
            raise self._stop(event, what, "split the file, use fewer aliases")

    # -- anchors and aliases ---------------------------------------------------------------------------------

    def _anchored(self, event: Any, depth: int) -> Any:
        name, before, deepest = event.anchor, self._events, self._deepest
        self._anchors[name] = None
        self._deepest = depth
        value = self._mapping(event, depth) if type(event) is MappingStartEvent else self._sequence(event, depth)
        height = self._deepest - depth + 1
        self._deepest = max(deepest, self._deepest)
        self._anchors[name] = _Anchor(value, self._events - before, height)
        return value

    def _alias(self, event: Any, depth: int) -> Any:
        """The same value once more: shared, but counted as if it were written out."""
        name = event.anchor
        if name not in self._anchors:
            self._problem(event, f"alias `*{shown(name)}` has no anchor before it", f"define it with `&{shown(name)}`")
            return None
        anchor = self._anchors[name]
        if anchor is None:
            raise self._stop(event, f"alias `*{shown(name)}` stands in its own anchor", "write the value out")
        if depth + anchor.height > MOST_DEPTH + 1:
            raise self._stop(event, f"is nested deeper than {MOST_DEPTH} levels, aliases written out", "nest less")
        self._deepest = max(self._deepest, depth + anchor.height - 1)
        self._count(anchor.events, event)
        return anchor.value

    # -- what is wrong ---------------------------------------------------------------------------------------

    def _tagged(self, event: Any) -> Any:
        try:
            return tagged_value(event.tag, event.value)
        except LookupError:
            self._unknown_tag(event)
        except ValueError:
            tag = event.tag.rpartition(":")[2]
            self._problem(event, f"`{shown(event.value)}` is no {tag}, as its tag `!!{tag}` says", "leave the tag out")
        return event.value

    def _unknown_tag(self, event: Any) -> None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._problem(event, f"the tag `{shown(tag)}` means nothing here", "leave it out; quotes make a text")

    def _no_key(self, event: Any, depth: int) -> None:
        """A key that is no text is told and, with its value, left out."""
        if type(event) is AliasEvent:
            self._problem(event, f"a key cannot be an alias (`*{shown(str(event.anchor))}`)", "write the key out")
        else:
            self._problem(event, "a key cannot be a list or a map", "a key is text; put quotes around `{`, `[` and `?`")
            self._value(event, depth + 1)
        self._value(self._next(), depth + 1)

    def _twice(self, event: Any, block: Block, key: str) -> None:
        first = block.key_place(key)
        self._problem(event, f"key `{shown(key)}` stands twice, first at {first}", "keep one of them")

    def _odd_keys(self, block: Block) -> None:
        for key, remedy in (("<<", "use a template: `$use: [name]`"), ("", "write the key before the `:`")):
            if key in block:
                place = block.key_place(key)
                message = "merge keys (`<<`) are not part of YAML 1.2" if key else "a key is empty"
                self._report(place, message, remedy)


def _packed(event: Any) -> int:
    mark = event.start_mark
    return packed(mark.line, mark.column)


def _syntax(file: str, data: bytes, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    assert mark is not None  # both readers always give one
    said = explain(error.problem or "", error.context or "", text_at(data, mark.index or 0))
    if said.at_start and error.context_mark is not None:
        mark = error.context_mark
    return Problem(file, mark.line + 1, mark.column + 1, "", said.message, said.remedy)
