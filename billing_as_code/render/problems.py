"""What is wrong, for people: every problem on a line of its own, and a total."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from billing_as_code.errors import Problem
from billing_as_code.model import Json
from billing_as_code.render import values
from billing_as_code.render.lines import visible

MOST = 50


def problems(found: Sequence[Problem]) -> Iterator[str]:
    """At most fifty lines, then how many there are in how many files."""
    for problem in found[:MOST]:
        yield f"error: {visible(str(problem))}"
    if len(found) > MOST:
        yield f"... and {values.number(len(found) - MOST)} more"
    files = len({p.file for p in found})
    yield f"{values.counted(len(found), 'problem')} in {values.counted(files, 'file')}"


def problems_json(found: Sequence[Problem]) -> list[dict[str, Json]]:
    """Every problem, for programs."""
    names = ("file", "line", "column", "address", "message", "remedy")
    return [{name: getattr(p, name) for name in names} for p in found]
