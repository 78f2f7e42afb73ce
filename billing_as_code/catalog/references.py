"""Whether what resources refer to stands in the catalog; what is external stands there too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.catalog.wording import Wrong
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address
from billing_as_code.reader import Block, Items, shown


class References:
    """Looks up what the resources of one environment refer to."""

    def __init__(self, declared: Collection[Address], kinds: Mapping[str, Kind]) -> None:
        self._declared = declared
        self._kinds = kinds
        self._spelling: dict[str, Spelling] = {}

    @cached_property
    def _keys(self) -> dict[str, set[str]]:
        """The keys of the kinds whose address is one key."""
        keys: dict[str, set[str]] = {name: set() for name in self._kinds}
        for kind, path in self._declared:
            if len(path) == 1:
                keys[kind].add(path[0])
        return keys

    def holds(self, address: Address) -> bool:
        """Whether all keys in an address are there; where they are not, `of_address` tells."""
        kind = self._kinds[address.kind]
        for key, refers_to in zip(address.path, kind.key_refs, strict=False):
            if refers_to and key not in self._keys[refers_to]:
                return False
        return not kind.part_of or self._whole(kind, address) in self._declared

    def _whole(self, kind: Kind, address: Address) -> Address:
        return Address(kind.part_of, address.path[: len(self._kinds[kind.part_of].keys)])

    def of_address(self, address: Address) -> Iterator[Wrong]:
        """What is wrong with the keys in an address; the path of a `Wrong` is empty, since it is the address itself."""
        kind = self._kinds[address.kind]
        missing = False
        for key, refers_to in zip(address.path, kind.key_refs, strict=False):
            if refers_to and key not in self._keys[refers_to]:
                missing = True
                yield Wrong((), *self._not_there(refers_to, key), at_key=True)
        if kind.part_of and not missing:
            whole = self._whole(kind, address)
            if whole not in self._declared:
                message = f"is part of {whole}, which is not in the catalog"
                yield Wrong((), message, f"declare that {self._kinds[kind.part_of].singular} too", at_key=True)

    def of_fields(self, kind: Kind, raw: Block) -> Iterator[Wrong]:
        """What is wrong with the keys in a resource's fields, whatever else is wrong with it."""
        for i, refers_to, _ in kind.references:
            path = tuple(kind.fields[i].name.split("."))
            for at, key in _each(_value(raw, path)):
                if key not in self._keys[refers_to]:
                    yield Wrong((*path, *at), *self._not_there(refers_to, key))

    def _not_there(self, refers_to: str, key: str) -> tuple[str, str]:
        spelling = self._spelling.setdefault(refers_to, Spelling(self._keys[refers_to]))
        declare = f"declare it, as {{external: true}} if another hand manages it in {refers_to}"
        message = f"refers to {self._kinds[refers_to].singular} `{shown(key)}`, which is not in the catalog"
        return message, spelling.remedy(key) or declare


def _value(raw: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        raw = raw.get(name) if isinstance(raw, Block) else None
    return raw


def _each(value: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    """The keys in a field: itself, or the entries of its list."""
    if isinstance(value, str):
        yield (), value
    elif isinstance(value, Items):
        yield from (((i,), key) for i, key in enumerate(value) if isinstance(key, str))
