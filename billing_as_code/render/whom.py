"""What changes for whom: changes that do the same are told once, with everybody they do it for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from billing_as_code.kinds import EVERY
from billing_as_code.model import Action, Address, Change, Class, FieldChange
from billing_as_code.render import changes, text, values

_MOST_MADE, _MOST_COMPARED = 3, 200
MOST_APART = 8
"""So many things of a kind that change alike are told one by one; of more, only their number."""
VARIOUS = "various"
DONE = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


class Moved(NamedTuple):
    """A field's two sides as people read them, VARIOUS where they are not the same for everybody; `share` is how much
    a number moves (`-50%`), or ""."""

    path: str
    before: str
    after: str
    share: str


class Row(NamedTuple):
    """Changes that are alike. `what` names the thing within its kind, "" where there are several, or where it is whom
    the row is about; `made` is the first of what is created, where it is the same for everybody; `whom` holds the parts
    of addresses that name them, as addresses spell them, () where it is for everybody. `number` counts the changes."""

    cls: Class
    action: Action
    kind: str
    what: str
    moved: tuple[Moved, ...]
    made: tuple[str, ...]
    whom: tuple[str, ...]
    number: int


def parts(address: Address) -> tuple[str, str]:
    """(what it is, whom it is for) of an address, spelled as addresses are: `("ai_tokens", "acme")`."""
    kind = EVERY.get(address.kind)
    at = kind.whom if kind is not None else None
    if at is None or at >= len(address.path):
        return spelled(*address.path), ""
    return spelled(*address.path[:at], *address.path[at + 1 :]), spelled(address.path[at])


def spelled(*path: str) -> str:
    """The parts of an address behind its kind."""
    return str(Address("", path))[1:]


def called(kind: str, number: int = 1) -> str:
    """What people call so many of a kind; nothing that a file of another's making says."""
    name = EVERY[kind].singular if kind in EVERY else "unknown resource"
    return name if number == 1 else f"{name}s"


def subject(row: Row) -> tuple[str, str]:
    """(our words, the name) of what a row is about: `("entitlement", "ai_tokens")`, `("12 customers", "")`."""
    if row.what or row.number == 1:
        return called(row.kind), row.what
    return f"{values.number(row.number)} {called(row.kind, row.number)}", ""


def named(row: Row, most: int) -> tuple[str, tuple[str, ...], str]:
    """(our words before, names, our words behind) of whom a row is for: `("3 customers: ", ("acme", ...), "")`."""
    number = len(row.whom)
    if not number:
        return "everybody", (), ""
    if number == 1:
        return "", row.whom, ""
    known = EVERY[row.kind]
    crowd = values.counted(number, known.keys[known.whom or 0])
    return f"{crowd}: ", row.whom[:most], f" and {values.number(number - most)} more" if number > most else ""


def rows(found: Iterable[Change]) -> list[Row]:
    """The rows for some changes, worst class first, then by kind, then by what hits most."""
    alike: dict[tuple[object, ...], dict[str, list[_Told]]] = {}
    for change in sorted(found, key=lambda c: c.address):
        shape = (change.cls, change.action, change.address.kind, tuple(f.path for f in change.fields))
        what, who = parts(change.address)
        alike.setdefault(shape, {}).setdefault(what, []).append((change, who))
    out = [row for things in alike.values() for row in _rows(things)]
    return sorted(out, key=lambda r: (-r.cls, text.rank(r.kind), -r.number, r.what, r.action, r.moved))


_Told: TypeAlias = tuple[Change, str]


def _rows(things: dict[str, list[_Told]]) -> Iterable[Row]:
    """The rows of changes that are of one class, action, kind and of the same fields, by what they change."""
    if len(things) <= MOST_APART:
        return [_row(what, some) for what, some in things.items()]
    return [_row("", [told for some in things.values() for told in some])]


def _row(what: str, some: Sequence[_Told]) -> Row:
    first = some[0][0]
    kind = first.address.kind
    moved = tuple(_moved(kind, fields) for fields in zip(*(c.fields for c, _ in some), strict=True))
    whom = tuple(dict.fromkeys(who for _, who in some if who))
    return Row(first.cls, first.action, kind, what, moved, _made([c for c, _ in some]), whom, len(some))


def _made(some: Sequence[Change]) -> tuple[str, ...]:
    if some[0].action != "create" or len(some) > _MOST_COMPARED:
        return ()
    made = {tuple(islice(changes.telling(c.after), _MOST_MADE)) for c in some if c.after is not None}
    return made.pop() if len(made) == 1 else ()


def _moved(kind: str, fields: Sequence[FieldChange]) -> Moved:
    first = fields[0]
    before, after = values.change(kind, first.path, first.before, first.after)
    same = [all(f[side] == first[side] for f in fields) for side in (1, 2)]
    share = values.share(kind, first.path, first.before, first.after) if all(same) else ""
    return Moved(first.path, before if same[0] else VARIOUS, after if same[1] else VARIOUS, share)
