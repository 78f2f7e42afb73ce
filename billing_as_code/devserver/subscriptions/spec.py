"""When the parts of a subscription hold (`openmeter/subscription/subscriptionspec.go`). Pure functions on values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..clock import from_db
from ..durations import parse_duration
from ..periods import Recurrence
from .rows import PhaseOf, Subscription

Cadence = tuple[datetime, datetime | None]


@dataclass(frozen=True)
class Spec:
    """The frame of a subscription. `starts` says how long after the beginning each phase starts, in order."""

    active_from: datetime
    active_to: datetime | None
    billing_cadence: str
    billing_anchor: datetime
    starts: Sequence[str]

    @classmethod
    def of(cls, subscription: Subscription, phases: Sequence[PhaseOf]) -> Spec:
        return cls(
            from_db(subscription.active_from),
            None if subscription.active_to is None else from_db(subscription.active_to),
            subscription.billing_cadence,
            from_db(subscription.billing_anchor),
            tuple(phase.start_after for phase in phases),
        )

    def start(self, index: int) -> datetime:
        """When a phase starts."""
        return parse_duration(self.starts[index]).add_to(self.active_from, 1)

    def cadence(self, index: int) -> Cadence:
        """From when to when a phase holds; it ends with the subscription at the latest, and never before it starts."""
        start = self.start(index)
        ends = [self.start(index + 1)] if index + 1 < len(self.starts) else []
        if self.active_to is not None:
            ends.append(self.active_to)
        return start, max(min(ends), start) if ends else None

    def current(self, at: datetime) -> int | None:
        """The phase that holds at a time, None before the first and after the end."""
        if self.active_to is not None and self.active_to <= at:
            return None
        started = [index for index in range(len(self.starts)) if self.start(index) <= at]
        return started[-1] if started else None

    def billing_period(self, at: datetime) -> tuple[datetime, datetime] | None:
        """The billing period at a time, within its phase; None before the subscription, the last phase's after it."""
        if at < self.active_from:
            return None
        index = self.current(at)
        if index is None:
            index = self._last_begun()
        recurrence = Recurrence(parse_duration(self.billing_cadence), self.billing_anchor)
        start, end = recurrence.period_at(at)
        phase_start, phase_end = self.cadence(index)
        return max(start, phase_start), end if phase_end is None else min(end, phase_end)

    def _last_begun(self) -> int:
        """The last phase that was reached before the end."""
        assert self.active_to is not None, "only an ended subscription has no phase"
        begun = [index for index in range(len(self.starts)) if self.start(index) <= self.active_to]
        return begun[-1] if begun else 0
