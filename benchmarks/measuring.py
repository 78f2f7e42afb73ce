"""Whole processes, measured: wall time, processor time and memory of a child that ran to its end."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks import PYTHON

BAC = str(Path(PYTHON).parent / "bac")
_LEFT_OUT = ("CI", "BAC_ENV")


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
    environ = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT}
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


class Server:
    """A running page server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def latency(self, milliseconds: int) -> None:
        self._ask(f"/_latency/{milliseconds}")

    def count(self) -> int:
        """The pages asked for since the last time."""
        return int(self._ask("/_count"))

    def _ask(self, path: str) -> bytes:
        with urlopen(self.url + path) as answer:
            return bytes(answer.read())


@contextmanager
def page_server(pages: Path) -> Iterator[Server]:
    command = [PYTHON, "-m", "benchmarks.pages", str(pages)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
