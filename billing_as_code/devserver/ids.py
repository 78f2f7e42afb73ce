"""ULIDs: 48 bits of time and 80 bits that grow within a millisecond, in Crockford's base 32."""

from __future__ import annotations

import re
import secrets
import threading
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class UlidFactory:
    """Makes ids that sort by the time they were made, also within one millisecond and across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = -1
        self._random = 0

    def make(self, now: datetime) -> str:
        millisecond = int(now.timestamp() * 1000)
        with self._lock:
            if millisecond == self._millisecond:
                self._random += 1 + secrets.randbelow(1 << 32)
            else:
                self._millisecond = millisecond
                self._random = secrets.randbits(79)
            return encode(millisecond << 80 | self._random)


def encode(number: int) -> str:
    """128 bits as 26 characters."""
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)])


def is_ulid(text: str) -> bool:
    """Whether a text is an id as OpenMeter writes them: upper case."""
    return _ULID.fullmatch(text) is not None
