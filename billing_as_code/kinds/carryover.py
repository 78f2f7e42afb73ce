"""Carrying grants over an override.

OpenMeter cannot change an entitlement: an override makes a new one from its body and voids every grant of the old one.
What was left of each grant at the start of the usage period is made again on the new entitlement, effective from there
and with the same end, so that the period's usage burns it down to where it was. Pure functions on wire forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from billing_as_code.kinds.base import KEY
from billing_as_code.kinds.listings import labels_in
from billing_as_code.kinds.times import (
    Term,
    instant,
    next_on_grid,
    parse_instant,
    parse_interval,
    term_before,
    term_until,
    to_minute,
)
from billing_as_code.model import Json, canonical_json

CARRIED, FROM, REST, TERMS = "bac.carried", "bac.from", "bac.rest", "bac.terms"
ISSUED, SPENT, AGAIN, UNTIL = "bac.issued", "bac.spent", "bac.again", "bac.until"
Wire = Mapping[str, Any]
Entry = dict[str, Any]
"""A grant to be made again: {from, part, amount, effective_at, priority?, expires_at?, expiration?, voided_at?,
max_rollover_amount, min_rollover_amount, recurrence?: {interval, anchor}, metadata?, annotations?}; a spent one is
{from, part, spent: true, metadata?}. A recurring grant has two parts, the "rest" until it recurs and "recurring"."""


def is_issued(grant: Wire) -> bool:
    """The automatic grant of `issue`, or our stand-in for one that a refused override took."""
    annotations = grant.get("annotations") or {}
    return bool(annotations.get("issueAfterReset")) or (grant.get("metadata") or {}).get(ISSUED) == "true"


def is_spent(grant: Wire) -> bool:
    """A grant that was voided as soon as it was made, to say that its terms leave nothing."""
    return (grant.get("metadata") or {}).get(SPENT) == "true"


def ends(grant: Wire) -> datetime | None:
    """When a grant stops: its expiry, or the moment it was voided."""
    found = [parse_instant(grant[name]) for name in ("expiresAt", "voidedAt") if grant.get(name)]
    return min(found) if found else None


def understood(grant: Wire) -> None:
    """Raises KeyError, TypeError, ValueError or AttributeError where a grant is not as OpenMeter shows them.

    Any grant of an entitlement may have to be made again, whoever made it.
    """
    instants = [
        grant["createdAt"],
        grant["effectiveAt"],
        *(grant[n] for n in ("expiresAt", "voidedAt", "deletedAt") if grant.get(n) is not None),
    ]
    if (recurrence := grant.get("recurrence")) is not None:
        instants.append(recurrence["anchor"])
        parse_interval(recurrence["intervalISO"])
    for text in instants:
        parse_instant(text)
    if grant["amount"].__class__ not in (int, float):
        raise TypeError(f"amount {grant['amount']!r}")
    for name in ("metadata", "annotations"):
        labels_in(grant, name)


def measured_at(now: datetime, entitlement: Wire) -> datetime:
    """The minute for which the value of an entitlement can be asked: the one that runs, or the next where it was made
    in this one, since OpenMeter answers `{}` for any time before that (recording val_time_parameter)."""
    minute = to_minute(now)
    made = entitlement.get("activeFrom") or entitlement.get("createdAt")
    return minute + timedelta(minutes=1) if made and parse_instant(made) > minute else minute


def to_carry(grants: Iterable[Wire], start: datetime) -> list[Wire]:
    """The grants that live or lived in the period that began at `start`, in the order of their creation."""
    mine = [g for g in grants if not is_issued(g) and not g.get("deletedAt")]
    alive = [g for g in mine if is_spent(g) or (end := ends(g)) is None or end > start]
    return sorted(alive, key=lambda g: (g["createdAt"], g["id"]))


def parts_of(grant: Wire, start: datetime) -> tuple[str, ...]:
    """What one grant becomes: "whole", or for a recurring one from before the period "rest" and "recurring", or "last"
    where it recurs no more."""
    recurrence = grant.get("recurrence")
    if not recurrence or parse_instant(grant["effectiveAt"]) >= start:
        return ("whole",)
    end = ends(grant)
    return ("last",) if end is not None and _next_recurrence(grant, start) >= end else ("rest", "recurring")


def entries(
    grants: Iterable[Wire],
    start: datetime,
    value: Wire,
    now: datetime,
    terms: Callable[[Wire], str],
    earliest: datetime | None = None,
) -> list[Entry]:
    """What is to be made again, spent ones included.

    `value` is the entitlement's value at `start`; where it is empty the entitlement is younger than its period, and the
    grants' own amounts count. `terms` gives the declared terms of a grant that has a key. A copy that cannot begin at
    `start` and end as it must begins later, or earlier where `earliest` allows it.
    """
    starts = Starts(start, earliest if earliest is not None else start)
    balances = balances_of(value)
    found: list[Entry] = []
    for grant in to_carry(grants, start):
        stands_for = standing(grant)
        if stands_for.get("start") == instant(start):
            found += _stood_for(grant, stands_for)
        else:
            found += [_entry(grant, part, starts, balances, now, terms) for part in parts_of(grant, start)]
    return found


def balances_of(value: Wire) -> Mapping[str, Any] | None:
    """What a metered value says to be left of each grant; None where there is no value, or no grant in it. Raises
    ValueError where it is no such value: taken for an empty one, it would give back what was burnt."""
    found = value.get("grantBalances")
    if (value and "balance" not in value) or not (found is None or isinstance(found, dict)):
        raise ValueError("no value of a metered entitlement")
    return found


def standing(grant: Wire) -> dict[str, Json]:
    """What a grant says that it stands for, {} for most: a refused override had voided another one, which counts up to
    that moment all the same. `start` is that of the period then, `entries` are what the other was at that start, and
    `of` and `recurs` tell which entry of an earlier override the other was the copy of."""
    try:
        found = json.loads((grant.get("metadata") or {}).get(AGAIN) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("entries"), list) else {}


def _stood_for(grant: Wire, stands_for: Mapping[str, Any]) -> list[Entry]:
    """The entries of a grant that stands for another, cut off where it was voided itself."""
    own = [{**e, "from": grant["id"]} for e in stands_for["entries"] if isinstance(e, dict) and "part" in e]
    if is_spent(grant) or not grant.get("voidedAt"):
        return own
    cut = instant(parse_instant(grant["voidedAt"]))
    before = [e for e in own if e.get("spent") or parse_instant(e["effective_at"]) < parse_instant(cut)]
    return [e if e.get("spent") else {**e, "voided_at": min(cut, e.get("voided_at", cut))} for e in before]


class Starts(NamedTuple):
    """When copies begin, and how much before that they may."""

    at: datetime
    earliest: datetime


def _next_recurrence(grant: Wire, start: datetime) -> datetime:
    recurrence = grant["recurrence"]
    return next_on_grid(parse_instant(recurrence["anchor"]), parse_interval(recurrence["intervalISO"]), start)


def _entry(
    grant: Wire,
    part: str,
    starts: Starts,
    balances: Wire | None,
    now: datetime,
    terms: Callable[[Wire], str],
) -> Entry:
    start = starts.at
    effective = parse_instant(grant["effectiveAt"])
    older = effective < start
    amount = grant["amount"]
    if older and part != "recurring" and balances is not None:
        amount = balances.get(grant["id"], 0)
    metadata = labels_of(grant, terms)
    if KEY in metadata and part == "rest":
        metadata = {k: v for k, v in metadata.items() if k not in (KEY, TERMS)} | {REST: metadata[KEY]}
    entry: Entry = {"from": grant["id"], "part": part}
    if not amount or is_spent(grant):
        return entry | {"spent": True} | ({"metadata": metadata} if KEY in metadata else {})
    begin = effective if not older else start if part != "recurring" else _next_recurrence(grant, start)
    entry |= {"amount": amount, "effective_at": instant(begin)}
    entry |= {"priority": grant["priority"]} if grant.get("priority") else {}
    entry |= {name: grant[wire] for name, wire in ROLLOVER if grant.get(wire) is not None}
    if part in ("whole", "recurring") and grant.get("recurrence"):
        entry["recurrence"] = {
            "interval": grant["recurrence"]["intervalISO"],
            "anchor": grant["recurrence"]["anchor"],
        }
    entry |= _end(grant, part, begin, older, now, starts)
    if until := entry.pop("until", None):
        metadata |= {UNTIL: until}
    annotations = {k: v for k, v in (grant.get("annotations") or {}).items() if k != "issueAfterReset"}
    entry |= {"annotations": annotations} if annotations else {}
    return entry | ({"metadata": metadata} if metadata else {})


def labels_of(grant: Wire, terms: Callable[[Wire], str]) -> dict[str, str]:
    """The labels that a copy of a grant shall carry, but for what it is a copy of."""
    labels = {k: v for k, v in (grant.get("metadata") or {}).items() if k not in (FROM, CARRIED, AGAIN, UNTIL)}
    return labels | ({TERMS: terms(grant)} if KEY in labels else {})


ROLLOVER = (("max_rollover_amount", "maxRolloverAmount"), ("min_rollover_amount", "minRolloverAmount"))


def _end(grant: Wire, part: str, begin: datetime, older: bool, now: datetime, starts: Starts) -> Entry:
    """The end of a copy, in OpenMeter's terms: an expiration that ends when the grant did, or a void at that time."""
    until = (grant.get("metadata") or {}).get(UNTIL)
    stated = until if until and grant.get("expiresAt") else grant.get("expiresAt")
    expires = parse_instant(stated) if stated else None
    voided = parse_instant(grant["voidedAt"]) if grant.get("voidedAt") else None
    if part == "rest" and (recurs := _next_recurrence(grant, starts.at)) < (expires or recurs + timedelta(1)):
        expires = recurs
    out: Entry = {}
    if expires is not None:
        out["expires_at"] = instant(expires)
        if not older and part == "whole":
            out |= {"expiration": dict(grant["expiration"])} | ({"until": until} if until else {})
        else:
            # a remainder ends sooner than what it is left of, so it would burn before that
            out |= _term(expires, begin, now, starts.earliest if part != "rest" else begin)
    if voided is not None and (expires is None or voided < expires):
        out["voided_at"] = instant(voided)
    return out


def _term(expires: datetime, begin: datetime, now: datetime, earliest: datetime) -> Entry:
    """The start and the expiration of a copy, and the void that cuts it off where its end is past."""
    term = term_before(expires, begin, earliest) if earliest < begin else None
    term = term or term_until(expires, begin, now if expires > now else None)
    out: Entry = {"effective_at": instant(term.start), "expiration": wire_term(term)}
    if term.end != expires:  # cut off where that is past, else remembered, so that the next copy ends no later still
        out |= {"voided_at" if expires <= now else "until": instant(expires)}
    return out


def wire_term(term: Term) -> Entry:
    """The expiration of a term, as OpenMeter takes it."""
    return {"duration": term.duration.upper(), "count": term.units}


def body(entry: Entry) -> dict[str, Json]:
    """The POST of an entry that is not spent."""
    metadata = {**entry.get("metadata", {}), FROM: entry["from"]}
    out: dict[str, Json] = {"amount": entry["amount"], "effectiveAt": entry["effective_at"]}
    for name, wire in (
        ("priority", "priority"),
        *ROLLOVER,
        ("expiration", "expiration"),
        ("recurrence", "recurrence"),
        ("annotations", "annotations"),
    ):
        if name in entry:
            out[wire] = entry[name]
    return {**out, "metadata": metadata}


def is_copy(grant: Wire, entry: Entry) -> bool:
    """Whether a live grant is the copy that an entry speaks of, or stands for that copy."""
    source, recurs = (grant.get("metadata") or {}).get(FROM), bool(grant.get("recurrence"))
    known: list[tuple[Json, Json]] = [(source, recurs)]
    if stands_for := standing(grant):
        known.append((stands_for.get("of"), stands_for.get("recurs")))
    return (entry["from"], "recurrence" in entry) in known


def issued_again(grants: Iterable[Wire], since: datetime, value: Wire, period_end: datetime) -> list[Entry]:
    """Stand-ins for issued grants that a refused override took: nothing else makes them again. What is marked so is
    never carried over, since the next override issues anew. `value` is that at `since`; one that had nothing left then
    is there again when the period ends."""
    balances = balances_of(value) or {}
    found: list[Entry] = []
    for grant in grants:
        if not is_issued(grant) or grant.get("voidedAt"):
            continue
        began = parse_instant(grant["effectiveAt"]) < since
        left = balances.get(grant["id"], 0) if began and balances else grant["amount"]
        entry: Entry = {"from": grant["id"], "part": "whole", "amount": left or grant["amount"]}
        entry |= {"effective_at": instant(since if left else period_end), "metadata": {ISSUED: "true"}}
        entry |= {"priority": grant["priority"]} if grant.get("priority") else {}
        found.append(entry | {name: grant[wire] for name, wire in ROLLOVER})
    return found


def missing(found: Sequence[Entry], grants: Sequence[Wire]) -> list[Entry]:
    """The entries whose copy was never made; a spent one needs none."""
    return [e for e in found if not e.get("spent") and not any(is_copy(g, e) for g in grants)]


def doubled(grants: Sequence[Wire]) -> list[Wire]:
    """The copies of one grant beyond the first: a write that timed out and landed after it was sent again."""
    seen: set[tuple[str, bool]] = set()
    out: list[Wire] = []
    for grant in sorted(grants, key=lambda g: (g["createdAt"], g["id"])):
        source = (grant.get("metadata") or {}).get(FROM)
        if source is None or grant.get("voidedAt") or grant.get("deletedAt"):
            continue
        if (source, bool(grant.get("recurrence"))) in seen:
            out.append(grant)
        seen.add((source, bool(grant.get("recurrence"))))
    return out


def dump(found: Sequence[Entry]) -> str:
    return canonical_json(list(found))


def load(text: str | None) -> list[Entry]:
    """The entries in a label; none where it is no text of ours (somebody else may have written it)."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [e for e in found if isinstance(e, dict) and "from" in e] if isinstance(found, list) else []
