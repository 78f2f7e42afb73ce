"""An apply of 100 mixed changes is killed after each of its requests and each entry of its journal, whole or torn: the
next one finishes it, whichever way it goes on, and nothing is made twice, lost, or measured anew."""

from __future__ import annotations

import pytest
from counting import FULL, blocks, counted, some
from stage import Death, Stage, Stages, dying

pytestmark = pytest.mark.thorough

REQUESTS, ENTRIES = 190, 290
"""At least so many are there; a number beyond the last is a run that lives."""
WAYS = ("resume", "plan anew")


def points() -> list[object]:
    """(width, way, kind of death, first, last), in blocks that processes can share."""
    kinds = (("request", REQUESTS), ("entry", ENTRIES), ("torn", ENTRIES))
    every = [
        (width, way, kind, block)
        for width in (1, 3)
        for way in WAYS
        for kind, number in kinds
        if kind != "torn" or (width == 1 and way == "resume")
        for block in (blocks(number, 24) if FULL else [(1, number)])
    ]
    return [pytest.param(*p, id=f"{p[0]} wide, {p[1]}, {p[2]} {p[3][0]}-{p[3][1]}") for p in every]


def death_at(kind: str, number: int) -> Death:
    return Death(request=number) if kind == "request" else Death(entry=number, torn=kind == "torn")


@pytest.mark.parametrize(("width", "way", "kind", "block"), points())
def test_an_apply_that_is_killed_anywhere_is_finished_and_nothing_is_made_twice_or_lost(
    stages: Stages, width: int, way: str, kind: str, block: tuple[int, int]
) -> None:
    stage = stages(width)
    most = stage.requests if kind == "request" else stage.entries
    assert most <= (REQUESTS if kind == "request" else ENTRIES), "the apply has grown beyond the deaths"
    numbers = range(block[0], min(block[1], most) + 1)
    for number in some(numbers, 3, offset=len(way) + width):
        death = death_at(kind, number)
        stage.start()
        with dying(stage.line, death):
            stage.ws.apply(stage.plan)
        assert death.dead, f"it has survived {kind} {number}"
        finish(stage, way)
        counted("kills", **{f"{width} wide, {way}, {kind}": 1})


def finish(stage: Stage, way: str) -> None:
    """By resuming it, or by giving it up and planning anew; then everything is as if it had not died."""
    if way == "resume":
        outcome = stage.resume()
        if outcome is not None:
            assert outcome.whole, (outcome.tally.failed, outcome.tally.blocked, outcome.loose)
        else:
            stage.ws.apply()  # it had not begun, or had ended
    else:
        stage.abandon()
        _, outcome = stage.ws.apply()
        assert outcome.whole, (outcome.tally.failed, outcome.tally.blocked, outcome.loose)
    stage.converged()
    assert stage.made() == stage.rows
