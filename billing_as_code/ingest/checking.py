"""What OpenMeter would refuse, said before it is sent; and ids for events that have none.

OpenMeter's own rules: its schema of an event, the CloudEvents SDK that reads it (Go's `url.Parse` and `time.Parse`),
and the sink, which drops events from before 1970 without a word (openmeter/ingest/kafkaingest/serializer).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring as quoted
from typing import Any

from billing_as_code.errors import UsageError
from billing_as_code.ingest.events import Event, Refusal
from billing_as_code.ingest.fingerprints import Fingerprints
from billing_as_code.ingest.sources import LONGEST
from billing_as_code.model import Json

SOURCE = "bac-ingest"
NOW = "now"
KNOWN = frozenset(("specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "dataschema"))
"""The attributes that OpenMeter knows; it looks at no other."""
TIME_REMEDY = "RFC 3339, such as 2026-11-20T10:15:00Z, or seconds since 1970"
_RFC3339 = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_EPOCH = re.compile(r"\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3))
"""A number from the first one on counts parts of a second: nano-, micro-, milliseconds."""
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HUGE = re.compile(r"\d{309}")
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Wrong(Exception):
    """What is wrong with an event, and the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an event is where its line does not say. `time` is a time, NOW, or None: then each line has its own."""

    type: str | None = None
    subject: str | None = None
    source: str = SOURCE
    time: str | None = None


class Checker:
    """Makes events of what stands in one input, in its order.

    An event without an id gets one made of the rest of its line and of how many equal lines stand before it: so the
    same input again makes the same ids, and two equal lines are two events. `now` is what NOW stands for; `live` says
    that it is part of an id made: what comes from a pipe comes now, while a file is the same file tomorrow.
    """

    def __init__(self, defaults: Defaults, now: Callable[[], datetime], *, live: bool = False) -> None:
        self._defaults, self._live = defaults, live
        self._now = now
        self._started = _written(now())
        self._equal, self._ids = Fingerprints(), Fingerprints()
        self.repeated = 0
        """How many events were left out since they stand in the input already, with the same id."""

    def check(self, line: int, found: Json) -> Event | Refusal | None:
        """The event, what is wrong with it, or None where the same one came before."""
        try:
            return self._event(line, found)
        except _Wrong as error:
            return Refusal(line, *error.args)

    def _event(self, line: int, found: Json) -> Event | None:
        if not isinstance(found, dict):
            raise _Wrong(f"is {_kind(found)}, no event", 'a JSON object, such as {"type": "prompt", "subject": "acme"}')
        get = found.get
        _check_constants(get("specversion"), get("datacontenttype"), "data_base64" in found)
        defaults = self._defaults
        event_type = _name("type", get("type"), defaults.type)
        subject = _name("subject", get("subject"), defaults.subject)
        source = _name("source", get("source"), defaults.source)
        if reason := _wrong_source(source):
            raise _Wrong(f"source {_shown(source)} is no URI reference: {reason}", "such as api-gateway or /regions/eu")
        time, time_for_id = self._time(get("time"))
        data = _data(get("data"))
        try:
            payload = "" if data is None else _ENCODE(data)
            said = f"{quoted(source)},{quoted(event_type)},{quoted(subject)},{quoted(time_for_id)},{payload}".encode()
        except ValueError as error:
            raise _unsendable(error) from None
        except RecursionError:
            raise _Wrong("is nested too deep") from None
        if len(payload) > 308 and _HUGE.search(payload) and _beyond_float(data):
            raise _Wrong("data holds a number that is beyond what OpenMeter can hold", "at most 1.7e308, or text")
        identity = self._identity(get("id"), source, said)
        if identity is None:
            return None
        own_id, key, content = identity
        body = _body(own_id, source, event_type, subject, time, payload)
        if len(body) > LONGEST:
            raise _Wrong(f"is longer than {LONGEST:,} bytes", "OpenMeter takes no larger event")
        ignored = () if found.keys() <= KNOWN else tuple(sorted(found.keys() - KNOWN))
        return Event(line, own_id, event_type, subject, data, body, key, content, ignored)

    def _time(self, given: Json) -> tuple[str, str]:
        """The time that is sent, and what an id is made of."""
        if given is not None and given != "":
            text = timestamp(given)
            return text, text
        default = self._defaults.time
        if default is None:
            raise _Wrong("has no time", f"time: {TIME_REMEDY}; or --time now for what happened just now")
        if default != NOW:
            return default, default
        if self._live:
            now = _written(self._now())
            return now, now
        return self._started, ""

    def _identity(self, given: Json, source: str, said: bytes) -> tuple[str, int, int] | None:
        """The id with the two fingerprints; None where the same event came before."""
        digest = blake2b(said, digest_size=24).digest()
        content = int.from_bytes(digest[16:], "little")
        if given is None or given == "":
            before = self._equal.get(content) or 0
            self._equal.put(content, before + 1)
            if before:
                digest = blake2b(said + b"#%d" % (before + 1), digest_size=24).digest()
            return f"bac-{digest[:16].hex()}", int.from_bytes(digest[:8], "little"), content
        if not isinstance(given, str):
            raise _Wrong(f"id is {_kind(given)}", "text")
        try:
            name = f"{source}\0{given}".encode()
        except UnicodeEncodeError as error:
            raise _unsendable(error) from None
        key = int.from_bytes(blake2b(name, digest_size=8).digest(), "little")
        there = self._ids.get(key)
        if there is None:
            self._ids.put(key, content)
            return given, key, content
        if there != content:
            raise _Wrong(
                f"id {_shown(given)} stands on an earlier line with other content", "an event has an id of its own"
            )
        self.repeated += 1
        return None


def _body(own_id: str, source: str, event_type: str, subject: str, time: str, payload: str) -> bytes:
    parts = ['{"specversion":"1.0"', f'"id":{quoted(own_id)}', f'"source":{quoted(source)}']
    parts += [f'"type":{quoted(event_type)}', f'"subject":{quoted(subject)}', f'"time":{quoted(time)}']
    if payload:
        parts.append(f'"data":{payload}')
    return (",".join(parts) + "}").encode()


# -- attributes -------------------------------------------------------------------------------------------------------


def _check_constants(version: Json, content_type: Json, is_binary: bool) -> None:
    if version is not None and version != "1.0" and version != "0.3":
        raise _Wrong(f"specversion is {_shown(version)}", "1.0, or leave it out")
    if content_type is not None and content_type != "application/json":
        raise _Wrong(f"datacontenttype is {_shown(content_type)}", "application/json, or leave it out")
    if is_binary:
        raise _Wrong("has data_base64, which OpenMeter does not count", "data, a JSON object")


def _name(attribute: str, given: Json, default: str | None) -> str:
    if given is None or given == "":
        if default:
            return default
        state = "an empty" if given == "" else "no"
        raise _Wrong(f"has {state} {attribute}", f"give it one, or say --{attribute} for all that have none")
    if not isinstance(given, str):
        remedy = f'text: "{given}"' if isinstance(given, int) and not isinstance(given, bool) else "text"
        raise _Wrong(f"{attribute} is {_kind(given)}", remedy)
    return given


def _data(given: Json) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise _Wrong(f"data is {_kind(given)}", 'a JSON object, such as {"tokens": 5}')
    if None in given.values():
        name = next(name for name, value in given.items() if value is None)
        raise _Wrong(f"data.{name} is null, which OpenMeter refuses", "leave it out")
    return given


@lru_cache(maxsize=1024)
def _wrong_source(source: str) -> str:
    """Why Go's url.Parse does not take it, "" where it does."""
    if _CONTROL.search(source):
        return "it holds a control character"
    path = source.partition("#")[0].partition("?")[0]
    if source.startswith(":") or (":" in path.split("/")[0] and not _SCHEME.match(path)):
        return "what stands before the first colon is no scheme"
    return "a % without two hexadecimal digits behind it" if _BAD_ESCAPE.search(path) else ""


def timestamp(given: Json) -> str:
    """A time as it is sent, in RFC 3339: as it was given, or made of a number of seconds (or milli-, micro-,
    nanoseconds) since 1970. Raises _Wrong."""
    if isinstance(given, str) and (match := _RFC3339.fullmatch(given)):
        _check_instant(given, match[1])
        return given
    text = given if isinstance(given, str) else repr(given)
    if isinstance(given, bool) or not _EPOCH.fullmatch(text):
        raise _Wrong(f"time {_shown(given)} is no time", TIME_REMEDY)
    whole, _, fraction = text.partition(".")
    number = int(whole)
    divisor = next((divisor for least, divisor in _UNITS if number >= least), 1)
    if number == 0:
        raise _Wrong(f"time {text} is before 1970 or its very start, and OpenMeter drops such events", TIME_REMEDY)
    seconds, parts = divmod(number, divisor)
    micros = int(fraction[:6].ljust(6, "0")) if divisor == 1 else parts * 10**6 // divisor
    return _written(_START + timedelta(seconds=seconds, microseconds=micros))


def instant(text: str) -> str:
    """What `--time` says: NOW or a time. Raises UsageError."""
    try:
        return text if text == NOW else timestamp(text)
    except _Wrong as error:
        raise UsageError(f"--time {text}: is no time (now, {TIME_REMEDY})") from error


def _check_instant(text: str, fraction: str | None) -> None:
    plain = text if fraction is None else text.replace(fraction, "", 1)
    try:
        instant = datetime.fromisoformat(plain).astimezone(UTC)
        early = instant <= _START
    except (ValueError, OverflowError):
        raise _Wrong(f"time {_shown(text)} is no day of the calendar", TIME_REMEDY) from None
    if early:
        raise _Wrong(f"time {text!r} is before 1970, and OpenMeter drops such events", TIME_REMEDY)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# -- what cannot be sent ----------------------------------------------------------------------------------------------


def _unsendable(error: ValueError) -> _Wrong:
    if isinstance(error, UnicodeEncodeError):
        return _Wrong("holds half of a surrogate pair, which is no text", "valid Unicode")
    return _Wrong("data holds a number that is beyond what OpenMeter can hold", "at most 1.7e308, or text")


def _beyond_float(value: Json) -> bool:
    """Whether there is an integer in it that no float64 can hold: OpenMeter fails on such."""
    if isinstance(value, Mapping):
        return any(map(_beyond_float, value.values()))
    if isinstance(value, list):
        return any(map(_beyond_float, value))
    if not isinstance(value, int):
        return False
    try:
        float(value)
    except OverflowError:
        return True
    return False


def _kind(value: Json) -> str:
    names = {bool: "true or false", dict: "an object", list: "an array", str: "a text", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
