"""Phases and rate cards in v1 (`openmeter/productcatalog/http/mapping.go`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..aggregation import as_number
from ..durations import DurationError, parse_duration
from .cards import FLAT_FEE, Phase, Price, RateCard, TaxConfig, Template, Tier
from .numbers import plain, plain_or_none

Json = Mapping[str, Any]
Shown = dict[str, Any]


class Unreadable(Exception):
    """A body that the schema let through and OpenMeter's mapping does not; the text is what it says, inside out."""

    def within(self, context: str) -> Unreadable:
        return Unreadable(f"{context}: {self}")


def duration(text: str) -> str:
    """A duration in OpenMeter's own form. Raises Unreadable."""
    try:
        return str(parse_duration(text))
    except DurationError as error:
        raise Unreadable(f"failed to parse duration '{text}': {error}") from None


def phases_from_v1(bodies: Sequence[Json]) -> tuple[Phase, ...]:
    """The phases of a body. Raises Unreadable."""
    try:
        return tuple(_phase(body) for body in bodies)
    except Unreadable as error:
        raise error.within("failed to cast PlanPhase") from None


def _phase(body: Json) -> Phase:
    try:
        length = None if body["duration"] is None else duration(body["duration"])
    except Unreadable as error:
        raise error.within("validation error: invalid duration: failed to cast to period") from None
    return Phase(
        key=body["key"],
        name=body["name"],
        duration=length,
        cards=tuple(card_from_v1(card) for card in body["rateCards"]),
        description=body.get("description"),
        metadata=body.get("metadata") or None,
    )


def card_from_v1(body: Json) -> RateCard:
    """A rate card of a body. Raises Unreadable."""
    kind = "FlatFeeRateCard" if body["type"] == FLAT_FEE else "UsageBasedRateCard"
    try:
        return _card(body)
    except Unreadable as error:
        raise error.within(f"failed to cast ratecard: failed to cast {kind}") from None


def _card(body: Json) -> RateCard:
    try:
        cadence = None if body["billingCadence"] is None else duration(body["billingCadence"])
    except Unreadable as error:
        raise error.within("failed to cast BillingCadence") from None
    discounts = body.get("discounts") or {}
    is_flat_fee = body["type"] == FLAT_FEE
    return RateCard(
        type=body["type"],
        key=body["key"],
        name=body["name"],
        description=body.get("description"),
        metadata=body.get("metadata") or None,
        feature_key=body.get("featureKey"),
        template=_template(body["entitlementTemplate"], cadence) if body.get("entitlementTemplate") else None,
        tax=_tax(body["taxConfig"]) if body.get("taxConfig") is not None else None,
        price=None if body["price"] is None else _price(body["price"], is_flat_fee=is_flat_fee),
        percentage_discount=discounts["percentage"]["percentage"] if "percentage" in discounts else None,
        usage_discount=plain(discounts["usage"]["quantity"]) if "usage" in discounts else None,
        cadence=cadence,
    )


def _template(body: Json, cadence: str | None) -> Template:
    metadata = body.get("metadata") or None
    if body["type"] != "metered":
        return Template(body["type"], metadata, config=body.get("config"))
    try:
        period = duration(body["usagePeriod"]) if body.get("usagePeriod") is not None else "P0D"
    except Unreadable as error:
        context = "failed to cast EntitlementTemplate: failed to cast UsagePeriod for Metered EntitlementTemplate"
        raise error.within(context) from None
    if period == "P0D":
        if cadence in (None, "P0D"):
            why = "missing UsagePeriod for Metered EntitlementTemplate where cannot infer from BillingCadence"
            raise Unreadable(f"failed to cast EntitlementTemplate: validation error: {why}")
        period = cadence
    return Template(
        "metered",
        metadata,
        is_soft_limit=body.get("isSoftLimit") or False,
        issue_after_reset=body.get("issueAfterReset"),
        issue_priority=body.get("issueAfterResetPriority"),
        preserve_overage=body.get("preserveOverageAtReset"),
        usage_period=period,
    )


def _tax(body: Json) -> TaxConfig:
    stripe = body.get("stripe")
    return TaxConfig(body.get("behavior"), body.get("taxCodeId"), None if stripe is None else stripe["code"])


def _price(body: Json, *, is_flat_fee: bool) -> Price:
    """A price; only that of a flat fee gets a payment term where none was sent."""
    if body["type"] == "flat":
        return Price("flat", plain(body["amount"]), body.get("paymentTerm") or ("in_advance" if is_flat_fee else ""))
    return Price(
        body["type"],
        amount=plain_or_none(body.get("amount")),
        mode=body.get("mode"),
        tiers=tuple(_tier(tier) for tier in body.get("tiers", ())),
        multiplier=plain(body.get("multiplier") or "1") if body["type"] == "dynamic" else None,
        quantity_per_package=plain_or_none(body.get("quantityPerPackage")),
        minimum_amount=plain_or_none(body.get("minimumAmount")),
        maximum_amount=plain_or_none(body.get("maximumAmount")),
    )


def _tier(body: Json) -> Tier:
    flat, unit = body["flatPrice"], body["unitPrice"]
    return Tier(
        plain_or_none(body.get("upToAmount")),
        None if flat is None else plain(flat["amount"]),
        None if unit is None else plain(unit["amount"]),
    )


def phase_v1(phase: Phase) -> Shown:
    shown: Shown = {"key": phase.key, "name": phase.name, "duration": phase.duration}
    if phase.description is not None:
        shown["description"] = phase.description
    if phase.metadata:
        shown["metadata"] = phase.metadata
    return shown | {"rateCards": [card_v1(card) for card in phase.cards]}


def card_v1(card: RateCard) -> Shown:
    """A rate card; what v1 has no word for is left out."""
    shown: Shown = {
        "type": card.type,
        "key": card.key,
        "name": card.name,
        "billingCadence": card.cadence,
        "price": None if card.price is None else price_v1(card.price),
    }
    optional = {
        "description": card.description,
        "metadata": card.metadata or None,
        "featureKey": card.feature_key,
        "entitlementTemplate": None if card.template is None else _template_v1(card.template),
        "taxConfig": None if card.tax is None else tax_v1(card.tax),
        "discounts": discounts_v1(card),
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def price_v1(price: Price) -> Shown:
    if price.type == "flat":
        return {"type": "flat", "amount": price.amount, "paymentTerm": price.payment_term or "in_advance"}
    shown: Shown = {"type": price.type}
    optional = {
        "amount": price.amount,
        "mode": price.mode,
        "tiers": [_tier_v1(tier) for tier in price.tiers] if price.type == "tiered" else None,
        "multiplier": None if price.multiplier == "1" else price.multiplier,
        "quantityPerPackage": price.quantity_per_package,
        "minimumAmount": price.minimum_amount,
        "maximumAmount": price.maximum_amount,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _tier_v1(tier: Tier) -> Shown:
    shown: Shown = {
        "flatPrice": None if tier.flat_amount is None else {"type": "flat", "amount": tier.flat_amount},
        "unitPrice": None if tier.unit_amount is None else {"type": "unit", "amount": tier.unit_amount},
    }
    return shown if tier.up_to_amount is None else shown | {"upToAmount": tier.up_to_amount}


def _template_v1(template: Template) -> Shown:
    shown: Shown = {"type": template.type}
    if template.type == "metered":
        shown |= {"isSoftLimit": template.is_soft_limit, "usagePeriod": template.usage_period}
    amount = template.issue_after_reset
    optional = {
        "metadata": template.metadata or None,
        "issueAfterReset": None if amount is None else as_number(amount),
        "issueAfterResetPriority": template.issue_priority,
        "preserveOverageAtReset": template.preserve_overage,
        "config": template.config,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def tax_v1(tax: TaxConfig) -> Shown:
    shown: Shown = {}
    if tax.behavior is not None:
        shown["behavior"] = tax.behavior
    if tax.stripe_code is not None:
        shown["stripe"] = {"code": tax.stripe_code}
    if tax.tax_code_id is not None:
        shown["taxCodeId"] = tax.tax_code_id
    return shown


def discounts_v1(card: RateCard) -> Shown | None:
    """A card's discounts, None when it has none."""
    shown: Shown = {}
    if card.percentage_discount is not None:
        shown["percentage"] = {"percentage": as_number(card.percentage_discount)}
    if card.usage_discount is not None:
        shown["usage"] = {"quantity": card.usage_discount}
    return shown or None
