"""A plan as a comment on a pull request: what changes for whom, then as much of the changes as a comment takes.

Whatever comes from the catalog or from OpenMeter stands in code, where it can make no link, mention or heading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from billing_as_code.kinds import EVERY
from billing_as_code.model import Class
from billing_as_code.plan import Plan
from billing_as_code.render import changes, impact, sections, text, values, whom
from billing_as_code.render.lines import plain
from billing_as_code.render.markup import cell, code, fenced, size
from billing_as_code.render.views import cut

MOST_BYTES = 60_000
"""GitHub takes 65,536 characters; the rest is left for what a workflow puts around it."""
_MOST_ROWS, _MOST_ROW_BYTES = 24, 12_000
_MOST_FIELDS, _MOST_WHOM = 4, 8
_LONGEST = 60
_WARNING = 600
_LEAST_OF_ALL = 30_000
_LEAST = 400
"""Bytes kept for each class, so that its heading is there whatever the worse ones take."""

__all__ = ["MOST_BYTES", "code", "plan"]


def plan(
    plan: Plan, *, title: str = "bac plan", following: Sequence[str] = (), most: int = MOST_BYTES
) -> Iterator[str]:
    """The lines of the comment, headed by `title`. Never more than `most` bytes, of which it takes 30,000 at least;
    what is left out is counted.

    `title` and `following` are Markdown of the caller's own.
    """
    if not plan.changes:
        resources = text.compared(plan, code)
        yield from (f"### {title}: nothing to do", "", f"{_about(plan)} is as the catalog says ({resources}).", "")
        if plan.since is not None:
            yield from (*text.parted(plan, code), "")
        yield from _aside(plan, 15_000)
        return
    head = [f"### {title}: {text.counts(plan)}", "", _about(plan), ""]
    if plan.scope:
        scope = ", ".join(code(cut(s, _LONGEST)) for s in plan.scope[:20])
        more = f" and {values.number(len(plan.scope) - 20)} more" if len(plan.scope) > 20 else ""
        head += [f"Only {scope}{more}, and what it depends on. Nothing is pruned.", ""]
    head += [*text.parted(plan, code), ""] if plan.since is not None else []
    table = [*_whom(plan), "", *_counts(plan), ""]
    table += impact.markdown(plan.impact) if plan.impact is not None else ()
    end = [*_aside(plan, 4_000), f"Digest `{plan.digest[:12]}`, intent `{plan.intent[:12]}`."]
    end += ["", *following] if following else []
    left = max(most, _LEAST_OF_ALL) - size(head) - size(table) - size(end) - _WARNING
    yield from head
    warning, body = _body(plan, left)
    yield from warning
    yield from table
    yield from body
    yield from end


def _about(plan: Plan) -> str:
    target = plan.target
    url = "embedded server" if target.url.startswith("embedded:") else code(cut(target.url, 200))
    return f"{code(cut(target.environment, 200))} · {url} · owner {code(cut(target.owner, 200))}"


# -- what changes for whom -----------------------------------------------------------------------------------------


def _whom(plan: Plan) -> Iterator[str]:
    """What changes for whom, the worst first: a row for changes that are alike."""
    rows = whom.rows(plan.changes)
    yield from ("| | what | how | for whom |", "|---|---|---|---|")
    left = _MOST_ROW_BYTES
    shown = 0
    for row in rows[:_MOST_ROWS]:
        written = _row(row)
        left -= len(written.encode())
        if left < 0:
            break
        shown += 1
        yield written
    if shown < len(rows):
        rest = rows[shown:]
        breaking = sum(r.number for r in rest if r.cls is Class.BREAKING)
        about = f", {values.number(breaking)} of them breaking" if breaking else ""
        yield f"| | … | {values.counted(sum(r.number for r in rest), 'more change')}{about} | see below |"


def _row(row: whom.Row) -> str:
    words, name = whom.subject(row)
    what = f"{words} {cell(cut(name, _LONGEST))}" if name else words
    told = [_moved(moved) for moved in row.moved[:_MOST_FIELDS]] + [_side(made) for made in row.made]
    how = ": ".join(filter(None, (whom.DONE[row.action], "; ".join(told))))
    if len(row.moved) > _MOST_FIELDS:
        how += f"; and {values.counted(len(row.moved) - _MOST_FIELDS, 'more field')}"
    before, names, after = whom.named(row, _MOST_WHOM)
    who = before + ", ".join(cell(cut(name, _LONGEST)) for name in names) + after
    return f"| {sections.MARKS[row.cls]} {row.cls} | {what} | {how} | {who} |"


def _moved(moved: whom.Moved) -> str:
    share = f" ({moved.share})" if moved.share else ""
    return f"{cell(cut(moved.path, _LONGEST))} {_side(moved.before)} → {_side(moved.after)}{share}"


def _side(value: str) -> str:
    return value if value == whom.VARIOUS else cell(cut(value, _LONGEST))


def _counts(plan: Plan) -> Iterator[str]:
    """How many of what: nothing that is cut below is hidden here."""
    yield "| kind | " + " | ".join(changes.SYMBOLS) + " | breaking |"
    yield "|---" * (len(changes.SYMBOLS) + 2) + "|"
    kinds: dict[str, dict[str, int]] = {}
    for change in plan.changes:
        known = change.address.kind in EVERY
        numbers = kinds.setdefault(change.address.kind if known else sections.UNKNOWN, {})
        for name in (change.action, str(change.cls)):
            numbers[name] = numbers.get(name, 0) + 1
    for kind, numbers in sorted(kinds.items(), key=lambda item: text.rank(item[0])):
        cells = [values.number(numbers[a]) if a in numbers else "" for a in changes.SYMBOLS]
        breaking = f"**{values.number(numbers['breaking'])}**" if "breaking" in numbers else ""
        yield f"| {kind or 'unknown'} | " + " | ".join(cells) + f" | {breaking} |"


# -- the changes ---------------------------------------------------------------------------------------------------


def _body(plan: Plan, left: int) -> tuple[list[str], list[str]]:
    """(what to say first of what does not fit, the changes by class and kind)."""
    warning: list[str] = []
    body: list[str] = []
    classes = text.by_class(plan.changes)
    for n, (cls, some) in enumerate(classes):
        kept = _LEAST * (len(classes) - n - 1)
        title = [f"#### {sections.MARKS[cls]} {text.heading(cls, len(some))}", ""]
        told = sections.told(some, left - kept - size(title))
        if cls is Class.BREAKING:
            warning = list(_warning(len(some), told))
        left -= size(title) + size(told.lines)
        body += [*title, *told.lines]
    return warning, body


def _warning(number: int, told: sections.Told) -> Iterator[str]:
    """What a reviewer must know before anything else: that not every breaking change is told here in full."""
    if told.unnamed:
        named = number - told.unnamed
        yield (
            f"> ⚠️ **{values.number(number)} changes are breaking, more than a comment can name**: "
            f"{values.number(named)} are named below, **{values.number(told.unnamed)} are not**. "
            "Read the whole plan (`bac plan`, or its JSON or HTML) before you approve it."
        )
        yield ""
    elif told.bare:
        yield (
            f"> ⚠️ All {values.number(number)} breaking changes are named below, "
            f"**{values.number(told.bare)} of them without what changes in them**, for want of room: "
            "`bac plan`, its JSON and its HTML tell all."
        )
        yield ""


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
    yield from (f"<details><summary>⚪ {', '.join(about)}</summary>", "")
    yield from fenced(shown)
    yield from ("", "</details>", "")
