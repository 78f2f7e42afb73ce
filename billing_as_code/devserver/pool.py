"""Too few connections to the database: what stops a real OpenMeter when too many entitlements are written at once.

There each request takes a connection, and one that makes or overrides an entitlement a second one while it holds the
first. Where as many of those as there are connections hold their first, all wait for ever, and everybody else with
them, until a client hangs up; its write is undone then.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .replies import escaped_path

_LOOK = 0.02
"""Seconds between two looks whether the client is still there."""
_SECOND = 0.25
"""Seconds until an entitlement's write wants its second connection: its work until then, which is fast here."""


class Pool:
    """Connections, of which there are as many as `size()` says; 0 is as many as are wanted."""

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._taken = 0

    @contextmanager
    def connection(self, client: socket.socket) -> Iterator[None]:
        """One of them, as soon as there is one. Raises ConnectionAbortedError where the client hangs up first."""
        with self._changed:
            while self._taken >= self._size():
                self._changed.wait(_LOOK)
                if _has_hung_up(client):
                    raise ConnectionAbortedError("the client has hung up")
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify_all()


class PooledServer:
    """WSGI middleware: requests take connections from a pool, where its size is set. In process nobody could hang up,
    so there they do not."""

    def __init__(self, app: Callable[..., Iterable[bytes]], size: Callable[[], int]) -> None:
        self._app, self._size = app, size
        self._pool = Pool(size)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        client, path = environ.get("werkzeug.socket"), escaped_path(environ)
        if client is None or not self._size() or path.startswith("/_dev/"):
            return self._app(environ, start_response)
        with ExitStack() as held:
            held.enter_context(self._pool.connection(client))
            if _writes_an_entitlement(environ["REQUEST_METHOD"], path):
                time.sleep(_SECOND)
                held.enter_context(self._pool.connection(client))
            return self._app(environ, start_response)


def _writes_an_entitlement(method: str, path: str) -> bool:
    return (method == "POST" and path.endswith("/entitlements")) or (method == "PUT" and path.endswith("/override"))


def _has_hung_up(client: socket.socket) -> bool:
    readable, _, _ = select.select([client], [], [], 0)
    if not readable:
        return False
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
