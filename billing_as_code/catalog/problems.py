"""Problems as they are found, up to as many as anybody reads."""

from __future__ import annotations

from collections.abc import Iterable

from billing_as_code.errors import CatalogError, Problem
from billing_as_code.model import Address, Place

MOST = 1_000


class EnoughError(Exception):
    """As many problems as anybody reads have been found."""


class Problems:
    """Collects problems, each once; raises `EnoughError` on the last one that it takes."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, address: Address | str, message: str, remedy: str = "") -> None:
        self.extend([Problem(*place, str(address), message, remedy)])

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self._found[problem] = None
            if len(self._found) >= MOST:
                raise EnoughError

    def error(self) -> CatalogError:
        """All of them, ordered by place."""
        found = sorted(self._found, key=lambda p: (p.file, p.line, p.column, p.address, p.message))
        if len(self._found) >= MOST:
            last = f"more than {MOST - 1:,} problems; the rest is not listed"
            found.append(Problem(found[-1].file, 0, 0, "", last, "mend these first"))
        return CatalogError(found)
