"""Serving the application over a socket, with a thread per connection."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _Handler(WSGIRequestHandler):
    """Keeps connections open between requests, and logs none of them.

    The base class closes the connection after each answer, and reads what is left on it first: a request sent right
    after an answer would be lost. So requests are run here, which can be simple: the application always reads the
    whole body, and answers are whole as well.
    """

    protocol_version = "HTTP/1.1"
    timeout = 120

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.environ = environ = self.make_environ()
        try:
            status, headers, body = _run(self.server.app, environ)
        except ConnectionError:
            self.close_connection = True
            return
        # Headers and body in one write: two would wait for each other on some networks.
        self.wfile.write(self._head(status, headers, len(body)) + (b"" if self.command == "HEAD" else body))

    def _head(self, status: str, headers: list[tuple[str, str]], length: int) -> bytes:
        named = {name.lower() for name, _ in headers}
        lines = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if "content-length" not in named and not status.startswith(("204", "304")):
            lines.append(f"Content-Length: {length}")
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are quiet; what goes wrong is on stderr by other ways."""

    def log_error(self, format: str, *args: Any) -> None:
        """An idle connection that ran into its timeout is no error."""


def _run(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """The status, headers and whole body that a WSGI application answers."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started[:] = [(status, headers)]

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    return status, headers, body


def make_quiet_server(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A server that is not running yet: `serve_forever` runs it, `shutdown` from another thread stops it."""
    return make_server(host, port, app, threaded=True, request_handler=_Handler)


def serve(app: Flask, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes any free one. Says on stdout where it listens."""
    server = make_quiet_server(app, host, port)
    with _stopped_by_signals(server):
        sys.stdout.write(f"listening on http://{host}:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
    server.server_close()
    app.config["DATABASE"].close()


@contextmanager
def _stopped_by_signals(server: BaseWSGIServer) -> Iterator[None]:
    """Shut the server down on a signal, from another thread, since this one is inside its loop."""

    def stop(signum: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
