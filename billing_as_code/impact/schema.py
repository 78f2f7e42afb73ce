"""The JSON Schema of an impact, as it stands in a plan file and in what `bac impact --json` prints."""

from __future__ import annotations

from typing import Any

from billing_as_code.impact.values import BANDS, CONFIDENCE, OUTCOMES, PAST

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_WHY = "Why something is not known: static, recounted, no_value, too_early, past_unread, or an error."
_AMOUNT: dict[str, Any] = {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _said(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return schema | {"description": description}


HIT: dict[str, Any] = _said(
    _object(
        {
            "customer": _TEXT,
            "feature": _TEXT,
            "by": _said(_TEXTS, "The addresses of the changes that take something."),
            "how": _said(
                _TEXTS,
                "What they take: gone, amount, reset, type, hard, config, grant_gone, grant, archived, recounted.",
            ),
            "outcome": {"enum": list(OUTCOMES)},
            "confidence": {"enum": list(CONFIDENCE)},
            "why": _said(_TEXT, _WHY),
            "gone": _said({"type": "boolean"}, "Nothing of it is left with the plan."),
            "soft": _said({"type": "boolean"}, "Access stays when the new limit is reached."),
            "access": _said({"type": ["boolean", "null"]}, "Whether there is access now."),
            "already": _said({"type": "boolean"}, "The outcome is the same without the plan."),
            "unasked": _said({"type": "boolean"}, "The customer's usage was left out, and this is certain without it."),
            "growth": {"enum": ["adds", "distinct", "latest", None]},
            "limit": _said(_AMOUNT, "What may be used in this period, now."),
            "limit_after": _said(_AMOUNT, "The same with the plan."),
            "usage": _said(_AMOUNT, "Used in this period so far."),
            "past": _said(
                {"type": "array", "items": _AMOUNT, "maxItems": PAST}, "Used in the last periods, the latest first."
            ),
            "expected": _said(_AMOUNT, "Usage by the end of the period."),
            "least": _said(_AMOUNT, "The same by the slowest pace that was seen."),
            "most": _said(_AMOUNT, "The same by the fastest."),
            "period": {"anyOf": [{"type": "null"}, _object({"from": _TIME, "to": _TIME})]},
        }
    ),
    "What a plan does to one customer's use of one feature.",
)

IMPACT: dict[str, Any] = _said(
    _object(
        {
            "at": _said(_TIME, "When usage was read."),
            "touched": _said(_COUNT, "Customers of whom the plan takes something."),
            "asked": _said(_COUNT, "Those of them whose usage was read."),
            "unasked": _said(_COUNT, "Those whose usage was left out, since they are too many: a sample was read."),
            "features": {
                "type": "object",
                "additionalProperties": _object(
                    {
                        "outcomes": _object(dict.fromkeys(OUTCOMES, _COUNT)),
                        "bands": _said(
                            _object({name: _COUNT for name, _ in BANDS}),
                            "What is expected by the end of the period as a share of the new limit.",
                        ),
                    }
                ),
            },
            "hits": {"type": "array", "items": {"$ref": "#/$defs/hit"}},
        }
    ),
    "Whom the plan hits. It is in neither of the plan's digests: usage goes on.",
)
