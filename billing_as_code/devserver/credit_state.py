"""What the credit engine works on: grants, balances at a time, and segments of the burn-down history.

The rules are those of OpenMeter's `openmeter/credit/grant`, `credit/balance` and `credit/helper.go`.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from .periods import Recurrence

Balances = dict[str, float]


class CreditError(Exception):
    """The engine cannot calculate; OpenMeter answers 500."""


@dataclass(frozen=True)
class Grant:
    """What the engine knows of a grant. Rollover amounts bound what is left after a reset."""

    id: str
    amount: float
    priority: int
    created_at: datetime
    effective_at: datetime
    expires_at: datetime | None = None
    voided_at: datetime | None = None
    deleted_at: datetime | None = None
    max_rollover: float = 0.0
    min_rollover: float = 0.0
    recurrence: Recurrence | None = None

    @cached_property
    def ends_at(self) -> datetime | None:
        """When it stops being active: the first of expiry, deletion and voiding, never before it starts."""
        ends = [at for at in (self.expires_at, self.voided_at, self.deleted_at) if at is not None]
        return max(min(ends), self.effective_at) if ends else None

    def active_at(self, at: datetime) -> bool:
        """Whether it may be burnt at that time; its end is exclusive."""
        return self.effective_at <= at and (self.ends_at is None or at < self.ends_at)

    @cached_property
    def burn_order(self) -> tuple[int, bool, float, datetime, str]:
        """Sorts grants in the order that they are burnt in."""
        expiry = math.floor(self.expires_at.timestamp()) if self.expires_at else 0.0
        return (self.priority, self.expires_at is None, expiry, self.created_at, self.id)

    def rolled_over(self, balance: float) -> float:
        """What a reset leaves of a balance."""
        return min(self.max_rollover, max(self.min_rollover, balance))


@dataclass(frozen=True)
class Snapshot:
    """Balances at a time, with the usage since the period's start: all of it, and what grants covered."""

    at: datetime
    balances: Balances
    overage: float = 0.0
    usage: float = 0.0
    grant_usage: float = 0.0

    @property
    def balance(self) -> float:
        """The sum of the grants' balances."""
        return sum(self.balances.values())

    @property
    def total_available(self) -> float:
        """What grants gave in the period: used up already, or still there."""
        return self.grant_usage + self.balance


@dataclass
class Segment:
    """One phase of the burn-down history, or, of no length, the rollover at a reset."""

    start: datetime
    end: datetime
    balances: Balances
    overage_at_start: float
    overage: float
    usage: float
    grant_usages: Sequence[tuple[str, float]]
    period_usage: float
    period_grant_usage: float
    is_rollover: bool = False

    @property
    def balances_at_end(self) -> Balances:
        """The balances when what was burnt is taken off."""
        ending = dict(self.balances)
        for grant_id, burnt in self.grant_usages:
            ending[grant_id] -= burnt
        return ending

    @property
    def snapshot_at_start(self) -> Snapshot:
        """The snapshot that a later run may start from, at this segment's start."""
        return Snapshot(self.start, self.balances, self.overage_at_start, self.period_usage, self.period_grant_usage)


def starting_snapshot(grants: Iterable[Grant], at: datetime) -> Snapshot:
    """Where measurement starts: no usage, and the whole amount of each grant that is active."""
    return Snapshot(at, {g.id: g.amount if g.active_at(at) else 0.0 for g in grants})


def with_missing(snapshot: Snapshot, grants: Iterable[Grant]) -> Snapshot:
    """The snapshot with grants it does not know: whole, if active at its time, otherwise empty."""
    missing = {g.id: g.amount if g.active_at(snapshot.at) else 0.0 for g in grants if g.id not in snapshot.balances}
    return _with_balances(snapshot, snapshot.balances | missing)


def without_inactive(snapshot: Snapshot, grants: Collection[Grant], at: datetime) -> Snapshot:
    """The snapshot with only the grants active at `at`; each of its grants must be among `grants`."""
    known = {g.id: g for g in grants}
    if unknown := snapshot.balances.keys() - known.keys():
        raise CreditError(f"grant {min(unknown)} not found when removing inactive grants")
    return _with_balances(snapshot, {i: b for i, b in snapshot.balances.items() if known[i].active_at(at)})


def _with_balances(snapshot: Snapshot, balances: Balances) -> Snapshot:
    return Snapshot(snapshot.at, balances, snapshot.overage, snapshot.usage, snapshot.grant_usage)


def relevant_between(grants: Iterable[Grant], start: datetime, end: datetime) -> list[Grant]:
    """The grants of a calculation (`credit/adapter/grant.go`, ListActiveGrantsBetween)."""
    return [
        g
        for g in grants
        if (
            (g.effective_at < start and (g.expires_at is None or g.expires_at > start))
            or start <= g.effective_at < end
            or g.effective_at in (start, end)
        )
        and not (g.deleted_at is not None and g.deleted_at < start)
        and not (g.voided_at is not None and g.voided_at < start)
    ]
