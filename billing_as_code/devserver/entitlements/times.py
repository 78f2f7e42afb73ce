"""Times in bodies, kept in the offset that they were sent in: calendar arithmetic happens there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ..clock import parse_rfc3339
from ..operation import Call
from ..problems import DomainProblem, internal

# Go's zero time, which it takes for no time.
ZERO_TIME: Final = "0001-01-01T00:00:00"


def sent_time(text: str) -> datetime:
    """The time that the schema let through, or 500 where OpenMeter's decoder fails on it."""
    moment = parse_rfc3339(text)
    if moment is None:
        raise internal()
    if text[-1] in "zZ":
        return moment
    return moment.astimezone(datetime.fromisoformat(f"2000-01-01T00:00:00{text[-6:]}").tzinfo)


def asked_time(call: Call, name: str) -> datetime | None:
    """A time of the query in the offset that it was sent in; None when it was not."""
    if call.query[name] is None:
        return None
    return sent_time(call.raw_query[name][0])


def check_decodable(body: Mapping[str, Any]) -> None:
    """400 for a time of a grant or reset that looks right but is none, such as 30 February."""
    anchor = (body.get("recurrence") or {}).get("anchor")
    for text in (body.get("effectiveAt"), anchor):
        if text is not None and parse_rfc3339(text) is None:
            part = "second" if text[17:19] == "60" else "day"
            raise DomainProblem(400, f'decode json: parsing time "{text}": {part} out of range')


def go_rfc3339(moment: datetime) -> str:
    """A whole minute as Go writes it, in its own offset."""
    text = moment.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
