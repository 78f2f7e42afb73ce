"""The journal: a run that died anywhere is finished by the next one, or given up; it blocks others until then."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code import service
from billing_as_code.errors import Refused, RunUnfinished, StalePlan, UsageError
from billing_as_code.journal import Journal, Runs

CATALOG: dict[str, Any] = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n"}},
    "features": {"ai": {"meter": "tokens"}},
    "customers": {"acme": {"name": "ACME"}},
    "entitlements": {"acme": {"ai": {"type": "metered", "usage_period": {"interval": "month"}}}},
    "grants": {"acme": {"ai": {"promo": {"amount": 5, "effective_at": "2026-12-01T00:00:00Z"}}}},
}


class Killed(BaseException):
    """The process is gone."""


class Mortal(httpx.BaseTransport):
    """A way to the server on which the process dies at its n-th write, before or after the server did the work."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner, self._lock = inner, Lock()
        self.dies_at, self.after, self.dead = 0, False, False

    def dying(self, at: int, *, after: bool) -> None:
        self.dies_at, self.after = at, after

    def revive(self) -> None:
        self.dies_at, self.dead = 0, False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/_dev/"):
            return self._inner.handle_request(request)
        if self.dead:
            raise Killed
        dies = False
        if request.method != "GET" and self.dies_at:
            with self._lock:
                self.dies_at -= 1
                dies = self.dies_at == 0
        if not dies:
            return self._inner.handle_request(request)
        self.dead = True
        if self.after:
            self._inner.handle_request(request)
        raise Killed


@pytest.fixture
def mortal(transport: httpx.BaseTransport) -> Mortal:
    return Mortal(transport)


@pytest.fixture
def ws(mortal: Mortal, tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path, mortal)
    workspace.write("catalog/a.yaml", CATALOG)
    yield workspace
    workspace.close()


def die(ws: Workspace, mortal: Mortal, at: int, *, after: bool) -> None:
    plan = ws.plan()
    mortal.dying(at, after=after)
    with pytest.raises(Killed):
        ws.apply(plan)
    mortal.revive()


def journals(ws: Workspace) -> list[Path]:
    return sorted((ws.root / ".bac" / "runs").glob("*.jsonl"))


# -- a run that died ------------------------------------------------------------------------------------------------


def test_an_unfinished_run_blocks_the_next_apply_and_writes_nothing(ws: Workspace, mortal: Mortal) -> None:
    die(ws, mortal, 2, after=False)
    plan = ws.plan()
    ws.forget()
    with pytest.raises(RunUnfinished, match=r"bac apply --resume, or give it up with bac apply --abandon"):
        ws.apply(plan)
    assert ws.writes() == []


def test_a_run_that_was_given_up_blocks_nothing_and_the_next_plan_goes_on_from_what_is_live(
    ws: Workspace, mortal: Mortal
) -> None:
    die(ws, mortal, 2, after=True)
    with ws.session() as session:
        assert service.abandon(session) == journals(ws)[0]
    ws.converge()
    with ws.session() as session, pytest.raises(UsageError, match="nothing to give up"):
        service.abandon(session)


def test_there_is_nothing_to_resume_after_a_whole_run(ws: Workspace) -> None:
    ws.converge()
    with pytest.raises(UsageError, match="nothing to resume"):
        ws.resume()


def test_a_run_is_not_resumed_over_what_another_hand_changed(ws: Workspace, mortal: Mortal) -> None:
    ws.configure(environments={"local": {"writes": {"wide": 1, "narrow": 1}}})
    ws.converge()
    ws.write("catalog/a.yaml", CATALOG | {"customers": {"acme": {"name": "New"}}, "subjects": {"s": {}}})
    die(ws, mortal, 1, after=False)
    ws.http.post("/api/v1/subjects", json=[{"key": "s"}]).raise_for_status()
    ws.forget()
    with pytest.raises(StalePlan, match=r"subjects\.s: has appeared"):
        ws.resume()
    assert ws.writes() == []
    with pytest.raises(RunUnfinished):
        ws.apply()


# -- torn writes ----------------------------------------------------------------------------------------------------


def test_a_torn_last_line_hides_nothing_before_it_and_swallows_nothing_after_it(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    journal = runs.begin("{}", "d" * 64, "http://a")
    journal.before("meters.a", 0)
    journal.after("meters.a", 0, {"id": "1", "name": "a\u2028b\x85c\nd"})
    journal.before("meters.b", 0)
    journal.close()
    assert journal.path is not None
    whole = journal.path.read_bytes()
    journal.after("meters.b", 0, None)  # closed: as a dead process, it writes nothing
    assert journal.path.read_bytes() == whole
    for cut in range(whole.index(b"meters.b") + 1, len(whole) + 1):
        journal.path.write_bytes(whole[:cut])
        resumed, _ = runs.resume("http://a")
        assert resumed.done == {("meters.a", 0): {"id": "1", "name": "a\u2028b\x85c\nd"}}
        assert resumed.doubtful <= {("meters.b", 0)}
        resumed.after("meters.b", 0, {"id": "2"})
        resumed.close()
        again, _ = runs.resume("http://a")
        assert again.done[("meters.b", 0)] == {"id": "2"}
        again.close()


def test_a_run_that_died_while_its_journal_was_begun_had_sent_nothing_and_blocks_nothing(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    journal = runs.begin("{}", "d" * 64, "http://a")
    journal.close()
    assert journal.path is not None
    for content in (b"", b'{"plan":"ddd'):
        journal.path.write_bytes(content)
        runs.refuse_unfinished("http://a")


def test_readings_are_kept_whatever_they_hold(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    journal = runs.begin("{}", "d" * 64, "http://a")
    readings = {"value": {"grantBalances": {"g": 0.1}}, "now": {"metadata": {"note": "\u2028\u2029\x1c ü"}}}
    journal.read("entitlements.a.b", readings)
    journal.close()
    resumed, text = runs.resume("http://a")
    assert (resumed.readings, text) == ({"entitlements.a.b": readings}, "{}")
    resumed.close()


def test_runs_on_other_targets_do_not_count(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    runs.begin("{}", "d" * 64, "http://a").close()
    runs.refuse_unfinished("http://b")
    with pytest.raises(RunUnfinished):
        runs.refuse_unfinished("http://a")


# -- the lock, and secrets ------------------------------------------------------------------------------------------


def test_two_applies_on_one_machine_exclude_each_other(ws: Workspace) -> None:
    plan = ws.plan()
    with ws.session() as session, session.runs.lock(session.target.url):
        with pytest.raises(Refused, match="another bac apply is running here"):
            ws.apply(plan)
        with pytest.raises(Refused, match="another bac apply is running here"):
            ws.resume()
    assert ws.writes() == []
    assert ws.apply(plan)[1].whole


def test_a_whole_run_is_marked_as_done_and_a_partial_one_as_partly(ws: Workspace) -> None:
    ws.faults({"method": "POST", "path": "*/features", "status": 400, "body": {"detail": "no"}})
    assert not ws.apply()[1].whole
    ws.faults()
    ws.converge()
    ends = [json.loads(path.read_text().splitlines()[-1]) for path in journals(ws)]
    assert ends == [{"end": "partly"}, {"end": "done"}]


def test_no_file_of_a_run_holds_the_token(ws: Workspace, mortal: Mortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OM_TOKEN", "om_very_secret")
    monkeypatch.setenv("BAC_ENV", "production")
    ws.configure(environments={"production": {"url": "http://om.test:8888", "token": {"from_env": "OM_TOKEN"}}})
    die(ws, mortal, 3, after=True)
    assert ws.resume()[1].whole
    files = [path for path in (ws.root / ".bac").rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert not [path for path in files if b"om_very_secret" in path.read_bytes()]


# -- a folder that takes nothing --------------------------------------------------------------------------------------


class Full:
    """A file on a disk that is full after so many writes."""

    def __init__(self, inner: Any, left: int) -> None:
        self._inner, self._left = inner, left

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self._inner.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("left", [0, 1, 2, 5, 9])
def test_a_disk_that_becomes_full_stops_the_apply_before_anything_is_sent_that_is_not_written_down(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    begin = Runs.begin

    def on_a_full_disk(runs: Runs, *args: str) -> Journal:
        journal = begin(runs, *args)
        journal._file = Full(journal._file, left)  # type: ignore[assignment]
        return journal

    monkeypatch.setattr(Runs, "begin", on_a_full_disk)
    plan = ws.plan()
    with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\), so nothing more is sent"):
        ws.apply(plan)
    assert len(ws.writes()) <= left, "each write is written down before it is sent"
    monkeypatch.undo()
    assert ws.resume()[1].whole
    assert ws.plan().changes == ()
    assert len(ws.writes()) == 5


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_sent(ws: Workspace) -> None:
    plan = ws.plan()
    (ws.root / ".bac").rename(ws.root / "kept") if (ws.root / ".bac").exists() else None
    (ws.root / ".bac").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"\.bac/runs: cannot be written"):
        ws.apply(plan)
    assert ws.writes() == []


def test_a_run_whose_plan_was_removed_can_only_be_given_up(ws: Workspace, mortal: Mortal) -> None:
    die(ws, mortal, 2, after=False)
    for path in (ws.root / ".bac" / "runs").glob("*.plan.json"):
        path.unlink()
    with pytest.raises(UsageError, match=r"so the apply that died cannot be finished\. Give it up with"):
        ws.resume()
    with ws.session() as session:
        service.abandon(session)
    ws.converge()
