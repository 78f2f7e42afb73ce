"""Reading an OpenMeter: its lists become the live state. Threads only fetch; parsing happens where it is called."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import chain
from threading import Event
from typing import Any

from billing_as_code.client import MISREAD, OpenMeter, parse
from billing_as_code.errors import ApiError
from billing_as_code.kinds.base import NOTHING, Item, Kind, Listing, labels_in
from billing_as_code.model import Resource, State

Progress = Callable[[int, int], None]
"""Called with (requests answered, requests known of)."""


def closure(names: Iterable[str], kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The kinds that must be read to understand some: what they refer to and are part of, in the registry's order."""
    wanted, queue = set(), list(names)
    while queue:
        name = queue.pop()
        if name in wanted or name not in kinds:
            continue
        wanted.add(name)
        kind = kinds[name]
        queue += [t for t in (*kind.key_refs, kind.part_of, *(f.refers_to for f in kind.fields)) if t]
        queue += [k.name for k in kinds.values() if k.part_of == name]
    return {name: kind for name, kind in kinds.items() if name in wanted}


Nameless = Callable[[Kind, Item, Mapping[str, tuple[str, ...]]], None]
"""Called with what has no address, so that it cannot be part of a state: its kind, its wire form, and whose ids are
known."""


def read(
    client: OpenMeter,
    kinds: Mapping[str, Kind],
    *,
    width: int = 8,
    progress: Progress = lambda a, b: None,
    nameless: Nameless = lambda kind, item, names: None,
    like: State = NOTHING,
) -> State:
    """The live state of some kinds, in ceil(n / 1000) requests a kind. Raises ApiError.

    What is as in `like` is made of the same objects.
    """
    with _Lists(client, width, progress) as lists:
        # parts are needed before what they are part of
        for kind in sorted(kinds.values(), key=lambda k: not k.part_of):
            lists.ask(kind)
        return assemble(kinds, {kind.name: lists.items(kind) for kind in kinds.values()}, nameless, like)


def unshown(client: OpenMeter, kinds: Mapping[str, Kind], *, width: int = 8) -> dict[str, Mapping[str, str]]:
    """The metadata that the live state leaves out, as far as other lists show it, by OpenMeter's ids. Raises ApiError.

    What the state has as well is in there too.
    """
    asked = [replace(kind, listings=kind.unshown) for kind in kinds.values() if kind.unshown]
    items = [item for some in gather(client, asked, width=width).values() for item in some]
    return {item["id"]: metadata for item in items if isinstance(metadata := item.get("metadata"), dict)}


def gather(
    client: OpenMeter, asked: Iterable[Kind], *, width: int = 8, progress: Progress = lambda done, known: None
) -> dict[str, list[Item]]:
    """What the lists of some kinds show, by the kind's name. Raises ApiError."""
    with _Lists(client, width, progress) as lists:
        wanted = list(asked)
        for kind in wanted:
            lists.ask(kind)
        return {kind.name: list(lists.items(kind)) for kind in wanted}


def bearing(client: OpenMeter, kinds: Mapping[str, Kind], wanted: Iterable[Resource], live: State) -> State:
    """What bears on wanted resources of kinds that no catalog has a section of; `live` is all else. Raises ApiError."""
    names = {resource.id: address.path for address, resource in live.items() if resource.id is not None}
    state: State = {}
    for resource in wanted:
        for name, listings in kinds[resource.address.kind].bearing(resource, live).items():
            kind = replace(kinds[name], listings=listings)
            with _Lists(client, 1, lambda done, known: None) as lists:
                lists.ask(kind)
                for item in lists.items(kind):
                    if found := _understood(kind, item, names, NOTHING):
                        _add(state, kind, found, item)
    return state


def assemble(
    kinds: Mapping[str, Kind],
    items: Mapping[str, Iterable[Item]],
    nameless: Nameless = lambda kind, item, names: None,
    like: State = NOTHING,
) -> State:
    """The state of some wire items, by kind. Raises ApiError where one cannot be understood.

    Items are taken one by one and not kept, but for those that are part of another.
    """
    state: State = {}
    names: dict[str, tuple[str, ...]] = {}
    held = {kind.name: list(items[kind.name]) for kind in kinds.values() if kind.part_of}
    parts: dict[str, list[Item]] = {}
    for name, own in held.items():
        for item in own:
            parts.setdefault(str(item.get(kinds[name].part_wire)), []).append(item)
    for name, kind in kinds.items():
        for item in held[name] if name in held else items[name]:
            resource = _understood(kind, item, names, like)
            if resource is None:
                nameless(kind, item, names)
                continue
            if parts and not kind.part_of and (mine := parts.get(item["id"])):
                resource = resource.with_parts(tuple(mine))
            names[item["id"]] = resource.address.path
            _add(state, kind, resource, item)
    for resource in list(state.values()):
        for implied in kinds[resource.address.kind].implied(resource):
            there = state.get(implied.address)
            if there is None or not kinds[implied.address.kind].counts(there):
                state[implied.address] = implied
    return state


def _understood(kind: Kind, item: Item, names: Mapping[str, tuple[str, ...]], like: State) -> Resource | None:
    try:
        return kind.live(item, names, like)
    except MISREAD as error:
        raise _misread(kind, error) from error


def _labels(kind: Kind, item: Item) -> Mapping[str, Any]:
    try:
        return labels_in(item, "metadata")
    except MISREAD as error:
        raise _misread(kind, error) from error


def _misread(kind: Kind, error: Exception) -> ApiError:
    text = f"a {kind.singular} that cannot be understood ({type(error).__name__}: {error})"
    return ApiError(f"GET {kind.listings[0].path}", 200, text)


def _add(state: State, kind: Kind, resource: Resource, item: Item) -> None:
    other = state.setdefault(resource.address, resource)
    if other is resource:
        return
    if kind.outranks(resource, other):
        state[resource.address] = resource.with_parts((*resource.parts, *other.parts, _wire_of(other)))
    else:
        state[resource.address] = other.with_parts((*other.parts, item))


def _wire_of(resource: Resource) -> Item:
    return dict(resource.facts.get("wire") or {"id": resource.id})


_PASSES = 5
"""How often a list that shrinks meanwhile is read, before that is an error."""
_PATIENCE = 1.0
"""Seconds that a read which failed waits for its requests under way: an embedded server may be gone right after."""


class _Lists:
    """All pages of all lists, some under way at a time.

    Pages stay bytes until they are wanted, few more of them than are under way, and a kind's items are made a page at a
    time: tens of thousands of them at once would be most of the memory of a run. Only a first page is parsed as soon as
    it is there, since it tells which others there are.
    """

    def __init__(self, client: OpenMeter, width: int, progress: Progress) -> None:
        self._client, self._progress = client, progress
        self._pool = ThreadPoolExecutor(width)
        self._ahead = 2 * width
        self._over = Event()
        self._lists: dict[str, list[_List]] = {}
        self._unopened: dict[Future[bytes], _List] = {}
        self._later: deque[tuple[_List, int]] = deque()
        self._sent = self._done = self._known = 0

    def __enter__(self) -> _Lists:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Nothing is asked again from here on, and what is under way has ended, or is left behind."""
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if kind is None or issubclass(kind, Exception):  # whoever interrupts does not wait
            every = (future for lists in self._lists.values() for one in lists for future in one.pages.values())
            wait([future for future in every if future is not None and not future.done()], timeout=_PATIENCE)

    def ask(self, kind: Kind) -> None:
        """Start to fetch the lists of a kind."""
        self._lists[kind.name] = [_List(listing) for listing in kind.listings]
        for one in self._lists[kind.name]:
            self._known += 1
            self._unopened[self._send(one, 1)] = one

    def items(self, kind: Kind) -> Iterable[Item]:
        """Each item once (a list that changes while it is read may show one twice), with the labels that a second list
        has."""
        return chain.from_iterable(self._distinct(kind))

    def _distinct(self, kind: Kind) -> Iterator[list[Item]]:
        labels: dict[str, Any] = {}
        for one in self._lists[kind.name]:
            for items in self._passes(one) if one.listing.labels else ():
                labels |= {i["id"]: found for i in items if (found := _labels(kind, i))}
        seen: set[str] = set()
        for one in self._lists[kind.name]:
            for items in self._passes(one) if not one.listing.labels else ():
                ids = one.ids[one.page]
                if len(ids) < len(items) or not ids.isdisjoint(seen):
                    items = list({i["id"]: i for i in items if i["id"] not in seen}.values())
                seen |= ids
                if labels:
                    items = [{**i, "metadata": labels[i["id"]]} if i["id"] in labels else i for i in items]
                yield items

    def _passes(self, one: _List) -> Iterator[list[Item]]:
        """The pages of a list, and all of them once more where it shrank meanwhile: what followed moved up then, and
        may have been missed. One that grows is as it was when its first page was read."""
        for _ in range(_PASSES):
            yield from self._pages(one)
            if not one.shrank:
                return
            one.restart()
            self._known += 1
            self._unopened[self._send(one, 1)] = one
        name = f"GET {one.listing.path}"
        raise ApiError(name, 200, "the list shrank each time it was read. Try again when less is deleted")

    def _pages(self, one: _List) -> Iterator[list[Item]]:
        while (page := one.page + 1) in one.pages:
            future = one.pages[page] or self._send(one, page)  # it is wanted now, whatever else waits
            while not future.done():
                self._open(wait((*self._unopened, future), return_when=FIRST_COMPLETED).done)
            self._open([future])
            one.page = page
            items, one.first = one.first if page == 1 else self._take(one, page), []
            yield items

    def _open(self, answered: Iterable[Future[bytes]]) -> None:
        """Look into the first pages among some that were answered, and ask for all that follow them."""
        for future in answered:
            if one := self._unopened.pop(future, None):
                one.first = self._take(one, 1)

    def _take(self, one: _List, page: int) -> list[Item]:
        items, more = one.take(page)
        self._done += 1
        self._known += len(more)
        one.pages |= dict.fromkeys(more)
        self._later.extend((one, other) for other in more)
        while self._later and self._sent - self._done < self._ahead:
            following, number = self._later.popleft()
            if following.pages.get(number, _taken()) is None:  # not of a pass that is over
                self._send(following, number)
        self._progress(self._done, self._known)
        return items

    def _send(self, one: _List, page: int) -> Future[bytes]:
        path, query = one.listing.request(page)
        future = one.pages[page] = self._pool.submit(self._client.fetch, path, query, over=self._over)
        self._sent += 1
        return future


class _List:
    """One list: its pages (None: to be asked for later), the last of them that was used, and the items of the first;
    `ids` are those of each page that was taken."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.pages: dict[int, Future[bytes] | None] = {}
        self.page = 0
        self.first: list[Item] = []
        self.ids: dict[int, set[str]] = {}
        self._totals: list[int] = []

    @property
    def shrank(self) -> bool:
        """Whether a page said that the list has fewer items than another page had said."""
        return len(set(self._totals)) > 1 and self._totals[0] > min(self._totals)

    def restart(self) -> None:
        """Forget the pages, so that they are read once more."""
        self.pages, self.page, self.ids, self._totals = {}, 0, {}, []

    def take(self, page: int) -> tuple[list[Item], tuple[int, ...]]:
        """The items of a page that was fetched, and the pages to ask for next. Raises ApiError."""
        name = f"GET {self.listing.path}"
        future = self.pages[page]
        assert future is not None
        body = parse(name, future.result())
        self.pages[page] = _taken()
        try:
            items = self.listing.items(page, body)
            self._totals.append(self.listing.total(body))
            self.ids[page] = {item["id"] for item in items}
            if not all(isinstance(i, str) for i in self.ids[page]):
                raise TypeError("not a list of resources")
            return items, tuple(self.listing.more(page, body, self.ids))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            text = f"the answer is no list as OpenMeter gives them ({error})"
            raise ApiError(name, 200, text, ambiguous=True) from error


def _taken() -> Future[bytes]:
    """What stands for a page that was taken: answered, as `_pages` wants to know, and without its bytes."""
    future: Future[bytes] = Future()
    future.set_result(b"")
    return future
