"""Faults of a plan, and how the APIs show them (`openmeter/productcatalog/errors.go`, `pkg/models/validationissue.go`).

A fault is critical, which no stored plan has, or a warning, which a draft may have and which blocks its publication.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..problems import DomainProblem, invalid

_STATUS = "commonhttp.httpAttributeKey:openmeter.http.status_code"
_CADENCES = "P1W, P2W, P4W, P1M, P3M, P6M, P12M, P1Y"
PLAN_CADENCES = tuple(_CADENCES.split(", "))


@dataclass(frozen=True)
class Issue:
    """One fault; one without a `field` of its own never gets any. Some have a status of 400 of their own."""

    code: str
    message: str
    field: tuple[str, ...] | None
    is_critical: bool = False
    has_status: bool = True

    def under(self, *segments: str) -> Issue:
        """The fault as it is called from further out."""
        return self if self.field is None else replace(self, field=(*segments, *self.field))

    @property
    def path(self) -> str:
        return "$." + ".".join(self.field) if self.field else ""

    def extension(self, *, with_status: bool) -> dict[str, Any]:
        """The entry in the extensions of an error."""
        entry: dict[str, Any] = {"message": self.message, "severity": "critical" if self.is_critical else "warning"}
        if self.code:
            entry["code"] = self.code
        if self.path:
            entry["field"] = self.path
        if self.has_status and with_status:
            entry[_STATUS] = 400
        return entry

    def on_plan_v1(self) -> dict[str, Any]:
        """The entry in a plan's `validationErrors`."""
        entry: dict[str, Any] = {"message": self.message, "field": self.path, "code": self.code}
        return entry | {"attributes": {_STATUS: 400}} if self.has_status else entry

    def on_plan_v3(self) -> dict[str, Any]:
        return {"message": self.message, "field": self.path, "code": self.code}


class Faulty(Exception):
    """A plan that cannot be written, published or subscribed to; every API has its own words for it."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        super().__init__()
        self.issues = list(issues)

    def problem_v1(self) -> DomainProblem:
        listed = [issue.extension(with_status=True) for issue in self.issues]
        return DomainProblem(400, "invalid plan", extensions={"validationErrors": listed})

    def problem_v3(self) -> DomainProblem:
        """Only faults with a status are listed; where there are none, their messages are the detail."""
        listed = [issue.extension(with_status=False) for issue in self.issues if issue.has_status]
        if listed:
            return DomainProblem(400, extensions={"validationErrors": listed})
        return invalid("\n".join(issue.message for issue in self.issues))


def refuse(issues: Sequence[Issue]) -> None:
    """Raise Faulty unless there are no issues."""
    if issues:
        raise Faulty(issues)


def key_of(kind: str, key: str) -> str:
    """A segment that names one of several by its key."""
    return f"{kind}[?(@.key=='{key}')]"


def unnamed(message: str) -> Issue:
    """A critical fault that OpenMeter has no code for."""
    return Issue("", message, (), is_critical=True, has_status=False)


def _warning(code: str, message: str, *field: str) -> Issue:
    return Issue(code, message, field or None)


def _critical(code: str, message: str, *field: str) -> Issue:
    return Issue(code, message, field or None, is_critical=True)


FEATURE_NOT_FOUND = _critical("rate_card_feature_not_found", "feature not found", "featureKey")
CURRENCY_NOT_FOUND = _critical("currency_not_found", "currency does not exist", "currency")
CURRENCY_INVALID = _critical("currency_invalid", "currency is invalid", "currency")
OVERRIDE_OF_CUSTOM = _warning(
    "rate_card_currency_override_not_allowed",
    "currency override is not allowed when the default currency is custom",
    "currency",
)
OVERRIDE_REDUNDANT = _warning(
    "rate_card_currency_override_redundant", "currency override must differ from the default currency", "currency"
)
OVERRIDE_WITHOUT_PRICE = _warning("rate_card_currency_requires_price", "currency override requires a price", "currency")
TWO_CURRENCIES = _warning(
    "plan_multiple_fiat_currencies", "plan cannot contain more than one fiat currency", "currency"
)
CARD_KEY_TWICE = replace(_critical("rate_card_duplicated_key", "duplicated key", "key"), has_status=False)
TEMPLATE_WITHOUT_FEATURE = _warning(
    "entitlement_template_with_no_feature", "entitlement template requires feature to be associated with", "featureKey"
)
PRIORITY_WITHOUT_ISSUE = _warning(
    "entitlement_template_invalid_issue_after_reset_with_priority",
    "invalid entitlement template as issue after reset is required if issue after reset priority is set",
    "issueAfterReset",
)
ISSUE_REQUIRED = _warning(
    "entitlement_template_issue_after_reset_required",
    "issueAfterReset is required for metered entitlement templates",
    "entitlementTemplate",
    "issueAfterReset",
)
USAGE_PERIOD_NEGATIVE = replace(
    _warning("entitlement_template_negative_usage_period", "usage period must be positive", "usagePeriod"),
    has_status=False,
)
USAGE_PERIOD_SHORT = _warning(
    "entitlement_template_usage_period_less_then_an_hour", "usage period must be at least 1 hour", "usagePeriod"
)
KEY_MISMATCH = _critical("rate_card_key_feature_key_mismatch", "rate card key must match feature key", "key")
PERCENTAGE_INVALID = _critical(
    "percentage_discount_invalid_value", "percentage must be between 0 and 100", "percentage"
)
USAGE_DISCOUNT_NEGATIVE = _warning("usage_discount_negative_quantity", "usage must be greater than 0", "quantity")
USAGE_DISCOUNT_ON_FLAT = _warning("usage_discount_with_flat_price", "usage discount is not supported for flat price")
CADENCE_INVALID = _warning(
    "billing_cadence_invalid_value",
    "billing cadence must be positive and 1 hour long duration at least",
    "billingCadence",
)
CADENCE_UNALIGNED = _warning(
    "rate_card_billing_cadence_unaligned",
    "ratecards with prices must have compatible billing cadence",
    "billingCadence",
)
USAGE_WITHOUT_FEATURE = _warning(
    "usage_based_price_with_no_feature", "usage-based price requires feature to be associated with", "featureKey"
)
USAGE_WITHOUT_METER = _warning(
    "usage_based_price_with_feature_and_no_meter",
    "usage-based price requires feature with meter to be associated with",
    "featureKey",
)
UNIT_CONFIG_ON_FLAT = _warning(
    "unit_config_requires_usage_based_price",
    "unit config requires a usage-based price (unit, graduated, or volume)",
    "unit_config",
)
PLAN_CADENCE = _critical(
    "plan_billing_cadence_invalid",
    f"billing cadence must be one of the following: {_CADENCES}",
    "billingCadence",
)
DURATION_NEGATIVE = _warning("plan_phase_with_negative_duration", "duration must be positive", "duration")
DURATION_SHORT = _warning("plan_phase_duration_less_then_an_hour", "duration must be at least 1 hour", "duration")
PHASE_KEY_TWICE = _critical("plan_phase_duplicated_key", "duplicated key", "key")
NO_DURATION = _warning(
    "plan_has_non_last_phase_with_no_duration",
    "duration must be set for plan phase if it is not the last one",
    "duration",
)
LAST_HAS_DURATION = _warning(
    "plan_has_last_phase_with_duration", "duration must not be set for the last plan phase", "duration"
)
NO_CARDS = _warning("plan_phase_has_no_rate_cards", "plan phase must have at least one rate card", "rateCards")
UNIT_CONFIG_NOT_IN_V1 = _critical(
    "unit_config_not_representable", "this resource uses unit_config and is only available via the v3 API"
)
OVERRIDE_NOT_IN_V1 = _critical(
    "rate_card_currency_not_representable",
    "this resource uses rate card currency overrides and is only available via the v3 API",
)
