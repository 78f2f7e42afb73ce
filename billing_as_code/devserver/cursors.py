"""Cursors of paged lists: base64 of a time and a row's id (`pkg/pagination/v2/cursor.go`)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime

from .clock import parse_rfc3339, to_wire

_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class InvalidCursor(ValueError):
    """The text is no cursor; the message is OpenMeter's."""


@dataclass(frozen=True)
class Cursor:
    """A place in a list that is ordered by a time and a row's id."""

    time: datetime
    row_id: str

    def encode(self) -> str:
        return base64.b64encode(f"{to_wire(self.time.replace(microsecond=0))},{self.row_id}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Read a cursor; raises InvalidCursor."""
        if not text:
            raise InvalidCursor("text is empty")
        time, comma, row_id = _base64(text).decode("utf-8", errors="replace").partition(",")
        if not comma:
            raise InvalidCursor("cursor is invalid: no delimiter found")
        moment = parse_rfc3339(time)
        if moment is None:
            layout = "2006-01-02T15:04:05Z07:00"
            quoted = json.dumps(time, ensure_ascii=False)
            raise InvalidCursor(
                f'parse cursor timestamp: parsing time {quoted} as "{layout}": cannot parse {quoted} as "2006"'
            )
        return cls(moment, row_id)


def _base64(text: str) -> bytes:
    """Decode as Go's StdEncoding does, which tells where it stopped."""
    text = text.replace("\r", "").replace("\n", "")
    body = text.rstrip("=") if text[-2:].count("=") else text
    bad = next((index for index, character in enumerate(body) if character not in _ALPHABET), None)
    if bad is None and (len(text) % 4 or len(body) % 4 == 1):
        bad = len(text) if text == body else len(body)
        bad = bad - bad % 4 if text == body else bad
    if bad is not None:
        raise InvalidCursor(f"decode cursor: illegal base64 data at input byte {bad}")
    return base64.b64decode(text)
