"""OpenMeter over HTTP: one client for all threads. The only module that knows httpx and turns its exceptions into ours.

Reads are repeated until they succeed or it is clear that they will not, and so are events, which have ids. A write is
repeated here only where it is certain that it was not taken (a 429, or no connection); anything else that is no answer
is `ambiguous`, and the caller looks up what became of it, since OpenMeter has no idempotency keys.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import quote

from billing_as_code import __version__
from billing_as_code.errors import ApiError, Unreachable
from billing_as_code.model import Json, Read

# httpx imports its own command line where it can, and with it rich and pygments: a third of its time
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

TRIES = 6
TRIES_TO_CONNECT = 3
"""Less, for what refuses the connection: it is not there, or the address is wrong."""
LONGEST_WAIT = 60.0
"""Seconds that one Retry-After is obeyed for."""
_LOOK_AGAIN = 0.1
"""Seconds before one that waits notices that nobody wants the answer any more."""

LOOKED_AT = 4096
"""Bytes of an answer that a mere look reads."""

Query = Sequence[tuple[str, Json]]

MISREAD = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError)
"""What whoever looks into an answer meets where it is not as OpenMeter gives it."""


def join(segments: Sequence[str]) -> str:
    """The path of some segments, each percent-encoded: keys are free text."""
    return "/" + "/".join(quote(s, safe="") for s in segments)


def path_of(read: Read) -> str:
    """The path of a read that names nothing that is still to be made."""
    return join([str(segment) for segment in read.path])


def misread(path: str, error: Exception) -> ApiError:
    """What somebody met (see MISREAD) who looked into the answer to a GET."""
    return ApiError(f"GET {path}", 200, f"the answer is not as OpenMeter gives it ({type(error).__name__}: {error})")


class Look(NamedTuple):
    """What one GET met. `status` is 0 where no answer came; `trouble` then says why (name, refused, tls, connect, time,
    broken), and `said` has the network's own words. `headers` have lower-case names, `start` is how the body starts."""

    status: int
    headers: Mapping[str, str]
    start: str
    trouble: str = ""
    said: str = ""


class OpenMeter:
    """A connection to one OpenMeter.

    `url` is its base, with or without a path; `token` is sent as a bearer token. `transport` replaces the network (the
    embedded server, tests). `slowed` is called on every time-out and 429, from the thread that met it.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        connections: int = 20,
        sleep: Callable[[float], None] = time.sleep,
        slowed: Callable[[], None] = lambda: None,
    ) -> None:
        self.url, self.slowed, self.sleep = url, slowed, sleep
        headers = {"accept": "application/json", "user-agent": f"bac/{__version__}"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def fetch(self, path: str, query: Query = (), *, tries: int = TRIES, over: Event | None = None) -> bytes:
        """GET as it came, for the caller to parse. Raises ApiError, after so many tries where trying helps; once `over`
        is set, nobody wants the answer any more, and none follows."""
        return self._repeated("GET", path, query, harmless=True, tries=tries, over=over).content

    def get(self, path: str, query: Query = (), *, tries: int = TRIES) -> Json:
        """GET, decoded. Raises ApiError."""
        return parse(f"GET {path}", self.fetch(path, query, tries=tries))

    def write(self, method: str, path: str, query: Query = (), body: Json = None) -> Json:
        """POST, PUT, PATCH or DELETE; the answer decoded, None where it has none.

        Raises ApiError; its `ambiguous` says that the work may have been done.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        response = self._repeated(method, path, query, content)
        return parse(f"{method} {path}", response.content) if response.content.strip() else None

    def deliver(self, path: str, content: bytes, content_type: str) -> None:
        """POST what may safely be sent twice, since what is in it has ids: repeated like a read. Raises ApiError."""
        self._repeated("POST", path, (), content, content_type, harmless=True)

    def look(self, path: str, query: Query = ()) -> Look:
        """One GET, once, for whoever wants to know what is there rather than what it says. Raises nothing expected."""
        try:
            with self._http.stream("GET", path, params=list(query) or None) as response:
                start = next(response.iter_bytes(LOOKED_AT), b"")
                return Look(response.status_code, response.headers, start.decode(errors="replace"))
        except httpx.HTTPError as error:
            return Look(0, {}, "", *_trouble(error))

    # -- one request, and again --------------------------------------------------------------------

    def _repeated(
        self,
        method: str,
        path: str,
        query: Query,
        content: bytes | None = None,
        content_type: str = "application/json",
        *,
        harmless: bool = False,
        tries: int = TRIES,
        over: Event | None = None,
    ) -> httpx.Response:
        """One request until it is answered; `harmless` says that it may be done twice."""
        for attempt in range(1, tries + 1):
            try:
                return self._once(method, path, query, content, content_type)
            except ApiError as error:
                wait = self._wait(error, attempt, harmless=harmless)
                if wait is None or attempt >= (min(tries, TRIES_TO_CONNECT) if error.never_sent else tries):
                    raise
                self._pause(wait, over)
                if over is not None and over.is_set():
                    raise
        raise AssertionError("the last try returns or raises")

    def _pause(self, seconds: float, over: Event | None) -> None:
        """Sleep, but no longer than until it is over."""
        if over is None:
            self.sleep(seconds)
            return
        while seconds > 0 and not over.is_set():
            self.sleep(min(seconds, _LOOK_AGAIN))
            seconds -= _LOOK_AGAIN

    def _wait(self, error: ApiError, attempt: int, *, harmless: bool) -> float | None:
        """Seconds before the next try, None where there shall be none."""
        certain = error.status == 429 or error.never_sent
        if not certain and not (harmless and error.ambiguous):
            return None
        if error.retry_after is not None:
            return error.retry_after
        return float(min(8.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0))

    def _once(self, method: str, path: str, query: Query, content: bytes | None, content_type: str) -> httpx.Response:
        name = f"{method} {path}"
        headers = {"content-type": content_type} if content is not None else None
        try:
            response = self._http.request(method, path, params=list(query) or None, content=content, headers=headers)
        except httpx.TimeoutException as error:
            self.slowed()
            never = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            text = f"no answer from {self.url} in time"
            raise Unreachable(name, 0, text, ambiguous=True, never_sent=never) from error
        except httpx.ConnectError as error:
            text = f"cannot connect to {self.url} ({error}). Is it running, and is the url right?"
            raise Unreachable(name, 0, text, ambiguous=True, never_sent=True) from error
        except httpx.UnsupportedProtocol as error:
            raise ApiError(name, 0, f"{self.url} is no http or https address") from error
        except httpx.HTTPError as error:
            text = f"the connection to {self.url} broke ({type(error).__name__})"
            raise Unreachable(name, 0, text, ambiguous=True) from error
        if response.status_code == 429:
            self.slowed()
        if not response.is_success:
            raise _refused(name, response)
        return response


def _trouble(error: httpx.HTTPError) -> tuple[str, str]:
    """Why no answer came, in a word, and in the words of whoever noticed it."""
    if isinstance(error, httpx.TimeoutException):
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        return ("connect" if connecting else "time"), "time-out"
    cause: BaseException | None = error
    while cause is not None:
        for trouble, kind in (("name", socket.gaierror), ("tls", ssl.SSLError), ("refused", ConnectionRefusedError)):
            if isinstance(cause, kind):
                return trouble, cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return "broken", str(error) or type(error).__name__


def _refused(name: str, response: httpx.Response) -> ApiError:
    status = response.status_code
    body = _problem(response)
    if 300 <= status < 400:
        detail = (
            f"redirected to {response.headers.get('location', 'nowhere')}. Write that address as the environment's url"
        )
    elif status == 401:
        detail = "not authorised. Is the environment's token set and valid?"
    else:
        # OpenMeter prints whole schemas into some details; the first line says what is wrong
        detail = str(body.get("detail") or _first_issue(body) or response.reason_phrase).split("\n", 1)[0]
    wait = _retry_after(response.headers)
    return ApiError(name, status, detail, ambiguous=status >= 500, retry_after=wait, body=body)


def _first_issue(body: Mapping[str, Any]) -> str:
    """What an answer without a detail says: its title, with the first of the issues that it lists."""
    title = str(body.get("title") or "")
    try:
        return f"{title}: {body['extensions']['validationErrors'][0]['message']}"
    except (KeyError, IndexError, TypeError):
        return title


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None  # "nan" is a float


def parse(name: str, content: bytes) -> Json:
    """The JSON of an answer. Raises ApiError where it is none (a proxy's page, a cut answer)."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        start = content[:60].decode(errors="replace").strip()
        text = f"the answer is no JSON, it starts with {start!r}. Is this an OpenMeter, or a proxy in front of it?"
        raise ApiError(name, 200, text, ambiguous=True) from error


def in_process(app: Callable[..., Any], close: Callable[[], None] = lambda: None) -> httpx.BaseTransport:
    """A transport that calls a WSGI application in the calling thread: the whole wire format, no socket.

    `close` is called when the transport is closed, for what the application holds open.
    """
    return _InProcess(app, close)


class _InProcess(httpx.BaseTransport):
    """httpx's WSGI transport decodes a path before the application sees it, so that a key with a slash becomes two
    segments; this one also passes the path as it was sent, as servers do."""

    def __init__(self, app: Callable[..., Any], close: Callable[[], None]) -> None:
        self._app, self._close = app, close

    def close(self) -> None:
        self._close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = request.url.raw_path.decode("ascii")

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            return self._app({**environ, "RAW_URI": sent}, start_response)

        return httpx.WSGITransport(app=app).handle_request(request)
