"""A plan as text: the target, the worst first, what is held, the counts, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from billing_as_code.kinds import EVERY
from billing_as_code.model import Change, Class
from billing_as_code.plan import Plan, Target
from billing_as_code.render import changes, impact, prose, values
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible

MOST_ALIKE = 200
"""So many changes of one kind, action and class are listed; of more, only the first few. Breaking ones always are."""
_SHOWN_OF_MANY = 20
_RANK = {name: n for n, name in enumerate(EVERY)}


def rank(kind: str) -> tuple[int, str]:
    """The order of kinds that people read them in; one that is not known comes last."""
    return _RANK.get(kind, len(_RANK)), kind


def plan(plan: Plan, *, following: Sequence[str] = (), whole: bool = False) -> Iterator[Line]:
    """The whole plan; `following` are the lines that say what to do next. With `whole` no change is left out."""
    if not plan.changes:
        yield line(Span(f"Nothing to do: {where(plan.target)} is as the catalog says ({compared(plan)}).", "done"))
        yield from (line(text) for text in parted(plan))
        yield from aside(plan)
        return
    yield line(Span(f"Plan for {where(plan.target)}", "heading"))
    if plan.scope:
        yield line(f"Only {', '.join(visible(s) for s in plan.scope)}, and what it depends on. Nothing is pruned.")
    yield from (line(text) for text in parted(plan))
    yield from sections(plan.changes, whole=whole)
    yield from aside(plan)
    if plan.impact is not None:
        yield EMPTY
        yield from impact.text(plan.impact)
    yield EMPTY
    yield from _end(plan)
    yield from (line(text) for text in following)


def compared(plan: Plan, quoted: Callable[[str], str] = visible) -> str:
    """What a plan without changes is about: `40,000 resources`."""
    if plan.since is None or plan.since.whole:
        return values.counted(plan.existing, "resource")
    return f"{values.counted(len(plan.since.touched), 'resource')} changed since {quoted(plan.since.ref)}"


def parted(plan: Plan, quoted: Callable[[str], str] = visible) -> Iterator[str]:
    """What a plan that is about what changed since a commit did not look at, in sentences."""
    if (since := plan.since) is None:
        return
    name = f"{quoted(since.ref)} ({quoted(since.commit[:12])})"
    if since.whole:
        yield f"Everything was compared, not only what changed since {name}: {prose.whole(since.whole)}."
        return
    changed = values.counted(len(since.touched), "resource")
    yield f"Only what changed since {name}: {changed}, what that depends on, and what follows."
    others = values.counted(since.unseen, "other resource")
    yield f"Not looked at: {others} of the catalog, and what else is live. A plan without --changed-since does."


def summary(plan: Plan) -> Iterator[Line]:
    """A plan that was shown before: its target, its counts and its names."""
    if not plan.changes:
        yield line(Span(f"Nothing to do: the plan for {where(plan.target)} is empty.", "done"))
        return
    yield line(Span(f"Plan for {where(plan.target)}", "heading"))
    yield from _end(plan)


def _end(plan: Plan) -> Iterator[Line]:
    yield line(Span(f"Plan: {counts(plan)}", "heading"))
    yield line(f"Digest {plan.digest[:12]}, intent {plan.intent[:12]}.")


def where(target: Target) -> str:
    """The environment, its address and the owner: what heads everything that is about a target."""
    url = "embedded server" if target.url.startswith("embedded:") else visible(target.url)
    return f"{visible(target.environment)} · {url} · owner {visible(target.owner)}"


def counts(plan: Plan) -> str:
    """`3 to create, 1 to update, 1 to replace, 0 to delete. 1 breaking, 2 commercial.`"""
    numbers = [f"{values.number(plan.count(action))} to {action}" for action in changes.SYMBOLS]
    classes = [
        f"{values.number(n)} {cls}"
        for cls in (Class.BREAKING, Class.COMMERCIAL)
        if (n := sum(c.cls is cls for c in plan.changes))
    ]
    return ", ".join(numbers) + "." + (f" {', '.join(classes)}." if classes else "")


# -- the changes, by class ----------------------------------------------------------------------------------------


def by_class(found: Iterable[Change]) -> list[tuple[Class, list[Change]]]:
    """The classes that occur, worst first, each with its changes as people read them: by kind, then by address."""
    ordered = sorted(found, key=lambda c: (-c.cls, rank(c.address.kind), c.address))
    return [(cls, some) for cls in reversed(Class) if (some := [c for c in ordered if c.cls is cls])]


HEADINGS = {
    Class.BREAKING: "takes something away, or moves what usage counts for",
    Class.COMMERCIAL: "gives more, or changes a price",
    Class.SAFE: "",
}


def heading(cls: Class, number: int) -> str:
    about = f": {HEADINGS[cls]}" if HEADINGS[cls] else ""
    return f"{str(cls).capitalize()} ({values.number(number)}){about}"


def sections(found: Iterable[Change], *, whole: bool = False) -> Iterator[Line]:
    for cls, some in by_class(found):
        yield EMPTY
        yield line(Span(heading(cls, len(some)), str(cls)))
        for change, hidden in ((c, 0) for c in some) if whole else folded(some):
            yield from changes.lines(change)
            if hidden:
                yield line(
                    f"  {changes.SYMBOLS[change.action]} ",
                    Span(f"… and {more(change, hidden)} (--format json lists all)", "dim"),
                )


def more(change: Change, hidden: int) -> str:
    return f"{values.number(hidden)} more {change.address.kind} to {change.action}"


def folded(some: Sequence[Change]) -> Iterator[tuple[Change, int]]:
    """Which of a class's changes are listed, each with how many like it are left out behind it."""
    alike: dict[tuple[str, str], int] = {}
    for change in some:
        key = (change.address.kind, change.action)
        alike[key] = alike.get(key, 0) + 1
    seen: dict[tuple[str, str], int] = {}
    for change in some:
        key = (change.address.kind, change.action)
        seen[key] = seen.get(key, 0) + 1
        if change.cls is Class.BREAKING or alike[key] <= MOST_ALIKE or seen[key] < _SHOWN_OF_MANY:
            yield change, 0
        elif seen[key] == _SHOWN_OF_MANY:
            yield change, alike[key] - _SHOWN_OF_MANY


# -- what is not a change -----------------------------------------------------------------------------------------


def aside(plan: Plan) -> Iterator[Line]:
    """Held differences, and what is declared and not made."""
    if plan.held:
        yield EMPTY
        number = values.number(len(plan.held))
        yield line(Span(f"Held ({number}): cosmetic, and OpenMeter cannot change it in place", "held"))
        yield line("  It waits for the resource's next replace, or for --replace ADDRESS.")
        for held in plan.held[:MOST_ALIKE]:
            yield line("  ", Span(visible(str(held.address)), "address"))
            yield from changes.field_lines(held.address.kind, held.fields)
        if len(plan.held) > MOST_ALIKE:
            yield line("    ", Span(f"… and {values.number(len(plan.held) - MOST_ALIKE)} more", "dim"))
    if plan.skipped:
        yield EMPTY
        for address, code in plan.skipped[:_SHOWN_OF_MANY]:
            yield line("    ", Span(f"{visible(address)} {prose.skipped(code)}.", "dim"))
        if len(plan.skipped) > _SHOWN_OF_MANY:
            yield line(
                "    ", Span(f"… and {values.number(len(plan.skipped) - _SHOWN_OF_MANY)} more are not made", "dim")
            )
