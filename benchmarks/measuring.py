"""Whole processes, measured: wall time, processor time and memory of a child that ran to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks import PYTHON

BAC = str(Path(PYTHON).parent / "bac")
RUNS = 5
_LEFT_OUT = ("CI", "BAC_ENV")
_ADDED = {"CHECKPOINT_DISABLE": "1"}


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(text + "\n")


class Measure(NamedTuple):
    """What a run took: seconds of wall and of processor time (user and system), MB at its peak, requests sent."""

    wall: float
    cpu: float
    memory: float
    requests: int = 0


def best(measures: Iterable[Measure]) -> Measure:
    """The least of each: on a machine that does other things too, whatever is more is those."""
    walls, cpus, memories, requests = zip(*measures, strict=True)
    return Measure(min(walls), min(cpus), min(memories), max(requests))


def run(command: Sequence[str], folder: Path) -> Measure:
    """Run a command to its end; SystemExit with what it said where it fails.

    A child starts with the memory of whoever starts it, so this process must stay small.
    """
    environ = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT} | _ADDED
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=environ)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said.read(2000).decode()}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measured(
    command: Sequence[str], folder: Path, server: Server | None = None, *, runs: int = RUNS, warm: bool = True
) -> Measure:
    """The best of some runs, after one to `warm` the files up: bytecode, and what the system keeps of them in
    memory."""
    if warm:
        run(command, folder)
    measures: list[Measure] = []
    for _ in range(runs):
        if server is not None:
            server.count()
        measure = run(command, folder)
        measures.append(measure._replace(requests=server.count() if server is not None else 0))
    found = best(measures)
    what = " ".join([Path(command[0]).name, *command[1:]])
    say(f"{what}: {found.wall:.2f} s, CPU {found.cpu:.2f} s, {found.memory:.0f} MB")
    return found


class Server:
    """A running page server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def latency(self, reads: int, writes: int = 0) -> None:
        """What each waits, in milliseconds."""
        self._ask(f"/_latency/{reads}/{writes}")

    def count(self) -> int:
        """The pages asked for since the last time."""
        return int(self._ask("/_count"))

    def _ask(self, path: str) -> bytes:
        with urlopen(self.url + path) as answer:
            return bytes(answer.read())


@contextmanager
def page_server(pages: Path) -> Iterator[Server]:
    """A server of recorded pages."""
    with served([PYTHON, "-m", "benchmarks.pages", str(pages)]) as url:
        yield Server(url)


@contextmanager
def dev_server(database: Path, *, fresh: bool = True) -> Iterator[str]:
    """`bac dev` on a file, fresh where nobody filled it; its url."""
    for file in (database, database.with_name(database.name + "-wal"), database.with_name(database.name + "-shm")):
        if fresh:
            file.unlink(missing_ok=True)
    with served([BAC, "dev", "--port", "0", "--data", str(database)]) as url:
        yield url


@contextmanager
def served(command: Sequence[str]) -> Iterator[str]:
    """A process that serves; the url that its first line ends with."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if not said:
            raise SystemExit(f"{' '.join(command)} did not start")
        yield said[-1]
    finally:
        process.terminate()
        process.wait()
