"""Entitlements as the APIs show them (`entitlement/driver/parser.go`, `driver/v2/mapping.go`)."""

from datetime import datetime
from typing import Any

from ..aggregation import as_number
from ..clock import to_wire, wire
from ..durations import PeriodError, parse_duration
from ..problems import internal
from .rows import Entitlement

Shown = dict[str, Any]


def entitlement_v2(entitlement: Entitlement, customer_key: str | None, now: datetime) -> Shown:
    """In v2, where metadata of a boolean one never shows."""
    shown = _common(entitlement)
    shown["customerId"] = entitlement.customer_id
    if customer_key is not None:
        shown["customerKey"] = customer_key
    if entitlement.type == "boolean":
        shown.pop("metadata", None)
    if entitlement.type == "metered":
        shown |= _metered(entitlement)
        shown["issue"] = {"amount": shown["issueAfterReset"]}
        if entitlement.issue_priority is not None:
            shown["issue"]["priority"] = entitlement.issue_priority
    return shown | _usage_period(entitlement, now)


def entitlement_v1(entitlement: Entitlement, subject_key: str, now: datetime) -> Shown:
    """In v1, where the customer is its first subject key, or an empty one."""
    shown = _common(entitlement)
    shown["subjectKey"] = subject_key
    if entitlement.type == "metered":
        shown |= _metered(entitlement)
        shown["isUnlimited"] = False
    return shown | _usage_period(entitlement, now)


def _common(entitlement: Entitlement) -> Shown:
    shown: Shown = {
        "id": entitlement.id,
        "type": entitlement.type,
        "featureId": entitlement.feature_id,
        "featureKey": entitlement.feature_key,
        "activeFrom": wire(entitlement.active_from),
        "createdAt": wire(entitlement.created_at),
        "updatedAt": wire(entitlement.updated_at),
    }
    ends = entitlement.active_to or entitlement.deleted_at
    if ends is not None:
        shown["activeTo"] = wire(ends)
    if entitlement.deleted_at is not None:
        shown["deletedAt"] = wire(entitlement.deleted_at)
    if entitlement.metadata:
        shown["metadata"] = entitlement.metadata
    if entitlement.annotations:
        shown["annotations"] = entitlement.annotations
    if entitlement.config is not None:
        shown["config"] = entitlement.config
    return shown


def _metered(entitlement: Entitlement) -> Shown:
    assert entitlement.measure_usage_from is not None and entitlement.last_reset is not None
    shown: Shown = {
        "isSoftLimit": entitlement.is_soft_limit,
        "issueAfterReset": as_number(entitlement.issue_amount or 0.0),
        "lastReset": wire(entitlement.last_reset),
        "measureUsageFrom": wire(entitlement.measure_usage_from),
        "preserveOverageAtReset": entitlement.preserve_overage,
    }
    if entitlement.issue_priority is not None:
        shown["issueAfterResetPriority"] = entitlement.issue_priority
    return shown


def _usage_period(entitlement: Entitlement, now: datetime) -> Shown:
    """The period as it was declared, whatever resets did to its anchor, and the current one."""
    period = entitlement.usage_period
    if period is None or entitlement.anchor is None or entitlement.interval is None:
        return {}
    try:
        start, end = period.period_at(now)
    except PeriodError:
        raise internal() from None
    return {
        "usagePeriod": recurring(entitlement.anchor, entitlement.interval),
        "currentUsagePeriod": {"from": to_wire(start), "to": to_wire(end)},
    }


def recurring(anchor: str, interval: str) -> Shown:
    """A recurrence: its interval by the API's name where it has one, and as ISO text."""
    return {"anchor": wire(anchor), "interval": parse_duration(interval).api_name, "intervalISO": interval}
