"""The served application, and data in a file."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from billing_as_code.devserver import create_app

_PROGRAM = """
import sys
from billing_as_code.devserver import create_app
from billing_as_code.devserver.server import serve
serve(create_app(sys.argv[1]))
"""
METER = {"slug": "calls", "eventType": "call", "aggregation": "COUNT"}


@contextmanager
def running(database: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, with the URL that it says."""
    command = [sys.executable, "-c", _PROGRAM, database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline().strip()
        try:
            yield process, ready.removeprefix("listening on ")
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_cleanly_on_a_signal(number: signal.Signals) -> None:
    with running(":memory:") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=url) as client:
            assert client.get("/healthz").status_code == 200
            process.send_signal(number)
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert errors == ""


def test_data_survives_a_restart(tmp_path: Path) -> None:
    database = str(tmp_path / "dev.db")
    with running(database) as (process, url):
        httpx.post(f"{url}/_dev/reset", json={"config": {"reservedEventTypes": ["^_"]}})
        made = httpx.post(f"{url}/api/v1/meters", json=METER).json()
        process.kill()
        process.wait()
    with running(database) as (_, url):
        assert httpx.get(f"{url}/api/v1/meters").json() == [made]
        assert httpx.post(f"{url}/api/v1/meters", json=METER | {"eventType": "_x"}).status_code == 400


def test_a_connection_is_used_again(served: str) -> None:
    with httpx.Client(base_url=served, limits=httpx.Limits(max_connections=1)) as client:
        client.post("/_dev/reset", json={})
        ports = set()
        for reply in (client.get("/api/v1/meters"), client.post("/nope", json={"a": 1}), client.get("/api/v1/meters")):
            ports.add(reply.extensions["network_stream"].get_extra_info("client_addr"))
            assert "connection" not in reply.headers
        assert len(ports) == 1


def test_two_applications_in_memory_do_not_share_data() -> None:
    clients = [httpx.Client(transport=httpx.WSGITransport(app=create_app()), base_url="http://dev") for _ in range(2)]
    clients[0].post("/api/v1/meters", json=METER)
    assert clients[1].get("/api/v1/meters").json() == []
    for client in clients:
        client.close()


def test_what_is_asked_of_a_closed_server_is_refused_and_breaks_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    app = create_app()
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://dev") as client:
        assert client.get("/api/v1/meters").status_code == 200
        app.config["DATABASE"].close()
        assert client.get("/api/v1/meters").status_code == 500
    assert "Traceback" not in capfd.readouterr().err
