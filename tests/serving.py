"""A dev server on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from billing_as_code.devserver import create_app
from billing_as_code.devserver.server import make_quiet_server


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a fresh dev server in memory, for as long as the block runs."""
    app = create_app()
    try:
        with served(app) as url:
            yield url
    finally:
        app.config["DATABASE"].close()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The URL of an application on a socket, for as long as the block runs."""
    server = make_quiet_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Elsewhere(httpx.HTTPTransport):
    """The way to a server on a socket, whatever it is called."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer from there."""
        request.url = request.url.copy_with(host=self._url.host, port=self._url.port)
        return super().handle_request(request)
