"""Balances of an entitlement: calculated from its last saved one, and saved where they may be.

Follows `openmeter/credit/balance.go` and `credit/helper.go`: which grants and resets the engine is given, where a
calculation starts, and which balances are saved for later ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from ..clock import from_db
from ..credit import Run
from ..credit_state import (
    CreditError,
    Grant,
    Segment,
    Snapshot,
    relevant_between,
    starting_snapshot,
    with_missing,
    without_inactive,
)
from ..durations import PeriodError
from ..gotime import go_time
from ..periods import UsagePeriod, ceil_minute, floor_minute
from ..problems import DomainProblem, internal, invalid
from ..store import Store
from . import grants, rows, snapshots
from .metering import UsageReader
from .owners import Owner, owner_of
from .rows import Entitlement

# Balances of the last day are not saved, so that late usage still counts.
GRACE: Final = timedelta(days=1)


def wrong_type(actual: str) -> DomainProblem:
    """400 in the words of entitlement.WrongTypeError."""
    return DomainProblem(400, f"expected entitlement type metered but got {actual}")


@dataclass(frozen=True)
class Ledger:
    """The balances of one metered entitlement within a request."""

    store: Store
    entitlement: Entitlement

    @cached_property
    def owner(self) -> Owner:
        """Whose usage is counted, and how."""
        return owner_of(self.store, self.entitlement)

    @cached_property
    def _grants(self) -> list[Grant]:
        return grants.of_owner(self.store, self.entitlement.id)

    @property
    def _usage_period(self) -> UsagePeriod:
        period = self.entitlement.usage_period
        assert period is not None, "metered entitlements have one"
        return period

    def balance_at(self, at: datetime) -> Snapshot:
        """The balance at a time, rounded up to the minute, of the grants that are active then."""
        try:
            return self._balance_at(ceil_minute(at))
        except (CreditError, PeriodError, OverflowError):
            raise internal() from None

    def _balance_at(self, at: datetime) -> Snapshot:
        start = self._last_snapshot(at)
        known = relevant_between(self._grants, start.at, at)
        start = with_missing(start, known)
        not_after = max(self._usage_period.period_at(at)[0], self.store.now() - GRACE)
        saveable = _LastSaveable(not_after)
        result = self._run(start, known, at, self._resets(start.at, at), saveable).result()
        self._save(saveable, known)
        return without_inactive(result, known, at)

    def history(self, start: datetime, end: datetime) -> list[Segment]:
        """The burn-down from one time to another, both whole minutes."""
        try:
            first = self._balance_at(ceil_minute(start))
            known = relevant_between(self._grants, first.at, end)
            first = with_missing(first, known)
            segments: list[Segment] = []
            resets = [at for at in self._resets(start, end) if at > first.at]
            run = self._run(first, known, end, resets, segments.append, since=start)
            run.result()
        except (CreditError, PeriodError, OverflowError):
            raise internal() from None
        return segments

    def reset(self, at: datetime, *, preserve_overage: bool) -> datetime:
        """Save the balance that a reset at a time leaves; answers the time, cut to the minute."""
        now = self.store.now()
        if at > now:
            raise invalid(f"cannot reset at {go_time(at)} in the future")
        cut = floor_minute(at)
        self._check_reset(cut, now)
        try:
            self._save_reset(cut, preserve_overage)
        except (CreditError, PeriodError, OverflowError):
            raise internal() from None
        return cut

    def _check_reset(self, at: datetime, now: datetime) -> None:
        try:
            start = self._usage_period.period_at(now)[0]
            later = [reset for reset in self._usage_period.resets_between(at, now) if reset > at]
        except PeriodError:
            raise internal() from None
        if at < start:
            raise invalid(f"reset at {go_time(at)} is before current usage period start {go_time(start)}")
        if later:
            raise invalid(f"reset at {go_time(at)} is before last reset at {go_time(later[-1])}")

    def _save_reset(self, at: datetime, preserve_overage: bool) -> None:
        start = self._last_snapshot(at)
        known = relevant_between(self._grants, start.at, at)
        start = with_missing(start, known)
        resets = [reset for reset in [*self._resets(start.at, at), at] if reset > start.at]
        run = self._run(start, known, at, resets, lambda _: None)
        run.preserve_overage = preserve_overage
        result = run.result()
        snapshots.invalidate_after(self.store, self.entitlement.id, at)
        snapshots.save(self.store, self.entitlement.id, _checked(without_inactive(result, known, at)))

    def _last_snapshot(self, at: datetime) -> Snapshot:
        saved = snapshots.latest(self.store, self.entitlement.id, at)
        if saved is not None:
            return saved
        assert self.entitlement.measure_usage_from is not None, "metered entitlements have one"
        start = from_db(self.entitlement.measure_usage_from)
        return starting_snapshot(relevant_between(self._grants, start, at), start)

    def _resets(self, start: datetime, end: datetime) -> list[datetime]:
        return [at for at in self._usage_period.resets_between(start, end) if at > start]

    def _run(
        self,
        start: Snapshot,
        known: Sequence[Grant],
        until: datetime,
        resets: Sequence[datetime],
        observe: Callable[[Segment], None],
        *,
        since: datetime | None = None,
    ) -> Run:
        begin = start.at if since is None else since
        starts = [self._usage_period.period_at(begin)[0], *self._usage_period.resets_between(begin, until)]
        reader = UsageReader(self.owner, begin, until, starts)
        return Run(
            grants=known,
            start=start,
            until=until,
            resets=resets,
            usage_between=reader.between,
            preserve_overage=self.entitlement.preserve_overage,
            limits=self.owner.meter.aggregation == "LATEST",
            observe=observe,
        )

    def _save(self, saveable: "_LastSaveable", known: Sequence[Grant]) -> None:
        """Save the last balance of the calculation that may be; those of LATEST meters never may."""
        segment = saveable.segment
        if segment is None or self.owner.meter.aggregation == "LATEST":
            return
        snapshot = _checked(segment.snapshot_at_start)
        snapshots.save(self.store, self.entitlement.id, without_inactive(snapshot, known, snapshot.at))


class _LastSaveable:
    """Notes the last segment, the first aside, that does not start after a time."""

    def __init__(self, not_after: datetime) -> None:
        self._not_after = not_after
        self._first = True
        self.segment: Segment | None = None

    def __call__(self, segment: Segment) -> None:
        if not self._first and segment.start <= self._not_after:
            self.segment = segment
        self._first = False


def _checked(snapshot: Snapshot) -> Snapshot:
    if floor_minute(snapshot.at) != snapshot.at:
        raise CreditError("snapshot timestamp is not aligned to granularity")
    return snapshot


def ledger_of(store: Store, entitlement_id: str) -> Ledger:
    """The balances of an entitlement that is not deleted; 404, or 400 when it is not metered."""
    entitlement = rows.get(store, entitlement_id)
    if entitlement.type != "metered":
        raise wrong_type(entitlement.type)
    return Ledger(store, entitlement)
