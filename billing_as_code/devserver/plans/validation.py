"""What is wrong with a plan by itself (`productcatalog/plan.go`, `phase.go`, `ratecard.go`, `price.go`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ..currencies import FIAT_CURRENCIES
from ..durations import Duration, parse_duration
from . import issues
from .cards import FLAT_FEE, Phase, PlanTerms, Price, RateCard, Template, UnitConfig
from .issues import Issue, key_of, unnamed

_STRIPE_CODE = re.compile(r"txcd_\d{8}")
# Lengths of a month in days and of a day in hours that a cadence must divide another in.
_CALENDARS = tuple((days, hours) for days in (28, 29, 30, 31) for hours in (25, 24, 23))


def plan_issues(plan: PlanTerms) -> list[Issue]:
    """Every fault of a plan, apart from those of its features (Plan.Validate)."""
    return [
        *_currency(plan.currency),
        *_phases(plan.phases),
        *_overrides(plan),
        *_plan_cadence(plan.billing_cadence),
        *_alignment(plan),
    ]


def phase_issues(phase: Phase) -> list[Issue]:
    """Every fault of a phase (Phase.Validate)."""
    found: list[Issue] = []
    if phase.duration is not None:
        duration = parse_duration(phase.duration)
        if duration.mean_seconds < 0:
            found.append(issues.DURATION_NEGATIVE)
        if duration.shorter_than_an_hour():
            found.append(issues.DURATION_SHORT)
    return [*found, *_cards(phase.cards)] if phase.cards else [*found, issues.NO_CARDS]


def critical(found: Sequence[Issue]) -> list[Issue]:
    """Those that keep a plan from being stored."""
    return [issue for issue in found if issue.is_critical]


def storage_issues(card: RateCard) -> list[Issue]:
    """Faults that storing a card finds, warnings too: what is in columns of their own is checked once more there."""
    found = [] if card.template is None else _template(card.template)
    if card.usage_discount is not None and Decimal(card.usage_discount) < 0:
        found.append(issues.USAGE_DISCOUNT_NEGATIVE.under("discounts", "usage"))
    return found


def cadences_align(one: str, other: str) -> bool:
    """Whether one of two cadences divides the other, however long months and days are."""
    first, second = parse_duration(one), parse_duration(other)
    return _divides(first, second) or _divides(second, first)


def _divides(smaller: Duration, larger: Duration) -> bool:
    for days_in_month, hours_in_day in _CALENDARS:
        dividend, divisor = (_seconds(duration, days_in_month, hours_in_day) for duration in (larger, smaller))
        if not divisor or not dividend or dividend % divisor or dividend // divisor <= 0:
            return False
    return True


def _seconds(duration: Duration, days_in_month: int, hours_in_day: int) -> Decimal:
    day = hours_in_day * 3600
    month = days_in_month * day
    lengths = (12 * month, month, 7 * day, day, 3600, 60, 1)
    return sum((number * length for number, length in zip(duration.fields, lengths, strict=True)), Decimal(0))


def _currency(code: str) -> Iterator[Issue]:
    if len(code) == 3 and code not in FIAT_CURRENCIES:
        yield unnamed(f"invalid fiat currency code: {code}").under("currency")


def _phases(phases: Sequence[Phase]) -> Iterator[Issue]:
    seen: set[str] = set()
    for index, phase in enumerate(phases):
        place = key_of("phases", phase.key)
        is_last = index == len(phases) - 1
        if not is_last and phase.duration is None:
            yield issues.NO_DURATION.under(place)
        if is_last and phase.duration is not None:
            yield issues.LAST_HAS_DURATION.under(place)
        if phase.key in seen:
            yield issues.PHASE_KEY_TWICE.under(place, "key")
        seen.add(phase.key)
        yield from (issue.under(place) for issue in phase_issues(phase))


def _overrides(plan: PlanTerms) -> Iterator[Issue]:
    for phase in plan.phases:
        for card in phase.cards:
            if card.currency is None:
                continue
            place = (key_of("phases", phase.key), key_of("rateCards", card.key), "currency")
            if plan.currency not in FIAT_CURRENCIES:
                yield issues.OVERRIDE_OF_CUSTOM.under(*place)
            elif card.currency == plan.currency:
                yield issues.OVERRIDE_REDUNDANT.under(*place)
            elif card.currency in FIAT_CURRENCIES:
                yield issues.TWO_CURRENCIES.under(*place)


def _plan_cadence(cadence: str) -> Iterator[Issue]:
    if cadence not in issues.PLAN_CADENCES:
        yield issues.PLAN_CADENCE


def _alignment(plan: PlanTerms) -> Iterator[Issue]:
    for phase in plan.phases:
        for card in phase.cards:
            if card.price is None or card.cadence is None or cadences_align(plan.billing_cadence, card.cadence):
                continue
            yield issues.CADENCE_UNALIGNED.under(key_of("phases", phase.key), key_of("rateCards", card.key))


def _cards(cards: Sequence[RateCard]) -> Iterator[Issue]:
    seen: set[str] = set()
    for card in cards:
        place = key_of("ratecards", card.key)
        if card.key in seen:
            yield issues.CARD_KEY_TWICE.under(place)
        seen.add(card.key)
        yield from (issue.under(place) for issue in card_issues(card))


def card_issues(card: RateCard) -> Iterator[Issue]:
    """Every fault of a rate card (RateCard.Validate)."""
    yield from _meta(card)
    if card.cadence is not None:
        cadence = parse_duration(card.cadence)
        if cadence.mean_seconds <= 0:
            yield issues.CADENCE_INVALID
        if cadence.shorter_than_an_hour():
            yield issues.CADENCE_INVALID
    if card.type == FLAT_FEE:
        yield from _discounts(card)
    is_flat = card.type == FLAT_FEE or (card.price is not None and card.price.type == "flat")
    if is_flat and card.usage_discount is not None:
        yield issues.USAGE_DISCOUNT_ON_FLAT


def _meta(card: RateCard) -> Iterator[Issue]:
    if card.template is not None:
        if not card.has_feature:
            yield issues.TEMPLATE_WITHOUT_FEATURE
        yield from _template(card.template)
        if card.template.type == "metered" and card.template.issue_after_reset is None:
            yield issues.ISSUE_REQUIRED
    if card.tax is not None and card.tax.stripe_code is not None and not _STRIPE_CODE.fullmatch(card.tax.stripe_code):
        yield unnamed(f"invalid product tax code: {card.tax.stripe_code}").under("taxConfig")
    if card.price is not None:
        yield from (unnamed(fault).under("price") for fault in _price(card.price))
        if card.price.type != "flat" and not card.has_feature:
            yield issues.USAGE_WITHOUT_FEATURE
    if card.currency is not None:
        if card.price is None:
            yield issues.OVERRIDE_WITHOUT_PRICE
        if len(card.currency) == 3 and card.currency not in FIAT_CURRENCIES:
            yield issues.CURRENCY_INVALID.under("currency")
    if card.feature_key is not None and card.key != card.feature_key:
        yield issues.KEY_MISMATCH
    yield from _discounts_for_price(card)
    if card.unit_config is not None:
        yield from (unnamed(fault).under("unit_config") for fault in _unit_config(card.unit_config))
        if card.price is None or card.price.type not in ("unit", "tiered"):
            yield issues.UNIT_CONFIG_ON_FLAT


def _template(template: Template) -> list[Issue]:
    if template.type != "metered":
        return []
    found = []
    period = parse_duration(template.usage_period or "P0D")
    if template.issue_priority is not None and template.issue_after_reset is None:
        found.append(issues.PRIORITY_WITHOUT_ISSUE)
    if period.mean_seconds <= 0:
        found.append(issues.USAGE_PERIOD_NEGATIVE)
    if period.shorter_than_an_hour():
        found.append(issues.USAGE_PERIOD_SHORT)
    return [issue.under("entitlementTemplate") for issue in found]


def _discounts(card: RateCard) -> Iterator[Issue]:
    if card.percentage_discount is not None and not 0 <= card.percentage_discount <= 100:
        yield issues.PERCENTAGE_INVALID.under("discounts", "percentage")
    if card.usage_discount is not None and Decimal(card.usage_discount) < 0:
        yield issues.USAGE_DISCOUNT_NEGATIVE.under("discounts", "usage")


def _discounts_for_price(card: RateCard) -> Iterator[Issue]:
    if card.percentage_discount is None and card.usage_discount is None:
        return
    if card.price is None:
        yield unnamed("price is required for discounts")
        return
    yield from _discounts(card)
    if card.usage_discount is not None and card.price.type == "flat":
        yield issues.USAGE_DISCOUNT_ON_FLAT


def _unit_config(config: UnitConfig) -> Iterator[str]:
    if Decimal(config.conversion_factor) <= 0:
        yield "conversion_factor must be greater than zero"
    if config.rounding not in ("", "none") and config.precision < 0:
        yield "precision must not be negative"


def _price(price: Price) -> Iterator[str]:
    """What is wrong with a price, in words alone."""
    if _is_negative(price.amount):
        yield "the Amount must not be negative"
    if price.type == "tiered":
        yield from _tiers(price)
    if _is_negative(price.multiplier):
        yield "the markup rate must not be less than 0"
    if _is_negative(price.quantity_per_package):
        yield "the QuantityPerPackage must not be negative"
    if price.quantity_per_package is not None and Decimal(price.quantity_per_package) == 0:
        yield "the QuantityPerPackage must not be zero"
    yield from _commitments(price)


def _tiers(price: Price) -> Iterator[str]:
    if not price.tiers:
        yield "at least one PriceTier must be provided"
    seen: set[Decimal] = set()
    for tier in price.tiers:
        limit = Decimal(tier.up_to_amount or 0)
        if limit and limit in seen:
            yield "multiple PriceTiers with same UpToAmount are not allowed"
            continue
        seen.add(limit)
        if limit < 0:
            yield "the UpToAmount must not be negative"
        if tier.flat_amount is None and tier.unit_amount is None:
            yield "either FlatPrice or UnitPrice must be provided in PriceTier"
        for amount in (tier.flat_amount, tier.unit_amount):
            if _is_negative(amount):
                yield "the Amount must not be negative"
    if all(tier.up_to_amount is not None for tier in price.tiers):
        yield "at least one PriceTier must be open-ended"


def _commitments(price: Price) -> Iterator[str]:
    if _is_negative(price.minimum_amount):
        yield "the MinimumAmount must not be negative"
    if _is_negative(price.maximum_amount):
        yield "the MaximumAmount must not be negative"
    least, most = Decimal(price.minimum_amount or 0), Decimal(price.maximum_amount or 0)
    if least and most and least > most:
        yield "the MinimumAmount must not be greater than MaximumAmount"


def _is_negative(number: str | None) -> bool:
    return number is not None and Decimal(number) < 0
