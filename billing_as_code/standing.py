"""How each address stands: whose it is, and whether live and catalog agree. Pure; what `show` and `list` tell.

It follows from the same comparison as a plan: over all kinds what is told here is what the next plan does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from billing_as_code import diff
from billing_as_code import plan as plans
from billing_as_code.kinds.base import Absent, Context, Field, Kind
from billing_as_code.kinds.looks import View
from billing_as_code.model import Address, Change, FieldChange, Resource, State, Value
from billing_as_code.plan import Target

Ownership = Literal["owned", "unowned", "missing", "external", "managed", "unmanaged", "foreign"]
"""owned: carries our label. unowned: in the catalog and live, without a label. unmanaged: live alone, without a label.
foreign: carries another owner's. external: so declared. managed: by another hand that OpenMeter names (a subscription).
missing: in the catalog alone."""
Difference = Literal["", "create", "update", "replace", "delete", "held", "over", "refused"]
"""What a plan would do with it; `held` waits for a replace, `over` has ended by itself, `refused` makes no plan."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One address: `want` is the catalog's, `have` the live one; at least one is there. `error` says why it makes no
    plan."""

    address: Address
    ownership: Ownership
    difference: Difference
    want: Resource | None = None
    have: Resource | None = None
    change: Change | None = None
    held: tuple[FieldChange, ...] = ()
    error: str = ""


def standings(
    desired: State, live: State, kinds: Mapping[str, Kind], rules: diff.Rules, context: Context
) -> Iterator[Standing]:
    """How every address of both sides stands. Both hold the same kinds, and all that these refer to."""
    found, _ = plans.judged(desired, live, kinds, rules, context)
    held = {h.address: h.fields for h in found.held}
    over = {address for address, _ in found.skipped}
    errors: dict[str, list[str]] = {}
    for name, text in found.against:
        errors.setdefault(name, []).append(text)
    for address in {**desired, **live}:
        want, have = desired.get(address), live.get(address)
        kind = kinds[address.kind]
        if have is not None and not kind.counts(have):
            have = None
        if want is None and have is None:
            continue
        error = "; ".join(dict.fromkeys(errors.get(str(address), ())))
        change, waits = found.changes.get(address), held.get(address, ())
        ended = address in over or (have is not None and kind.over(have, context.now))
        difference = _difference(change, bool(waits), ended, bool(error))
        yield Standing(address, ownership(want, have, rules), difference, want, have, change, waits, error)


def _difference(change: Change | None, held: bool, ended: bool, refused: bool) -> Difference:
    if refused:
        return "refused"
    if change is not None:
        return change.action
    return "held" if held else "over" if ended else ""


def ownership(want: Resource | None, have: Resource | None, rules: diff.Rules) -> Ownership:
    """Whose an address is."""
    if want is not None and want.external:
        return "external"
    if have is None:
        return "missing"
    if have.managed:
        return "managed"
    if have.owner is not None:
        return "owned" if rules.ours(have.owner) else "foreign"
    return "unowned" if want is not None else "unmanaged"


# -- fields side by side ------------------------------------------------------------------------------------------


class FieldRow(NamedTuple):
    """One field, or one entry of a map: both sides, whether either says more than the default, and what to know of it.

    Notes are codes: differs, held, ignored, kept, moment, fixed.
    """

    path: str
    catalog: Value
    live: Value
    telling: bool
    notes: tuple[str, ...]


def rows(kind: Kind, standing: Standing, ignore: Sequence[str]) -> list[FieldRow]:
    """Every field that a resource can have, in the order of its kind's table; entries of maps are rows of their own."""
    want, have = _said(kind, standing.want), _said(kind, standing.have)
    found: list[FieldRow] = []
    for field in kind.fields:
        if field.when is not None and not any(
            side.get(field.when[0], (None,))[0] in field.when[1] for side in (want, have)
        ):
            continue
        (wanted, tells), (live, lives) = want.get(field.name, (None, False)), have.get(field.name, (None, False))
        for path, catalog, seen in _entries(field, wanted, live):
            notes = tuple(_notes(field, path, catalog, seen, standing, ignore))
            found.append(FieldRow(path, catalog, seen, tells or lives, notes))
    return found


def _said(kind: Kind, resource: Resource | None) -> dict[str, tuple[Value, bool]]:
    """The fields of one side: the value, and whether it is another than the default."""
    if resource is None or resource.external:
        return {}
    found: dict[str, tuple[Value, bool]] = {}
    so_far: dict[str, Value] = {}
    for field, value in zip(kind.fields, resource.spec, strict=True):
        default = field.default(resource.address.path, so_far) if callable(field.default) else field.default
        so_far[field.name] = value
        found[field.name] = value, value is not None and (field.required or value != default)
    return found


def _entries(field: Field, wanted: Value, live: Value) -> Iterable[tuple[str, Value, Value]]:
    """The field, or the entries of both its maps by name."""
    maps = [v for v in (wanted, live) if v is not None]
    if field.opaque or not maps or not all(isinstance(v, Mapping) for v in maps) or not any(maps):
        return [(field.name, wanted, live)]
    left, right = wanted or {}, live or {}
    return [(f"{field.name}.{key}", left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())]


def _notes(
    field: Field, path: str, catalog: Value, live: Value, standing: Standing, ignore: Sequence[str]
) -> Iterator[str]:
    """What to know of a row: why it does not count, or that it does."""
    differs = _touched(path, standing.change.fields if standing.change is not None else ())
    if differs:
        yield "differs"
    elif _touched(path, standing.held):
        yield "held"
    elif catalog != live and standing.want is not None and standing.have is not None and not standing.want.external:
        if any(fnmatchcase(f"{standing.address}.{name}", p) for p in ignore for name in (path, field.name)):
            yield "ignored"
        elif catalog is None and live is not None and field.absent is Absent.KEPT:
            yield "kept"
        elif field.absent in (Absent.MOMENT, Absent.CREATE_ONLY):
            yield "moment"
    if field.fixed and not field.held:
        yield "fixed"


def _touched(path: str, changes: Iterable[FieldChange]) -> bool:
    """Whether a change is of this row, of something in it, or of the whole that it is an entry of."""
    return any(c.path == path or c.path.startswith(path + ".") or path.startswith(c.path + ".") for c in changes)


# -- everything of one address --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a resource: its view, or why there is none."""

    name: str
    title: str
    view: View | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that `show` tells of one address. `also` are other addresses that the same key names."""

    target: Target
    standing: Standing
    rows: tuple[FieldRow, ...]
    seen: tuple[Seen, ...] = ()
    also: tuple[Address, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every look could be taken."""
        return not any(one.error for one in self.seen)
