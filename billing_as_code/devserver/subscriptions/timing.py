"""When a change of a subscription takes effect (`openmeter/subscription/timing.go`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ..clock import parse_rfc3339
from ..durations import PeriodError
from ..problems import invalid
from .spec import Spec

IMMEDIATE: Final = "immediate"
NEXT_BILLING_CYCLE: Final = "next_billing_cycle"
Timing = datetime | str
"""A time, or one of the two words."""
_LATE: Final = timedelta(minutes=2)


def timing_of(text: str | None) -> Timing:
    """What a body says; at once when it says nothing."""
    if text is None:
        return IMMEDIATE
    return parse_rfc3339(text) or text


def start_of(timing: Timing, now: datetime) -> datetime:
    """When a new subscription starts; it may be two minutes late."""
    if isinstance(timing, datetime):
        if timing < now - _LATE:
            raise invalid("cannot create subscription in the past")
        return timing
    if timing != IMMEDIATE:
        raise invalid(f"unsupported enum value: {timing}")
    return now


def end_of(timing: Timing, spec: Spec, now: datetime) -> datetime:
    """When a running subscription ends; at a time of one's own only where a billing period does."""
    if isinstance(timing, datetime):
        if timing not in _period_around(spec, timing):
            raise invalid("cannot cancel aligned subscription with custom misaligned timing")
        return timing
    if timing == IMMEDIATE:
        return now
    period = spec.billing_period(now)
    assert period is not None, "it has started"
    return period[1]


def _period_around(spec: Spec, at: datetime) -> tuple[datetime, ...]:
    """The ends of the billing period at a time; none before the subscription, or at the end of time."""
    try:
        return spec.billing_period(at) or ()
    except PeriodError:
        return ()
