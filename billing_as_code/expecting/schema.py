"""The JSON Schema of a test file: what `reading` holds one to, and what editors complete it by."""

from __future__ import annotations

from typing import Any

from billing_as_code.kinds.fragments import AMOUNT, EVERY, TEXT
from billing_as_code.kinds.schema import DIALECT

WHOM = "customers"
"""The field that says whom a test means."""
ACCESS, NONE = "access", "none"
TYPES = ("metered", "static", "boolean")
BOUNDS = ("equals", "at_least", "at_most")
AMOUNTS = {
    "amount": "What is issued in each period and all grants that are declared, whenever they count, together.",
    "issued": "What is issued in each period.",
    "granted": "All grants that are declared, whenever they count, together.",
}
_TEXTS = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}


def _map(about: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "description": about,
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }
    return found | ({"required": list(required)} if required else {})


def _map_or(mapping: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A map, or something short for one. Not `anyOf`, so that what is wrong inside of the map is what is told."""
    return {"if": {"type": "object"}, "then": mapping, "else": other}


def _amount(about: str) -> dict[str, Any]:
    bounds = _map("Bounds, all of which must hold.", dict.fromkeys(BOUNDS, AMOUNT))
    return {"description": about, **_map_or(bounds, AMOUNT)}


_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]}
_VALUE = _map_or(
    _map(
        "What a value must be.",
        {
            "equals": {},
            "at_least": _NUMBER,
            "at_most": _NUMBER,
            "one_of": {"type": "array", "minItems": 1},
            "exists": {"type": "boolean"},
        },
    ),
    {"type": ["string", "number", "boolean", "array"]},
)

SELECTOR = _map(
    "Which customers: those that all of this is true of.",
    {
        "key": _TEXTS | {"description": "The key, or patterns of it (*, ?, [...])."},
        "except": _TEXTS | {"description": "Keys or patterns that are not meant."},
        "metadata": {
            "type": "object",
            "additionalProperties": _TEXTS,
            "minProperties": 1,
            "description": "Labels, and what their values are, or patterns of them.",
        },
        "uses": _TEXTS | {"description": "Templates, one of which the customer's entitlements use."},
        "has": _TEXTS | {"description": "Features, all of which the customer has."},
        "allow_none": {
            "type": "boolean",
            "default": False,
            "description": "No customer need be meant; else a test that means none fails.",
        },
    },
)

EXPECTED = _map_or(
    _map(
        "What must be true of the entitlement.",
        {
            "type": {"enum": list(TYPES)},
            **{name: _amount(about) for name, about in AMOUNTS.items()},
            "period": EVERY | {"description": "The usage period's interval."},
            "soft": {"type": "boolean", "description": "Whether access stays when the limit is reached."},
            "config": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": _VALUE,
                "description": "Of a static value: dotted names of what is in it, and what that must be.",
            },
        },
    ),
    {"enum": [ACCESS, NONE]},
)

TEST = _map(
    "What must hold, and of whom.",
    {
        WHOM: {
            "description": "Whom: a key, patterns of keys (* is everybody), or a selector.",
            **_map_or(SELECTOR, _TEXTS),
        },
        "expect": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": EXPECTED,
            "description": "By feature: access, none, or what must be true of the entitlement.",
        },
        "environments": _TEXTS | {"description": "Where it must hold; everywhere where left out."},
    },
    WHOM,
    "expect",
)


def expectation_schema() -> dict[str, Any]:
    """The JSON Schema of a test file."""
    return {
        "$schema": DIALECT,
        "title": "Tests of a bac catalog",
        "description": "What must hold of the catalog, whatever is changed in it; `bac test` tells. Offline.",
        "type": "object",
        "properties": {
            "tests": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": TEST,
                "description": "Each by a sentence that says what must hold.",
            }
        },
        "required": ["tests"],
        "additionalProperties": False,
    }
