"""Lines of text that know what their parts mean, so that one rendering serves terminals, files and comments."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias


class Span(NamedTuple):
    """A piece of a line. `style` is a word of `terminal.STYLES`, "" for plain text."""

    text: str
    style: str = ""


Line: TypeAlias = tuple[Span, ...]
EMPTY: Line = ()


def line(*parts: str | Span) -> Line:
    return tuple(p if isinstance(p, Span) else Span(p) for p in parts)


def plain(lines: Iterable[Line]) -> list[str]:
    """The same without styles."""
    return ["".join(span.text for span in line).rstrip() for line in lines]


def width(text: str) -> int:
    """How many columns a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def padded(text: str, to: int) -> str:
    return text + " " * max(0, to - width(text))


def visible(text: str) -> str:
    """A text from the catalog or OpenMeter with nothing in it that a terminal acts on or a reader cannot see.

    Control characters, those that turn the writing direction and other invisible ones become `\\n`, `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


ASCII = str.maketrans({"→": "->", "±": "-/+", "·": "|", "…": "...", "✓": "ok", "✗": "FAILED"})


def encodable(text: str, encoding: str) -> str:
    """The text as an output of that encoding can carry it: our symbols in ASCII, the rest escaped."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.translate(ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return text
