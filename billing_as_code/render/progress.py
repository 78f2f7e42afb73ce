"""An apply while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from billing_as_code.model import Address, Event
from billing_as_code.plan import Plan
from billing_as_code.render import values
from billing_as_code.render.lines import Line, Span, line, visible

_DONE = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


def actions(plan: Plan) -> Mapping[Address, str]:
    """What the plan does to each address."""
    return {c.address: c.action for c in plan.changes}


def event(event: Event) -> Line | None:
    """The line of something that ended; None for what only started. An event that is done names its action."""
    if event.status == "note" or event.address is None:
        return line(Span(f"  {visible(event.text)}", "dim")) if event.text else None
    if event.status == "started":
        return None
    name = visible(str(event.address))
    at = f"{event.done}/{event.total}" if event.total else ""
    match event.status:
        case "done":
            return line(Span("✓ ", "done"), f"{at} {name} {_DONE.get(event.text, 'done')}".strip())
        case "failed":
            return line(Span("✗ ", "breaking"), f"{at} {name} failed".strip(), _behind(event))
    return line(Span("- ", "dim"), f"{at} {name} not done".strip(), _behind(event))


def _behind(event: Event) -> str:
    return f": {visible(event.text)}" if event.text else ""


def current(event: Event, actions: Mapping[Address, str]) -> str:
    """What a progress line on a terminal says."""
    what = f" {actions.get(event.address, '')} {visible(str(event.address))}" if event.address is not None else ""
    return f"Applying {values.number(event.done)}/{values.number(event.total)}{what}"


def outcome(
    *, done: int, failed: int, blocked: int, loose: Sequence[tuple[str, str]] = (), halved: int = 0
) -> Iterator[Line]:
    """How an apply ended."""
    parts = [f"{values.number(done)} done"]
    parts += [f"{values.number(n)} {word}" for n, word in ((failed, "failed"), (blocked, "not done")) if n]
    whole = not (failed or blocked or loose)
    yield line(Span(f"Applied: {', '.join(parts)}.", "done" if whole else "breaking"))
    for address, text in loose:
        yield line(Span("! ", "breaking"), f"{visible(address)} {visible(text)}")
    if halved:
        yield line(Span("OpenMeter asked to slow down, so fewer requests ran at a time.", "dim"))
