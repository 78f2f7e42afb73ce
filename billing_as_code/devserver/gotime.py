"""Times as Go keeps them: nanoseconds and the offset that was sent, where an answer gives them back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_PARTS = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class GoTime:
    """A time that was sent: the moment in UTC (to the microsecond), and how Go writes it."""

    moment: datetime
    text: str
    whole_text: str

    @classmethod
    def parse(cls, sent: str) -> GoTime | None:
        """Read RFC 3339, or a date alone; None when it is neither."""
        if re.fullmatch(r"\d{4}-\d\d-\d\d", sent):
            sent += "T00:00:00Z"
        match = _PARTS.fullmatch(sent)
        if match is None:
            return None
        day, clock, fraction, zone = match.groups()
        fraction = (fraction or "")[:9]
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}.{fraction[:6].ljust(6, '0')}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        zone = "Z" if zone[1:] == "00:00" else zone
        fraction = fraction.rstrip("0")
        return cls(moment, f"{day}T{clock}{'.' + fraction if fraction else ''}{zone}", f"{day}T{clock}{zone}")

    @classmethod
    def of(cls, moment: datetime) -> GoTime:
        """A time of ours, in UTC and whole seconds."""
        text = moment.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
        return cls(moment, text, text)


def go_time(moment: datetime) -> str:
    """A time as Go prints it in messages, in its own offset: `2026-11-24 07:11:00 +0000 UTC`."""
    fraction = f".{moment.microsecond:06}".rstrip("0").rstrip(".")
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {offset} {'UTC' if offset == '+0000' else offset}"
