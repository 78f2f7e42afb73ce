"""Random catalogs with random changes, where an apply fails at any write or is killed at any request: it ends where the
apply that nothing disturbed ends. What the scene of the other tests here does not have, these have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from counting import FULL, counted
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from mortal import Killed, Mortal
from profiles import share
from test_converge import made, outside, two_of_them
from wire import FAULT
from workspace import Workspace

from billing_as_code.errors import UsageError

pytestmark = pytest.mark.thorough

EXAMPLES = 0.5 if FULL else 0.02


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """These projects have the embedded server alone."""
    monkeypatch.delenv("BAC_ENV", raising=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project that examples share; each begins with `begin`."""
    yield from made(tmp_path_factory)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project on another server, for what would have been."""
    yield from made(tmp_path_factory)


HOW = (
    {"status": 500, "headers": {FAULT: "1"}},
    {"status": 503, "headers": {FAULT: "1"}, "after": True},
    {"drop": "before"},
    {"drop": "after"},
)


@settings(max_examples=share(EXAMPLES))
@given(data=st.data(), how=st.sampled_from(HOW), times=st.sampled_from((1, 3, 1000)))
def test_an_apply_that_failed_at_any_write_is_finished_by_the_next(
    project: Workspace, other: Workspace, data: st.DataObject, how: dict[str, Any], times: int
) -> None:
    two_of_them(data, project, other)
    methods = [r["method"] for r in other.writes()]
    assume(methods)
    k = data.draw(st.integers(0, len(methods) - 1), label="failing write")
    nth = methods[: k + 1].count(methods[k])
    project.faults({**how, "method": methods[k], "nth": nth, "times": times})
    _, outcome = project.apply()
    note(f"failed at {methods[k]} {nth}: {outcome.tally.failed}")
    project.faults()
    project.converge()
    assert outside(project) == outside(other)
    counted("random catalogs", failed=1)


@settings(max_examples=share(EXAMPLES))
@given(data=st.data(), is_sent=st.booleans())
def test_an_apply_that_was_killed_at_any_request_is_resumed(
    project: Workspace, other: Workspace, data: st.DataObject, is_sent: bool
) -> None:
    two_of_them(data, project, other)
    plan = project.plan()
    assume(plan.changes)
    mortal = project.transport
    assert isinstance(mortal, Mortal)
    mortal.die_at(data.draw(st.integers(1, 40), label="last request"), is_sent=is_sent)
    try:
        project.apply(plan)
    except Killed:
        pass
    finally:
        mortal.live_on()
    again = data.draw(st.booleans(), label="killed again")
    if again:
        mortal.die_at(data.draw(st.integers(1, 20)), is_sent=is_sent)
        try:
            project.resume()
        except (Killed, UsageError):
            pass
        finally:
            mortal.live_on()
    try:
        _, outcome = project.resume()
    except UsageError:  # it died before it began, or after it had ended
        project.apply()
    else:
        assert outcome.whole, (outcome.tally.failed, outcome.tally.blocked, outcome.loose)
    assert not project.plan().changes
    assert outside(project) == outside(other)
    counted("random catalogs", killed=1)
