"""What stands between a client and the application: faults that tests ask for, and a log of requests."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs

from .replies import escaped_path

StartResponse = Callable[..., Any]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_KNOWN = frozenset(("method", "path", "nth", "times", "status", "body", "headers", "wait", "drop", "after"))
_LOG_LENGTH = 100_000


@dataclass
class Rule:
    """One fault: which requests meet it, and what happens to them.

    `method` and `path` (a glob) choose requests; of those the `nth` (from 1; absent: every one) and on, `times`
    times (absent: without end, or once where `nth` is given). Then it waits `wait` seconds, and either drops the
    connection "before" or "after" the work, or answers `status`, `body` and `headers` instead (with `after`, once
    the work is done).
    """

    wanted: dict[str, Any]
    seen: int = 0
    applied: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Whether this request meets the fault; counts it."""
        if self.wanted.get("method", method).upper() != method:
            return False
        if not fnmatchcase(path, self.wanted.get("path", "*")):
            return False
        self.seen += 1
        nth = self.wanted.get("nth")
        times = self.wanted.get("times", None if nth is None else 1)
        if self.seen < (nth or 1) or (times is not None and self.applied >= times):
            return False
        self.applied += 1
        return True


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def replace(self, rules: list[Any]) -> None:
        """Put these rules in force. Raises ValueError for one that makes no sense."""
        for rule in rules:
            if not isinstance(rule, dict) or set(rule) - _KNOWN:
                raise ValueError(f"a rule has {', '.join(sorted(_KNOWN))}: {rule}")
            if rule.get("drop") not in (None, "before", "after"):
                raise ValueError(f"drop is before or after: {rule}")
        with self._lock:
            self._rules = [Rule(dict(rule)) for rule in rules]

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    def describe(self) -> list[dict[str, Any]]:
        """The rules with how often they were seen and applied."""
        with self._lock:
            return [{**rule.wanted, "seen": rule.seen, "applied": rule.applied} for rule in self._rules]

    def met_by(self, method: str, path: str) -> dict[str, Any] | None:
        """The first fault that this request meets."""
        with self._lock:
            met = [rule for rule in self._rules if rule.meets(method, path)]
            return met[0].wanted if met else None


@dataclass
class _Entry:
    method: str
    path: str
    query: str
    body: bytes
    status: int | None = None


@dataclass
class RequestLog:
    """The last requests, in order of their arrival."""

    _entries: deque[_Entry] = field(default_factory=lambda: deque(maxlen=_LOG_LENGTH))

    def add(self, entry: _Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    def entries(self) -> list[dict[str, Any]]:
        """Requests as JSON: a JSON body parsed, another as text; status null where there was no answer."""
        return [
            {
                "method": entry.method,
                "path": entry.path,
                "query": parse_qs(entry.query, keep_blank_values=True),
                "body": _readable(entry.body),
                "status": entry.status,
            }
            for entry in list(self._entries)
        ]


class FaultyServer:
    """WSGI middleware: logs requests and lets them meet their faults. The admin paths pass untouched."""

    def __init__(self, app: WSGIApp, faults: Faults, log: RequestLog) -> None:
        self._app = app
        self._faults = faults
        self._log = log

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = escaped_path(environ)
        environ["PATH_INFO"] = path.encode("utf-8").decode("latin-1")
        body = _read_body(environ)
        if path.startswith("/_dev/"):
            return self._app(environ, start_response)
        entry = _Entry(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
        self._log.add(entry)

        def logging_start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            entry.status = int(status.split()[0])
            return start_response(status, headers, exc_info)

        fault = self._faults.met_by(entry.method, path)
        if fault is None:
            return self._app(environ, logging_start)
        return self._suffer(fault, environ, logging_start)

    def _suffer(self, fault: dict[str, Any], environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        time.sleep(float(fault.get("wait", 0)))
        if fault.get("drop") == "before":
            raise _dropped(environ)
        answers = "status" in fault
        if fault.get("drop") == "after" or (answers and fault.get("after")):
            _exhaust(self._app(environ, lambda *_: None))
        if fault.get("drop") == "after":
            raise _dropped(environ)
        if not answers:
            return self._app(environ, start)
        body, content_type = _encoded(fault.get("body"))
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **fault.get("headers", {})}
        start(f"{fault['status']} Fault", list(headers.items()))
        return [body]


def _read_body(environ: dict[str, Any]) -> bytes:
    """The body, put back for the application to read."""
    if environ.get("wsgi.input_terminated"):
        raw: bytes = environ["wsgi.input"].read()
    else:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(raw)
    environ["CONTENT_LENGTH"] = str(len(raw))
    return raw


def _exhaust(chunks: Iterable[bytes]) -> None:
    for _ in chunks:
        pass
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _dropped(environ: dict[str, Any]) -> Exception:
    """The error that ends a request without an answer.

    Over a socket, the connection is closed. In process there is none, so the client's own error is raised, if the
    client is the one whose errors are known.
    """
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
        return ConnectionAbortedError("dropped by a fault")
    client = sys.modules.get("httpx")
    if client is not None:
        error: Exception = client.RemoteProtocolError("Server disconnected without sending a response.")
        return error
    return ConnectionAbortedError("dropped by a fault")


def _encoded(body: Any) -> tuple[bytes, str]:
    if body is None:
        return b"", "application/problem+json"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body).encode(), "application/problem+json"


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")
