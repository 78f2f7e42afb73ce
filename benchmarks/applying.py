"""Applying creates, against a server that keeps what it is given and does nothing else."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks import data, projects
from benchmarks.measuring import BAC, Measure, best, page_server, run, say
from benchmarks.page import Aim, Section, table, took

TEXT = """\
Customers that are all to be created, from the command to its last closing read: plan, check, writes, and reading back
what was written. Eight are written at a time, the default. (Entitlements are written two at a time, since more at once
can hang a real OpenMeter: `writes.narrow` in `bac.yaml`.)

{rows}
"""


class Case(NamedTuple):
    """So many creates, what reads and writes wait in milliseconds, the best of how many runs, and the aim."""

    number: int
    reads: int
    writes: int
    runs: int
    aim: float | None = None


CASES = (Case(550, 84, 150, 2, 12.0), Case(10_000, 0, 0, 2))


def measure() -> Section:
    rows: list[tuple[str, ...]] = []
    aims: list[Aim] = []
    for case in CASES:
        found = _apply(case)
        speed = f"{case.number / found.wall:,.0f}"
        cells = (f"{case.number:,}", f"{case.reads} / {case.writes} ms", f"{found.requests:,}", *took(found), speed)
        rows.append(cells)
        if case.aim is not None:
            aims.append(Aim(f"{case.number} creates at {case.writes} ms a write", found.wall, case.aim, "s"))
    columns = (">creates", ">read / write", ">requests", ">wall", ">CPU", ">memory", ">creates a second")
    return Section("Apply", TEXT.format(rows=table(columns, rows)), tuple(aims))


def _apply(case: Case) -> Measure:
    measures: list[Measure] = []
    folder = projects.to_create(case.number)
    for _ in range(case.runs):
        with page_server(folder / "pages") as server:
            data.configure(folder, server.url)
            server.latency(case.reads, case.writes)
            found = run([BAC, "apply", "--env", data.ENVIRONMENT, "--yes"], folder)
            measures.append(found._replace(requests=server.count()))
    found = best(measures)
    say(f"apply of {case.number:,}: {found.wall:.2f} s, CPU {found.cpu:.2f} s, {found.requests:,} requests")
    return found
