"""Whether a plan may be applied: limits, breaking changes, reviews. Pure, and checked in one place."""

from __future__ import annotations

from decimal import Decimal

from billing_as_code.errors import ChangedIntent, Refused
from billing_as_code.model import Class
from billing_as_code.plan import Plan

SHARE_COUNTS_FROM = 10
"""So many changes of existing resources may be any share of them."""
SHORTEST_INTENT = 12


def check(plan: Plan, *, deletes: int, changed_share: Decimal, allow_breaking: bool, force: int | None) -> None:
    """Raises Refused where a plan goes beyond the limits, or breaks something that nobody said may break.

    `force` is the number of existing resources that the plan changes, typed by whoever means it.
    """
    changed = plan.count("update", "replace", "delete")
    reasons = _beyond(plan, changed, deletes, changed_share)
    if reasons and force != changed:
        told = "" if force is None else f" --force {force} is not that number."
        raise Refused(f"{'; '.join(reasons)}.{told} If that is meant, say so: --force {changed}")
    breaking = [str(c.address) for c in plan.changes if c.cls is Class.BREAKING]
    if breaking and not allow_breaking:
        shown = ", ".join(breaking[:5]) + (f" and {len(breaking) - 5} more" if len(breaking) > 5 else "")
        raise Refused(f"{len(breaking)} breaking: {shown}. If that is meant, say so: --allow-breaking")


def check_intent(plan: Plan, reviewed: str) -> None:
    """Raises ChangedIntent where a plan is not the one that was reviewed; `reviewed` is the start of its intent."""
    if len(reviewed) < SHORTEST_INTENT or not plan.intent.startswith(reviewed):
        text = f"this plan's intent is {plan.intent[:12]}, the reviewed one's was {reviewed[:12]}. Review it again"
        raise ChangedIntent([("", text)])


def _beyond(plan: Plan, changed: int, deletes: int, changed_share: Decimal) -> list[str]:
    out: list[str] = []
    if plan.count("delete") > deletes:
        out.append(f"{plan.count('delete')} deletes are more than limits.deletes allows ({deletes})")
    if changed >= SHARE_COUNTS_FROM and changed * 100 > changed_share * plan.existing:
        share = f"{changed} of {plan.existing} existing resources"
        out.append(f"{share} would change, more than limits.changed_share allows ({changed_share}%)")
    return out
