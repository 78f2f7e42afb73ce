"""Which plans can be subscribed to, and from which phase on (`productcatalog/subscription/service`)."""

from __future__ import annotations

from dataclasses import replace

from ..clock import from_db
from ..gotime import go_time
from ..plans.cards import PlanTerms
from ..plans.rows import Plan
from ..problems import invalid
from ..store import Store


def usable_plan(store: Store, plan: Plan, *, also_archived: bool = False) -> Plan:
    """The plan, if it is active and not deleted; 400 otherwise."""
    now = store.now()
    if plan.deleted_at is not None:
        when = go_time(from_db(plan.deleted_at))
        named = f"namespace=default, key={plan.key}, version={plan.version}, deleted_at={when}"
        raise invalid(f"plan is deleted [{named}]")
    allowed = ("active", "archived") if also_archived else ("active",)
    if plan.status(store.stamp()) not in allowed:
        raise invalid(f"plan {plan.key}@{plan.version} is not {' or '.join(allowed)} at {go_time(now)}")
    return plan


def starting_at(plan: Plan, phase_key: str) -> PlanTerms:
    """The terms of a plan with the phases before one of no length. Raises 400 for a phase that it does not have."""
    keys = [phase.key for phase in plan.terms.phases]
    if phase_key not in keys:
        raise invalid(f"starting phase {phase_key} not found in plan {plan.key}@{plan.version}")
    first = keys.index(phase_key)
    phases = [
        replace(phase, duration="P0D") if index < first else phase for index, phase in enumerate(plan.terms.phases)
    ]
    return replace(plan.terms, phases=tuple(phases))
