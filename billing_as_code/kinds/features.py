"""Features: what is sold, on a meter or as a switch. Through v3, which alone knows description and unit cost.

OpenMeter changes nothing of a feature but its unit cost; everything else is archive and create again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import (
    COMMERCIAL,
    SAFE,
    Context,
    Field,
    Kind,
    Listing,
    Look,
    Names,
    Sight,
    V1Listing,
    V3Listing,
    labels_in,
)
from billing_as_code.kinds.looks import Answers, Table, View, times, word
from billing_as_code.kinds.moves import Changes, Holder, Move
from billing_as_code.model import Address, Change, Find, Json, Read, Ref, Resource, State, Step, Value

FEATURES_PATH = ("api", "v3", "openmeter", "features")
FIRST = 10
"""So many of the customers that hold a feature are shown."""
METERED = ("sum", "count", "unique_count", "latest")
OPERATORS: dict[str, Any] = {
    "eq": f.TEXT,
    "neq": f.TEXT,
    "in": {"type": "array", "items": f.TEXT, "minItems": 1, "maxItems": 100},
    "nin": {"type": "array", "items": f.TEXT, "minItems": 1, "maxItems": 100},
    "contains": f.TEXT,
    "ncontains": f.TEXT,
}


def _condition(depth: int, *, outermost: bool = False) -> dict[str, Any]:
    """One condition; OpenMeter takes `exists` in the outermost alone."""
    properties: dict[str, Any] = dict(OPERATORS)
    if outermost:
        properties["exists"] = {"type": "boolean"}
    if depth:
        several = {"type": "array", "items": _condition(depth - 1), "minItems": 1, "maxItems": 10}
        properties |= {"and": several, "or": several}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


FILTERS = {
    "type": "object",
    "maxProperties": 10,
    "minProperties": 1,
    "additionalProperties": _condition(3, outermost=True),
}
_LLM = ("provider", "model", "token_type")
TOKEN_TYPES = ["input", "output", "cache_read", "cache_write", "reasoning", "request", "response"]
UNIT_COST = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"type": {"const": "manual"}, "amount": f.PRICE},
            "required": ["type", "amount"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "type": {"const": "llm"},
                "provider": f.TEXT,
                "model": f.TEXT,
                "token_type": {"enum": TOKEN_TYPES},
                **{f"{name}_property": f.TEXT for name in _LLM},
            },
            "required": ["type"],
            "additionalProperties": False,
            "allOf": [{"oneOf": [{"required": [name]}, {"required": [f"{name}_property"]}]} for name in _LLM],
        },
    ]
}


def _unit_cost(value: Mapping[str, Any]) -> dict[str, str]:
    if value["type"] == "manual":
        return {"type": "manual", "amount": f.decimal_text(value["amount"])}
    known = ("type", *_LLM, *(f"{name}_property" for name in _LLM))
    return {name: value[name] for name in known if value.get(name) is not None}


def _amount_as_number(cost: Value) -> dict[str, Value]:
    return {**cost, "amount": f.amount(cost["amount"])} if "amount" in cost else cost


def _filters(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Lists in filters are sets, and no filter at all is the same as an empty one."""

    def settle(condition: Mapping[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for operator, operand in condition.items():
            if operator in ("in", "nin"):
                out[operator] = tuple(sorted(set(operand)))
            elif operator in ("and", "or"):
                out[operator] = tuple(settle(c) for c in operand)
            else:
                out[operator] = operand
        return out

    return {k: settle(v) for k, v in value.items()} or None


def _meter_key(meter_id: str | None, names: Names) -> str | None:
    """The key of a meter; the id itself where that meter is gone, which no key of a catalog can equal."""
    return None if meter_id is None else names.get(meter_id, (meter_id,))[0]


def _lists(value: Value) -> Json:
    if isinstance(value, Mapping):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(v) for v in value] if isinstance(value, tuple) else value


class FeatureKind(Kind):
    """Only the unit cost can be changed: all else archives the feature and makes another of the same key."""

    def metadata(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return labels_in(item, "labels")

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        meter = item.get("meter")
        if not meter or meter["id"] not in names:
            return {}
        return {"bound": ((Address("meters", names[meter["id"]]), meter["id"]),)}

    def narrowed(self, by: str, ids: Mapping[str, str]) -> tuple[Listing, ...] | None:
        if by != self.name:
            return None
        return tuple(V3Listing("/api/v3/openmeter/features", (("sort", "key"), ("filter[key]", key))) for key in ids)

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        yield from super().check(resource, desired)
        meter_key, filters, cost = (self.get(resource.spec, n) for n in ("meter", "filters", "unit_cost"))
        if filters is not None and meter_key is None:
            yield "filters", "filters need a meter", "name the meter that they filter"
        if cost is not None and cost["type"] == "llm" and meter_key is None:
            yield "unit_cost", "an llm unit cost needs a meter", "name the meter, or give a manual amount"
        labels = self.get(resource.spec, "metadata")
        for key, value in labels.items():
            if problem := f.unsafe_label(key, value):
                yield (
                    f"metadata.{key}",
                    problem,
                    "features' metadata must be labels as OpenMeter's v3 takes them",
                )
        if len(labels) > f.MOST_LABELS - 2:
            yield (
                "metadata",
                f"{len(labels)} entries",
                f"{f.MOST_LABELS - 2} at most, since two are kept for bac's own labels",
            )
        meter = desired.get(Address("meters", (meter_key,))) if meter_key is not None else None
        if meter is not None and not meter.external:
            yield from self._check_against(meter, resource)

    def _check_against(self, meter: Resource, resource: Resource) -> Iterable[tuple[str, str, str]]:
        """What of a feature its meter does not allow."""
        from billing_as_code.kinds.meters import METERS

        filters, cost = self.get(resource.spec, "filters"), self.get(resource.spec, "unit_cost") or {}
        aggregation, dimensions = METERS.get(meter.spec, "aggregation"), METERS.get(meter.spec, "dimensions")
        if aggregation not in METERED:
            yield (
                "meter",
                f"a feature cannot use a meter that aggregates by {aggregation}",
                "one of " + ", ".join(METERED),
            )
        named = [(f"filters.{k}", k) for k in filters or ()] + [
            (f"unit_cost.{n}_property", cost[f"{n}_property"]) for n in _LLM if f"{n}_property" in cost
        ]
        for where, name in named:
            if name not in dimensions:
                known = "one of " + ", ".join(sorted(dimensions)) if dimensions else "it has none"
                yield where, f"`{name}` is no dimension of meter {meter.address.path[0]}", known

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        """A meter of another hand is known only now."""
        if change.after is None or (key := self.get(change.after.spec, "meter")) is None:
            return
        address = Address("meters", (key,))
        declared, meter = context.desired.get(address), context.live.get(address)
        if declared is not None and declared.external and meter is not None:
            for where, message, remedy in self._check_against(meter, change.after):
                yield f"{where}: {message} ({remedy})"

    def compile(self, change: Change, context: Context) -> Change:
        before, after = change.before, change.after
        own = (*FEATURES_PATH, before.id or "") if before is not None else ()
        archive = Step("DELETE", own, gone=True)
        match change.action:
            case "create":
                assert after is not None
                meter = self.get(after.spec, "meter")
                if self._needs_bridge(change.address, meter, context):
                    # it was archived before its meter could go, and entitlements still hang on the archived one
                    return replace(
                        change,
                        prepare=(self._create(after, context, bridge=True),),
                        steps=self._off_bridge(after, context),
                    )
                return replace(change, steps=(self._create(after, context),))
            case "update":
                assert after is not None
                cost = self.get(after.spec, "unit_cost")
                set_cost = Step("PATCH", own, {"unit_cost": cost})
                was = self.get(before.spec, "unit_cost") if before is not None else None
                if cost is not None and was is not None and cost["type"] == was["type"] == "llm":
                    # from llm values to properties, or back, OpenMeter answers 500 unless it goes through null
                    return replace(change, steps=(Step("PATCH", own, {"unit_cost": None}), set_cost))
                return replace(change, steps=(set_cost,))
            case "replace":
                assert after is not None and before is not None
                return self._replace(change, archive, before, after, own, context)
            case "delete":
                return replace(change, reads=(Read("now", own),), steps=(archive,))

    def _create(self, after: Resource, context: Context, *, bridge: bool = False) -> Step:
        """POST the feature; the bridge is the same feature without its meter, filters and cost."""
        key = after.address.path[0]
        skip = ("meter", "filters", "unit_cost", "metadata")
        body = {"key": key, **self.to_wire(after.spec, only=lambda field: field.name not in skip)}
        body["labels"] = self.get(after.spec, "metadata") | self.labels(after, context)
        meter, filters, cost = (self.get(after.spec, n) for n in skip[:3])
        if meter is not None and not bridge:
            body["meter"] = {"id": context.id(Address("meters", (meter,)))}
            if filters is not None:
                body["meter"]["filters"] = _lists(filters)
        if cost is not None and not bridge:
            body["unit_cost"] = cost
        # the archived one has the same key, but the list shows live ones only
        found = Find(FEATURES_PATH, (("key", key),), "data", (("filter[key]", key),))
        return Step("POST", FEATURES_PATH, body, saves=str(after.address), find=found)

    def _replace(
        self,
        change: Change,
        archive: Step,
        before: Resource,
        after: Resource,
        own: tuple[str, ...],
        context: Context,
    ) -> Change:
        change = replace(change, notes=(*change.notes, ("by_archive", "")))
        read = (Read("now", own),)
        meter = self.get(before.spec, "meter")
        touched = context.actions.get(Address("meters", (meter,))) if meter is not None else None
        if touched is None:
            return replace(change, reads=read, steps=(archive, self._create(after, context)))
        if self._needs_bridge(change.address, meter, context):
            bridge = self._create(after, context, bridge=True)
            return replace(change, reads=read, prepare=(archive, bridge), steps=self._off_bridge(after, context))
        return replace(change, reads=read, prepare=(archive,), steps=(self._create(after, context),))

    def _needs_bridge(self, address: Address, meter: Value, context: Context) -> bool:
        """Whether a feature of the same key without a meter keeps the door open while the meter is replaced."""
        if meter is None or context.gap or context.actions.get(Address("meters", (meter,))) != "replace":
            return False
        return any(a.kind == "entitlements" and a.path[1] == address.path[0] for a in context.live)

    def _off_bridge(self, after: Resource, context: Context) -> tuple[Step, ...]:
        bridge = (*FEATURES_PATH, Ref("id", str(after.address)))
        return (Step("DELETE", bridge, gone=True), self._create(after, context))

    def moves(self, change: Change, changes: Changes) -> Iterable[Move]:
        """Who keeps it on the archived one: OpenMeter lets them use it on, and lets nobody change it any more
        (recording ent_archived_feature)."""
        for name, code in change.destroys:
            if code == "kept_on_archived":
                yield Move(change.address, Holder(*Address.parse(name).path[:2]), "archived", True)

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        query = (("feature", resource.address.path[0]), ("excludeInactive", "true"), ("pageSize", FIRST), ("page", 1))
        holders = Look("holders", "Held by", (Read("holders", ("api", "v2", "entitlements"), query),), _holders)
        return times(*FEATURES_PATH, resource.id or ""), holders


def _holders(answers: Answers) -> View:
    """The customers that have an entitlement to it: how many, and the first of them."""
    found = answers["holders"]
    rows = tuple((word(item.get("customerKey") or item["customerId"]), word(item["type"])) for item in found["items"])
    return Table(("customer", "type"), rows, "No customer has an entitlement to it.", int(found["totalCount"]))


FEATURES = FeatureKind(
    name="features",
    singular="feature",
    keys=("feature",),
    key_schemas=(f.KEY,),
    listings=(V3Listing("/api/v3/openmeter/features", (("sort", "key"),)),),
    unshown=(V1Listing("/api/v1/features"),),
    labels_fixed=True,
    needed_by_dependents=False,
    fixed_since="an update of a feature takes its unit_cost and nothing else; all else is archive and create again",
    also_in="v1",
    doc="What is sold: usage of a meter, or a switch.",
    fields=(
        Field(
            "name",
            f.NAME,
            default=lambda path, so_far: path[0],
            held=True,
            fixed=True,
            rank=SAFE,
            doc="What people see; the key where left out.",
            example="AI tokens",
            also="name",
        ),
        Field("description", f.DESCRIPTION, held=True, fixed=True, rank=SAFE, example="Tokens of all models"),
        Field(
            "meter",
            f.KEY,
            "meter.id",
            read=_meter_key,
            fixed=True,
            refers_to="meters",
            binds=True,
            doc="The key of the meter that counts it.",
            example="tokens_total",
            also="meterSlug",
        ),
        Field(
            "filters",
            FILTERS,
            "meter.filters",
            canonical=_filters,
            fixed=True,
            doc="Which events count: dimension to one of eq, neq, in, nin, contains, ncontains, exists, and, or.",
            example={"model": {"in": ["gpt-5", "gpt-5-mini"]}},
            also="advancedMeterGroupByFilters",
        ),
        Field(
            "unit_cost",
            UNIT_COST,
            canonical=_unit_cost,
            to_yaml=_amount_as_number,
            rank=COMMERCIAL,
            currency="USD",
            doc="What one unit costs you: a manual amount, or the price of a language model's tokens.",
            example={"type": "manual", "amount": "0.000002"},
            also="unitCost",
        ),
        Field(
            "metadata",
            f.METADATA,
            "labels",
            default={},
            canonical=f.text_map,
            held=True,
            fixed=True,
            rank=SAFE,
            doc="Labels; OpenMeter restricts keys and values.",
            example={"tier": "core"},
            also="metadata",
        ),
    ),
)
