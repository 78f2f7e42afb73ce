"""What grant bodies ask for; v1 and v2 have different defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..durations import DurationError, parse_interval
from ..periods import Recurrence
from ..problems import internal, issue, validation_issues
from .times import ZERO_TIME, sent_time


@dataclass(frozen=True)
class GrantInput:
    """A wanted grant, times in the offset that they were sent in."""

    amount: float
    effective_at: datetime
    priority: int = 0
    expiration: tuple[str, int] | None = None
    max_rollover: float = 0.0
    min_rollover: float = 0.0
    recurrence: Recurrence | None = None
    metadata: Mapping[str, str] | None = None
    annotations: Mapping[str, Any] | None = None


def grant_input_v2(body: Mapping[str, Any]) -> GrantInput:
    """A v2 grant: what is left rolls over whole unless told otherwise (`driver/v2/mapping.go`)."""
    return _parse(body, max_rollover=body.get("maxRolloverAmount", body["amount"]), with_annotations=True)


def grant_input_v1(body: Mapping[str, Any]) -> GrantInput:
    """A v1 grant: nothing rolls over unless told otherwise (`driver/metered.go`)."""
    return _parse(body, max_rollover=body.get("maxRolloverAmount", 0.0), with_annotations=False)


def _parse(body: Mapping[str, Any], *, max_rollover: float, with_annotations: bool) -> GrantInput:
    effective_at = sent_time(body["effectiveAt"])
    expiration = body.get("expiration")
    return GrantInput(
        amount=body["amount"],
        effective_at=effective_at,
        priority=body.get("priority", 0),
        expiration=None if expiration is None else (expiration["duration"], int(expiration["count"])),
        max_rollover=max_rollover,
        min_rollover=body.get("minRolloverAmount", 0.0),
        recurrence=_recurrence(body.get("recurrence"), effective_at),
        metadata=body.get("metadata") or None,
        annotations=(body.get("annotations") or None) if with_annotations else None,
    )


def _recurrence(wanted: Mapping[str, Any] | None, effective_at: datetime) -> Recurrence | None:
    if wanted is None:
        return None
    anchor = sent_time(wanted["anchor"]) if "anchor" in wanted else effective_at
    try:
        return Recurrence(parse_interval(wanted["interval"]), anchor)
    except DurationError:
        raise internal() from None


def check(wanted: GrantInput) -> None:
    """What OpenMeter refuses before it looks at the entitlement (CreateGrantInput.Validate)."""
    if wanted.amount <= 0:
        entry = issue("grant_amount_must_be_positive", "amount must be positive", "$.amount")
        raise validation_issues([entry | {"amount": wanted.amount}])
    if wanted.effective_at.isoformat().startswith(ZERO_TIME):
        entry = issue("grant_effective_at_must_be_set", "effective at must be set", "$.effectiveAt")
        raise validation_issues([entry | {"effective_at": "0001-01-01T00:00:00Z"}])
