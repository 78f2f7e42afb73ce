"""For each request of an apply of 100 mixed changes: the connection drops before the work or after it, in the middle of
the answer, or it times out and the work is done later. The apply ends as if nothing had happened, or says what is left
and the next one ends so."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import pytest
from counting import FULL, blocks, counted, some
from stage import Meets, Send, Stage, Stages

pytestmark = pytest.mark.thorough

REQUESTS = 190
"""At least so many are there."""


def dropped_before(stage: Stage, number: int) -> Meets:
    """The connection breaks before the server has got the request."""

    def meets(request: httpx.Request, n: int, send: Send) -> httpx.Response:
        if n == number:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        return send(request)

    return meets


def dropped_after(stage: Stage, number: int) -> Meets:
    """The connection breaks when the work is done, before anything of the answer has come."""

    def meets(request: httpx.Request, n: int, send: Send) -> httpx.Response:
        answer = send(request)
        if n == number:
            raise httpx.ReadError("connection reset", request=request)
        return answer

    return meets


class Cut(httpx.SyncByteStream):
    """An answer whose second half never comes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield self._content[: len(self._content) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def cut_in_the_middle(stage: Stage, number: int) -> Meets:
    """The connection breaks in the middle of the answer."""

    def meets(request: httpx.Request, n: int, send: Send) -> httpx.Response:
        answer = send(request)
        if n == number:
            return httpx.Response(answer.status_code, headers=answer.headers, stream=Cut(answer.content))
        return answer

    return meets


def timed_out_and_done_later(stage: Stage, number: int) -> Meets:
    """No answer in time; the server does the work when `bac` has sent three more requests, or at the end."""
    waiting: list[httpx.Request] = []
    lock = threading.Lock()

    def meets(request: httpx.Request, n: int, send: Send) -> httpx.Response:
        if n == number:
            late = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            with lock:
                waiting.append(late)
            raise httpx.ReadTimeout("no answer", request=request)
        answer = send(request)
        if n >= number + 3:
            with lock:
                late_ones, waiting[:] = list(waiting), []
            for one in late_ones:
                send(one)
        return answer

    return meets


HOW: dict[str, Callable[[Stage, int], Meets]] = {
    "dropped before the work": dropped_before,
    "dropped after the work": dropped_after,
    "cut in the middle of the answer": cut_in_the_middle,
    "timed out, and done later": timed_out_and_done_later,
}


@pytest.mark.parametrize("block", blocks(REQUESTS, 24) if FULL else [(1, REQUESTS)], ids=lambda b: f"{b[0]}-{b[1]}")
@pytest.mark.parametrize("how", HOW)
def test_an_answer_that_is_lost_anywhere_changes_nothing(stages: Stages, how: str, block: tuple[int, int]) -> None:
    stage = stages(1)
    assert stage.requests <= REQUESTS, "the apply has grown beyond the faults"
    numbers = range(block[0], min(block[1], stage.requests) + 1)
    for number in some(numbers, 4, offset=len(how)):
        stage.start()
        stage.line.anew(HOW[how](stage, number))
        _, outcome = stage.ws.apply(stage.plan)
        stage.line.anew()
        failed = {str(a): why for a, why in outcome.tally.failed.items()}
        at_once = outcome.whole
        if not at_once:
            assert how == "timed out, and done later", (number, stage.sent[number - 1], failed, outcome.loose)
            stage.ws.apply()
        stage.converged()
        assert at_once or failed or outcome.loose, "it was not whole, and nobody was told"
        counted("lost answers", **{f"{how}": 1, f"{how}, whole at once": int(at_once)})
