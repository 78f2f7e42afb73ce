"""What a pull found and wrote: the files, what became of the resources, what could not be said, what to do next."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from billing_as_code.model import Address, Json
from billing_as_code.plan import Plan, Target
from billing_as_code.render import text, values
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible

_SHOWN = 20


class File(Protocol):
    """A file as it is (None: not there) and as it is to be."""

    @property
    def before(self) -> str | None: ...

    @property
    def after(self) -> str: ...


def pull(
    target: Target,
    folder: str,
    files: Mapping[str, File],
    found: Found,
    *,
    written: bool,
    following: str = "",
) -> Iterator[Line]:
    """The whole of a pull; `files` are named as people shall read them."""
    heading = "Pulled" if written else "A pull of"
    yield line(Span(f"{heading} {text.where(target)}", "heading"), f" into {visible(folder)}")
    for name, file in files.items():
        state = ("created", "create") if file.before is None else ("changed", "update")
        yield line("  ", Span(f"{state[0]:8}", state[1]), visible(name))
    if not files:
        yield line("  No file is to be changed.")
    yield line(f"Resources: {_counts(found)}.")
    yield from _elsewhere(found)
    yield from _asides(found)
    if found.plan is not None or found.refused:
        yield EMPTY
        yield from _end(found, following)


def diff(name: str, file: File) -> Iterator[Line]:
    """A file's unified diff."""
    before = (file.before or "").splitlines()
    heads = ("/dev/null" if file.before is None else f"a/{name}", f"b/{name}")
    for row in difflib.unified_diff(before, file.after.splitlines(), *heads, lineterm=""):
        style = {"+": "after", "-": "before", "@": "dim"}.get(row[:1], "")
        yield line(Span(visible(row), "heading" if row.startswith(("+++", "---")) else style))


def machine(files: Mapping[str, File], found: Found, *, written: bool) -> dict[str, Json]:
    """The same for programs."""
    plan = found.plan
    return {
        "written": written,
        "files": {name: "created" if file.before is None else "changed" for name, file in files.items()},
        "added": [str(a) for a in found.added],
        "changed": [str(a) for a in found.changed],
        "unchanged": found.same,
        "external": [str(a) for a in found.external],
        "not_expressible": [{"what": what, "why": why} for what, why in found.untold],
        "of_others": {str(a): hand for a, hand in sorted(found.others.items())},
        "other_environments": dict(found.elsewhere),
        "not_live": [str(a) for a in found.not_live],
        "plan": None if plan is None else {"adoptions": _adoptions(plan), "other_changes": _others(plan)},
        "plan_errors": [{"address": address, "why": why} for address, why in found.refused],
    }


class Found(Protocol):
    """What a pull found, as `service.Pulled` has it."""

    added: list[Address]
    changed: list[Address]
    same: int
    external: list[Address]
    untold: list[tuple[str, str]]
    others: dict[Address, str]
    not_live: list[Address]
    elsewhere: dict[str, int]
    plan: Plan | None
    refused: list[tuple[str, str]]


def _counts(found: Found) -> str:
    counted = {
        "added": len(found.added),
        "changed": len(found.changed),
        "as declared already": found.same,
        "external": len(found.external),
    }
    return ", ".join(f"{values.number(n)} {what}" for what, n in counted.items() if n or what == "added")


def _asides(found: Found) -> Iterator[Line]:
    if found.untold:
        yield from _list(
            f"Not in the catalog ({values.number(len(found.untold))}): live, and YAML or OpenMeter does not allow it",
            [f"{visible(what)}: {visible(why)}" for what, why in found.untold],
        )
    if found.others:
        hands = Counter(found.others.values())
        yield from _list(
            f"Left to others ({values.number(len(found.others))}): only what ours refers to is declared, as external",
            [f"{values.number(n)} of {visible(hand)}" for hand, n in sorted(hands.items())],
        )
    if found.not_live:
        yield from _list(
            f"In the catalog and not live ({values.number(len(found.not_live))}): left as it is",
            [visible(str(a)) for a in found.not_live],
        )


def _elsewhere(found: Found) -> Iterator[Line]:
    if found.elsewhere:
        told = ", ".join(f"{visible(name)} {values.number(n)}" for name, n in found.elsewhere.items())
        yield line(f"Other environments see these files too, and change with them: {told}.")


def _list(heading: str, rows: Sequence[str]) -> Iterator[Line]:
    yield EMPTY
    yield line(Span(heading, "held"))
    for row in rows[:_SHOWN]:
        yield line(f"  {row}")
    if len(rows) > _SHOWN:
        yield line("  ", Span(f"… and {values.number(len(rows) - _SHOWN)} more (--json lists all)", "dim"))


def _end(found: Found, following: str) -> Iterator[Line]:
    if found.refused:
        yield line(Span("bac plan is refused as things stand:", "breaking"))
        for address, why in found.refused[:_SHOWN]:
            yield line(f"  {visible(address)} {visible(why)}")
    if found.plan is None:
        return
    adoptions, others = _adoptions(found.plan), _others(found.plan)
    label = f"{values.counted(adoptions, 'adoption')} (our label is written, nothing else)"
    if not adoptions and not others:
        yield line(Span(f"The catalog says what is live: {following} has nothing to do.", "done"))
    elif not others:
        yield line(Span(f"Next: {following} shows {label}.", "done"))
    else:
        said = values.counted(others, "other change")
        yield line(f"Next: {following} shows " + (f"{label} and {said}." if adoptions else f"{said}."))


def _adoptions(plan: Plan) -> int:
    """Changes that only write our label."""
    return sum([f.path for f in c.fields] == ["owner"] for c in plan.changes)


def _others(plan: Plan) -> int:
    return len(plan.changes) - _adoptions(plan)
