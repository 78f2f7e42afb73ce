"""Layers: the sections of many files as one map of resources, and one such map laid over another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

from billing_as_code.catalog.merging import Shape, merge, shape_of, shape_of_one
from billing_as_code.catalog.problems import Problems
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.catalog.templates import SECTION, Templates, names_used
from billing_as_code.kinds import ASKED
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address, Place, address_of
from billing_as_code.reader import Block, describe

MOST_RESOURCES = 250_000


class Entry(NamedTuple):
    """A resource as it was written. `raw` is anything that YAML can say; `place` is where its key stands."""

    raw: Any
    place: Place


_entry_of: Callable[[tuple[Any, Place]], Entry] = partial(tuple.__new__, Entry)


class Section(NamedTuple):
    """What one file says in one section."""

    kind: Kind
    block: Block
    uses: bool
    """Whether any map in it may use templates."""


class Layer:
    """What one layer says: its templates, and its sections file by file."""

    def __init__(self, kinds: Mapping[str, Kind], problems: Problems) -> None:
        self.templates: dict[str, tuple[Block, Place]] = {}
        self._kinds = kinds
        self._problems = problems
        self._sections: list[Section] = []
        self._spelling = Spelling([*kinds, SECTION])

    def add(self, root: Block, *, uses: bool) -> None:
        """Take in a file. `uses` is false where it certainly uses no template."""
        for name, value, place in root.keyed():
            if value is None and (name in self._kinds or name == SECTION):
                continue
            if name != SECTION and name not in self._kinds:
                self._problems.add(place, "", *self._unknown(name))
            elif not isinstance(value, Block):
                key = "name" if name == SECTION else self._kinds[name].keys[0]
                self._problems.add(
                    root.value_place(name),
                    name,
                    f"is {describe(value)}, must be a map",
                    f"{name}: {{<{key}>: ...}}",
                )
            elif name == SECTION:
                self._add_templates(value)
            else:
                self._sections.append(Section(self._kinds[name], value, uses))

    def _unknown(self, name: str) -> tuple[str, str]:
        if name in ASKED:
            return f"a catalog has no section `{name}`", ASKED[name].instead
        known = ", ".join(sorted([*self._kinds, SECTION]))
        return f"unknown section `{name}`", self._spelling.remedy(name) or f"sections are {known}"

    @property
    def uses_templates(self) -> bool:
        return any(section.uses for section in self._sections)

    def _add_templates(self, block: Block) -> None:
        for name, value, place, value_place in block.entries():
            address = f"{SECTION}.{name}"
            if not isinstance(value, Block):
                self._problems.add(value_place, address, f"is {describe(value)}, must be a map")
            elif name in self.templates:
                self._twice(place, address, "template", self.templates[name][1])
            else:
                self.templates[name] = value, place

    def _twice(self, place: Place, address: Address | str, what: str, first: Place) -> None:
        message = f"this {what} stands twice, first at {first}"
        self._problems.add(place, address, message, "keep one of them")

    def used(self) -> dict[Address, frozenset[str]]:
        """The templates that each map of it uses by itself, by the beginning of the addresses below it."""
        found: dict[Address, frozenset[str]] = {}
        for kind, block, uses in self._sections:
            if uses:
                _uses_below(kind, block, (), found)
        return found

    def resources(self, templates: Templates, *, is_overlay: bool = False) -> dict[Address, Entry]:
        """Its resources by address. In an overlay a null stays, also under a path too short for a resource."""
        found: dict[Address, Entry] = {}
        shapes: dict[str, Shape] = {}
        for kind, block, uses in self._sections:
            if uses:
                shape = shapes.setdefault(kind.name, shape_of(kind))
                block = templates.write_out(block, shape, keep_nulls=is_overlay)
            self._collect(kind, block, (), found, is_overlay)
        return found

    def _collect(
        self, kind: Kind, block: Block, path: tuple[str, ...], found: dict[Address, Entry], is_overlay: bool
    ) -> None:
        name, levels = kind.name, len(kind.keys) - len(path) - 1
        for key, value, place in block.keyed():
            address = address_of((name, (*path, key)))
            if levels:
                if isinstance(value, Block):
                    self._collect(kind, value, address.path, found, is_overlay)
                    continue
                if value is not None:
                    self._no_group(kind, address, block.value_place(key), value)
                    continue
                if not is_overlay:
                    continue
            if address in found:
                self._twice(place, address, kind.singular, found[address].place)
            else:
                found[address] = _entry_of((value, place))
        if len(found) > MOST_RESOURCES:
            message = f"the catalog declares more than {MOST_RESOURCES:,} resources"
            self._problems.add(block.place, "", message, "split it into several catalogs, each with its own owner")
            raise TooLargeError

    def _no_group(self, kind: Kind, address: Address, place: Place, value: Any) -> None:
        key = kind.keys[len(address.path)]
        written = ".".join([kind.name, *(f"<{name}>" for name in kind.keys)])
        message = f"is {describe(value)}, must be a map of {key} keys"
        self._problems.add(place, address, message, f"{kind.name} are written as {written}")


def _uses_below(kind: Kind, block: Block, path: tuple[str, ...], found: dict[Address, frozenset[str]]) -> None:
    if names := names_used(block):
        address = Address(kind.name, path)
        found[address] = found.get(address, frozenset()) | names
    if len(path) < len(kind.keys):
        for key, value in block.items():
            if isinstance(value, Block):
                _uses_below(kind, value, (*path, key), found)


class TooLargeError(Exception):
    """There is more than anybody should have to look at; the problem has been told."""


def overlay(
    base: Mapping[Address, Entry],
    over: Mapping[Address, Entry],
    kinds: Mapping[str, Kind],
    problems: Problems,
) -> dict[Address, Entry]:
    """The resources of `base` with those of `over` laid over them."""
    result = dict(base)
    shapes = {name: shape_of_one(kind) for name, kind in kinds.items()}
    there = _Tree(base)
    for address, entry in over.items():
        if entry.raw is None:
            gone = there.under(address)
            if not gone:
                what = kinds[address.kind].singular
                message = f"takes out what the base does not have: there is no such {what}"
                problems.add(entry.place, address, message, there.remedy(address) or "leave the line out")
            for each in gone:
                result.pop(each, None)
            continue
        below = base.get(address)
        replaces = below is None or not isinstance(below.raw, Block) or not isinstance(entry.raw, Block)
        if replaces or entry.raw.get("external") is True:
            result[address] = entry
        else:
            assert below is not None
            merged = merge(below.raw, entry.raw, shapes[address.kind])
            result[address] = Entry(merged, below.place)
    return result


class _Tree:
    """Addresses by the beginnings of their paths; built when first asked, since overlays seldom take out."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._addresses = addresses

    @cached_property
    def _below(self) -> dict[Address, dict[str, Address]]:
        below: dict[Address, dict[str, Address]] = {}
        for address in self._addresses:
            for size in range(len(address.path)):
                upper = Address(address.kind, address.path[:size])
                below.setdefault(upper, {})[address.path[size]] = Address(address.kind, address.path[: size + 1])
        return below

    def under(self, address: Address) -> list[Address]:
        """The resources whose path is this one or begins with it."""
        upper = Address(address.kind, address.path[:-1])
        if address.path[-1] not in self._below.get(upper, {}):
            return []
        inner = self._below.get(address)
        return [a for b in inner.values() for a in self.under(b)] if inner is not None else [address]

    def remedy(self, address: Address) -> str:
        siblings = self._below.get(Address(address.kind, address.path[:-1]), {})
        return Spelling(siblings).remedy(address.path[-1]) if len(siblings) <= 1_000 else ""


def templates_of(base: Layer, over: Layer | None, problems: Problems) -> Templates:
    """The templates of one environment."""
    blocks = {name: [block] for name, (block, _) in base.templates.items()}
    for name, (block, _) in over.templates.items() if over is not None else ():
        blocks.setdefault(name, []).append(block)
    return Templates(blocks, problems)
