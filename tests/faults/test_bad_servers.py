"""A server that answers rubbish to a read: a page, half of a JSON, a redirect, values of the wrong types anywhere. The
plan is refused with a clear error; no plan is made from rubbish, and nothing is written."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from counting import FULL, counted, dice
from stage import Send, Stage

from billing_as_code.errors import BacError
from billing_as_code.model import canonical_json
from billing_as_code.plan import Plan

pytestmark = pytest.mark.thorough

MUTANTS = 1000 if FULL else 60
BLOCKS = 10 if FULL else 1
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
RUBBISH: tuple[Any, ...] = (None, 0, -1, 1e400, True, "", "x", [], {}, [None], {"x": {}}, 10**30, "\u0000", [[[]]])


def values(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a JSON."""
    yield path
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from values(value, (*path, key))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The JSON with another value at a path; DROPPED takes it out."""
    if not path:
        return value
    out = copy.deepcopy(body)
    into = out
    for key in path[:-1]:
        into = into[key]
    if value is DROPPED:
        del into[path[-1]]
    else:
        into[path[-1]] = value
    return out


DROPPED = object()


class Mutant(NamedTuple):
    """An answer that was changed; `wrong` says that a value has a type there that OpenMeter never gives it."""

    content: bytes
    told: str
    wrong: bool = True


def of_another_type(body: Any, chance: random.Random) -> Mutant:
    """One value anywhere is another, of any type, or missing."""
    path = chance.choice(list(values(body)))
    value = chance.choice((*RUBBISH, DROPPED)) if path else chance.choice(RUBBISH)
    told = f"{'.'.join(map(str, path)) or 'all'} = {'(left out)' if value is DROPPED else repr(value)}"
    was = body
    for key in path:
        was = was[key]
    alike = value is DROPPED or value is None or type(value) is type(was) or {type(value), type(was)} == {int, float}
    free = any(part in ("metadata", "labels", "config") for part in path[:-1])  # a subject's may be any JSON
    return Mutant(json.dumps(replaced(body, path, value)).encode(), told, not (alike or free))


def cut(body: Any, chance: random.Random) -> Mutant:
    """The first part of it."""
    content = json.dumps(body).encode()
    at = chance.randrange(len(content))
    return Mutant(content[:at], f"cut after {at} bytes")


def garbled(body: Any, chance: random.Random) -> Mutant:
    """Some bytes of it are others."""
    content = bytearray(json.dumps(body).encode())
    for _ in range(chance.randint(1, 5)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return Mutant(bytes(content), "garbled", wrong=False)


WAYS: tuple[Callable[[Any, random.Random], Mutant], ...] = (*(of_another_type,) * 7, cut, cut, garbled)


def answered(stage: Stage, mutate: Callable[[httpx.Response], httpx.Response], at: int) -> tuple[Plan | None, str]:
    """What a plan says where its read of this number is answered otherwise: the plan, or the error."""
    stage.line.anew(lambda request, n, send: mutate(send(request)) if n == at else send(request))
    stage.ws.forget()
    try:
        plan, told = stage.ws.plan(), ""
    except BacError as error:
        plan, told = None, str(error)
        assert error.exit_code == 1 or "owner" in told, error
    finally:
        stage.line.anew()
    assert stage.ws.writes() == []
    stage.see_no_secret(told)
    return plan, told


READS = 7
"""The reads of a plan, one a list."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_value_of_a_wrong_type_comes_into_a_plan(stage: Stage, block: int) -> None:
    """It is refused, or it stands where `bac` does not look, and the plan does no more than it would without it. Of a
    right type, it is what OpenMeter could say, and the plan goes by it."""
    usual = {canonical_json(c) for c in stage.plan.json["changes"]}
    for number in range(block, MUTANTS, BLOCKS):
        chance = dice(number)
        mutants: list[Mutant] = []

        def mutate(
            answer: httpx.Response, chance: random.Random = chance, mutants: list[Mutant] = mutants
        ) -> httpx.Response:
            mutants.append(chance.choice(WAYS)(answer.json(), chance))
            headers = {"content-type": "application/json"}
            return httpx.Response(200, content=mutants[0].content, headers=headers)

        plan, error = answered(stage, mutate, chance.randint(1, READS))
        [mutant] = mutants
        if plan is None:
            assert error.strip(), mutant.told
        elif mutant.wrong:
            more = [c["address"] for c in plan.json["changes"] if canonical_json(c) not in usual]
            assert not more, f"{mutant.told} makes a plan of {more}"
        counted("mutated answers", **{"refused" if plan is None else "read" if mutant.wrong else "could be so": 1})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(200, content=PAGE, headers={"content-type": "text/html"}), "the answer is no JSON"),
        (httpx.Response(200, content=b""), "the answer is no JSON"),
        (httpx.Response(200, content=b'{"items": ['), "the answer is no JSON"),
        (httpx.Response(200, content=b"\xff\xfe\x00"), "the answer is no JSON"),
        (httpx.Response(200, content=b"null"), "no list as OpenMeter gives them"),
        (httpx.Response(200, content=b"[" * 100_000), "the answer is no JSON"),
        (httpx.Response(302, headers={"location": "https://login.example.com/"}), "redirected to https://login."),
        (httpx.Response(301), "redirected to nowhere"),
        (httpx.Response(401, content=PAGE), "not authorised"),
        (httpx.Response(403, json={"title": "Forbidden"}), "Forbidden"),
        (httpx.Response(404, content=PAGE), "Not Found"),
        (httpx.Response(502, content=PAGE), "Bad Gateway"),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{value.status_code} {value.content[:12]!r}",
)
def test_what_is_between_is_told_at_every_read(stage: Stage, answer: httpx.Response, words: str) -> None:
    for at in range(1, READS + 1) if FULL else (2, READS):
        stage.line.anew(lambda request, n, send, at=at: answer if n >= at else send(request))
        stage.ws.forget()
        with pytest.raises(BacError, match=words) as caught:
            stage.ws.plan()
        stage.line.anew()
        assert caught.value.exit_code == 1
        assert stage.ws.writes() == []
        counted("bad answers", runs=1)


def test_rubbish_during_an_apply_writes_nothing_more_than_was_planned(stage: Stage) -> None:
    """The reads just before a write: nothing is written to what they speak of."""
    numbers = [n for n, (method, path) in enumerate(stage.sent, 1) if method == "GET" and n > READS]
    for at in numbers if FULL else numbers[::9]:
        stage.start()

        met: list[str] = []

        def rubbish(request: httpx.Request, n: int, send: Send, at: int = at, met: list[str] = met) -> httpx.Response:
            if n < at or met or request.method != "GET":
                return send(request)
            met.append(request.url.path)
            return httpx.Response(200, json={"id": 7, "key": [], "type": {}, "currentUsagePeriod": "x", "items": 3})

        stage.line.anew(rubbish)
        try:
            _, outcome = stage.ws.apply(stage.plan)
            assert not outcome.whole, met
        except BacError as error:
            assert str(error)
        stage.line.anew()
        if stage.resume() is None:
            stage.ws.apply()
        stage.converged()
        counted("rubbish during an apply", runs=1)
