"""Recurrence grids and usage periods.

Pure functions on values. The rules come from OpenMeter's `pkg/timeutil/recurrence.go` and
`openmeter/entitlement/usageperiod.go`.

OpenMeter walks a recurrence interval by interval from its anchor and gives up after a million steps; here the
step is estimated and corrected: the answer (and the giving up) is the same, and the price does not grow with
the distance.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .durations import Duration, PeriodError

MAX_STEPS: Final = 1_000_000
_MINUTE: Final = timedelta(minutes=1)


def floor_minute(at: datetime) -> datetime:
    """The start of the minute that `at` lies in; keeps its offset."""
    return at.replace(second=0, microsecond=0)


def ceil_minute(at: datetime) -> datetime:
    """`at` if it is a whole minute, the next one otherwise."""
    floored = floor_minute(at)
    return floored if floored == at else floored + _MINUTE


@dataclass(frozen=True)
class Recurrence:
    """A grid of times, anchor + n * interval for every whole n. The anchor may lie in the future."""

    interval: Duration
    anchor: datetime

    def at(self, step: int) -> datetime:
        """The grid's time number `step`, 0 being the anchor."""
        return self.interval.add_to(self.anchor, step)

    def first_step_from(self, at: datetime) -> int:
        """The number of the first time that is not before `at`."""
        return self._around(at)[0]

    def _around(self, at: datetime) -> tuple[int, datetime, datetime]:
        """The number of the first time that is not before `at`, that time, and the one before it."""
        if self.interval.mean_seconds <= 0 and at != self.anchor:
            raise PeriodError("recurrence does not advance")
        step = 0 if at == self.anchor else int((at - self.anchor).total_seconds() / self.interval.mean_seconds)
        if abs(step) >= MAX_STEPS:
            raise PeriodError("recurrence: too many iterations")
        upper = self.at(step)
        while upper < at:
            step += 1
            upper = self.at(step)
        while (lower := self.at(step - 1)) >= at and lower != upper:
            step, upper = step - 1, lower
        return step, upper, lower

    def next_from(self, at: datetime) -> datetime:
        """The first time of the grid that is not before `at`."""
        return self._around(at)[1]

    def period_at(self, at: datetime) -> tuple[datetime, datetime]:
        """The neighbouring times of the grid with from <= at < to."""
        step, upper, lower = self._around(at)
        return (upper, self.at(step + 1)) if upper == at else (lower, upper)

    def times_between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The grid's times in [start, end]."""
        if end < start:
            return
        step = self.first_step_from(start)
        while (at := self.at(step)) <= end:
            yield at
            step += 1
            if self.at(step) <= at:
                raise PeriodError("recurrence does not advance")


@dataclass(frozen=True)
class UsagePeriod:
    """The usage periods of an entitlement: from each start on a recurrence cuts the time, to the next start.

    The first start is where usage is measured from (the anchor, when usage is not measured); the others are
    its manual resets. `starts` ascends.
    """

    starts: Sequence[datetime]
    recurrences: Sequence[Recurrence]

    def period_at(self, at: datetime) -> tuple[datetime, datetime]:
        """The usage period at `at`; the first one when `at` is before it. Cut at the starts around it."""
        index = max(bisect_right(self.starts, at) - 1, 0)
        start = self.starts[index]
        lower, upper = self.recurrences[index].period_at(max(at, start))
        if index + 1 < len(self.starts):
            upper = min(upper, self.starts[index + 1])
        return max(lower, start), upper

    def recurrence_at(self, at: datetime) -> Recurrence:
        """The recurrence in force at `at`."""
        return self.recurrences[max(bisect_right(self.starts, at) - 1, 0)]

    def resets_between(self, start: datetime, end: datetime) -> list[datetime]:
        """The starts of usage periods in [start, end], ascending, and always the very first start as well."""
        found = {self.starts[0]}
        for index, since in enumerate(self.starts):
            following = self.starts[index + 1] if index + 1 < len(self.starts) else None
            until = end if following is None else min(end, following)
            lower = max(since, start)
            if lower > until:
                continue
            found.update(self.recurrences[index].times_between(lower, until))
            if following is not None:
                # A time of the grid that falls on the next start is found there.
                found.discard(following)
            if lower == since:
                found.add(since)
        return sorted(found)
