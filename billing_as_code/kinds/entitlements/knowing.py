"""What only apply can know of an entitlement: its period, and what is left of its grants."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import Known
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.times import instant, parse_instant, term_until, to_minute
from billing_as_code.model import Json, Ref

_COPY = {"left": "amount", "start": "effective_at", "expiration": "expiration", "void_at": "voided_at"}


def resolve(ref: Ref, known: Known) -> Json:
    """The value of a reference: `minute` (of the reads), `measured` (when its value is read), `period_start`,
    `period_end`, `period` (JSON text), `replaced_id`, `refused_minute` (in which a refused override took its grants),
    `carried` (the label's text); for a grant of it `later_of` and `until` "<start> [<end>]"; and of one copy
    ("<grant> <part>") `left`, `start`, `expiration` and `void_at`, None where nothing of it is left.
    """
    item = known.readings.get("now") or {}
    period: Mapping[str, str] = item.get("currentUsagePeriod") or known.facts.get("period") or {}
    match ref.what:
        case "minute":
            return instant(to_minute(known.now))
        case "measured":
            return instant(carry.measured_at(known.now, item))
        case "period_start":
            return period["from"]
        case "period_end":
            return period["to"]
        case "period":
            return json.dumps({**period, "anchor": item["usagePeriod"]["anchor"]}, sort_keys=True)
        case "replaced_id":
            return item.get("id", "")
        case "refused_minute":
            return instant(refused_minute(known))
        case "later_of" | "until":
            declared, _, end = ref.arg.partition(" ")
            start = max(parse_instant(declared), parse_instant(period["from"]))
            term = term_until(parse_instant(end), start, to_minute(known.now)) if end else None
            if ref.what == "until":
                return carry.wire_term(term) if term else None
            return instant(term.start if term else start)
        case "carried":
            given_up = ref.arg.split()
            return carry.dump([e for e in _entries(known) if e["from"] not in given_up])
    source, _, part = ref.arg.partition(" ")
    entry = next((e for e in _entries(known) if e["from"] == source and e["part"] == part), {})
    return entry.get(_COPY[ref.what])


def refused_minute(known: Known) -> datetime:
    """When a refused override voided the grants; this minute where it did not."""
    stamps = [parse_instant(g["deletedAt"]) for g in known.readings["grants_after"]["items"] if g.get("deletedAt")]
    return to_minute(max(stamps, default=known.now))


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
