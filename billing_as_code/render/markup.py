"""Text of others in Markdown: in code, where it is nothing but text, whatever is in it.

Outside of code stand our own words alone, so that no link, image, mention, reference or HTML comes from a catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from billing_as_code.render.lines import visible

_TICKS = re.compile("`+")
_BAR = "\N{BROKEN BAR}"
"""Stands for `|` in tables, whose readers differ in how they take a bar behind a backslash."""


def ticks(*texts: str) -> int:
    """The longest run of backticks in any of them: what stands around has one more."""
    return max((len(run) for text in texts for run in _TICKS.findall(text)), default=0)


def code(text: str) -> str:
    """A text as inline code."""
    shown = visible(text)
    if not shown.strip(" "):
        shown = f'"{shown}"'  # code needs something in it
    longest = ticks(shown)
    fence = "`" * (longest + 1)
    blank = " " if longest or (shown[0], shown[-1]) == (" ", " ") else ""
    return f"{fence}{blank}{shown}{blank}{fence}"


def cell(text: str) -> str:
    """The same in a table's cell."""
    return code(text.replace("|", _BAR))


LONGEST_FENCE = 40


def fenced(lines: Sequence[str]) -> Iterator[str]:
    """Lines as a diff, which colours them. None of them starts with what somebody else wrote, so that none can end it;
    the fence is longer than what they hold all the same, within reason."""
    fence = "`" * min(max(3, ticks(*lines) + 1), LONGEST_FENCE)
    yield from (f"{fence}diff", *lines, fence)


def size(lines: Iterable[str]) -> int:
    """The bytes that lines take; never fewer than their characters, however those are counted."""
    return sum(len(row.encode()) + 1 for row in lines)
