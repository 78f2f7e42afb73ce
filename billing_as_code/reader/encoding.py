"""Places in bytes. They are looked at in pieces, since a file as text may take four times its size."""

from __future__ import annotations

import codecs

from billing_as_code.errors import Problem

_PIECE = 2**20


def not_utf8(data: bytes) -> int | None:
    """The offset of the first byte that is not UTF-8."""
    if data.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            return start - pending + error.start
    return None


def at_byte(file: str, data: bytes, offset: int, message: str, remedy: str) -> Problem:
    """A problem at the offset-th byte."""
    line = data.count(b"\n", 0, offset) + 1
    start = data.rfind(b"\n", 0, offset) + 1
    column = len(data[start:offset].decode("utf-8", "replace")) + 1
    return Problem(file, line, column, "", message, remedy)


def text_at(data: bytes, index: int) -> str:
    """A few characters from the index-th on."""
    if data.isascii():
        return data[index : index + 40].decode()
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = 0
    for start in range(0, len(data), _PIECE):
        text = decoder.decode(data[start : start + _PIECE])
        if before + len(text) > index:
            return text[index - before :][:40]
        before += len(text)
    return ""
