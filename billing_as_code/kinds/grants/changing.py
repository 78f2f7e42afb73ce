"""How a change of a grant compiles: POST it, void it, or POST what its new terms leave and void the old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import KEY, Context, Kind, Known
from billing_as_code.kinds.grants import terms
from billing_as_code.kinds.times import instant, next_on_grid, parse_instant, parse_interval, term_until, to_minute
from billing_as_code.model import Address, Change, Find, Json, Read, Ref, Resource, Step

REPLACES = "bac.replaces"
UNMADE = "unmade"
"""A fact of a grant that is still to be made again, since whoever overrode its entitlement died: that comes first."""
ALL: tuple[tuple[str, Json], ...] = (("pageSize", 1000),)


class Granting:
    """Compiles the changes of one grant."""

    def __init__(self, kind: Kind, address: Address, context: Context) -> None:
        self.kind, self.address, self.context = kind, address, context
        self.entitlement = Address("entitlements", address.path[:2])
        customer = context.id(Address("customers", address.path[:1]))
        self.path = ("api", "v2", "customers", customer, "entitlements", address.path[1])

    def create(self, after: Resource) -> Step:
        """A grant whose start has passed starts with the usage period that runs when it is made, and keeps its end."""
        start = self.kind.get(after.spec, "effective_at")
        if parse_instant(start) > self.context.now:
            return self._post(self._body(after, {}))
        of = str(self.entitlement)
        end = terms.end_of(self.kind, after.spec)
        body = self._body(after, {carry.TERMS: terms.dump(self.kind, after.spec), **_until(end)})
        arg = f"{start} {instant(end)}" if end else start
        body["effectiveAt"] = Ref("later_of", of, arg)
        if end:
            body["expiration"] = Ref("until", of, arg)
        return self._post(body)

    def delete(self, before: Resource) -> tuple[Step, ...]:
        """Where its entitlement is replaced, the override voids it, and it is not carried over."""
        if before.id is None or self.context.actions.get(self.entitlement) == "replace":
            return ()
        return tuple(void(i) for i in (before.id, *(p["id"] for p in before.parts if not p.get("voidedAt"))))

    def replace(self, change: Change, before: Resource, after: Resource) -> Change:
        """New terms: what they leave after what was burnt, from this minute on; then the old one is voided."""
        change = replace(change, notes=(*change.notes, ("by_new_grant", "")))
        if before.id is None and UNMADE not in before.facts:  # spent, so there is nothing to be measured or voided
            return replace(change, steps=(self.create(after),))
        key = str(self.address)
        reads = (
            Read("entitlement", self.path),
            Read("value", (*self.path, "value"), (("time", Ref("measured", key)),)),
            Read("grants", (*self.path, "grants"), ALL),
        )
        # the old one may be gone: it ended in an earlier period, and its entitlement was overridden since
        old, rest = Ref("old_id", key), Ref("rest_id", key)
        steps = (*self._posts(before, after), void(old, Ref("minute", key), old), void(rest, when=rest))
        return replace(change, reads=reads, steps=steps)

    def _posts(self, before: Resource, after: Resource) -> tuple[Step, ...]:
        key, start = str(self.address), self.kind.get(after.spec, "effective_at")
        old = before.id if before.id is not None else Ref("old_id", key)
        marks = {carry.TERMS: terms.dump(self.kind, after.spec), REPLACES: old}
        if parse_instant(start) > self.context.now:
            return (self._post(self._body(after, marks)),)
        end = terms.end_of(self.kind, after.spec)
        body = self._body(after, {**marks, **_until(end)})
        until = {"expiration": Ref("until_from", key, f"{start} {instant(end)}")} if end else {}
        arg = f"{self.kind.get(before.spec, 'amount')} {self.kind.get(after.spec, 'amount')}"
        now = {"amount": Ref("left", key, arg), "effectiveAt": Ref("from", key, start), **until}
        if "recurrence" in body:
            return self._recurring_posts(body, now, arg, end)
        spent = {
            **body,
            "effectiveAt": now["effectiveAt"],
            **until,
            "metadata": {**body["metadata"], carry.SPENT: "true"},
        }
        none_left = Ref("none_left", key, arg)
        return (
            self._post(body | now, Ref("left", key, arg)),
            self._post(spent, none_left),
            void(Ref("id", key), now["effectiveAt"], none_left),
        )

    def _recurring_posts(
        self, body: dict[str, Json], now: dict[str, Json], arg: str, end: datetime | None
    ) -> tuple[Step, ...]:
        """What is left until it recurs, and from then the whole amount."""
        key, recurrence = str(self.address), body["recurrence"]
        grid = f"{recurrence['anchor']} {recurrence['interval']}"
        rest = {k: v for k, v in body.items() if k != "recurrence"} | now
        rest["expiration"] = Ref("until_next", key, f"{grid} {instant(end)}" if end else grid)
        labels = {k: v for k, v in body["metadata"].items() if k not in (KEY, carry.TERMS, carry.UNTIL)}
        rest["metadata"] = {**labels, carry.REST: self.address.path[2]}
        whole = {**body, "effectiveAt": Ref("next", key, grid)}
        if end:
            whole["expiration"] = Ref("until_from_next", key, f"{grid} {instant(end)}")
        return (self._post(rest, Ref("left", key, arg), saves=""), self._post(whole))

    def _body(self, after: Resource, marks: Mapping[str, Json]) -> dict[str, Json]:
        body = self.kind.to_wire(after.spec)
        if body.get("priority") == 0:
            del body["priority"]  # an explicit 0 is refused, and is what OpenMeter takes without it
        recurrence = body.get("recurrence")
        if recurrence and "anchor" not in recurrence:
            recurrence["anchor"] = self.kind.get(after.spec, "effective_at")
        labels = self.kind.labels(after, self.context, {KEY: self.address.path[2]})
        body["metadata"] = {**body.get("metadata", {}), **labels, **marks}
        return body

    def _post(self, body: dict[str, Json], when: Ref | None = None, saves: str | None = None) -> Step:
        labels = body["metadata"]
        name = KEY if KEY in labels else carry.REST
        where: list[tuple[str, Json]] = [(f"metadata.{name}", labels[name]), ("deletedAt?", False)]
        where += [("voidedAt?", False)] if carry.SPENT not in labels else []
        if REPLACES in labels:
            where.append((f"metadata.{REPLACES}", labels[REPLACES]))
        path = (*self.path, "grants")
        saves = str(self.address) if saves is None else saves
        return Step("POST", path, body, saves=saves, find=Find(path, tuple(where), "items", ALL), when=when)


def _until(end: datetime | None) -> dict[str, Json]:
    """The label that remembers an end which OpenMeter may not be able to count exactly."""
    return {carry.UNTIL: instant(end)} if end else {}


def void(grant: str | Ref, at: Json = None, when: Ref | None = None) -> Step:
    """Void a grant, now or at a time that is past; one that is voided already is done."""
    query = (("at", at),) if at is not None else ()
    path = ("api", "v1", "grants", grant)
    return Step("DELETE", path, query=query, gone=True, done="already voided", when=when)


def void_wholly(grant: Mapping[str, Any], period: Mapping[str, Json], now: datetime) -> Step:
    """Void one that should never have been: from its start on, or the period's, where OpenMeter takes no earlier time.
    So what was used meanwhile is burnt from the others after all."""
    start = max(parse_instant(grant["effectiveAt"]), parse_instant(period["from"]))
    return void(grant["id"], instant(start)) if start <= now else void(grant["id"])


def void_older(grant: Mapping[str, Any], newer: Mapping[str, Any], period: Mapping[str, Json], now: datetime) -> Step:
    """Void the older of two of one name: from when the newer begins where that replaces it, else from its start."""
    ours, theirs = ((g.get("metadata") or {}).get(REPLACES) for g in (newer, grant))
    if ours is None or ours == theirs:  # the label names what the plan saw, of which the older may be a copy
        return void_wholly(grant, period, now)
    begins = parse_instant(newer["effectiveAt"])
    return void(grant["id"], instant(begins)) if begins <= now else void(grant["id"])


# -- what only apply knows -----------------------------------------------------------------------


def resolve(ref: Ref, known: Known) -> Json:
    """References of a replace, from its reads: `minute`; `measured`, when its value is read; `old_id`; `rest_id` (of
    the remainder of a recurring one, None without); `from` "<start>" and `until_from` "<start> <end>", the start being
    no earlier than the period and this minute; `left` and `none_left` "<old amount> <new amount>"; for a recurring one,
    with "<anchor> <interval>" first: `next`, `until_next` "[<end>]" and `until_from_next` "<end>".
    """
    minute = to_minute(known.now)
    args = ref.arg.split(" ")
    match ref.what:
        case "minute":
            return instant(minute)
        case "measured":
            return instant(carry.measured_at(known.now, known.readings["entitlement"]))
        case "old_id":
            return _old(known).get("id")
        case "rest_id":
            return _rest_id(known)
        case "from":
            return instant(_start(args[0], known))
        case "until_from":
            return carry.wire_term(term_until(parse_instant(args[1]), _start(args[0], known)))
        case "left" | "none_left":
            left = _left(args, known)
            return (f.amount_to_wire(f.amount(str(left))) or None) if ref.what == "left" else not left
    following = next_on_grid(parse_instant(args[0]), parse_interval(args[1]), minute)
    if ref.what == "next":
        return instant(following)
    end = parse_instant(args[2]) if len(args) > 2 else following
    if ref.what == "until_next":
        return carry.wire_term(term_until(min(following, end), _start(args[0], known)))
    return carry.wire_term(term_until(end, following))


def _start(declared: str, known: Known) -> datetime:
    period = known.readings["entitlement"]["currentUsagePeriod"]
    return max(parse_instant(declared), parse_instant(period["from"]), to_minute(known.now))


def _old(known: Known) -> Mapping[str, Any]:
    """The grant that is replaced, as it was when the reads were made; a write has answered since."""
    items = known.readings["grants"]["items"]
    return next((g for g in items if g["id"] == known.readings["id"]), {})


def _rest_id(known: Known) -> str | None:
    name = (_old(known).get("metadata") or {}).get(KEY)
    for grant in known.readings["grants"]["items"]:
        if name and (grant.get("metadata") or {}).get(carry.REST) == name and not grant.get("voidedAt"):
            return str(grant["id"])
    return None


def _left(amounts: list[str], known: Known) -> Decimal:
    """What the new terms leave: their amount less what was burnt of the old one."""
    old, new = (Decimal(a) for a in amounts)
    grant, minute = _old(known), to_minute(known.now)
    balances = carry.balances_of(known.readings["value"]) or {}
    if not grant or parse_instant(grant["effectiveAt"]) > minute:
        rest = _rest_id(known)
        balance = Decimal(repr(float(balances[rest]))) if rest is not None and rest in balances else old
    else:
        balance = Decimal(repr(float(balances.get(grant["id"], 0))))
    return max(Decimal(0), new - max(Decimal(0), old - balance))
