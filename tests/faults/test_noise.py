"""An apply over a bad line: answers that say to wait, that fail, that are lost, slow, cut, a proxy's page, a redirect;
a token that expires in the middle; a server that goes away. Each run ends, says what happened, and the next ones
finish what it could not."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
from counting import FULL, blocks, counted, dice, some
from stage import Send, Stage, Stages

from billing_as_code.errors import ApiError

pytestmark = pytest.mark.thorough

ROUNDS = 40
"""So many tries are more than any noise here needs."""
PAGE = b"<html><head><title>Sign in</title></head><body>Please sign in</body></html>"


class Noise:
    """A line of which, per hundred requests, 10 are answered 429, 5 are answered 503, 5 lose their answer, and a few
    are slow, cut, redirected or answered with a page. Half of what fails has been done all the same."""

    def __init__(self, seed: object) -> None:
        self._dice, self._lock = dice(seed), threading.Lock()
        self.met = 0

    def meets(self, request: httpx.Request, number: int, send: Send) -> httpx.Response:
        """One request."""
        with self._lock:
            fate, done = self._dice.random() * 100, self._dice.random() < 0.5
            self.met += fate < 26
        if fate < 10:
            return httpx.Response(429, headers={"retry-after": "1"}, json={"title": "Too Many Requests"})
        if fate < 15:
            if done:
                send(request)
            return httpx.Response(503, headers={"retry-after": "1"}, text="upstream connect error")
        if fate < 20:
            if done:
                send(request)
            raise httpx.ReadError("connection reset", request=request)
        if fate < 22:
            time.sleep(0.005)
            return send(request)
        if fate < 24:
            if done:
                send(request)
            return httpx.Response(200 if done else 502, headers={"content-type": "text/html"}, content=PAGE)
        if fate < 25:
            answer = send(request)
            return httpx.Response(answer.status_code, content=answer.content[: len(answer.content) // 2])
        if fate < 26:
            return httpx.Response(302, headers={"location": "https://login.example.com/"})
        return send(request)


@pytest.mark.parametrize("seed", range(24 if FULL else 2))
def test_over_a_noisy_line_everything_is_done_once(stages: Stages, seed: int) -> None:
    stage = stages(3 if seed % 2 else 1)
    stage.start()
    noise = Noise(seed)
    stage.line.anew(noise.meets)
    told = until_whole(stage)
    stage.line.anew()
    stage.converged()
    stage.see_no_secret(told)
    assert noise.met > 20
    counted("noise", runs=1)


def until_whole(stage: Stage) -> list[str]:
    """Apply, resume, plan anew, as a person would, until nothing is left to do. What was told on the way."""
    told: list[str] = []
    for _ in range(ROUNDS):
        try:
            outcome = stage.resume()
            if outcome is None:
                plan = stage.ws.plan()
                if not plan.changes:
                    return told
                _, outcome = stage.ws.apply(plan)
        except ApiError as error:
            told.append(str(error))
            continue
        failed = [*outcome.tally.failed.values(), *(why for _, why in outcome.loose)]
        assert outcome.whole or failed, "something is left, and nobody was told"
        told += failed
    raise AssertionError(f"after {ROUNDS} tries it is not done: {told[-5:]}")


@pytest.mark.parametrize("number", some(range(1, 190, 3), 2))
def test_a_token_that_expires_in_the_middle_is_told_and_a_new_one_finishes(stages: Stages, number: int) -> None:
    stage = stages(1)
    stage.start()
    numbers = min(number, stage.requests)

    def meets(request: httpx.Request, n: int, send: Send) -> httpx.Response:
        expired = {"type": "about:blank", "title": "Unauthorized", "status": 401}
        return send(request) if n < numbers else httpx.Response(401, json=expired)

    stage.line.anew(meets)
    try:
        _, outcome = stage.ws.apply(stage.plan)
        told = [*outcome.tally.failed.values()]
        assert not outcome.whole
    except ApiError as error:
        told = [str(error)]
    assert all("not authorised. Is the environment's token set and valid?" in text for text in told)
    assert told
    stage.line.anew()
    if stage.resume() is None:
        stage.ws.apply()
    stage.converged()
    counted("tokens that expire", runs=1)


@pytest.mark.parametrize("block", blocks(190, 24) if FULL else [(1, 190)], ids=lambda b: f"{b[0]}-{b[1]}")
def test_a_server_that_goes_away_in_the_middle_is_gone_on_with_when_it_is_back(
    stages: Stages, block: tuple[int, int]
) -> None:
    stage = stages(1)
    for number in some(range(block[0], min(block[1], stage.requests) + 1), 4):
        stage.start()

        def meets(request: httpx.Request, n: int, send: Send, last: int = number) -> httpx.Response:
            if n < last:
                return send(request)
            raise httpx.ConnectError("connection refused", request=request)

        stage.line.anew(meets)
        try:
            _, outcome = stage.ws.apply(stage.plan)
            told = [*outcome.tally.failed.values()]
        except ApiError as error:
            told = [str(error)]
        assert told
        assert all("cannot connect to" in text for text in told), told
        stage.line.anew()
        if stage.resume() is None:
            stage.ws.apply()
        stage.converged()
        counted("servers that go away", runs=1)
