"""What the tests of plans, subscriptions and billing have in common."""

from __future__ import annotations

from typing import Any

import httpx
from entitling import ok

V1 = "/api/v1"
V3 = "/api/v3/openmeter"


def fee(key: str = "fee", amount: str = "49", cadence: str | None = "P1M", **changes: Any) -> dict[str, Any]:
    """A flat fee, paid in advance unless told otherwise."""
    price = {"type": "flat", "amount": amount, "paymentTerm": changes.pop("term", "in_advance")}
    return {"type": "flat_fee", "key": key, "name": key, "billingCadence": cadence, "price": price} | changes


def included(feature: str, template: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a plan includes of a feature, for nothing."""
    card = {"type": "flat_fee", "key": feature, "name": feature, "featureKey": feature, "billingCadence": None}
    return card | {"price": None, "entitlementTemplate": template} | changes


def phase(*cards: dict[str, Any], key: str = "default", duration: str | None = None) -> dict[str, Any]:
    return {"key": key, "name": key, "duration": duration, "rateCards": list(cards)}


def draft(client: httpx.Client, *phases: dict[str, Any], key: str = "pro", **changes: Any) -> Any:
    """A draft of a monthly plan in USD."""
    body = {"key": key, "name": key, "currency": "USD", "billingCadence": "P1M", "phases": list(phases)}
    return ok(client.post(f"{V1}/plans", json=body | changes))


def publish(client: httpx.Client, *phases: dict[str, Any], key: str = "pro", **changes: Any) -> Any:
    """The same, published."""
    made = draft(client, *phases, key=key, **changes)
    return ok(client.post(f"{V1}/plans/{made['id']}/publish"))


def customer(client: httpx.Client, key: str = "acme", **changes: Any) -> Any:
    body = {"key": key, "name": key, "usageAttribution": {"subjectKeys": [key]}} | changes
    return ok(client.post(f"{V1}/customers", json=body))


def feature(client: httpx.Client, key: str) -> Any:
    return ok(client.post(f"{V1}/features", json={"key": key, "name": key}))


def subscribe(client: httpx.Client, of: str = "acme", plan: str = "pro", **changes: Any) -> Any:
    """A subscription of a customer that starts now."""
    body = {"customerKey": of, "plan": {"key": plan}, "timing": "immediate"} | changes
    return ok(client.post(f"{V1}/subscriptions", json=body))


def cancel(client: httpx.Client, subscription: Any, timing: str = "immediate") -> Any:
    return ok(client.post(f"{V1}/subscriptions/{subscription['id']}/cancel", json={"timing": timing}))
