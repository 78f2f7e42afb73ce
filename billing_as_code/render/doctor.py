"""What the doctor found, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from billing_as_code.doctor import LEVELS, Finding
from billing_as_code.model import Json
from billing_as_code.render import values
from billing_as_code.render.lines import EMPTY, Line, Span, line, padded, visible

_COLUMNS = 100


def findings(found: Sequence[Finding], where: str) -> Iterator[Line]:
    """A finding a line, in the order in which they were looked for, with what to do below it; and how many there are.

    `where` is the environment and its url, "" where none could be chosen.
    """
    if where:
        yield line(Span(visible(where), "heading"))
        yield EMPTY
    level_column = max(len(level) for level in LEVELS)
    column = max(len(f.about) for f in found)
    for finding in found:
        indent = level_column + 2 + column + 2
        first, *rest = textwrap.wrap(visible(finding.text), max(40, _COLUMNS - indent), break_on_hyphens=False)
        about = Span(padded(finding.about, column), "address")
        yield line(Span(padded(finding.level, level_column), finding.level), "  ", about, "  ", first)
        yield from (line(" " * indent, row) for row in rest)
        for row in _remedy(finding, indent):
            yield line(" " * indent, Span(row, "why"))
    yield EMPTY
    counts: dict[str, int] = {level: sum(f.level == level for f in found) for level in LEVELS}
    yield line(Span(_total(counts), "problem" if counts["problem"] else "done"))


def _remedy(finding: Finding, indent: int) -> list[str]:
    if not finding.remedy:
        return []
    rows = textwrap.wrap(
        visible(finding.remedy), max(40, _COLUMNS - indent - 2), break_on_hyphens=False, break_long_words=False
    )
    return [("→ " if n == 0 else "  ") + row for n, row in enumerate(rows)]


def _total(counts: Mapping[str, int]) -> str:
    said = [f"{counts['ok']} ok", *(values.counted(counts[n], n) for n in ("note", "warning", "problem") if counts[n])]
    return ", ".join(said) + "."


def findings_json(found: Sequence[Finding], environment: str, url: str, counts: Mapping[str, int]) -> dict[str, Json]:
    """The same for programs."""
    return {
        "environment": environment or None,
        "url": url or None,
        "counts": dict(counts),
        "findings": [f._asdict() for f in found],
    }
