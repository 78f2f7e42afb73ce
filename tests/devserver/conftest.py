"""What the tests of the dev server share: a client in process, and a server on a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from billing_as_code.devserver import create_app
from billing_as_code.devserver.server import make_quiet_server

NOW = "2026-11-24T12:00:00Z"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client of a fresh server in process, whose time starts at NOW."""
    with httpx.Client(transport=httpx.WSGITransport(app=create_app()), base_url="http://dev") as client:
        client.put("/_dev/clock", json={"now": NOW})
        yield client


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The URL of a server on a socket, shared by the tests that reset it for themselves."""
    server = make_quiet_server(create_app(), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
