"""Entitlements: what a customer may use, and how much. Through v2; a boolean's metadata is shown by v1 alone.

OpenMeter updates none: a change is an override, which makes a new entitlement from its body alone and voids every grant
of the old one, even where it is refused (recording val_failed_writes_lose_grants). So an override here carries the
grants over (see `carryover`), measures usage from the current period's start, and keeps the customer's period.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
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
    owner_of,
    text_in,
)
from billing_as_code.kinds.entitlements import knowing, moving, rescuing, wire
from billing_as_code.kinds.entitlements.overriding import Overriding, lost
from billing_as_code.kinds.entitlements.wire import ANCHOR, NOW, PERIOD_START
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.grants import GRANTS, at_least_an_hour, exact_amount, terms
from billing_as_code.kinds.grants.changing import UNMADE, void_wholly
from billing_as_code.kinds.listings import few
from billing_as_code.kinds.looks import times
from billing_as_code.kinds.moves import Allowance, Changes, Counter, Holder, Move
from billing_as_code.kinds.times import (
    canonical_interval,
    canonical_minute,
    interval_to_wire,
    parse_instant,
    parse_interval,
)
from billing_as_code.model import (
    Address,
    Change,
    Class,
    FieldChange,
    Json,
    Read,
    Ref,
    Resource,
    Spec,
    State,
    Step,
    Value,
    canonical_json,
)

ENTITLEMENTS_PATH, ACTIVE = "/api/v2/entitlements", (("excludeInactive", "true"),)
METERED, STATIC = ("type", ("metered",)), ("type", ("static",))


def _measure_from(text: str) -> str:
    return text if text in (NOW, PERIOD_START) else canonical_minute(text)


def _fairness(before: Value, after: Value) -> Class:
    """A static value whose numbers only grow, or that only gains entries, gives more; anything else may take."""

    def grows(old: Json, new: Json) -> bool:
        if isinstance(old, bool) or isinstance(new, bool):  # true is not 1
            return type(old) is type(new) and old <= new
        if isinstance(old, int | float) and isinstance(new, int | float):
            return new >= old
        if isinstance(old, dict) and isinstance(new, dict):
            return old.keys() <= new.keys() and all(grows(old[k], new[k]) for k in old)
        return canonical_json(old) == canonical_json(new)

    if before is None or after is None:
        return Class.BREAKING
    return Class.COMMERCIAL if grows(json.loads(before), json.loads(after)) else Class.BREAKING


@lru_cache(maxsize=4096)
def _bound(key: str, feature_id: str) -> Mapping[str, Json]:
    """The facts that all entitlements of a feature share."""
    return {"bound": ((Address("features", (key,)), feature_id),)}


def _alike(period: Mapping[str, Json]) -> Mapping[str, Json]:
    """One mapping for the same few periods that stand on nearly everything."""
    try:
        return _shared(tuple(period.items()))
    except (TypeError, AttributeError):  # not as OpenMeter shows it: `refuse` tells
        return period


@lru_cache(maxsize=4096)
def _shared(period: tuple[tuple[str, Json], ...]) -> Mapping[str, Json]:
    return dict(period)


class EntitlementKind(Kind):
    """Nothing of an entitlement can be changed: an override makes another in its place."""

    # -- live --------------------------------------------------------------------------------------

    def path_of(self, item: Mapping[str, Any], names: Names) -> tuple[str, ...] | None:
        customer = names.get(text_in(item, "customerId"))
        return (customer[0], item["featureKey"]) if customer else None

    def nameless(self, item: Mapping[str, Any], names: Names, now: datetime) -> str:
        return "is of a customer without a key"

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        bound = _bound(item["featureKey"], text_in(item, "featureId"))
        if period := item.get("currentUsagePeriod"):
            return {**bound, "period": _alike(period), "usage_period": _alike(item["usagePeriod"])}
        return bound

    def live(self, item: Mapping[str, Any], names: Names, like: State = NOTHING) -> Resource | None:
        resource = super().live(item, names, like)
        if resource is None:
            return None
        if ANCHOR in resource.marks and self.get(resource.spec, "type") == "metered":
            # a reset had moved the period, and an override kept it: this is what the catalog declared
            resource = resource._replace(
                spec=self.with_(resource.spec, {"usage_period.anchor": resource.marks[ANCHOR]})
            )
        if "subscription.id" in labels_in(item, "annotations"):
            resource = resource._replace(managed="subscription")
        return resource

    def narrowed(self, by: str, ids: Mapping[str, str]) -> tuple[Listing, ...] | None:
        """Without their booleans' labels, which `labelled` shows."""
        names = {"customers": "customerKeys", "features": "feature"}
        return few(ENTITLEMENTS_PATH, ACTIVE, names[by], ids) if by in names else None

    def belongs_to(self, item: Mapping[str, Any]) -> Iterable[Address]:
        return [Address("customers", (key,))] if (key := item.get("customerKey")) else []

    def labelled(self, id: str) -> Read:
        return Read("labels", ("api", "v1", "entitlements", id))

    def implied(self, resource: Resource) -> Iterable[Resource]:
        """Declared grants that count as there without a grant: spent ones, and copies that are still to be made."""
        if carry.CARRIED not in resource.marks:
            return
        entries = carry.load(resource.marks[carry.CARRIED])
        unmade = carry.missing(entries, resource.parts)
        for entry in entries:
            labels = entry.get("metadata", {})
            if KEY in labels and carry.TERMS in labels and (entry.get("spent") or entry in unmade):
                spec = terms.load(GRANTS, labels[carry.TERMS], labels)
                if spec is None:
                    continue
                yield Resource(
                    Address("grants", (*resource.address.path, labels[KEY])),
                    spec,
                    owner=owner_of(labels),
                    marks=labels,
                    facts={"spent": True} if entry.get("spent") else {UNMADE: True},
                )

    # -- what OpenMeter would refuse ---------------------------------------------------------------

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        yield from super().check(resource, desired)
        if self.get(resource.spec, "type") != "metered":
            return
        key = resource.address.path[1]
        feature = desired.get(Address("features", (key,)))
        if feature is None or feature.external:
            return
        meter_key = FEATURES.get(feature.spec, "meter")
        if meter_key is None:
            yield (
                "type",
                f"feature {key} has no meter, so nothing can be metered",
                "type: boolean or type: static",
            )

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        if change.before is not None and change.before.managed:
            hand = change.before.managed
            yield f"is managed by a {hand}. Take it out of the catalog, or change the {hand}"
        if change.action == "replace" and change.before is not None and self._period_is_unclear(change.before):
            yield "has a usage period that cannot be understood, so its usage and grants could not be kept"
        if self._measures_from_the_future(change, context.now):
            yield (
                "measure_usage_from lies in the future, and OpenMeter answers every question about access with an "
                "error until then (now, current_period_start or an instant that has passed)"
            )
        key = Address("features", change.address.path[1:])
        declared, feature = context.desired.get(key), context.live.get(key)
        if change.after is None or feature is None or declared is None or not declared.external:
            return
        # a feature of another hand is known only now, and a refused override would have voided the grants
        if self.get(change.after.spec, "type") == "metered" and FEATURES.get(feature.spec, "meter") is None:
            name = change.address.path[1]
            yield f"feature {name} has no meter, so nothing can be metered (type: boolean or type: static)"

    def _measures_from_the_future(self, change: Change, now: datetime) -> bool:
        """Whether usage would start later; only where it starts at all (recording ent_validation_errors)."""
        if change.after is None or (change.before and self.get(change.before.spec, "type") == "metered"):
            return False
        measured = self.get(change.after.spec, "measure_usage_from")
        return measured not in (None, NOW, PERIOD_START) and parse_instant(measured) > now

    def _period_is_unclear(self, before: Resource) -> bool:
        if self.get(before.spec, "type") != "metered":
            return False
        try:
            period, usage_period = before.facts["period"], before.facts["usage_period"]
            for text in (period["from"], period["to"], usage_period["anchor"]):
                parse_instant(text)
            parse_interval(usage_period["intervalISO"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return True
        return False

    # -- changes -----------------------------------------------------------------------------------

    def compile(self, change: Change, context: Context) -> Change:
        before, after = change.before, change.after
        match change.action:
            case "create":
                assert after is not None
                return replace(change, steps=(wire.create(self, after, context),))
            case "delete":
                assert before is not None
                path = wire.entitlements_path(before.address, context)
                gone = wire.delete(path, before.id or "", metered=self.get(before.spec, "type") == "metered")
                return replace(change, reads=(Read("now", gone.path),), destroys=lost(before), steps=(gone,))
            case _:
                assert before is not None and after is not None
                return Overriding(self, change, before, after, context).compile()

    def resolve(self, ref: Ref, known: Known) -> Json:
        return knowing.resolve(ref, known)

    def hides_labels(self, spec: Spec) -> bool:
        return bool(self.get(spec, "type") == "boolean")

    def harm(self, change: Change, step: Step) -> tuple[Read, ...]:
        """A refused override has voided the grants of the entitlement that it leaves in place."""
        before = change.before
        if step.method != "PUT" or step.path[-1] != "override" or before is None:
            return ()
        return rescuing.reads(change.address, step) if self.get(before.spec, "type") == "metered" else ()

    def undo(self, change: Change, known: Known) -> tuple[Step, ...]:
        return rescuing.steps(change.address, known)

    def harmed(self, change: Change) -> str:
        assert change.before is not None
        return ", ".join(name for name, _ in lost(change.before)) or "the issued amount"

    def mend(self, live: Resource, context: Context) -> Change | None:
        """What an override that died had still to carry, and what landed twice."""
        if carry.CARRIED not in live.marks and len(live.parts) < 2:
            return None
        entries = carry.missing(carry.load(live.marks.get(carry.CARRIED)), live.parts)
        path = wire.entitlements_path(live.address, context)
        steps: list[Step] = []
        if self.get(live.spec, "type") == "metered":
            steps = [step for entry in entries for step in wire.remake(live.address, path, entry)]
        twice = carry.doubled(live.parts) if "period" in live.facts else []
        steps += [void_wholly(g, live.facts["period"], context.now) for g in twice]
        if not steps:
            return None
        fields = (FieldChange("grants", len(live.parts), len(live.parts) + len(entries) - len(twice), Class.SAFE),)
        reasons = ("finish_carry",) * bool(entries) + ("doubled",) * bool(twice)
        return Change(live.address, "update", fields, reasons, Class.SAFE, before=live, after=live, steps=tuple(steps))

    # -- what customers may use --------------------------------------------------------------------

    def allowance(self, resource: Resource) -> Allowance | None:
        return moving.allowance(self, resource)

    def holder(self, resource: Resource) -> Holder:
        return Holder(*resource.address.path)

    def counter(self, resource: Resource, live: State) -> Counter | None:
        return moving.counter(self, resource, live)

    def moves(self, change: Change, changes: Changes) -> Iterable[Move]:
        return moving.moves(self, change, changes)

    # -- what can be seen of one -------------------------------------------------------------------

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        customer, feature = resource.address.path
        path, period = credits.path_to(customer, feature, sight), resource.facts.get("period")
        found = (times("api", "v2", "entitlements", resource.id or ""), credits.value(path, period))
        if period is None:
            return found
        own = [grant for grant in resource.parts if grant.get(GRANTS.part_wire) == resource.id]
        return (*found, credits.grants(path, own, sight), credits.history(path, period, sight))


ENTITLEMENTS = EntitlementKind(
    name="entitlements",
    singular="entitlement",
    keys=("customer", "feature"),
    whom=0,
    key_schemas=(f.FREE_KEY, f.KEY),
    key_refs=("customers", "features"),
    key_binds=(False, True),
    create_class=Class.COMMERCIAL,
    replace_class=Class.SAFE,
    labels_fixed=True,
    fixed_since="OpenMeter updates no entitlement: an override makes a new one, with its usage, period and grants",
    listings=(
        V1Listing(ENTITLEMENTS_PATH, ACTIVE),
        V1Listing(
            "/api/v1/entitlements",
            (("entitlementType", "boolean"), ("excludeInactive", "true")),
            labels=True,
        ),
    ),
    doc="What a customer may use, and how much.",
    fields=(
        Field(
            "type",
            {"enum": ["metered", "static", "boolean"]},
            required=True,
            fixed=True,
            doc="A limit on usage, a value, or a switch.",
            example="metered",
        ),
        Field(
            "usage_period.interval",
            f.EVERY,
            "usagePeriod.interval",
            required=True,
            when=METERED,
            canonical=canonical_interval,
            write=interval_to_wire,
            check=at_least_an_hour,
            fixed=True,
            doc="day, week, month, year or an ISO 8601 duration of an hour or more.",
            example="month",
        ),
        Field(
            "usage_period.anchor",
            f.AT,
            "usagePeriod.anchor",
            when=METERED,
            canonical=canonical_minute,
            absent=Absent.MOMENT,
            fixed=True,
            doc="An instant that the periods' grid goes through; the moment of creation where left out.",
            example="2026-01-01T00:00:00Z",
        ),
        Field(
            "issue.amount",
            f.AMOUNT,
            "issue.amount",
            when=METERED,
            default=0,
            canonical=f.amount,
            write=f.amount_to_wire,
            check=exact_amount,
            rank=f.more_is_commercial,
            fixed=True,
            doc="Granted anew in each period.",
            example=1_000_000,
        ),
        Field(
            "issue.priority",
            f.PRIORITY,
            "issue.priority",
            when=METERED,
            default=1,
            rank=SAFE,
            fixed=True,
            doc="Lower burns first.",
        ),
        Field(
            "is_soft_limit",
            f.BOOLEAN,
            "isSoftLimit",
            when=METERED,
            default=False,
            rank=f.true_is_commercial,
            fixed=True,
            doc="Access stays when the limit is reached.",
        ),
        Field(
            "preserve_overage_at_reset",
            f.BOOLEAN,
            "preserveOverageAtReset",
            when=METERED,
            default=False,
            rank=lambda before, after: Class.BREAKING if after else Class.COMMERCIAL,
            fixed=True,
            doc="Overage is paid from the next period.",
        ),
        Field(
            "measure_usage_from",
            {"anyOf": [{"enum": [NOW, PERIOD_START]}, f.AT]},
            "measureUsageFrom",
            when=METERED,
            canonical=_measure_from,
            absent=Absent.CREATE_ONLY,
            fixed=True,
            doc="Where usage starts: now, current_period_start or an instant. Speaks at creation only.",
        ),
        Field(
            "config",
            f.ANY,
            "config",
            required=True,
            when=STATIC,
            canonical=f.opaque,
            read=lambda v, names: None if v is None else f.loaded(v),
            opaque=True,
            rank=_fairness,
            fixed=True,
            doc="Any JSON that your product reads.",
            example={"max": 25},
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
