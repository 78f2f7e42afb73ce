"""A change of an entitlement is an override that carries its grants over: afterwards balance, usage and overage are
what they would be had it been declared so from the start of the period."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from mortal import Killed, Mortal
from profiles import share
from wire import refereed
from workspace import Workspace, describe

from billing_as_code import service
from billing_as_code.devserver import create_app
from billing_as_code.model import Class

ENTITLEMENT = "/api/v2/customers/acme/entitlements/tokens"
CREATED, CHANGED = "2026-11-20T08:00:20Z", "2026-11-24T12:30:20Z"
DAYS = [f"2026-11-{day}" for day in range(20, 25)]


class Server:
    """A project and its server, with one customer that has one entitlement."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws

    def begin(self, terms: dict[str, Any], grants: dict[str, Any]) -> None:
        self.ws.reset()
        self.ws.clock(CREATED)
        self.declare(terms, grants)
        self.ws.converge()

    def declare(self, terms: dict[str, Any], grants: dict[str, Any]) -> None:
        metered = {
            "type": "metered",
            "usage_period": {"interval": "day", "anchor": "2026-11-01T06:00:00Z"},
            "measure_usage_from": "current_period_start",
        }
        entitlement = terms if "type" in terms else metered | terms
        self.ws.write(
            "catalog/all.yaml",
            {
                "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
                "features": {"tokens": {"meter": "tokens"}},
                "customers": {"acme": {"name": "ACME"}},
                "entitlements": {"acme": {"tokens": entitlement}},
                "grants": {"acme": {"tokens": grants}},
            },
        )

    def use(self, used: list[tuple[int, str]]) -> None:
        for n, (amount, time) in enumerate(used):
            event = {"specversion": "1.0", "id": f"{time}-{n}", "source": "t", "type": "prompt", "subject": "acme"}
            headers = {"content-type": "application/cloudevents+json"}
            event |= {"time": time, "data": {"n": amount}}  # type: ignore[dict-item]
            self.ws.http.post("/api/v1/events", json=event, headers=headers).raise_for_status()

    def do(self, done: tuple[str, Any]) -> None:
        """What other hands do: a grant of theirs, a void, a reset, and time."""
        match done:
            case "grant", body:
                self.ws.http.post(f"{ENTITLEMENT}/grants", json=body)
            case "void", nth:
                grants = [g for g in self.grants() if not (g.get("annotations") or {}).get("issueAfterReset")]
                if grants:
                    self.ws.http.delete(f"/api/v1/grants/{grants[nth % len(grants)]['id']}")
            case "reset", retain:
                self.ws.http.post(f"{ENTITLEMENT}/reset", json={"retainAnchor": retain})
            case "wait", hours:
                later = self.ws.now() + timedelta(hours=hours)
                if later < datetime.fromisoformat(CHANGED):
                    self.ws.clock(later.replace(second=20, microsecond=0).isoformat())

    def grants(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ws.http.get(f"{ENTITLEMENT}/grants", params={"pageSize": 1000}).json()[
            "items"
        ]
        return sorted(found, key=lambda g: (g["createdAt"], g["id"]))

    def alive(self) -> list[dict[str, Any]]:
        return [g for g in self.grants() if not g.get("voidedAt")]

    def value(self, time: str | None = None) -> dict[str, Any]:
        answer = self.ws.http.get(f"{ENTITLEMENT}/value", params={} if time is None else {"time": time})
        answer.raise_for_status()
        names = ("hasAccess", "balance", "usage", "overage")
        return {n: round(v, 6) if isinstance(v := answer.json().get(n), float) else v for n in names}

    def carried_into_the_period(self) -> float | None:
        """What the period began with besides what it was issued; None where it had begun before the entitlement."""
        found = self.ws.http.get(ENTITLEMENT).json()
        start = found["currentUsagePeriod"]["from"]
        answer = self.ws.http.get(f"{ENTITLEMENT}/value", params={"time": start}).json()
        return answer["balance"] - found["issue"]["amount"] if "balance" in answer else None

    def values(self) -> dict[str, Any]:
        """The value now and later: in the same period, and after its end, and much later."""
        begin = datetime.fromisoformat(CHANGED).replace(second=0)
        times = [(begin + timedelta(hours=h, minutes=5)).isoformat() for h in (0, 1, 5, 12, 20, 30, 60, 200, 900)]
        return {time: self.value(time) for time in times}


def an_hour_on(values: dict[str, Any]) -> dict[str, Any]:
    """Without the first hour, in which the remainder of a recurring grant may still be to come."""
    return {time: value for time, value in values.items() if time > "2026-11-24T13:30"}


def served(factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = Workspace(factory.mktemp("project"), Mortal(refereed(create_app())))
    yield Server(workspace)
    workspace.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from served(tmp_path_factory)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server on which the new terms hold from the beginning."""
    yield from served(tmp_path_factory)


# -- what OpenMeter refuses --------------------------------------------------------------------------------------------


class Archiving(httpx.BaseTransport):
    """Another hand archives the feature just before an override, which is refused for it."""

    def __init__(self, server: Server, inner: httpx.BaseTransport) -> None:
        self.server, self.inner = server, inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            feature = self.server.ws.http.get("/api/v1/features/tokens").json()["id"]
            self.server.ws.http.delete(f"/api/v1/features/{feature}")
        return self.inner.handle_request(request)


def refuse_the_override(server: Server) -> None:
    """Apply a plan whose override OpenMeter refuses; it voids the grants all the same."""
    plan, through = server.ws.plan(), server.ws.transport
    server.ws.transport = Archiving(server, through)
    try:
        _, outcome = server.ws.apply(plan)
    finally:
        server.ws.transport = through
    assert list(map(str, outcome.tally.failed)) == ["entitlements.acme.tokens"]
    assert outcome.tally.failed.popitem()[1].endswith("feature not found: tokens")


# -- the property -----------------------------------------------------------------------------------------------------

# Grants of a recurring kind burn before and after their recurrence as two; so none shares its priority with another.
hours = st.sampled_from(("00:00", "06:00", "07:00", "09:00", "12:00", "14:00"))
starts = st.builds(lambda d, h: f"{d}T{h}:00Z", st.sampled_from([*DAYS, "2026-11-25", "2026-12-01"]), hours)


@st.composite
def grant_terms(draw: st.DrawFn, priority: int) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "amount": draw(st.sampled_from((3, 10, 40, "12.5"))),
        "effective_at": draw(starts),
        "priority": priority,
    }
    if draw(st.booleans()):
        unit, count = draw(
            st.sampled_from((("hour", 3), ("hour", 30), ("day", 1), ("day", 4), ("week", 1), ("month", 1)))
        )
        terms["expiration"] = {"duration": unit, "count": count}
    if draw(st.booleans()):
        terms["max_rollover_amount"] = draw(st.sampled_from((0, 5, 40)))
    if draw(st.integers(0, 3)) == 0:
        terms["min_rollover_amount"] = draw(st.sampled_from((1, 5)))
    if draw(st.integers(0, 2)) == 0:
        terms["recurrence"] = {"interval": draw(st.sampled_from(("day", "PT6H", "P2D"))), "anchor": draw(starts)}
    return terms


def as_wire(terms: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The same as another hand would write it, without our labels."""
    body = {"amount": float(terms["amount"]), "effectiveAt": terms["effective_at"], "priority": terms["priority"]}
    names = {"max_rollover_amount": "maxRolloverAmount", "min_rollover_amount": "minRolloverAmount"}
    body |= {wire: terms[name] for name, wire in names.items() if name in terms}
    if "expiration" in terms:
        body["expiration"] = {**terms["expiration"], "duration": terms["expiration"]["duration"].upper()}
    if "recurrence" in terms:
        interval = terms["recurrence"]["interval"]
        body["recurrence"] = {**terms["recurrence"], "interval": "DAY" if interval == "day" else interval}
    return body


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[str, Any]], list[tuple[int, str]]]:
    """Declared grants, what was done until the change, and the usage."""
    priorities = draw(st.permutations(range(1, 8)))
    declared = {f"g{n}": draw(grant_terms(priorities[n])) for n in range(draw(st.integers(0, 3)))}
    foreign = st.builds(lambda t: ("grant", t), grant_terms(priorities[6]).map(lambda t: as_wire(t, datetime.min)))
    waits = st.tuples(st.just("wait"), st.sampled_from((1, 5, 18, 24, 50)))
    others = st.one_of(
        waits, waits, st.tuples(st.just("reset"), st.booleans()), st.tuples(st.just("void"), st.integers(0, 3))
    )
    done = draw(st.lists(others, max_size=5))
    if draw(st.booleans()):
        done.insert(draw(st.integers(0, len(done))), draw(foreign))
    times = st.builds(lambda d, h: f"{d}T{h}:30Z", st.sampled_from(DAYS), st.sampled_from(("07:30", "08:10", "12:10")))
    used = draw(st.lists(st.tuples(st.sampled_from((1, 4, 9, 30)), times), max_size=6))
    return declared, done, used


@pytest.mark.longest
@pytest.mark.thorough
@settings(max_examples=share(0.15))
@given(history=histories(), was=st.booleans(), amount=st.sampled_from((20, 100)), refused=st.integers(0, 2))
def test_a_change_of_the_limit_is_as_if_declared_from_the_start(
    server: Server, twin: Server, history: Any, was: bool, amount: int, refused: int
) -> None:
    """Also where OpenMeter refused it first. Manual grants burn before the issued amount, so that what is issued
    changes nothing about earlier periods."""
    declared, done, used = history
    old = {"issue": {"amount": 50, "priority": 200}, "is_soft_limit": was}
    new = {"issue": {"amount": amount, "priority": 200}, "is_soft_limit": not was}
    for one, terms in ((server, old), (twin, new)):
        one.begin(terms, declared)
        one.use(used)
        for what in done:
            one.do(what)
        one.ws.clock(CHANGED)
    assume(server.carried_into_the_period() == twin.carried_into_the_period())  # an overage of before may have eaten it
    server.declare(new, declared)
    note(str(describe(server.ws.plan())))
    for _ in range(refused):
        before = server.values()
        refuse_the_override(server)
        assert an_hour_on(server.values()) == an_hour_on(before)
        server.ws.converge(only=["features.tokens"])
    server.ws.converge()
    twin.declare(new, declared)
    assume(not twin.ws.plan().changes)  # else a void of theirs was made good on one of them alone
    note(
        "\n".join(str({k: v for k, v in g.items() if k not in ("entitlementId", "updatedAt")}) for g in server.grants())
    )
    assert server.values() == twin.values()


# -- what goes wrong on the way ---------------------------------------------------------------------------------------

GRANTS = {
    "old": {"amount": 10, "effective_at": "2026-11-20T08:00:00Z", "priority": 1},
    "short": {
        "amount": 40,
        "effective_at": "2026-11-23T08:00:00Z",
        "priority": 2,
        "expiration": {"duration": "day", "count": 1},
    },
    "again": {
        "amount": 5,
        "effective_at": "2026-11-20T09:00:00Z",
        "priority": 3,
        "recurrence": {"interval": "PT12H", "anchor": "2026-11-20T09:00:00Z"},
    },
    "later": {"amount": 7, "effective_at": "2026-12-01T00:00:00Z", "priority": 4},
}
USED = [(12, "2026-11-23T10:00:30Z"), (9, "2026-11-24T07:30:30Z"), (6, "2026-11-24T10:00:30Z")]
OLD, NEW = {"issue": {"amount": 50, "priority": 200}}, {"issue": {"amount": 80, "priority": 200}}


def at_the_change(one: Server, terms: dict[str, Any]) -> None:
    """The history of these tests, up to the moment of the change."""
    one.begin(terms, GRANTS)
    one.use(USED)
    one.ws.clock(CHANGED)
    body = {"amount": 3, "effectiveAt": "2026-11-24T08:00:00Z", "priority": 5, "metadata": {"by": "support"}}
    one.do(("grant", body))


@pytest.fixture(scope="module")
def as_if(twin: Server) -> dict[str, Any]:
    """What the values are where the new terms held from the beginning."""
    at_the_change(twin, NEW)
    return twin.values()


def test_each_form_of_grant_is_carried_over(server: Server, as_if: dict[str, Any]) -> None:
    at_the_change(server, OLD)
    server.declare(NEW, GRANTS)
    server.ws.converge()
    assert server.values() == as_if
    foreign = [g["metadata"] for g in server.alive() if g.get("metadata", {}).get("by") == "support"]
    assert [m.get("bac.owner") for m in foreign] == [None]


def test_a_spent_grant_stays_spent_through_one_change_after_another(server: Server, as_if: dict[str, Any]) -> None:
    at_the_change(server, OLD)
    for amount in (60, 70, 80):
        server.declare({"issue": {"amount": amount, "priority": 200}}, GRANTS)
        server.ws.converge()
    assert server.values() == as_if


def test_after_a_refused_override_the_limit_is_as_it_was(server: Server) -> None:
    at_the_change(server, OLD)
    before = server.values()
    server.declare(NEW, GRANTS)
    refuse_the_override(server)
    assert server.value()["hasAccess"]
    assert an_hour_on(server.values()) == an_hour_on(before)
    assert sorted(str(c.address) for c in server.ws.plan().changes) == ["entitlements.acme.tokens", "features.tokens"]


@pytest.mark.parametrize("refusals", [1, 2])
@pytest.mark.parametrize("hours", [0, 3], ids=["at once", "hours later"])
def test_what_was_refused_is_carried_over_when_it_is_not(
    server: Server, as_if: dict[str, Any], refusals: int, hours: int
) -> None:
    at_the_change(server, OLD)
    server.declare(NEW, GRANTS)
    for _ in range(refusals):
        refuse_the_override(server)
        server.ws.converge(only=["features.tokens"])
        server.ws.clock((server.ws.now() + timedelta(minutes=2)).isoformat())
    server.ws.clock((datetime.fromisoformat(CHANGED) + timedelta(hours=hours, minutes=10)).isoformat())
    server.ws.converge()
    later = {time: value for time, value in server.values().items() if time > server.ws.now().isoformat()}
    assert later == {time: as_if[time] for time in later}


def test_a_write_that_lands_late_is_voided_by_the_closing_read(server: Server, as_if: dict[str, Any]) -> None:
    at_the_change(server, OLD)
    server.declare(NEW, GRANTS)

    class Late(httpx.BaseTransport):
        """The first grant's answer never comes, and its work is done once the next one's is."""

        def __init__(self, inner: httpx.BaseTransport) -> None:
            self.inner, self.waiting, self.seen = inner, None, 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and request.url.path.endswith("/grants"):
                self.seen += 1
                if self.seen == 1:
                    self.waiting = httpx.Request("POST", request.url, headers=request.headers, content=request.read())
                    raise httpx.ReadTimeout("no answer", request=request)
            answer = self.inner.handle_request(request)
            answer.read()
            if self.seen == 2 and self.waiting is not None:
                late, self.waiting = self.waiting, None
                self.inner.handle_request(late).read()
            return answer

    through, server.ws.transport = server.ws.transport, Late(server.ws.transport)
    try:
        events, outcome = server.ws.apply()
    finally:
        server.ws.transport = through
    assert outcome.whole, outcome.loose
    assert any(e.status == "note" and "made whole" in e.text for e in events)
    assert not server.ws.plan().changes
    assert server.values() == as_if, "it is voided from its start on, so that it has paid for nothing"


class Unanswered(httpx.BaseTransport):
    """Some requests time out: what they ask for is never done, done at once, or done only when `late` has been done."""

    def __init__(self, inner: httpx.BaseTransport, method: str, end: str, when: str, *, late: str = "", times: int = 1):
        self.inner, self.method, self.end, self.when, self.late, self.left = inner, method, end, when, late, times
        self.waiting: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.left and request.method == self.method and request.url.path.endswith(self.end):
            self.left -= 1
            sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            if self.when == "late":
                self.waiting.append(sent)
            elif self.when == "done":
                self.inner.handle_request(sent).read()
            raise httpx.ReadTimeout("no answer", request=request)
        answer = self.inner.handle_request(request)
        answer.read()
        if self.waiting and request.method != "GET" and request.url.path.endswith(self.late):
            self.inner.handle_request(self.waiting.pop()).read()
        return answer


@contextmanager
def unanswered(server: Server, *args: Any, **more: Any) -> Iterator[None]:
    through = server.ws.transport
    server.ws.transport = silent = Unanswered(through, *args, **more)
    try:
        yield
    finally:
        server.ws.transport = through
    assert (silent.left, silent.waiting) == (0, []), "nothing of the kind was asked for"


@pytest.mark.parametrize(("when", "times"), [("never", 1), ("never", 2), ("done", 1)])
def test_an_override_without_an_answer_leaves_one_entitlement_and_every_grant_once(
    server: Server, as_if: dict[str, Any], when: str, times: int
) -> None:
    at_the_change(server, OLD)
    server.declare(NEW, GRANTS)
    with unanswered(server, "PUT", "/override", when, times=times):
        _, outcome = server.ws.apply()
    assert outcome.whole, (outcome.tally.failed, outcome.loose)
    assert server.values() == as_if
    assert each_grant_once(server)
    assert not server.ws.plan().changes


def each_grant_once(server: Server) -> bool:
    """Whether no living grant has a second one of its name, and the customer one entitlement to the feature."""
    names = [g.get("metadata", {}).get("bac.key") for g in server.alive() if g.get("metadata", {}).get("bac.key")]
    held = server.ws.http.get("/api/v2/customers/acme/entitlements").json()["items"]
    return len(names) == len(set(names)) and len(held) == 1


@pytest.mark.parametrize("late", ["/override", "/grants"])
def test_an_override_that_lands_after_its_repetition_is_healed(
    server: Server, as_if: dict[str, Any], late: str
) -> None:
    """It voids what the repetition had carried over, once or twice."""
    at_the_change(server, OLD)
    server.declare(NEW, GRANTS)
    with unanswered(server, "PUT", "/override", "late", late=late):
        server.ws.apply()
    server.ws.converge()
    assert server.values() == as_if
    assert each_grant_once(server)


# -- more than one change in one plan ---------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [4, 14])
def test_a_grant_and_its_entitlement_change_in_one_plan_as_if_both_had_been_so_from_the_start(
    server: Server, twin: Server, used: int
) -> None:
    """What the old grant could not pay and the new one could have is kept by the issued amount: the sum is the same."""
    grant = {"amount": 10, "effective_at": "2026-11-20T08:00:00Z", "priority": 1}
    for one, terms, amount in ((server, OLD, 10), (twin, NEW, 30)):
        one.begin(terms, {"g": {**grant, "amount": amount}})
        one.use([(used, "2026-11-24T10:00:30Z")])
        one.ws.clock(CHANGED)
    server.declare(NEW, {"g": {**grant, "amount": 30}})
    plan = server.ws.converge()
    assert [(c.action, str(c.address)) for c in plan.changes] == [
        ("replace", "entitlements.acme.tokens"),
        ("replace", "grants.acme.tokens.g"),
    ]
    assert server.value("2026-11-24T12:35:00Z") == twin.value("2026-11-24T12:35:00Z")
    assert each_grant_once(server)


def test_another_interval_starts_usage_anew_and_keeps_what_is_left_of_each_grant(server: Server) -> None:
    at_the_change(server, OLD)
    now = "2026-11-24T12:30:00Z"
    issued = {g["id"] for g in server.grants() if (g.get("annotations") or {}).get("issueAfterReset")}
    balances = server.ws.http.get(f"{ENTITLEMENT}/value", params={"time": now}).json()["grantBalances"]
    left = sum(balance for grant, balance in balances.items() if grant not in issued)
    assert left > 0
    hourly = {**NEW, "usage_period": {"interval": "PT6H", "anchor": "2026-11-24T12:00:00Z"}}
    server.declare(hourly, GRANTS)
    plan = server.ws.plan()
    (change,) = [c for c in plan.changes if c.address.kind == "entitlements"]
    assert change.cls is Class.BREAKING
    assert ("usage_restarts", "") in change.notes
    server.ws.converge()
    assert server.value("2026-11-24T12:31:00Z") == {
        "hasAccess": True, "balance": 80 + left, "usage": 0, "overage": 0
    }  # fmt: skip
    assert each_grant_once(server)


@pytest.mark.parametrize("terms", [{"type": "boolean"}, {"type": "static", "config": {"max": 5}}])
def test_another_type_is_breaking_and_nothing_is_left_to_do_there_and_back(
    server: Server, terms: dict[str, Any]
) -> None:
    at_the_change(server, OLD)
    for declared, grants in ((terms, {}), (OLD, {"new": {"amount": 3, "effective_at": "2026-11-24T08:00:00Z"}})):
        server.declare(declared, grants)
        plan = server.ws.plan()
        assert [(c.action, c.cls) for c in plan.changes if c.address.kind == "entitlements"] == [
            ("replace", Class.BREAKING)
        ]
        server.ws.converge()
    assert server.value("2026-11-24T12:35:00Z")["balance"] == 53 - 15


# -- declared grants --------------------------------------------------------------------------------------------------


def test_a_grant_whose_start_has_passed_begins_with_the_period_and_keeps_its_end(server: Server) -> None:
    server.begin(OLD, {})
    server.ws.clock(CHANGED)
    start = {"amount": 10, "effective_at": "2026-11-20T00:00:00Z", "expiration": {"duration": "week", "count": 1}}
    server.declare(OLD, {"late": start})
    plan = server.ws.converge()
    assert ("starts_with_period", "2026-11-20T00:00:00Z") in plan.changes[0].notes
    grant = next(g for g in server.grants() if g.get("metadata", {}).get("bac.key") == "late")
    assert (grant["effectiveAt"], grant["expiresAt"]) == ("2026-11-24T06:00:00Z", "2026-11-27T00:00:00Z")


def test_a_declared_grant_past_its_end_is_never_made(server: Server) -> None:
    server.begin(OLD, {})
    server.ws.clock(CHANGED)
    ended = {"amount": 10, "effective_at": "2026-11-20T00:00:00Z", "expiration": {"duration": "day", "count": 2}}
    server.declare(OLD, {"ended": ended})
    plan = server.ws.plan()
    assert not plan.changes
    assert plan.skipped == (("grants.acme.tokens.ended", "ended"),)


@pytest.mark.parametrize(("used", "amount", "left"), [(4, 30, 26), (4, 6, 2), (9, 5, 0), (0, 30, 30)])
def test_new_terms_of_a_grant_leave_what_they_leave_after_what_was_burnt(
    server: Server, used: int, amount: int, left: int
) -> None:
    terms = {"amount": 10, "effective_at": "2026-11-20T08:00:00Z", "priority": 1}
    server.begin({"issue": {"amount": 50, "priority": 200}}, {"g": terms})
    server.ws.clock(CHANGED)
    server.use([(used, "2026-11-24T10:00:30Z")] if used else [])
    server.declare({"issue": {"amount": 50, "priority": 200}}, {"g": {**terms, "amount": amount}})
    server.ws.converge()
    assert server.value("2026-11-24T12:35:00Z")["balance"] == 50 + left
    assert not server.ws.plan().changes


def test_a_grant_whose_new_terms_left_nothing_is_not_made_anew_in_a_later_period(server: Server) -> None:
    limit = {"issue": {"amount": 50, "priority": 200}}
    terms = {"amount": 10, "effective_at": "2026-11-20T08:00:00Z", "priority": 1}
    server.begin(limit, {"g": terms})
    server.ws.clock(CHANGED)
    server.use([(9, "2026-11-24T10:00:30Z")])
    server.declare(limit, {"g": {**terms, "amount": 5}})
    server.ws.converge()
    server.ws.clock("2026-11-26T12:30:20Z")
    server.declare({"issue": {"amount": 60, "priority": 200}}, {"g": {**terms, "amount": 5}})
    server.ws.converge()
    assert server.value()["balance"] == 60


FIVE_YEARS = {"amount": 2000, "expiration": {"duration": "year", "count": 5}}


def test_a_late_grant_of_years_ends_no_sooner_than_declared_and_within_a_week(server: Server) -> None:
    server.begin(OLD, {})
    server.ws.clock(CHANGED)
    server.declare(OLD, {"years": {**FIVE_YEARS, "effective_at": "2026-09-01T00:00:00Z"}})
    server.ws.converge()
    assert [g["expiresAt"] for g in server.grants() if "expiresAt" in g] == ["2031-09-02T06:00:00Z"]


def test_a_grant_of_years_is_there_at_once_after_a_change_that_restarts_the_period(server: Server) -> None:
    server.begin(OLD, {"years": {**FIVE_YEARS, "effective_at": "2026-11-20T08:00:00Z"}})
    server.ws.clock(CHANGED)
    weekly = {**OLD, "usage_period": {"interval": "week", "anchor": "2026-11-01T06:00:00Z"}}
    server.declare(weekly, {"years": {**FIVE_YEARS, "effective_at": "2026-11-20T08:00:00Z"}})
    server.ws.converge()
    assert server.value("2026-11-24T12:31:00Z")["balance"] == 2050


HOURLY = {**NEW, "usage_period": {"interval": "PT6H", "anchor": "2026-11-24T12:00:00Z"}}


@pytest.mark.parametrize(
    ("terms", "amount", "left"), [(NEW, 30, 26), (HOURLY, 10, 6)], ids=["the grant changes", "the interval changes"]
)
def test_what_was_burnt_counts_too_where_the_entitlement_was_overridden_in_the_same_minute(
    server: Server, terms: dict[str, Any], amount: int, left: int
) -> None:
    """OpenMeter knows no value of it at the start of that minute, since it was not there yet."""
    grant = {"amount": 10, "effective_at": "2026-11-20T08:00:00Z", "priority": 1}
    server.begin(OLD, {"g": grant})
    server.ws.clock(CHANGED)
    server.use([(4, "2026-11-24T10:00:30Z")])
    server.declare(NEW, {"g": grant})
    server.ws.converge()
    server.declare(terms, {"g": {**grant, "amount": amount}})
    server.ws.converge()
    assert server.value("2026-11-24T12:35:00Z")["balance"] == 80 + left


def test_an_end_that_cannot_be_said_exactly_moves_no_further_with_each_override(server: Server) -> None:
    grants = {"years": {**FIVE_YEARS, "effective_at": "2026-11-20T08:00:00Z"}}
    server.begin(OLD, grants)
    server.ws.clock(CHANGED)
    server.do(
        ("grant", {"amount": 7, "effectiveAt": "2026-11-24T11:11:00Z", "expiration": {"duration": "YEAR", "count": 5}})
    )
    for hour, interval in enumerate(("week", "month", "day", "week")):
        server.ws.clock(f"2026-11-24T{13 + hour}:17:20Z")
        server.declare({**OLD, "usage_period": {"interval": interval, "anchor": "2026-11-01T06:00:00Z"}}, grants)
        server.ws.converge()
    ends = sorted(g["expiresAt"] for g in server.alive() if "expiresAt" in g)
    assert len(ends) == 2
    assert "2031-11-20T08:00:00Z" <= ends[0] < "2031-11-27T08:00:00Z"
    assert "2031-11-24T11:11:00Z" <= ends[1] < "2031-12-01T11:11:00Z"


def a_dead_apply_is_given_up_and_planned_anew(server: Server, twin: Server) -> None:
    """It dies after its first write on the one server; the other never has one. Both must end alike."""
    mortal = server.ws.transport
    assert isinstance(mortal, Mortal)
    plan = server.ws.plan()
    mortal.die_at(1, is_sent=True, only_writes=True)
    with pytest.raises(Killed):
        server.ws.apply(plan)
    mortal.live_on()
    with server.ws.session() as session:
        service.abandon(session)
    for one in (server, twin):
        one.ws.converge()
    assert server.values() == twin.values()
    assert each_grant_once(server)


def test_a_grant_that_a_dead_override_had_still_to_make_is_changed_as_if_it_had_been_made(
    server: Server, twin: Server
) -> None:
    """It is measured like any other, though no list shows it when the plan is made."""
    changed = {**GRANTS, "again": {**GRANTS["again"], "amount": 8}, "old": {**GRANTS["old"], "amount": 30}}
    first = {**GRANTS, "old": {**GRANTS["old"], "amount": 25}}
    for one in (server, twin):
        one.begin(OLD, first)
        one.use(USED)
        one.ws.clock(CHANGED)
        one.declare(NEW, changed)
    a_dead_apply_is_given_up_and_planned_anew(server, twin)


def test_a_grant_whose_successor_was_made_by_an_apply_that_died_has_paid_until_then(
    server: Server, twin: Server
) -> None:
    """The next plan voids it from when its successor begins, not from its own start."""
    changed = {**GRANTS, "old": {**GRANTS["old"], "amount": 40}}
    first = {**GRANTS, "old": {**GRANTS["old"], "amount": 25}}
    for one in (server, twin):
        one.begin(OLD, first)
        one.use(USED)
        one.ws.clock(CHANGED)
        one.declare(OLD, changed)
    a_dead_apply_is_given_up_and_planned_anew(server, twin)
