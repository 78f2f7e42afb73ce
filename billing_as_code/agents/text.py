"""Text of others on its way to an agent: names, labels and messages that customers and OpenMeter wrote are data.

Nothing in it can be told from an instruction by its content, so it is never put into descriptions or sentences of ours,
is cut to a length, and is rid of what a reader does not see: control and format characters, among them those that turn
the writing direction, and variation selectors, which can carry a hidden text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from billing_as_code.model import Json

LONGEST = 500
"""Characters of one text."""
LONGEST_MESSAGE = 2_000
LARGEST_VALUE = 4_000
"""Characters of one JSON value that is nobody's but its author's (a static entitlement's config, metadata)."""
LARGEST = 40_000
"""Bytes of one answer: under 20,000 tokens, whatever it is written in."""
_SPACE = frozenset("\t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

Item = TypeVar("Item")


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def seen(text: str) -> str:
    """The text without what nobody sees; a line break becomes a space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if c in _SPACE else "" if unicodedata.category(c) in _UNSEEN or _is_selector(c) else c for c in text
    )


def message(text: str) -> str:
    """A sentence with text of others in it, line by line, cut to LONGEST_MESSAGE."""
    shown = "\n".join(seen(line) for line in text[: 2 * LONGEST_MESSAGE].split("\n"))
    return shown if len(shown) <= LONGEST_MESSAGE else shown[: LONGEST_MESSAGE - 1] + "…"


@dataclass
class Cleaner:
    """Makes values fit to be answered, and remembers what it had to do, for `notes`."""

    stripped: bool = False
    cut: bool = False
    _notes: list[str] = field(default_factory=list)

    def clean(self, value: Json, depth: int = 0) -> Json:
        """The same value with every text in it seen and cut; what is nested too deep or too large becomes a text."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                if depth > 20 or len(value) > 200:
                    return self._as_text(value)
                return {self.text(str(k)): self.clean(v, depth + 1) for k, v in value.items()}
            case list() | tuple():
                return self._as_text(value) if depth > 20 else [self.clean(v, depth + 1) for v in value]
        return value

    def text(self, value: str) -> str:
        """One text."""
        shown = seen(value)
        self.stripped = self.stripped or shown != value
        if len(shown) <= LONGEST:
            return shown
        self.cut = True
        return f"{shown[:LONGEST]}… ({len(shown):,} characters)"

    def content(self, value: Json) -> Json:
        """JSON that somebody else made, whole where it is small, else the beginning of its text."""
        try:
            small = len(json.dumps(value, ensure_ascii=False)) <= LARGEST_VALUE
        except (RecursionError, ValueError):
            small = False
        return self.clean(value) if small else self._as_text(value)

    def _as_text(self, value: Json) -> str:
        self.cut = True
        try:
            written = json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            return "(nested too deep to be shown)"
        return f"{seen(written)[:LONGEST]}… ({len(written):,} characters of JSON)"

    def notes(self) -> list[str]:
        """What was done to texts, in sentences of ours."""
        said = ["Some text held characters that nobody sees (control, format, direction). They were taken out."]
        said = said if self.stripped else []
        return said + (["Long texts and values were cut; … marks where."] if self.cut else [])


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of a list: those from `start` on. `following` is where the next page starts, None at the end."""

    items: list[Item]
    total: int
    start: int
    following: int | None

    def note(self, what: str) -> list[str]:
        """That there are more, and how to go on."""
        if self.following is None:
            return []
        return [
            f"{self.start + 1} to {self.following} of {self.total:,} {what}. "
            f"The same call with cursor {self.following} goes on."
        ]


def page(items: Sequence[Item], start: int, most: int, budget: int = LARGEST // 2) -> Page[Item]:
    """At most so many of a list, fewer where they are large, and at least one."""
    taken: list[Item] = []
    weight = 0
    for item in items[start : start + most]:
        weight += size(item)
        if taken and weight > budget:
            break
        taken.append(item)
    end = start + len(taken)
    return Page(taken, len(items), start, end if taken and end < len(items) else None)


def size(value: object) -> int:
    """Bytes of a value's JSON; of a model as well."""
    dumped = getattr(value, "model_dump", None)
    return len(json.dumps(dumped(mode="json") if dumped else value, ensure_ascii=False, default=str).encode())


def lines(texts: Iterable[str], most: int) -> list[str]:
    """The first of some sentences, and how many more there are."""
    every = list(texts)
    more = len(every) - most
    return [message(text) for text in every[:most]] + ([f"and {more:,} more"] if more > 0 else [])
