"""An entitlement's usage, as the credit engine asks for it (`openmeter/credit/balance/usage.go`)."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from ..periods import floor_minute
from .owners import Owner

# After this many phases that were asked for one by one, usage is read minute by minute at once.
_MANY: Final = 8


@dataclass
class UsageReader:
    """Answers the usage between two times in [start, end].

    `period_starts` are the known starts of usage periods: that of the one that `start` lies in, and the ones
    that the engine resets at. They matter to a UNIQUE_COUNT meter only, whose usage is a difference of counts
    since the period's start.
    """

    owner: Owner
    start: datetime
    end: datetime
    period_starts: Sequence[datetime]
    _asked: int = 0

    def between(self, start: datetime, end: datetime) -> float:
        """The usage in [start, end)."""
        if start == end:
            return 0.0
        if self.owner.meter.aggregation == "UNIQUE_COUNT":
            return self._unique_between(start, end)
        self._asked += 1
        if self._asked > _MANY and start == floor_minute(start) and end == floor_minute(end):
            return self._from_minutes(start, end)
        return self.owner.used(start, end)

    def _unique_between(self, start: datetime, end: datetime) -> float:
        since = self._period_start(start)
        counted = 0.0 if since == end else self.owner.used(since, end)
        return counted if since == start else counted - self.owner.used(since, start)

    def _period_start(self, at: datetime) -> datetime:
        """The start of the known period that `at` lies in; a time between two belongs to the earlier.

        Thus in the first phase after a reset values count as used when the period before had them (OpenMeter's
        own slip: `credit/helper.go` takes the first period that contains the time, ends included).
        """
        known = self._known_starts
        return known[max(bisect_left(known, at) - 1, 0)]

    @cached_property
    def _known_starts(self) -> list[datetime]:
        return sorted({*self.period_starts, self.end})

    def _from_minutes(self, start: datetime, end: datetime) -> float:
        times, values = self._minutes
        first, beyond = bisect_left(times, start), bisect_left(times, end)
        if self.owner.meter.aggregation == "LATEST":
            return values[beyond - 1] if beyond > first else 0.0
        return sum(values[first:beyond])

    @cached_property
    def _minutes(self) -> tuple[list[datetime], list[float]]:
        """The usage of each minute that has any."""
        windows = self.owner.windows(self.start, self.end, "MINUTE")
        return [w.start for w in windows], [w.value for w in windows]
