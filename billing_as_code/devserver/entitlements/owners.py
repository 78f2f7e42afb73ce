"""Who an entitlement's usage is counted of, and by which meter (`entitlement/metered/grant_owner_adapter.go`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from .. import usage
from ..customers import find_customer_by_id
from ..features import find_feature
from ..meters import MeterRow, find_meter
from ..problems import internal
from ..store import Store
from .rows import Entitlement


@dataclass(frozen=True)
class Owner:
    """A meter, and which of its events count. No subjects at all means everybody's, as in OpenMeter."""

    store: Store
    meter: MeterRow
    subjects: Sequence[str]
    filters: Mapping[str, Mapping[str, Any]]

    def used(self, start: datetime, end: datetime) -> float:
        """The usage in [start, end)."""
        if start == end:
            return 0.0
        found = usage.measure(
            self.store, self.meter, subjects=self.subjects, filters=self.filters, start=start, end=end
        )
        return found or 0.0

    def windows(self, start: datetime, end: datetime, size: str, zone: tzinfo = UTC) -> list[usage.WindowValue]:
        """The usage of each window between two times that has any."""
        return usage.measure_windows(
            self.store,
            self.meter,
            subjects=self.subjects,
            filters=self.filters,
            start=start,
            end=end,
            window_size=size,
            zone=zone,
        )


def owner_of(store: Store, entitlement: Entitlement) -> Owner:
    """What to count for an entitlement: its own feature's meter, also when the feature was archived."""
    feature = find_feature(store, entitlement.feature_id, archived=True)
    if feature.meter_id is None:
        raise internal()
    subjects = find_customer_by_id(store, entitlement.customer_id).event_subjects
    return Owner(store, find_meter(store, feature.meter_id), subjects, feature.filters)
