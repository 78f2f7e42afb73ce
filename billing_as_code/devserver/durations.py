"""ISO 8601 durations as OpenMeter keeps them, and its ways of adding them to a time.

The rules come from OpenMeter's `pkg/datetime/duration.go`, `pkg/datetime/datetime.go`,
`openmeter/credit/grant/expiration.go`, and the duration library that they use.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property, lru_cache
from typing import Final

_ZERO: Final = Decimal(0)
_FIELD: Final = re.compile(r"(-?[0-9.,]*)(.?)", re.DOTALL)
# Mean lengths in seconds of year, month, week, day, hour, minute, second (Gregorian). Only for estimates.
_MEAN: Final = (31556952.0, 2629746.0, 604800.0, 86400.0, 3600.0, 60.0, 1.0)


class DurationError(ValueError):
    """The text is no ISO 8601 duration."""


class PeriodError(ValueError):
    """No period can be calculated: the recurrence is too far away, stands still, or leaves the calendar."""


@dataclass(frozen=True)
class Duration:
    """An ISO 8601 duration, field by field and not normalised: `PT24H` is not `P1D`."""

    years: Decimal = _ZERO
    months: Decimal = _ZERO
    weeks: Decimal = _ZERO
    days: Decimal = _ZERO
    hours: Decimal = _ZERO
    minutes: Decimal = _ZERO
    seconds: Decimal = _ZERO

    @property
    def fields(self) -> tuple[Decimal, ...]:
        """Years to seconds."""
        return (self.years, self.months, self.weeks, self.days, self.hours, self.minutes, self.seconds)

    @property
    def is_positive(self) -> bool:
        """Whether any field is set; a duration written by the API has no negative field."""
        return any(self.fields)

    def __str__(self) -> str:
        """The ISO text with empty fields left out, `P0D` when all are; the sign stands in front."""
        if not self.is_positive:
            return "P0D"
        if max(self.fields) <= 0:
            return f"-{self.negated}"
        date = "".join(f"{n:f}{d}" for n, d in zip(self.fields[:4], "YMWD", strict=True) if n)
        clock = "".join(f"{n:f}{d}" for n, d in zip(self.fields[4:], "HMS", strict=True) if n)
        return f"P{date}T{clock}" if clock else f"P{date}"

    @property
    def negated(self) -> "Duration":
        return Duration(*(-n for n in self.fields))

    def __add__(self, other: "Duration") -> "Duration":
        """Field by field: nothing is carried over."""
        return Duration(*(one + two for one, two in zip(self.fields, other.fields, strict=True)))

    @cached_property
    def api_name(self) -> str:
        """How the API names the interval: DAY to YEAR when it is as long as that, else its ISO text."""
        years, months, weeks, days, hours, minutes, seconds = self.fields
        minutes, seconds = _carry(minutes, seconds, 60)
        hours, minutes = _carry(hours, minutes, 60)
        days, hours = _carry(days, hours, 24)
        weeks, days = _carry(weeks, days, 7)
        years, months = _carry(years, months, 12)
        return _API_NAMES.get((years, months, weeks, days, hours, minutes, seconds)) or str(self)

    def shorter_than_an_hour(self) -> bool:
        """OpenMeter's test of the least usage period: the sign of the largest field of (duration - PT1H)."""
        years, months, weeks, days, hours, minutes, seconds = self.fields
        hours -= 1
        minutes, seconds = _carry(minutes, seconds, 60)
        hours, minutes = _carry(hours, minutes, 60)
        weeks, days = _carry(weeks, days, 7)
        years, months = _carry(years, months, 12)
        return next((f < 0 for f in (years, months, weeks, days, hours, minutes, seconds) if f), False)

    @cached_property
    def mean_seconds(self) -> float:
        """Roughly how long it lasts."""
        return sum(float(f) * s for f, s in zip(self.fields, _MEAN, strict=True))

    @cached_property
    def _step(self) -> tuple[int, int, timedelta] | None:
        """Years in months, months, and the rest, when they can simply be multiplied; None otherwise."""
        whole = all(f == int(f) for f in self.fields[:6]) and self.seconds * 1_000_000 % 1 == 0
        if not whole or self.mean_seconds > 1e15:
            return None
        years, months, weeks, days, hours, minutes = (int(f) for f in self.fields[:6])
        micros = int(self.seconds * 1_000_000)
        rest = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, microseconds=micros)
        return 12 * years, months, rest

    def add_to(self, at: datetime, times: int) -> datetime:
        """`at` plus `times` of it: years, months, weeks, days, then the clock, all in `at`'s own offset.

        A month that is too short ends at its last day (31 January + P1M = 28 February). A fraction of a
        calendar field is rounded half to even after multiplying, as OpenMeter's decimals do; seconds keep
        theirs.
        """
        try:
            if self._step is not None:
                years, months, rest = self._step
                return _add_months(_add_months(at, years * times), months * times) + rest * times
            years, months, weeks, days, hours, minutes = (_whole(f * times) for f in self.fields[:6])
            moved = _add_months(_add_months(at, 12 * years), months)
            micros = int(self.seconds * times * 1_000_000)
            return moved + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, microseconds=micros)
        except (OverflowError, ValueError) as error:
            raise PeriodError(f"{self} x {times} after {at} is outside the calendar") from error


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_HALF_EVEN))


def _carry(larger: Decimal, smaller: Decimal, base: int) -> tuple[Decimal, Decimal]:
    if not smaller:
        return larger, smaller
    quotient, rest = divmod(smaller, base)
    if rest and abs(rest) < 1:
        return larger, smaller
    return larger + quotient, rest


def _add_months(at: datetime, months: int) -> datetime:
    if not months:
        return at
    year, month0 = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month0 + 1, day=min(at.day, _days_in(year, month0 + 1)))


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> Duration:
    """The duration that an ISO 8601 text says, or `DurationError`.

    A sign may stand in front; weeks may stand beside other fields; only the last field may have a fraction; `P` alone
    is refused.
    """
    if text[:1] in ("-", "+"):
        try:
            unsigned = parse_duration(text[1:])
        except DurationError as error:
            raise DurationError(f"{text}: {str(error).removeprefix(text[1:] + ': ')}") from None
        return unsigned.negated if text[0] == "-" else unsigned
    if not text.startswith("P"):
        raise DurationError(f"{text}: expected 'P' period mark at the start")
    fields: dict[str, Decimal] = {}
    rest, clock, fraction = text[1:], False, False
    while rest:
        if rest[0] == "T":
            if clock:
                raise DurationError(f"{text}: 'T' designator cannot occur more than once")
            clock, rest = True, rest[1:]
            continue
        name, number, rest = _next_field(text, rest, clock)
        if fraction and number:
            raise DurationError(f"{text}: only the last field can have a fraction")
        if name in fields:
            raise DurationError(f"{text}: a designator cannot occur more than once")
        fields[name] = number
        fraction = fraction or _scale(number) > 0
    if not fields:
        raise DurationError(f"{text}: expected 'Y', 'M', 'W', 'D', 'H', 'M', or 'S' designator")
    return Duration(**fields)


def _next_field(text: str, rest: str, clock: bool) -> tuple[str, Decimal, str]:
    match = _FIELD.match(rest)
    digits, designator = match.groups() if match else ("", "")
    names = _CLOCK_FIELDS if clock else _DATE_FIELDS
    if not digits or designator not in names:
        raise DurationError(f"{text}: cannot read {rest!r}")
    digits = digits.replace(",", ".")
    if digits.count(".") > 1 or len(digits.lstrip("-0").replace(".", "")) > 19:
        raise DurationError(f"{text}: number invalid or out of range")
    return names[designator], Decimal(digits), rest[len(digits) + 1 :]


def _scale(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


_DATE_FIELDS: Final = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}
_CLOCK_FIELDS: Final = {"H": "hours", "M": "minutes", "S": "seconds"}
_ONE: Final = Decimal(1)
DAY: Final = Duration(days=_ONE)
WEEK: Final = Duration(weeks=_ONE)
MONTH: Final = Duration(months=_ONE)
YEAR: Final = Duration(years=_ONE)
_API_NAMES: Final = {DAY.fields: "DAY", WEEK.fields: "WEEK", MONTH.fields: "MONTH", YEAR.fields: "YEAR"}
_API_INTERVALS: Final = {"DAY": DAY, "WEEK": WEEK, "MONTH": MONTH, "YEAR": YEAR}


def parse_interval(text: str) -> Duration:
    """The interval that the API names: DAY, WEEK, MONTH, YEAR, or an ISO duration."""
    upper = text.upper()
    return _API_INTERVALS.get(upper) or parse_duration(upper)


def add_expiration(at: datetime, unit: str, count: int) -> datetime:
    """When a grant of `at` expires (`openmeter/credit/grant/expiration.go`).

    Months and years here do overflow, as Go's AddDate does: 31 January plus a month is 3 March.
    """
    if unit == "HOUR":
        return at + timedelta(hours=count)
    if unit in ("DAY", "WEEK"):
        return at + timedelta(days=count * (7 if unit == "WEEK" else 1))
    months = count * (12 if unit == "YEAR" else 1)
    year, month0 = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month0 + 1, day=1) + timedelta(days=at.day - 1)
