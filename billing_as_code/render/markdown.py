"""A plan as a comment on a pull request: the summary first, then as much of the changes as a comment takes.

Whatever comes from the catalog stands in code, where it can make no link, mention or heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from billing_as_code.model import Change, Class
from billing_as_code.plan import Plan
from billing_as_code.render import changes, text, values
from billing_as_code.render.lines import plain, visible

MOST_BYTES = 60_000
"""GitHub takes 65,536 characters; the rest is left for what a workflow puts around it."""
_MARKS = {Class.BREAKING: "🔴", Class.COMMERCIAL: "🟡", Class.SAFE: "🟢"}
_TICKS = re.compile("`+")


def plan(plan: Plan, *, title: str = "bac plan", following: Sequence[str] = ()) -> Iterator[str]:
    """The lines of the comment, headed by `title`. Never more than `MOST_BYTES`; what is left out is counted."""
    target = plan.target
    url = "embedded server" if target.url.startswith("embedded:") else code(target.url)
    about = f"{code(target.environment)} · {url} · owner {code(target.owner)}"
    if not plan.changes:
        resources = values.counted(plan.existing, "resource")
        yield from (f"### {title}: nothing to do", "", f"{about} is as the catalog says ({resources}).")
        yield from _aside(plan, MOST_BYTES // 4)
        return
    yield from (f"### {title}: {text.counts(plan)}", "", about, "")
    if plan.scope:
        scope = ", ".join(code(s) for s in plan.scope[:20])
        yield from (f"Only {scope}, and what it depends on. Nothing is pruned.", "")
    yield from _table(plan)
    left = MOST_BYTES - 8_000
    for cls, some in text.by_class(plan.changes):
        block = list(_section(cls, some, left))
        left -= _size(block)
        yield from block
    yield from _aside(plan, 4_000)
    yield from ("", f"Digest `{plan.digest[:12]}`, intent `{plan.intent[:12]}`.")
    if following:
        yield from ("", *following)


def code(text: str) -> str:
    """A text as inline code, whatever is in it."""
    shown = visible(text)
    longest = max((len(run) for run in _TICKS.findall(shown)), default=0)
    ticks = "`" * (longest + 1)
    blank = " " if longest else ""
    return f"{ticks}{blank}{shown}{blank}{ticks}"


def _table(plan: Plan) -> Iterator[str]:
    """How many of what: nothing that is cut below is hidden here."""
    yield "| kind | " + " | ".join(changes.SYMBOLS) + " | breaking |"
    yield "|---" * (len(changes.SYMBOLS) + 2) + "|"
    kinds = sorted({c.address.kind for c in plan.changes}, key=text.rank)
    for kind in kinds:
        some = [c for c in plan.changes if c.address.kind == kind]
        numbers = [sum(c.action == action for c in some) for action in changes.SYMBOLS]
        breaking = sum(c.cls is Class.BREAKING for c in some)
        cells = [values.number(n) if n else "" for n in numbers]
        yield f"| {kind} | " + " | ".join(cells) + f" | {f'**{values.number(breaking)}**' if breaking else ''} |"
    yield ""


def _section(cls: Class, some: Sequence[Change], left: int) -> Iterator[str]:
    """A class's changes as a diff, which colours them, within `left` bytes."""
    title = f"{_MARKS[cls]} {text.heading(cls, len(some))}"
    opened = " open" if cls is not Class.SAFE else ""
    yield from (f"<details{opened}><summary>{title}</summary>", "")
    shown: list[str] = []
    used, listed = 0, 0
    for change, hidden in text.folded(some):
        lines = [_coloured(row) for row in plain(changes.lines(change))]
        if hidden:
            lines.append(f"  … and {text.more(change, hidden)}")
        used += _size(lines)
        if used > left:
            break
        shown += lines
        listed += 1 + hidden
    yield from _fenced(shown)
    if listed < len(some):
        missing = values.number(len(some) - listed)
        yield from ("", f"**{missing} more {cls} changes do not fit here**: see `bac plan` or its JSON.")
    yield from ("</details>", "")


def _coloured(row: str) -> str:
    """A line whose first character is what a diff colours by: `!`, `+`, `-`; others keep their indent."""
    return row[2:] if row.startswith(("  + ", "  - ")) else row


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    longest = max((len(run) for row in lines for run in _TICKS.findall(row)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}diff", *lines, fence)


def _aside(plan: Plan, left: int) -> Iterator[str]:
    lines = plain(text.aside(plan))[1:]
    if not lines:
        return
    shown: list[str] = []
    for row in lines:
        left -= len(row.encode()) + 1
        if left < 0:
            shown.append("…")
            break
        shown.append(row)
    about = [
        f"{values.number(len(some))} {word}" for some, word in ((plan.held, "held"), (plan.skipped, "not made")) if some
    ]
    yield from ("", f"<details><summary>⚪ {', '.join(about)}</summary>", "")
    yield from _fenced(shown)
    yield "</details>"


def _size(lines: Iterable[str]) -> int:
    return sum(len(row.encode()) + 1 for row in lines)
