"""What goes over the wire: as few reads as there are pages, no write that is not needed, and the writes that a plan has
shown, no others."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code import live
from billing_as_code.kinds import KINDS
from billing_as_code.model import Change, Json, Ref, Step
from billing_as_code.plan import Plan
from billing_as_code.render import requests as shown
from billing_as_code.render.lines import plain

LISTS = {
    "meters": "/api/v1/meters",
    "features": "/api/v3/openmeter/features",
    "customers": "/api/v1/customers",
    "subjects": "/api/v1/subjects",
    "entitlements": "/api/v2/entitlements",
    "labels of booleans": "/api/v1/entitlements",
    "grants": "/api/v2/grants",
}
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

METERS = {
    "tokens": {
        "event_type": "prompt",
        "aggregation": "sum",
        "value_property": "$.tokens",
        "dimensions": {"model": "$.model"},
    },
    "calls": {"event_type": "call", "aggregation": "count", "dimensions": {"route": "$.route"}},
}
MONTHLY = {"interval": "month", "anchor": "2026-11-01T00:00:00Z"}
CATALOG: dict[str, Any] = {
    "meters": METERS,
    "features": {
        "ai": {"name": "AI", "meter": "tokens", "unit_cost": {"type": "manual", "amount": "0.002"}},
        "api": {"meter": "calls"},
        "large": {"meter": "tokens", "filters": {"model": {"eq": "large"}}},
        "sso": {},
        "seats": {},
    },
    "customers": {
        "acme": {
            "name": "ACME",
            "subjects": ["acme", "acme-eu"],
            "currency": "USD",
            "billing_address": {"country": "NO", "city": "Oslo"},
        },
        "globex": {"name": "Globex", "subjects": ["globex"]},
    },
    "subjects": {"acme": {"display_name": "Acme"}, "globex": {"metadata": {"tier": 1}}},
    "entitlements": {
        "acme": {
            "ai": {"type": "metered", "issue": {"amount": 1000}, "usage_period": MONTHLY},
            "api": {"type": "metered", "issue": {"amount": 50}, "usage_period": MONTHLY},
            "sso": {"type": "boolean"},
            "seats": {"type": "static", "config": {"max": 5}},
        },
        "globex": {"ai": {"type": "metered", "usage_period": MONTHLY}, "sso": {"type": "boolean"}},
    },
    "grants": {
        "acme": {
            "ai": {
                "welcome": {"amount": 500, "effective_at": "2026-11-24T12:00:00Z", "priority": 3},
                "bonus": {
                    "amount": 100,
                    "effective_at": "2026-11-24T12:00:00Z",
                    "expiration": {"duration": "month", "count": 3},
                },
            }
        }
    },
}


def changed() -> dict[str, Any]:
    """The catalog with every kind changed: in place, replaced, deleted, and with a subject key that changes hands."""
    return {
        "meters": {
            "tokens": {**METERS["tokens"], "name": "Tokens", "metadata": {"team": "platform"}},
            "calls": {**METERS["calls"], "event_type": "request"},
            "seconds": {"event_type": "job", "aggregation": "sum", "value_property": "$.seconds"},
        },
        "features": {
            "ai": {"name": "AI", "meter": "tokens", "unit_cost": {"type": "manual", "amount": "0.003"}},
            "api": {"meter": "calls"},
            "large": {"meter": "tokens", "filters": {"model": {"in": ["large", "huge"]}}},
            "seats": {},
            "sso": {},
        },
        "customers": {
            "acme": {"name": "ACME Inc.", "subjects": ["acme", "globex-eu"], "billing_address": {"country": "NO"}},
            "globex": {"name": "Globex", "subjects": ["acme-eu", "globex"]},
        },
        "subjects": {"acme": {"display_name": "ACME Inc."}},
        "entitlements": {
            "acme": {
                "ai": {"type": "metered", "issue": {"amount": 2000}, "usage_period": MONTHLY},
                "api": {"type": "metered", "issue": {"amount": 50}, "usage_period": MONTHLY},
                "seats": {"type": "static", "config": {"max": 9}},
            },
            "globex": {
                "ai": {"type": "metered", "usage_period": MONTHLY, "is_soft_limit": True},
                "sso": {"type": "boolean"},
            },
        },
        "grants": {
            "acme": {
                "ai": {
                    "welcome": {"amount": 700, "effective_at": "2026-11-24T12:00:00Z", "priority": 3},
                    "third": {"amount": 10, "effective_at": "2026-12-01T00:00:00Z"},
                }
            }
        },
    }


def use(ws: Workspace, tokens: int) -> None:
    """Usage of acme, now."""
    event = {
        "id": f"use-{tokens}-{ws.now().isoformat()}",
        "source": "test",
        "specversion": "1.0",
        "type": "prompt",
        "subject": "acme",
        "data": {"tokens": tokens, "model": "large"},
    }
    ws.http.post("/api/v1/events", json=event).raise_for_status()


def reads(ws: Workspace) -> Counter[str]:
    """How often each path was read."""
    return Counter(r["path"] for r in ws.requests() if r["method"] == "GET")


# -- reads -------------------------------------------------------------------------------------------------------------


def test_a_plan_reads_each_list_once_and_no_resource(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.forget()
    assert ws.plan().changes == ()
    assert reads(ws) == Counter(LISTS.values())
    assert ws.writes() == []


def test_a_plan_that_changes_everything_reads_no_more_than_one_that_changes_nothing(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.write("catalog/all.yaml", changed())
    ws.forget()
    assert len(ws.plan().changes) > 10
    assert reads(ws) == Counter(LISTS.values())


Seed = Callable[[int], Iterator[tuple[str, Json]]]


def meters(n: int) -> Iterator[tuple[str, Json]]:
    """Meters, made by another hand."""
    for i in range(n):
        yield "/api/v1/meters", {"slug": f"m_{i:04}", "eventType": "call", "aggregation": "COUNT"}


def features(n: int) -> Iterator[tuple[str, Json]]:
    """Features without a meter."""
    for i in range(n):
        yield "/api/v1/features", {"key": f"f_{i:04}", "name": "F"}


def customers(n: int) -> Iterator[tuple[str, Json]]:
    """Customers without a subject."""
    for i in range(n):
        yield "/api/v1/customers", {"key": f"c-{i:04}", "name": "C"}


def booleans(n: int) -> Iterator[tuple[str, Json]]:
    """One customer with many boolean entitlements."""
    yield "/api/v1/customers", {"key": "acme", "name": "ACME"}
    for i in range(n):
        yield "/api/v1/features", {"key": f"f_{i:04}", "name": "F"}
        yield "/api/v2/customers/acme/entitlements", {"type": "boolean", "featureKey": f"f_{i:04}"}


def grants(n: int) -> Iterator[tuple[str, Json]]:
    """One entitlement with many grants."""
    yield "/api/v1/meters", {"slug": "calls", "eventType": "call", "aggregation": "COUNT"}
    yield "/api/v1/features", {"key": "api", "name": "API", "meterSlug": "calls"}
    yield "/api/v1/customers", {"key": "acme", "name": "ACME"}
    monthly = {"type": "metered", "featureKey": "api", "usagePeriod": {"interval": "MONTH"}}
    yield "/api/v2/customers/acme/entitlements", monthly
    for _ in range(n):
        yield "/api/v2/customers/acme/entitlements/api/grants", {"amount": 1, "effectiveAt": "2026-12-01T00:00:00Z"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seed", "n", "lists"),
    [
        (features, 1001, ["features"]),
        (customers, 1001, ["customers"]),
        (booleans, 1001, ["features", "entitlements", "labels of booleans"]),
        (grants, 1001, ["grants"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_long_list_is_read_in_pages_of_a_thousand(
    ws: Workspace, openmeter: Any, seed: Seed, n: int, lists: list[str]
) -> None:
    plant(openmeter, seed, n)
    ws.forget()
    ws.plan()
    assert reads(ws) == Counter({path: 1 + (name in lists) for name, path in LISTS.items()})
    with ws.session() as session:
        state = live.read(session.client, KINDS)
    assert Counter(a.kind for a in state)[seed.__name__.replace("booleans", "entitlements")] == (
        n if seed != grants else 0
    )


def plant(app: Any, seed: Seed, n: int) -> None:
    """Make many resources, as another hand would; unjudged, since it is the same request again and again."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://openmeter.test") as http:
        for path, body in seed(n):
            answer = http.post(path, json=body)
            assert answer.is_success, answer.text


@pytest.mark.thorough
@pytest.mark.parametrize("n", [999, 1000, 1500, 2500])
def test_every_meter_is_seen_though_openmeter_lists_no_more_than_a_thousand(
    ws: Workspace, openmeter: Any, n: int
) -> None:
    plant(openmeter, meters, n)
    ws.forget()
    with ws.session() as session:
        state = live.read(session.client, {"meters": KINDS["meters"]})
    assert {a.path[0] for a in state} == {body["slug"] for _, body in meters(n)}
    asked = [r["path"] for r in ws.requests()]
    full = n == 1000  # a full page may be the last one, and only the next request tells
    assert len(asked) == math.ceil(n / 1000) + full
    assert asked.count("/api/v1/meters") <= 2


def test_an_apply_of_an_empty_plan_asks_for_nothing(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    plan = ws.plan()
    ws.forget()
    events, outcome = ws.apply(plan)
    assert (events, outcome.whole) == ([], True)
    assert ws.requests() == []


def values_read(ws: Workspace) -> list[str]:
    """The entitlements whose value was read."""
    return sorted(r["path"].split("/", 4)[4] for r in ws.requests() if r["path"].endswith("/value"))


def test_a_value_is_read_only_for_an_entitlement_that_is_overridden_and_has_grants(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.forget()
    ws.write("catalog/all.yaml", changed())
    ws.converge()
    # acme's api has but the grant that OpenMeter issues, which it issues again; globex has none, a static one neither
    with ws.session() as session:
        state = live.read(session.client, KINDS)
    acme = next(r.id for a, r in state.items() if str(a) == "customers.acme")
    assert set(values_read(ws)) == {f"{acme}/entitlements/ai/value"}


def test_no_value_is_read_to_make_or_to_delete_entitlements(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.write("catalog/all.yaml", {"customers": CATALOG["customers"]})
    ws.converge()
    assert values_read(ws) == []


# -- writes ------------------------------------------------------------------------------------------------------------


def ids(ws: Workspace) -> dict[str, str]:
    """The id of every live resource, by address."""
    with ws.session() as session:
        return {str(a): r.id for a, r in live.read(session.client, KINDS).items() if r.id is not None}


def matches(planned: Json, sent: Json, known: Mapping[str, set[str]]) -> bool:
    """Whether what was sent is what was planned, with the references resolved."""
    if isinstance(planned, Ref):
        if planned.what == "id":
            others = set().union(*(found for address, found in known.items() if address != planned.of))
            return ULID.fullmatch(sent) is not None and sent not in others  # its own, or that of one made in between
        return sent is not None
    if isinstance(planned, Mapping):
        return (
            isinstance(sent, Mapping)
            and planned.keys() == sent.keys()
            and all(matches(value, sent[name], known) for name, value in planned.items())
        )
    if isinstance(planned, list | tuple):
        return (
            isinstance(sent, list)
            and len(planned) == len(sent)
            and all(map(matches, planned, sent, [known] * len(sent)))
        )
    return bool(planned == sent and type(planned) is type(sent))


def is_sent(step: Step, request: Mapping[str, Any], known: Mapping[str, set[str]]) -> bool:
    """Whether a request is a step of a plan."""
    query = {name: values[-1] for name, values in request["query"].items()}
    path = [httpx.URL(f"http://x/{segment}").path[1:] for segment in request["path"].split("/")[1:]]
    return (
        step.method == request["method"]
        and matches(step.path, path, known)
        and matches(dict(step.query), query, known)
        and matches(step.body, request["body"], known)
    )


def steps(plan: Plan) -> Iterator[tuple[Change, Step]]:
    """Every step of a plan."""
    return ((c, step) for c in plan.changes for step in (*c.prepare, *c.steps))


def see_that_it_was_sent(ws: Workspace, plan: Plan, before: Mapping[str, str]) -> None:
    """Each step was sent once, the steps of a change in their order, and nothing else but what has a condition."""
    after = ids(ws)
    known = {a: {both[a] for both in (before, after) if a in both} for a in (*before, *after)}
    left = list(enumerate(ws.writes()))
    last: dict[str, int] = {}
    unsent = []
    for change, step in (s for s in steps(plan) if s[1].when is None):
        name = str(change.address)
        found = next((w for w in left if is_sent(step, w[1], known) and w[0] > last.get(name, -1)), None)
        if found is None:
            unsent.append(f"{change.action} {name}: {step.method} {step.path} {step.body}")
        else:
            left.remove(found)
            last[name] = found[0]
    conditional = [step for _, step in steps(plan) if step.when is not None]
    unplanned = [w for _, w in left if not any(is_sent(step, w, known) for step in conditional)]
    assert (unsent, unplanned) == ([], [])
    assert len(left) <= len(conditional)


def test_the_steps_of_a_plan_are_the_writes_that_are_sent(ws: Workspace) -> None:
    for hour, catalog in enumerate((CATALOG, changed(), {}), 13):
        ws.clock(f"2026-11-24T{hour}:00:00Z")
        ws.write("catalog/all.yaml", catalog)
        before = ids(ws)
        plan = ws.plan()
        assert {c.address.kind for c in plan.changes} >= set(KINDS) - {"grants"}  # a grant goes with its entitlement
        ws.forget()
        _, outcome = ws.apply(plan)
        assert outcome.whole, (outcome.tally.failed, outcome.loose)
        see_that_it_was_sent(ws, plan, before)
        use(ws, 300)


def test_the_requests_that_are_shown_are_the_requests_that_are_sent(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    plan = ws.plan()
    text = "\n".join(plain(shown.requests(plan)))
    ws.forget()
    ws.apply(plan)
    made = ids(ws)
    told = re.findall(r"^(POST|PUT|PATCH|DELETE) (\S.*?)$", text, flags=re.MULTILINE)
    resolved = [(method, re.sub(r"\{id of ([^}]+)\}", lambda m: str(made[m[1]]), path)) for method, path in told]
    assert Counter(resolved) == Counter((r["method"], r["path"]) for r in ws.writes())
    assert any(ULID.search(path) for _, path in resolved)
