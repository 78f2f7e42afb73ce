"""How OpenMeter lists the resources of a kind: its three styles of pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from billing_as_code.model import NO_MARKS, Json

PAGE = 1000
"""The most that OpenMeter puts on a page."""
_FEW = 20
Query = tuple[tuple[str, Json], ...]
Item = dict[str, Any]


def listed(items: Json) -> list[Item]:
    """The items of an answer; TypeError where they are no list, since `{}` would pass for an empty one."""
    if not isinstance(items, list):
        raise TypeError(f"{type(items).__name__} where a list should be")
    return items


def text_in(item: Mapping[str, Json], name: str) -> str:
    """A text that every item has; KeyError or TypeError where it has none."""
    value = item[name]
    if value.__class__ is not str:
        raise TypeError(f"{name} is {value!r}")
    return str(value)


def labels_in(item: Mapping[str, Json], name: str) -> Mapping[str, Any]:
    """The labels of an item, none where it has none; TypeError where they are no map, which would pass for none."""
    value = item.get(name)
    if value is None:
        return NO_MARKS
    if value.__class__ is not dict:
        raise TypeError(f"{name} is {value!r}")
    return dict(value)


@dataclass(frozen=True, slots=True)
class Listing:
    """How to list all resources of a kind: one answer that is an array, unless a subclass says otherwise.

    `labels` marks a second list whose metadata fills in what the first does not show.
    """

    path: str
    query: Query = ()
    labels: bool = False

    def request(self, page: int) -> tuple[str, Query]:
        """The path and query of a page, counted from 1."""
        return self.path, self.query

    def glimpse(self) -> tuple[str, Query]:
        """The path and query of the smallest page, which shows whether the list is served."""
        return self.request(1)

    def items(self, page: int, body: Json) -> list[Item]:
        """The items of a page's answer; KeyError or TypeError where it is not as OpenMeter gives it."""
        return listed(body)

    def total(self, body: Json) -> int:
        """How many items an answer says that the list has; 0 where it does not say."""
        return 0

    def more(self, page: int, body: Json, ids: Mapping[int, Set[str]]) -> Iterable[int]:
        """The pages to ask for now that this one is known; `ids` has those of its items and of the pages before."""
        return ()


def few(path: str, query: Query, name: str, values: Iterable[str]) -> tuple[Listing, ...]:
    """The list at `path`, of those whose `name` is one of some values: as many requests as keep the addresses short."""
    every = sorted(values)
    chunks = [every[start : start + _FEW] for start in range(0, len(every), _FEW)]
    return tuple(V1Listing(path, (*query, *((name, value) for value in chunk))) for chunk in chunks)


class V1Listing(Listing):
    """v1 and v2: page and pageSize, an envelope with totalCount and items."""

    __slots__ = ()

    def glimpse(self) -> tuple[str, Query]:
        return self.path, (*self.query, ("pageSize", 1), ("page", 1))

    def request(self, page: int) -> tuple[str, Query]:
        return self.path, (*self.query, ("pageSize", PAGE), ("page", page))

    def items(self, page: int, body: Json) -> list[Item]:
        return listed(body["items"])

    def total(self, body: Json) -> int:
        return int(body["totalCount"])

    def more(self, page: int, body: Json, ids: Mapping[int, Set[str]]) -> Iterable[int]:
        return range(2, -(-self.total(body) // PAGE) + 1) if page == 1 else ()


class V3Listing(Listing):
    """v3: page[size] and page[number], data and meta.page.total."""

    __slots__ = ()

    def glimpse(self) -> tuple[str, Query]:
        return self.path, (*self.query, ("page[size]", 1), ("page[number]", 1))

    def request(self, page: int) -> tuple[str, Query]:
        return self.path, (*self.query, ("page[size]", PAGE), ("page[number]", page))

    def items(self, page: int, body: Json) -> list[Item]:
        return listed(body["data"])

    def total(self, body: Json) -> int:
        return int(body["meta"]["page"]["total"])

    def more(self, page: int, body: Json, ids: Mapping[int, Set[str]]) -> Iterable[int]:
        return range(2, -(-self.total(body) // PAGE) + 1) if page == 1 else ()
