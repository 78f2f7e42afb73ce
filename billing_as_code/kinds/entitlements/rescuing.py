"""Making grants again that a refused override has voided.

OpenMeter voids an entitlement's grants before it looks at the override, and on a refusal the entitlement stays without
them. It counts what they gave up to that moment all the same, so they are made again from that minute on, with what was
left of them then. Each keeps in a label what it stands for: the next override starts from the period's start once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import KEY, Known
from billing_as_code.kinds.entitlements import wire
from billing_as_code.kinds.entitlements.knowing import refused_minute
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.grants.changing import ALL
from billing_as_code.kinds.times import instant, parse_instant, term_until
from billing_as_code.model import Address, Json, Read, Ref, Step, canonical_json


def reads(address: Address, override: Step) -> tuple[Read, ...]:
    """What to ask after an override was refused: what is left of the grants, and what they were worth."""
    own = override.path[:-1]
    at = (("time", Ref("refused_minute", str(address))),)
    start = (("time", Ref("period_start", str(address))),)
    return (
        Read("grants_after", (*own, "grants"), (("includeDeleted", "true"), *ALL)),
        Read("value_refused", (*own, "value"), at),
        Read("value_start", (*own, "value"), start),
    )


def steps(address: Address, known: Known) -> tuple[Step, ...]:
    """The requests that make again what is gone, the issued grant among them: as one that stands in for it until the
    next override issues anew."""
    item = known.readings.get("now") or {}
    lost = list(_lost(known))
    if not lost or "currentUsagePeriod" not in item:
        return ()
    minute, value = refused_minute(known), known.readings["value_refused"]
    start, end = (parse_instant(item["currentUsagePeriod"][name]) for name in ("from", "to"))
    # one that begins sooner burns nothing until the lost one is gone, since it comes right after that one
    left = _by_source(carry.entries(lost, minute, value, known.now, GRANTS.terms_of, earliest=start))
    had = _by_source(carry.entries(lost, start, known.readings["value_start"], known.now, GRANTS.terms_of))
    path = ("api", "v2", "customers", item["customerId"], "entitlements")
    made: list[Step] = []
    for entry in carry.issued_again(lost, minute, value, end):
        made += wire.remake(address, path, entry)
    for grant in sorted(lost, key=lambda g: (g["createdAt"], g["id"])):
        entries = [e for e in left.get(grant["id"], []) if not e.get("spent")]
        before = had.get(grant["id"], [])
        if not entries and not before:
            continue
        for entry in _standing(entries or [_revived(grant, end) or _spent(grant, minute)], grant, start, before):
            made += wire.remake(address, path, entry)
    return tuple(made)


def _lost(known: Known) -> Iterator[Mapping[str, Any]]:
    """The grants that the override took, as they were, without those that an earlier rescue made again."""
    after = {g["id"]: g for g in known.readings["grants_after"]["items"]}
    alive = [(g.get("metadata") or {}).get(carry.FROM) for g in after.values() if not g.get("deletedAt")]
    before = known.readings["grants"]["items"] if "grants" in known.readings else known.parts
    for grant in before:
        gone = grant["id"] in after and after[grant["id"]].get("deletedAt") and not grant.get("deletedAt")
        if gone and grant["id"] not in alive:
            yield grant


def _by_source(entries: Iterable[carry.Entry]) -> dict[str, list[carry.Entry]]:
    found: dict[str, list[carry.Entry]] = {}
    for entry in entries:
        found.setdefault(entry["from"], []).append(entry)
    return found


def _revived(grant: Mapping[str, Any], end: datetime) -> carry.Entry | None:
    """One that has nothing left, and is given its least rollover when the period ends; None where it is not."""
    amount = min(grant.get("maxRolloverAmount") or 0, grant.get("minRolloverAmount") or 0)
    over = carry.ends(grant)
    if not amount or carry.is_spent(grant) or (over is not None and over <= end):
        return None
    entry: carry.Entry = {"from": grant["id"], "part": "whole", "amount": amount, "effective_at": instant(end)}
    entry |= {"priority": grant["priority"]} if grant.get("priority") else {}
    entry |= {name: grant[wire_name] for name, wire_name in carry.ROLLOVER}
    entry |= {"metadata": carry.labels_of(grant, GRANTS.terms_of)}
    return entry | ({"expiration": carry.wire_term(term_until(over, end))} if over is not None else {})


def _spent(grant: Mapping[str, Any], minute: datetime) -> carry.Entry:
    """One that gives nothing, and says for the next override what it was; voided as soon as it begins."""
    labels = carry.labels_of(grant, GRANTS.terms_of)
    if grant.get("voidedAt") and not carry.is_spent(grant):
        labels = {k: v for k, v in labels.items() if k not in (KEY, carry.TERMS)}
    return {
        "from": grant["id"],
        "part": "whole",
        "amount": grant["amount"],
        "effective_at": instant(minute),
        "voided_at": instant(minute),
        "metadata": {**labels, carry.SPENT: "true"},
    }


def _standing(
    entries: list[carry.Entry], grant: Mapping[str, Any], start: datetime, before: list[carry.Entry]
) -> Iterator[carry.Entry]:
    """The entries with what they stand for; the first speaks for all of them."""
    earlier = carry.standing(grant)
    source = (grant.get("metadata") or {}).get(carry.FROM)
    own: dict[str, Json] = {"of": source, "recurs": bool(grant.get("recurrence"))}
    if earlier:
        own = {name: earlier.get(name) for name in own}
    speaks = {**own, "start": instant(start), "entries": before}
    silent: dict[str, Json] = {"of": None, "recurs": False, "start": instant(start), "entries": []}
    for n, entry in enumerate(entries):
        label = canonical_json(silent if n else speaks)
        yield {**entry, "metadata": {**entry.get("metadata", {}), carry.AGAIN: label}}
