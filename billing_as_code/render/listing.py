"""Addresses as a list: how each stands, and what it is in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from billing_as_code.model import Json, Resource
from billing_as_code.plan import Target
from billing_as_code.render import changes, standing, text, values
from billing_as_code.render.lines import EMPTY, Line, Span, line, padded, visible, width
from billing_as_code.standing import Difference, Ownership, Standing

_WIDEST = 48
"""Addresses are aligned up to this; a longer one moves only its own line."""
_SUMMARY = 72
_DIFFERENCES = {"update": "to update", "replace": "to replace", "delete": "to delete"}
_DIFFERENCES |= {"held": "held", "over": "over", "refused": "refused"}


def listing(found: Sequence[Standing], target: Target, *, what: str = "") -> Iterator[Line]:
    """A line for each, then how many there are of each ownership. `what` says which were asked for."""
    if not found:
        yield line(f"Nothing{visible(what)}: {text.where(target)}")
        return
    names = [visible(str(s.address)) for s in found]
    words = [standing.word(s) for s in found]
    column, state = min(max(map(width, names)), _WIDEST), max(map(width, words))
    for one, name, word in zip(found, names, words, strict=True):
        style = standing.DIFFERENCE_STYLES.get(one.difference) or standing.STYLES[one.ownership]
        yield line(
            Span(padded(name, column), "address"),
            "  ",
            Span(padded(word, state), style),
            "  ",
            Span(summary(one), "why"),
        )
    yield EMPTY
    yield line(Span(f"{values.counted(len(found), 'resource')}: {counts(found)}.", "heading"))
    yield line(text.where(target))


def counts(found: Sequence[Standing]) -> str:
    """`12 owned, 3 unmanaged, 1 held`."""
    owners, differences = _counted(found)
    numbers = [(n, name) for name, n in owners.items()]
    numbers += [(n, _DIFFERENCES[name]) for name, n in differences.items() if name in _DIFFERENCES]
    return ", ".join(f"{values.number(n)} {name}" for n, name in numbers if n)


def _counted(found: Sequence[Standing]) -> tuple[dict[str, int], dict[str, int]]:
    """How many there are of each ownership, and of each difference."""
    owners, differences = Counter(s.ownership for s in found), Counter(s.difference for s in found)
    return {n: owners[n] for n in get_args(Ownership)}, {n: differences[n] for n in get_args(Difference) if n}


def summary(one: Standing) -> str:
    """What it is: as much of its fields as goes on a line, of the live side where there is one."""
    resource = one.have if one.have is not None else one.want
    return _summary(resource) if resource is not None else ""


def _summary(resource: Resource) -> str:
    said = ""
    for part in changes.telling(resource):
        longer = f"{said}, {part}" if said else part
        if len(longer) > _SUMMARY:
            return f"{said}, …" if said else longer[: _SUMMARY - 1] + "…"
        said = longer
    return said


def as_json(found: Sequence[Standing], target: Target) -> dict[str, Json]:
    """The same as JSON, with all counts."""
    owners, differences = _counted(found)
    return {
        "environment": target.environment,
        "counts": {"ownership": owners, "difference": differences},
        "resources": [
            {
                "address": str(s.address),
                "ownership": s.ownership,
                "difference": s.difference or None,
                "id": s.have.id if s.have is not None else None,
                "owner": s.have.owner if s.have is not None else None,
                "summary": summary(s),
            }
            for s in found
        ],
    }
