"""What only apply can know of an entitlement: its period, what is left of its grants, and what a refusal destroyed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import Known
from billing_as_code.kinds.entitlements import wire
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.times import instant, parse_instant, to_minute
from billing_as_code.model import Address, Json, Ref, Step

_COPY = {"left": "amount", "start": "effective_at", "expiration": "expiration", "void_at": "voided_at"}


def resolve(ref: Ref, known: Known) -> Json:
    """The value of a reference: `minute` (of the reads), `period_start`, `period_end`, `period` (JSON text),
    `replaced_id`, `carried` (the label's text); for a grant of it `later_of` "<start>" and `until` "<start> <end>";
    and of one copy ("<grant> <part>") `left`, `start`, `expiration` and `void_at`, None where nothing of it is left.
    """
    item = known.readings.get("now") or {}
    period: Mapping[str, str] = item.get("currentUsagePeriod") or known.facts.get("period") or {}
    match ref.what:
        case "minute":
            return instant(to_minute(known.now))
        case "period_start":
            return period["from"]
        case "period_end":
            return period["to"]
        case "period":
            return json.dumps({**period, "anchor": item["usagePeriod"]["anchor"]}, sort_keys=True)
        case "replaced_id":
            return item.get("id", "")
        case "later_of" | "until":
            declared, _, end = ref.arg.partition(" ")
            start = max(parse_instant(declared), parse_instant(period["from"]))
            return carry.expiration_until(parse_instant(end), start) if end else instant(start)
        case "carried":
            given_up = ref.arg.split()
            return carry.dump([e for e in _entries(known) if e["from"] not in given_up])
    source, _, part = ref.arg.partition(" ")
    entry = next((e for e in _entries(known) if e["from"] == source and e["part"] == part), {})
    return entry.get(_COPY[ref.what])


def _entries(known: Known) -> list[carry.Entry]:
    """What is to be made again, from what was read just before the override."""
    item = known.readings["now"]
    grants = known.readings["grants"]["items"] if "grants" in known.readings else []
    grants = [*grants, *unmade(item.get("metadata") or {}, grants)]
    if "value_now" in known.readings:
        start, value = to_minute(known.now), known.readings["value_now"]
    else:
        start, value = parse_instant(item["currentUsagePeriod"]["from"]), known.readings.get("value") or {}
    found = carry.entries(grants, start, value, known.now, GRANTS.terms_of)
    return [*found, *spent_before(item.get("metadata") or {})]


def spent_before(labels: Mapping[str, str]) -> list[carry.Entry]:
    """What was spent when an earlier override came: it has no grant any more, and counts as there all the same."""
    return [entry for entry in carry.load(labels.get(carry.CARRIED)) if entry.get("spent")]


def unmade(labels: Mapping[str, str], grants: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The grants that an earlier override had still to make, in the wire form that their copies would have."""
    out: list[Mapping[str, Any]] = []
    for n, entry in enumerate(carry.missing(carry.load(labels.get(carry.CARRIED)), list(grants))):
        made = {**carry.body(entry), "id": entry["from"], "createdAt": f"0000-{n:04d}"}
        made |= {"expiresAt": entry["expires_at"]} if "expires_at" in entry else {}
        made |= {"voidedAt": entry["voided_at"]} if "voided_at" in entry else {}
        if "recurrence" in entry:
            recurrence = entry["recurrence"]
            made["recurrence"] = {"intervalISO": recurrence["interval"], "anchor": recurrence["anchor"]}
        out.append(made)
    return out


def undo(address: Address, known: Known) -> tuple[Step, ...]:
    """Make the grants again that a refused override has voided: the entitlement that it left in place has none.

    The issued one is among them, as a grant that stands in for it until the next override issues anew.
    """
    item = known.readings.get("now") or {}
    left = {g["id"] for g in known.readings["grants_left"]["items"]}
    before = known.readings["grants"]["items"] if "grants" in known.readings else known.parts
    lost = [g for g in before if g["id"] not in left and not g.get("deletedAt")]
    if not lost or "currentUsagePeriod" not in item:
        return ()
    start = parse_instant(item["currentUsagePeriod"]["from"])
    value = known.readings.get("value") or {}
    entries = carry.entries(lost, start, value, known.now, GRANTS.terms_of)
    entries += carry.issued_again(lost, start, value)
    path = ("api", "v2", "customers", item["customerId"], "entitlements")
    return tuple(step for e in entries if not e.get("spent") for step in wire.remake(address, path, e))
