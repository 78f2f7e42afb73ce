"""What create and override bodies ask for (`openmeter/entitlement/driver/parser.go`, `driver/v2/mapping.go`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..durations import Duration, DurationError, PeriodError, parse_interval
from ..periods import Recurrence
from ..problems import internal, invalid
from .grant_inputs import GrantInput, grant_input_v2
from .times import ZERO_TIME, sent_time


@dataclass(frozen=True)
class EntitlementInput:
    """A wanted entitlement. The usage period's anchor is in the offset that it was sent in."""

    type: str
    feature_id: str | None
    feature_key: str | None
    metadata: Mapping[str, str] | None = None
    config: str | None = None
    usage_period: Recurrence | None = None
    measure_usage_from: datetime | None = None
    issue_amount: float | None = None
    issue_priority: int | None = None
    is_soft_limit: bool = False
    preserve_overage: bool = False
    grants: Sequence[GrantInput] = ()


def parse_v1(body: Mapping[str, Any], now: datetime) -> EntitlementInput:
    """The wish behind a v1 body; raises the problem that the parser has with it."""
    if body["type"] != "metered":
        return _parse_plain(body, now)
    return _parse_metered(body, now, body.get("issueAfterReset"), body.get("issueAfterResetPriority"), ())


def parse_v2(body: Mapping[str, Any], now: datetime) -> EntitlementInput:
    """The wish behind a v2 body: `issue` wins over the older fields, a priority alone is dropped."""
    if body["type"] != "metered":
        return _parse_plain(body, now)
    amount, priority = body.get("issueAfterReset"), body.get("issueAfterResetPriority")
    if "issue" in body:
        amount, priority = body["issue"]["amount"], body["issue"].get("priority")
    listed = body.get("grants") or []
    if amount is not None and listed:
        raise invalid("issueAfterReset and grants cannot be used together")
    grants = tuple(grant_input_v2(grant) for grant in listed)
    return _parse_metered(body, now, amount, None if amount is None else priority, grants)


def _parse_metered(
    body: Mapping[str, Any],
    now: datetime,
    amount: float | None,
    priority: int | None,
    grants: Sequence[GrantInput],
) -> EntitlementInput:
    period = _usage_period(body, now)
    assert period is not None, "the schema requires it"
    return EntitlementInput(
        "metered",
        body.get("featureId"),
        body.get("featureKey"),
        metadata=body.get("metadata"),
        usage_period=period,
        measure_usage_from=_measure_usage_from(body.get("measureUsageFrom"), period, now),
        issue_amount=amount,
        issue_priority=priority,
        is_soft_limit=body.get("isSoftLimit", False),
        preserve_overage=body.get("preserveOverageAtReset", False),
        grants=grants,
    )


def _parse_plain(body: Mapping[str, Any], now: datetime) -> EntitlementInput:
    """A static or boolean one; fields of other types do not count."""
    return EntitlementInput(
        body["type"],
        body.get("featureId"),
        body.get("featureKey"),
        metadata=body.get("metadata"),
        config=body["config"] if body["type"] == "static" else None,
        usage_period=_usage_period(body, now),
    )


def _usage_period(body: Mapping[str, Any], now: datetime) -> Recurrence | None:
    if "usagePeriod" not in body:
        return None
    wanted = body["usagePeriod"]
    anchor = sent_time(wanted["anchor"]) if "anchor" in wanted else now
    return Recurrence(_interval(wanted["interval"]), anchor)


def _measure_usage_from(wanted: str | None, period: Recurrence, now: datetime) -> datetime | None:
    if wanted is None or wanted == "NOW":
        return now if wanted else None
    if wanted != "CURRENT_PERIOD_START":
        if wanted.startswith(ZERO_TIME):
            raise internal()
        return sent_time(wanted)
    try:
        return period.period_at(now)[0]
    except PeriodError:
        raise internal() from None


def _interval(text: str) -> Duration:
    """The interval that the schema let through, or 500 where OpenMeter's parser fails on it."""
    try:
        return parse_interval(text)
    except DurationError:
        raise internal() from None
