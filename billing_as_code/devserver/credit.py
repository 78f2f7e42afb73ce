"""The credit engine: what is left of an entitlement's grants after its usage.

Pure: it knows no store and no clock, and asks a function for the usage between two times. It follows
OpenMeter's `openmeter/credit/engine` (run.go, burnphase.go, grant.go, reset.go, history.go) step by step,
since every step shows in balances and in the burn-down history:

* The time from a snapshot to `until` is cut at the usage resets; at each the grants roll over.
* Between resets it is cut into phases, where a grant starts, ends or recurs. A phase's usage, and the overage
  before it, is burnt from the grants that are active at its start: by priority, then earliest expiry (never
  comes last), then age, then id. What no grant covers is overage and goes into the next phase.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Final

from .credit_state import Balances, CreditError, Grant, Segment, Snapshot
from .periods import floor_minute

UsageBetween = Callable[[datetime, datetime], float]

# Wide enough for any sum of floating point numbers that differ by less than 60 digits.
_EXACT: Final = Context(prec=80)
_ZERO: Final = Decimal(0)


@dataclass
class Run:
    """A calculation from a snapshot to a time.

    `resets` lie after the snapshot and not after `until`. With `limits` (a LATEST meter) amounts are limits,
    not budgets: each phase starts with whole grants. `observe` is told every segment, in order.
    """

    grants: Sequence[Grant]
    start: Snapshot
    until: datetime
    resets: Sequence[datetime]
    usage_between: UsageBetween
    preserve_overage: bool = False
    limits: bool = False
    observe: Callable[[Segment], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self.grants = sorted(self.grants, key=lambda g: g.burn_order)
        self._by_id = {g.id: g for g in self.grants}
        # Grants that have not started yet, the next one last, and those that have, in the order of burning.
        self._to_come = sorted(self.grants, key=lambda g: g.effective_at, reverse=True)
        self._started: list[Grant] = []
        start, until = self.start.at, self.until
        if self.start.grant_usage < 0 or not math.isfinite(self.start.grant_usage):
            raise CreditError("starting snapshot total grant usage must be a finite non-negative number")
        if until < start or any(not start < at <= until for at in self.resets):
            raise CreditError("timeline does not represent the correct period")
        if self.start.balances.keys() != self._by_id.keys():
            raise CreditError("provided grants and balances don't pair up")
        self._changes = sorted(
            at
            for g in self.grants
            for at in (g.effective_at, g.expires_at, g.deleted_at, g.voided_at)
            if at is not None and start <= at < until
        )
        self._recurrences = self._all_recurrences()

    def _all_recurrences(self) -> list[tuple[datetime, str]]:
        found: list[tuple[datetime, str]] = []
        for grant in self.grants:
            if grant.recurrence is None:
                continue
            since = max(grant.effective_at, self.start.at)
            for at in grant.recurrence.times_between(since, self.until):
                if not grant.active_at(at):
                    break
                found.append((at, grant.id))
        return sorted(found)

    def result(self) -> Snapshot:
        """The snapshot at `until`, with the balances of all grants, active or not."""
        snapshot = self.start
        ends = [*sorted(self.resets), self.until]
        for index, end in enumerate(ends):
            last = index == len(ends) - 1
            snapshot = self._burn_until(snapshot, end, last)
            if not last:
                snapshot = self._reset(snapshot)
        return snapshot

    def _burn_until(self, start: Snapshot, until: datetime, last: bool) -> Snapshot:
        """The snapshot at `until`, no reset lying between."""
        balances, overage = dict(start.balances), start.overage
        self._take_in(balances, start.at, until)
        usage, grant_usage = start.usage, start.grant_usage
        at_start, phases = self._phases(start.at, until, last)
        recurring: Collection[str] = at_start
        for begin, end, recurring_at_end in phases:
            for grant_id in recurring:
                balances[grant_id] = self._by_id[grant_id].amount
            active = self._activate(balances, begin)
            used = self.usage_between(begin, end)
            left, burnt, uncovered = burn_down(balances, active, used + overage)
            self.observe(Segment(begin, end, balances, overage, uncovered, used, burnt, usage, grant_usage))
            balances, overage, recurring = left, uncovered, recurring_at_end
            usage += used
            grant_usage = _exact_sum(grant_usage, burnt)
        return Snapshot(until, balances, overage, usage, grant_usage)

    def _take_in(self, balances: Balances, start: datetime, until: datetime) -> None:
        """Look from here on at the grants that start by `until`, and no more at those that are over."""
        over = {g.id for g in self._started if g.ends_at and g.ends_at <= start and not balances[g.id]}
        if over:
            self._started = [g for g in self._started if g.id not in over]
        while self._to_come and self._to_come[-1].effective_at <= until:
            insort(self._started, self._to_come.pop(), key=lambda g: g.burn_order)

    def _activate(self, balances: Balances, at: datetime) -> list[Grant]:
        """The active grants; empties the inactive and fills those that start now."""
        active = []
        for grant in self._started:
            if not grant.active_at(at):
                balances[grant.id] = 0.0
                continue
            active.append(grant)
            if self.limits or grant.effective_at == at:
                balances[grant.id] = grant.amount
        return active

    def _phases(
        self, start: datetime, end: datetime, last: bool
    ) -> tuple[list[str], list[tuple[datetime, datetime, list[str]]]]:
        """Which grants recur at `start`, and the phases, each with the grants that recur at its end.

        A recurrence at `end` counts only at the very end of a run, as a phase of no length; at a reset it is
        the next period's. Starts and ends of grants are cut to the minute.
        """
        first = bisect_left(self._recurrences, (start, ""))
        if last or start == end:
            beyond = bisect_right(self._recurrences, end, key=lambda r: r[0])
        else:
            beyond = bisect_left(self._recurrences, (end, ""))
        cuts: dict[datetime, list[str]] = {}
        for at, grant_id in self._recurrences[first:beyond]:
            cuts.setdefault(at, []).append(grant_id)
        at_start = cuts.pop(start, [])
        changes = self._changes[bisect_left(self._changes, start) : bisect_left(self._changes, end)]
        for at in changes:
            cuts.setdefault(floor_minute(at), [])
        phases: list[tuple[datetime, datetime, list[str]]] = []
        begin = start
        for at in sorted(cuts):
            if at > begin:
                phases.append((begin, at, cuts[at]))
                begin = at
        if begin < end or not phases:
            phases.append((begin, end, []))
        elif phases[-1][2]:
            phases.append((end, end, []))
        return at_start, phases

    def _reset(self, before: Snapshot) -> Snapshot:
        """Rolls the grants over; preserved overage is burnt from them at once, what is left of it stays."""
        at = before.at
        rolled = dict(before.balances)
        for grant in self._started:
            if grant.active_at(at):
                rolled[grant.id] = grant.rolled_over(rolled[grant.id])
        overage = before.overage if self.preserve_overage else 0.0
        left, uncovered = rolled, overage
        burnt: list[tuple[str, float]] = []
        if overage != 0:
            left, burnt, uncovered = burn_down(rolled, self.grants, overage)
        self.observe(Segment(at, at, rolled, overage, uncovered, 0.0, burnt, 0.0, 0.0, is_rollover=True))
        return Snapshot(at, left, uncovered, 0.0, _exact_sum(0.0, burnt))


def burn_down(
    balances: Balances, grants: Sequence[Grant], usage: float
) -> tuple[Balances, list[tuple[str, float]], float]:
    """Burns `usage` from grants in their order: new balances, what was burnt of each, and what is uncovered.

    A grant that had a balance is listed even when nothing was left to burn from it.
    """
    left = dict(balances)
    burnt: list[tuple[str, float]] = []
    rest = _decimal(usage)
    for grant in grants:
        balance = left[grant.id]
        if balance == 0:
            continue
        exact = _decimal(balance)
        if exact <= rest:
            left[grant.id] = 0.0
            rest = _EXACT.subtract(rest, exact)
            burnt.append((grant.id, balance))
        else:
            amount = float(rest)
            left[grant.id] = balance - amount
            burnt.append((grant.id, amount))
            rest = _ZERO
    return left, burnt, float(rest)


def _decimal(number: float) -> Decimal:
    """The number that the floating point number prints as, as OpenMeter's decimals take it."""
    return Decimal(repr(number))


def _exact_sum(start: float, burnt: Sequence[tuple[str, float]]) -> float:
    total = _decimal(start)
    for _, amount in burnt:
        if amount:
            total = _EXACT.add(total, _decimal(amount))
    return float(total)
