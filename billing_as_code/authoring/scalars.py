"""One scalar as YAML text, in a spelling that every YAML parser reads as the same value, be it of YAML 1.1 or 1.2."""

from __future__ import annotations

import json
import re
from typing import Any

_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity", "none"))
"""What some parser or other takes for a boolean, a null or a number, in lower case."""
_NUMBERLIKE = re.compile(r"[-+.\w:,]*|\d{4}-\d\d?-\d\d?.*", re.ASCII)
"""What begins with a digit and may be a number, a date or a time somewhere: one word, or a date with what follows."""
_INSIDE = frozenset(" ._-/@+$()&;=~%'!?*<>|^\\")
_OUTSIDE_ALONE = re.compile(r"[,\[\]{}\"]|(?<=\S)#|:(?=[^\s:])")
"""What is nothing special outside of brackets: a `#` behind something, a `:` before something."""
_ESCAPES = re.compile(r"[^\x20-\x7e]")
_LONGEST_KEY = 1000
"""YAML has no longer keys on one line (1,024 characters)."""
MOST_DEPTH = 48
"""How deep a field's value may be nested, so that a whole file stays within what is read."""


def scalar(value: Any, *, in_block: bool = False) -> str:
    """A text, number, boolean or None as it stands in YAML, on one line; `in_block` as the value of a block's entry."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _float(value)
    return value if is_plain(value, in_block=in_block) else quoted(value)


def is_plain(text: str, *, in_block: bool = False) -> bool:
    """Whether a text needs no quotes, neither between brackets nor outside of them; with `in_block`, outside alone."""
    if not text or text[-1] == " " or text.lower() in _WORDS:
        return False
    first = text[0]
    if not (first.isalnum() or first in "_$/"):
        return False
    if first.isdigit() and _NUMBERLIKE.fullmatch(text):
        return False
    if in_block:
        text = _OUTSIDE_ALONE.sub("", text)
    return all(c.isalnum() or c in _INSIDE or (c > "\x7f" and c.isprintable()) for c in text)


def quoted(text: str) -> str:
    """In double quotes, with what cannot be seen as escapes."""
    return _ESCAPES.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def literal(text: str) -> tuple[str, list[str]] | None:
    """A text of several lines as a block (`|`): its header and its lines; None where quotes are needed."""
    body = text.removesuffix("\n")
    rows = body.split("\n")
    if len(rows) < 2 or not rows[0].strip() or rows[0][0] == " " or not rows[-1].strip():
        return None
    if any(row and not row.isprintable() for row in rows):
        return None
    return ("|" if text != body else "|-"), rows


def unwritable(value: Any, depth: int = 0) -> str:
    """Why a catalog cannot hold a value, whatever its quotes; "" where it can."""
    if depth > MOST_DEPTH:
        return f"is nested deeper than {MOST_DEPTH} levels"
    match value:
        case str():
            return "holds half a character (a lone surrogate)" if not value.isascii() and _is_broken(value) else ""
        case dict():
            for key, inner in value.items():
                if not key:
                    return "has an empty key"
                if key == "<<" or len(quoted(key)) > _LONGEST_KEY:
                    return f"has a key that YAML cannot hold ({key[:20]})"
                if why := unwritable(key) or unwritable(inner, depth + 1):
                    return why
        case list():
            return next(filter(None, (unwritable(inner, depth + 1) for inner in value)), "")
    return ""


def _is_broken(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _float(value: float) -> str:
    """With a point, since YAML 1.1 takes `1e-05` for a text."""
    text = repr(value)
    head, e, exponent = text.partition("e")
    return f"{head}.0e{exponent}" if e and "." not in head else text
