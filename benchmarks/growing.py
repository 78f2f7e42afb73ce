"""How time and memory grow with the catalog."""

from __future__ import annotations

from benchmarks import data, projects
from benchmarks.measuring import BAC, Measure, measured, page_server
from benchmarks.page import Aim, Section, table, took

SIZES = (50_000, 100_000, 200_000)
RUNS = 2
TEXT = """\
A plan that finds nothing to do, without latency, the best of {runs} runs.

{rows}

One catalog takes at most 250,000 resources; who has more splits it into several, each with an owner of its own. So what
400,000 would take was not measured: by these figures it is expected to be twice what 200,000 take.
"""


def measure() -> Section:
    found = {size: _plan(size) for size in SIZES}
    rows = [
        (f"{size:,}", *took(m), f"{m.cpu / size * 1e6:.0f} µs", f"{m.memory / size * 1000:.1f} kB")
        for size, m in found.items()
    ]
    columns = (">resources", ">wall", ">CPU", ">memory", ">CPU for each", ">memory for each")
    first, last = found[SIZES[0]], found[SIZES[-1]]
    grown = SIZES[-1] / SIZES[0]
    what = f"{SIZES[-1]:,} resources, by {grown:.0f} times what {SIZES[0]:,} take"
    aims = (
        Aim(f"CPU of {what}", last.cpu / (grown * first.cpu), 1.2, "times"),
        Aim(f"memory of {what}", last.memory / (grown * first.memory), 1.2, "times"),
    )
    return Section("How it grows", TEXT.format(runs=RUNS, rows=table(columns, rows)), aims)


def _plan(size: int) -> Measure:
    folder = projects.live(size)
    with page_server(folder / "pages") as server:
        data.configure(folder, server.url)
        return measured([BAC, "plan", "--env", data.ENVIRONMENT, "--exit-code"], folder, server, runs=RUNS, warm=False)
