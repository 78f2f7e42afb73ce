"""The credit engine, by examples and against a model that goes minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_as_code.devserver.credit import Run, burn_down
from billing_as_code.devserver.credit_state import (
    CreditError,
    Grant,
    Segment,
    Snapshot,
    starting_snapshot,
    with_missing,
    without_inactive,
)
from billing_as_code.devserver.durations import parse_interval
from billing_as_code.devserver.periods import Recurrence

START = datetime(2026, 1, 1, tzinfo=UTC)
Usage = Mapping[int, float]


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def grant(name: str, amount: float, **changes: object) -> Grant:
    fields: dict[str, object] = {
        "id": name,
        "amount": amount,
        "priority": 1,
        "created_at": START,
        "effective_at": START,
        "max_rollover": amount,
    }
    return Grant(**(fields | changes))  # type: ignore[arg-type]


def every(minutes: int, anchor: datetime = START) -> Recurrence:
    return Recurrence(parse_interval(f"PT{minutes}M"), anchor)


def used(usage: Usage) -> Callable[[datetime, datetime], float]:
    return lambda start, end: sum(amount for at, amount in usage.items() if start <= minute(at) < end)


def run(
    grants: Sequence[Grant],
    until: float,
    usage: Usage,
    *,
    resets: Sequence[int] = (),
    preserve: bool = False,
    limits: bool = False,
    start: Snapshot | None = None,
) -> tuple[Snapshot, list[Segment]]:
    segments: list[Segment] = []
    begin = starting_snapshot(grants, START) if start is None else with_missing(start, grants)
    calculation = Run(
        grants,
        begin,
        minute(until),
        [minute(at) for at in resets],
        used(usage),
        preserve_overage=preserve,
        limits=limits,
        observe=segments.append,
    )
    return calculation.result(), segments


def test_grants_burn_by_priority_then_expiry_then_age() -> None:
    grants = [
        grant("late", 10, priority=2),
        grant("never", 10),
        grant("second", 10, expires_at=minute(900)),
        grant("older", 10, created_at=minute(-5)),
        grant("first", 10, expires_at=minute(500)),
    ]
    result, segments = run(grants, 60, {1: 35})
    assert [name for name, _ in segments[0].grant_usages] == ["first", "second", "older", "never", "late"]
    assert result.balances == {"first": 0, "second": 0, "older": 0, "never": 5, "late": 10}
    assert result.total_available == 50


def test_what_no_grant_covers_is_overage_which_a_later_grant_pays() -> None:
    grants = [grant("now", 10), grant("later", 20, effective_at=minute(30))]
    result, segments = run(grants, 60, {1: 25})
    assert [s.overage for s in segments] == [15, 0]
    assert (result.balance, result.overage, result.usage, result.grant_usage) == (5, 0, 25, 25)


def test_a_grant_that_starts_at_the_very_end_does_not_count_yet() -> None:
    grants = [grant("now", 10), grant("later", 20, effective_at=minute(60))]
    result, _ = run(grants, 60, {1: 5})
    assert result.balances == {"now": 5, "later": 0}


def test_a_recurring_grant_is_filled_up_and_what_was_left_is_lost() -> None:
    result, segments = run([grant("daily", 10, recurrence=every(20))], 45, {1: 4, 25: 15})
    assert [s.balances["daily"] for s in segments] == [10, 10, 10]
    assert [s.overage for s in segments] == [0, 5, 0]
    assert result.balances == {"daily": 5}
    assert result.usage == 19


def test_a_recurrence_at_the_end_of_a_run_is_a_phase_of_no_length() -> None:
    result, segments = run([grant("daily", 10, recurrence=every(20))], 20, {1: 4})
    assert (segments[-1].start, segments[-1].end) == (minute(20), minute(20))
    assert result.balance == 10


def test_a_recurrence_at_a_reset_belongs_to_the_new_period() -> None:
    recurring = grant("daily", 10, recurrence=every(20), max_rollover=0)
    result, segments = run([recurring], 25, {1: 4, 21: 3}, resets=[20])
    assert [s.is_rollover for s in segments] == [False, True, False]
    assert segments[1].balances == {"daily": 0}
    assert segments[2].balances == {"daily": 10}
    assert result.balance == 7


def test_a_reset_rolls_over_between_the_bounds_and_starts_usage_anew() -> None:
    grants = [grant("most", 100, max_rollover=30), grant("least", 100, priority=2, min_rollover=80, max_rollover=90)]
    result, _ = run(grants, 90, {1: 150, 70: 5}, resets=[60])
    assert result.balances == {"most": 0, "least": 75}
    assert (result.usage, result.grant_usage) == (5, 5)


def test_overage_is_dropped_at_a_reset_unless_preserved_and_then_burnt_first() -> None:
    issued = grant("issued", 10, min_rollover=10)
    dropped, _ = run([issued], 90, {1: 14}, resets=[60])
    kept, segments = run([issued], 90, {1: 14}, resets=[60], preserve=True)
    assert (dropped.balance, dropped.total_available) == (10, 10)
    assert (kept.balance, kept.usage, kept.total_available) == (6, 0, 10)
    assert segments[1].is_rollover and segments[1].grant_usages == [("issued", 4)]


def test_overage_that_stays_uncovered_is_carried_through_every_period() -> None:
    result, _ = run([grant("issued", 10, min_rollover=10)], 200, {1: 45}, resets=[60, 120, 180], preserve=True)
    assert (result.overage, result.balance) == (5, 0)


def test_with_limits_each_phase_starts_whole() -> None:
    grants = [grant("limit", 10), grant("more", 5, effective_at=minute(30))]
    result, segments = run(grants, 60, {1: 4}, limits=True)
    assert [sum(s.balances.values()) for s in segments] == [10, 15]
    assert result.balance == 15


def test_a_voided_grant_is_gone_from_then_on_and_what_it_covered_stays_covered() -> None:
    result, _ = run([grant("void", 10, voided_at=minute(30)), grant("rest", 10, priority=2)], 60, {1: 4, 40: 3})
    assert result.balances == {"void": 0, "rest": 7}
    assert result.total_available == 14


def test_decimals_do_not_leave_crumbs() -> None:
    left, burnt, rest = burn_down({"a": 0.3}, [grant("a", 0.3)], 0.1 + 0.2)
    assert left == {"a": 0.0}
    assert burnt == [("a", 0.3)]
    assert rest == pytest.approx(4e-17)


def test_negative_usage_gives_back() -> None:
    left, _, rest = burn_down({"a": 5.0}, [grant("a", 10)], -2)
    assert (left["a"], rest) == (7, 0)


def test_a_run_must_start_before_it_ends_and_know_its_grants() -> None:
    with pytest.raises(CreditError):
        run([], -1, {})
    with pytest.raises(CreditError):
        run([], 10, {}, start=Snapshot(START, {"unknown": 1.0}))
    with pytest.raises(CreditError):
        run([], 10, {}, start=Snapshot(START, {}, grant_usage=-1))
    with pytest.raises(CreditError):
        without_inactive(Snapshot(START, {"unknown": 1.0}), [], START)


# A model of the same rules that knows neither phases nor snapshots.


def model(grants: Sequence[Grant], until: int, usage: Usage, resets: Sequence[int], preserve: bool) -> Snapshot:
    ordered = sorted(grants, key=lambda g: (g.priority, g.expires_at or datetime.max.replace(tzinfo=UTC), g.id))
    left = {g.id: 0.0 for g in grants}
    overage = total = covered = 0.0
    for number in range(until):
        at = minute(number)
        if number in resets:
            overage, total, covered = (overage if preserve else 0.0), 0.0, 0.0
            for g in grants:
                left[g.id] = g.rolled_over(left[g.id]) if g.active_at(at) else left[g.id]
            for g in ordered:
                # Preserved overage takes also what grants that end right now still hold.
                taken = min(left[g.id], overage)
                left[g.id], overage, covered = left[g.id] - taken, overage - taken, covered + taken
        for g in grants:
            if not g.active_at(at):
                left[g.id] = 0.0
            elif g.effective_at == at or recurs(g, at):
                left[g.id] = g.amount
        total += usage.get(number, 0)
        overage += usage.get(number, 0)
        for g in ordered:
            taken = min(left[g.id], overage)
            left[g.id], overage, covered = left[g.id] - taken, overage - taken, covered + taken
    return Snapshot(minute(until), left, overage, total, covered)


def recurs(g: Grant, at: datetime) -> bool:
    return g.recurrence is not None and at >= g.effective_at and g.recurrence.next_from(at) == at


@st.composite
def many_grants(draw: st.DrawFn) -> list[Grant]:
    grants = []
    for number in range(draw(st.integers(0, 5))):
        effective = draw(st.integers(0, 150))
        ends = draw(st.none() | st.integers(effective, 220))
        amount = float(draw(st.integers(1, 60)))
        grants.append(
            grant(
                f"g{number}",
                amount,
                priority=draw(st.integers(1, 3)),
                effective_at=minute(effective),
                expires_at=None if ends is None else minute(ends),
                voided_at=draw(st.none() | st.integers(0, 220).map(minute)),
                max_rollover=float(draw(st.integers(0, 60))),
                min_rollover=float(draw(st.integers(0, 60))),
                recurrence=draw(st.none() | st.integers(0, 50).map(lambda a: every(60, minute(a)))),
            )
        )
    return grants


usages = st.dictionaries(st.integers(0, 199), st.integers(1, 40).map(float), max_size=12)
reset_lists = st.lists(st.integers(1, 190), unique=True, max_size=3).map(sorted)


@settings(max_examples=300, deadline=None)
@given(many_grants(), usages, reset_lists, st.booleans())
def test_phases_come_to_what_minutes_come_to(
    grants: list[Grant], usage: Usage, resets: list[int], preserve: bool
) -> None:
    # One minute more than any event, so that nothing happens at the very end.
    until = 231
    result, _ = run(grants, until, usage, resets=resets, preserve=preserve)
    expected = model(grants, until, usage, resets, preserve)
    assert result.balances == expected.balances
    assert result.overage == expected.overage
    assert (result.usage, result.grant_usage) == (expected.usage, expected.grant_usage)


@settings(max_examples=200, deadline=None)
@given(many_grants(), usages, reset_lists, st.booleans())
def test_going_on_from_any_segment_comes_to_the_same(
    grants: list[Grant], usage: Usage, resets: list[int], preserve: bool
) -> None:
    whole, segments = run(grants, 231, usage, resets=resets, preserve=preserve)
    for segment in segments:
        if segment.is_rollover:
            continue
        rest = [at for at in resets if minute(at) > segment.start]
        again, _ = run(grants, 231, usage, resets=rest, preserve=preserve, start=segment.snapshot_at_start)
        assert replace(again, balances=whole.balances) == whole
        assert again.balances == whole.balances


@settings(max_examples=200, deadline=None)
@given(many_grants(), usages, reset_lists)
def test_segments_follow_each_other_and_account_for_all_usage(
    grants: list[Grant], usage: Usage, resets: list[int]
) -> None:
    _, segments = run(grants, 231, usage, resets=resets)
    assert segments[0].start == START and segments[-1].end == minute(231)
    assert all(a.end == b.start for a, b in pairwise(segments))
    assert sum(s.usage for s in segments) == sum(usage.values())
    for segment in segments:
        burnt = sum(amount for _, amount in segment.grant_usages)
        assert burnt + segment.overage == segment.usage + segment.overage_at_start
        assert all(balance >= 0 for balance in segment.balances_at_end.values())
