"""How two states differ, side by side. Pure: nobody's labels, no ids, no requests, no clock.

`diff` asks what must be done to an OpenMeter; this asks only what one state says that another does not: two
environments, two branches of the catalog, two OpenMeters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from billing_as_code.diff import Comparison, Held, but_ignored, leaves, stands
from billing_as_code.kinds.base import Absent, Field, Kind
from billing_as_code.model import Change, Class, FieldChange, Resource, State


@dataclass(frozen=True, slots=True)
class Contrast:
    """How one side differs from another: changes that lead from `before` to `after` (names for people), and held
    differences. `compared` counts what stands on either side; `missing` says why there was nothing to compare with."""

    before: str
    after: str
    changes: tuple[Change, ...] = ()
    held: tuple[Held, ...] = ()
    compared: int = 0
    missing: str = ""

    @property
    def differs(self) -> bool:
        """Whether anything differs, as far as that is known."""
        return bool(self.changes or self.held)

    @property
    def cls(self) -> Class:
        """The worst class of its changes."""
        return max((c.cls for c in self.changes), default=Class.SAFE)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many there are only after, only before, and on both sides but not alike."""
        actions = [c.action for c in self.changes]
        both = len(actions) - actions.count("create") - actions.count("delete")
        return actions.count("create"), actions.count("delete"), both + len(self.held)


def contrast(before: State, after: State, kinds: Mapping[str, Kind], ignore: Sequence[str] = ()) -> Comparison:
    """What `after` says and `before` does not, as changes from the one to the other, by address; they have no steps.

    What is external on both sides is no difference; nor is a field that `after` leaves out where OpenMeter then keeps
    what it has, nor what `ignore` names. Differences in nothing but cosmetic fields that it cannot change are held.
    """
    found = Comparison()
    for address in sorted(before.keys() | after.keys()):
        old, new, kind = before.get(address), after.get(address), kinds[address.kind]
        if old is None and new is not None and not new.external:
            found.changes[address] = Change(address, "create", cls=kind.create_class, after=new)
        elif new is None and old is not None and not old.external:
            found.changes[address] = Change(address, "delete", cls=Class.BREAKING, before=old)
        elif old is not None and new is not None:
            _both(found, kind, old, new, ignore)
    return found


def _both(found: Comparison, kind: Kind, old: Resource, new: Resource, ignore: Sequence[str]) -> None:
    address = new.address
    if old.external or new.external:
        if old.external != new.external:
            field = FieldChange("external", old.external, new.external, Class.SAFE)
            found.changes[address] = Change(address, "update", (field,), cls=Class.SAFE, before=old, after=new)
        return
    rows = list(_differences(kind, old, new, ignore))
    fields = tuple(field for _, field in rows)
    if old.protect != new.protect:
        fields += (FieldChange("protect", old.protect, new.protect, Class.SAFE),)
    elif all(row.held for row, _ in rows):
        if rows:
            found.held.append(Held(address, fields))
        return
    fixed = any(row.fixed and not row.held for row, _ in rows)
    cls = max([*(field.cls for field in fields), *([kind.replace_class] if fixed else [])])
    found.changes[address] = Change(address, "update", fields, cls=cls, before=old, after=new)


def _differences(
    kind: Kind, old: Resource, new: Resource, ignore: Sequence[str]
) -> Iterator[tuple[Field, FieldChange]]:
    patterns = [p for p in ignore if p.split(".")[0] in (kind.name, "*")]
    for row, was, value in zip(kind.fields, old.spec, new.spec, strict=True):
        if row.absent is Absent.CREATE_ONLY:
            continue
        if value is None and row.absent in (Absent.KEPT, Absent.MOMENT) and stands(kind, row, new.spec):
            continue
        wanted = but_ignored(f"{new.address}.{row.name}", value, was, patterns) if patterns else value
        if wanted == was:
            continue
        cls = row.rank(was, wanted) if row.rank is not None else Class.BREAKING
        for path, b, a in leaves(row.name, was, wanted, opaque=row.opaque):
            yield row, FieldChange(path, b, a, cls)


def without_moments(live: State, desired: State, kinds: Mapping[str, Kind]) -> State:
    """A live state without what is as it is by the moment of creation alone, since the catalog leaves it out: that is
    another moment in another place."""
    out: State = {}
    for address, resource in live.items():
        declared = desired.get(address)
        if declared is not None and not declared.external:
            rows = zip(kinds[address.kind].fields, resource.spec, declared.spec, strict=True)
            spec = tuple(
                None if said is None and row.absent in (Absent.MOMENT, Absent.CREATE_ONLY) else value
                for row, value, said in rows
            )
            resource = resource._replace(spec=spec)
        out[address] = resource
    return out
