"""Grants as they are stored, made and voided (`openmeter/credit/grant.go`, `credit/adapter/grant.go`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ..clock import from_db, to_db
from ..credit_state import Grant
from ..durations import PeriodError, add_expiration, parse_duration
from ..gotime import go_time
from ..periods import Recurrence, floor_minute
from ..problems import DomainProblem, internal, invalid
from ..store import Row, Store
from . import rows, snapshots
from .grant_inputs import GrantInput, check
from .rows import Entitlement

DDL: Final = """
CREATE TABLE IF NOT EXISTS entitlement_grants (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    amount REAL NOT NULL,
    priority INTEGER NOT NULL,
    effective_at TEXT NOT NULL,
    expiration_unit TEXT,
    expiration_count INTEGER,
    expires_at TEXT,
    voided_at TEXT,
    max_rollover REAL NOT NULL,
    min_rollover REAL NOT NULL,
    interval TEXT,
    recurrence_anchor TEXT,
    metadata TEXT,
    annotations TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX IF NOT EXISTS entitlement_grants_of_owner ON entitlement_grants (owner_id, created_at);
CREATE INDEX IF NOT EXISTS entitlement_grants_by_id ON entitlement_grants (id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS entitlement_grants_by_effect
    ON entitlement_grants (effective_at, id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS entitlement_grants_by_creation
    ON entitlement_grants (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS entitlement_grants_by_update
    ON entitlement_grants (updated_at, id) WHERE deleted_at IS NULL;
"""


class Breakdown(Exception):
    """OpenMeter's handler panics here: 500 without a body."""


ISSUED: Final = {"issueAfterReset": True}


@dataclass(frozen=True)
class GrantRow:
    """A stored grant; times in the database's form."""

    id: str
    owner_id: str
    amount: float
    priority: int
    effective_at: str
    expiration_unit: str | None
    expiration_count: int | None
    expires_at: str | None
    voided_at: str | None
    max_rollover: float
    min_rollover: float
    interval: str | None
    recurrence_anchor: str | None
    metadata: Mapping[str, str] | None
    annotations: Mapping[str, Any] | None
    created_at: str
    updated_at: str
    deleted_at: str | None

    @property
    def recurrence(self) -> Recurrence | None:
        """When its balance is filled up again."""
        if self.interval is None or self.recurrence_anchor is None:
            return None
        return Recurrence(parse_duration(self.interval), from_db(self.recurrence_anchor))


def from_row(row: Row) -> GrantRow:
    """The grant of a table row."""
    values = {name: row[name] for name in GrantRow.__dataclass_fields__}
    for name in ("metadata", "annotations"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return GrantRow(**values)


def of_owner(store: Store, owner_id: str) -> list[Grant]:
    """All grants that an entitlement ever had, for the engine."""
    found = store.all("SELECT * FROM entitlement_grants WHERE owner_id = ? ORDER BY created_at, id", [owner_id])
    return [_for_engine(from_row(row)) for row in found]


def _for_engine(grant: GrantRow) -> Grant:
    return Grant(
        id=grant.id,
        amount=grant.amount,
        priority=grant.priority,
        created_at=from_db(grant.created_at),
        effective_at=from_db(grant.effective_at),
        expires_at=_time(grant.expires_at),
        voided_at=_time(grant.voided_at),
        deleted_at=_time(grant.deleted_at),
        max_rollover=grant.max_rollover,
        min_rollover=grant.min_rollover,
        recurrence=grant.recurrence,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else from_db(text)


def create(store: Store, entitlement: Entitlement, wanted: GrantInput) -> GrantRow:
    """Give an entitlement a grant; effect and recurrence start at whole minutes."""
    check(wanted)
    wanted = replace(wanted, effective_at=floor_minute(wanted.effective_at))
    start = period_start(entitlement, store.now())
    if wanted.effective_at < start:
        shown = go_time(wanted.effective_at)
        raise invalid(f"grant effective date {shown} is before the current usage period {go_time(start)}")
    grant_id, now = store.new_id(), store.stamp()
    values: dict[str, Any] = {
        "id": grant_id,
        "owner_id": entitlement.id,
        "amount": wanted.amount,
        "priority": wanted.priority,
        "effective_at": to_db(wanted.effective_at),
        "max_rollover": wanted.max_rollover,
        "min_rollover": wanted.min_rollover,
        "metadata": None if wanted.metadata is None else json.dumps(wanted.metadata),
        "annotations": None if wanted.annotations is None else json.dumps(wanted.annotations),
        "created_at": now,
        "updated_at": now,
    }
    if wanted.expiration is not None:
        unit, number = wanted.expiration
        values |= {"expiration_unit": unit, "expiration_count": number}
        values["expires_at"] = to_db(add_expiration(wanted.effective_at, unit, number))
    if wanted.recurrence is not None:
        values["interval"] = str(wanted.recurrence.interval)
        values["recurrence_anchor"] = to_db(floor_minute(wanted.recurrence.anchor))
    store.insert("entitlement_grants", values)
    snapshots.invalidate_after(store, entitlement.id, wanted.effective_at)
    return get(store, grant_id)


def refuse_endless(grant: GrantRow, now: datetime) -> None:
    """Break down over a grant whose next recurrence cannot be told (`metered/entitlement_grant.go`)."""
    try:
        if grant.recurrence is not None:
            grant.recurrence.next_from(now)
    except PeriodError:
        raise Breakdown from None


def period_start(entitlement: Entitlement, at: datetime) -> datetime:
    """The start of the entitlement's usage period at a time."""
    if entitlement.usage_period is None:
        raise internal()
    try:
        return entitlement.usage_period.period_at(at)[0]
    except PeriodError:
        raise internal() from None


def issue(store: Store, entitlement: Entitlement) -> None:
    """The grant that an entitlement's `issue` amounts to; after each reset it is whole again."""
    amount = entitlement.issue_amount or 0.0
    if amount <= 0:
        return
    wanted = GrantInput(
        amount,
        period_start(entitlement, store.now()),
        1 if entitlement.issue_priority is None else entitlement.issue_priority,
        max_rollover=amount,
        min_rollover=amount,
        annotations=ISSUED,
    )
    create(store, entitlement, wanted)


def get(store: Store, grant_id: str) -> GrantRow:
    """The grant with this id, deleted or not, or 404 in v1's words."""
    row = store.one("SELECT * FROM entitlement_grants WHERE id = ?", [grant_id])
    if row is None:
        raise DomainProblem(404, f"grant not found: {grant_id}")
    return from_row(row)


def delete_of_owner(store: Store, owner_id: str) -> None:
    """Mark all grants of an entitlement deleted."""
    now = store.stamp()
    store.execute(
        "UPDATE entitlement_grants SET deleted_at = ?, updated_at = ? WHERE owner_id = ?", (now, now, owner_id)
    )


def void(store: Store, grant_id: str, at: datetime | None) -> None:
    """End a grant now, or at a time since the current usage period's start."""
    grant = get(store, grant_id)
    if grant.voided_at is not None:
        raise invalid("grant already voided")
    now = store.now()
    void_at = floor_minute(now if at is None else at)
    if void_at > now:
        raise invalid(f"void time {go_time(void_at)} must not be in the future")
    owner = rows.find(store, grant.owner_id)
    if owner is None:
        # OpenMeter does not find the entitlement either, and does not say so.
        raise internal()
    start = period_start(owner, now)
    if void_at < start:
        raise invalid(f"void time {go_time(void_at)} is before the current usage period start {go_time(start)}")
    values = {"voided_at": to_db(void_at), "updated_at": store.stamp()}
    store.update("entitlement_grants", values, id=grant_id)
    snapshots.invalidate_after(store, owner.id, void_at)
