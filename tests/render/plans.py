"""Plans to render, made by hand: one of each action and class, and large ones."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing_as_code.diff import Held
from billing_as_code.impact import OUTCOMES, Hit, Impact
from billing_as_code.impact.values import ranked
from billing_as_code.kinds import KINDS
from billing_as_code.model import Action, Address, Change, Class, FieldChange, Place, Ref, Resource, Step
from billing_as_code.plan import Plan, Target

TARGET = Target("staging", "https://openmeter.staging.internal", "acme-billing")


def resource(address: str, raw: dict[str, Any], *, place: Place | None = None, id: str | None = None) -> Resource:
    """A resource as its kind makes it of YAML."""
    found = Address.parse(address)
    return Resource(found, KINDS[found.kind].canonical(found.path, raw), id, place=place)


def change(action: Action, address: str, cls: Class = Class.SAFE, *fields: FieldChange, **more: Any) -> Change:
    return Change(Address.parse(address), action, tuple(fields), cls=cls, **more)


def plan(*changes: Change, **more: Any) -> Plan:
    return Plan(TARGET, changes, {}, existing=12, **more)


METERED = {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": 5000}}
CREATED = change(
    "create",
    "customers.acme",
    after=resource("customers.acme", {"name": "ACME Inc.", "subjects": ["acme", "acme-staging"], "currency": "USD"}),
    steps=(Step("POST", ("api", "v1", "customers"), {"key": "acme", "name": "ACME Inc."}, saves="customers.acme"),),
)
UPDATED = change(
    "update",
    "features.ai_tokens",
    Class.COMMERCIAL,
    FieldChange("unit_cost.amount", "0.000002", "0.000003", Class.COMMERCIAL),
    after=resource(
        "features.ai_tokens", {"meter": "tokens_total"}, place=Place("catalog/metering.yaml", 7, 3), id="F1"
    ),
    steps=(Step("PATCH", ("api", "v3", "openmeter", "features", "F1"), {"unit_cost": {"amount": "0.000003"}}),),
)
REPLACED = change(
    "replace",
    "entitlements.acme.ai_tokens",
    Class.BREAKING,
    FieldChange("issue.amount", 10000, 5000, Class.BREAKING),
    FieldChange("is_soft_limit", False, True, Class.COMMERCIAL),
    reasons=("fixed:issue.amount", "fixed:is_soft_limit", "follows:features.ai_tokens"),
    notes=(("by_override_carried", ""), ("overage_dropped", "")),
    after=resource("entitlements.acme.ai_tokens", METERED, place=Place("catalog/customers.yaml", 12, 5), id="E1"),
    prepare=(Step("PUT", ("api", "v2", "bridge"), {"type": "boolean"}),),
    steps=(
        Step(
            "PUT",
            ("api", "v2", "customers", Ref("id", "customers.acme"), "entitlements", "ai_tokens", "override"),
            {"measureUsageFrom": Ref("period_start", "entitlements.acme.ai_tokens")},
        ),
        Step(
            "POST",
            ("api", "v2", "grants"),
            {"amount": Ref("left", "entitlements.acme.ai_tokens", "G1 whole")},
            when=Ref("left", "entitlements.acme.ai_tokens", "G1 whole"),
        ),
    ),
    needs=("customers.acme", "entitlements.acme.ai_tokens#prepare"),
)
DELETED = change(
    "delete",
    'customers."old corp"',
    Class.BREAKING,
    reasons=("left_catalog",),
    destroys=(('grants."old corp".ai_tokens.welcome', "grant"),),
    before=resource('customers."old corp"', {"name": "Old"}, id="C1"),
    steps=(Step("DELETE", ("api", "v1", "customers", "C1"), query=(("at", "2026-11-24T12:00:00Z"),), gone=True),),
)
HELD = Held(Address.parse("features.sso"), (FieldChange("description", None, "Single sign-on", Class.SAFE),))


def everything() -> Plan:
    """One of each action and class, a held difference, and something that is not made."""
    skipped = (("grants.acme.ai_tokens.launch", "ended"),)
    return plan(CREATED, UPDATED, REPLACED, DELETED, held=(HELD,), skipped=skipped)


def hits(number: int, name: str = "customer {}") -> Impact:
    """So many customers that a lower limit hits, of every outcome."""
    amounts = [Decimal(n % 100 * 100) for n in range(number)]
    some = [
        Hit(
            name.format(n),
            "ai_tokens",
            ("entitlements.acme.ai_tokens",),
            ("amount",),
            OUTCOMES[n % len(OUTCOMES)],
            "high",
            usage=amount,
            limit=Decimal(10_000),
            limit_after=Decimal(5_000),
            expected=amount + 50,
            past=(amount, None),
        )
        for n, amount in enumerate(amounts)
    ]
    return Impact(datetime(2026, 11, 24, 12, tzinfo=UTC), ranked(some), number, number)


def many(number: int, action: Action = "create", cls: Class = Class.SAFE, name: str = "customer {}") -> Plan:
    """So many changes of one kind, class and action."""
    changes = []
    for n in range(number):
        address = str(Address("customers", (name.format(n),)))
        fields = () if action == "create" else (FieldChange("name", f"Old {n}", f"New {n}", cls),)
        changes.append(change(action, address, cls, *fields, after=resource(address, {"name": f"New {n}"})))
    return plan(*changes)
