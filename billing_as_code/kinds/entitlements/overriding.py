"""How a change of an entitlement compiles: an override that carries its grants over, and a bridge around its meter."""

from __future__ import annotations

import json
from dataclasses import replace

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import KEY, Context, Kind
from billing_as_code.kinds.entitlements import wire
from billing_as_code.kinds.entitlements.knowing import spent_before, unmade
from billing_as_code.kinds.entitlements.wire import ANCHOR, PERIOD
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.grants.changing import ALL, void
from billing_as_code.kinds.times import on_grid, parse_instant, parse_interval, to_minute
from billing_as_code.model import Address, Change, Json, Read, Ref, Resource, Step


def lost(before: Resource) -> tuple[tuple[str, str], ...]:
    """The grants that go with an entitlement whose grants are not carried: (address, code)."""
    kept = [g for g in before.parts if not carry.is_issued(g) and not g.get("voidedAt")]
    names = [str((g.get("metadata") or {}).get(KEY, g["id"])) for g in kept]
    return tuple((str(Address("grants", (*before.address.path, name))), "grant") for name in names)


class Overriding:
    """Compiles one replace of an entitlement. `path` is that of the customer's entitlements."""

    def __init__(self, kind: Kind, change: Change, before: Resource, after: Resource, context: Context) -> None:
        self.kind, self.change, self.context = kind, change, context
        self.before, self.after, self.address = before, after, change.address
        self.path = wire.entitlements_path(change.address, context)
        self.was_metered = kind.get(before.spec, "type") == "metered"
        self.is_metered = kind.get(after.spec, "type") == "metered"

    def compile(self) -> Change:
        change = replace(self.change, reads=(Read("now", (*self.path, self.address.path[1])),))
        if not self.was_metered:
            change = replace(change, steps=self._restored())
        elif not self.is_metered:
            content = wire.body(self.kind, self.after, self.context)
            change = replace(change, destroys=lost(self.before), steps=(self._put(content),))
        else:
            change = self._carrying(change)
        how = "by_override_carried" if self.was_metered and self.is_metered else "by_override"
        return self._bridged(replace(change, notes=((how, ""), *change.notes)))

    def ref(self, what: str, arg: str = "") -> Ref:
        return Ref(what, str(self.address), arg)

    def _put(self, content: Json) -> Step:
        return wire.override(self.address, self.path, content)

    # -- metered to metered: everything is kept that can be ----------------------------------------

    def _carrying(self, change: Change) -> Change:
        entries = self._entries()
        key, reads = self.address.path[1], change.reads
        if entries:
            name, at = ("value_now", "measured") if self._restarts else ("value", "period_start")
            reads += (
                Read(name, (*self.path, key, "value"), (("time", self.ref(at)),)),
                Read("grants", (*self.path, key, "grants"), ALL),
            )
        copies = tuple(step for entry in entries if not entry.get("spent") for step in self._copies(entry))
        steps = (self._put(self._carrying_body(bool(entries))), *copies)
        return replace(change, reads=reads, steps=steps, notes=change.notes + self._told())

    @property
    def _restarts(self) -> bool:
        """Another interval or anchor moves the period: usage starts anew, with what is left of the grants now."""
        names = ("usage_period.interval", "usage_period.anchor")
        return any(self.kind.get(self.before.spec, n) != self.kind.get(self.after.spec, n) for n in names)

    def _entries(self) -> list[carry.Entry]:
        """What is to be made again, as it will be but for what only apply can know."""
        start = to_minute(self.context.now) if self._restarts else parse_instant(self.before.facts["period"]["from"])
        grants = [*self.before.parts, *unmade(self.before.marks, self.before.parts)]
        grants = [g for g in grants if g["id"] not in self._given_up]
        found = carry.entries(grants, start, {}, self.context.now, GRANTS.terms_of)
        return [*found, *spent_before(self.before.marks)]

    @property
    def _given_up(self) -> frozenset[str]:
        """The grants that this plan deletes: they are not carried over."""
        gone = [
            self.context.live[a]
            for a, action in self.context.actions.items()
            if action == "delete" and a.kind == "grants" and a.path[:2] == self.address.path
        ]
        return frozenset(i for r in gone for i in (r.id, *(p["id"] for p in r.parts)) if i is not None)

    def _told(self) -> tuple[tuple[str, str], ...]:
        """What carrying over cannot keep."""
        issued_again = any(carry.is_issued(g) and g.get("voidedAt") for g in self.before.parts)
        found = (
            ("usage_restarts", self._restarts),
            ("overage_dropped", self.kind.get(self.before.spec, "preserve_overage_at_reset")),
            ("issued_again", issued_again),
        )
        return tuple((code, "") for code, holds in found if holds)

    @property
    def _carried(self) -> Ref:
        return self.ref("carried", " ".join(sorted(self._given_up)))

    def _carrying_body(self, grants: bool) -> dict[str, Json]:
        marks: dict[str, Json] = {carry.CARRIED: self._carried} if grants else {}
        content = wire.body(self.kind, self.after, self.context, marks)
        if self._restarts:
            content["measureUsageFrom"] = self.ref("minute")
            return content
        content["measureUsageFrom"] = self.ref("period_start")
        was, period = self.before.facts["usage_period"], self.before.facts["period"]
        grid = (parse_instant(was["anchor"]), parse_interval(was["intervalISO"]))
        # a reset took the period off the anchor's grid: its end is the anchor that keeps it
        moved = not on_grid(*grid, parse_instant(period["to"]))
        content["usagePeriod"]["anchor"] = self.ref("period_end") if moved else was["anchor"]
        if moved or ANCHOR in self.before.marks:
            content["metadata"][ANCHOR] = self.kind.get(self.before.spec, "usage_period.anchor")
        return content

    def _copies(self, entry: carry.Entry) -> list[Step]:
        name = f"{entry['from']} {entry['part']}"
        content = carry.body(entry) | {"amount": self.ref("left", name), "effectiveAt": self.ref("start", name)}
        if "expiration" in content:
            content["expiration"] = self.ref("expiration", name)
        steps = [wire.copy(self.address, self.path, entry, content, self.ref("left", name))]
        if "voided_at" in entry:
            at = self.ref("void_at", name)
            steps.append(void(Ref("id", wire.copy_name(self.address, entry)), at, at))
        return steps

    # -- from a boolean or a static one ------------------------------------------------------------

    def _restored(self) -> tuple[Step, ...]:
        """Where it is a bridge whose builder died, with what that was to carry."""
        marks = self.before.marks if self.is_metered else {}
        entries, period = carry.load(marks.get(carry.CARRIED)), json.loads(marks.get(PERIOD, "null"))
        kept: dict[str, Json] = {carry.CARRIED: marks[carry.CARRIED]} if entries else {}
        content = wire.body(self.kind, self.after, self.context, kept)
        if period:
            content["measureUsageFrom"] = period["from"]
            content["usagePeriod"].setdefault("anchor", period["anchor"])
        made = [s for e in entries if not e.get("spent") for s in wire.remake(self.address, self.path, e)]
        return (self._put(content), *made)

    # -- the bridge: while the feature's meter is replaced -----------------------------------------

    def _bridged(self, change: Change) -> Change:
        """The same change with what must happen before its feature's meter can go."""
        address = Address("features", self.address.path[1:])
        feature = self.context.live.get(address)
        if feature is None or (address, feature.id) not in self.before.facts.get("bound", ()):
            # it hangs on an archived one: an earlier run died in between, and its meter is the declared one's
            feature = self.context.desired.get(address)
        meter = FEATURES.get(feature.spec, "meter") if feature is not None and feature.spec else None
        if meter is None or self.context.actions.get(Address("meters", (meter,))) != "replace":
            return change
        if self.context.gap:
            gone = wire.delete(self.path, self.before.id or "", metered=self.was_metered)
            again = wire.create(self.kind, self.after, self.context, change.steps[0].body)
            notes = (*change.notes, ("access_gap", ""))
            return replace(change, notes=notes, prepare=(gone,), steps=(again, *change.steps[1:]))
        if not self.was_metered:
            marks = {k: v for k, v in self.before.marks.items() if k in (carry.CARRIED, PERIOD)}
            content = wire.body(self.kind, self.before, self.context, marks)
            return replace(change, prepare=(self._put(content),))
        metadata: dict[str, Json] = {**self.kind.labels(self.after, self.context), PERIOD: self.ref("period")}
        if any(read.name == "grants" for read in change.reads):
            metadata[carry.CARRIED] = self._carried
        bridge = {"type": "boolean", "featureKey": self.address.path[1], "metadata": metadata}
        notes = (*change.notes, ("limits_off", ""))
        return replace(change, notes=notes, prepare=(self._put(bridge),))
