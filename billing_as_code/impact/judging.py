"""What becomes of one customer's use of one feature. Pure arithmetic on what OpenMeter answered.

A change that keeps the period counts as if it had been declared from the period's start, as `bac apply` carries it out
(design of overrides): the new limit is what may be used now, plus what changes. Another period starts with the change:
usage starts at nothing, and of grants there is what is left of them.

What will be used by the end of the period is estimated from this period's pace and from the last periods: of what is
still to come, this period's pace counts for as much as has passed of it, the average of the last periods for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from billing_as_code.impact.cases import Case
from billing_as_code.impact.values import PAST, Confidence, Hit, Outcome, Reading
from billing_as_code.kinds.moves import Growth, Move, Span
from billing_as_code.kinds.times import add, next_on_grid, parse_instant, parse_interval, to_minute

_TOO_SOON, _SOON = Decimal("0.02"), Decimal("0.1")
"""Less of a period than this tells nothing of its pace: without any past, and where there is some."""
_QUARTER = Decimal("0.25")
_LATE = Decimal("0.5")
"""From here on a period's own pace is enough to go by."""
_EXACT = Decimal("0.000001")


# -- periods --------------------------------------------------------------------------------------------------------


def restarts(case: Case) -> bool:
    """Whether the change begins another period, in which usage starts at nothing."""
    before, after = case.before, case.after
    if after is None or not after.metered:
        return False
    if before is None or not before.metered:
        return True
    moved = after.anchor is not None and before.anchor is not None and after.anchor != before.anchor
    return before.interval != after.interval or moved


def running(case: Case, now: datetime) -> Span | None:
    """The period that will run when the change is made; None where there is none, or it is not known."""
    if case.after is None or not case.after.metered:
        return case.before.period if case.before is not None else None
    if not restarts(case):
        return case.before.period if case.before is not None else None
    start, interval = to_minute(now), parse_interval(case.after.interval)
    if case.after.anchor is None:
        return Span(start, add(start, interval))
    return Span(start, next_on_grid(parse_instant(case.after.anchor), interval, start))


def past_spans(case: Case, now: datetime) -> tuple[Span, ...]:
    """The last PAST periods before the running one, the latest first: as they were, or where the period becomes
    another, of its length and up to now. Those that would begin before the year 1970 are left out."""
    allowance = case.after if restarts(case) else case.before
    period = running(case, now)
    if allowance is None or not allowance.metered or period is None:
        return ()
    interval = parse_interval(allowance.interval)
    try:
        bounds = [add(period.start, interval, -n) for n in range(PAST + 1)]
    except (ValueError, OverflowError):
        return ()
    return tuple(Span(b, a) for a, b in pairwise(bounds) if b.year >= 1970)


# -- limits ---------------------------------------------------------------------------------------------------------


def limit_after(case: Case, reading: Reading, now: datetime) -> Decimal:
    """What may be used in the running period once the change is made; never below nothing."""
    before, after = case.before, case.after
    assert after is not None and after.amount is not None
    left = reading.left or {}
    whole = [move for move in case.moves if move.how == "grant_gone" and case.is_made_anew and not restarts(case)]
    granted = sum((_granted(move, left, now) for move in case.moves if move not in whole), Decimal(0))
    if restarts(case):
        issued = before.issued if before is not None else frozenset()
        kept = sum((amount for grant, amount in left.items() if grant not in issued), Decimal(0))
        return max(Decimal(0), after.amount + kept + granted)
    assert before is not None and before.amount is not None
    available = reading.available if reading.available is not None else before.amount
    # what is made anew is made without them from the period's start, whatever they have paid for since
    gone = min(-sum((move.amount for move in whole), Decimal(0)), max(Decimal(0), available - before.amount))
    return max(Decimal(0), available + after.amount - before.amount + granted - gone)


def _granted(move: Move, left: Mapping[str, Decimal], now: datetime) -> Decimal:
    """What a change of a grant adds now; it takes no more than what is left."""
    there = sum((left.get(grant, Decimal(0)) for grant in move.grants), Decimal(0))
    if move.since is not None and move.since > now:
        return -there
    if not move.grants:
        return move.amount
    return max(move.amount, -there) if any(grant in left for grant in move.grants) else Decimal(0)


# -- what will be used ----------------------------------------------------------------------------------------------


class Outlook(NamedTuple):
    """The usage by the end of a period: what is expected, and what each pace that was seen would lead to. Without any
    pace nothing is known."""

    expected: Decimal
    paces: tuple[Decimal, ...]


def outlook(growth: Growth, usage: Decimal, passed: Decimal, past: Sequence[Decimal | None]) -> Outlook:
    """From the usage so far, the share of the period that has passed (0 to 1), and the last periods, the latest first.

    Nothing is expected below zero, and where usage only grows, nothing below what is used already.
    """
    seen = _seen(past)
    least = max(usage, Decimal(0))
    if growth == "latest":  # what it is now is all that is known of where it goes
        return Outlook(least, (least, *(max(p, Decimal(0)) for p in seen)))
    to_come = 1 - passed
    average = sum(seen, Decimal(0)) / len(seen) if seen else None
    linear = usage / passed if passed >= (_SOON if seen else _TOO_SOON) else None
    paces = [usage + pace * to_come for pace in (*seen, *([linear] if linear is not None else []))]
    if growth == "distinct":  # the longer a period, the less of it is new: no pace goes beyond the largest seen
        most = max((*seen, usage)) if seen else None
        paces = [min(p, most) if most is not None else p for p in paces]
        average = average if average is not None else linear
        expected = max(usage, average) if average is not None else usage
    else:
        pace = _mixed(linear, average, passed)
        expected = usage + pace * to_come
    return Outlook(max(least, _rounded(expected)), tuple(max(least, _rounded(p)) for p in paces))


def _seen(past: Sequence[Decimal | None]) -> list[Decimal]:
    """The periods that tell something: those before the first with any usage were before the customer's time."""
    known = list(past)
    while known and known[-1] is None:
        known.pop()
    return [p if p is not None else Decimal(0) for p in known]


def _mixed(linear: Decimal | None, average: Decimal | None, passed: Decimal) -> Decimal:
    if linear is None or average is None:
        return linear if linear is not None else average if average is not None else Decimal(0)
    return linear * passed + average * (1 - passed)


def _rounded(value: Decimal) -> Decimal:
    """To a millionth, which no estimate is exact to; whole numbers as such."""
    if value == value.to_integral_value():
        return value.to_integral_value()
    return value.quantize(_EXACT) if abs(value) < Decimal(10) ** 18 else value.to_integral_value()


# -- the verdict ----------------------------------------------------------------------------------------------------


def judged(case: Case, reading: Reading, now: datetime) -> Hit:
    """What becomes of a case, by what OpenMeter said of it."""
    period = running(case, now)
    hit = Hit(
        *case.holder,
        by=case.by,
        how=case.how,
        outcome="unknown",
        confidence="certain",
        gone=case.after is None,
        soft=case.after is not None and case.after.soft,
        access=_access(case, reading),
        limit=reading.available if case.before is not None and case.before.metered else None,
        usage=reading.usage,
        past=reading.past,
        period=period,
        growth=reading.growth if case.is_counted else None,
    )
    if case.after is None:
        return replace(hit, outcome="loses_access")
    if "archived" in case.how:
        return replace(hit, outcome="within", already=True)
    if not case.after.metered:
        return replace(hit, confidence="low", why="static")
    why = reading.trouble or ("recounted" if "recounted" in case.how else "")
    if why or period is None or reading.access is None:
        return replace(hit, confidence="low", why=why or "no_value")
    usage = Decimal(0) if restarts(case) else reading.usage or Decimal(0)
    limit, passed = limit_after(case, reading, now), _passed(period, now)
    hit = replace(hit, usage=usage, limit_after=limit)
    if reading.past_unread:
        hit = replace(hit, why="past_unread")
    found = outlook(reading.growth, usage, passed, reading.past)
    old = None if restarts(case) else hit.limit
    return _compared(hit, _Ground(usage, limit, old, passed), found)


def _access(case: Case, reading: Reading) -> bool | None:
    """Whether there is access now: a switch or a value always gives it."""
    if case.before is not None and not case.before.metered:
        return True
    return reading.access


def _passed(period: Span, now: datetime) -> Decimal:
    """The share of a period that has passed, 0 to 1."""
    whole = Decimal(str((period.end - period.start).total_seconds()))
    gone = Decimal(str((now - period.start).total_seconds()))
    return min(max(gone / whole, Decimal(0)), Decimal(1)) if whole > 0 else Decimal(1)


class _Ground(NamedTuple):
    """What a verdict stands on: usage so far, the new limit, the old one of the same period (None: none, or not
    known), and the share of the period that has passed."""

    usage: Decimal
    limit: Decimal
    old: Decimal | None
    passed: Decimal


def _compared(hit: Hit, ground: _Ground, found: Outlook) -> Hit:
    """The verdict on what is used, and will be, of the new limit."""
    usage, limit, old, passed = ground
    bounds = (found.expected, *found.paces)
    hit = replace(hit, expected=found.expected, least=min(bounds), most=max(bounds))
    if usage >= limit:  # OpenMeter gives access while something is left
        taken = not hit.soft and hit.access is True
        already = not taken and old is not None and usage >= old
        return replace(hit, outcome="loses_access" if taken else "over", already=already)
    would = found.expected >= limit
    if not found.paces:
        return replace(hit, expected=None, least=None, most=None, confidence="low", why="too_early")
    agreeing = sum((pace >= limit) == would for pace in found.paces)
    outcome: Outcome = "would_be_over" if would else "within"
    already = old is not None and (found.expected >= old) == would
    return replace(hit, outcome=outcome, already=already, confidence=_sure(agreeing, len(found.paces), passed))


def _sure(agreeing: int, paces: int, passed: Decimal) -> Confidence:
    """How much paces that agree with an outcome say of it."""
    if paces == 1:
        return "high" if passed >= _LATE else "medium" if passed >= _QUARTER else "low"
    if agreeing == paces:
        return "high"
    return "medium" if 2 * agreeing > paces else "low"
