"""The balance of an entitlement over time: windows and burn-down (`entitlement/metered/balance.go`)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from ..aggregation import as_number
from ..clock import from_db, to_wire
from ..credit_state import Segment
from ..operation import Call
from ..periods import ceil_minute, floor_minute
from ..problems import internal, invalid
from .balances import Ledger, ledger_of
from .times import asked_time, go_rfc3339
from .values import numbers


@dataclass(frozen=True)
class _Window:
    start: datetime
    end: datetime
    usage: float


@dataclass(frozen=True)
class _Balance:
    """A balance that windows take their usage off, one after the other."""

    at: datetime
    balance: float
    overage: float

    def minus(self, used: float) -> "_Balance":
        left = max(0.0, self.balance - used)
        return _Balance(self.at, left, used - (self.balance - left) + self.overage)


def history(call: Call, entitlement_id: str, zone: tzinfo) -> dict[str, Any]:
    """The answer for `from` (default the last reset), `to` (default now) and a window size."""
    ledger = ledger_of(call.store, entitlement_id)
    measured_from, last_reset = ledger.entitlement.measure_usage_from, ledger.entitlement.last_reset
    assert measured_from is not None and last_reset is not None
    start = asked_time(call, "from") or from_db(last_reset)
    end = asked_time(call, "to") or call.store.now()
    measured = from_db(measured_from)
    if start < measured:
        raise invalid(f"from {_second(start)} cannot be before {_second(measured)}")
    start, end = floor_minute(start), ceil_minute(end)
    if start > end:
        raise invalid("from must be before to")
    windows = [w for w in _windows(ledger, start, end, call.query["windowSize"], zone) if w.start >= measured]
    since = min(start, windows[0].start) if windows else start
    segments = ledger.history(since, end)
    return {
        "windowedHistory": _merged(ledger, windows, segments, zone),
        "burndownHistory": [_segment(segment) for segment in segments],
    }


def _second(at: datetime) -> str:
    return to_wire(at.replace(microsecond=0))


def _windows(ledger: Ledger, start: datetime, end: datetime, size: str, zone: tzinfo) -> list[_Window]:
    """Every window from `start` to `end`, cut in the offset that these are in.

    Usage is found for those that ClickHouse, which cuts in the zone, cuts in the same way.
    """
    measured: dict[tuple[datetime, datetime], float] = {}
    if start != end:
        found = ledger.owner.windows(start, end, size, zone)
        measured = {(window.start, window.end): window.value for window in found}
    last = _cut(end, size)
    last = last if last == end else _following(last, size)
    windows = []
    at = _cut(start, size)
    while at < last:
        following = _following(at, size)
        windows.append(_Window(at, following, measured.get((at, following), 0.0)))
        at = following
    return windows


def _cut(at: datetime, size: str) -> datetime:
    """The start of a window: minutes and hours of UTC, days and months of the time's own offset."""
    if size == "MINUTE":
        return floor_minute(at)
    if size == "HOUR":
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day if size == "DAY" else day.replace(day=1)


def _following(at: datetime, size: str) -> datetime:
    if size == "MONTH":
        return (at + timedelta(days=31)).replace(day=1)
    return at + {"MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1), "DAY": timedelta(days=1)}[size]


def _merged(ledger: Ledger, windows: list[_Window], segments: list[Segment], zone: tzinfo) -> list[dict[str, Any]]:
    """The windows with the balance at the start of each.

    A window starts from the last segment that began by then, taken with the overage that it ended with, less
    what was used between.
    """
    running = [_Balance(s.start, sum(s.balances.values()), s.overage) for s in segments]
    shown = []
    index, entered = -1, False
    for window in windows:
        while index + 1 < len(running) and running[index + 1].at <= window.start:
            index, entered = index + 1, False
        if index < 0:
            raise internal()
        if not entered:
            running[index] = running[index].minus(ledger.owner.used(running[index].at, window.start))
            entered = True
        period = [go_rfc3339(at.astimezone(zone)) for at in (window.start, window.end)]
        shown.append(
            {
                "period": dict(zip(("from", "to"), period, strict=True)),
                "usage": as_number(window.usage),
                "balanceAtStart": as_number(running[index].balance),
            }
        )
        running[index] = running[index].minus(window.usage)
    return shown


def _segment(segment: Segment) -> dict[str, Any]:
    ending = segment.balances_at_end
    return {
        "period": {"from": to_wire(segment.start), "to": to_wire(segment.end)},
        "usage": as_number(segment.usage),
        "overage": as_number(segment.overage),
        "balanceAtStart": as_number(sum(segment.balances.values())),
        "balanceAtEnd": as_number(sum(ending.values())),
        "grantBalancesAtStart": numbers(segment.balances),
        "grantBalancesAtEnd": numbers(ending),
        "grantUsages": [{"grantId": i, "usage": as_number(used)} for i, used in segment.grant_usages],
    }
