"""What a plan is made of: phases, rate cards, prices and entitlement templates (`openmeter/productcatalog`).

The values are neutral between the APIs and canonical: decimals are plain texts, durations ISO texts. They are stored
as JSON with their plan, and a subscription keeps copies of the cards that it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

FLAT_FEE = "flat_fee"
USAGE_BASED = "usage_based"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Tier:
    """A tier of a price; without a limit it is open-ended."""

    up_to_amount: str | None
    flat_amount: str | None
    unit_amount: str | None


@dataclass(frozen=True)
class Price:
    """A price of the type flat, unit, tiered, dynamic or package; what belongs to another type is None."""

    type: str
    amount: str | None = None
    payment_term: str = ""
    mode: str | None = None
    tiers: Sequence[Tier] = ()
    multiplier: str | None = None
    quantity_per_package: str | None = None
    minimum_amount: str | None = None
    maximum_amount: str | None = None

    @classmethod
    def of(cls, document: Json) -> Price:
        return cls(**{**document, "tiers": tuple(Tier(**tier) for tier in document["tiers"])})


@dataclass(frozen=True)
class Template:
    """An entitlement as a rate card promises it; a static one's `config` is the text of its JSON."""

    type: str
    metadata: Mapping[str, str] | None = None
    is_soft_limit: bool = False
    issue_after_reset: float | None = None
    issue_priority: int | None = None
    preserve_overage: bool | None = None
    usage_period: str | None = None
    config: str | None = None


@dataclass(frozen=True)
class TaxConfig:
    """How a card is taxed: an id of a tax code, Stripe's code, or both."""

    behavior: str | None = None
    tax_code_id: str | None = None
    stripe_code: str | None = None


@dataclass(frozen=True)
class UnitConfig:
    """What is done to a metered quantity before it is priced."""

    operation: str
    conversion_factor: str
    rounding: str = ""
    precision: int = 0
    display_unit: str | None = None


@dataclass(frozen=True)
class RateCard:
    """One line of a plan. A flat fee without a cadence is paid once; a usage based one always has one."""

    type: str
    key: str
    name: str
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    feature_id: str | None = None
    feature_key: str | None = None
    template: Template | None = None
    tax: TaxConfig | None = None
    price: Price | None = None
    currency: str | None = None
    percentage_discount: float | None = None
    usage_discount: str | None = None
    unit_config: UnitConfig | None = None
    cadence: str | None = None

    @property
    def has_feature(self) -> bool:
        return bool(self.feature_id or self.feature_key)

    @classmethod
    def of(cls, document: Json) -> RateCard:
        """The card that was stored as this document."""
        values = dict(document)
        for name, kind in (("template", Template), ("tax", TaxConfig), ("unit_config", UnitConfig)):
            if values[name] is not None:
                values[name] = kind(**values[name])
        if values["price"] is not None:
            values["price"] = Price.of(values["price"])
        return cls(**values)

    def document(self) -> dict[str, Any]:
        """What is stored of it."""
        return asdict(self)


@dataclass(frozen=True)
class Phase:
    """A stretch of a plan; the last one has no duration."""

    key: str
    name: str
    duration: str | None
    cards: Sequence[RateCard] = ()
    description: str | None = None
    metadata: Mapping[str, str] | None = None

    @classmethod
    def of(cls, document: Json) -> Phase:
        return cls(**{**document, "cards": tuple(RateCard.of(card) for card in document["cards"])})

    def with_cards(self, cards: Sequence[RateCard]) -> Phase:
        return replace(self, cards=tuple(cards))


@dataclass(frozen=True)
class PlanTerms:
    """What a plan says, apart from its identity and its life."""

    key: str
    name: str
    currency: str
    billing_cadence: str
    phases: Sequence[Phase]
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    pro_rating: tuple[bool, str] = (True, "prorate_prices")
    settlement_mode: str = field(default="credit_then_invoice")

    @property
    def has_unit_config(self) -> bool:
        return any(card.unit_config is not None for phase in self.phases for card in phase.cards)

    @property
    def has_currency_overrides(self) -> bool:
        return any(card.currency is not None for phase in self.phases for card in phase.cards)
