"""`did you mean`: the nearest of what exists, in a time that does not depend on how often it is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

_FEW = 200


class Spelling:
    """What may be meant among some names. Many names are indexed, by what is left when any one character is cut out."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._cuts: dict[str, str] | None = None

    def remedy(self, word: str) -> str:
        """`did you mean ...?` for the nearest name, or ""."""
        name = self.nearest(word)
        return f"did you mean `{name}`?" if name is not None else ""

    def nearest(self, word: str) -> str | None:
        if len(word) > 256:
            return None
        if len(self._names) <= _FEW:
            return next(iter(get_close_matches(word, self._names, 1, 0.7)), None)
        if self._cuts is None:
            self._cuts = {}
            for name in self._names:
                if len(name) <= 64:
                    for cut in _cuts(name):
                        self._cuts.setdefault(cut, name)
        return next((self._cuts[cut] for cut in _cuts(word) if cut in self._cuts), None)


def _cuts(word: str) -> Iterator[str]:
    """The word, and the word without each of its characters: two that share one differ by a slip of the hand."""
    yield word
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
