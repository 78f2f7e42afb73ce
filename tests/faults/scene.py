"""The apply that everything is done to: 100 mixed changes of every kind, with a replace cascade, overrides that carry
grants over, subject keys that change hands, and deletes; on a server with usage, and with what another hand has.

`BEFORE` is what is live, `AFTER` what the catalog says when the faults begin.
"""

from __future__ import annotations

import copy
from typing import Any

Catalog = dict[str, Any]

CREATED, CHANGED = "2026-11-20T08:00:20Z", "2026-11-24T12:30:20Z"
MONTHLY = {"interval": "month", "anchor": "2026-11-01T00:00:00Z"}
DAILY = {"interval": "day", "anchor": "2026-11-01T06:00:00Z"}
PAST = "current_period_start"
SIZE = 100
"""The changes of the apply."""

PARTNER = "/api/v2/customers/partner/entitlements"
BIG = [f"big{n}" for n in range(4)]
"""Customers with metered limits, grants and usage."""
SMALL = [f"small{n}" for n in range(10)]
"""Customers with a switch and a value."""


def _metered(amount: int, **more: Any) -> dict[str, Any]:
    base = {"type": "metered", "usage_period": DAILY, "measure_usage_from": PAST}
    return {**base, "issue": {"amount": amount, "priority": 200}, **more}


def _grants() -> dict[str, Any]:
    begun = "2026-11-20T08:00:00Z"
    again = {"interval": "PT12H", "anchor": "2026-11-20T09:00:00Z"}
    return {
        "gift": {"amount": 100, "effective_at": begun, "priority": 1},
        "short": {
            "amount": 40,
            "effective_at": "2026-11-23T08:00:00Z",
            "priority": 2,
            "expiration": {"duration": "day", "count": 1},
        },
        "again": {"amount": 5, "effective_at": begun, "priority": 3, "recurrence": again},
    }


BEFORE: Catalog = {
    "meters": {
        "tokens": {"event_type": "prompt", "aggregation": "sum", "value_property": "$.n", "dimensions": {"m": "$.m"}},
        "calls": {"event_type": "call", "aggregation": "count"},
        "old": {"event_type": "old", "aggregation": "count"},
        **{f"plain{n}": {"event_type": f"plain{n}", "aggregation": "count"} for n in range(6)},
    },
    "features": {
        "ai": {"name": "AI", "meter": "tokens"},
        "api": {"name": "API", "meter": "calls"},
        "large": {"meter": "tokens", "filters": {"m": {"eq": "large"}}},
        "legacy": {"meter": "old"},
        "sso": {},
        "seats": {},
        **{f"switch{n}": {} for n in range(4)},
    },
    "customers": {
        **{key: {"name": key, "subjects": [f"{key}-a"], "currency": "USD"} for key in BIG},
        **{key: {"name": key, "subjects": [f"{key}-a"]} for key in SMALL},
        **{f"leaver{n}": {"name": "Leaver", "subjects": [f"leaver{n}-a"]} for n in range(3)},
    },
    "subjects": {f"{key}-a": {"display_name": key} for key in SMALL[:6]},
    "entitlements": {
        **{
            key: {"ai": _metered(50), "api": {"type": "metered", "usage_period": MONTHLY, "issue": {"amount": 20}}}
            for key in BIG
        },
        **{key: {"sso": {"type": "boolean"}, "seats": {"type": "static", "config": {"max": 5}}} for key in SMALL},
        "leaver0": {"legacy": _metered(5), "sso": {"type": "boolean"}},
        "leaver1": {"seats": {"type": "static", "config": {"max": 1}}},
    },
    "grants": {key: {"ai": _grants()} for key in BIG},
}


def _after() -> Catalog:
    out = copy.deepcopy(BEFORE)
    meters, features, customers = out["meters"], out["features"], out["customers"]
    subjects, entitlements, grants = out["subjects"], out["entitlements"], out["grants"]
    # a replace cascade: the meter, its feature, and the four entitlements to it
    meters["calls"]["event_type"] = "request"
    # deletes of a chain: a meter, its feature, the entitlement to it, and three customers
    del meters["old"], features["legacy"], meters["plain5"], features["switch3"]
    for n in range(3):
        del customers[f"leaver{n}"]
    del entitlements["leaver0"], entitlements["leaver1"]
    for n in range(5):
        meters[f"plain{n}"]["description"] = "counts"
    for n in range(3):
        meters[f"new{n}"] = {"event_type": f"new{n}", "aggregation": "count"}
    features["ai"]["unit_cost"] = {"type": "manual", "amount": "0.002"}
    features["large"]["filters"] = {"m": {"in": ["large", "huge"]}}
    features |= {f"fresh{n}": {"meter": f"new{n}"} for n in range(3)}
    for key in BIG:
        customers[key]["metadata"] = {"tier": "gold"}
    # overrides that carry grants over, and grants that change, come and go
    for n, key in enumerate(BIG):
        entitlements[key]["ai"] = _metered(80 + n, is_soft_limit=n % 2 == 1)
    grants["big0"]["ai"]["gift"]["amount"] = 130
    del grants["big1"]["ai"]["again"]
    for key in BIG:
        grants[key]["ai"]["later"] = {"amount": 7, "effective_at": "2026-12-01T00:00:00Z"}
    # subject keys that change hands: a swap, and one that is dropped and taken
    customers["small0"]["subjects"], customers["small1"]["subjects"] = ["small1-a"], ["small0-a"]
    customers["small2"]["subjects"], customers["small3"]["subjects"] = [], ["small3-a", "small2-a"]
    for key in SMALL[4:8]:
        customers[key]["name"] = f"{key} Inc."
    for key in SMALL[:3]:
        subjects[f"{key}-a"]["display_name"] = f"{key} Inc."
    del subjects["small5-a"]
    subjects["small7-a"] = {"display_name": "seventh"}
    for key in SMALL[:5]:
        entitlements[key]["seats"]["config"] = {"max": 9}
    for key in SMALL[5:8]:
        del entitlements[key]["sso"]
    for n in range(9):
        key = f"comer{n}"
        customers[key] = {"name": key, "subjects": [f"{key}-a"]}
        entitlements[key] = {"sso": {"type": "boolean"}, "ai": _metered(10)}
        grants[key] = {"ai": {"welcome": {"amount": 5, "effective_at": "2026-11-24T12:00:00Z"}}}
    return out


AFTER: Catalog = _after()

USED = [
    ("prompt", "big0", 12, "2026-11-23T10:00:30Z"),
    ("prompt", "big0-a", 9, "2026-11-24T07:30:30Z"),
    ("prompt", "big0", 6, "2026-11-24T10:00:30Z"),
    ("prompt", "big1", 170, "2026-11-24T09:00:30Z"),
    ("prompt", "big2-a", 155, "2026-11-24T11:00:30Z"),
    ("prompt", "small0-a", 3, "2026-11-24T11:00:30Z"),
    ("call", "big0", 1, "2026-11-22T10:00:30Z"),
    ("request", "big0", 1, "2026-11-22T11:00:30Z"),
    ("request", "big3", 1, "2026-11-24T10:00:30Z"),
    ("prompt", "comer0", 4, "2026-11-24T10:30:30Z"),
]
"""Type, subject, amount, time."""


def events() -> list[dict[str, Any]]:
    """The usage, as OpenMeter takes it."""
    return [
        {"specversion": "1.0", "id": str(n), "source": "t", "type": kind, "subject": subject, "time": time}
        | {"data": {"n": amount, "m": "large"}}
        for n, (kind, subject, amount, time) in enumerate(USED)
    ]
