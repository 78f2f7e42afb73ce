"""What can be seen of a live resource beyond its fields: its usage, its balance, who holds it.

A kind says which looks a resource offers (`Kind.looks`): each names the reads that it needs and how their answers
become a view. Views are plain values that any renderer can draw; none knows a kind. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from billing_as_code.kinds.times import parse_instant
from billing_as_code.model import Address, Json, Read, State


class Content(NamedTuple):
    """JSON that is nobody's but the user's, as it stands."""

    value: Json


Cell: TypeAlias = bool | int | Decimal | str | datetime | Content | None
"""One value of a view. A datetime is in UTC; None means that there is none."""
Answers: TypeAlias = Mapping[str, Json]
"""What the reads of a look answered, by their names."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a kind may look at when it says which looks a resource offers.

    `live` holds the kinds that the resource needs to be understood; `by` are names from `Kind.groupings`; `whole` asks
    for what is over as well.
    """

    live: State
    now: datetime
    by: tuple[str, ...] = ()
    whole: bool = False

    def id(self, address: Address) -> str:
        """The id of a live resource, "" where it is not live."""
        found = self.live.get(address)
        return (found.id or "") if found is not None else ""


# -- views ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, in the order in which they are read."""

    rows: tuple[tuple[str, Cell], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. `empty` is said where there are none; `count` is how many there are, where only some are shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    count: int | None = None
    notes: tuple[str, ...] = ()


class Window(NamedTuple):
    """An amount in a span of time, from `start` and before `end`."""

    start: datetime
    end: datetime
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Series:
    """Amounts over time. `size` is hour, day or month; `total` that of the whole span, where the windows give none."""

    size: str
    windows: tuple[Window, ...]
    total: Decimal | None = None
    notes: tuple[str, ...] = ()


class Group(NamedTuple):
    """One combination of values of what a series is grouped by."""

    values: tuple[str, ...]
    total: Decimal | None
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Several series over the same windows, the largest first."""

    by: tuple[str, ...]
    size: str
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()


View: TypeAlias = Facts | Table | Series | Grouped


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to be seen of a resource.

    `name` is its key in JSON, `title` heads it ("" for what stands with the resource's own facts). Reads of one name
    are made once for all looks. `shape` makes the view, and raises KeyError, TypeError, ValueError or AttributeError
    where an answer is not as OpenMeter gives it.
    """

    name: str
    title: str
    reads: tuple[Read, ...]
    shape: Callable[[Answers], View] = field(compare=False)


# -- what several kinds see -------------------------------------------------------------------------------------------


def times(*path: str) -> Look:
    """When a resource was made and last written, from the resource itself."""
    return Look("times", "", (Read("itself", path),), lambda answers: _times(answers["itself"]))


def times_in(item: Mapping[str, Json]) -> Look:
    """The same, where its wire form is known already."""
    return Look("times", "", (), lambda answers: _times(item))


def _times(item: Mapping[str, Json]) -> Facts:
    names = (("created", "createdAt", "created_at"), ("updated", "updatedAt", "updated_at"))
    return Facts(tuple((name, moment(item.get(v1) or item.get(v3))) for name, v1, v3 in names))


def moment(text: Json) -> datetime | None:
    """The instant of an RFC 3339 text, None where there is none."""
    return parse_instant(text) if text else None


def word(value: Json) -> str:
    """A JSON text; TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def exact(number: Json) -> Decimal:
    """A JSON number as it was written; TypeError or ValueError where it is none."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"{number!r} is no number")
    value = Decimal(repr(number))
    if not value.is_finite():
        raise ValueError(f"{number!r} is no amount")
    return value


def amount(item: Mapping[str, Json], name: str) -> Decimal | None:
    """The number of that name, None where it is left out."""
    return exact(item[name]) if item.get(name) is not None else None


def totalled(numbers: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    return sum(numbers, Decimal(0))
