"""Reading the part of an OpenMeter that some resources need, and nothing else of it.

What is asked for by key are the resources themselves, what they refer to, and who refers to what changes, until nothing
more follows. A list that OpenMeter cannot narrow, or that it would have to narrow many times, is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from billing_as_code import cascade
from billing_as_code import live as live_state
from billing_as_code.client import OpenMeter, path_of
from billing_as_code.errors import ApiError
from billing_as_code.kinds.base import Item, Kind, Listing
from billing_as_code.live import Progress
from billing_as_code.model import Address, Change, Json, Resource, State
from billing_as_code.plan import depended_on

MOST_LISTS = 16
"""So many narrowed lists of a kind, or single resources for their labels, are read rather than the whole list."""

Judge = Callable[[State, frozenset[Address]], Mapping[Address, Change]]
"""The changes that follow from what is live, where that is known at some addresses."""


def read(
    client: OpenMeter,
    kinds: Mapping[str, Kind],
    desired: State,
    roots: Iterable[Address],
    judge: Judge,
    *,
    width: int = 8,
    progress: Progress = lambda done, known: None,
) -> tuple[State, frozenset[Address]]:
    """What is live near some addresses, and the addresses of which that is all there is to know. Raises ApiError.

    `judge` is asked what changes as far as is known, so that what follows from it can be read as well.
    """
    near = _Nearby(client, kinds, desired, width, progress)
    looked = frozenset(depended_on(roots, desired, kinds))
    while True:
        near.cover(looked)
        more = near.referred(looked) - looked
        if not more:
            changes = judge(near.state, looked)
            near.see_rivals(changes.values())
            more = near.users([a for a, change in changes.items() if change.action != "update"]) - looked
        if not more:
            return near.state, looked
        looked |= more


class _Nearby:
    """What is known so far. A kind is asked for by keys of a kind `by`: its own, or those in its addresses."""

    def __init__(
        self, client: OpenMeter, kinds: Mapping[str, Kind], desired: State, width: int, progress: Progress
    ) -> None:
        self.state: State = {}
        self._client, self._kinds, self._desired, self._width, self._progress = client, kinds, desired, width, progress
        self._items: dict[str, dict[str, Item]] = {name: {} for name in kinds}
        self._labels: dict[str, Json] = {}
        self._wanted: dict[str, set[tuple[str, str]]] = {name: set() for name in kinds}
        self._asked: dict[str, set[tuple[str, str]]] = {name: set() for name in kinds}
        self._wholly_wanted: set[str] = set()
        self._whole: set[str] = set()
        self._lists: dict[str, set[Listing]] = {name: set() for name in kinds}
        self._done = 0

    # -- what follows --------------------------------------------------------------------------------------------------

    def referred(self, looked: Iterable[Address]) -> set[Address]:
        """What these refer to: by their keys, as the catalog has it, as it is live, and by the ids that they hold."""
        found: set[Address] = set()
        for address in looked:
            for resource in (Resource(address, (), external=True), self._desired.get(address), self.state.get(address)):
                if resource is not None:
                    found.update(target for target, _ in cascade.references(resource, self._kinds))
                    found.update(target for target, _ in resource.facts.get("bound", ()))
        return found

    def users(self, changed: Collection[Address]) -> set[Address]:
        """Who refers to these; they are read."""
        if not changed:
            return set()
        for address in changed:
            for kind in self._kinds.values():
                if address.kind in kind.key_refs and not kind.part_of:
                    self._want(kind, address.kind, address.path[0])
                elif any(field.refers_to == address.kind for field in kind.fields):
                    self._wholly_wanted.add(kind.name)
        self._fetch()
        users = cascade.dependents(self.state, self._kinds)
        return {user.address for address in changed for user, _ in users.get(address, ())}

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def cover(self, addresses: Collection[Address]) -> None:
        """Read what is live at some addresses."""
        for address in addresses:
            self._want_address(address)
        self._fetch()
        self._read_labels(addresses)

    def see_rivals(self, changes: Iterable[Change]) -> None:
        """Read what stands in the way of some changes."""
        found: dict[str, list[Listing]] = {}
        for change in changes:
            found.setdefault(change.address.kind, []).extend(self._kinds[change.address.kind].rivals(change))
        self._take({name: self._allowed(name, lists) for name, lists in found.items()})
        self._fetch()

    def _want_address(self, address: Address) -> None:
        kind = self._kinds[address.kind]
        refs = [(ref, key) for ref, key in zip(kind.key_refs, address.path, strict=False) if ref]
        self._want(kind, *(refs[0] if refs else (kind.name, address.path[0])))

    def _want(self, kind: Kind, by: str, key: str) -> None:
        """Those of a kind, with their parts or what they are part of, and what has the key."""
        top = self._kinds[kind.part_of] if kind.part_of else kind
        for member in (self._kinds[by], top, *(k for k in self._kinds.values() if k.part_of == top.name)):
            self._wanted[member.name].add((by, key))
            # a field refers by id, and which key that is, only the whole list tells
            self._wholly_wanted.update(field.refers_to for field in member.fields if field.refers_to)

    def _fetch(self) -> None:
        """Read what is wanted, and what must be known of that, until there is nothing left to read."""
        while wanted := {name: new for name in self._kinds if (new := self._ready(name))}:
            lists = {name: self._listings(name, new) for name, new in wanted.items() if name not in self._whole}
            self._take({name: self._allowed(name, found) for name, found in lists.items()})
            for name, new in wanted.items():
                self._asked[name] |= new
        if missing := self._wholly_wanted - self._whole:
            self._take({name: self._whole_list(name) for name in missing})
            self._fetch()

    def _ready(self, name: str) -> set[tuple[str, str]]:
        """What is wanted of a kind and can be asked for: where it is known what has the key that it is wanted by."""
        new = self._wanted[name] - self._asked[name]
        return {(by, key) for by, key in new if by == name or by in self._whole or (by, key) in self._asked[by]}

    def _listings(self, name: str, wanted: Iterable[tuple[str, str]]) -> list[Listing] | None:
        """Lists that show what is wanted; None where only the whole one does."""
        keys: dict[str, dict[str, str]] = {}
        for by, key in sorted(wanted):
            there = self.state.get(Address(by, (key,)))
            keys.setdefault(by, {})[key] = (there.id or "") if there is not None else ""
        found: list[Listing] = []
        for by, ids in keys.items():
            lists = self._kinds[name].narrowed(by, ids)
            if lists is None:
                return None
            found += lists
        return found

    def _allowed(self, name: str, lists: Iterable[Listing] | None) -> tuple[Listing, ...]:
        """Those of some lists that are still to be read, or the whole list instead of many."""
        if name in self._whole:
            return ()
        new = {} if lists is None else dict.fromkeys(one for one in lists if one not in self._lists[name])
        if lists is None or len(self._lists[name]) + len(new) > MOST_LISTS:
            return self._whole_list(name)
        self._lists[name].update(new)
        return tuple(new)

    def _whole_list(self, name: str) -> tuple[Listing, ...]:
        self._whole.add(name)
        return self._kinds[name].listings

    # -- what is read --------------------------------------------------------------------------------------------------

    def _take(self, lists: Mapping[str, tuple[Listing, ...]]) -> None:
        """Read some lists, and want what their items belong to."""
        wanted = [replace(self._kinds[name], listings=some) for name, some in lists.items() if some]
        if not wanted:
            return
        before = self._done

        def progress(done: int, known: int) -> None:
            self._done = before + done
            self._progress(before + done, before + known)

        found = live_state.gather(self._client, wanted, width=self._width, progress=progress)
        for name, items in found.items():
            self._items[name].update((item["id"], item) for item in items)
        self._assemble()
        for name, items in found.items():
            for item in items:
                for address in self._kinds[name].belongs_to(item):
                    self._want_address(address)

    def _assemble(self) -> None:
        labels = self._labels
        items = {
            name: [{**item, "metadata": labels[id]} if id in labels else item for id, item in some.items()]
            for name, some in self._items.items()
        }
        self.state = live_state.assemble(self._kinds, items, like=self._desired)

    def _read_labels(self, addresses: Iterable[Address]) -> None:
        """Read the labels that lists leave out, of some resources."""
        wanted: dict[str, list[str]] = {}
        for address in addresses:
            kind, there = self._kinds[address.kind], self.state.get(address)
            if there is None or there.id is None or kind.name in self._whole or there.id in self._labels:
                continue
            if kind.hides_labels(there.spec):
                wanted.setdefault(kind.name, []).append(there.id)
        for name, ids in wanted.items():
            if len(ids) > MOST_LISTS:
                self._take({name: self._whole_list(name)})
                self._fetch()
                continue
            with ThreadPoolExecutor(self._width) as pool:
                self._labels |= zip(ids, pool.map(partial(self._labels_of, self._kinds[name]), ids), strict=True)
            self._assemble()

    def _labels_of(self, kind: Kind, id: str) -> Json:
        read = kind.labelled(id)
        path = path_of(read)
        item = self._client.get(path, read.query)
        if not isinstance(item, dict) or item.get("id") != id or not isinstance(item.get("metadata") or {}, dict):
            raise ApiError(f"GET {path}", 200, f"a {kind.singular} that cannot be understood", ambiguous=True)
        self._done += 1
        return item.get("metadata") or {}
