"""The client against a network that does what networks do. What waits is told how long, and nobody sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from billing_as_code.client import LONGEST_WAIT, TRIES, OpenMeter, join
from billing_as_code.errors import ApiError, Unreachable

TOKEN = "om_very_secret"
URL = "https://openmeter.test"
Act = httpx.Response | Exception
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Network:
    """Answers requests in order with what it was given, the last one for ever; keeps the requests and the waits."""

    def __init__(self, *acts: Act, url: str = URL) -> None:
        self.acts, self.requests, self.waits, self.slowed = list(acts), [], [], 0
        self.client = OpenMeter(
            url, token=TOKEN, transport=httpx.MockTransport(self._handle), sleep=self.waits.append, slowed=self._slow
        )

    requests: list[httpx.Request]
    waits: list[float]

    def _slow(self) -> None:
        self.slowed += 1

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        if isinstance(act, Exception):
            raise act
        return httpx.Response(act.status_code, headers=act.headers, content=act.content)

    def fails(self, method: str = "GET", path: str = "/x") -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.client.get(path) if method == "GET" else self.client.write(method, path, body={})
        return caught.value


def answer(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


OK = answer(200, {"ok": True})
LOST: tuple[Callable[[], Exception], ...] = (
    lambda: httpx.ReadTimeout("t"),
    lambda: httpx.WriteTimeout("t"),
    lambda: httpx.ReadError("reset"),
    lambda: httpx.RemoteProtocolError("Server disconnected without sending a response."),
)
NEVER_SENT: tuple[Callable[[], Exception], ...] = (
    lambda: httpx.ConnectError("refused"),
    lambda: httpx.ConnectTimeout("t"),
    lambda: httpx.PoolTimeout("t"),
)


# -- reads are repeated ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_repeated_until_it_succeeds(status: int) -> None:
    network = Network(answer(status), answer(status), OK)
    assert network.client.get("/x") == {"ok": True}
    assert len(network.requests) == 3
    assert len(network.waits) == 2


@pytest.mark.parametrize("lost", [*LOST, *NEVER_SENT])
def test_a_read_whose_answer_was_lost_is_repeated(lost: Callable[[], Exception]) -> None:
    network = Network(lost(), OK)
    assert network.client.get("/x") == {"ok": True}
    assert len(network.requests) == 2


def test_a_read_is_given_up_after_six_tries_with_growing_waits_that_end_at_eight_seconds() -> None:
    network = Network(answer(503))
    error = network.fails()
    assert (error.status, error.ambiguous) == (503, True)
    assert len(network.requests) == TRIES == 6
    assert all(0.1 * 2**n <= wait <= 0.2 * 2**n for n, wait in enumerate(network.waits, 1))
    assert max(network.waits) <= 8.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412])
def test_a_clear_refusal_is_not_repeated(status: int) -> None:
    network = Network(answer(status, {"detail": "no"}))
    error = network.fails()
    assert (error.status, error.ambiguous, len(network.requests), network.waits) == (status, False, 1, [])


# -- Retry-After ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("100000", LONGEST_WAIT)]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_retry_after_in_seconds_is_obeyed_up_to_a_minute(method: str, header: str, wait: float) -> None:
    network = Network(answer(429, retry_after=header), OK)
    network.client.get("/x") if method == "GET" else network.client.write(method, "/x", body={})
    assert network.waits == [wait]


def test_retry_after_as_a_date_is_obeyed() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    network = Network(answer(503, retry_after=soon), answer(429, retry_after=past), OK)
    network.client.get("/x")
    first, second = network.waits
    assert 15 < first <= 20
    assert second == 0.0


@pytest.mark.parametrize("header", ["soon", "nan", "", "Mon, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_as_none(header: str) -> None:
    network = Network(answer(429, retry_after=header), OK)
    network.client.get("/x")
    assert len(network.waits) == 1
    assert 0.2 <= network.waits[0] <= 0.4


# -- writes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("act", [*LOST, *(lambda s=s: answer(s) for s in (500, 502, 503, 504))])
def test_a_write_that_may_have_been_done_is_never_repeated(method: str, act: Callable[[], Act]) -> None:
    network = Network(act())
    error = network.fails(method)
    assert (error.ambiguous, error.never_sent, len(network.requests)) == (True, False, 1)


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("act", [*NEVER_SENT, lambda: answer(429)])
def test_a_write_that_was_certainly_not_taken_is_repeated(method: str, act: Callable[[], Act]) -> None:
    network = Network(act(), act(), OK)
    assert network.client.write(method, "/x", body={"a": 1}) == {"ok": True}
    assert [r.content for r in network.requests] == [b'{"a": 1}'] * 3


def test_a_server_that_is_not_there_says_so_at_last() -> None:
    error = Network(httpx.ConnectError("[Errno 111] Connection refused")).fails("POST")
    assert isinstance(error, Unreachable)
    assert error.never_sent
    assert str(error).startswith(f"POST /x: cannot connect to {URL} ([Errno 111] Connection refused). Is it running")


def test_a_write_without_an_answers_body_gives_none() -> None:
    assert Network(httpx.Response(204)).client.write("DELETE", "/x") is None


def test_time_outs_and_429_are_told_to_whoever_sets_the_pace_and_nothing_else_is() -> None:
    network = Network(answer(429), httpx.ReadTimeout("t"), answer(503), httpx.ReadError("r"), OK)
    network.client.get("/x")
    assert network.slowed == 2


# -- what errors say ------------------------------------------------------------------------------------------------


def test_the_first_line_of_a_problem_is_what_is_said_and_the_document_is_kept() -> None:
    body = {"title": "Bad Request", "detail": 'Error at "/currency": minimum string length is 3\nSchema:\n  {}'}
    error = Network(answer(400, body)).fails("POST")
    assert str(error) == 'POST /x: 400 Error at "/currency": minimum string length is 3'
    assert error.body == body


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(500, {"title": "Internal Server Error"}), "500 Internal Server Error"),
        (answer(502, b"<html><body>Bad gateway</body></html>"), "502 Bad Gateway"),
        (answer(404, b""), "404 Not Found"),
        (answer(400, ["not", "a", "problem"]), "400 Bad Request"),
        (answer(401, b""), "401 not authorised. Is the environment's token set and valid?"),
        (answer(403, {"detail": "forbidden error: no"}), "403 forbidden error: no"),
    ],
)
def test_every_refusal_has_a_text(given: httpx.Response, said: str) -> None:
    assert str(Network(given).fails("POST")) == f"POST /x: {said}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed_since_the_token_would_go_with_it(method: str, status: int) -> None:
    network = Network(answer(status, b"", location="https://elsewhere.test/x"))
    error = network.fails(method)
    assert len(network.requests) == 1
    assert "redirected to https://elsewhere.test/x. Write that address as the environment's url" in str(error)


@pytest.mark.parametrize(
    ("content", "starts"),
    [
        (b"<!doctype html><title>Sign in</title>", "<!doctype html><title>Sign in"),
        (b'[{"id": "01M8', '[{"id": "01M8'),
        (b"", ""),
        (b"\xff\xfe\x00", "\ufffd"),
        (b"[" * 200_000, "[[["),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_is_no_json_is_said_to_be_none(method: str, content: bytes, starts: str) -> None:
    network = Network(answer(200, content))
    if method == "POST" and not content:
        assert network.client.write(method, "/x") is None
        return
    error = network.fails(method)
    assert "the answer is no JSON, it starts with" in str(error)
    assert starts in str(error)
    assert error.ambiguous
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "act",
    [
        answer(401, {"detail": "bad"}),
        answer(403, {"detail": "no"}),
        answer(500),
        answer(302, b"", location="https://sso.test"),
        answer(200, b"<html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("t"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_is_sent_and_never_said(method: str, act: Act) -> None:
    network = Network(act)
    error = network.fails(method)
    assert {r.headers["authorization"] for r in network.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in f"{error} {error!r} {error.detail} {error.body} {error.request}"


# -- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("acme", b"/api/v1/customers/acme"),
        ("a/b", b"/api/v1/customers/a%2Fb"),
        ("a b?c#d", b"/api/v1/customers/a%20b%3Fc%23d"),
        ("100%", b"/api/v1/customers/100%25"),
        ("%2F", b"/api/v1/customers/%252F"),
        ("ß", b"/api/v1/customers/%C3%9F"),
        ("a+b:c@d", b"/api/v1/customers/a%2Bb%3Ac%40d"),
    ],
)
def test_keys_are_percent_encoded_whatever_they_hold(key: str, sent: bytes) -> None:
    network = Network(OK)
    network.client.get(join(["api", "v1", "customers", key]))
    assert network.requests[0].url.raw_path == sent


@pytest.mark.parametrize("url", ["https://host.test/om", "https://host.test/om/"])
def test_a_base_with_a_path_keeps_it(url: str) -> None:
    network = Network(OK, url=url)
    network.client.get("/api/v1/meters", [("page", 1)])
    assert str(network.requests[0].url) == "https://host.test/om/api/v1/meters?page=1"


def test_bodies_are_utf_8_json_of_exactly_openmeters_content_type() -> None:
    network = Network(OK)
    network.client.write("POST", "/x", [("at", "2026-01-01T00:00:00Z")], {"name": "Ä"})
    [request] = network.requests
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {"name": "Ä"}
    assert request.url.query == b"at=2026-01-01T00%3A00%3A00Z"


def test_a_read_sends_no_body_and_no_content_type() -> None:
    network = Network(OK)
    network.client.get("/x")
    assert network.requests[0].content == b""
    assert "content-type" not in network.requests[0].headers


# -- what may be sent twice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [*LOST, *NEVER_SENT, lambda: answer(429), lambda: answer(500), lambda: answer(503)])
def test_what_may_be_sent_twice_is_repeated_whatever_became_of_it(act: Callable[[], Act]) -> None:
    network = Network(act(), act(), httpx.Response(204))
    network.client.deliver("/x", b"[{}]", "application/cloudevents-batch+json")
    sent = [(r.method, r.content, r.headers["content-type"]) for r in network.requests]
    assert sent == [("POST", b"[{}]", "application/cloudevents-batch+json")] * 3


def test_what_may_be_sent_twice_is_not_repeated_once_it_is_clearly_refused() -> None:
    network = Network(answer(400, {"detail": "no"}))
    with pytest.raises(ApiError, match="400 no"):
        network.client.deliver("/x", b"[{}]", "application/json")
    assert len(network.requests) == 1
