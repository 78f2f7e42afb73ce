"""Pricing plans as somebody makes and publishes them in OpenMeter, for those who subscribe to them."""

from __future__ import annotations

from typing import Any

from workspace import Workspace

V1 = "/api/v1"
PRO: dict[str, Any] = {
    "key": "pro",
    "name": "Pro",
    "currency": "USD",
    "billingCadence": "P1M",
    "phases": [
        {
            "key": "default",
            "name": "Default",
            "duration": None,
            "rateCards": [
                {
                    "type": "flat_fee",
                    "key": "fee",
                    "name": "Fee",
                    "billingCadence": "P1M",
                    "price": {"type": "flat", "amount": "49"},
                },
                {
                    "type": "flat_fee",
                    "key": "spare",
                    "name": "Spare",
                    "featureKey": "spare",
                    "billingCadence": None,
                    "price": None,
                    "entitlementTemplate": {"type": "boolean"},
                },
            ],
        }
    ],
}


FEE_ALONE = [{**PRO["phases"][0], "rateCards": PRO["phases"][0]["rateCards"][:1]}]
"""Its phases without what needs a feature."""


def publish(ws: Workspace, **changes: Any) -> str:
    """A published pricing plan, as somebody makes it in OpenMeter; its id."""
    made = ws.http.post(f"{V1}/plans", json=PRO | changes).raise_for_status().json()
    ws.http.post(f"{V1}/plans/{made['id']}/publish").raise_for_status()
    return str(made["id"])
