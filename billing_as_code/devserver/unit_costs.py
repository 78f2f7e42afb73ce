"""What a unit of a feature costs: a fixed amount, or a price of a language model (`feature/unitcost.go`).

Stored as one mapping with snake_case names and a `type`, without what is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import internal, invalid

UnitCost = Mapping[str, str]

_PAIRS = (("provider_property", "provider"), ("model_property", "model"), ("token_type_property", "token_type"))
_LLM_FIELDS = tuple(name for pair in _PAIRS for name in pair)
_V1_NAMES = {
    "provider_property": "providerProperty",
    "provider": "provider",
    "model_property": "modelProperty",
    "model": "model",
    "token_type_property": "tokenTypeProperty",
    "token_type": "tokenType",
}
_TOKEN_TYPES = ("input", "output", "cache_read", "reasoning", "cache_write", "request", "response")


def from_v1(body: Mapping[str, Any]) -> dict[str, str]:
    """A unit cost of a v1 body."""
    return from_v3({**body} | {name: body[v1] for name, v1 in _V1_NAMES.items() if v1 in body})


def from_v3(body: Mapping[str, Any]) -> dict[str, str]:
    """A unit cost of a v3 body."""
    if body["type"] == "manual":
        return {"type": "manual", "amount": canonical_decimal(body["amount"])}
    return {"type": "llm"} | {name: body[name] for name in _LLM_FIELDS if body.get(name)}


def to_v1(cost: UnitCost) -> dict[str, str]:
    """As v1 shows it."""
    return {_V1_NAMES.get(name, name): value for name, value in cost.items()}


def validate(cost: UnitCost, dimensions: Mapping[str, str] | None) -> None:
    """Refuse what makes no sense; `dimensions` are the meter's, None where there is no meter."""
    if cost["type"] == "manual":
        if cost["amount"].startswith("-"):
            raise invalid("manual unit cost amount must be non-negative")
        return
    faults = [fault for pair in _PAIRS for fault in _pair_faults(cost, *pair)]
    token_type = cost.get("token_type")
    if token_type and token_type not in _TOKEN_TYPES:
        faults.append(f'invalid token_type "{token_type}": expected one of {", ".join(_TOKEN_TYPES)}')
    if faults:
        raise invalid("\n".join(faults))
    if dimensions is None:
        raise invalid("LLM unit cost requires a meter to be associated with the feature")
    unknown = [name for name, _ in _PAIRS if name in cost and cost[name] not in dimensions]
    if unknown:
        raise invalid("\n".join(f'{name} "{cost[name]}" not found in meter group-by keys' for name in unknown))


def replaced(old: UnitCost | None, new: UnitCost) -> dict[str, str]:
    """What is stored after a PATCH: fields of a model's price that are not given keep their value.

    Where that leaves both halves of a pair, a check of the database fails, and so does the request.
    """
    if new["type"] == "manual" or old is None or old["type"] == "manual":
        return dict(new)
    merged = {**old, **new}
    if any(by_property in merged and by_value in merged for by_property, by_value in _PAIRS):
        raise internal()
    return merged


def canonical_decimal(text: str) -> str:
    """A decimal without superfluous zeros, as OpenMeter renders it."""
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.removeprefix("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return number if number == "0" else sign + number


def _pair_faults(cost: UnitCost, by_property: str, by_value: str) -> list[str]:
    if by_property in cost and by_value in cost:
        return [f"{by_property} and {by_value} are mutually exclusive"]
    if by_property not in cost and by_value not in cost:
        return [f"either {by_property} or {by_value} is required for LLM unit cost"]
    return []
