"""Instants, intervals, and the grids and ends that they make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing_as_code.kinds import times

instants = st.datetimes(datetime(1970, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))
minutes = instants.map(times.to_minute)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
intervals = st.builds(times.Interval, st.integers(0, 30), st.integers(0, 60 * times.DAY)).filter(any)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-01T01:00:00+01:00", "2026-12-01T00:00:00Z"),
        ("2026-11-30T18:30:00-05:30", "2026-12-01T00:00:00Z"),
        ("2026-12-01T00:00:00.500Z", "2026-12-01T00:00:00.5Z"),
        ("2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00Z"),
        ("2026-12-01T00:00:00.123456789Z", "2026-12-01T00:00:00.123456Z"),
        ("2026-12-01T00:00:10Z", "2026-12-01T00:00:10Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_has_one_text(text: str, canonical: str) -> None:
    assert times.canonical_instant(text) == canonical


@given(instants, offsets)
def test_the_text_of_an_instant_does_not_depend_on_where_it_was_written(when: datetime, zone: timezone) -> None:
    text = times.instant(when)
    assert times.canonical_instant(when.astimezone(zone).isoformat()) == text
    assert times.canonical_instant(text) == text
    assert times.parse_instant(text) == when


@pytest.mark.parametrize("text", ["2026-02-30T00:00:00Z", "2027-02-29T12:00:00Z", "2026-04-31T00:00:00Z"])
def test_a_day_that_does_not_exist_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        times.canonical_instant(text)


def test_anchors_and_starts_are_cut_to_the_minute_and_never_rounded_up() -> None:
    assert times.canonical_minute("2026-11-24T04:44:59.999Z") == "2026-11-24T04:44:00Z"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("day", "PT24H"),
        ("day", "P1D"),
        ("week", "P7D"),
        ("week", "P1W"),
        ("month", "P1M"),
        ("year", "P12M"),
        ("year", "P1Y"),
        ("P2W", "P14D"),
        ("PT90M", "PT1H30M"),
        ("P1M2DT3H", "P1M2DT180M"),
        ("MONTH", "month"),
    ],
)
def test_intervals_of_the_same_length_are_equal(one: str, other: str) -> None:
    assert times.canonical_interval(one) == times.canonical_interval(other)


@pytest.mark.parametrize(("one", "other"), [("month", "P30D"), ("year", "P365D"), ("day", "PT23H"), ("P2W", "week")])
def test_intervals_of_other_lengths_are_not(one: str, other: str) -> None:
    assert times.canonical_interval(one) != times.canonical_interval(other)


@given(intervals)
def test_the_text_of_an_interval_reads_back_as_that_interval(interval: times.Interval) -> None:
    text = times.iso_interval(interval)
    assert times.parse_interval(text) == interval
    assert times.parse_interval(times.canonical_interval(text)) == interval


@pytest.mark.parametrize("text", ["", "P", "PT", "fortnight", "1 month", "P-1D", "P1.5D", "T1H"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        times.parse_interval(text)


def test_openmeter_gets_its_four_words_in_capitals_and_iso_text_as_it_is() -> None:
    assert times.interval_to_wire("month") == "MONTH"
    assert times.interval_to_wire(times.canonical_interval("P2W")) == "P14D"


def test_a_day_that_the_month_lacks_becomes_its_last_and_comes_back() -> None:
    anchor, month = datetime(2026, 1, 31, tzinfo=UTC), times.WORDS["month"]
    assert [times.add(anchor, month, n).day for n in range(5)] == [31, 28, 31, 30, 31]
    assert times.add(anchor, month, -2) == datetime(2025, 11, 30, tzinfo=UTC)


@given(minutes, intervals, minutes)
@example(datetime(2026, 1, 31, tzinfo=UTC), times.WORDS["month"], datetime(2149, 2, 28, tzinfo=UTC))
def test_the_next_point_of_a_grid_is_the_first_one_after(
    anchor: datetime, interval: times.Interval, after: datetime
) -> None:
    if interval.months == 0 and abs(after - anchor) / timedelta(seconds=interval.seconds) > 1e6:
        interval = times.Interval(0, interval.seconds + times.DAY)
    point = times.next_on_grid(anchor, interval, after)
    assert point > after
    assert times.on_grid(anchor, interval, point)
    again = times.next_on_grid(anchor, interval, point, inclusive=True)
    assert again == point
    longest = timedelta(days=31 * interval.months, seconds=interval.seconds)
    assert point - after <= longest


@pytest.mark.parametrize(
    ("start", "duration", "count", "end"),
    [
        ("2026-01-31T00:00:00Z", "month", 1, "2026-03-03T00:00:00Z"),
        ("2028-02-29T00:00:00Z", "year", 1, "2029-03-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "month", 3, "2027-03-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "week", 2, "2026-12-15T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "day", 31, "2027-01-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "hour", 36, "2026-12-02T12:00:00Z"),
    ],
)
def test_a_grant_ends_where_openmeter_ends_it(start: str, duration: str, count: int, end: str) -> None:
    assert times.instant(times.expiry(times.parse_instant(start), duration, count)) == end


lasting = st.timedeltas(timedelta(hours=1), timedelta(days=6900)).map(lambda d: d - d % timedelta(minutes=1))


@given(minutes, lasting, st.timedeltas(timedelta(0), timedelta(days=8)))
def test_a_term_ends_exactly_or_begins_exactly(start: datetime, lasting: timedelta, slack: timedelta) -> None:
    end, latest = start + lasting, start + slack
    term = times.term_until(end, start, latest)
    assert 1 <= term.units <= times.MOST_UNITS
    if term.end == end:
        assert start <= term.start <= latest
    else:
        days, hours = lasting > timedelta(days=1000), lasting > timedelta(hours=1000)
        assert term.start == start
        assert (
            end < term.end < end + (timedelta(days=7) if days else timedelta(days=1) if hours else timedelta(hours=1))
        )


@given(minutes, lasting)
def test_a_term_that_may_begin_much_later_ends_exactly(start: datetime, lasting: timedelta) -> None:
    end = start + lasting
    term = times.term_until(end, start, end)
    assert term.end == end
    assert term.start - start < (timedelta(days=7) if lasting > timedelta(days=1000) else timedelta(days=1))


@pytest.mark.parametrize("declared", [("month", 1), ("month", 57), ("year", 5), ("week", 3), ("day", 999), ("hour", 5)])
@given(start=minutes)
def test_what_a_calendar_can_say_from_the_start_is_said_so(start: datetime, declared: tuple[str, int]) -> None:
    end = times.expiry(start, *declared)
    term = times.term_until(end, start)
    assert (term.start, term.end) == (start, end)


def test_a_term_that_has_less_than_an_hour_left_lasts_openmeters_shortest() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert times.term_until(start + timedelta(minutes=20), start) == times.Term(start, "hour", 1)
