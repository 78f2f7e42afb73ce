"""CloudEvents as the Go SDK reads them from JSON, after the schema has been checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from .aggregation import unix
from .clock import parse_rfc3339
from .eventstore import IncomingEvent, data_text
from .problems import internal

_SPEC_VERSIONS = ("1.0", "0.3")
_YEAR_ONE = -62135596800
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What a path may hold unescaped in Go's url.URL.String, and what it escapes when it writes a path anew.
_VALID_PATH = re.compile(r"[a-zA-Z0-9\-_.~!$&'()*+,;=:@\[\]/%]*")
_PATH_SAFE = "-_.~$&+,/:;=@"


class InvalidEvent(ValueError):
    """The SDK does not take the event; the message is the SDK's."""


def incoming(document: Mapping[str, Any], now: int) -> IncomingEvent:
    """Read an event of a valid form; one without a time gets `now`."""
    version = document["specversion"]
    if version not in _SPEC_VERSIONS:
        raise InvalidEvent(f"specversion: unknown value: {version}\n")
    data = document.get("data")
    return IncomingEvent(
        id=document["id"],
        source=_uri_reference(document["source"]),
        type=document["type"],
        subject=document["subject"],
        time=_time(document.get("time"), now),
        data=None if data is None else _data(data),
    )


def _time(sent: str | None, now: int) -> int:
    if sent is None:
        return now
    moment = parse_rfc3339(sent)
    if moment is None:
        raise InvalidEvent(f"cannot convert {json.dumps(sent)} to time.Time: not in RFC3339 format")
    seconds = unix(moment)
    return now if seconds == _YEAR_ONE else seconds


def _data(data: Mapping[str, Any]) -> str:
    try:
        return data_text(data)
    except OverflowError:
        # Go cannot read such a number; OpenMeter fails when it passes the event on.
        raise internal() from None


def _uri_reference(text: str) -> str:
    """A source as it comes out of Go's url.Parse and String: what a path cannot hold is escaped."""
    if _CONTROL.search(text):
        raise InvalidEvent(f"parse {json.dumps(text)}: net/url: invalid control character in URL")
    if text.startswith(":"):
        raise InvalidEvent(f"parse {json.dumps(text)}: missing protocol scheme")
    reference, hash_mark, fragment = text.partition("#")
    path, question_mark, query = reference.partition("?")
    if bad := _BAD_ESCAPE.search(path):
        escape = json.dumps(path[bad.start() : bad.start() + 3])
        raise InvalidEvent(f"parse {json.dumps(text)}: invalid URL escape {escape}")
    scheme = _SCHEME.match(path)
    if scheme is None and ":" in path.split("/")[0]:
        raise InvalidEvent(f"parse {json.dumps(text)}: first path segment in URL cannot contain colon")
    head = scheme.group().lower() if scheme else ""
    rest = path[len(head) :]
    if not (scheme and not rest.startswith("/")):
        rest = _path(rest)
    return head + rest + question_mark + query + (hash_mark + _path(fragment) if fragment else "")


def _path(path: str) -> str:
    if _VALID_PATH.fullmatch(path):
        return path
    return quote(unquote(path), safe=_PATH_SAFE)
