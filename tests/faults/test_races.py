"""Somebody else edits, deletes or makes each resource that an apply touches: between plan and apply it is caught, and
nothing is written; between the stale check and the write it is caught, or harmless. Which it is, is counted."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import httpx
import pytest
from counting import FULL, counted, some
from stage import CANARY, Send, Stage, Stages

from billing_as_code.errors import PlanError, StalePlan
from billing_as_code.model import Change

pytestmark = pytest.mark.thorough

HANDS = ("edits", "deletes", "makes")
BLOCKS = 10 if FULL else 1


class Other:
    """Another hand at the same OpenMeter, which knows each kind's API as a person does."""

    def __init__(self, stage: Stage) -> None:
        self.http = stage.ws.http

    def acts(self, how: str, change: Change) -> bool:
        """Edit, delete or make what a change is about; False where that cannot be done."""
        kind, path = change.address
        there = change.action != "create"
        if (how == "makes") == there:
            return False
        act = getattr(self, f"_{how}_{kind}", None)
        return act is not None and bool(act(*path, change))

    def _ok(self, answer: httpx.Response) -> bool:
        return answer.is_success

    # -- edits --------------------------------------------------------------------------------------------------------

    def _put(self, path: str, **changed: Any) -> bool:
        body = {**self.http.get(path).json(), **changed}
        return self._ok(self.http.put(path, json=body))

    def _edits_meters(self, key: str, change: Change) -> bool:
        return self._put(f"/api/v1/meters/{key}", description="somebody else's")

    def _edits_features(self, key: str, change: Change) -> bool:
        found = self.http.get(f"/api/v1/features/{key}").json()["id"]
        cost = {"unit_cost": {"type": "manual", "amount": "7"}}
        return self._ok(self.http.patch(f"/api/v3/openmeter/features/{found}", json=cost))

    def _edits_customers(self, key: str, change: Change) -> bool:
        return self._put(f"/api/v1/customers/{key}", name="Somebody else's")

    def _edits_subjects(self, key: str, change: Change) -> bool:
        return self._ok(self.http.post("/api/v1/subjects", json=[{"key": key, "displayName": "Somebody else's"}]))

    def _edits_entitlements(self, customer: str, feature: str, change: Change) -> bool:
        path = f"/api/v2/customers/{customer}/entitlements/{feature}"
        kind = self.http.get(path).json()["type"]
        body: dict[str, Any] = {"featureKey": feature, "type": kind}
        if kind == "static":
            body["config"] = '{"max": 77}'
        if kind == "metered":
            body |= {"usagePeriod": {"interval": "MONTH"}, "issue": {"amount": 77}}
        return self._ok(self.http.put(f"{path}/override", json=body))

    # -- deletes ------------------------------------------------------------------------------------------------------

    def _deletes_meters(self, key: str, change: Change) -> bool:
        return self._ok(self.http.delete(f"/api/v1/meters/{key}"))

    def _deletes_features(self, key: str, change: Change) -> bool:
        return self._ok(self.http.delete(f"/api/v1/features/{key}"))

    def _deletes_customers(self, key: str, change: Change) -> bool:
        return self._ok(self.http.delete(f"/api/v1/customers/{key}"))

    def _deletes_subjects(self, key: str, change: Change) -> bool:
        return self._ok(self.http.delete(f"/api/v1/subjects/{key}"))

    def _deletes_entitlements(self, customer: str, feature: str, change: Change) -> bool:
        return self._ok(self.http.delete(f"/api/v2/customers/{customer}/entitlements/{feature}"))

    def _deletes_grants(self, customer: str, feature: str, name: str, change: Change) -> bool:
        items = self.http.get(f"/api/v2/customers/{customer}/entitlements/{feature}/grants").json()["items"]
        mine = [g for g in items if (g.get("metadata") or {}).get("bac.key") == name and not g.get("voidedAt")]
        return bool(mine) and self._ok(self.http.delete(f"/api/v1/grants/{mine[0]['id']}"))

    # -- makes --------------------------------------------------------------------------------------------------------

    def _makes_meters(self, key: str, change: Change) -> bool:
        body = {"slug": key, "eventType": "theirs", "aggregation": "COUNT"}
        return self._ok(self.http.post("/api/v1/meters", json=body))

    def _makes_features(self, key: str, change: Change) -> bool:
        return self._ok(self.http.post("/api/v1/features", json={"key": key, "name": "theirs"}))

    def _makes_customers(self, key: str, change: Change) -> bool:
        return self._ok(self.http.post("/api/v1/customers", json={"key": key, "name": "theirs"}))

    def _makes_subjects(self, key: str, change: Change) -> bool:
        return self._edits_subjects(key, change)

    def _makes_entitlements(self, customer: str, feature: str, change: Change) -> bool:
        path = f"/api/v2/customers/{customer}/entitlements"
        return self._ok(self.http.post(path, json={"featureKey": feature, "type": "static", "config": "1"}))

    def _makes_grants(self, customer: str, feature: str, name: str, change: Change) -> bool:
        path = f"/api/v2/customers/{customer}/entitlements/{feature}/grants"
        start = "2026-12-24T00:00:00Z"
        body = {"amount": 1, "effectiveAt": start, "metadata": {"bac.key": name, "bac.owner": "acme-billing"}}
        return self._ok(self.http.post(path, json=body))


def cases(stage: Stage) -> list[tuple[str, Change]]:
    """Each hand on each change, by kind and action in turn, so that a share has some of all."""
    every = [(how, c) for c in stage.plan.changes for how in HANDS]
    every.sort(key=lambda case: (str(case[1].address), case[0]))
    seen: Counter[tuple[str, str, str]] = Counter()
    turns = {}
    for how, change in every:
        sort = how, change.address.kind, change.action
        turns[how, change.address] = seen[sort]
        seen[sort] += 1
    return sorted(every, key=lambda case: turns[case[0], case[1].address])


@pytest.mark.parametrize("block", range(BLOCKS))
def test_what_changes_between_plan_and_apply_is_caught_and_nothing_is_written(stages: Stages, block: int) -> None:
    stage = stages(1)
    every = [c for c in cases(stage) if possible(stage, *c)] if FULL else cases(stage)[:40]
    mine = every[block::BLOCKS]
    for how, change in mine if FULL else some([c for c in mine if possible(stage, *c)], 12):
        stage.start()
        assert Other(stage).acts(how, change)
        stage.ws.forget()
        with pytest.raises(StalePlan) as caught:
            stage.ws.apply(stage.plan)
        assert str(change.address) in str(caught.value)
        assert stage.ws.writes() == []
        counted("races before the apply", **{how: 1})


def possible(stage: Stage, how: str, change: Change) -> bool:
    """Whether OpenMeter lets the other hand do that."""
    stage.start()
    return Other(stage).acts(how, change)


class Race:
    """The other hand acts just before the first write of a change is sent."""

    def __init__(self, stage: Stage, how: str, change: Change) -> None:
        self.stage, self.how, self.change = stage, how, change
        self.acted = self.tried = False
        self._lock = threading.Lock()
        path = [str(s) for s in self.change.steps[0].path if isinstance(s, str)] if change.steps else []
        self._method = change.steps[0].method if change.steps else ""
        self._ids = {s for s in path if len(s) == 26}
        self._body = change.steps[0].body if change.steps else None

    def _is_it(self, request: httpx.Request) -> bool:
        """The first write of the change: of its method, on its id, or with its key in the body."""
        if request.method != self._method:
            return False
        segments = request.url.path.split("/")
        kind, path = self.change.address
        if self._ids and not self._ids <= set(segments):
            return False
        text = request.content.decode()
        return (path[-1] in text or path[-1] in segments or kind == "customers") if not self._ids else True

    def meets(self, request: httpx.Request, number: int, send: Send) -> httpx.Response:
        """One request; the first that is the one wanted finds the resource changed."""
        with self._lock:
            now = not self.tried and request.method != "GET" and self._is_it(request)
            self.tried |= now
        if now:
            self.acted = Other(self.stage).acts(self.how, self.change)
        return send(request)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_what_changes_just_before_its_write_is_caught_or_harmless(stages: Stages, block: int) -> None:
    """Caught: the apply says so, and is not whole. Harmless: everything is as declared, since what was written is the
    whole of the resource. Either way no grant is there twice."""
    stage = stages(1)
    mine = cases(stage)[block::BLOCKS]
    acted = 0
    for how, change in mine if FULL else some(mine[:60], 12):
        stage.start()
        race = Race(stage, how, change)
        stage.line.anew(race.meets)
        _, outcome = stage.ws.apply(stage.plan)
        stage.line.anew()
        if not race.acted:
            continue
        acted += 1
        caught = not outcome.whole
        assert caught or nothing_left(stage), (
            f"{how} {change.address}: not as declared, and the apply said it was whole"
        )
        assert each_grant_once(stage)
        verdict = "caught" if caught else "harmless"
        counted("races before a write", **{f"{how} {change.address.kind} {change.action}: {verdict}": 1})
    assert acted or FULL


def nothing_left(stage: Stage) -> bool:
    """Whether a plan is empty; what cannot be planned is something that is left."""
    try:
        return not stage.ws.plan().changes
    except PlanError:
        return False


def each_grant_once(stage: Stage) -> bool:
    """Whether no entitlement has two living grants of one name of ours."""
    items = stage.ws.http.get("/api/v2/grants", params={"pageSize": 1000}).json()["items"]
    alive = [g for g in items if not g.get("voidedAt") and not g.get("deletedAt")]
    named = [(g["entitlementId"], (g.get("metadata") or {}).get("bac.key")) for g in alive]
    mine = [n for n in named if n[1]]
    return len(mine) == len(set(mine)) and CANARY not in str(items)
