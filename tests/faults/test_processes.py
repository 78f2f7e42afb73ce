"""The same with real processes: `bac apply` over a socket, killed by SIGKILL at the moment when the server has got a
request, before its work or after it; two of them at once; a catalog that changes while it runs; a clock that jumps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import scene
from counting import FULL, counted, some
from serving import served
from stage import CANARY, Send, Stage, Stages

from billing_as_code import service
from billing_as_code.errors import RunUnfinished, StalePlan

pytestmark = pytest.mark.thorough

KILLED = -signal.SIGKILL
PROGRAM = "from billing_as_code.cli import main; main()"
App = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Gate:
    """WSGI middleware that kills a process when it gets its nth write: before the work, or after it."""

    def __init__(self, app: App, nth: int, *, after: bool) -> None:
        self._app, self._left, self._after = app, nth, after
        self._lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        with self._lock:
            self._left -= environ["REQUEST_METHOD"] != "GET"
            now = self._left == 0 and environ["REQUEST_METHOD"] != "GET"
        if now and not self._after:
            self._kill()
            raise ConnectionAbortedError("the client is dead")
        answer = self._app(environ, start_response)
        if now:
            self._kill()
        return answer

    def _kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Bac:
    """`bac` as a process in a stage's folder, whose OpenMeter is at `url`."""

    def __init__(self, stage: Stage, url: str, root: Path) -> None:
        self.root, self.told = root, ""
        (root / "catalog").mkdir(parents=True)
        stage.ws.configure(environments={"production": {"url": url, "token": {"from_env": "FAULTS_TOKEN"}}})
        (root / "bac.yaml").write_text((stage.ws.root / "bac.yaml").read_text())
        (root / "catalog" / "all.yaml").write_text((stage.ws.root / "catalog" / "all.yaml").read_text())

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Begin a command."""
        environ = {**os.environ, "FAULTS_TOKEN": CANARY, "BAC_ENV": "production"}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", PROGRAM, *args]
        return subprocess.Popen(command, cwd=self.root, env=environ, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def ends(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a command; its exit code."""
        printed, _ = process.communicate(timeout=120)
        self.told += printed
        assert CANARY not in printed
        assert "Traceback" not in printed, printed
        return process.returncode

    def run(self, *args: str) -> int:
        """A whole command; its exit code."""
        return self.ends(self.start(*args))


APPLY = ("apply", "--yes", "--allow-breaking")


@pytest.fixture
def stage(stages: Stages) -> Iterator[Stage]:
    """The scene at its beginning, with real time for the server: processes have no other."""
    found = stages(1)
    found.start()
    settings = (found.ws.root / "bac.yaml").read_text()
    found.ws.clock_is_real = True  # type: ignore[attr-defined]
    found.ws.http.put("/_dev/clock", json={"now": None})
    yield found
    (found.ws.root / "bac.yaml").write_text(settings)


@pytest.mark.parametrize("nth", some(range(2, 116, 4), 2))
@pytest.mark.parametrize("way", ["resume", "plan anew"] if FULL else ["resume"])
def test_a_process_that_is_killed_at_a_write_is_finished_by_another(
    stage: Stage, tmp_path: Path, nth: int, way: str
) -> None:
    app = stage.app
    gate = Gate(app, nth, after=nth % 8 == 2)
    with served(gate) as url:
        bac = Bac(stage, url, tmp_path / "project")
        gate.process = bac.start(*APPLY)
        assert bac.ends(gate.process) == KILLED
        assert bac.run(*APPLY) == 5, "an apply that died blocks the next one"
        if way == "resume":
            assert bac.run("apply", "--resume") == 0, bac.told
        else:
            assert bac.run("apply", "--abandon") == 0, bac.told
            assert bac.run(*APPLY) == 0, bac.told
        assert bac.run("plan", "--exit-code") == 0, bac.told
    assert stage.made() == stage.rows
    for path in bac.root.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    counted("processes killed", **{way: 1})


class Slow:
    """WSGI middleware: from the first write on, everything waits until it is let go."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] != "GET":
            self.begun.set()
            self.go.wait(60)
        return self._app(environ, start_response)


def test_of_two_applies_on_one_machine_the_second_is_refused(stage: Stage, tmp_path: Path) -> None:
    slow = Slow(stage.app)
    with served(slow) as url:
        bac = Bac(stage, url, tmp_path / "project")
        first = bac.start(*APPLY)
        assert slow.begun.wait(60)
        assert bac.run(*APPLY) == 5
        assert "another bac apply is running here" in bac.told
        slow.go.set()
        assert bac.ends(first) == 0, bac.told
        assert bac.run("plan", "--exit-code") == 0
    assert stage.made() == stage.rows
    counted("two applies on one machine", runs=1)


def test_a_catalog_that_changes_while_it_is_applied_is_applied_as_it_was_planned(stage: Stage, tmp_path: Path) -> None:
    slow = Slow(stage.app)
    with served(slow) as url:
        bac = Bac(stage, url, tmp_path / "project")
        first = bac.start(*APPLY)
        assert slow.begun.wait(60)
        (bac.root / "catalog" / "all.yaml").write_text("metres: [")
        slow.go.set()
        assert bac.ends(first) == 0, bac.told
        (bac.root / "catalog" / "all.yaml").write_text((stage.ws.root / "catalog" / "all.yaml").read_text())
        assert bac.run("plan", "--exit-code") == 0, bac.told
    counted("catalogs that change during an apply", runs=1)


# -- two machines -----------------------------------------------------------------------------------------------------


def from_two_machines(stage: Stage, at: int) -> tuple[list[str], bool]:
    """Two applies of one plan from two folders, the second begun when the first sends its request of that number: what
    each told, and whether the first was whole."""
    told: list[str] = []
    other = stage.another()

    def meets(request: Any, n: int, send: Send) -> Any:
        if n == at and not told:
            told.append("")
            told[0] = another_applies(other, stage)
        return send(request)

    stage.line.anew(meets)
    try:
        _, outcome = stage.ws.apply(stage.plan)
        told += [*outcome.tally.failed.values(), *(why for _, why in outcome.loose)]
        whole = outcome.whole
    except StalePlan as error:
        told.append(str(error))
        whole = False
    stage.line.anew()
    return told, whole


def another_applies(other: Any, stage: Stage) -> str:
    """What the apply of the other machine says, "" where it was whole."""
    try:
        _, outcome = other.apply(stage.plan)
    except StalePlan as error:
        return str(error)
    return "; ".join([*outcome.tally.failed.values(), *(why for _, why in outcome.loose)])


@pytest.mark.parametrize("at", some(range(1, 190, 6), 4))
def test_two_applies_from_two_machines_lose_and_double_nothing(stages: Stages, at: int) -> None:
    """The second is begun in the middle of the first and runs to its end. One of them sees that the other was there, or
    both are whole since one found everything done; a next plan and apply end as if there had been one."""
    stage = stages(1)
    if at > stage.requests:
        pytest.skip("the apply has no such request")
    stage.start()
    told, whole = from_two_machines(stage, at)
    assert whole or any(told)
    try:
        _, outcome = stage.ws.apply()
        assert outcome.whole, (outcome.tally.failed, outcome.loose)
    except RunUnfinished:
        raise AssertionError("an apply that ended blocks the next") from None
    stage.converged()
    counted("two applies from two machines", **{"first whole" if whole else "first told of the other": 1})


# -- the clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-400, -1, 1, 400] if FULL else [-1, 400])
@pytest.mark.parametrize("at", some(range(8, 180, 24), 1))
def test_a_clock_of_this_machine_that_jumps_in_the_middle_changes_no_usage(stages: Stages, days: int, at: int) -> None:
    """`bac` tells OpenMeter instants of the server's periods, not of its own clock; a minute that it measures by itself
    is asked of the server, which refuses one that lies in its future."""
    stage = stages(1)
    stage.start()
    opened = stage.ws.opened

    def jumping() -> service.Session:
        session = opened()
        session.now = lambda: stage.ws.now() + timedelta(days=days) * (stage.line.number >= at)
        return session

    stage.ws.opened = jumping  # type: ignore[method-assign]
    try:
        _, outcome = stage.ws.apply(stage.plan)
    finally:
        stage.ws.opened = opened  # type: ignore[method-assign]
    if not outcome.whole:
        assert outcome.tally.failed or outcome.loose
        stage.ws.apply()
    left = stage.ws.plan()
    assert not left.changes
    seen, wanted = stage.seen(), stage.expected
    periods = {name: value for name, value in seen.items() if name.endswith((" period", " since"))}
    assert periods == {name: wanted[name] for name in periods}
    assert len(stage.plan.changes) == scene.SIZE
    counted("clocks that jump", runs=1)
