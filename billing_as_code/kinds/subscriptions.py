"""Subscriptions: a customer on a pricing plan. No catalog has them yet: a proposal asks for one, which is created then.

Through v3 where it starts at once, since v3 alone takes the plan's version (v1 always takes the published one); through
v1 where it starts later, since v3 knows no timing (recordings subscription_create_v3 and subscription_create_v1).
Nothing of one can be changed in place, so one that is there is as it was asked for, or in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import OWNER, SAFE, Absent, Context, Field, Item, Kind, Listing, Names, Query, V3Listing
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.times import canonical_instant, parse_instant
from billing_as_code.model import Address, Change, Class, Find, Json, Resource, Spec, State, Step, Value

PATH: tuple[str, ...] = ("api", "v3", "openmeter", "subscriptions")
PATH_V1 = ("api", "v1", "subscriptions")
PLANS_PATH = "/api/v3/openmeter/plans"
IMMEDIATE = "immediate"
LATEST_START = timedelta(minutes=2)
"""So far in the past a start may lie (openmeter/subscription/timing.go)."""
_RUNNING = ("filter[status][oeq]", "active,canceled,scheduled")


@dataclass(frozen=True, slots=True)
class Beside(V3Listing):
    """What a customer has from the start of a wished subscription on. `other` marks those that are not the wished one,
    however equal their plan is: they end, or start at another time."""

    timing: str = IMMEDIATE

    def items(self, page: int, body: Json) -> list[Item]:
        return [{**i, "other": self._other(i)} for i in V3Listing.items(self, page, body) if not self._over(i)]

    def _over(self, item: Item) -> bool:
        end = item.get("active_to")
        return bool(end) and self.timing != IMMEDIATE and parse_instant(str(end)) <= parse_instant(self.timing)

    def _other(self, item: Item) -> bool:
        if item.get("active_to"):
            return True
        if self.timing == IMMEDIATE:
            return bool(item["status"] == "scheduled")
        return parse_instant(item["active_from"]) != parse_instant(self.timing)


class PricingPlanKind(Kind):
    """A published version of a pricing plan, as far as a subscription must know it. Read, and never written."""

    def published(self, key: str) -> tuple[str, Query]:
        """The path and query that list it alone."""
        return PLANS_PATH, (("filter[key]", key), ("filter[status]", "active"))

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        phases = item["phases"]
        cards = [card for phase in phases for card in phase["rate_cards"]]
        granted = [card for card in cards if card.get("entitlement")]
        features = {names.get((card.get("feature") or {}).get("id", ""), (card["key"],))[0] for card in granted}
        return {
            "features": sorted(features),
            "cards": [
                (f"in phase {phase['key']} " if len(phases) > 1 else "") + text
                for phase in phases
                for text in sorted(_card(card) for card in phase["rate_cards"])
            ],
            "billable": any((card.get("price") or {}).get("type") not in (None, "free") for card in cards),
        }


def _card(card: Mapping[str, Any]) -> str:
    """What a rate card charges and gives, in a few words."""
    price = card.get("price") or {}
    said = [f"{price.get('type', 'free')} {price['amount']}" if "amount" in price else str(price.get("type", "free"))]
    entitlement = card.get("entitlement") or {}
    match entitlement.get("type"):
        case "metered":
            limit = entitlement.get("limit")
            said.append(f"access within {limit}" if limit is not None else "access within grants")
        case str():
            said.append(f"access ({entitlement['type']})")
    every = f" every {card['billing_cadence']}" if card.get("billing_cadence") else ""
    return f"{card['key']}: {said[0]}{every}" + "".join(f", {more}" for more in said[1:])


def _timing(text: str) -> str:
    return text if text == IMMEDIATE else canonical_instant(text)


class SubscriptionKind(Kind):
    """Created, and nothing else: OpenMeter takes one at a time for each customer, and has no update of one."""

    def metadata(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return item.get("labels") or {}

    def path_of(self, item: Mapping[str, Any], names: Names) -> tuple[str, ...] | None:
        return names.get(item["customer_id"])

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        plan = item.get("plan") or {}
        named = f"{plan['key']} v{plan['version']}" if plan else "a plan of its own"
        times = {"status": item.get("status"), "ends": item.get("active_to"), "starts": item.get("active_from")}
        return {"plan": named, **times}

    def from_wire(self, path: Sequence[str], item: Mapping[str, Any], names: Names) -> Spec:
        """One that is `other` is shown without its plan, so that nothing that is asked for equals it."""
        return super().from_wire(path, {**item, "plan": None} if item.get("other") else item, names)

    def outranks(self, one: Resource, other: Resource) -> bool:
        """The one that goes on, where another ends and this one follows it."""
        return (one.facts["ends"] is None, one.id or "") > (other.facts["ends"] is None, other.id or "")

    def bearing(self, wanted: Resource, live: State) -> Mapping[str, tuple[Listing, ...]]:
        """The published version of its plan, and what its customer has from its start on."""
        plan, timing = self.get(wanted.spec, "plan"), self.get(wanted.spec, "timing")
        found: dict[str, tuple[Listing, ...]] = {PLANS.name: (V3Listing(*PLANS.published(plan)),)}
        customer = live.get(Address(CUSTOMERS.name, wanted.address.path))
        if customer is not None and customer.id is not None:
            query = (("filter[customer_id]", customer.id), _RUNNING)
            found[self.name] = (Beside("/" + "/".join(PATH), query, timing=timing),)
        return found

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        yield from super().check(resource, desired)
        for key, value in self.get(resource.spec, "metadata").items():
            if problem := f.unsafe_label(key, value):
                yield (
                    f"metadata.{key}",
                    problem,
                    "a subscription's metadata must be labels as OpenMeter's v3 takes them",
                )

    # -- what OpenMeter would refuse -------------------------------------------------------------------------------

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        key = change.address.path[0]
        if change.action != "create" or change.after is None:
            yield f"customer {key!r} {_in_the_way(change)}"
            return
        timing = self.get(change.after.spec, "timing")
        if timing != IMMEDIATE and parse_instant(timing) < context.now - LATEST_START:
            yield f"timing: {timing} has passed, and OpenMeter starts no subscription in the past (immediate, or later)"
        address = Address(CUSTOMERS.name, (key,))
        made = context.actions.get(address)
        if made == "delete" or (made != "create" and address not in context.live):
            yield f"there is no customer {key!r}. Create it in the same proposal, or before"
        yield from self._refuse_plan(change.after, address, context)

    def _refuse_plan(self, wanted: Resource, customer: Address, context: Context) -> Iterator[str]:
        key, version = self.get(wanted.spec, "plan"), self.get(wanted.spec, "version")
        plan = context.live.get(Address(PLANS.name, (key,)))
        if plan is None:
            yield f"no version of pricing plan {key} is published, and only such a one can be subscribed to. Publish it"
            return
        published = PLANS.get(plan.spec, "version")
        if version != published:
            yield f"version {version} of pricing plan {key} is not the published one, which is {published}"
        yield from _refuse_currency(PLANS.get(plan.spec, "currency"), customer, plan, context)
        for feature in plan.facts["features"]:
            entitlement = Address("entitlements", (*customer.path, feature))
            have = context.live.get(entitlement)
            # one that a subscription has brought ends with it
            if (have is not None and not have.managed) or entitlement in context.desired:
                yield (
                    f"pricing plan {key} gives access to {feature}, and {entitlement} does so already. OpenMeter takes "
                    "one of them. Take that entitlement out first, and apply that, or choose another plan"
                )

    def helps(self, refusal: str) -> str:
        return next((helps for holds, helps in _HELP if holds in refusal), "")

    # -- its request -------------------------------------------------------------------------------------------------

    def compile(self, change: Change, context: Context) -> Change:
        after = change.after
        assert after is not None and change.action == "create"
        customer = context.id(Address(CUSTOMERS.name, change.address.path))
        plan, version, timing = (self.get(after.spec, name) for name in ("plan", "version", "timing"))
        labels = self.get(after.spec, "metadata") | self.labels(after, context)
        anchor = self.get(after.spec, "billing_anchor")
        where: tuple[tuple[str, Json], ...]
        where = (("plan.key", plan), ("plan.version", version), (f"labels.{OWNER}", context.owner))
        if timing == IMMEDIATE:
            body: dict[str, Json] = {"customer": {"id": customer}, "plan": {"key": plan, "version": version}}
            body |= {"labels": labels} | ({"billing_anchor": anchor} if anchor is not None else {})
            path = PATH
        else:
            body = {"customerId": customer, "plan": {"key": plan}, "timing": timing, "metadata": labels}
            body |= {"billingAnchor": anchor} if anchor is not None else {}
            path = PATH_V1
            where += (("active_from", timing),)
        found = Find(PATH, where, "data", (("filter[customer_id]", customer), _RUNNING))
        step = Step("POST", path, body, lane="narrow", saves=str(change.address), find=found)
        return replace(change, steps=(step,), notes=(*change.notes, *_told(plan, timing, context)))


_HELP = (
    ("invalid billing setup", "Give the customer's billing profile what its payment app asks for, or another profile"),
    ("only single subscription", "The customer has got another one meanwhile. Look at get_customer"),
    ("is not active at", "The plan was published anew, or archived, meanwhile. Propose again"),
    ("in the past", "Its start has passed meanwhile. Propose again, with a later one"),
    ("currency mismatch", "Choose a plan in the customer's currency"),
)
"""What helps where OpenMeter refuses in spite of all that was checked, by what its text holds."""


def _in_the_way(change: Change) -> str:
    """What a customer has that leaves no room for what is asked for."""
    have = change.before
    if have is None:
        return "has no subscription that could be taken out"
    facts = have.facts
    ends = f", until {facts['ends']}" if facts["ends"] else ""
    return (
        f"has a subscription already: {facts['plan']}, {facts['status']} from {facts['starts']}{ends} (id {have.id}). "
        "OpenMeter takes one at a time for each customer, and this makes new ones only. Change or cancel that one in "
        "OpenMeter first" + (f", or start when it ends (timing: {facts['ends']})" if facts["ends"] else "")
    )


def _refuse_currency(currency: str, customer: Address, plan: Resource, context: Context) -> Iterator[str]:
    """A customer is billed in one currency; one that has none takes the plan's."""
    sides = (context.desired.get(customer), context.live.get(customer))
    own = next((c for r in sides if r is not None and r.spec and (c := CUSTOMERS.get(r.spec, "currency"))), None)
    key = plan.address.path[0]
    if currency in f.CURRENCIES:
        if own not in (None, currency) and plan.facts["billable"]:
            yield f"pricing plan {key} is in {currency}, and {customer} in {own}. Choose a plan in {own}"
    elif own is None:
        yield f"pricing plan {key} is in {currency}, so {customer} needs a currency first. Set one (USD, EUR)"


def _told(key: str, timing: str, context: Context) -> Iterator[tuple[str, str]]:
    """What whoever signs must know of the plan: how it bills, and each of its rate cards."""
    plan = context.live[Address(PLANS.name, (key,))]
    if timing == IMMEDIATE:
        yield "starts_at_once", ""
    yield "bills", f"{PLANS.get(plan.spec, 'currency')} every {PLANS.get(plan.spec, 'billing_cadence')}"
    for card in plan.facts["cards"]:
        yield "rate_card", card


def _no_plan(key: Value, names: Names) -> Value:
    """The key of a plan; "" for a subscription without one, which no wish equals."""
    return key or ""


def _no_version(version: Value, names: Names) -> Value:
    """The version of a plan; 0, which none has, for a subscription without one."""
    return 0 if version is None else version


PLANS = PricingPlanKind(
    name="plans",
    singular="pricing plan",
    keys=("plan",),
    key_schemas=(f.KEY,),
    listings=(V3Listing(PLANS_PATH, (("filter[status]", "active"),)),),
    instead="make them in OpenMeter: bac reads pricing plans and does not manage them yet",
    never_pruned=True,
    labels_fixed=True,
    doc="What customers subscribe to.",
    fields=(
        Field("version", {"type": "integer"}, fixed=True),
        Field("currency", f.TEXT, fixed=True),
        Field("billing_cadence", f.TEXT, fixed=True),
    ),
)

SUBSCRIPTIONS = SubscriptionKind(
    name="subscriptions",
    singular="subscription",
    keys=("customer",),
    whom=0,
    key_schemas=(f.FREE_KEY,),
    key_refs=("customers",),
    listings=(V3Listing("/" + "/".join(PATH), (_RUNNING,)),),
    instead="an agent proposes one with its tool create_subscription: bac creates subscriptions and does not manage "
    "them yet",
    never_pruned=True,
    labels_fixed=True,
    create_class=Class.COMMERCIAL,
    doc="A customer on a pricing plan.",
    fields=(
        Field(
            "plan",
            f.KEY,
            "plan.key",
            read=_no_plan,
            required=True,
            fixed=True,
            refers_to="plans",
            doc="The key of the pricing plan.",
            example="pro",
        ),
        Field(
            "version",
            {"type": "integer", "minimum": 1},
            "plan.version",
            read=_no_version,
            required=True,
            fixed=True,
            doc="Its version, which must be the published one.",
            example=3,
        ),
        Field(
            "timing",
            {"anyOf": [{"enum": [IMMEDIATE]}, f.AT]},
            canonical=_timing,
            default=IMMEDIATE,
            absent=Absent.CREATE_ONLY,
            fixed=True,
            doc="When it starts: immediate, or an instant.",
            example="2027-03-01T00:00:00Z",
        ),
        Field(
            "billing_anchor",
            f.AT,
            canonical=canonical_instant,
            absent=Absent.CREATE_ONLY,
            fixed=True,
            doc="An instant that billing periods are counted from; its start where left out.",
            example="2027-03-01T00:00:00Z",
        ),
        Field(
            "metadata",
            f.METADATA,
            "labels",
            default={},
            canonical=f.text_map,
            fixed=True,
            held=True,
            rank=SAFE,
            doc="Free labels.",
            example={"crm_id": "42"},
        ),
    ),
)
