"""An OpenMeter with few database connections, as its default is: too many writes of entitlements at once hang it, for
everybody, until clients give up. `bac` does not cause that, and where it is told to, notices and finishes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import serving
from workspace import OWNER, Workspace

from billing_as_code import service
from billing_as_code.config import load as load_config
from billing_as_code.config import select

pytestmark = pytest.mark.thorough

POOL = 4
"""What a real OpenMeter has on a machine with up to 4 processors."""
CUSTOMERS = 12


@pytest.fixture
def url() -> Any:
    """A dev server on a socket, with a pool of its own."""
    with serving() as url:
        httpx.post(f"{url}/_dev/reset", json={"db_pool": POOL}).raise_for_status()
        yield url


def crowd(ws: Workspace) -> None:
    names = [f"c{n:02}" for n in range(CUSTOMERS)]
    catalog = {
        "features": {"sso": {}, "seats": {}},
        "customers": {name: {"name": name} for name in names},
        "entitlements": {
            name: {"sso": {"type": "boolean"}, "seats": {"type": "static", "config": {"max": 1}}} for name in names
        },
    }
    ws.write("catalog/all.yaml", catalog)


def applied(root: Path, url: str, timeout: int, **writes: int) -> tuple[list[str], Any]:
    """The notes of an apply that sends as many writes at once, and its outcome; with a second one nothing is left."""
    environment = {"url": url, "timeout": timeout, **({"writes": writes} if writes else {})}
    (root / "catalog").mkdir(exist_ok=True)
    ws = object.__new__(Workspace)
    ws.root = root
    ws.write("bac.yaml", {"owner": OWNER, "environments": {"production": environment}})
    crowd(ws)
    config = load_config(root)
    with service.open_session(config, select(config, "production", {})) as session:
        events = list(service.apply(session, service.plan(session)))
        assert not service.plan(session).changes
        return [e.text for e in events if e.status == "note"], session.outcome


def test_at_its_defaults_bac_never_exhausts_the_pool(tmp_path: Path, url: str) -> None:
    notes, outcome = applied(tmp_path, url, 20)
    assert outcome.whole, outcome.tally.failed
    assert (notes, outcome.halved) == ([], 0)


def test_ten_at_once_hang_it_and_bac_notices_narrows_and_finishes(tmp_path: Path, url: str) -> None:
    notes, outcome = applied(tmp_path, url, 1, wide=8, narrow=10)
    assert outcome.whole, outcome.tally.failed
    assert outcome.halved >= 2
    assert notes[-1].startswith("OpenMeter is slow: going on")
    held = httpx.get(f"{url}/api/v2/entitlements", params={"pageSize": 1000}).json()
    assert held["totalCount"] == 2 * CUSTOMERS


def test_a_hung_server_answers_nobody_until_a_client_hangs_up_and_undoes_what_that_one_asked(url: str) -> None:
    """The dev server's own: without it the tests above would prove nothing."""
    httpx.post(f"{url}/api/v1/features", json={"key": "sso", "name": "SSO"}).raise_for_status()
    for n in range(POOL):
        httpx.post(f"{url}/api/v1/customers", json={"key": f"c{n}", "name": "C"}).raise_for_status()
    statuses: list[str | int] = []
    together = threading.Barrier(POOL)

    def create(n: int) -> None:
        with httpx.Client(base_url=url, timeout=3.0 if n == 0 else 30.0) as client:
            client.get("/healthz")
            together.wait(20)
            body = {"type": "boolean", "featureKey": "sso"}
            try:
                statuses.append(client.post(f"/api/v2/customers/c{n}/entitlements", json=body).status_code)
            except httpx.TimeoutException:
                statuses.append("no answer")

    writers = [threading.Thread(target=create, args=(n,)) for n in range(POOL)]
    for writer in writers:
        writer.start()
    with httpx.Client(base_url=url, timeout=0.5) as other, pytest.raises(httpx.TimeoutException):
        while True:  # until all of them hold their first connection
            other.get("/api/v1/features")
    for writer in writers:
        writer.join()
    assert sorted(map(str, statuses)) == ["201", "201", "201", "no answer"]
    there = httpx.get(f"{url}/api/v2/entitlements").json()["items"]
    assert len(there) == POOL - 1
