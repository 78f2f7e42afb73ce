"""docs/performance.md, from what was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Measure


class Result(NamedTuple):
    """One command on one catalog."""

    catalog: str
    command: str
    measure: Measure


class Compared(NamedTuple):
    """A plan of one size at one latency, and the floor with one and with eight requests at a time."""

    size: int
    latency: int
    plan: Measure
    one: Measure
    eight: Measure


TEXT = """\
# Performance

`make bench` writes this page: it makes the catalogs, records what a dev server that holds them answers, and runs whole
processes against the recording, so that start-up and exit count and the server does not. Each figure is the best of
{runs} runs. {machine}

## Commands

| catalog | command | wall | CPU | memory |
|---|---|---:|---:|---:|
{commands}

The sample catalog is the one of this repository, on the embedded server.

## A plan that finds nothing to do

The catalogs are customers with three entitlements each (metered, static and boolean) and one grant per hundred
resources. OpenMeter adds to that: two subjects a customer, and a grant for each amount that it issues. The floor is
what no tool that reads lists can avoid: the same pages over one `httpx` client, parsed with `json.loads` and thrown
away, one by one or eight at a time as `bac` reads them.

| resources | latency of a page | requests | wall | CPU | memory | floor, one by one | floor, eight at a time |
|---:|---:|---:|---:|---:|---:|---:|---:|
{plans}

CPU is user and system time, memory the peak of the resident set. Requests do not grow with the catalog's files, only
with what is live: one for each thousand of a list.
"""


def write(path: Path, results: Sequence[Result], compared: Sequence[Compared], runs: int) -> None:
    commands = [f"| {r.catalog} | `{r.command}` | {_seconds(r.measure)} |" for r in results]
    plans = [
        f"| {c.size:,} | {c.latency} ms | {c.plan.requests} | {_seconds(c.plan)} "
        f"| {c.one.wall:.2f} s | {c.eight.wall:.2f} s |"
        for c in compared
    ]
    path.parent.mkdir(exist_ok=True)
    text = TEXT.format(runs=runs, machine=_machine(), commands="\n".join(commands), plans="\n".join(plans))
    path.write_text(text, encoding="utf-8")


def _seconds(measure: Measure) -> str:
    return f"{measure.wall:.2f} s | {measure.cpu:.2f} s | {measure.memory:.0f} MB"


def _machine() -> str:
    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    processor = names[0].partition(":")[2].strip() if names else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"The machine: {os.cpu_count()} cores of {processor}, {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}."
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
