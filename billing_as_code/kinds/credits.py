"""Value, grants and history of a metered entitlement: what `looks` of entitlements and of grants are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import KEY
from billing_as_code.kinds.looks import (
    Answers,
    Cell,
    Content,
    Facts,
    Look,
    Series,
    Sight,
    Table,
    View,
    Window,
    amount,
    exact,
    moment,
    totalled,
    word,
)
from billing_as_code.kinds.moves import Used
from billing_as_code.kinds.times import instant, parse_instant
from billing_as_code.model import Address, Json, Read, Resource

Wire = Mapping[str, Any]
_SIZES = (("hour", timedelta(days=2)), ("day", timedelta(days=60)))
"""The size of a history's windows, and up to which span it is taken; beyond it is by month."""


def path_to(customer: str, feature: str, sight: Sight) -> tuple[str, ...]:
    """The entitlement of a customer by its feature; the customer by its id, since its key is free text."""
    return ("api", "v2", "customers", sight.id(Address("customers", (customer,))), "entitlements", feature)


# -- value ----------------------------------------------------------------------------------------------------------


def value_read(path: tuple[str, ...]) -> Read:
    """The value now."""
    return Read("value", (*path, "value"))


def value(path: tuple[str, ...], period: Wire | None) -> Look:
    """What may be used now, whatever the type."""
    return Look("value", "Value now", (value_read(path),), partial(_value, period))


def _value(period: Wire | None, answers: Answers) -> View:
    found = answers["value"]
    rows: list[tuple[str, Cell]] = [("access", has_access(found))]
    numbers = (("usage", "usage"), ("balance", "balance"), ("overage", "overage"))
    rows += [(name, amount(found, wire)) for name, wire in numbers if wire in found]
    if "totalAvailableGrantAmount" in found:
        rows.append(("total_available", amount(found, "totalAvailableGrantAmount")))
    if period is not None:
        rows += [("period_from", moment(period["from"])), ("period_to", moment(period["to"]))]
    if "config" in found:
        rows.append(("config", config(found["config"])))
    notes = () if found else ("OpenMeter gives it no value now: it has been superseded, or starts later.",)
    return Facts(tuple(rows), notes)


def has_access(found: Wire) -> bool:
    """OpenMeter leaves `hasAccess` out where it is false."""
    return found.get("hasAccess") is True


def used(found: Wire) -> Used:
    """A value, as its numbers. Raises KeyError, TypeError, ValueError or AttributeError where it is none."""
    if not found:
        return Used(None, None, None, {})
    left = {word(grant): exact(balance) for grant, balance in (found.get("grantBalances") or {}).items()}
    return Used(has_access(found), amount(found, "usage"), amount(found, "totalAvailableGrantAmount"), left)


def config(text: Json) -> Content:
    """The JSON of a static value, which OpenMeter carries as text."""
    return Content(json.loads(text))


# -- grants ---------------------------------------------------------------------------------------------------------


def grants(path: tuple[str, ...], parts: Iterable[Wire], sight: Sight) -> Look:
    """The grants of an entitlement as usage burns them."""
    shape = partial(_grants, tuple(parts), sight.now, sight.whole)
    return Look("grants", "Grants, in the order in which they burn", (value_read(path),), shape)


COLUMNS = ("grant", "amount", "left", "priority", "effective_at", "ends_at", "recurs", "state")


def _grants(parts: tuple[Wire, ...], now: datetime, whole: bool, answers: Answers) -> View:
    left = answers["value"].get("grantBalances", {})
    there = sorted((g for g in parts if not g.get("deletedAt")), key=burning_order)
    ordered = [
        (g, state)
        for wanted in ("active", "later", "over", "voided")
        for g in there
        if (state := state_of(g, now)) == wanted
    ]
    shown = [(g, state) for g, state in ordered if whole or state in ("active", "later")]
    rows = tuple(
        (
            name_of(g),
            exact(g["amount"]),
            amount(left, g["id"]),
            exact(g.get("priority", 0)),
            moment(g["effectiveAt"]),
            carry.ends(g),
            _recurs(g),
            state,
        )
        for g, state in shown
    )
    hidden = len(ordered) - len(shown)
    notes = (f"{hidden} more {'is' if hidden == 1 else 'are'} over or voided (--all shows them).",) if hidden else ()
    return Table(COLUMNS, rows, "There is no grant.", notes=notes)


def burning_order(grant: Wire) -> tuple[Any, ...]:
    """By priority, then what expires first, then what was made first (openmeter/credit/engine/grant.go)."""
    expires = parse_instant(grant["expiresAt"]) if grant.get("expiresAt") else None
    # the engine compares ends in whole seconds
    end = (expires is None, int(expires.timestamp()) if expires else 0)
    return grant.get("priority", 0), *end, parse_instant(grant["createdAt"]), grant["id"]


def state_of(grant: Wire, now: datetime) -> str:
    """active, later (it starts in the future), over or voided."""
    if grant.get("voidedAt"):
        return "voided"
    end = carry.ends(grant)
    if end is not None and end <= now:
        return "over"
    return "later" if parse_instant(grant["effectiveAt"]) > now else "active"


def name_of(grant: Wire) -> str:
    """The key that the catalog gives a grant, what it stands for, or its id."""
    if carry.is_issued(grant):
        return "(issued)"
    labels = grant.get("metadata") or {}
    rest = labels.get(carry.REST)
    return str(labels.get(KEY) or (f"{rest} (rest)" if rest else grant["id"]))


def _recurs(grant: Wire) -> str | None:
    recurrence = grant.get("recurrence")
    return str(recurrence["intervalISO"]) if recurrence else None


def one_grant(resource: Resource, path: tuple[str, ...], sight: Sight) -> Look:
    """What is left of a grant, and when it starts, ends and recurs."""
    wire = resource.facts["wire"]
    return Look("left", "Left of it", (value_read(path),), partial(_one_grant, wire, sight.now))


def _one_grant(wire: Wire, now: datetime, answers: Answers) -> View:
    left = answers["value"].get("grantBalances", {})
    rows: list[tuple[str, Cell]] = [
        ("state", state_of(wire, now)),
        ("amount", exact(wire["amount"])),
        ("left", amount(left, wire["id"])),
        ("effective_at", moment(wire["effectiveAt"])),
        ("ends_at", carry.ends(wire)),
        ("recurs", _recurs(wire)),
        ("next_recurrence", moment(wire.get("nextRecurrence"))),
    ]
    return Facts(tuple((name, cell) for name, cell in rows if cell is not None or name in ("left", "ends_at")))


# -- history --------------------------------------------------------------------------------------------------------


def window_size(start: datetime, now: datetime) -> str:
    """hour, day or month: fine enough to see something, and never more than some sixty windows for a year."""
    return next((size for size, most in _SIZES if now - start <= most), "month")


def history_read(path: tuple[str, ...], start: datetime, size: str) -> Read:
    """The history from an absolute start: without one OpenMeter takes the last reset, which may be years ago."""
    return Read("history", (*path, "history"), (("windowSize", size.upper()), ("from", instant(start))))


def history(path: tuple[str, ...], period: Wire, sight: Sight) -> Look:
    """Usage in the current period."""
    start = parse_instant(period["from"])
    size = window_size(start, sight.now)
    title = f"Usage by {size} in this period (UTC)"
    return Look("history", title, (history_read(path, start, size),), partial(_history, start, size))


def _history(start: datetime, size: str, answers: Answers) -> View:
    windows = tuple(
        Window(parse_instant(w["period"]["from"]), parse_instant(w["period"]["to"]), exact(w["usage"]))
        for w in answers["history"]["windowedHistory"]
    )
    if not windows:
        return Series(size, (), notes=(f"OpenMeter shows whole {size}s only, and there is none yet.",))
    first = windows[0].start
    late = (f"OpenMeter leaves out the {size} in which the period began.",) if first > start else ()
    return Series(size, windows, notes=late)


def burnt(resource: Resource, path: tuple[str, ...], period: Wire, sight: Sight) -> Look:
    """What usage burnt of a grant in the current period."""
    start = parse_instant(period["from"])
    read = history_read(path, start, window_size(start, sight.now))
    return Look("burnt", "Burnt in this period", (read,), partial(_burnt, resource.id or "", start))


def _burnt(grant_id: str, start: datetime, answers: Answers) -> View:
    segments = answers["history"]["burndownHistory"]
    used = [u for s in segments for u in s.get("grantUsages") or () if u["grantId"] == grant_id]
    return Facts((("since", start), ("burnt", totalled(exact(u["usage"]) for u in used))))
