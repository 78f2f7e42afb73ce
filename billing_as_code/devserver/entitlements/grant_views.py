"""Grants as the APIs show them (`driver/v2/mapping.go`, `driver/metered.go`)."""

from datetime import datetime
from typing import Any

from ..aggregation import as_number
from ..clock import to_wire, wire
from ..durations import PeriodError, add_expiration
from ..periods import floor_minute
from ..problems import internal
from .grant_inputs import GrantInput
from .grants import GrantRow
from .times import go_rfc3339
from .views import recurring


def grant_v2(grant: GrantRow, now: datetime) -> dict[str, Any]:
    """In v2."""
    shown = _common(grant, now)
    if grant.expiration_unit is not None and grant.expires_at is not None:
        shown["expiration"] = {"count": grant.expiration_count, "duration": grant.expiration_unit}
        shown["expiresAt"] = wire(grant.expires_at)
    return shown


def grant_v1(grant: GrantRow, now: datetime) -> dict[str, Any]:
    """In v1, which says of a grant that never expires that it does so in a hundred years from now."""
    shown = _common(grant, now)
    if grant.expiration_unit is None or grant.expires_at is None:
        shown["expiration"] = {"count": 100, "duration": "YEAR"}
        shown["expiresAt"] = to_wire(add_expiration(now, "YEAR", 100))
    else:
        shown["expiration"] = {"count": grant.expiration_count, "duration": grant.expiration_unit}
        shown["expiresAt"] = wire(grant.expires_at)
    return shown


def as_sent(wanted: GrantInput) -> dict[str, str]:
    """The times of a grant just made, which OpenMeter answers in the offset that they were sent in."""
    start = floor_minute(wanted.effective_at)
    shown = {"effectiveAt": go_rfc3339(start)}
    if wanted.expiration is not None:
        shown["expiresAt"] = go_rfc3339(add_expiration(start, *wanted.expiration))
    return shown


def _common(grant: GrantRow, now: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": grant.id,
        "entitlementId": grant.owner_id,
        "amount": as_number(grant.amount),
        "priority": grant.priority,
        "effectiveAt": wire(grant.effective_at),
        "maxRolloverAmount": as_number(grant.max_rollover),
        "minRolloverAmount": as_number(grant.min_rollover),
        "createdAt": wire(grant.created_at),
        "updatedAt": wire(grant.updated_at),
    }
    optional = {
        "metadata": grant.metadata,
        "annotations": grant.annotations,
        "voidedAt": grant.voided_at and wire(grant.voided_at),
        "deletedAt": grant.deleted_at and wire(grant.deleted_at),
    }
    shown |= {name: value for name, value in optional.items() if value}
    if grant.recurrence is not None and grant.recurrence_anchor and grant.interval:
        shown["recurrence"] = recurring(grant.recurrence_anchor, grant.interval)
        try:
            shown["nextRecurrence"] = to_wire(grant.recurrence.next_from(now))
        except PeriodError:
            raise internal() from None
    return shown
