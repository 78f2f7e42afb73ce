"""Two states in, raw changes out. Pure: no requests, no clock, no kind by name.

What a change costs in requests is the kinds' business (`Kind.compile`); what must follow from a change is `cascade`'s.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from billing_as_code.kinds.base import Absent, Context, Field, Kind
from billing_as_code.model import Address, Change, Class, FieldChange, Resource, Spec, State, Value


@dataclass(frozen=True, slots=True)
class Rules:
    """How to compare: whose labels are ours (those of `owner`, and of who it was `formerly`), what other hands write,
    which kinds git alone may fill, what a person asked to be replaced all the same, and what a proposal asks to be
    deleted (`removed`) though nobody declares it."""

    owner: str
    ignore: tuple[str, ...] = ()
    exclusive: frozenset[str] = frozenset()
    replace: frozenset[Address] = frozenset()
    prune: bool = True
    formerly: frozenset[str] = frozenset()
    removed: frozenset[Address] = frozenset()

    def ours(self, owner: str | None) -> bool:
        """Whether a label says that a resource is ours."""
        return owner == self.owner or owner in self.formerly


@dataclass(frozen=True, slots=True)
class Held:
    """A difference in nothing but cosmetic fields that OpenMeter cannot change; it waits for the next replace."""

    address: Address
    fields: tuple[FieldChange, ...]


@dataclass(slots=True)
class Comparison:
    """What comparing found: changes without steps, held differences, what is not to be made (address, code), why it
    cannot be done, and what `protect` keeps from being done (address, text)."""

    changes: dict[Address, Change] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    skipped: list[tuple[Address, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    protected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def against(self) -> list[tuple[str, str]]:
        """Everything that stands in the way of a plan."""
        return [*self.errors, *self.protected]


def compare(desired: State, live: State, kinds: Mapping[str, Kind], rules: Rules, context: Context) -> Comparison:
    """What must change for `live` to become `desired`, one change for one address, by address."""
    found = Comparison()
    plain = _Comparer(kinds, rules, context)
    for address, want in desired.items():
        have = live.get(address)
        if have is not None and not kinds[address.kind].counts(have):
            have = None
        if have is not None and not want.external and plain.untouched(want, have):
            continue
        plain.declared(want, have, found)
    if rules.prune:
        for address, have in live.items():
            if address not in desired:
                plain.undeclared(have, found)
    found.changes = dict(sorted(found.changes.items()))
    found.held.sort(key=lambda h: h.address)
    found.skipped.sort()
    return found


class _Comparer:
    def __init__(self, kinds: Mapping[str, Kind], rules: Rules, context: Context) -> None:
        self.kinds, self.rules, self.context = kinds, rules, context
        self.ignored = {name: [p for p in rules.ignore if p.split(".")[0] in (name, "*")] for name in kinds}

    def untouched(self, want: Resource, have: Resource) -> bool:
        """Whether there is nothing to do, as for nearly every resource of nearly every run."""
        kind = self.kinds[want.address.kind]
        return (
            (have.owner == self.rules.owner or (kind.labels_fixed and have.owner in self.rules.formerly))
            and want.protect == have.protect
            and not have.managed
            and (have.spec is want.spec or have.spec == want.spec or self._only_soft(kind, want.spec, have.spec))
            and not self._rebound(have, self.context.live)
            and want.address not in self.rules.replace
            and kind.mend(have, self.context) is None
        )

    def _only_soft(self, kind: Kind, want: Spec, have: Spec) -> bool:
        """Whether two specs differ only where what was left out is not compared."""
        for row, wanted, live in zip(kind.fields, want, have, strict=True):
            if wanted != live and not (
                row.absent is Absent.CREATE_ONLY or (wanted is None and row.absent is not Absent.DEFAULT)
            ):
                return False
        return True

    def undeclared(self, have: Resource, found: Comparison) -> None:
        kind = self.kinds[have.address.kind]
        ours = self.rules.ours(have.owner) or (kind.name in self.rules.exclusive and have.owner is None)
        asked = have.address in self.rules.removed
        if asked and not ours and have.owner is not None:
            text = f"belongs to {have.owner}, whose catalog deletes it, and no other. Ask them to take it out"
            found.errors.append((str(have.address), text))
            return
        if (
            not (ours or asked)
            or have.managed
            or kind.never_pruned
            or not kind.counts(have)
            or kind.over(have, self.context.now)
        ):
            return
        if have.protect:
            first = "Declare it with protect: false first"
            first += f", and apply that with --replace {have.address}" if kind.labels_fixed else ""
            found.protected.append((str(have.address), f"is protected, and left the catalog. {first}"))
        reasons: tuple[str, ...] = ("exclusive",)
        if have.owner is not None or not ours:
            reasons = ("left_catalog",) if ours else ("asked_gone",)
        reasons += tuple(f"rebound:{target}" for target in self._rebound(have, self.context.live))
        found.changes[have.address] = Change(have.address, "delete", reasons=reasons, cls=Class.BREAKING, before=have)

    def declared(self, want: Resource, have: Resource | None, found: Comparison) -> None:
        kind, name = self.kinds[want.address.kind], str(want.address)
        if want.external:
            self._external(want, have, found)
        elif have is None:
            if code := kind.skip(want, self.context):
                found.skipped.append((want.address, code))
            else:
                found.changes[want.address] = Change(want.address, "create", cls=kind.create_class, after=want)
        elif have.owner is not None and not self.rules.ours(have.owner) and kind.in_catalog:
            owner = have.owner
            way = f"formerly: [{owner}]" if kind.labels_fixed else f"bac owner --from {shlex.quote(owner)}"
            text = f"belongs to {owner}. Declare it {{external: true}}, or give it up there; or take it over: {way}"
            found.errors.append((name, text))
        else:
            self._both(kind, want, have, found)

    def _external(self, want: Resource, have: Resource | None, found: Comparison) -> None:
        kind, name = self.kinds[want.address.kind], str(want.address)
        if have is None:
            found.errors.append(
                (name, "is declared external, and OpenMeter has no such thing. Make it there first, or declare it here")
            )
        elif self.rules.ours(have.owner):
            if kind.labels_fixed:
                found.errors.append(
                    (
                        name,
                        f"is ours, and OpenMeter cannot take our label off a {kind.singular}. Declare it, or delete it",
                    )
                )
                return
            released = FieldChange("owner", have.owner, None, Class.SAFE)
            after = have._replace(external=True)
            found.changes[want.address] = Change(
                want.address, "update", (released,), ("released",), before=have, after=after
            )

    def _both(self, kind: Kind, want: Resource, have: Resource, found: Comparison) -> None:
        after, rows = self._settle(kind, want, have)
        rebound = self._rebound(have, self.context.live)
        asked = want.address in self.rules.replace
        forced = [d.path for row, d in rows if row.fixed and not row.held]
        if forced and kind.over(have, self.context.now) and (code := kind.skip(want, self.context)):
            found.skipped.append((want.address, code))
            return
        if forced or rebound or asked:
            reasons = tuple(dict.fromkeys(f"fixed:{path}" for path in forced))
            reasons += tuple(f"rebound:{target}" for target in rebound) + (("asked",) if asked else ())
            reasons += ("unowned",) * (have.owner is None and not kind.labels_fixed)
            fields = tuple(d for _, d in rows)
            change = Change(want.address, "replace", fields, reasons, kind.replace_class, before=have, after=after)
            found.changes[want.address] = replace(change, cls=max([kind.replace_class, *(d.cls for d in fields)]))
            return
        held = tuple(d for row, d in rows if row.held)
        mutable = tuple(d for row, d in rows if not row.fixed)
        if want.protect != have.protect:
            protect = (FieldChange("protect", have.protect, want.protect, Class.SAFE),)
            held, mutable = (held + protect, mutable) if kind.labels_fixed else (held, mutable + protect)
        if held:
            found.held.append(Held(want.address, held))
        relabelled = have.owner != self.rules.owner and not kind.labels_fixed
        if relabelled:
            # whoever else applies under that name meets an error from then on
            cls = Class.SAFE if have.owner is None else Class.BREAKING
            mutable = (FieldChange("owner", have.owner, self.rules.owner, cls), *mutable)
        if mutable:
            reasons = (("adopted" if have.owner is None else f"taken_over:{have.owner}"),) * relabelled
            cls = max(d.cls for d in mutable)
            found.changes[want.address] = Change(
                want.address, "update", mutable, reasons, cls, before=have, after=after
            )
        elif mended := kind.mend(have, self.context):
            found.changes[want.address] = mended

    def _rebound(self, have: Resource, live: State) -> list[Address]:
        """What this one is bound to by id, where another lives under that address now, or none."""
        return [
            target
            for target, bound_id in have.facts.get("bound", ())
            if (now := live.get(target)) is None or now.id != bound_id
        ]

    def _settle(self, kind: Kind, want: Resource, have: Resource) -> tuple[Resource, list[tuple[Field, FieldChange]]]:
        """What the live one shall become, and where that differs. Kept, momentary and ignored values are the live
        ones."""
        patterns = self.ignored[kind.name]
        values: list[Value] = []
        rows: list[tuple[Field, FieldChange]] = []
        for row, wanted, live in zip(kind.fields, want.spec, have.spec, strict=True):
            value = wanted
            if wanted is None and row.absent in (Absent.KEPT, Absent.MOMENT) and stands(kind, row, want.spec):
                value = live
            if patterns and value != live:
                value = but_ignored(f"{want.address}.{row.name}", value, live, patterns)
            values.append(value)
            if value != live and row.absent is not Absent.CREATE_ONLY:
                cls = row.rank(live, value) if row.rank is not None else Class.BREAKING
                rows += [
                    (row, FieldChange(p, b, a, cls)) for p, b, a in leaves(row.name, live, value, opaque=row.opaque)
                ]
        return want._replace(spec=tuple(values), id=have.id), rows


def but_ignored(name: str, value: Value, other: Value, patterns: Sequence[str]) -> Value:
    """`value`, but for what `ignore` patterns name in the field called `name`: that is as in `other`."""
    if any(fnmatchcase(name, p) for p in patterns):
        return other
    if not isinstance(value, Mapping) and not isinstance(other, Mapping):
        return value
    old, new = other or {}, dict(value or {})
    for key in old.keys() | new.keys():
        if any(fnmatchcase(f"{name}.{key}", p) for p in patterns):
            new.pop(key, None)
            if key in old:
                new[key] = old[key]
    return new


def stands(kind: Kind, row: Field, spec: Spec) -> bool:
    """Whether the map that a field stands in is there: a recurrence's anchor goes when the recurrence does."""
    outer = row.name.rpartition(".")[0]
    beside = [v for f, v in zip(kind.fields, spec, strict=True) if f is not row and f.name.rpartition(".")[0] == outer]
    return not outer or any(v is not None for v in beside)


def leaves(path: str, before: Value, after: Value, *, opaque: bool = False) -> Iterable[tuple[str, Value, Value]]:
    """The single values in which two values of a field differ, as (path, before, after)."""
    if opaque:
        before, after = (None if v is None else json.loads(v) for v in (before, after))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield path, before, after
        return
    # a third of a second to import, and most runs find nothing to compare
    from deepdiff import DeepDiff
    from deepdiff.helper import NotPresent

    # by position in lists, and 1 is not true
    tree = DeepDiff(before, after, view="tree", zip_ordered_iterables=True)
    found = {}
    for node in (node for group in tree.values() for node in group):
        keys = [str(k) for k in node.path(output_format="list")]
        old, new = (None if isinstance(v, NotPresent) else v for v in (node.t1, node.t2))
        found[".".join([path, *keys])] = (old, new)
    for name, (old, new) in sorted(found.items()):
        yield name, old, new
