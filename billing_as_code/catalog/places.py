"""Where a part of a resource stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing_as_code.model import Place
from billing_as_code.reader import Block, Items


def locate(raw: Any, path: Sequence[str | int], default: Place, *, at_key: bool = False) -> Place:
    """The place of the value at a path below `raw`, or of its key; of the nearest that exists where it does not.

    `default` is the place of `raw` itself.
    """
    place = default
    for i, name in enumerate(path):
        if isinstance(raw, Block) and isinstance(name, str) and name in raw:
            of_key = at_key or i < len(path) - 1
            place = raw.key_place(name) if of_key else raw.value_place(name)
            raw = raw[name]
        elif isinstance(raw, Items) and isinstance(name, int) and name < len(raw):
            place = raw.item_place(name)
            raw = raw[name]
        else:
            break
    return place


def path_of(raw: Any, field: str) -> tuple[str, ...]:
    """The keys of a dotted name. Keys of free maps may hold dots themselves, so what `raw` has decides."""
    if not field:
        return ()
    if not isinstance(raw, Block) or field in raw:
        return (field,)
    head, _, rest = field.partition(".")
    return (head, *path_of(raw.get(head), rest))
