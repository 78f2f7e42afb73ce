"""The server's own controls: reset, clock, faults and the log of requests."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

METER = {"slug": "calls", "eventType": "call", "aggregation": "COUNT"}


def put_faults(client: httpx.Client, *rules: dict[str, object]) -> None:
    assert client.put("/_dev/faults", json={"rules": list(rules)}).status_code == 200


def test_a_reset_drops_data_clock_faults_and_log(client: httpx.Client) -> None:
    client.post("/api/v1/meters", json=METER)
    put_faults(client, {"status": 503})
    assert client.post("/_dev/reset").status_code == 204
    assert client.get("/_dev/clock").json()["set"] is False
    assert client.get("/_dev/requests").json() == []
    assert client.get("/api/v1/meters").json() == []


def test_a_reset_refuses_settings_that_it_does_not_know(client: httpx.Client) -> None:
    reply = client.post("/_dev/reset", json={"credits": True})
    assert reply.status_code == 400
    assert reply.json()["detail"] == "unknown settings: credits"
    assert client.post("/_dev/reset", json={"config": []}).status_code == 204
    assert client.post("/_dev/reset", json={"config": ["meters"]}).status_code == 400


def test_a_clock_that_was_set_runs_on(client: httpx.Client) -> None:
    client.put("/_dev/clock", json={"now": "2030-01-01T00:00:00Z"})
    first = client.post("/api/v1/meters", json=METER).json()["createdAt"]
    time.sleep(0.01)
    second = client.put("/api/v1/meters/calls", json={}).json()["updatedAt"]
    assert first.startswith("2030-01-01T00:00:0")
    assert second > first


def test_a_clock_can_go_back_to_real_time(client: httpx.Client) -> None:
    client.put("/_dev/clock", json={"now": None})
    now = datetime.fromisoformat(client.get("/_dev/clock").json()["now"])
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
    assert client.put("/_dev/clock", json={"now": "soon"}).status_code == 400


def test_ids_sort_by_the_time_they_were_made_within_a_millisecond_too(client: httpx.Client) -> None:
    ids = [client.post("/api/v1/features", json={"key": f"f{n}", "name": "F"}).json()["id"] for n in range(50)]
    assert ids == sorted(ids)


def test_a_fault_answers_instead_of_the_server_at_the_nth_request(client: httpx.Client) -> None:
    put_faults(
        client,
        {"method": "POST", "path": "/api/v1/met*", "nth": 2, "status": 503, "body": {"no": 1}, "headers": {"X-A": "b"}},
    )
    assert client.post("/api/v1/meters", json=METER).status_code == 200
    reply = client.post("/api/v1/meters", json=METER | {"slug": "other"})
    assert (reply.status_code, reply.json(), reply.headers["x-a"]) == (503, {"no": 1}, "b")
    assert client.post("/api/v1/meters", json=METER | {"slug": "other"}).status_code == 200
    assert client.get("/_dev/faults").json()["rules"][0] | {"seen": 3, "applied": 1} == {
        "method": "POST",
        "path": "/api/v1/met*",
        "nth": 2,
        "status": 503,
        "body": {"no": 1},
        "headers": {"X-A": "b"},
        "seen": 3,
        "applied": 1,
    }


def test_a_fault_without_nth_goes_on_until_it_is_taken_away_or_its_times_are_up(client: httpx.Client) -> None:
    put_faults(client, {"status": 500, "times": 2})
    assert [client.get("/api/v1/meters").status_code for _ in range(3)] == [500, 500, 200]
    put_faults(client, {"status": 500})
    assert [client.get("/api/v1/meters").status_code for _ in range(3)] == [500, 500, 500]
    client.delete("/_dev/faults")
    assert client.get("/api/v1/meters").status_code == 200


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_is_the_clients_own_error_in_process(
    client: httpx.Client, when: str, written: int
) -> None:
    put_faults(client, {"method": "POST", "drop": when})
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/api/v1/meters", json=METER)
    assert len(client.get("/api/v1/meters").json()) == written


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_is_closed_over_a_socket(served: str, when: str, written: int) -> None:
    with httpx.Client(base_url=served) as client:
        client.post("/_dev/reset", json={})
        put_faults(client, {"method": "POST", "drop": when})
        with pytest.raises(httpx.TransportError):
            client.post("/api/v1/meters", json=METER)
        assert len(client.get("/api/v1/meters").json()) == written


def test_an_answer_can_be_lost_after_the_work_is_done(client: httpx.Client) -> None:
    put_faults(client, {"method": "POST", "status": 502, "after": True})
    assert client.post("/api/v1/meters", json=METER).status_code == 502
    assert len(client.get("/api/v1/meters").json()) == 1


def test_a_fault_can_only_wait(client: httpx.Client) -> None:
    put_faults(client, {"wait": 0.05})
    started = time.monotonic()
    assert client.get("/api/v1/meters").status_code == 200
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("rule", [{"drop": "now"}, {"color": "red"}, "drop"])
def test_a_fault_that_makes_no_sense_is_refused(client: httpx.Client, rule: object) -> None:
    assert client.put("/_dev/faults", json={"rules": [rule]}).status_code == 400


def test_the_log_tells_what_was_asked_and_answered(client: httpx.Client) -> None:
    client.delete("/_dev/requests")
    client.post("/api/v1/meters", json=METER)
    client.get("/api/v1/features", params={"limit": "5"})
    assert client.get("/_dev/requests").json() == [
        {"method": "POST", "path": "/api/v1/meters", "query": {}, "body": METER, "status": 200},
        {"method": "GET", "path": "/api/v1/features", "query": {"limit": ["5"]}, "body": None, "status": 200},
    ]


def test_writers_at_once_lose_nothing(served: str) -> None:
    with httpx.Client(base_url=served) as client:
        client.post("/_dev/reset", json={})
        threads = [
            threading.Thread(
                target=lambda n=n: [
                    client.post("/api/v1/customers", json={"key": f"c{n}-{i}", "name": "C"}) for i in range(10)
                ]
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.get("/api/v1/customers").json()["totalCount"] == 80


def test_of_creates_of_one_key_at_once_one_wins(served: str) -> None:
    with httpx.Client(base_url=served) as client:
        client.post("/_dev/reset", json={})
        statuses: list[int] = []
        body = {"key": "acme", "name": "ACME"}
        threads = [
            threading.Thread(target=lambda: statuses.append(client.post("/api/v1/customers", json=body).status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [201] + [409] * 7
