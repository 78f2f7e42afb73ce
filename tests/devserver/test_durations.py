"""ISO durations: reading, writing, names, and calendar arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.devserver.durations import (
    DurationError,
    PeriodError,
    add_expiration,
    parse_duration,
    parse_interval,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "printed", "name"),
    [
        ("DAY", "P1D", "DAY"),
        ("MONTH", "P1M", "MONTH"),
        ("PT24H", "PT24H", "DAY"),
        ("PT1440M", "PT1440M", "DAY"),
        ("PT1439M60S", "PT1439M60S", "DAY"),
        ("PT86400S", "PT86400S", "DAY"),
        ("P7D", "P7D", "WEEK"),
        ("PT168H", "PT168H", "WEEK"),
        ("P12M", "P12M", "YEAR"),
        ("P2W", "P2W", "P2W"),
        ("P30D", "P30D", "P30D"),
        ("P0Y1D", "P1D", "DAY"),
        ("P1.50D", "P1.50D", "P1.50D"),
        ("P01M", "P1M", "MONTH"),
        ("P1DT12H", "P1DT12H", "P1DT12H"),
        ("P0D", "P0D", "P0D"),
    ],
)
def test_a_duration_is_kept_as_written_and_named_by_its_length(text: str, printed: str, name: str) -> None:
    duration = parse_interval(text)
    assert str(duration) == printed
    assert duration.api_name == name


@pytest.mark.parametrize("text", ["P", "PT", "P1", "1D", "P1.5Y1M", "P1H", "P1D1D", "PTT1H", "P99999999999999999999D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


def test_a_clock_part_without_fields_is_let_through() -> None:
    assert str(parse_duration("P1DT")) == "P1D"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("PT59M", True),
        ("PT59M59S", True),
        ("PT59M60S", False),
        ("PT60M", False),
        ("PT0.5H", True),
        ("P0D", True),
        ("P0.01D", False),
        ("P1M", False),
    ],
)
def test_the_least_usage_period_is_an_hour_by_the_largest_field(text: str, short: bool) -> None:
    assert parse_duration(text).shorter_than_an_hour() is short


def test_months_that_are_too_short_end_at_their_last_day_counted_from_the_anchor() -> None:
    month, anchor = parse_interval("MONTH"), at("2026-01-31T00:00:00")
    assert [month.add_to(anchor, n).day for n in range(4)] == [31, 28, 31, 30]
    assert month.add_to(anchor, -2) == at("2025-11-30T00:00:00")
    assert parse_interval("YEAR").add_to(at("2024-02-29T00:00:00"), 1) == at("2025-02-28T00:00:00")


def test_years_come_before_months() -> None:
    assert parse_duration("P1Y1M").add_to(at("2024-02-29T00:00:00"), 1) == at("2025-03-28T00:00:00")


def test_a_fraction_of_a_day_is_rounded_half_to_even_after_multiplying() -> None:
    duration, start = parse_duration("P1.5D"), at("2026-01-01T00:00:00")
    assert [(duration.add_to(start, n) - start).days for n in (1, 2, 3)] == [2, 3, 4]


def test_leaving_the_calendar_is_an_error() -> None:
    with pytest.raises(PeriodError):
        parse_duration("P9999Y").add_to(at("2026-01-01T00:00:00"), 1)


def test_an_expiry_overflows_short_months() -> None:
    assert add_expiration(at("2026-01-31T00:00:00"), "MONTH", 1) == at("2026-03-03T00:00:00")
    assert add_expiration(at("2024-02-29T00:00:00"), "YEAR", 1) == at("2025-03-01T00:00:00")
    assert add_expiration(at("2026-01-31T00:00:00"), "WEEK", 2) == at("2026-02-14T00:00:00")
    assert add_expiration(at("2026-01-31T00:00:00"), "HOUR", 25) == at("2026-02-01T01:00:00")


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 400), st.integers(0, 400), st.integers(-50, 50))
def test_fields_without_months_add_up_as_time(weeks: int, days: int, hours: int, minutes: int, times: int) -> None:
    duration = parse_duration(f"P{weeks}W{days}DT{hours}H{minutes}M")
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)
    start = at("2026-01-31T10:30:00")
    assert duration.add_to(start, times) == start + length * times
