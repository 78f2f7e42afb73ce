"""Accounts that are filled through OpenMeter's own API, past `bac`: what a team has before it hears of it.

`fill(http, catalog, owner)` sends what a catalog of `strategies` says, in OpenMeter's words written down here by hand,
so that what is pulled from it is not judged by the code that pulls. `owner` says whose label each resource carries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from strategies import Catalog

Owner = Callable[[str, tuple[str, ...]], str | None]
"""The owner of a resource by section and path, None for nobody."""

_V3_FEATURES = "/api/v3/openmeter/features"
_ADDRESS = {"postal_code": "postalCode", "phone_number": "phoneNumber"}


def nobody(section: str, path: tuple[str, ...]) -> str | None:
    """Nothing is labelled."""
    return None


def post(http: httpx.Client, path: str, body: Any) -> Any:
    """What OpenMeter answers to a POST that it takes."""
    answer = http.post(path, json=body)
    assert answer.is_success, f"{path} {body}: {answer.status_code} {answer.text}"
    return answer.json()


def fill(http: httpx.Client, catalog: Catalog, owner: Owner = nobody) -> None:
    """Make everything that a catalog says, in the order that OpenMeter needs."""
    meters = {key: post(http, "/api/v1/meters", _meter(key, m, owner))["id"] for key, m in catalog["meters"].items()}
    for key, feature in catalog["features"].items():
        post(http, _V3_FEATURES, _feature(key, feature, meters, owner))
    ids = {}
    for key, customer in catalog["customers"].items():
        ids[key] = post(http, "/api/v1/customers", _customer(key, customer, owner))["id"]
    for key, subject in catalog["subjects"].items():
        post(http, "/api/v1/subjects", [_subject(key, subject, owner)])
    for customer, held in catalog["entitlements"].items():
        for feature, entitlement in held.items():
            path = f"/api/v2/customers/{ids[customer]}/entitlements"
            post(http, path, _entitlement((customer, feature), entitlement, owner))
            for name, grant in catalog["grants"].get(customer, {}).get(feature, {}).items():
                post(http, f"{path}/{feature}/grants", _grant((customer, feature, name), grant, owner))


def _labels(section: str, path: tuple[str, ...], said: dict[str, Any], owner: Owner, **more: str) -> dict[str, Any]:
    whose = owner(section, path)
    return {**said.get("metadata", {}), **more, **({"bac.owner": whose} if whose else {})}


def _picked(said: dict[str, Any], **names: str) -> dict[str, Any]:
    return {wire: said[name] for name, wire in names.items() if name in said}


def _meter(key: str, said: dict[str, Any], owner: Owner) -> dict[str, Any]:
    names = {"name": "name", "description": "description", "event_type": "eventType", "events_from": "eventFrom"}
    names |= {"value_property": "valueProperty", "dimensions": "groupBy"}
    body = {"slug": key, "aggregation": said["aggregation"].upper(), **_picked(said, **names)}
    return {**body, "metadata": _labels("meters", (key,), said, owner)}


def _feature(key: str, said: dict[str, Any], meters: dict[str, str], owner: Owner) -> dict[str, Any]:
    body: dict[str, Any] = {"key": key, "name": said.get("name", key), **_picked(said, description="description")}
    body["labels"] = _labels("features", (key,), said, owner)
    if "meter" in said:
        body["meter"] = {"id": meters[said["meter"]], **_picked(said, filters="filters")}
    if "unit_cost" in said:
        cost = said["unit_cost"]
        body["unit_cost"] = {**cost, "amount": str(cost["amount"])} if "amount" in cost else cost
    return body


def _customer(key: str, said: dict[str, Any], owner: Owner) -> dict[str, Any]:
    names = {"name": "name", "description": "description", "currency": "currency", "primary_email": "primaryEmail"}
    body = {"key": key, **_picked(said, **names), "metadata": _labels("customers", (key,), said, owner)}
    if said.get("subjects"):
        body["usageAttribution"] = {"subjectKeys": said["subjects"]}
    if said.get("billing_address"):
        body["billingAddress"] = {_ADDRESS.get(n, n): v for n, v in said["billing_address"].items()}
    return body


def _subject(key: str, said: dict[str, Any], owner: Owner) -> dict[str, Any]:
    body = {"key": key, **_picked(said, display_name="displayName", stripe_customer_id="stripeCustomerId")}
    return {**body, "metadata": _labels("subjects", (key,), said, owner)}


def _interval(text: str) -> str:
    return text.upper() if text in ("day", "week", "month", "year") else text


def _entitlement(path: tuple[str, ...], said: dict[str, Any], owner: Owner) -> dict[str, Any]:
    body: dict[str, Any] = {"featureKey": path[1], "type": said["type"]}
    body["metadata"] = _labels("entitlements", path, said, owner)
    if said["type"] == "static":
        body["config"] = json.dumps(said["config"])
    if said["type"] == "metered":
        period = said["usage_period"]
        body["usagePeriod"] = {"interval": _interval(period["interval"]), **_picked(period, anchor="anchor")}
        names = {"is_soft_limit": "isSoftLimit", "preserve_overage_at_reset": "preserveOverageAtReset"}
        body |= _picked(said, **names)
        if "issue" in said:
            issue = said["issue"]
            body["issue"] = {"amount": float(issue["amount"]), **_picked(issue, priority="priority")}
    return body


def _grant(path: tuple[str, ...], said: dict[str, Any], owner: Owner) -> dict[str, Any]:
    body: dict[str, Any] = {"amount": float(said["amount"]), "effectiveAt": said["effective_at"]}
    body["metadata"] = _labels("grants", path, said, owner, **{"bac.key": path[2]})
    if said.get("priority"):
        body["priority"] = said["priority"]
    if "expiration" in said:
        expiration = said["expiration"]
        body["expiration"] = {"duration": expiration["duration"].upper(), "count": expiration["count"]}
    for name, wire in (("max_rollover_amount", "maxRolloverAmount"), ("min_rollover_amount", "minRolloverAmount")):
        if name in said:
            body[wire] = float(said[name])
    if "recurrence" in said:
        recurrence = said["recurrence"]
        body["recurrence"] = {"interval": _interval(recurrence["interval"]), **_picked(recurrence, anchor="anchor")}
    return body
