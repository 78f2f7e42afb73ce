"""The server's time: settable, and the three forms that times have here.

In code a time is an aware `datetime` in UTC with microseconds (PostgreSQL keeps no more). In the database it is
text of fixed width, so that it sorts and compares as text. On the wire it is Go's RFC 3339 form, which drops
trailing zeros of the fraction.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)")


class Clock:
    """Real time, or a time that was set and runs on from there."""

    def __init__(self) -> None:
        self._offset: timedelta | None = None

    def now(self) -> datetime:
        """The current time in UTC."""
        real = datetime.now(UTC)
        return real if self._offset is None else real + self._offset

    def set(self, now: datetime | None) -> None:
        """Let it be `now`, and run on from there; None goes back to real time."""
        self._offset = None if now is None else now.astimezone(UTC) - datetime.now(UTC)

    @property
    def is_set(self) -> bool:
        return self._offset is not None


def to_db(moment: datetime) -> str:
    """The database's form: UTC, always six digits of fraction."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def from_db(text: str) -> datetime:
    """The time behind a database value."""
    return datetime.fromisoformat(text)


def wire(text: str) -> str:
    """A database value as it goes out: no trailing zeros in the fraction, no fraction when it is zero."""
    return text[:-1].rstrip("0").rstrip(".") + "Z" if text[-2] == "0" else text


def to_wire(moment: datetime) -> str:
    """A time as it goes out."""
    return wire(to_db(moment))


def as_sent(text: str) -> str:
    """A time that a client sent, as Go writes it again: its own zone and nanoseconds, no superfluous zeros."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return text
    day, time, fraction, zone = match.groups()
    digits = (fraction or "")[:9].rstrip("0")
    zone = "Z" if zone in ("z", "+00:00", "-00:00") else zone
    return f"{day}T{time}{'.' + digits if digits else ''}{zone}"


def parse_rfc3339(text: str) -> datetime | None:
    """A time as clients send it, in UTC and cut to the microsecond; None when it is not one."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:6].ljust(6, '0')}{zone.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
