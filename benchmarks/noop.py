"""A plan that finds nothing to do, against the floor of what no tool can avoid."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks import PYTHON, ROOT, data, projects
from benchmarks.measuring import BAC, Measure, measured, page_server
from benchmarks.page import Aim, Section, table, took

SIZES = (400, 4_000, 40_000)
LATENCIES = (0, 30)
TEXT = """\
The catalogs are customers with three entitlements each (metered, static and boolean) and one grant per hundred
resources; 40,000 are {megabytes:.1f} MB of YAML. OpenMeter adds to that: two subjects a customer, and a grant for each
amount that it issues. The floor is what no tool that compares files with lists can avoid: the same pages over one
`httpx` client and parsed with `json.loads`, and the same files parsed by the fastest compiled parser of YAML
(`yaml_rs`, which knows no places), all thrown away; one request at a time, or eight as `bac` reads them. The ratio is
that of the wall times.

{rows}

CPU is user and system time, memory the peak of the resident set. Requests do not grow with the catalog's files, only
with what is live: one for each thousand of a list.
"""
COLUMNS = (
    ">resources",
    ">latency",
    ">requests",
    ">wall",
    ">CPU",
    ">memory",
    ">floor, one by one",
    ">ratio",
    ">floor, eight at a time",
    ">ratio",
)


class Compared(NamedTuple):
    """A plan of one size at one latency in ms, and the floor with one and with eight requests at a time."""

    size: int
    latency: int
    plan: Measure
    one: Measure
    eight: Measure

    @property
    def cells(self) -> tuple[str, ...]:
        floors = [cell for floor in (self.one, self.eight) for cell in (f"{floor.wall:.2f} s", self.ratio(floor))]
        return f"{self.size:,}", f"{self.latency} ms", str(self.plan.requests), *took(self.plan), *floors

    def ratio(self, floor: Measure) -> str:
        return f"{self.plan.wall / floor.wall:.1f}"


def measure() -> Section:
    found = [line for size in SIZES for line in _plans(size, projects.live(size))]
    megabytes = sum(f.stat().st_size for f in (projects.live(SIZES[-1]) / "catalog").rglob("*.yaml")) / 1e6
    largest = found[-1]
    aims = (
        Aim(f"CPU at {largest.size:,} resources", min(c.plan.cpu for c in found if c.size == largest.size), 2.0, "s"),
        Aim(f"memory at {largest.size:,} resources", largest.plan.memory, 200, "MB"),
        Aim(
            f"wall, {largest.latency} ms a page, by the floor's eight at a time",
            largest.plan.wall / largest.eight.wall,
            2.0,
            "times",
        ),
    )
    text = TEXT.format(megabytes=megabytes, rows=table(COLUMNS, (line.cells for line in found)))
    return Section("A plan that finds nothing to do", text, aims)


def _plans(size: int, folder: Path) -> list[Compared]:
    lines: list[Compared] = []
    with page_server(folder / "pages") as server:
        data.configure(folder, server.url)
        for latency in LATENCIES:
            server.latency(latency)
            plan = measured([BAC, "plan", "--env", data.ENVIRONMENT, "--exit-code"], folder, server)
            floor = [PYTHON, "-m", "benchmarks.floor", server.url, str(folder / "pages"), str(folder / "catalog")]
            one = measured([*floor, "1"], ROOT, server)
            eight = measured([*floor, "8"], ROOT, server)
            lines.append(Compared(size, latency, plan, one, eight))
    return lines
