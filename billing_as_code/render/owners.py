"""Owners: who has what, and what a take-over leaves as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from billing_as_code.kinds import KINDS
from billing_as_code.model import Address
from billing_as_code.render import values
from billing_as_code.render.lines import EMPTY, Line, Span, line, padded, visible

_MOST = 10


def owners(found: Mapping[str, Mapping[str, int]], own: str, formerly: frozenset[str]) -> Iterator[Line]:
    """A line for each owner: the label and how many resources of which kinds carry it."""
    if not found:
        yield line(Span("Nothing carries an owner's label.", "done"))
        return
    column = max(len(visible(name)) for name in found)
    for name, counts in found.items():
        whose = " (bac.yaml's owner)" if name == own else " (formerly bac.yaml's)" if name in formerly else ""
        said = ", ".join(_counted(kind, n) for kind, n in counts.items())
        yield line(Span(padded(visible(name), column), "address"), f"  {said}", Span(whose, "dim"))


def _counted(kind: str, amount: int) -> str:
    return f"{values.number(amount)} {KINDS[kind].singular if amount == 1 else kind}"


def left(former: str, fixed: Sequence[Address], undeclared: Sequence[Address], formerly: frozenset[str]) -> list[Line]:
    """What keeps the label of the former owner, and what that means."""
    lines: list[Line] = []
    if fixed:
        lines += [EMPTY, line(Span(f"Keep the label {visible(former)}, which OpenMeter cannot change:", "heading"))]
        counts = Counter(address.kind for address in fixed)
        lines.append(line("  " + ", ".join(_counted(kind, n) for kind, n in sorted(counts.items()))))
        lines.append(
            line("  bac.yaml has that name under `formerly`, so they count as yours.")
            if former in formerly
            else line(f"  So that they count as yours, put this into bac.yaml: formerly: [{visible(former)}]")
        )
    if undeclared:
        lines += [EMPTY, line(Span(f"Left to {visible(former)}, since the catalog does not declare them:", "heading"))]
        lines += [line("  ", Span(visible(str(address)), "address")) for address in undeclared[:_MOST]]
        if len(undeclared) > _MOST:
            lines.append(line("  ", Span(f"… and {values.number(len(undeclared) - _MOST)} more", "dim")))
    return lines
