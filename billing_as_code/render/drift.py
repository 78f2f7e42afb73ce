"""Drift: what is live and not as the catalog says. The plan that would mend it, told from the other side."""

from __future__ import annotations

from collections.abc import Iterator

from billing_as_code.model import Change
from billing_as_code.plan import Plan
from billing_as_code.render import changes, prose, text, values
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible

_STATES = {"create": "missing", "update": "differs", "replace": "differs", "delete": "extra"}


def drift(plan: Plan, *, following: str = "") -> Iterator[Line]:
    """What is live and not as the catalog says; the plan is the one that would mend it."""
    if not plan.changes:
        resources = values.counted(plan.existing, "resource")
        yield line(Span(f"No drift: {text.where(plan.target)} is as the catalog says ({resources}).", "done"))
        return
    yield line(Span(f"Drift in {text.where(plan.target)}", "heading"))
    yield EMPTY
    ordered = [c for _, some in text.by_class(plan.changes) for c in some]
    for change, hidden in text.folded(ordered):
        yield from _lines(change)
        if hidden:
            yield line("  ", Span(f"… and {values.number(hidden)} more {change.address.kind} like it", "dim"))
    yield EMPTY
    number = {state: sum(_STATES[c.action] == state for c in plan.changes) for state in ("missing", "differs", "extra")}
    said = ", ".join(f"{values.number(n)} {state}" for state, n in number.items())
    yield line(Span(f"Drift: {said}.", "heading"), f" {following}".rstrip())


def _lines(change: Change) -> Iterator[Line]:
    state = _STATES[change.action]
    yield line("  ", Span(f"{state:8}", change.action), Span(visible(str(change.address)), "address"))
    kind = change.address.kind
    for field in change.fields:
        live, declared = values.change(kind, field.path, field.before, field.after)
        who = "the owner's label" if field.path == "owner" else visible(field.path)
        yield line(" " * 10, f"{who}: live ", Span(live, "before"), ", catalog ", Span(declared, "after"))
    if change.action != "create" and not change.fields:
        for sentence in prose.sentences(change):
            yield from (line("    ", *part) for part in changes.wrapped(sentence, "why"))
