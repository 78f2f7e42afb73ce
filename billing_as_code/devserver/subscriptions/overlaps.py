"""One subscription at a time for a customer (`openmeter/subscription/uniqueness.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..clock import from_db
from ..gotime import go_time
from ..problems import issue, validation_issues
from .rows import PlanReference, Subscription

_CODE = "only_single_subscription_allowed_per_customer_at_a_time"
_TEXT = "only single subscription is allowed per customer at a time"


@dataclass(frozen=True)
class Candidate:
    """A subscription, there or wanted, as far as it may be in another's way."""

    customer_id: str
    plan: PlanReference | None
    active_from: str
    active_to: str | None

    @classmethod
    def of(cls, subscription: Subscription) -> Candidate:
        return cls(subscription.customer_id, subscription.plan, subscription.active_from, subscription.active_to)

    @property
    def path(self) -> str:
        """How an error names it."""
        plan = "" if self.plan is None else _selector(key=self.plan.key, version=self.plan.version, id=self.plan.id)
        times = {"activeFrom": self.active_from, "activeTo": self.active_to}
        shown = {name: go_time(from_db(time)) for name, time in times.items() if time is not None}
        return f"$.plans{plan}.subscriptions{_selector(customerId=self.customer_id, **shown)}"


def refuse_overlaps(candidates: Sequence[Candidate]) -> None:
    """409 that names both sides of every overlap between neighbours in time."""
    ordered = sorted(candidates, key=lambda candidate: candidate.active_from)
    found = [
        side.path
        for one, other in pairwise(ordered)
        if one.active_to is None or other.active_from < one.active_to
        for side in (one, other)
    ]
    if found:
        raise validation_issues([issue(_CODE, _TEXT, path) for path in found], status=409)


def _selector(**values: object) -> str:
    return "[?(" + " && ".join(f"@.{name}=='{value}'" for name, value in values.items()) + ")]"
