"""The changes of a comment, by class and kind, in as many bytes as there are.

What is breaking is named before anything else is shown: where there is not room for all, names go before details, and
what could not even be named is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from billing_as_code.kinds import EVERY
from billing_as_code.model import Change, Class
from billing_as_code.render import changes, text, values, whom
from billing_as_code.render.lines import plain, visible
from billing_as_code.render.markup import fenced, size

UNKNOWN = ""
"""The kind of what a plan file of another's making calls by no name that is known here."""
MARKS = {Class.BREAKING: "🔴", Class.COMMERCIAL: "🟡", Class.SAFE: "🟢"}
AROUND = 400
"""Bytes that a section takes besides its changes: its heading, its fence, its closing line, what it says is missing."""
_MOST_OPEN = 40
"""So many changes of a kind stand open; more are folded behind their number."""
_MOST_LINES = 40
_MOST_NAMED = 20
_BARE = "  by name alone, since the comment is full:"
_INDENT, _HALF = 7, 52


@dataclass
class Told:
    """What became of a class's changes: its lines; how many are named without their fields, and how many not at all."""

    lines: list[str] = field(default_factory=list)
    bare: int = 0
    unnamed: int = 0


@dataclass
class _Group:
    """Changes that do the same: the lines of their addresses, and what they do once."""

    changes: list[Change]
    more: int = 0
    """So many more of the kind and action are not listed."""
    _lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        if self._lines is None:
            first, *body = plain(changes.lines(self.changes[0]))
            heads = [first, *(plain([changes.head(c)])[0] for c in self.changes[1:])]
            more = [f"  … and {text.more(self.changes[0], self.more)}"] if self.more else []
            self._lines = [_coloured(row) for row in (*heads, *_cut(body), *more)]
        return self._lines


def told(found: Sequence[Change], room: int) -> Told:
    """All changes of one class within `room` bytes, with a heading for each kind."""
    kinds: dict[str, list[Change]] = {}
    for change in found:
        kinds.setdefault(change.address.kind if change.address.kind in EVERY else UNKNOWN, []).append(change)
    room -= AROUND * len(kinds)
    out = Told()
    naming = _Naming(found, room) if found[0].cls is Class.BREAKING else None
    for kind, some in kinds.items():
        if naming is not None:
            shown, bare, unnamed = naming.section(some)
            out.bare += bare
            out.unnamed += unnamed
        else:
            shown, used, unnamed = _folded(some, room)
            room -= used
        out.lines += _details(kind, some, shown, unnamed)
    return out


def _details(kind: str, some: Sequence[Change], shown: list[str], unnamed: int) -> Iterator[str]:
    """A kind's changes behind a line that counts them; `shown` are all of them but `unnamed`."""
    cls = some[0].cls
    actions = ", ".join(
        f"{values.number(n)} to {a}" for a in changes.SYMBOLS if (n := sum(c.action == a for c in some))
    )
    title = f"{values.number(len(some))} {whom.called(kind, len(some))}: {actions}"
    if not shown:
        yield from (f"{title}. **There is no room for them here**: `bac plan` lists them.", "")
        return
    is_open = cls is not Class.SAFE and len(some) <= _MOST_OPEN
    yield from (f"<details{' open' if is_open else ''}><summary>{title}</summary>", "")
    yield from fenced(shown)
    if unnamed:
        yield from ("", f"**{values.number(unnamed)} more {cls} ones do not fit here**: `bac plan` lists them.")
    yield from ("", "</details>", "")


# -- what is not breaking: the first of many -----------------------------------------------------------------------


def _folded(some: Sequence[Change], room: int) -> tuple[list[str], int, int]:
    """(lines, their bytes, changes left out) of a kind's changes; of many alike the first few, with how many more."""
    lines: list[str] = []
    used, listed = 0, 0
    for group in _few(some):
        cost = size(group.lines)
        if used + cost > room:
            break
        lines += group.lines
        used += cost
        listed += len(group.changes) + group.more
    return lines, used, len(some) - listed


def _few(some: Sequence[Change]) -> Iterator[_Group]:
    kept = list(text.folded(some))
    more = {id(change): hidden for change, hidden in kept if hidden}
    for group in _grouped([change for change, _ in kept]):
        hidden = sum(more.get(id(c), 0) for c in group.changes)
        if len(group.changes) > _MOST_NAMED:
            hidden += len(group.changes) - _MOST_NAMED
            group.changes = group.changes[:_MOST_NAMED]
        group.more = hidden
        yield group


# -- what is breaking: every name ----------------------------------------------------------------------------------


class _Naming:
    """How much of the breaking changes there is room for: every name first, then the details of as many as fit."""

    def __init__(self, found: Sequence[Change], room: int) -> None:
        in_short = sum(_cost(_in_full(c)[1]) for c in found) > room
        self._said = {c.address: _in_short(c) if in_short else _in_full(c) for c in found}
        """(what stands before names, the name) of each change."""
        heads = {head for head, _ in self._said.values()}
        self._spare = room - sum(map(_cost, heads)) - sum(_cost(name) for _, name in self._said.values())
        self._left = max(0, room)
        """Where not every name fits: the bytes for those that do."""

    def section(self, some: Sequence[Change]) -> tuple[list[str], int, int]:
        """(lines, changes named without details, changes not named) of one kind."""
        lines: list[str] = []
        bare: list[Change] = []
        for group in _grouped(some):
            extra = self._extra(group)
            if extra <= self._spare:
                self._spare -= extra
                lines += group.lines
            else:
                bare += group.changes
        if not bare:
            return lines, 0, 0
        named, count = self._named(bare)
        return [*lines, *([_BARE] if lines else []), *named], count, len(bare) - count

    def _extra(self, group: _Group) -> int:
        """The bytes that a group takes more than its names do; without rendering it where that is too much anyway."""
        if self._spare <= 0:
            return 1
        return size(group.lines) - sum(_cost(self._said[c.address][1]) for c in group.changes)

    def _named(self, bare: Sequence[Change]) -> tuple[list[str], int]:
        """Names in lines, and how many they are."""
        heads: dict[str, list[str]] = {}
        for change in bare:
            head, name = self._said[change.address]
            heads.setdefault(head, []).append(name)
        lines, count = [], 0
        for head, names in heads.items():
            fit = self._fitting(head, names) if self._spare < 0 else names
            count += len(fit)
            if fit:
                lines += [head, *plain(changes.packed(fit))]
        return lines, count

    def _fitting(self, head: str, names: Sequence[str]) -> list[str]:
        """The first of some names, as many as there are bytes left for."""
        self._left -= _cost(head)
        for n, name in enumerate(names):
            self._left -= _cost(name)
            if self._left < 0:
                return list(names[:n])
        return list(names)


def _in_full(change: Change) -> tuple[str, str]:
    return f"! {changes.SYMBOLS[change.action]}", visible(str(change.address))


def _in_short(change: Change) -> tuple[str, str]:
    """What is done to what stands before the names; of those, what tells them apart."""
    what, who = whom.parts(change.address)
    head = f"! {changes.SYMBOLS[change.action]} {change.address.kind}" + (f" {what}, of" if what and who else "")
    return visible(head), visible(who or what)


def _cost(name: str) -> int:
    """The bytes that a name takes at most among others in lines: itself, a comma, its share of a line's indent."""
    length = len(name.encode()) + 2
    return length + (_INDENT if length > _HALF else -(-length * _INDENT // _HALF))


# -- changes that do the same --------------------------------------------------------------------------------------


def _grouped(some: Sequence[Change]) -> list[_Group]:
    """Changes of a kind, those together that do the same, in the order of the first of each."""
    groups: dict[object, _Group] = {}
    for change in some:
        does = (change.action, change.fields, change.reasons, change.destroys, change.notes)
        made = changes.made(change.after) if change.action == "create" and change.after is not None else []
        groups.setdefault(repr((does, made)), _Group([])).changes.append(change)
    return list(groups.values())


def _cut(body: list[str]) -> list[str]:
    """What a change does, in so many lines."""
    if len(body) <= _MOST_LINES:
        return body
    hidden = body[_MOST_LINES:]
    breaking = sum(row.startswith("    ! ") for row in hidden)
    about = f", {values.number(breaking)} of them breaking" if breaking else ""
    return [*body[:_MOST_LINES], f"      … and {values.number(len(hidden))} more lines{about}"]


def _coloured(row: str) -> str:
    """A line whose first character is what a diff colours by: `!`, `+`, `-`; others keep their indent."""
    return row[2:] if row.startswith(("  + ", "  - ")) else row
