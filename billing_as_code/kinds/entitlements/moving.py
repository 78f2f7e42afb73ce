"""What an entitlement lets a customer use, and what a change of one takes from it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds import credits, metering
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.meters import METERS
from billing_as_code.kinds.moves import Allowance, Changes, Counter, Holder, Move, Span
from billing_as_code.kinds.times import parse_instant, parse_interval, seconds
from billing_as_code.model import Address, Change, Class, Read, Resource, State

_COUNTING = ("meter", "filters")
"""The fields of a feature that say what is counted."""


def allowance(kind: Kind, resource: Resource) -> Allowance | None:
    """What it lets its customer use; None of an external one, of which the catalog does not say."""
    if not resource.spec:
        return None
    if kind.get(resource.spec, "type") != "metered":
        return Allowance(None, value=kind.get(resource.spec, "config"))
    return Allowance(
        Decimal(kind.get(resource.spec, "issue.amount")),
        kind.get(resource.spec, "usage_period.interval"),
        kind.get(resource.spec, "usage_period.anchor"),
        kind.get(resource.spec, "is_soft_limit"),
        period=_period(resource),
        issued=frozenset(g["id"] for g in resource.parts if carry.is_issued(g)),
    )


def _period(resource: Resource) -> Span | None:
    """The period that runs; None of one that is not live, or whose period is not as OpenMeter shows it."""
    try:
        period = resource.facts["period"]
        return Span(parse_instant(period["from"]), parse_instant(period["to"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def counter(kind: Kind, resource: Resource, live: State) -> Counter | None:
    """Where to look how much is used by a live one."""
    customer = live.get(Address("customers", resource.address.path[:1]))
    if customer is None or customer.id is None:
        return None
    path = ("api", "v2", "customers", customer.id, "entitlements", resource.address.path[1])
    found = Counter(credits.value_read(path), customer.id)
    feature = live.get(Address("features", resource.address.path[1:]))
    key = FEATURES.get(feature.spec, "meter") if feature is not None else None
    meter = live.get(Address("meters", (key,))) if key is not None else None
    if feature is None or meter is None:
        return found
    filtered = FEATURES.get(feature.spec, "filters") is not None
    # the older API shows filters in the words that a query takes
    filters = Read("filters", ("api", "v1", "features", feature.id or "")) if filtered else None
    growth = metering.growth(METERS.get(meter.spec, "aggregation"))
    return found._replace(meter=meter.id or "", growth=growth, filters=filters)


def moves(kind: Kind, change: Change, changes: Changes) -> Iterator[Move]:
    """What a change of an entitlement does to what its customer may use, one move for each thing that goes down; a
    single one that is not `down` where only more is given."""
    before = allowance(kind, change.before) if change.before is not None else None
    after = allowance(kind, change.after) if change.after is not None else None
    holder = Holder(*change.address.path)
    if before is None:
        return
    codes = list(_codes(kind, change, before, after)) if after is not None else ["gone"]
    if after is not None and before.metered and after.metered and _is_recounted(change.address.path[1], changes):
        codes.append("recounted")
    for code in codes:
        yield Move(change.address, holder, code, True, before, after)
    if not codes and change.fields:
        yield Move(change.address, holder, "more", False, before, after)


def _codes(kind: Kind, change: Change, before: Allowance, after: Allowance) -> Iterator[str]:
    assert change.before is not None and change.after is not None
    if kind.get(change.before.spec, "type") != kind.get(change.after.spec, "type"):
        if after.metered or after.value is not None or before.value is not None:
            yield "type"
        return
    if before.amount is None or after.amount is None:
        worse = [f for f in change.fields if f.path.startswith("config") and f.cls is Class.BREAKING]
        if worse:
            yield "config"
        return
    if after.amount < before.amount:
        yield "amount"
    if after.interval != before.interval and _rate(after) < _rate(before):
        yield "reset"
    if before.soft and not after.soft:
        yield "hard"


def _rate(of: Allowance) -> float:
    """What may be used in a second, as far as months are alike."""
    return float(of.amount or 0) / max(seconds(parse_interval(of.interval)), 1.0)


def _is_recounted(feature: str, changes: Changes) -> bool:
    """Whether what is counted becomes something else: another meter or filter, or the meter itself made anew."""
    of = changes.get(Address("features", (feature,)))
    if of is None or of.action != "replace":
        return False
    if any(f.path.split(".")[0] in _COUNTING for f in of.fields):
        return True
    followed = [Address.parse(r.removeprefix("follows:")) for r in of.reasons if r.startswith("follows:")]
    return any(r.startswith("fixed:") for a in followed if a in changes for r in changes[a].reasons)
