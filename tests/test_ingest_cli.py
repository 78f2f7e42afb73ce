"""`bac ingest` as a person and a pipeline meet it: what is printed, exit codes, and a process that is killed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from commands import BAC, Bac, plain, run
from serving import serving

TIME = "2026-11-20T10:15:00Z"
METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}


def usage(*tokens: object) -> str:
    event = {"type": "prompt", "subject": "acme", "time": TIME}
    return "".join(json.dumps({**event, "data": {"tokens": n}}) + "\n" for n in tokens)


@pytest.fixture
def bac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bac:
    """Runs `bac` in a folder with an embedded server, and sees that it ends with an expected exit code."""
    monkeypatch.chdir(tmp_path)
    plain(monkeypatch)
    Path("bac.yaml").write_text("owner: acme\nenvironments: {local: {}}\n")

    return partial(run, "ingest")


@pytest.fixture
def served(bac: Bac) -> Iterator[httpx.Client]:
    """A server on a socket, with a meter, that the project's environment is."""
    with serving() as url, httpx.Client(base_url=url) as client:
        Path("bac.yaml").write_text(f"owner: acme\nenvironments: {{local: {{url: '{url}', writes: {{wide: 2}}}}}}\n")
        client.post("/api/v1/meters", json=METER).raise_for_status()
        yield client


def total(client: httpx.Client) -> float:
    return float(client.get("/api/v1/meters/tokens/query").json()["data"][0]["value"])


# -- what is printed --------------------------------------------------------------------------------------------------


def test_a_file_is_accepted_and_a_second_time_it_was_already(bac: Bac) -> None:
    Path("usage.ndjson").write_text(usage(1, 2))
    assert bac("usage.ndjson").stdout.endswith("Accepted 2 events in 1 request.\n")
    again = bac("usage.ndjson").stdout.splitlines()
    assert again[0] == "Accepted 0 events in 0 requests · 2 already sent before."
    assert again[1] == "--again sends what was sent before once more."
    Path("usage.ndjson").write_text(usage(1, 2, 3))
    assert bac("usage.ndjson").stdout.splitlines()[0] == (
        "Going on after line 2: what stands before was accepted earlier."
    )


def test_refused_lines_are_told_with_their_place_and_the_exit_code_is_3(bac: Bac) -> None:
    Path("usage.ndjson").write_text(usage(1, None) + "{\x1b[31m\n")
    result = bac("usage.ndjson", code=3)
    assert result.stdout.endswith("Accepted 1 event in 1 request · 2 refused.\n")
    assert result.stderr == (
        "error: usage.ndjson:2: data.tokens is null, which OpenMeter refuses (leave it out)\n"
        "error: usage.ndjson:3: is no JSON: expecting property name enclosed in double quotes "
        "at '\\x1b[31m', column 2\n"
    )


def test_where_nothing_can_be_sent_the_exit_code_is_1(bac: Bac) -> None:
    Path("usage.ndjson").write_text("{}\n" * 60)
    result = bac("usage.ndjson", code=1)
    assert len(result.stderr.splitlines()) == 51
    assert result.stderr.endswith("... and 10 more\n")
    assert result.stdout == "Accepted 0 events in 0 requests · 60 refused.\n"


def test_nothing_is_no_error(bac: Bac) -> None:
    Path("usage.ndjson").write_text("\n")
    assert bac("usage.ndjson").stdout == "There are no events in usage.ndjson.\n"


def test_one_event_of_flags_tells_its_id(bac: Bac) -> None:
    result = bac("--type", "prompt", "--subject", "acme", "--data", '{"tokens": 5}', "--id", "mine")
    assert result.stdout.endswith("Accepted 1 event in 1 request.\nIts id: mine\n")
    made = json.loads(bac("--type", "prompt", "--subject", "acme", "--json").stdout)["id"]
    assert made.startswith("bac-")


def test_a_pipe_is_read_to_its_end(bac: Bac) -> None:
    assert "Accepted 2 events in 1 request." in bac("-", given=usage(1, 2)).stdout
    table = "t,n\n1795240800,5\n"
    columns = ("--map", "time=t", "--map", "data.tokens=n", "--type", "prompt", "--subject", "acme")
    assert "Accepted 1 event in 1 request." in bac("-", *columns, given=table).stdout
    os.mkfifo("fifo")
    writer = threading.Thread(target=lambda: Path("fifo").write_text(usage(3)))
    writer.start()
    assert "Accepted 1 event in 1 request." in bac("fifo").stdout
    writer.join()


def test_json_says_all_of_it_and_nothing_else(bac: Bac) -> None:
    Path("usage.ndjson").write_text(usage(1, None))
    result = bac("usage.ndjson", "--json", code=3)
    assert result.stderr == ""
    said = json.loads(result.stdout)
    counts = {"accepted": 1, "refused": 1, "already": 0, "repeated": 0, "requests": 1}
    ended = {"interrupted": False, "error": None, "dry_run": False, "id": None}
    problem = {"line": 2, "message": "data.tokens is null, which OpenMeter refuses", "remedy": "leave it out"}
    warnings = said.pop("warnings")
    assert said == {"file": "usage.ndjson", **counts, **ended, "problems": [problem]}
    assert [w["message"] for w in warnings] == ["no meter counts `prompt`", "no customer has the subject `acme`"]


def test_a_dry_run_shows_the_first_event(bac: Bac) -> None:
    Path("usage.csv").write_text("time,tokens\n1795240800,5\n")
    shown = bac("usage.csv", "--type", "prompt", "--subject", "acme", "--dry-run").stdout.splitlines()
    assert shown[-1] == "Would send 1 event in 1 request."
    assert json.loads(shown[-2].removeprefix("First: "))["data"] == {"tokens": 5}
    assert not Path(".bac/ingest").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "say what to send: a FILE, - for a pipe, or one event with --type and --subject"),
        (("--type", "a"), "say what to send"),
        (("--type", "a", "--subject", "b", "--map", "x=y"), "--map and --format speak of a FILE"),
        (("x", "--data", "{}"), "--id and --data make one event without a FILE"),
        (("--type", "a", "--subject", "b", "--data", "{oops"), "--data is no JSON: expecting property name"),
        (("nowhere.ndjson",), "nowhere.ndjson: No such file or directory"),
        (("-", "--strict"), "--strict looks at all lines before it sends one"),
    ],
)
def test_wrong_usage_is_exit_code_1_and_says_what_would_be_right(bac: Bac, args: tuple[str, ...], said: str) -> None:
    assert f"error: {said}" in bac(*args, code=1).stderr


def test_on_a_terminal_progress_is_shown_and_gone_at_the_end(bac: Bac, served: httpx.Client) -> None:
    Path("usage.ndjson").write_text(usage(*range(6)))
    rule = {"method": "POST", "path": "/api/v1/events", "wait": 0.2}
    served.put("/_dev/faults", json={"rules": [rule]}).raise_for_status()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*BAC, "ingest", "usage.ndjson", "--batch", "1"], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().decode()
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Sending: line " in shown
    assert shown.endswith("\r\x1b[K")
    assert said.endswith("Accepted 6 events in 6 requests.\n")


# -- ends that come early ---------------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_told_and_the_same_command_goes_on(bac: Bac, served: httpx.Client) -> None:
    Path("usage.ndjson").write_text(usage(*range(10)))
    rule = {
        "method": "POST",
        "path": "/api/v1/events",
        "nth": 3,
        "times": 1000,
        "status": 404,
        "body": {"title": "gone"},
    }
    served.put("/_dev/faults", json={"rules": [rule]}).raise_for_status()
    result = bac("usage.ndjson", "--batch", "2", code=3)
    assert "error: POST /api/v1/events: 404 gone\n" in result.stderr
    assert result.stderr.endswith("Next: the same command goes on from there\n")
    served.delete("/_dev/faults").raise_for_status()
    assert "6 already" not in bac("usage.ndjson").stdout
    assert total(served) == 45


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 3), (signal.SIGTERM, 3), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended_by_a_signal_is_gone_on_with(
    bac: Bac, served: httpx.Client, sent: signal.Signals, code: int
) -> None:
    Path("usage.ndjson").write_text(usage(*range(40)))
    rule = {"method": "POST", "path": "/api/v1/events", "wait": 0.1}
    served.put("/_dev/faults", json={"rules": [rule]}).raise_for_status()
    with subprocess.Popen([*BAC, "ingest", "usage.ndjson", "--batch", "2"], stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not any("line" in p.read_text() for p in Path(".bac/ingest").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(sent)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == code
    served.delete("/_dev/faults").raise_for_status()
    result = bac("usage.ndjson")
    assert "already sent before" in result.stdout
    assert total(served) == 780
