"""Making, overriding and deleting entitlements (`entitlement/service/service.go`, `service/scheduling.go`)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..clock import to_db
from ..customers import CustomerRow
from ..durations import PeriodError
from ..features import FeatureRow, find_feature
from ..jsonb import InvalidJSON, UnstorableJSON, normalised
from ..periods import Recurrence, floor_minute
from ..problems import DomainProblem, forbidden, internal, invalid
from ..store import Store
from . import grants, rows
from .balances import wrong_type
from .grant_inputs import GrantInput
from .inputs import EntitlementInput
from .rows import Entitlement
from .times import ZERO_TIME


def create(store: Store, customer: CustomerRow, wanted: EntitlementInput) -> Entitlement:
    """Make an entitlement with its grants, or nothing at all."""
    entitlement = _schedule(store, customer, wanted, store.now())
    for grant in wanted.grants:
        grants.refuse_endless(grants.create(store, entitlement, grant), store.now())
    return entitlement


def create_for_subscription(
    store: Store,
    customer: CustomerRow,
    wanted: EntitlementInput,
    *,
    subscription_id: str,
    active_from: datetime,
    active_to: datetime | None,
) -> Entitlement:
    """Make the entitlement that a subscription brings for a time, which may lie ahead."""
    return _schedule(store, customer, wanted, active_from, active_to, {"subscription.id": subscription_id})


def override(store: Store, customer: CustomerRow, id_or_key: str, wanted: EntitlementInput) -> Entitlement:
    """Put a new entitlement in the place of an active one.

    The old one's grants are deleted before the new one is looked at, and stay so when it is refused
    (`credit/hook/entitlement_hook.go` works outside of the transaction).
    """
    old = rows.get_of_customer(store, customer.id, id_or_key)
    refuse_subscribed(old)
    if old.type == "metered":
        grants.delete_of_owner(store, old.id)
        store.keep()
    _supersede(store, customer, old, wanted)
    return create(store, customer, wanted)


def _supersede(store: Store, customer: CustomerRow, old: Entitlement, wanted: EntitlementInput) -> None:
    """End the old entitlement, if a new one may take its place."""
    name = wanted.feature_id or wanted.feature_key
    if name is None:
        raise invalid("feature ID or Key is required")
    if find_feature(store, name).key != old.feature_key:
        raise invalid("old and new entitlements belong to different features")
    if old.customer_id != customer.id:
        raise invalid("old and new entitlements belong to different customers")
    now = store.stamp()
    if now <= old.active_from:
        raise invalid("new entitlement must be active after the old one")
    if old.active_to is not None:
        if old.active_to < now:
            raise invalid("new entitlement must be active before the old one ends")
        raise internal()
    rows.update(store, old.id, {"active_to": now})


def delete(store: Store, entitlement: Entitlement) -> None:
    """Mark an entitlement and its grants deleted."""
    refuse_subscribed(entitlement)
    remove(store, entitlement)


def remove(store: Store, entitlement: Entitlement) -> None:
    """The same, whoever manages it."""
    if entitlement.type == "metered":
        grants.delete_of_owner(store, entitlement.id)
    rows.update(store, entitlement.id, {"deleted_at": store.stamp()})


def add_grant(store: Store, customer_id: str, id_or_key: str, wanted: GrantInput) -> grants.GrantRow:
    """Give one of a customer's entitlements a grant; by id, anybody's.

    It is there also when OpenMeter breaks down over its next recurrence.
    """
    entitlement = rows.get_of_customer(store, customer_id, id_or_key)
    if entitlement.type != "metered":
        raise wrong_type(entitlement.type)
    refuse_subscribed(entitlement)
    grant = grants.create(store, entitlement, wanted)
    store.keep()
    grants.refuse_endless(grant, store.now())
    return grant


def refuse_subscribed(entitlement: Entitlement) -> None:
    """403 for what a subscription manages (`entitlement/hooks/subscription/hook.go`)."""
    if entitlement.is_subscribed:
        raise forbidden("entitlement is managed by subscription")


def _schedule(
    store: Store,
    customer: CustomerRow,
    wanted: EntitlementInput,
    active_from: datetime,
    active_to: datetime | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Entitlement:
    _validate(customer, wanted)
    name = wanted.feature_id or wanted.feature_key or ""
    feature = find_feature(store, name)
    starts, ends = to_db(active_from), None if active_to is None else to_db(active_to)
    _refuse_second(store, customer, feature, starts, ends)
    values: dict[str, Any] = {
        "type": wanted.type,
        "feature_id": feature.id,
        "feature_key": feature.key,
        "customer_id": customer.id,
        "metadata": None if wanted.metadata is None else json.dumps(wanted.metadata),
        "annotations": None if annotations is None else json.dumps(annotations),
        "active_from": starts,
        "active_to": ends,
    }
    if wanted.type == "metered":
        values |= _metered_values(wanted, feature, active_from)
    else:
        values |= _plain_values(wanted, active_from)
    entitlement = rows.insert(store, values)
    if wanted.type == "metered":
        grants.issue(store, entitlement)
    return entitlement


def _validate(customer: CustomerRow, wanted: EntitlementInput) -> None:
    """CreateEntitlementInputs.Validate."""
    if wanted.feature_id is None and wanted.feature_key is None:
        raise invalid("feature id or key must be set")
    if customer.key is None and not customer.subject_keys:
        raise invalid("validation error: usage attribution must have a key or subject keys")
    if wanted.usage_period is not None and wanted.usage_period.interval.shorter_than_an_hour():
        raise invalid("UsagePeriod must be at least 1 hour")
    if wanted.type == "static":
        try:
            normalised(wanted.config or "")
        except InvalidJSON:
            raise invalid("invalid JSON config") from None
        except UnstorableJSON:
            raise internal() from None


def _refuse_second(store: Store, customer: CustomerRow, feature: FeatureRow, starts: str, ends: str | None) -> None:
    """One entitlement at a time for a customer and feature key (`entitlement/uniqueness.go`)."""
    if starts == ends:
        return
    row = store.one(
        "SELECT id, feature_id FROM entitlements WHERE customer_id = :customer AND feature_key = :key"
        " AND (active_to IS NULL OR (active_to > :starts AND active_to <> active_from))"
        " AND (deleted_at IS NULL OR deleted_at > :now) AND (:ends IS NULL OR active_from < :ends)"
        " ORDER BY active_from, id",
        {"customer": customer.id, "key": feature.key, "starts": starts, "ends": ends, "now": store.stamp()},
    )
    if row is not None:
        text = f"entitlement with id {row['id']} already exists for feature {row['feature_id']}"
        raise DomainProblem(409, f"{text} and customer {customer.id}", extensions={"conflictingEntityId": row["id"]})


def _metered_values(wanted: EntitlementInput, feature: FeatureRow, now: datetime) -> Mapping[str, Any]:
    """The columns of a metered one (`entitlement/metered/connector.go`): all its times are whole minutes."""
    period = wanted.usage_period
    assert period is not None, "the schema requires it"
    if feature.meter_id is None:
        raise DomainProblem(400, f"invalid feature {feature.id}: Feature has no meter")
    if wanted.issue_priority is not None and wanted.issue_amount is None:
        raise _invalid_value("metered", "IssueAfterResetPriority requires IssueAfterReset")
    since = floor_minute(wanted.measure_usage_from or now)
    period = replace(period, anchor=floor_minute(period.anchor))
    _check_period("metered", period, since)
    return {
        "measure_usage_from": to_db(since),
        "issue_amount": wanted.issue_amount or 0.0,
        "issue_priority": wanted.issue_priority,
        "is_soft_limit": wanted.is_soft_limit,
        "preserve_overage": wanted.preserve_overage,
        "interval": str(period.interval),
        "anchor": to_db(period.anchor),
    }


def _plain_values(wanted: EntitlementInput, now: datetime) -> Mapping[str, Any]:
    """The columns of a static or boolean one: its anchor stays as it is."""
    values: dict[str, Any] = {"config": None if wanted.config is None else normalised(wanted.config)}
    if wanted.usage_period is not None:
        _check_period(wanted.type, wanted.usage_period, now)
        values |= {
            "interval": str(wanted.usage_period.interval),
            "anchor": to_db(wanted.usage_period.anchor),
        }
    return values


def _check_period(kind: str, period: Recurrence, at: datetime) -> None:
    if period.anchor.isoformat().startswith(ZERO_TIME):
        raise _invalid_value(kind, "recurrence anchor must be set")
    try:
        period.period_at(at)
    except PeriodError:
        raise internal() from None


def _invalid_value(kind: str, message: str) -> DomainProblem:
    """400 in the words of entitlement.InvalidValueError."""
    return DomainProblem(400, f"invalid entitlement value for type {kind}: {message}")
