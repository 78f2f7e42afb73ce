"""Random catalogs over the six kinds, and random edits of one.

A catalog is what YAML says: sections to keys to fields. The pools of keys are small, so that edits meet what is there.
Every catalog that is drawn here is valid: `repaired` takes out what an edit left dangling.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

Catalog = dict[str, Any]
SECTIONS = ("meters", "features", "customers", "subjects", "entitlements", "grants")
DEPTHS = {"meters": 1, "features": 1, "customers": 1, "subjects": 1, "entitlements": 2, "grants": 3}

NOW = "2026-11-24T12:30:20Z"
"""What a server's clock shows at first: well within a minute, since OpenMeter counts in minutes."""

METER_KEYS = ("tokens", "requests", "gb_hours")
FEATURE_KEYS = ("ai_tokens", "api_calls", "sso", "seats")
CUSTOMER_KEYS = ("acme", "globex corp", 'ü/"x".y')
SUBJECT_KEYS = ("acme", "s1", "user:2", "a/b c", "ß.4")
GRANT_NAMES = ("welcome", "promo 2026", "x.y")
THEIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("meters", ("partner_calls",)),
    ("features", ("partner_api",)),
    ("features", ("partner_sso",)),
    ("customers", ("partner",)),
    ("entitlements", ("partner", "partner_api")),
    ("entitlements", ("partner", "partner_sso")),
    ("grants", ("partner", "partner_api", "gift")),
)
"""What another hand has on the server (`World.others`), to be declared external."""
COUNTED_BY_FEATURES = ("sum", "count", "unique_count", "latest")

# -- pieces ---------------------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\x7f"), min_size=1, max_size=8)
labels = st.dictionaries(words, words | st.just(""), max_size=2).map(
    lambda found: {k: v for k, v in found.items() if not k.startswith(("bac.", "$"))}
)
safe_labels = st.dictionaries(st.sampled_from(("tier", "team.x", "a1")), st.sampled_from(("core", "10.20", "v2")))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | words | st.sampled_from((0.25, -1.5, 1e-3)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
amounts = st.sampled_from((1, 10, 250, 100_000, "0.5", "12.50"))
prices = st.sampled_from(("0.000002", "0.10", 1, "00.5", 0))


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def fields(required: dict[str, st.SearchStrategy[Any]], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=others)


# -- the six kinds --------------------------------------------------------------------------------------------------

paths = st.sampled_from(("$.model", "$.region", "$.a.b", "$['x y']", "$.list[0]"))
dimensions = st.dictionaries(st.sampled_from(("model", "region", "Tier_2")), paths, max_size=3)


@st.composite
def meters(draw: st.DrawFn) -> dict[str, Any]:
    aggregation = draw(
        st.sampled_from(("sum", "sum", "count", "unique_count", "latest", "max", "min", "avg")), label="aggregation"
    )
    required = {"aggregation": st.just(aggregation), "event_type": st.sampled_from(("prompt", "request.done"))}
    if aggregation != "count":
        required["value_property"] = st.sampled_from(("$.n", "$.usage.total"))
    return draw(
        fields(
            required,
            name=words,
            description=words,
            dimensions=dimensions,
            events_from=st.sampled_from(("2026-01-01T00:00:00Z", "2026-11-01T01:30:00.25+01:00")),
            metadata=labels,
        )
    )


conditions = st.recursive(
    st.one_of(
        st.builds(lambda o, v: {o: v}, st.sampled_from(("eq", "neq", "contains", "ncontains")), words),
        st.builds(lambda o, v: {o: v}, st.sampled_from(("in", "nin")), st.lists(words, min_size=1, max_size=3)),
    ),
    lambda inner: st.builds(
        lambda o, v: {o: v}, st.sampled_from(("and", "or")), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=3,
)
filters = st.one_of(conditions, st.booleans().map(lambda v: {"exists": v}))


@st.composite
def unit_costs(draw: st.DrawFn, names: list[str], metered: bool) -> dict[str, Any]:
    if not metered or draw(st.booleans()):
        return {"type": "manual", "amount": draw(prices)}
    values = {"provider": ("openai", "anthropic"), "model": ("gpt-5", "opus"), "token_type": ("input", "output")}
    cost = {"type": "llm"}
    for name, known in values.items():
        if names and draw(st.booleans()):
            cost[f"{name}_property"] = draw(st.sampled_from(names))
        else:
            cost[name] = draw(st.sampled_from(known))
    return cost


@st.composite
def features(draw: st.DrawFn, of: dict[str, Any]) -> dict[str, Any]:
    """A feature of one of these meters, or of none."""
    usable = sorted(k for k, m in of.items() if m.get("external") or m["aggregation"] in COUNTED_BY_FEATURES)
    meter = draw(st.sampled_from((*usable, *usable, None)), label="meter")
    found = draw(optional(name=words, description=words, metadata=safe_labels))
    names: list[str] = []
    if meter is not None:
        found["meter"] = meter
        names = sorted(of[meter].get("dimensions", ()))
    if names and draw(st.booleans()):
        found["filters"] = draw(st.dictionaries(st.sampled_from(names), filters, min_size=1, max_size=2))
    if draw(st.booleans()):
        found["unit_cost"] = draw(unit_costs(names, meter is not None))
    return found


addresses = optional(
    country=st.sampled_from(("DE", "NO", "US")),
    state=words,
    city=words,
    postal_code=words,
    line1=words,
    line2=words,
    phone_number=words,
)
customers = fields(
    {"name": words},
    description=words,
    subjects=st.lists(st.sampled_from(SUBJECT_KEYS), unique=True, max_size=3),
    currency=st.sampled_from(("USD", "EUR", "NOK")),
    primary_email=st.sampled_from(("billing@acme.example", "a b")),
    billing_address=addresses,
    metadata=labels,
)
subjects = optional(
    display_name=words,
    stripe_customer_id=st.sampled_from(("cus_1", "cus_x2")),
    metadata=st.dictionaries(words, json_values, max_size=2).map(
        lambda found: {k: v for k, v in found.items() if v is not None and not k.startswith(("bac.", "$"))}
    ),
)

periods = fields(
    {"interval": st.sampled_from(("day", "week", "month", "year", "PT12H", "P2W", "P7D", "P1M", "P1M2DT3H"))},
    anchor=st.sampled_from(("2026-01-31T00:00:00Z", "2026-11-20T10:15:42+02:00", "2026-11-24T12:00:00Z")),
)
metered = fields(
    {"type": st.just("metered"), "usage_period": periods},
    issue=fields({"amount": amounts | st.just(0)}, priority=st.integers(1, 255)),
    is_soft_limit=st.booleans(),
    preserve_overage_at_reset=st.booleans(),
    measure_usage_from=st.sampled_from(("now", "current_period_start", "2026-11-20T09:00:00Z")),
    metadata=labels,
)
static = fields({"type": st.just("static"), "config": json_values.filter(lambda v: v is not None)}, metadata=labels)
boolean = fields({"type": st.just("boolean")}, metadata=labels)

grants = fields(
    {
        "amount": amounts,
        "effective_at": st.sampled_from(
            ("2026-10-01T00:00:00Z", "2026-11-20T08:15:30Z", "2026-11-24T12:00:00Z", "2026-12-24T12:00:00+01:00")
        ),
    },
    priority=st.sampled_from((0, 1, 5, 255)),
    expiration=fields(
        {"duration": st.sampled_from(("hour", "day", "week", "month", "year")), "count": st.sampled_from((1, 3, 36))}
    ),
    max_rollover_amount=amounts | st.just(0),
    min_rollover_amount=amounts | st.just(0),
    recurrence=fields(
        {"interval": st.sampled_from(("day", "week", "month", "PT6H", "P2W"))},
        anchor=st.sampled_from(("2026-11-01T00:00:00Z", "2026-11-24T06:00:20Z")),
    ),
    metadata=labels,
)


# -- whole catalogs ---------------------------------------------------------------------------------------------------


def some(keys: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(keys), unique=True, min_size=least, max_size=len(keys))


@st.composite
def entitlements(draw: st.DrawFn, feature: dict[str, Any]) -> dict[str, Any]:
    """An entitlement to this feature."""
    kinds = (metered, metered, metered, static, boolean) if feature.get("meter") else (static, boolean)
    return draw(st.sampled_from(kinds).flatmap(lambda s: s))


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """A valid catalog; more often one with something in every section."""
    least = draw(st.sampled_from((0, 1, 1)))
    found: Catalog = {section: {} for section in SECTIONS}
    found["meters"] = {key: draw(meters()) for key in draw(some(METER_KEYS, least))}
    found["features"] = {key: draw(features(found["meters"])) for key in draw(some(FEATURE_KEYS, least))}
    found["customers"] = {key: draw(customers) for key in draw(some(CUSTOMER_KEYS, least))}
    found["subjects"] = {key: draw(subjects) for key in draw(some(SUBJECT_KEYS))}
    for customer in found["customers"]:
        for key, feature in found["features"].items():
            if draw(st.integers(0, 3)):
                held = found["entitlements"].setdefault(customer, {})
                held[key] = draw(entitlements(feature))
                if held[key]["type"] == "metered":
                    names = draw(some(GRANT_NAMES))
                    found["grants"].setdefault(customer, {})[key] = {name: draw(grants) for name in names}
    return repaired(found)


def resources(catalog: Catalog) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(section, path) of all resources, in the catalog's order."""

    def walk(into: dict[str, Any], path: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
        for key, value in into.items():
            yield from [(*path, key)] if depth == 1 else walk(value, (*path, key), depth - 1)

    for section in SECTIONS:
        for path in walk(catalog.get(section) or {}, (), DEPTHS[section]):
            yield section, path


def at(catalog: Catalog, section: str, path: tuple[str, ...]) -> Any:
    """What stands at an address, None where nothing does."""
    value: Any = catalog.get(section) or {}
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(catalog: Catalog, section: str, path: tuple[str, ...], value: Any) -> None:
    """Set what stands at an address; None takes it out."""
    into = catalog.setdefault(section, {})
    for key in path[:-1]:
        into = into.setdefault(key, {})
    if value is None:
        into.pop(path[-1], None)
    else:
        into[path[-1]] = value


def repaired(catalog: Catalog, taken: frozenset[str] = frozenset()) -> Catalog:
    """The catalog without what refers to nothing, or to what OpenMeter would refuse. `taken` are subject keys that
    somebody holds whom the catalog does not speak of."""
    out = copy.deepcopy(catalog)
    for meter in out["meters"].values():
        if not meter.get("external"):
            meter["dimensions"] = {
                n: p for n, p in meter.get("dimensions", {}).items() if p != meter.get("value_property")
            }
    for feature in out["features"].values():
        _repair_feature(feature, out["meters"])
    _repair_subjects(out, taken)
    for customer, held in list(out["entitlements"].items()):
        for key, entitlement in list(held.items()):
            feature = out["features"].get(key)
            if customer not in out["customers"] or feature is None:
                del held[key]
            elif entitlement.get("type") == "metered" and not feature.get("meter"):
                held[key] = {"type": "boolean"}
    for customer, held in out["grants"].items():
        for key in list(held):
            there = at(out, "entitlements", (customer, key))
            if there is None or not (there.get("external") or there["type"] == "metered"):
                del held[key]
            elif there.get("external"):
                held[key] = {name: grant for name, grant in held[key].items() if grant.get("external")}
    return out


def _repair_feature(feature: dict[str, Any], of: dict[str, Any]) -> None:
    meter = of.get(feature.get("meter", ""))
    if meter is None or (not meter.get("external") and meter["aggregation"] not in COUNTED_BY_FEATURES):
        feature.pop("meter", None)
        meter = None
    names = meter.get("dimensions", {}) if meter is not None else {}
    kept = {name: c for name, c in feature.pop("filters", {}).items() if name in names}
    if kept:
        feature["filters"] = kept
    cost = feature.get("unit_cost", {})
    by_event = {value for name, value in cost.items() if name.endswith("_property")}
    if cost.get("type") == "llm" and (meter is None or not by_event <= set(names)):
        del feature["unit_cost"]


def _repair_subjects(out: Catalog, taken: frozenset[str]) -> None:
    """A subject belongs to one customer, and is no other customer's key."""
    seen = set(taken)
    for key, customer in out["customers"].items():
        others = {c for c in out["customers"] if c != key}
        if "subjects" in customer:
            customer["subjects"] = [s for s in customer["subjects"] if s not in seen | others]
            seen |= set(customer["subjects"])


# -- edits ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """A catalog, and who was let go of: customers that are live and nobody's, with the subject keys that they hold.
    With `others`, the server also has what THEIRS lists."""

    catalog: Catalog
    released: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: bool = False

    def repaired(self) -> World:
        held = {c: s for c, s in self.released.items() if _speaks_not_of(self.catalog, c)}
        taken = frozenset(s for subjects in held.values() for s in subjects)
        return replace(self, catalog=repaired(self.catalog, taken), released=held)


def _speaks_not_of(catalog: Catalog, customer: str) -> bool:
    there = catalog["customers"].get(customer)
    return there is None or bool(there.get("external"))


Edit = Callable[[st.DrawFn, World], World]


def _resource(draw: st.DrawFn, catalog: Catalog, section: str, path: tuple[str, ...]) -> Any:
    match section:
        case "meters":
            return draw(meters())
        case "features":
            return draw(features(catalog["meters"]))
        case "customers":
            return draw(customers)
        case "subjects":
            return draw(subjects)
        case "entitlements":
            return draw(entitlements(catalog["features"][path[1]]))
    return draw(grants)


def _some_resource(draw: st.DrawFn, world: World, *sections: str) -> tuple[str, tuple[str, ...]] | None:
    """Any resource that is ours."""
    found = [
        (section, path)
        for section, path in resources(world.catalog)
        if section in (sections or SECTIONS) and not at(world.catalog, section, path).get("external")
    ]
    return draw(st.sampled_from(found)) if found else None


def _changed(world: World, section: str, path: tuple[str, ...], value: Any) -> World:
    catalog = copy.deepcopy(world.catalog)
    put(catalog, section, path, value)
    return replace(world, catalog=catalog)


def change(draw: st.DrawFn, world: World) -> World:
    """Some fields of one resource, drawn anew or left out; all of them now and then."""
    if (found := _some_resource(draw, world)) is None:
        return world
    section, path = found
    old, new = at(world.catalog, section, path), _resource(draw, world.catalog, section, path)
    if draw(st.integers(0, 3)) and old.get("type") == new.get("type"):
        names = sorted({*old, *new} - {"type", "protect"})
        for name in draw(st.sets(st.sampled_from(names), max_size=2)) if names else ():
            old = {k: v for k, v in old.items() if k != name} | ({name: new[name]} if name in new else {})
        if section == "meters" and (old["aggregation"] == "count") == ("value_property" in old):
            old = new
        new = old
    return _changed(world, section, path, new)


def add(draw: st.DrawFn, world: World) -> World:
    """One more resource, where there is room."""
    section = draw(st.sampled_from(SECTIONS))
    pools: dict[str, tuple[tuple[str, ...], ...]] = {
        "meters": (METER_KEYS,),
        "features": (FEATURE_KEYS,),
        "customers": (CUSTOMER_KEYS,),
        "subjects": (SUBJECT_KEYS,),
        "entitlements": (tuple(world.catalog["customers"]), tuple(world.catalog["features"])),
        "grants": (tuple(world.catalog["customers"]), tuple(world.catalog["features"]), GRANT_NAMES),
    }
    if not all(pools[section]):
        return world
    path = tuple(draw(st.sampled_from(pool)) for pool in pools[section])
    if at(world.catalog, section, path) is not None or any((section, path[:n]) in THEIRS for n in (1, 2)[-len(path) :]):
        return world
    return _changed(world, section, path, _resource(draw, world.catalog, section, path))


def remove(draw: st.DrawFn, world: World) -> World:
    """One resource, and by `repaired` what hangs on it."""
    found = list(resources(world.catalog))
    return _changed(world, *draw(st.sampled_from(found)), None) if found else world


def retype(draw: st.DrawFn, world: World) -> World:
    """Another type of an entitlement."""
    if (found := _some_resource(draw, world, "entitlements")) is None:
        return world
    return _changed(world, *found, draw(entitlements(world.catalog["features"][found[1][1]])))


def refix(draw: st.DrawFn, world: World) -> World:
    """A fixed field of a meter."""
    if (found := _some_resource(draw, world, "meters")) is None:
        return world
    old = at(world.catalog, *found)
    name = draw(st.sampled_from(("aggregation", "event_type", "value_property", "events_from")))
    new = draw(meters())
    if name == "aggregation" or (name == "value_property" and name not in old):
        changed = {k: new[k] for k in ("aggregation", "value_property") if k in new}
        old = {k: v for k, v in old.items() if k != "value_property"}
    else:
        changed = {name: new[name]} if name in new else {}
    return _changed(world, *found, old | changed)


def rotate(draw: st.DrawFn, world: World) -> World:
    """The subject keys of two or three customers go to the next one: a swap, or a rotation."""
    mine = [key for key, c in world.catalog["customers"].items() if not c.get("external")]
    if len(mine) < 2:
        return world
    turned = draw(st.permutations(mine))[: draw(st.integers(2, 3))]
    catalog = copy.deepcopy(world.catalog)
    had = [catalog["customers"][key].get("subjects", []) for key in turned]
    for key, subject_keys in zip(turned, had[1:] + had[:1], strict=True):
        catalog["customers"][key]["subjects"] = subject_keys
    return replace(world, catalog=catalog)


def release(draw: st.DrawFn, world: World) -> World:
    """Something whose labels can be taken off becomes another hand's, and may leave the catalog."""
    if (found := _some_resource(draw, world, "meters", "customers", "subjects")) is None:
        return world
    section, path = found
    old = at(world.catalog, section, path)
    held = {path[0]: tuple(old.get("subjects", ()))} if section == "customers" else {}
    return replace(_changed(world, section, path, {"external": True}), released=world.released | held)


def take_back(draw: st.DrawFn, world: World) -> World:
    """What was let go of is declared again."""
    found = [f for f in resources(world.catalog) if at(world.catalog, *f).get("external") and f not in THEIRS]
    if not found:
        return world
    section, path = draw(st.sampled_from(found))
    return _changed(world, section, path, _resource(draw, world.catalog, section, path))


def lean_on(draw: st.DrawFn, world: World) -> World:
    """Something of another hand is declared, with what it hangs on."""
    if not world.others:
        return world
    section, path = draw(st.sampled_from(THEIRS))
    customer, feature = ("customers", path[:1]), ("features", path[1:2])
    needed = {"entitlements": (customer, feature), "grants": (customer, feature, ("entitlements", path[:2]))}
    for where in (*needed.get(section, ()), (section, path)):
        world = _changed(world, *where, {"external": True})
    return world


def protect(draw: st.DrawFn, world: World) -> World:
    """`protect` goes on, or off again."""
    if (found := _some_resource(draw, world)) is None:
        return world
    old = at(world.catalog, *found)
    new = {k: v for k, v in old.items() if k != "protect"} if old.get("protect") else {**old, "protect": True}
    return _changed(world, *found, new)


EDITS: tuple[Edit, ...] = (
    change,
    change,
    change,
    add,
    remove,
    retype,
    refix,
    rotate,
    release,
    take_back,
    lean_on,
    protect,
)


@st.composite
def edited(draw: st.DrawFn, world: World, *, most: int = 3) -> World:
    """The world after some edits, valid again."""
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=most)):
        world = edit(draw, world).repaired()
    return world


def written(catalog: Catalog) -> str:
    """The catalog as a file of YAML (JSON is such a file), what is empty left out."""
    return json.dumps({section: catalog[section] for section in SECTIONS if catalog.get(section)}, ensure_ascii=False)
