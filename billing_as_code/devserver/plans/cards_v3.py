"""Phases and rate cards in v3 (`api/v3/handlers/plans/convert.go`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..aggregation import as_number
from ..durations import DurationError, parse_duration
from ..gojson import dump_compact
from ..labels import to_metadata
from ..problems import internal, invalid
from .cards import FLAT_FEE, USAGE_BASED, Phase, Price, RateCard, TaxConfig, Template, Tier, UnitConfig
from .numbers import as_float32, plain, plain_or_none, through_float32

Json = Mapping[str, Any]
Shown = dict[str, Any]
_FLAT = ("free", "flat")


def duration(text: str) -> str:
    """A duration in OpenMeter's own form; 500 for one that only looks right, as there."""
    try:
        return str(parse_duration(text))
    except DurationError:
        raise internal() from None


def phases_from_v3(bodies: Sequence[Json]) -> tuple[Phase, ...]:
    """The phases of a body."""
    return tuple(
        Phase(
            key=body["key"],
            name=body["name"],
            duration=duration(body["duration"]) if body.get("duration") is not None else None,
            cards=tuple(_card(card) for card in body["rate_cards"]),
            description=body.get("description"),
            metadata=to_metadata(body.get("labels")),
        )
        for body in bodies
    )


def _card(body: Json) -> RateCard:
    """A rate card: what it costs decides its type. A usage price without a cadence gets one of no length."""
    is_flat = body["price"]["type"] in _FLAT
    cadence = duration(body["billing_cadence"]) if body.get("billing_cadence") is not None else None
    discounts = body.get("discounts") or {}
    percentage = discounts.get("percentage")
    return RateCard(
        type=FLAT_FEE if is_flat else USAGE_BASED,
        key=body["key"],
        name=body["name"],
        description=body.get("description"),
        metadata=to_metadata(body.get("labels")),
        feature_id=body["feature"]["id"] if "feature" in body else None,
        template=_template(body["entitlement"], cadence) if "entitlement" in body else None,
        tax=_tax(body["tax_config"]) if "tax_config" in body else None,
        price=_price(body),
        currency=body.get("currency"),
        percentage_discount=None if percentage is None else through_float32(percentage),
        usage_discount=plain_or_none(discounts.get("usage")),
        unit_config=_unit_config(body["unit_config"]) if "unit_config" in body else None,
        cadence=cadence if is_flat else cadence or "P0D",
    )


def _template(body: Json, cadence: str | None) -> Template:
    if body["type"] == "static":
        return Template("static", config=dump_compact(body.get("config")))
    if body["type"] == "boolean":
        return Template("boolean")
    period = duration(body["usage_period"]) if body.get("usage_period") is not None else "P0D"
    if period == "P0D":
        if cadence in (None, "P0D"):
            text = "metered entitlement requires usage_period when it cannot be inferred from billing_cadence"
            raise invalid(text)
        period = cadence or period
    return Template(
        "metered",
        is_soft_limit=body.get("is_soft_limit") or False,
        issue_after_reset=body.get("limit"),
        usage_period=period,
    )


def _tax(body: Json) -> TaxConfig:
    return TaxConfig(body.get("behavior"), body["code"]["id"])


def _unit_config(body: Json) -> UnitConfig:
    rounding = body.get("rounding") or ""
    rounds = rounding not in ("", "none")
    return UnitConfig(
        body["operation"],
        plain(body["conversion_factor"]),
        rounding,
        body.get("precision") or 0 if rounds else 0,
        body.get("display_unit"),
    )


def _price(card: Json) -> Price | None:
    """A card's price; commitments on a flat one are dropped."""
    body = card["price"]
    if body["type"] == "free":
        return None
    if body["type"] == "flat":
        return Price("flat", plain(body["amount"]), card.get("payment_term") or "in_advance")
    commitments = card.get("commitments") or {}
    is_unit = body["type"] == "unit"
    return Price(
        "unit" if is_unit else "tiered",
        amount=plain(body["amount"]) if is_unit else None,
        mode=None if is_unit else body["type"],
        tiers=() if is_unit else tuple(_tier(tier) for tier in body["tiers"]),
        minimum_amount=plain_or_none(commitments.get("minimum_amount")),
        maximum_amount=plain_or_none(commitments.get("maximum_amount")),
    )


def _tier(body: Json) -> Tier:
    flat, unit = body.get("flat_price"), body.get("unit_price")
    return Tier(
        plain_or_none(body.get("up_to_amount")),
        None if flat is None else plain(flat["amount"]),
        None if unit is None else plain(unit["amount"]),
    )


def phase_v3(phase: Phase) -> Shown:
    """A phase; its labels are never shown."""
    shown: Shown = {"key": phase.key, "name": phase.name}
    if phase.description is not None:
        shown["description"] = phase.description
    if phase.duration is not None:
        shown["duration"] = phase.duration
    return shown | {"rate_cards": [card_v3(card) for card in phase.cards]}


def card_v3(card: RateCard) -> Shown:
    """A rate card; its labels are never shown."""
    shown: Shown = {"key": card.key, "name": card.name, "price": _price_v3(card.price)}
    is_flat_fee = card.type == FLAT_FEE
    optional = {
        "description": card.description,
        "discounts": _discounts_v3(card),
        "tax_config": _tax_v3(card.tax),
        "currency": card.currency,
        "feature": None if card.feature_id is None else {"id": card.feature_id},
        "billing_cadence": card.cadence,
        "payment_term": card.price.payment_term if is_flat_fee and card.price is not None else None,
        "commitments": None if is_flat_fee or card.price is None else _commitments_v3(card.price),
        "entitlement": None if card.template is None else _template_v3(card.template),
        "unit_config": _unit_config_v3(card),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _price_v3(price: Price | None) -> Shown:
    """A price in v3's words: dynamic and package prices are unit prices beside a unit config."""
    if price is None:
        return {"type": "free"}
    if price.type == "tiered":
        return {"type": price.mode, "tiers": [_tier_v3(tier) for tier in price.tiers]}
    if price.type == "flat":
        return {"type": "flat", "amount": price.amount}
    return {"type": "unit", "amount": "1" if price.type == "dynamic" else price.amount}


def _tier_v3(tier: Tier) -> Shown:
    shown: Shown = {}
    if tier.up_to_amount is not None:
        shown["up_to_amount"] = tier.up_to_amount
    if tier.flat_amount is not None:
        shown["flat_price"] = {"type": "flat", "amount": tier.flat_amount}
    if tier.unit_amount is not None:
        shown["unit_price"] = {"type": "unit", "amount": tier.unit_amount}
    return shown


def _discounts_v3(card: RateCard) -> Shown | None:
    shown: Shown = {}
    if card.percentage_discount is not None:
        shown["percentage"] = as_number(as_float32(card.percentage_discount))
    if card.usage_discount is not None:
        shown["usage"] = card.usage_discount
    return shown or None


def _tax_v3(tax: TaxConfig | None) -> Shown | None:
    """A tax config that names a code; one with a behaviour alone is not shown."""
    if tax is None or tax.tax_code_id is None:
        return None
    shown: Shown = {"code": {"id": tax.tax_code_id}}
    return shown if tax.behavior is None else shown | {"behavior": tax.behavior}


def _commitments_v3(price: Price) -> Shown | None:
    limits = {"minimum_amount": price.minimum_amount, "maximum_amount": price.maximum_amount}
    return {name: limit for name, limit in limits.items() if limit is not None} or None


def _template_v3(template: Template) -> Shown:
    if template.type == "boolean":
        return {"type": "boolean"}
    if template.type == "static":
        return {"type": "static", "config": _config_v3(template.config or "")}
    shown: Shown = {
        "type": "metered",
        "is_soft_limit": template.is_soft_limit,
        "usage_period": template.usage_period,
    }
    if template.issue_after_reset is not None:
        shown["limit"] = as_number(template.issue_after_reset)
    return shown


def _config_v3(text: str) -> Any:
    """A static entitlement's setting as JSON; text that is none is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unit_config_v3(card: RateCard) -> Shown | None:
    """A stored unit config, or the one that v1's dynamic and package prices amount to."""
    config, price = card.unit_config, card.price
    if config is not None:
        shown: Shown = {"operation": config.operation, "conversion_factor": config.conversion_factor}
        if config.display_unit is not None:
            shown["display_unit"] = config.display_unit
        if config.rounding not in ("", "none"):
            shown |= {"rounding": config.rounding, "precision": config.precision}
        return shown
    if price is not None and price.type == "dynamic":
        return {"operation": "multiply", "conversion_factor": price.multiplier}
    if price is not None and price.type == "package":
        return {"operation": "divide", "conversion_factor": price.quantity_per_package, "rounding": "ceiling"}
    return None
