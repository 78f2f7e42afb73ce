"""Questions about usage and the rows that answer them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from .aggregation import MeterDefinition
from .filters import Filter


@dataclass(frozen=True)
class Attribution:
    """A customer and the event subjects that are its usage: its key and its subject keys."""

    customer_id: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A meter query. `group_by` names group-bys of the meter, `subject` or `customer_id`.

    Several conditions on the subject all hold; None in `subjects` means any. `filters` go by group-by name.
    """

    meter: MeterDefinition
    start: datetime | None = None
    end: datetime | None = None
    subjects: Collection[str] | None = None
    customers: Sequence[Attribution] = ()
    filters: Mapping[str, Filter] = field(default_factory=dict)
    group_by: Sequence[str] = ()
    window_size: str | None = None
    zone: tzinfo = UTC

    @property
    def owners(self) -> dict[str, str]:
        """The customer of each subject; of two that claim one, the first."""
        owners: dict[str, str] = {}
        for customer in self.customers:
            for subject in customer.subjects:
                owners.setdefault(subject, customer.customer_id)
        return owners


@dataclass(frozen=True)
class UsageRow:
    """One row of an answer. Without windows, `start` and `end` are the question's where it has them."""

    start: datetime
    end: datetime
    value: float
    subject: str | None = None
    customer_id: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowValue:
    """The value of one window; windows without events are left out."""

    start: datetime
    end: datetime
    value: float
