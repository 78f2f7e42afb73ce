"""Characters that only an escape in a quoted text can write, and that nothing can store."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from billing_as_code.errors import Problem
from billing_as_code.model import Address, Place
from billing_as_code.reader.blocks import Block, Items

_ESCAPED_NUL = re.compile(rb"\\(0|x00|u0000|U00000000)")


def may_write_nul(data: bytes) -> bool:
    """Whether an escape of a NUL is in it, as one or as a part of a text."""
    return _ESCAPED_NUL.search(data) is not None


def nul_texts(root: Block, data: bytes) -> Iterator[Problem]:
    """The texts that hold a NUL, which PostgreSQL does not store; each shared one once. Cheap where no escape of one
    is in `data`."""
    if not may_write_nul(data):
        return
    seen: set[int] = set()
    waiting: deque[tuple[Any, tuple[str, ...]]] = deque([(root, ())])
    while waiting:
        holder, path = waiting.popleft()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for key, value, key_place, value_place in _entries(holder):
            below = (*path, key) if key is not None else path
            if key is not None and "\0" in key:
                yield _problem(key_place, path)
            if isinstance(value, str) and "\0" in value:
                yield _problem(value_place, below)
            elif isinstance(value, (Block, Items)):
                waiting.append((value, below))


def _entries(holder: Block | Items) -> Iterator[tuple[str | None, Any, Place, Place]]:
    if isinstance(holder, Block):
        yield from holder.entries()
        return
    for n, value in enumerate(holder):
        yield None, value, holder.item_place(n), holder.item_place(n)


def _problem(place: Place, path: tuple[str, ...]) -> Problem:
    address = str(Address(path[0], path[1:])) if path else ""
    return Problem(*place, address, "has a NUL character in it, which OpenMeter cannot store", r"take out the \0")
