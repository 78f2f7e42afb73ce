"""docs/performance.md, from what was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import devserver
from benchmarks.devserver import Figures
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

`make bench` writes this page: it makes the catalogs and the lists of an OpenMeter that holds them, and runs whole
processes against a server that only hands out those bytes, so that start-up and exit count and the server does not.
Each figure is the best of {runs} runs. {machine}

## Commands

| catalog | command | wall | CPU | memory |
|---|---|---:|---:|---:|
{commands}

The sample catalog is the one of this repository, on the embedded server; so is what is all to be created, an empty one,
printed as Markdown.

## A plan that finds nothing to do

The catalogs are customers with three entitlements each (metered, static and boolean) and one grant per hundred
resources; 40,000 are {megabytes:.1f} MB of YAML. OpenMeter adds to that: two subjects a customer, and a grant for each
amount that it issues. The floor is what no tool that compares files with lists can avoid: the same pages over one
`httpx` client and parsed with `json.loads`, and the same files parsed by the fastest compiled parser of YAML
(`yaml_rs`, which knows no places), all thrown away; one request at a time, or eight as `bac` reads them. The ratio is
that of the wall times.

| resources | latency | requests | wall | CPU | memory | floor, one by one | ratio | floor, eight at a time | ratio |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{plans}

CPU is user and system time, memory the peak of the resident set. Requests do not grow with the catalog's files, only
with what is live: one for each thousand of a list.

## The embedded server

Served by `bac dev` over a socket, its data in a file; clients and server share the machine.

| what | figure |
|---|---:|
| ingest, batches of {batch} over {connections} connections | {ingest:,.0f} events/s |
| a query by day over {stored:,} events | {query:.2f} s |
| a page of {entitlements:,} entitlements | {page:.0f} ms |
"""


def write(
    path: Path, results: Sequence[Result], compared: Sequence[Compared], server: Figures, megabytes: float, runs: int
) -> None:
    """Write the page; `megabytes` is the YAML of the largest catalog."""
    commands = [f"| {r.catalog} | `{r.command}` | {_seconds(r.measure)} |" for r in results]
    plans = [
        f"| {c.size:,} | {c.latency} ms | {c.plan.requests} | {_seconds(c.plan)} "
        f"| {_floor(c.plan, c.one)} | {_floor(c.plan, c.eight)} |"
        for c in compared
    ]
    text = TEXT.format(
        runs=runs,
        machine=_machine(),
        commands="\n".join(commands),
        plans="\n".join(plans),
        megabytes=megabytes,
        batch=devserver.BATCH,
        connections=devserver.CONNECTIONS,
        stored=devserver.STORED,
        entitlements=devserver.ENTITLEMENTS,
        ingest=server.ingest,
        query=server.query,
        page=server.page * 1000,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _floor(plan: Measure, floor: Measure) -> str:
    return f"{floor.wall:.2f} s | {plan.wall / floor.wall:.1f}"


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
