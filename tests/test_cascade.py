"""What follows from a replace or a delete: what is replaced with it, in which order, and what forbids it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from wire import refereed
from workspace import Workspace

from billing_as_code.devserver import create_app
from billing_as_code.errors import PlanError

ENTITLEMENTS = "/api/v2/customers/acme/entitlements"


class Watched(httpx.BaseTransport):
    """A transport that looks around after each write."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.look: Callable[[str], None] = lambda request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        if request.method != "GET" and not request.url.path.startswith("/_dev/"):
            self.look(f"{request.method} {request.url.path}")
        return answer


@pytest.fixture
def ws(tmp_path: Any) -> Iterator[Workspace]:
    """A project with one customer that has used a half of 100 tokens, a static entitlement beside it, and a meter to
    be replaced."""
    workspace = Workspace(tmp_path, Watched(refereed(create_app())))
    workspace.write("catalog/all.yaml", catalog())
    workspace.converge()
    for n, key in enumerate(("$.n", "$.m")):
        use(workspace, f"e{n}", {key[2:]: 25 * (n + 1)})
    yield workspace
    workspace.close()


def catalog(**changes: Any) -> dict[str, Any]:
    """The catalog of these tests; a change is `meters={...}` for a section, merged one level deep."""
    found: dict[str, Any] = {
        "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
        "features": {"ai": {"meter": "tokens"}, "seats": {"meter": "tokens"}, "sso": {}},
        "customers": {"acme": {"name": "ACME"}},
        "entitlements": {
            "acme": {
                "ai": {
                    "type": "metered",
                    "usage_period": {"interval": "month", "anchor": "2026-11-01T00:00:00Z"},
                    "measure_usage_from": "current_period_start",
                    "issue": {"amount": 100},
                },
                "seats": {"type": "static", "config": {"max": 5}},
                "sso": {"type": "boolean"},
            }
        },
        "grants": {"acme": {"ai": {"bonus": {"amount": 10, "effective_at": "2026-11-20T00:00:00Z", "priority": 1}}}},
    }
    for section, values in changes.items():
        found[section] = {**found[section], **values}
        found[section] = {k: v for k, v in found[section].items() if v is not None}
    return found


def use(ws: Workspace, name: str, data: dict[str, int], time: str = "2026-11-24T11:00:00Z") -> None:
    event = {"specversion": "1.0", "id": name, "source": "t", "type": "prompt", "subject": "acme", "time": time}
    headers = {"content-type": "application/cloudevents+json"}
    ws.http.post("/api/v1/events", json={**event, "data": data}, headers=headers).raise_for_status()


def value(ws: Workspace, feature: str) -> dict[str, Any]:
    found: dict[str, Any] = ws.http.get(f"{ENTITLEMENTS}/{feature}/value").json()
    return found


def words(error: pytest.ExceptionInfo[PlanError]) -> str:
    return "\n".join(f"{address}: {text}" for address, text in error.value.reasons)


OTHER_METER = {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.m"}}


# -- the meter's replacement ------------------------------------------------------------------------------------------


def test_access_never_goes_away_while_a_meter_is_replaced(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    seen: list[tuple[str, dict[str, bool]]] = []
    watched = ws.transport
    assert isinstance(watched, Watched)
    features = ("ai", "seats", "sso")
    watched.look = lambda request: seen.append((request, {f: value(ws, f).get("hasAccess", False) for f in features}))
    ws.converge()
    watched.look = lambda request: None
    assert ("DELETE", "meters") in [(r.split()[0], r.split("/")[3]) for r, _ in seen]
    assert [r for r, access in seen if not all(access.values())] == []


def test_a_period_is_measured_again_by_the_new_meter(ws: Workspace) -> None:
    assert (value(ws, "ai")["usage"], value(ws, "ai")["balance"]) == (25, 85)
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    ws.converge()
    after = value(ws, "ai")
    assert (after["usage"], after["balance"], after["overage"]) == (50, 60, 0)


def test_a_bridge_keeps_the_period_of_a_customer(ws: Workspace) -> None:
    before = ws.http.get(f"{ENTITLEMENTS}/ai").json()
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    ws.converge()
    after = ws.http.get(f"{ENTITLEMENTS}/ai").json()
    assert after["id"] != before["id"]
    assert after["currentUsagePeriod"] == before["currentUsagePeriod"]


def test_with_a_gap_entitlements_are_deleted_and_created(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    ws.forget()
    ws.converge(gap=True)
    kinds = [(w["method"], w["path"].rsplit("/", 1)[-1]) for w in ws.writes() if "entitlements" in w["path"]]
    assert [k for k in kinds if k[1] == "override"] == []
    assert sorted(k for k, _ in kinds).count("DELETE") == 2
    after = value(ws, "ai")
    assert (after["usage"], after["balance"]) == (50, 60)


def test_a_meter_that_no_one_uses_is_deleted_and_created(ws: Workspace) -> None:
    spare = {"spare": {"aggregation": "count", "event_type": "ping"}}
    ws.write("catalog/all.yaml", catalog(meters=spare))
    ws.converge()
    ws.write("catalog/all.yaml", catalog(meters={"spare": {"aggregation": "count", "event_type": "pong"}}))
    ws.forget()
    plan = ws.converge()
    assert [(c.action, str(c.address)) for c in plan.changes] == [("replace", "meters.spare")]
    assert [w["method"] for w in ws.writes()] == ["DELETE", "POST"]


# -- what forbids it --------------------------------------------------------------------------------------------------


def undeclared(ws: Workspace) -> str:
    body = {"type": "metered", "featureKey": "ai", "usagePeriod": {"interval": "MONTH"}}
    ws.http.post("/api/v1/customers", json={"key": "globex", "name": "Globex"}).raise_for_status()
    ws.http.post("/api/v2/customers/globex/entitlements", json=body).raise_for_status()
    return "meters.tokens"


def test_a_replace_names_each_dependent_that_the_catalog_does_not_speak_of(ws: Workspace) -> None:
    undeclared(ws)
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    ws.forget()
    with pytest.raises(PlanError) as error:
        ws.plan()
    assert "entitlements.globex.ai hangs on it, which is not in the catalog" in words(error)
    assert not ws.writes()


def test_a_replace_is_refused_where_a_dependent_is_another_owners(ws: Workspace) -> None:
    body = {"type": "boolean", "featureKey": "ai", "metadata": {"bac.owner": "sales"}}
    ws.http.post("/api/v1/customers", json={"key": "globex", "name": "Globex"}).raise_for_status()
    ws.http.post("/api/v2/customers/globex/entitlements", json=body).raise_for_status()
    ws.write("catalog/all.yaml", catalog(meters=OTHER_METER))
    with pytest.raises(PlanError, match="belongs to sales"):
        ws.plan()


def test_a_replace_is_refused_where_a_dependent_is_external(ws: Workspace) -> None:
    undeclared(ws)
    external = {"customers": {"acme": {"name": "ACME"}, "globex": {"external": True}}}
    changed = catalog(meters=OTHER_METER, **external)
    changed["entitlements"]["globex"] = {"ai": {"external": True}}
    ws.write("catalog/all.yaml", changed)
    with pytest.raises(PlanError, match="is declared external"):
        ws.plan()


def test_a_meter_that_left_the_catalog_is_kept_as_long_as_another_hand_needs_it(ws: Workspace) -> None:
    feature = {"key": "theirs", "name": "Theirs", "meterSlug": "tokens"}
    ws.http.post("/api/v1/features", json=feature).raise_for_status()
    features = {"ai": {}, "seats": {}}
    changed = catalog(meters={"tokens": None}, features=features, grants={"acme": {}})
    changed["entitlements"]["acme"]["ai"] = {"type": "boolean"}
    ws.write("catalog/all.yaml", changed)
    with pytest.raises(PlanError) as error:
        ws.plan()
    assert "left the catalog, and features.theirs needs it" in words(error)


def test_what_is_protected_is_neither_deleted_nor_replaced(ws: Workspace) -> None:
    meters = {"tokens": {**catalog()["meters"]["tokens"], "protect": True}}
    ws.write("catalog/all.yaml", catalog(meters=meters, customers={"acme": {"name": "ACME", "protect": True}}))
    ws.converge()
    protected = {"tokens": {**OTHER_METER["tokens"], "protect": True}}
    ws.write(
        "catalog/all.yaml",
        catalog(meters=protected, customers={"acme": None}, entitlements={"acme": None}, grants={"acme": None}),
    )
    with pytest.raises(PlanError) as error:
        ws.plan()
    assert "customers.acme: is protected, and left the catalog" in words(error)
    assert "meters.tokens: is protected (protect: true), and the plan would replace it" in words(error)


def test_protection_of_what_has_fixed_labels_comes_off_by_a_replace(ws: Workspace) -> None:
    both = {"acme": {"name": "ACME"}, "globex": {"name": "Globex"}}
    switch = {"globex": {"sso": {"type": "boolean", "protect": True}}}
    ws.write("catalog/all.yaml", catalog(customers=both, entitlements=switch))
    ws.converge()
    ws.write("catalog/all.yaml", catalog(customers=both))
    with pytest.raises(PlanError, match=r"--replace entitlements\.globex\.sso"):
        ws.plan()
    ws.write("catalog/all.yaml", catalog(customers=both, entitlements={"globex": {"sso": {"type": "boolean"}}}))
    assert not ws.plan().changes
    ws.apply(replaced=["entitlements.globex.sso"])
    ws.write("catalog/all.yaml", catalog(customers=both))
    assert [c.action for c in ws.converge().changes] == ["delete"]


class Subscribed(httpx.BaseTransport):
    """An OpenMeter that shows acme's entitlements to these features as a subscription's, and refuses to change them, as
    in recording subscription_entitlements."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.features: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        if request.method != "GET" and "entitlements" in parts and self.features & {*parts}:
            detail = "forbidden error: entitlement is managed by subscription"
            return httpx.Response(403, json={"status": 403, "title": "Forbidden", "detail": detail})
        answer = self._inner.handle_request(request)
        if request.method == "GET" and request.url.path == "/api/v2/entitlements":
            body = json.loads(answer.read())
            for item in body["items"]:
                if item["featureKey"] in self.features:
                    item["annotations"] = {"subscription.id": "01M8656100000000000000000S"}
            return httpx.Response(answer.status_code, json=body)
        return answer


@pytest.fixture
def subscribed(ws: Workspace) -> Workspace:
    """The project, whose customer has `ai` and `sso` from a subscription; the catalog does not speak of those two."""
    ws.write("catalog/all.yaml", without_subscribed())
    # nobody's, as a subscription makes them
    for key in ("ai", "sso"):
        ws.http.delete(f"{ENTITLEMENTS}/{key}").raise_for_status()
        body = {"type": "boolean", "featureKey": key}
        ws.http.post(ENTITLEMENTS, json=body).raise_for_status()
    ws.transport = managed = Subscribed(ws.transport)
    managed.features = {"ai", "sso"}
    ws.converge()
    return ws


def without_subscribed(**changes: Any) -> dict[str, Any]:
    found = catalog(**changes, grants={"acme": None})
    entitlements = {"acme": {"seats": found["entitlements"]["acme"]["seats"]}} if found["entitlements"] else {}
    return {**found, "entitlements": entitlements}


def test_what_a_subscription_manages_is_nobodys_to_prune(subscribed: Workspace) -> None:
    subscribed.configure(exclusive=["entitlements"])
    assert subscribed.plan().changes == ()


def test_what_a_subscription_manages_takes_no_grants(subscribed: Workspace) -> None:
    found = without_subscribed()
    found["entitlements"]["acme"]["ai"] = {"external": True}
    found["grants"] = {"acme": {"ai": {"bonus": {"amount": 5, "effective_at": "2026-12-01T00:00:00Z"}}}}
    subscribed.write("catalog/all.yaml", found)
    with pytest.raises(PlanError) as error:
        subscribed.plan()
    assert words(error) == (
        "grants.acme.ai.bonus: is for an entitlement that a subscription manages, and OpenMeter lets nobody else grant "
        "it anything"
    )


def test_what_a_subscription_manages_is_no_ones_to_declare(subscribed: Workspace) -> None:
    subscribed.write("catalog/all.yaml", catalog(grants={"acme": None}))
    with pytest.raises(PlanError) as error:
        subscribed.plan()
    assert "entitlements.acme.ai: is managed by a subscription. Take it out of the catalog" in words(error)
    assert "seats" not in words(error)


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"meters": OTHER_METER}, {}, "entitlements.acme.ai hangs on it, which is managed by a subscription"),
        ({}, {"replaced": ["features.sso"]}, "entitlements.acme.sso hangs on it, which is managed by a subscription"),
        (
            {"features": {"sso": None}},
            {},
            "left the catalog, and entitlements.acme.sso needs it, which is managed by a",
        ),
        (
            {"customers": {"acme": None}, "entitlements": {"acme": None}},
            {},
            "left the catalog, and entitlements.acme.ai needs it, which is managed by a subscription",
        ),
    ],
    ids=["another meter", "another feature", "no feature", "no customer"],
)
def test_a_plan_that_would_take_something_from_under_a_subscription_is_refused(
    subscribed: Workspace, changes: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    subscribed.write("catalog/all.yaml", without_subscribed(**changes))
    subscribed.forget()
    with pytest.raises(PlanError) as error:
        subscribed.plan(**options)
    assert says in words(error)
    assert not subscribed.writes()


# -- features and deletes ---------------------------------------------------------------------------------------------


def test_a_feature_that_is_replaced_takes_its_entitlements_along(ws: Workspace) -> None:
    filtered = {"tokens": {**catalog()["meters"]["tokens"], "dimensions": {"model": "$.model"}}}
    features = {"ai": {"meter": "tokens", "filters": {"model": {"eq": "big"}}}}
    use(ws, "big", {"n": 7, "model": "big"})  # type: ignore[dict-item]
    ws.write("catalog/all.yaml", catalog(meters=filtered, features=features))
    plan = ws.converge()
    reasons = {str(c.address): c.reasons for c in plan.changes if c.action == "replace"}
    assert reasons["entitlements.acme.ai"] == ("follows:features.ai",)
    feature = next(f for f in ws.http.get("/api/v1/features").json() if f["key"] == "ai")
    assert ws.http.get(f"{ENTITLEMENTS}/ai").json()["featureId"] == feature["id"]
    assert value(ws, "ai")["usage"] == 7


def test_an_entitlement_that_is_left_on_an_archived_feature_is_put_right(ws: Workspace) -> None:
    feature = next(f for f in ws.http.get("/api/v1/features").json() if f["key"] == "ai")
    ws.http.delete(f"/api/v1/features/{feature['id']}").raise_for_status()
    body = {"key": "ai", "name": "ai", "meterSlug": "tokens", "metadata": {"bac.owner": "acme-billing"}}
    ws.http.post("/api/v1/features", json=body).raise_for_status()
    plan = ws.converge()
    reasons = [(str(c.address), c.reasons) for c in plan.changes]
    assert reasons == [("entitlements.acme.ai", ("rebound:features.ai",))]
    assert value(ws, "ai")["balance"] == 85


def test_deletes_go_from_what_refers_to_what_is_referred_to(ws: Workspace) -> None:
    metered = {f["id"] for f in ws.http.get("/api/v1/features").json() if "meterSlug" in f}
    ws.write("catalog/all.yaml", "{}")
    ws.forget()
    ws.converge()
    paths = [w["path"].split("/") for w in ws.writes()]
    assert all(w["method"] == "DELETE" for w in ws.writes())
    held = [n for n, path in enumerate(paths) if "entitlements" in path]
    customers = {path[-1]: n for n, path in enumerate(paths) if path[-2] == "customers"}
    meters = [n for n, path in enumerate(paths) if path[-2] == "meters"]
    # a feature without a meter may go beside a meter, once nothing is entitled to it
    on_meters = [n for n, path in enumerate(paths) if path[-1] in metered]
    assert (len(held), len(customers), len(meters)) == (3, 1, 1)
    assert on_meters
    assert all(customers[paths[n][4]] > n for n in held)
    assert min(meters) > max(on_meters)


def test_a_dimension_goes_after_the_feature_that_filtered_by_it(ws: Workspace) -> None:
    meter = {**catalog()["meters"]["tokens"], "dimensions": {"model": "$.model"}}
    features = {"big": {"meter": "tokens", "filters": {"model": {"eq": "big"}}}}
    ws.write("catalog/all.yaml", catalog(meters={"tokens": meter}, features=features))
    ws.converge()
    ws.write("catalog/all.yaml", catalog())
    assert {(c.action, str(c.address)) for c in ws.converge().changes} == {
        ("delete", "features.big"),
        ("update", "meters.tokens"),
    }
