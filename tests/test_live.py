"""Reading: what OpenMeter's lists become, how many requests that takes, and what a wrong answer is said to be."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspace import Workspace

from billing_as_code import live
from billing_as_code.client import OpenMeter
from billing_as_code.errors import ApiError, BacError
from billing_as_code.kinds import KINDS, listings
from billing_as_code.model import Address
from billing_as_code.plan import Plan

CATALOG: dict[str, Any] = {
    "meters": {
        "tokens": {"aggregation": "sum", "event_type": "p", "value_property": "$.n", "dimensions": {"m": "$.m"}}
    },
    "features": {
        "ai": {"meter": "tokens", "filters": {"m": {"eq": "x"}}, "unit_cost": {"type": "manual", "amount": 1}}
    },
    "customers": {"acme": {"name": "ACME", "subjects": ["s"], "billing_address": {"city": "Oslo"}}},
    "subjects": {"s": {"metadata": {"a": [1]}}},
    "entitlements": {"acme": {"ai": {"type": "metered", "usage_period": {"interval": "month"}}}},
    "grants": {
        "acme": {
            "ai": {"promo": {"amount": 5, "effective_at": "2026-12-01T00:00:00Z", "recurrence": {"interval": "week"}}}
        }
    },
}
LISTS = (
    "/api/v1/meters",
    "/api/v3/openmeter/features",
    "/api/v1/customers",
    "/api/v1/subjects",
    "/api/v2/entitlements",
    "/api/v1/entitlements",
    "/api/v2/grants",
)


class Rewriting(httpx.BaseTransport):
    """A way to the server whose answers pass through somebody else's hands."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.shown: dict[str, Any] = {}
        self.rewrite: Callable[[httpx.Request, Any], Any] = lambda request, body: body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        if request.method != "GET" or request.url.path.startswith("/_dev/") or answer.status_code != 200:
            return answer
        body = self.rewrite(request, json.loads(answer.read()))
        return httpx.Response(200, headers={"content-type": "application/json"}, content=json.dumps(body).encode())


@pytest.fixture
def rewriting(transport: httpx.BaseTransport) -> Rewriting:
    return Rewriting(transport)


@pytest.fixture
def ws(rewriting: Rewriting, tmp_path: Any) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path, rewriting)
    yield workspace
    workspace.close()


# -- requests -------------------------------------------------------------------------------------------------------


def test_reading_everything_takes_one_request_a_list_and_asks_in_an_order_of_its_own(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    ws.converge()
    ws.forget()
    assert ws.plan().changes == ()
    asked = {r["path"]: r["query"] for r in ws.requests()}
    assert sorted(asked) == sorted(LISTS)
    assert asked["/api/v1/customers"] == {"orderBy": ["id"], "pageSize": ["1000"], "page": ["1"]}
    assert asked["/api/v3/openmeter/features"]["sort"] == ["key"]
    assert asked["/api/v2/entitlements"]["excludeInactive"] == ["true"]
    assert asked["/api/v2/grants"]["orderBy"] == ["id"]


def test_only_what_a_kind_hangs_on_is_read_with_it() -> None:
    assert list(live.closure(["meters"], KINDS)) == ["meters"]
    assert list(live.closure(["features"], KINDS)) == ["meters", "features"]
    assert list(live.closure(["entitlements"], KINDS)) == ["meters", "features", "customers", "entitlements", "grants"]
    assert list(live.closure(["grants"], KINDS)) == list(live.closure(["entitlements"], KINDS))


def test_progress_ends_with_every_request_that_is_known_of_answered(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    told: list[tuple[int, int]] = []
    ws.plan(progress=lambda done, known: told.append((done, known)))
    assert told[-1] == (7, 7)
    assert [done for done, _ in told] == list(range(1, 8))


@pytest.fixture
def paged(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Five customers in pages of two."""
    monkeypatch.setattr(listings, "PAGE", 2)
    ws.write("catalog/a.yaml", {"customers": {f"c{n}": {"name": "C"} for n in range(5)}})
    ws.converge()
    return ws


def test_every_page_of_a_list_is_read_once(paged: Workspace) -> None:
    paged.forget()
    assert paged.plan().changes == ()
    pages = [r["query"]["page"] for r in paged.requests() if r["path"] == "/api/v1/customers"]
    assert sorted(pages) == [["1"], ["2"], ["3"]]


def test_an_item_that_is_shown_twice_while_a_list_changes_counts_once(paged: Workspace, rewriting: Rewriting) -> None:
    first: list[Any] = []

    def shifted(request: httpx.Request, body: Any) -> Any:
        if request.url.path == "/api/v1/customers":
            if request.url.params["page"] == "1":
                first[:] = body["items"]
            elif request.url.params["page"] == "2":
                body["items"] = [*first[-1:], *body["items"]]
        return body

    rewriting.rewrite = shifted
    assert paged.plan().changes == ()
    client = OpenMeter("http://openmeter.test", transport=paged.transport)
    state = live.read(client, {"customers": KINDS["customers"]}, width=1)
    assert sorted(state) == [Address("customers", (f"c{n}",)) for n in range(5)]
    assert all(r.parts == () for r in state.values())


@pytest.mark.parametrize("times", [1, 2])
def test_what_moves_up_while_a_list_is_read_is_not_missed(paged: Workspace, rewriting: Rewriting, times: int) -> None:
    """Another hand deletes a customer of a page that was read already, so that the next page begins one later."""
    gone: list[str] = []

    def deleting(request: httpx.Request, body: Any) -> Any:
        if request.url.path == "/api/v1/customers" and request.url.params["page"] == "1" and len(gone) < times:
            gone.append(body["items"][0]["key"])
            paged.http.delete(f"/api/v1/customers/{gone[-1]}").raise_for_status()
        return body

    rewriting.rewrite = deleting
    client = OpenMeter("http://openmeter.test", transport=paged.transport)
    state = live.read(client, {"customers": KINDS["customers"]}, width=1)
    assert gone == [f"c{n}" for n in range(times)]
    assert {Address("customers", (f"c{n}",)) for n in range(times, 5)} <= state.keys()


def test_a_list_that_shrinks_each_time_is_an_error(paged: Workspace, rewriting: Rewriting) -> None:
    def fewer(request: httpx.Request, body: Any) -> Any:
        if request.url.path == "/api/v1/customers" and request.url.params["page"] != "1":
            body["totalCount"] -= 1
        return body

    rewriting.rewrite = fewer
    with pytest.raises(ApiError, match="the list shrank each time it was read"):
        paged.plan()


def test_the_labels_of_a_boolean_come_from_the_list_that_shows_them(ws: Workspace) -> None:
    ws.write(
        "catalog/a.yaml",
        {
            "features": {"sso": {}},
            "customers": {"acme": {"name": "A"}},
            "entitlements": {"acme": {"sso": {"type": "boolean", "metadata": {"note": "x"}}}},
        },
    )
    ws.converge()
    state = live.read(OpenMeter("http://openmeter.test", transport=ws.transport), KINDS)
    found = state[Address("entitlements", ("acme", "sso"))]
    assert (found.owner, found.marks) == ("acme-billing", {"bac.owner": "acme-billing"})
    assert KINDS["entitlements"].get(found.spec, "metadata") == {"note": "x"}


# -- giving up ------------------------------------------------------------------------------------------------------


def test_a_read_that_fails_asks_nothing_more_and_leaves_nothing_under_way(paged: Workspace) -> None:
    """One page cannot be understood while the others are told to come back later, for minutes if anybody did."""
    asked: list[str] = []
    is_told = threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        page = request.url.params["page"]
        asked.append(page)
        if page == "1":
            return paged.transport.handle_request(request)
        if page == "2":
            assert is_told.wait(10)
            return httpx.Response(200, content=b"no JSON")
        is_told.set()
        return httpx.Response(503, headers={"retry-after": "60"})

    under_way: list[str] = []

    class Watched(OpenMeter):
        def fetch(self, *request: Any, **how: Any) -> bytes:
            under_way.append("a read")
            try:
                return super().fetch(*request, **how)
            finally:
                under_way.pop()

    client = Watched("http://openmeter.test", transport=httpx.MockTransport(answer))
    with pytest.raises(ApiError, match="the answer is no JSON"):
        live.read(client, {"customers": KINDS["customers"]})
    assert sorted(asked) == ["1", "2", "3"]
    assert under_way == []


def test_pages_are_fetched_a_little_ahead_of_the_one_that_is_looked_at(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all of a list would lie in memory while its first page is understood."""
    monkeypatch.setattr(listings, "PAGE", 1)
    ws.write("catalog/a.yaml", {"customers": {f"c{n}": {"name": "C"} for n in range(9)}})
    ws.converge()
    ws.forget()
    ahead: list[int] = []

    def progress(done: int, known: int) -> None:
        assert known == 9
        ahead.append(len(ws.requests()) - done)

    client = OpenMeter("http://openmeter.test", transport=ws.transport)
    state = live.read(client, {"customers": KINDS["customers"]}, width=1, progress=progress)
    assert len(state) == len(ahead) == 9
    assert max(ahead) <= 2


# -- wrong answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("body", [None, 1, "text", {}, {"items": 1}, {"error": "x"}, [1], [{}], [{"id": 1}], [[]]])
def test_an_answer_that_is_no_list_is_an_error_that_names_the_request(
    ws: Workspace, rewriting: Rewriting, path: str, body: Any
) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    enveloped = {"items": body, "totalCount": 1, "data": body, "meta": {"page": {"total": 1}}}
    bare = path in ("/api/v1/meters", "/api/v1/subjects")
    for answer in (body,) if bare else (body, enveloped):
        rewriting.rewrite = lambda request, was, answer=answer: answer if request.url.path == path else was
        with pytest.raises(ApiError, match=f"GET {path}"):
            ws.plan()


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/api/v1/meters", "slug"),
        ("/api/v1/meters", "aggregation"),
        ("/api/v2/entitlements", "customerId"),
        ("/api/v2/entitlements", "featureKey"),
        ("/api/v2/grants", "entitlementId"),
    ],
)
def test_an_item_without_what_it_must_have_is_an_error_that_says_which_kind(
    ws: Workspace, rewriting: Rewriting, path: str, missing: str
) -> None:
    ws.write("catalog/a.yaml", CATALOG)
    ws.converge()

    def without(request: httpx.Request, body: Any) -> Any:
        if request.url.path == path:
            for item in body["items"] if isinstance(body, dict) else body:
                item.pop(missing)
        return body

    rewriting.rewrite = without
    with pytest.raises(ApiError, match=r"a (meter|entitlement|grant) that cannot be understood"):
        ws.plan()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value, itself included."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    out = copy.deepcopy(value)
    into = out
    for key in path[:-1]:
        into = into[key]
    into[path[-1]] = by
    return out


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), path=st.sampled_from(LISTS))
def test_an_answer_with_anything_in_it_gives_a_plan_or_a_clear_error(
    ws: Workspace, rewriting: Rewriting, data: st.DataObject, path: str
) -> None:
    shown = rewriting.shown
    if not shown:

        def keeping(request: httpx.Request, body: Any) -> Any:
            shown[request.url.path] = body
            return body

        ws.write("catalog/a.yaml", CATALOG)
        ws.converge()
        rewriting.rewrite = keeping
        ws.plan()
    ws.write("catalog/a.yaml", CATALOG | data.draw(st.sampled_from(CHANGES), label="change"))
    where = data.draw(st.sampled_from(sorted(places(shown[path]), key=str)), label="where")
    answer = replaced(shown[path], where, data.draw(st.sampled_from(ODD), label="by"))
    rewriting.rewrite = lambda request, body: answer if request.url.path == path else body
    try:
        plan = ws.plan()
    except BacError as error:
        assert str(error)
    else:
        assert isinstance(plan, Plan)
        assert plan.digest


ODD = (None, 0, -1.5, True, "", "x", "2026-02-30T00:00:00Z", [], [1], {}, {"a": None})
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"meters": {"tokens": CATALOG["meters"]["tokens"] | {"event_type": "other"}}},
    {"entitlements": {"acme": {"ai": CATALOG["entitlements"]["acme"]["ai"] | {"issue": {"amount": 7}}}}},
    {"grants": {}},
    {"grants": {"acme": {"ai": {"promo": {"amount": 8, "effective_at": "2026-12-01T00:00:00Z"}}}}},
)
