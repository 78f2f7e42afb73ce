"""Grants: amounts on top of what an entitlement issues. Written through v2, voided through v1.

OpenMeter gives a grant no key and changes nothing of it, so each carries `bac.key`, and a change makes a new one with
what the new terms leave after what was burnt, then voids the old. `bac.terms` keeps the terms as declared where what
had to be written differs (a start that has passed, what was left of it), and the diff compares those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds import credits
from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import (
    KEY,
    NOTHING,
    SAFE,
    Absent,
    Context,
    Field,
    Kind,
    Known,
    Listing,
    Look,
    Names,
    Sight,
    V1Listing,
    labels_in,
    text_in,
)
from billing_as_code.kinds.grants import changing, moving, terms
from billing_as_code.kinds.grants.changing import Granting, void
from billing_as_code.kinds.listings import few
from billing_as_code.kinds.looks import times_in
from billing_as_code.kinds.moves import Changes, Holder, Move
from billing_as_code.kinds.times import (
    DAY,
    canonical_interval,
    canonical_minute,
    interval_to_wire,
    parse_instant,
    parse_interval,
)
from billing_as_code.model import Address, Change, Class, FieldChange, Json, Ref, Resource, State, Value

GRANTS_PATH, BY_ID = "/api/v2/grants", (("orderBy", "id"),)
DURATIONS = ["hour", "day", "week", "month", "year"]


def exact_amount(value: Value) -> tuple[str, str] | None:
    if f.carried_exactly(value):
        return None
    return f"{value} is more precise than OpenMeter's numbers", "17 digits or fewer"


def above_zero(value: Value) -> tuple[str, str] | None:
    return exact_amount(value) if Decimal(value) > 0 else ("a grant of nothing", "an amount above 0")


def at_least_an_hour(value: Value) -> tuple[str, str] | None:
    interval = parse_interval(value)
    if not interval.months and interval.seconds < 3600:
        return f"{value} is shorter than an hour", "PT1H or more"
    return not_endless(value)


def some_time(value: Value) -> tuple[str, str] | None:
    interval = parse_interval(value)
    if not interval.months and not interval.seconds:
        return f"{value} is no time at all", "PT1H or more"
    return not_endless(value)


def not_endless(value: Value) -> tuple[str, str] | None:
    interval = parse_interval(value)
    years = interval.months / 12 + interval.seconds / (365 * DAY)
    return (f"{value} is longer than a thousand years", "P1000Y or less") if years > 1000 else None


class GrantKind(Kind):
    """Nothing of a grant can be changed: a change makes another and voids the old one."""

    # -- live --------------------------------------------------------------------------------------

    def path_of(self, item: Mapping[str, Any], names: Names) -> tuple[str, ...] | None:
        found = labels_in(item, "metadata")
        name = found.get(KEY) or found.get(carry.REST)
        entitlement = names.get(text_in(item, "entitlementId"))
        return (*entitlement, name) if name and entitlement else None

    def nameless(self, item: Mapping[str, Any], names: Names, now: datetime) -> str:
        gone = item.get("voidedAt") or item.get("deletedAt") or item["entitlementId"] not in names
        end = carry.ends(item)
        if gone or carry.is_issued(item) or (end is not None and end <= now):
            return ""
        return f"has no label `{KEY}`, by which grants are recognised"

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        return {"wire": item}

    def live(self, item: Mapping[str, Any], names: Names, like: State = NOTHING) -> Resource | None:
        carry.understood(item)
        resource = super().live(item, names, like)
        if resource is None:
            return None
        if text := resource.marks.get(carry.TERMS):
            spec = terms.load(self, text, item.get("metadata"))
            resource = resource._replace(spec=spec) if spec is not None else resource
        return resource

    def outranks(self, one: Resource, other: Resource) -> bool:
        def rank(resource: Resource) -> tuple[bool, bool, str]:
            wire = resource.facts.get("wire", {})
            named = KEY in resource.marks
            return named, not wire.get("voidedAt") or carry.SPENT in resource.marks, resource.id or ""

        return rank(one) > rank(other)

    def over(self, resource: Resource, now: datetime) -> bool:
        end = carry.ends(resource.facts.get("wire", {}))
        return end is not None and end <= now

    def counts(self, resource: Resource) -> bool:
        """Whether a live grant stands for its declaration: a voided one does not, unless it says it was spent."""
        wire = resource.facts.get("wire", {})
        return KEY in resource.marks and (not wire.get("voidedAt") or carry.SPENT in resource.marks)

    def narrowed(self, by: str, ids: Mapping[str, str]) -> tuple[Listing, ...] | None:
        """Of customers by id: OpenMeter answers 404 where it has none of a key."""
        if by == "customers":
            return few(GRANTS_PATH, BY_ID, "customer", filter(None, ids.values()))
        return few(GRANTS_PATH, BY_ID, "feature", ids) if by == "features" else None

    # -- what OpenMeter would refuse ---------------------------------------------------------------

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        yield from super().check(resource, desired)
        duration, count = (self.get(resource.spec, f"expiration.{n}") for n in ("duration", "count"))
        if (duration is None) != (count is None):
            missing = "count" if count is None else "duration"
            yield (
                f"expiration.{missing}",
                "an expiration needs a duration and a count",
                "expiration: {duration: month, count: 3}",
            )
        elif duration is not None and not terms.is_datable(self, resource.spec):
            yield "expiration.count", "the grant would end after the year 9999", "fewer, or no expiration at all"
        if self.get(resource.spec, "recurrence.anchor") and not self.get(resource.spec, "recurrence.interval"):
            yield "recurrence.interval", "a recurrence needs an interval", "recurrence: {interval: month}"
        entitlement = desired.get(Address("entitlements", resource.address.path[:2]))
        if entitlement is not None and not entitlement.external and entitlement.spec[0] != "metered":
            yield (
                "",
                f"{entitlement.address} is {entitlement.spec[0]}, and only a metered one takes grants",
                "type: metered",
            )

    def skip(self, desired: Resource, context: Context) -> str:
        end = terms.end_of(self, desired.spec)
        return "ended" if end is not None and end <= context.now else ""

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        entitlement = context.live.get(Address("entitlements", change.address.path[:2]))
        if entitlement is not None and entitlement.managed:
            hand = entitlement.managed
            yield f"is for an entitlement that a {hand} manages, and OpenMeter lets nobody else grant it anything"

    # -- changes -----------------------------------------------------------------------------------

    def compile(self, change: Change, context: Context) -> Change:
        before, after = change.before, change.after
        granting = Granting(self, change.address, context)
        if after is None:
            assert before is not None
            return replace(change, steps=granting.delete(before))
        if before is not None:
            return granting.replace(change, before, after)
        start = self.get(after.spec, "effective_at")
        late = (("starts_with_period", start),) if parse_instant(start) <= context.now else ()
        return replace(change, notes=change.notes + late, steps=(granting.create(after),))

    def resolve(self, ref: Ref, known: Known) -> Json:
        return changing.resolve(ref, known)

    def mend(self, live: Resource, context: Context) -> Change | None:
        """A grant that was written twice, since a write timed out and landed all the same: the older one goes. So does
        one whose successor is there, from when that began: what was used until then it has paid for."""
        twice = [
            p
            for p in live.parts
            if KEY in (p.get("metadata") or {}) and not p.get("voidedAt") and not p.get("deletedAt") and live.id
        ]
        wire = live.facts.get("wire", {})
        alive = carry.SPENT in live.marks and bool(wire) and not wire.get("voidedAt")
        if not twice and not alive:
            return None
        fields = (FieldChange("copies", 1 + len(twice), 1, Class.SAFE),)
        entitlement = context.live[Address("entitlements", live.address.path[:2])]
        period = entitlement.facts["period"]
        steps = tuple(changing.void_older(p, wire, period, context.now) for p in twice)
        if alive:  # it only says that nothing is left, and its void was never sent
            steps = (void(live.id or "", wire["effectiveAt"]), *steps)
        return Change(live.address, "update", fields, ("doubled",), Class.SAFE, before=live, after=live, steps=steps)

    def holder(self, resource: Resource) -> Holder:
        return Holder(*resource.address.path[:2])

    def addition(self, resource: Resource) -> Decimal | None:
        return Decimal(self.get(resource.spec, "amount")) if resource.spec else None

    def moves(self, change: Change, changes: Changes) -> Iterable[Move]:
        return moving.moves(self, change)

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        customer, feature, _ = resource.address.path
        entitlement = sight.live.get(Address("entitlements", (customer, feature)))
        if "wire" not in resource.facts or entitlement is None or "period" not in entitlement.facts:
            return ()
        path, period = credits.path_to(customer, feature, sight), entitlement.facts["period"]
        burnt = credits.burnt(resource, path, period, sight)
        return times_in(resource.facts["wire"]), credits.one_grant(resource, path, sight), burnt

    def terms_of(self, grant: Mapping[str, Any]) -> str:
        """The declared terms of a live grant, as its label has them."""
        return terms.of_wire(self, grant)


def _same_as_amount(path: Any, so_far: Mapping[str, Value]) -> Value:
    return so_far["amount"]


GRANTS = GrantKind(
    name="grants",
    singular="grant",
    keys=("customer", "feature", "grant"),
    whom=0,
    key_schemas=(f.FREE_KEY, f.KEY, {"type": "string", "minLength": 1, "maxLength": 256}),
    key_refs=("customers", "features", ""),
    part_of="entitlements",
    part_wire="entitlementId",
    create_class=Class.COMMERCIAL,
    replace_class=Class.SAFE,
    labels_fixed=True,
    fixed_since="OpenMeter updates no grant: a new one is made with what is left, and the old one voided",
    listings=(V1Listing(GRANTS_PATH, BY_ID),),
    doc="Amounts on top of what an entitlement issues.",
    fields=(
        Field(
            "amount",
            f.AMOUNT,
            required=True,
            canonical=f.amount,
            write=f.amount_to_wire,
            check=above_zero,
            rank=f.more_is_commercial,
            fixed=True,
            example=5000,
        ),
        Field(
            "priority",
            {"type": "integer", "minimum": 0, "maximum": 255},
            default=0,
            rank=SAFE,
            fixed=True,
            doc="Lower burns first.",
        ),
        Field(
            "effective_at",
            f.AT,
            "effectiveAt",
            required=True,
            canonical=canonical_minute,
            fixed=True,
            doc="To the minute. A grant written later starts with the usage period that runs then, and keeps its end.",
            example="2026-12-01T00:00:00Z",
        ),
        Field(
            "expiration.duration",
            {"enum": DURATIONS},
            "expiration.duration",
            canonical=str.lower,
            write=str.upper,
            fixed=True,
            example="month",
        ),
        Field(
            "expiration.count",
            {"type": "integer", "minimum": 1, "maximum": 1000},
            "expiration.count",
            fixed=True,
            example=3,
        ),
        Field(
            "max_rollover_amount",
            f.AMOUNT,
            "maxRolloverAmount",
            default=_same_as_amount,
            canonical=f.amount,
            write=f.amount_to_wire,
            check=exact_amount,
            rank=f.more_is_commercial,
            fixed=True,
            doc="What may be kept at a reset; the amount where left out.",
        ),
        Field(
            "min_rollover_amount",
            f.AMOUNT,
            "minRolloverAmount",
            default=0,
            canonical=f.amount,
            write=f.amount_to_wire,
            check=exact_amount,
            rank=f.more_is_commercial,
            fixed=True,
            doc="What is kept at least.",
        ),
        Field(
            "recurrence.interval",
            f.EVERY,
            "recurrence.interval",
            canonical=canonical_interval,
            write=interval_to_wire,
            check=some_time,
            fixed=True,
            doc="The grant is whole again after each interval.",
        ),
        Field(
            "recurrence.anchor",
            f.AT,
            "recurrence.anchor",
            canonical=canonical_minute,
            absent=Absent.MOMENT,
            fixed=True,
        ),
        Field(
            "metadata",
            f.METADATA,
            default={},
            canonical=f.text_map,
            held=True,
            fixed=True,
            rank=SAFE,
            doc="Free labels.",
        ),
    ),
)
