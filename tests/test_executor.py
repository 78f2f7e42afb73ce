"""The executor: two lanes of their widths, a slower pace where OpenMeter is slow, failures that block only what needs
them, and an interrupt that leaves nothing half-sent. Measured on the wire; nothing sleeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Condition
from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code import service
from billing_as_code.model import Address

TIMEOUT = 20.0


class Counting(httpx.BaseTransport):
    """Counts how many writes of each lane are under way at once, and can hold them until enough are."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self._changed = Condition()
        self.now = {"wide": 0, "narrow": 0}
        self.peak = {"wide": 0, "narrow": 0}
        self.meet: dict[str, Barrier] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.startswith("/_dev/"):
            return self._inner.handle_request(request)
        path = request.url.path
        deletes = request.method == "DELETE" and "/entitlements/" in path
        lane = "narrow" if deletes or path.endswith(("/entitlements", "/override")) else "wide"
        with self._changed:
            self.now[lane] += 1
            self.peak[lane] = max(self.peak[lane], self.now[lane])
        try:
            if lane in self.meet:
                self.meet[lane].wait(TIMEOUT)
            return self._inner.handle_request(request)
        finally:
            with self._changed:
                self.now[lane] -= 1
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait until nothing is under way, and count anew."""
        with self._changed:
            assert self._changed.wait_for(lambda: not any(self.now.values()), TIMEOUT)
            self.peak = {"wide": 0, "narrow": 0}


@pytest.fixture
def counting(transport: httpx.BaseTransport) -> Counting:
    return Counting(transport)


@pytest.fixture
def ws(counting: Counting, tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path, counting)
    yield workspace
    workspace.close()


def crowd(size: int) -> dict[str, Any]:
    keys = [f"c{n:02}" for n in range(size)]
    return {
        "features": {"sso": {}},
        "customers": {key: {"name": key} for key in keys},
        "entitlements": {key: {"sso": {"type": "boolean"}} for key in keys},
    }


def prepared(ws: Workspace, size: int) -> None:
    """A catalog of customers with an entitlement each, whose feature is there already."""
    ws.write("catalog/a.yaml", {"features": {"sso": {}}})
    ws.converge()
    ws.write("catalog/a.yaml", crowd(size))


@pytest.mark.parametrize(("settings", "wide", "narrow"), [({}, 8, 2), ({"wide": 4, "narrow": 1}, 4, 1)])
def test_as_many_writes_run_at_once_as_the_lanes_are_wide_and_no_more(
    ws: Workspace, counting: Counting, settings: dict[str, int], wide: int, narrow: int
) -> None:
    ws.configure(environments={"local": {"writes": settings}} if settings else {"local": {}})
    prepared(ws, 16)
    counting.settle()
    counting.meet = {"wide": Barrier(wide), "narrow": Barrier(narrow)}
    assert ws.apply()[1].whole
    assert counting.peak == {"wide": wide, "narrow": narrow}


def test_metered_entitlements_are_deleted_two_at_a_time(ws: Workspace, counting: Counting) -> None:
    """Each such delete takes two of OpenMeter's database connections; eight at once stopped a real one."""
    metered = {"calls": {"type": "metered", "usage_period": {"interval": "month"}}}
    catalog = crowd(8) | {"meters": {"calls": {"aggregation": "count", "event_type": "call"}}}
    catalog["features"]["calls"] = {"meter": "calls"}
    ws.write("catalog/a.yaml", catalog | {"entitlements": dict.fromkeys(catalog["customers"], metered)})
    ws.converge()
    ws.write("catalog/a.yaml", catalog | {"entitlements": {}})
    counting.settle()
    counting.meet = {"narrow": Barrier(2)}
    assert ws.apply()[1].whole
    assert counting.peak == {"wide": 0, "narrow": 2}


@pytest.mark.parametrize("fault", [{"status": 429, "headers": {"retry-after": "0"}}])
def test_both_lanes_are_halved_for_the_rest_of_a_run_where_openmeter_is_slow(
    ws: Workspace, counting: Counting, fault: dict[str, Any]
) -> None:
    prepared(ws, 24)
    plan = ws.plan()
    ws.faults({"method": "POST", "path": "/api/v1/customers", "nth": 1, **fault})
    notes: list[str] = []
    with ws.session() as session:
        for event in service.apply(session, plan):
            if event.status == "note":
                notes.append(event.text)
                counting.settle()
                counting.meet = {"narrow": Barrier(1)}
        outcome = session.outcome
    assert notes == ["OpenMeter is slow: going on 4 wide, 1 for entitlements"]
    assert (outcome.whole, outcome.halved) == (True, 1)
    assert 1 <= counting.peak["wide"] <= 4
    assert counting.peak["narrow"] == 1


def test_a_time_out_halves_the_lanes_too_and_what_it_did_is_looked_up(
    ws: Workspace, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(ws, 2)
    plan = ws.plan()
    inner, lost = counting._inner.handle_request, []

    def once(request: httpx.Request) -> httpx.Response:
        answer = inner(request)
        if request.method == "POST" and request.url.path == "/api/v1/customers" and not lost:
            lost.append(request)
            raise httpx.ReadTimeout("no answer", request=request)
        return answer

    monkeypatch.setattr(counting._inner, "handle_request", once)
    ws.forget()
    _, outcome = ws.apply(plan)
    assert (outcome.whole, outcome.halved, len(lost)) == (True, 1, 1)
    # the customer was made by the write whose answer was lost, and by no other
    assert len([r for r in ws.writes() if r["path"] == "/api/v1/customers"]) == 2


def test_a_failure_blocks_only_what_needs_it(ws: Workspace) -> None:
    prepared(ws, 6)
    plan = ws.plan()
    ws.faults({"method": "POST", "path": "/api/v1/customers", "nth": 3, "status": 400, "body": {"detail": "no\nmore"}})
    events, outcome = ws.apply(plan)
    tally = outcome.tally
    [(failed, why)] = tally.failed.items()
    assert failed.kind == "customers"
    assert why == "POST /api/v1/customers: 400 no"
    assert tally.blocked == [Address("entitlements", (failed.path[0], "sso"))]
    assert len(tally.done) == len(plan.changes) - 2
    assert [e.text for e in events if e.status == "blocked"] == [f"needs {failed}"]
    ws.faults()
    assert {str(c.address) for c in ws.converge().changes} == {str(failed), str(tally.blocked[0])}


@pytest.mark.parametrize("nth", range(1, 14))
def test_every_change_ends_in_exactly_one_way_whichever_write_fails(ws: Workspace, nth: int) -> None:
    ws.write("catalog/a.yaml", crowd(6))
    plan = ws.plan()
    ws.faults({"method": "POST", "path": "/api/*", "nth": nth, "status": 400, "body": {"detail": "no"}})
    events, outcome = ws.apply(plan)
    ended = [(e.address, e.status) for e in events if e.status in ("done", "failed", "blocked")]
    assert sorted(str(a) for a, _ in ended) == sorted(str(c.address) for c in plan.changes)
    tally = outcome.tally
    by_status = {s: {a for a, status in ended if status == s} for s in ("done", "failed", "blocked")}
    assert by_status == {"done": set(tally.done), "failed": set(tally.failed), "blocked": set(tally.blocked)}
    assert len(tally.failed) == 1
    assert not outcome.whole
    ws.faults()
    ws.converge()


def test_an_interrupt_lets_running_requests_end_and_starts_no_others(ws: Workspace) -> None:
    prepared(ws, 16)
    plan = ws.plan()
    ws.forget()
    with ws.session() as session:
        run = service.apply(session, plan)
        assert next(run).status == "started"
        run.close()  # type: ignore[attr-defined]
        done = session.outcome.tally.done
    written = ws.writes()
    assert 1 <= len(written) <= 8
    assert {r["status"] for r in written} == {201}
    assert done == []
    [*_, journal] = sorted((ws.root / ".bac" / "runs").glob("*.jsonl"))
    assert json.loads(journal.read_text().splitlines()[-1]) == {"end": "interrupted"}
    # nothing has to be resumed: the next plan sees all of it
    left = ws.converge()
    assert len(left.changes) == len(plan.changes) - len(written)


def test_progress_counts_up_to_the_number_of_changes(ws: Workspace) -> None:
    prepared(ws, 5)
    plan = ws.plan()
    events, _ = ws.apply(plan)
    assert [e.done for e in events if e.status == "done"] == list(range(1, 11))
    assert {e.total for e in events if e.address is not None} == {10}


def test_a_server_that_forbids_a_write_says_so(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A"}}})
    plan = ws.plan()
    ws.faults({"method": "POST", "path": "/api/v1/customers", "status": 403, "body": {"detail": "read only"}})
    _, outcome = ws.apply(plan)
    assert list(outcome.tally.failed.values()) == ["POST /api/v1/customers: 403 read only. OpenMeter forbids it"]
