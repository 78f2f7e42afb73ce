"""What the tests of entitlements, grants and values have in common."""

from __future__ import annotations

from typing import Any

import httpx

ENTITLEMENTS = "/api/v2/customers/acme/entitlements"
TOKENS = f"{ENTITLEMENTS}/tokens"
# Hours count from noon, which is the time that tests start at (see NOW).
DAY = "2026-11-24T"


def at(hour: int, minute: int = 0) -> str:
    return f"{DAY}{hour:02}:{minute:02}:00Z"


def ok(reply: httpx.Response) -> Any:
    """The body of an answer that must be a good one."""
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


def refused(reply: httpx.Response, status: int) -> str:
    """The detail of an answer that must be that refusal."""
    assert reply.status_code == status, reply.text
    detail: str = reply.json().get("detail", "")
    return detail


def set_up(client: httpx.Client, aggregation: str = "SUM") -> None:
    """Customers acme and globex, a feature per type, and one more on the meter."""
    meter = {"slug": "tokens_total", "eventType": "prompt", "aggregation": aggregation}
    ok(client.post("/api/v1/meters", json=meter | ({} if aggregation == "COUNT" else {"valueProperty": "$.n"})))
    for key in ("tokens", "more_tokens"):
        ok(client.post("/api/v1/features", json={"key": key, "name": key, "meterSlug": "tokens_total"}))
    for key in ("sso", "seats"):
        ok(client.post("/api/v1/features", json={"key": key, "name": key}))
    for key in ("acme", "globex"):
        body = {"key": key, "name": key, "usageAttribution": {"subjectKeys": [f"{key}-2", f"{key}-1"]}}
        ok(client.post("/api/v1/customers", json=body))


def metered(client: httpx.Client, **changes: Any) -> Any:
    """A metered entitlement of acme, by the hour since 10:00."""
    body = {
        "type": "metered",
        "featureKey": "tokens",
        "usagePeriod": {"interval": "PT1H", "anchor": at(0)},
        "measureUsageFrom": at(10),
    }
    return ok(client.post(ENTITLEMENTS, json=body | changes))


def grant(client: httpx.Client, amount: float, **changes: Any) -> Any:
    return ok(client.post(f"{TOKENS}/grants", json={"amount": amount, "effectiveAt": at(12)} | changes))


def use(client: httpx.Client, amount: Any, time: str, *, subject: str = "acme-1") -> None:
    use.count = getattr(use, "count", 0) + 1  # type: ignore[attr-defined]
    event = {
        "specversion": "1.0",
        "id": f"event-{use.count}",  # type: ignore[attr-defined]
        "source": "test",
        "type": "prompt",
        "subject": subject,
        "time": time,
        "data": {"n": amount},
    }
    headers = {"content-type": "application/cloudevents+json"}
    assert client.post("/api/v1/events", json=event, headers=headers).status_code == 204


def value(client: httpx.Client, time: str | None = None, *, of: str = TOKENS) -> Any:
    return ok(client.get(f"{of}/value", params={} if time is None else {"time": time}))


def advance(client: httpx.Client, now: str) -> None:
    client.put("/_dev/clock", json={"now": now})
