"""What a change of a grant does to what its customer may use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.grants import terms
from billing_as_code.kinds.moves import Holder, Move
from billing_as_code.kinds.times import parse_instant, parse_interval, seconds
from billing_as_code.model import Change, Resource, Spec

_NEVER = datetime.max.replace(tzinfo=UTC)
_AMOUNTS = ("amount", "max_rollover_amount", "min_rollover_amount")


def moves(kind: Kind, change: Change) -> Iterator[Move]:
    """One move: `grant_gone`, `grant` where its new terms are worse, "more" where it is new or they are not."""
    before, after = change.before, change.after
    holder = Holder(*change.address.path[:2])
    if before is not None and before.id is None:  # spent: nothing of it is left to be taken
        before = None
    if after is None:
        if before is not None:
            gone = -_amount(kind, before)
            yield Move(change.address, holder, "grant_gone", True, amount=gone, grants=_ids(before))
        return
    since = parse_instant(kind.get(after.spec, "effective_at"))
    if before is None:
        yield Move(change.address, holder, "more", False, amount=_amount(kind, after), since=since)
    elif change.action == "replace":
        down = is_worse(kind, before.spec, after.spec)
        by = _amount(kind, after) - _amount(kind, before)
        yield Move(
            change.address, holder, "grant" if down else "more", down, amount=by, since=since, grants=_ids(before)
        )


def _amount(kind: Kind, resource: Resource) -> Decimal:
    return Decimal(kind.get(resource.spec, "amount"))


def _ids(resource: Resource) -> tuple[str, ...]:
    """What it is on the server: its own grant, and the remainder of one that recurs."""
    beside = (p["id"] for p in resource.parts if not p.get("voidedAt") and not p.get("deletedAt"))
    return (resource.id or "", *beside)


def is_worse(kind: Kind, before: Spec, after: Spec) -> bool:
    """Whether the new terms give less in any way: amount, time, what is kept at a reset, how often it comes again."""
    return (
        any(Decimal(kind.get(after, n) or 0) < Decimal(kind.get(before, n) or 0) for n in _AMOUNTS)
        or parse_instant(kind.get(after, "effective_at")) > parse_instant(kind.get(before, "effective_at"))
        or (terms.end_of(kind, after) or _NEVER) < (terms.end_of(kind, before) or _NEVER)
        or _seconds(kind, after) > _seconds(kind, before)
    )


def _seconds(kind: Kind, spec: Spec) -> float:
    """How long it takes to come again, as far as months are alike."""
    interval = kind.get(spec, "recurrence.interval")
    return seconds(parse_interval(interval)) if interval is not None else float("inf")
