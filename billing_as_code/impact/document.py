"""How an impact stands in JSON: amounts are decimal texts, times RFC 3339. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing_as_code.impact.values import Hit, Impact, counts
from billing_as_code.kinds.moves import Span
from billing_as_code.kinds.times import instant, parse_instant
from billing_as_code.model import Json

_AMOUNTS = ("limit", "limit_after", "usage", "expected", "least", "most")
_WORDS = (
    "customer",
    "feature",
    "outcome",
    "confidence",
    "gone",
    "soft",
    "access",
    "already",
    "growth",
    "why",
    "unasked",
)


def impact_json(impact: Impact) -> dict[str, Json]:
    """An impact as it stands in a plan file; `load_impact` reads it. What is counted there follows from the rest."""
    return {
        "at": instant(impact.at),
        "touched": impact.touched,
        "asked": impact.asked,
        "unasked": impact.unasked,
        "features": {name: _counted(impact.of(name)) for name in sorted(impact.features)},
        "hits": [_hit_json(hit) for hit in impact.hits],
    }


def _counted(hits: tuple[Hit, ...]) -> Json:
    found = counts(hits)
    return {"outcomes": dict(found.outcomes), "bands": dict(found.bands)}


def _hit_json(hit: Hit) -> dict[str, Json]:
    period = hit.period
    return {
        **{name: getattr(hit, name) for name in _WORDS},
        **{name: _text(getattr(hit, name)) for name in _AMOUNTS},
        "by": list(hit.by),
        "how": list(hit.how),
        "past": [_text(amount) for amount in hit.past],
        "period": {"from": instant(period.start), "to": instant(period.end)} if period is not None else None,
    }


def _text(amount: Decimal | None) -> str | None:
    """Exact, without an exponent or a fraction of zeros."""
    if amount is None:
        return None
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def load_impact(data: Mapping[str, Any]) -> Impact:
    """What `impact_json` wrote. Raises KeyError, TypeError, ValueError or ArithmeticError where it is something
    else."""
    hits = tuple(_hit(h) for h in data["hits"])
    return Impact(_time(data["at"]), hits, data["touched"], data["asked"], data["unasked"])


def _hit(data: Mapping[str, Any]) -> Hit:
    period = data["period"]
    told: dict[str, Any] = {name: data[name] for name in _WORDS}
    told |= {name: _amount(data[name]) for name in _AMOUNTS}
    told |= {name: tuple(data[name]) for name in ("by", "how")}
    return Hit(
        **told,
        past=tuple(_amount(amount) for amount in data["past"]),
        period=Span(_time(period["from"]), _time(period["to"])) if period is not None else None,
    )


def _amount(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None


def _time(text: str) -> datetime:
    return parse_instant(text)
