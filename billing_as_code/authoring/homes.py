"""Where a resource stands in the files of a catalog, or where somebody would put it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from billing_as_code.authoring.layout import Layout, files_of
from billing_as_code.catalog.sources import Source
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.schema import USE
from billing_as_code.model import Address, Resource
from billing_as_code.reader import Block


class Homes:
    """The places of one catalog as one environment sees it."""

    def __init__(self, root: Path, sources: Sequence[Source], kinds: Mapping[str, Kind], layout: Layout | None) -> None:
        self._root, self._kinds = root, kinds
        self._below: dict[Address, Source] = {}
        """The file in which each address stands, or the beginning of one; overlays first."""
        self._over: dict[Address, Source] = {}
        self._holding: dict[str, list[Source]] = {}
        for source in sources:
            for name, kind in kinds.items():
                if isinstance(block := source.root.get(name), dict):
                    self._walk(source, Address(name, ()), block, len(kind.keys))
                    if not source.is_overlay:
                        self._holding.setdefault(name, []).append(source)
        self._layout = layout or self._usual(sources)

    def _walk(self, source: Source, address: Address, block: Mapping[str, Any], levels: int) -> None:
        for key, value in block.items():
            inner = Address(address.kind, (*address.path, key))
            if key == USE:
                continue
            if levels > 1 and isinstance(value, dict):
                self._walk(source, inner, value, levels - 1)
            if source.is_overlay and levels == 1:
                self._over.setdefault(inner, source)
            elif not source.is_overlay:
                self._below.setdefault(inner, source)

    def _usual(self, sources: Sequence[Source]) -> Layout:
        """The layout that the catalog has already."""
        folders = {source.path.parent for source in sources if not source.is_overlay}
        own = {self._root / kind.name for kind in self._kinds.values() if kind.own_file}
        return Layout.CUSTOMER if folders & own else Layout.SECTION

    def own(self, address: Address) -> tuple[Path, Any] | None:
        """The file that speaks of a resource in its own place, and what it says there; None where no file does.

        One that is laid over the others comes first. What only a template says stands in no place of its own.
        """
        source = self._over.get(address) or self._below.get(address)
        if source is None:
            return None
        value: Any = source.root
        for key in (address.kind, *address.path):
            value = value[key]
        return source.path, value

    def field_at(self, address: Address, line: int, column: int) -> str:
        """The field of a resource that a place in its own text belongs to, "" where it is none."""
        own = self.own(address)
        raw = own[1] if own is not None else None
        for name in self._kinds[address.kind].index:
            value, places = raw, set[tuple[int, int]]()
            for key in name.split("."):
                if not isinstance(value, Block) or key not in value:
                    break
                places = {value.key_place(key)[1:], value.value_place(key)[1:]}
                value = value[key]
            else:
                if (line, column) in places or _holds(value, line, column):
                    return name
        return ""

    def places(self, resources: Iterable[Resource]) -> dict[Address, Path]:
        """The file for each of some resources that have no place of their own yet."""
        there = list(resources)
        fresh = files_of(there, self._kinds, self._layout)
        return {resource.address: self._place(resource.address, fresh[resource.address]) for resource in there}

    def _place(self, address: Address, fresh: str) -> Path:
        for size in range(len(address.path) - 1, 0, -1):
            if (near := self._below.get(Address(address.kind, address.path[:size]))) is not None:
                return near.path
        holding = self._holding.get(address.kind, [])
        has_head = "/" in fresh
        if len(holding) == 1 and not has_head:
            return holding[0].path
        first = next(iter(self._kinds[address.kind].key_refs), "")
        if has_head and first and (head := self._below.get(Address(first, address.path[:1]))) is not None:
            return head.path
        return self._root / fresh


def _holds(value: Any, line: int, column: int) -> bool:
    """Whether something in a value stands at a place."""
    if not isinstance(value, Block):
        return False
    return any((line, column) in (k[1:], v[1:]) or _holds(inner, line, column) for _, inner, k, v in value.entries())
