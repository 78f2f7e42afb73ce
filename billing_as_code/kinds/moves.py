"""What customers may use, and how a change moves it: what the impact of a plan is computed from. Values only.

A kind says which of its resources lets a customer use something (`Kind.allowance`) and what a change of one moves
(`Kind.moves`); nothing else knows which kinds those are. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from billing_as_code.model import Address, Change, Read

Growth = Literal["adds", "distinct", "latest"]
"""How usage grows within a period: every event adds to it; only what was not seen before does; the last event is it."""
Changes = Mapping[Address, Change]


class Span(NamedTuple):
    """A time from `start` and before `end`."""

    start: datetime
    end: datetime


class Holder(NamedTuple):
    """Who may use something, and what: the keys of a customer and of a feature."""

    customer: str
    feature: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a customer may use of a feature: `amount` in each `interval`, None for a switch or a value, of which nothing
    is counted. `soft` says that access stays when it is used up. `value` is the JSON text of a value.

    Of a live one: `period` is the one that runs, `issued` are the ids of the grants that the amount is in OpenMeter.
    """

    amount: Decimal | None
    interval: str = ""
    anchor: str | None = None
    soft: bool = False
    value: str | None = None
    period: Span | None = None
    issued: frozenset[str] = frozenset()

    @property
    def metered(self) -> bool:
        return self.amount is not None


class Counter(NamedTuple):
    """Where to look how much a customer uses: `value` is the read of what may be used now. For the periods before: the
    ids of the customer and of the meter ("" where none counts), how usage grows, and the read of what narrows it down
    (None where nothing does)."""

    value: Read
    customer: str
    meter: str = ""
    growth: Growth = "adds"
    filters: Read | None = None


class Used(NamedTuple):
    """What OpenMeter says of a value: whether there is access, what was used in the period, what may be used in it
    altogether, and what is left of each grant by its id. All None or empty where it gives no value."""

    access: bool | None
    usage: Decimal | None
    available: Decimal | None
    left: Mapping[str, Decimal]


class Move(NamedTuple):
    """One thing that a change does to what somebody may use.

    `how` is a code: gone, amount, reset, type, hard, config, grant_gone, grant, archived, recounted, or "more" where it
    takes nothing. `down` says that it takes something. `before` and `after` are the allowances where it is one that
    changes (None: there is none). `amount` is what a change of a grant adds to what may be used, from `since` on;
    `grants` are OpenMeter's ids of what it was so far: no more than what is left of those can be taken.
    """

    of: Address
    holder: Holder
    how: str
    down: bool
    before: Allowance | None = None
    after: Allowance | None = None
    amount: Decimal = Decimal(0)
    since: datetime | None = None
    grants: tuple[str, ...] = ()
