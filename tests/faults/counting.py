"""How much is tried, and what was counted: `make test` takes a share, `make test-faults` everything and writes it down.

counted("kills", runs=1, resumed=1)     # adds up, over all processes, into docs/reliability.md
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FULL = os.environ.get("BAC_FAULTS") == "full"
"""Everything is wanted."""
COUNTS = os.environ.get("BAC_FAULTS_COUNTS")
"""The file that counts are added to, where they are wanted."""


def counted(what: str, **numbers: int) -> None:
    """Add to what the page tells of `what`. A line a call: many processes write at once."""
    if COUNTS:
        with Path(COUNTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **numbers}) + "\n")


def some(everything: Sequence[T], share: int, *, offset: int = 0) -> Sequence[T]:
    """All of them where everything is wanted, else so many: evenly spread, the last one among them."""
    if FULL or len(everything) <= share:
        return everything
    step = len(everything) / share
    return [
        everything[min(len(everything) - 1, int((n + 1) * step) - 1 - offset % max(1, int(step)))] for n in range(share)
    ]


def blocks(number: int, size: int) -> list[tuple[int, int]]:
    """(first, last) of blocks of 1..number, so that processes can share the work."""
    return [(first, min(first + size - 1, number)) for first in range(1, number + 1, size)]


def dice(seed: object) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(str(seed))
