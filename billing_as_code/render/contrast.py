"""Two sides, and how they differ: as text, Markdown and JSON. No side is right; the changes lead from one to the other.

In Markdown whatever comes from the catalog stands in code, where it can make no link, mention or heading.
"""

from __future__ import annotations

from collections.abc import Iterator

from billing_as_code import document
from billing_as_code.contrast import Contrast
from billing_as_code.model import Change, Class, Json
from billing_as_code.render import changes, text, values
from billing_as_code.render.lines import Line, Span, line, plain, visible
from billing_as_code.render.markup import code, fenced, size

MOST_BYTES = 50_000
"""What the Markdown of one takes; a comment on GitHub takes 65,536 characters in all."""


def contrast(found: Contrast, heading: str) -> Iterator[Line]:
    """The two sides under a heading: what only one has, what differs, and how many of each."""
    if found.missing:
        yield line(Span(f"{heading}: not known.", "heading"), f" {visible(found.missing)}")
        return
    sides = f"{visible(found.before)} → {visible(found.after)}"
    if not found.differs:
        resources = values.counted(found.compared, "resource")
        yield line(Span(f"{heading}: {sides} differ in nothing ({resources}).", "done"))
        return
    yield line(Span(f"{heading}: {sides}", "heading"))
    for change, hidden in text.folded([c for _, some in text.by_class(found.changes) for c in some]):
        yield from _lines(change)
        if hidden:
            yield line("  ", Span(f"… and {values.number(hidden)} more {change.address.kind} like it", "dim"))
    for held in found.held[: text.MOST_ALIKE]:
        yield line("  ", Span("~", "update"), " ", Span(visible(str(held.address)), "address"))
        yield from changes.field_lines(held.address.kind, held.fields)
    if len(found.held) > text.MOST_ALIKE:
        yield line("  ", Span(f"… and {values.number(len(found.held) - text.MOST_ALIKE)} more like it", "dim"))
    yield line(Span(f"{counts(found)}.", "heading"))


def _lines(change: Change) -> Iterator[Line]:
    marker = Span("! ", "breaking") if change.cls is Class.BREAKING else Span("  ")
    symbol = Span(changes.SYMBOLS[change.action], change.action)
    yield line(marker, symbol, " ", Span(visible(str(change.address)), "address"))
    if change.action == "create" and change.after is not None:
        yield from changes.packed(changes.made(change.after))
    else:
        yield from changes.fields(change)


def counts(found: Contrast) -> str:
    """`2 only in production, 1 only in staging, 4 differ`."""
    more, less, differ = map(values.number, found.counts)
    return f"{more} only in {visible(found.after)}, {less} only in {visible(found.before)}, {differ} differ"


def as_json(found: Contrast | None) -> Json:
    """Everything, for programs; null where it was not asked for."""
    if found is None:
        return None
    more, less, differ = found.counts
    return {
        "before": found.before,
        "after": found.after,
        "missing": found.missing or None,
        "counts": {"only_after": more, "only_before": less, "differ": differ},
        "changes": [_change_json(c) for c in found.changes],
        "cosmetic": [
            {"address": str(h.address), "fields": [document.field_json(f) for f in h.fields]} for h in found.held
        ],
    }


def _change_json(change: Change) -> Json:
    only = {"create": "after", "delete": "before"}.get(change.action)
    there = change.after if only == "after" else change.before
    return {
        "address": str(change.address),
        "only": only,
        "class": str(change.cls),
        "fields": [document.field_json(f) for f in change.fields],
        "says": list(changes.telling(there)) if only and there is not None else [],
    }


# -- markdown -----------------------------------------------------------------------------------------------------


def markdown(found: Contrast, title: str) -> Iterator[str]:
    """The same as a comment, the worst class first, in no more than `MOST_BYTES`; what is left out is counted."""
    yield from (f"### {title}", "")
    if found.missing:
        yield f"Not known: {code(found.missing)}"
        return
    if not found.differs:
        yield f"No difference ({values.counted(found.compared, 'resource')})."
        return
    breaking = sum(c.cls is Class.BREAKING for c in found.changes)
    more, less, differ = map(values.number, found.counts)
    said = f"{more} only in {code(found.after)}, {less} only in {code(found.before)}, {differ} differ"
    yield from (f"{said}{f'; **{values.number(breaking)} breaking**' if breaking else ''}.", "")
    left = MOST_BYTES
    for cls, some in text.by_class(found.changes):
        block = list(_section(cls, some, left))
        left -= size(block)
        yield from block
    if found.held:
        yield from _cosmetic([visible(str(h.address)) for h in found.held], min(max(left, 0), 4_000))


def _section(cls: Class, some: list[Change], left: int) -> Iterator[str]:
    opened = " open" if cls is not Class.SAFE else ""
    yield from (f"<details{opened}><summary>{text.heading(cls, len(some))}</summary>", "")
    shown: list[str] = []
    used, listed = 0, 0
    for change, hidden in text.folded(some):
        rows = plain(_lines(change)) + ([f"  … and {text.more(change, hidden)}"] if hidden else [])
        used += size(rows)
        if used > left:
            break
        shown += [row[2:] if row.startswith(("  + ", "  - ")) else row for row in rows]
        listed += 1 + hidden
    yield from fenced(shown)
    if listed < len(some):
        yield from ("", f"**{values.number(len(some) - listed)} more {cls} do not fit here**: see the JSON.")
    yield from ("", "</details>", "")


def _cosmetic(names: list[str], left: int) -> Iterator[str]:
    shown: list[str] = []
    for name in names:
        left -= size([name])
        if left < 0:
            shown.append("…")
            break
        shown.append(name)
    yield from (f"<details><summary>{values.number(len(names))} differ in name or metadata only</summary>", "")
    yield from fenced(shown)
    yield from ("", "</details>")
