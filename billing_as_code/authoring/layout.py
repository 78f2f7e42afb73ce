"""What a catalog says of a resource, and which file of a new catalog that stands in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.schema import EXTERNAL_FIELD, PROTECT_FIELD
from billing_as_code.model import Address, Resource


class Layout(StrEnum):
    """How a new catalog is cut into files: one for each section, or one for each customer and what is keyed by it."""

    SECTION = "section"
    CUSTOMER = "customer"


_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))))
"""File names that Windows keeps for itself."""


def declaration(kind: Kind, resource: Resource) -> dict[str, Any]:
    """What a catalog says of a resource, in the order of its kind's table."""
    if resource.external:
        return {EXTERNAL_FIELD: True}
    said = kind.to_yaml(resource.address.path, resource.spec)
    return said | {PROTECT_FIELD: True} if resource.protect else said


def header(path: str, schemas: str = "../schemas") -> str:
    """The first line of a file, by which editors know how to complete it."""
    return f"# yaml-language-server: $schema={'../' * path.count('/')}{schemas}/catalog.schema.json\n"


# -- files -----------------------------------------------------------------------------------------


def files_of(resources: Iterable[Resource], kinds: Mapping[str, Kind], layout: Layout) -> dict[Address, str]:
    """The file of each resource, as a path from the catalog's folder."""
    there = {resource.address: resource for resource in resources}
    if layout is Layout.SECTION:
        return {address: f"{address.kind}.yaml" for address in there}
    heads = {address for address in there if kinds[address.kind].own_file}
    beside = {of: address for address in sorted(heads) for of in _beside(there[address], kinds)}
    found = {}
    for address in there:
        head = address if address in heads else _head(address, kinds) or beside.get(address)
        found[address] = f"{head.kind}/{file_name(head.path)}.yaml" if head is not None else f"{address.kind}.yaml"
    return found


def _beside(resource: Resource, kinds: Mapping[str, Kind]) -> Iterable[Address]:
    return () if resource.external else kinds[resource.address.kind].beside(resource)


def _head(address: Address, kinds: Mapping[str, Kind]) -> Address | None:
    """The one that an address begins with the key of, where that has a file of its own."""
    first = next(iter(kinds[address.kind].key_refs), "")
    return Address(first, address.path[:1]) if first and kinds[first].own_file else None


def file_name(path: Sequence[str]) -> str:
    """A name that every file system takes, and that no other path has, however it writes its letters."""
    name = ".".join(path)
    if _SAFE.fullmatch(name) and name not in _DEVICES:
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{readable or 'key'}.{hashlib.sha256(name.encode()).hexdigest()[:10]}"
