"""Templates: maps with a name that `$use` merges into another map, left to right and before anything else looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from billing_as_code.catalog.merging import FREE, OPAQUE, Shape, merge
from billing_as_code.catalog.problems import Problems
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.model import Place
from billing_as_code.reader import MOST_DEPTH, Block, Items, describe

SECTION = "templates"
USE = "$use"
MOST_VALUES = 1_000_000


def names_used(block: Block) -> frozenset[str]:
    """The templates that a map names itself."""
    names = block.get(USE)
    return frozenset(n for n in (names if isinstance(names, list) else [names]) if isinstance(n, str))


class Templates:
    """The templates that one environment sees: of each name the base's, and what its overlay lays over it."""

    def __init__(self, templates: Mapping[str, Sequence[Block]], problems: Problems) -> None:
        self._templates = templates
        self._problems = problems
        self._spelling = Spelling(templates)
        self._written_out: dict[tuple[str, Shape, bool], tuple[Block | None, int, int]] = {}
        self._open: list[str] = []
        self._values = 0

    def write_out(self, block: Block, shape: Shape, *, keep_nulls: bool = False, depth: int = 1) -> Block:
        """`block` with everything that it uses merged into it; itself where it uses nothing."""
        if depth > MOST_DEPTH:
            self._problems.add(block.place, "", f"templates make this deeper than {MOST_DEPTH} levels", "nest less")
            return Block(block.file, block.at)
        entries = list(block.entries())
        changed = False
        for i, (key, value, key_place, value_place) in enumerate(entries):
            inner = shape.below(key)
            if inner is not OPAQUE and key != USE:
                new = self._inside(value, inner, keep_nulls, depth + 1)
                if new is not value:
                    entries[i] = (key, new, key_place, value_place)
                    changed = True
        if not changed and USE not in block:
            return block
        own = Block(block.file, block.at)
        for entry in entries:
            if entry[0] != USE:
                own.put(*entry)
        return self._used(block, own, shape, keep_nulls, depth) if USE in block else own

    def _inside(self, value: Any, shape: Shape, keep_nulls: bool, depth: int) -> Any:
        if isinstance(value, Block):
            return self.write_out(value, shape, keep_nulls=keep_nulls, depth=depth)
        if isinstance(value, Items):
            new = [self._inside(item, FREE, keep_nulls, depth + 1) for item in value]
            if any(a is not b for a, b in zip(new, value, strict=True)):
                items = Items(value.file, value.at)
                items.marks = value.marks
                items.extend(new)
                return items
        return value

    def _used(self, block: Block, own: Block, shape: Shape, keep_nulls: bool, depth: int) -> Block:
        names, places = block[USE], [block.value_place(USE)]
        if isinstance(names, Items):
            places = [names.item_place(i) for i in range(len(names))]
        elif isinstance(names, str):
            names = [names]
        else:
            message = f"`{USE}` is {describe(names)}, must be a list of templates"
            self._problems.add(places[0], "", message, f"{USE}: [name]")
            return own
        merged: Block | None = None
        for name, place in zip(names, places, strict=True):
            template = self._template(name, place, shape, keep_nulls, depth)
            if template is not None:
                merged = template if merged is None else merge(merged, template, shape, keep_nulls=keep_nulls)
        if merged is None or not own:
            return own if merged is None else merged
        return merge(merged, own, shape, keep_nulls=keep_nulls)

    def _template(self, name: Any, place: Place, shape: Shape, keep_nulls: bool, depth: int) -> Block | None:
        if not isinstance(name, str) or name not in self._templates:
            remedy = self._spelling.remedy(str(name)) or f"templates stand in a `{SECTION}:` section"
            self._problems.add(place, "", f"there is no template `{name}`", remedy)
            return None
        if name in self._open:
            around = " -> ".join([*self._open[self._open.index(name) :], name])
            self._problems.add(place, "", f"template `{name}` uses itself: {around}", "take one of them out")
            return None
        found = self._written_out.get((name, shape, keep_nulls))
        if found is None:
            if len(self._open) >= MOST_DEPTH:
                self._problems.add(place, "", f"templates use each other over more than {MOST_DEPTH} steps")
                return None
            self._open.append(name)
            stack = self._templates[name]
            lower, *over = (self.write_out(b, shape, keep_nulls=keep_nulls, depth=depth) for b in stack)
            block = merge(lower, over[0], shape) if over else lower
            self._open.pop()
            found = (block, *_extent(block, MOST_VALUES))
            self._written_out[name, shape, keep_nulls] = found
        return self._within_limits(name, place, found, depth)

    def _within_limits(self, name: str, place: Place, found: tuple[Block | None, int, int], depth: int) -> Block | None:
        block, values, height = found
        if depth + height > MOST_DEPTH:
            message = f"template `{name}` makes this deeper than {MOST_DEPTH} levels"
            self._problems.add(place, "", message, "nest less")
            return None
        if self._values > MOST_VALUES:
            return None  # said once
        self._values += values
        if self._values > MOST_VALUES:
            message = f"templates make more than {MOST_VALUES:,} values of this catalog"
            self._problems.add(place, "", message, "use fewer or smaller templates")
            return None
        return block


def _extent(value: Any, most: int) -> tuple[int, int]:
    """How many values it holds, counted up to `most`, and how deep it is."""
    if not isinstance(value, (Block, Items)):
        return 1, 0
    values, height = 1, 0
    for item in value.values() if isinstance(value, Block) else value:
        inner, below = _extent(item, most - values)
        values, height = values + inner, max(height, below)
        if values > most:
            break
    return values, height + 1
