"""Plans and problems as JSON for programs."""

from __future__ import annotations

from billing_as_code.model import Class, Json
from billing_as_code.plan import Plan


def plan(plan: Plan) -> dict[str, Json]:
    """The plan with what a program asks first: its names, its worst class, its counts."""
    actions = ("create", "update", "replace", "delete")
    return {
        "digest": plan.digest,
        "intent": plan.intent,
        "class": str(plan.cls) if plan.changes else None,
        "counts": {action: plan.count(action) for action in actions}
        | {str(cls): sum(c.cls is cls for c in plan.changes) for cls in reversed(Class)},
        "plan": plan.json,
    }
