"""The entitlements that the items of a subscription bring (`subscriptionspec.go`, `subscription/entitlement`)."""

from __future__ import annotations

from datetime import datetime

from ..customers import CustomerRow
from ..durations import parse_duration
from ..entitlements import rows as entitlement_rows
from ..entitlements import schedule
from ..entitlements.inputs import EntitlementInput
from ..periods import Recurrence, floor_minute
from ..plans.cards import RateCard, Template
from ..problems import DomainProblem, not_implemented_here
from ..store import Store
from .spec import Cadence

# The errors of entitlements that both APIs know; the rest are only known to v1.
_COMMON = ("validation error: ", "the dev server")


class EntitlementRefused(Exception):
    """An entitlement that cannot be made; v1 says why, v3 mostly breaks down over it."""

    def __init__(self, problem: DomainProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @property
    def is_common(self) -> bool:
        return self.problem.detail.startswith(_COMMON)


def entitle(
    store: Store, customer: CustomerRow, subscription_id: str, card: RateCard, cadence: Cadence, anchor: datetime
) -> str | None:
    """Make the entitlement of a rate card for the time that its item holds; answers its id, None when it has none.

    `anchor` is the subscription's billing anchor. Raises EntitlementRefused.
    """
    if card.template is None:
        return None
    if card.unit_config is not None and card.template.type == "metered":
        raise EntitlementRefused(not_implemented_here("it does not count entitlements in converted units"))
    active_from, active_to = cadence
    try:
        entitlement = schedule.create_for_subscription(
            store,
            customer,
            _wanted(card, card.template, active_from, anchor),
            subscription_id=subscription_id,
            active_from=active_from,
            active_to=active_to,
        )
    except DomainProblem as problem:
        if problem.detail.startswith("feature not found"):
            problem = DomainProblem(400, problem.detail)
        raise EntitlementRefused(problem) from None
    return entitlement.id


def withdraw(store: Store, entitlement_id: str) -> None:
    """Delete an entitlement that a subscription brought."""
    found = entitlement_rows.find(store, entitlement_id)
    if found is not None:
        schedule.remove(store, found)


def _wanted(card: RateCard, template: Template, phase_start: datetime, anchor: datetime) -> EntitlementInput:
    """What a template asks for; usage is measured from the minute in which the phase starts."""
    if template.type != "metered":
        return EntitlementInput(template.type, None, card.feature_key, template.metadata, config=template.config)
    assert template.usage_period is not None, "a metered template has one"
    return EntitlementInput(
        "metered",
        None,
        card.feature_key,
        template.metadata,
        usage_period=Recurrence(parse_duration(template.usage_period), floor_minute(anchor)),
        measure_usage_from=floor_minute(phase_start),
        issue_amount=template.issue_after_reset,
        issue_priority=template.issue_priority,
        is_soft_limit=template.is_soft_limit,
        preserve_overage=template.preserve_overage or False,
    )
