"""How fast the embedded server is, served by `bac dev` to a client process with several connections."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from urllib.parse import urlsplit

from benchmarks import PYTHON, WORK, data
from benchmarks.measuring import BAC, RUNS, dev_server, run
from benchmarks.page import Section, table

EVENTS = 50_000
BATCH = 100
CONNECTIONS = 4
STORED = 1_000_000
ENTITLEMENTS = 1_000
JSON = {"Content-Type": "application/json"}
BATCH_TYPE = {"Content-Type": "application/cloudevents-batch+json"}


def measure() -> Section:
    folder = WORK / "devserver"
    folder.mkdir(parents=True, exist_ok=True)
    ingest = max(_ingest(folder) for _ in range(2))
    rows = (
        (f"ingest, batches of {BATCH} over {CONNECTIONS} connections", f"{ingest:,.0f} events/s"),
        (f"a query by day over {STORED:,} events", f"{_query(folder, RUNS):.2f} s"),
        (f"a page of {ENTITLEMENTS:,} entitlements", f"{_page(folder, RUNS) * 1000:.0f} ms"),
    )
    text = "Served by `bac dev` over a socket, its data in a file; clients and server share the machine."
    return Section("The embedded server", f"{text}\n\n{table(('what', '>figure'), rows)}")


class _Connections:
    """One connection per thread, kept open."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._own = local()

    def ask(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] = JSON) -> bytes:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._host)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        content = bytes(answer.read())
        if answer.status >= 300:
            raise SystemExit(f"{method} {target}: {answer.status} {content[:500].decode()}")
        return content


def _batches(count: int) -> Iterator[bytes]:
    for start in range(0, count, BATCH):
        events = [
            {
                "specversion": "1.0",
                "id": f"event-{n}",
                "source": "benchmark",
                "type": "prompt",
                "subject": f"customer-{n % 500}",
                "time": f"2026-11-{n % 20 + 1:02d}T{n % 24:02d}:{n % 60:02d}:00Z",
                "data": {"tokens": n % 1000, "model": data.MODELS[n % len(data.MODELS)]},
            }
            for n in range(start, start + BATCH)
        ]
        yield json.dumps(events).encode()


def _ingest(folder: Path) -> float:
    """Events a second, in batches, some connections at a time."""
    batches = list(_batches(EVENTS))
    with dev_server(folder / "ingest.db") as url, ThreadPoolExecutor(CONNECTIONS) as pool:
        connections = _Connections(url)
        started = time.perf_counter()
        for _ in pool.map(lambda body: connections.ask("POST", "/api/v1/events", body, BATCH_TYPE), batches):
            pass
        return EVENTS / (time.perf_counter() - started)


def _query(folder: Path, runs: int) -> float:
    """Seconds of a query by day over the stored events."""
    database = folder / "query.db"
    with dev_server(database) as url:
        meter = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}
        _Connections(url).ask("POST", "/api/v1/meters", json.dumps(meter).encode())
    subprocess.run([PYTHON, "-m", "benchmarks.filling", str(database), str(STORED)], check=True)
    with dev_server(database, fresh=False) as url:
        connections = _Connections(url)
        counted = json.loads(connections.ask("GET", "/api/v1/meters/tokens/query?windowSize=DAY"))
        if len(counted["data"]) < 10:
            raise SystemExit(f"the query by day answered {len(counted['data'])} days")
        return _best(lambda: connections.ask("GET", "/api/v1/meters/tokens/query?windowSize=DAY"), runs)


def _page(folder: Path, runs: int) -> float:
    """Seconds of a page of a thousand entitlements."""
    project = folder / "page"
    data.write(project, ENTITLEMENTS // 3 * 4 + 4)
    with dev_server(folder / "page.db") as url:
        data.configure(project, url)
        run([BAC, "apply", "--env", data.ENVIRONMENT, "--yes"], project)
        connections = _Connections(url)
        target = f"/api/v2/entitlements?excludeInactive=true&pageSize={ENTITLEMENTS}&page=1"
        found = len(json.loads(connections.ask("GET", target))["items"])
        if found != ENTITLEMENTS:
            raise SystemExit(f"the page holds {found} entitlements")
        return _best(lambda: connections.ask("GET", target), runs)


def _best(action: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
