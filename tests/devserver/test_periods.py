"""Recurrence grids and usage periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.devserver.durations import PeriodError, parse_interval
from billing_as_code.devserver.periods import Recurrence, UsagePeriod, ceil_minute, floor_minute

INTERVALS = ["PT1H", "PT90M", "DAY", "WEEK", "MONTH", "P3M", "YEAR", "P1DT12H", "P1M3D", "P1.5D"]
times = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1)).map(lambda t: floor_minute(t.replace(tzinfo=UTC)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def every(interval: str, anchor: str) -> Recurrence:
    return Recurrence(parse_interval(interval), at(anchor))


@given(st.sampled_from(INTERVALS), times, times)
def test_the_period_at_a_time_contains_it_and_lies_on_the_grid(
    interval: str, anchor: datetime, moment: datetime
) -> None:
    grid = Recurrence(parse_interval(interval), anchor)
    start, end = grid.period_at(moment)
    assert start <= moment < end
    step = grid.first_step_from(start)
    assert (grid.at(step), grid.at(step + 1)) == (start, end)


@given(st.sampled_from(["DAY", "WEEK", "MONTH", "P1DT12H"]), st.integers(-60, 60))
def test_jumping_finds_what_walking_finds(interval: str, days: int) -> None:
    grid = every(interval, "2026-01-31T10:30:00")
    moment = grid.anchor + timedelta(days=days, minutes=days)
    walked = next(grid.at(n) for n in range(-70, 70) if grid.at(n) >= moment)
    assert grid.next_from(moment) == walked


def test_a_time_on_the_grid_starts_a_period() -> None:
    grid = every("MONTH", "2026-01-31T00:00:00")
    assert grid.period_at(at("2026-02-28T00:00:00")) == (at("2026-02-28T00:00:00"), at("2026-03-31T00:00:00"))


def test_a_million_steps_from_the_anchor_is_too_far() -> None:
    with pytest.raises(PeriodError):
        every("PT1H", "1850-01-01T00:00:00").period_at(at("2026-01-01T00:00:00"))
    with pytest.raises(PeriodError):
        every("P0D", "2026-01-01T00:00:00").next_from(at("2026-01-02T00:00:00"))


def test_a_usage_period_starts_where_measuring_starts_and_ends_on_the_grid() -> None:
    period = UsagePeriod([at("2026-11-24T07:14:00")], [every("MONTH", "2026-01-31T00:00:00")])
    first = (at("2026-11-24T07:14:00"), at("2026-11-30T00:00:00"))
    assert period.period_at(at("2026-11-25T00:00:00")) == first
    assert period.period_at(at("2026-11-01T00:00:00")) == first
    assert period.period_at(first[1]) == (first[1], at("2026-12-31T00:00:00"))


def test_a_reset_cuts_the_period_and_may_move_the_grid() -> None:
    start, reset = at("2026-11-01T00:00:00"), at("2026-11-10T12:00:00")
    moved = UsagePeriod(
        [start, reset], [every("WEEK", "2026-11-01T00:00:00"), Recurrence(parse_interval("WEEK"), reset)]
    )
    assert moved.period_at(at("2026-11-09T00:00:00")) == (at("2026-11-08T00:00:00"), reset)
    assert moved.period_at(reset) == (reset, at("2026-11-17T12:00:00"))
    kept = UsagePeriod([start, reset], [every("WEEK", "2026-11-01T00:00:00")] * 2)
    assert kept.period_at(reset) == (reset, at("2026-11-15T00:00:00"))


@given(
    st.sampled_from(INTERVALS),
    times,
    st.lists(st.integers(1, 3000), max_size=3),
    st.integers(0, 500),
    st.integers(0, 900),
)
def test_the_resets_are_the_starts_of_the_periods_between(
    interval: str, start: datetime, gaps: list[int], before: int, after: int
) -> None:
    starts, grids = [start], [Recurrence(parse_interval(interval), start - timedelta(hours=5))]
    for gap in gaps:
        starts.append(starts[-1] + timedelta(hours=gap))
        grids.append(Recurrence(parse_interval(interval), starts[-1]))
    period = UsagePeriod(starts, grids)
    since, until = start + timedelta(hours=before), start + timedelta(hours=before + after)
    walked = {start}
    moment = since
    while moment <= until:
        begin, end = period.period_at(moment)
        walked.update(t for t in (begin,) if since <= t <= until)
        moment = end
    assert period.resets_between(since, until) == sorted(walked)


def test_minutes_are_cut_down_or_rounded_up() -> None:
    assert floor_minute(at("2026-01-01T10:00:59.9")) == at("2026-01-01T10:00:00")
    assert ceil_minute(at("2026-01-01T10:00:00.1")) == at("2026-01-01T10:01:00")
    assert ceil_minute(at("2026-01-01T10:00:00")) == at("2026-01-01T10:00:00")
