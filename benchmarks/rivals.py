"""A plan that finds nothing to do, beside the tools that somebody would use instead."""

from __future__ import annotations

from benchmarks import data, octodns, projects, terraform
from benchmarks.measuring import BAC, measured, page_server
from benchmarks.page import Aim, Section, table, took

SIZES = (1_000, 5_000, 10_000, 40_000)
LATENCIES = (0, 84)
"""Milliseconds; 84 is what kongctl's reads took on average."""
RUNS = 2
TEXT = """\
Run beside each other on this machine, the best of {runs} runs; none of the others sends a request, so that theirs is
the time of comparing alone. `bac` reads an OpenMeter over HTTP, and its resources are the largest.

{rows}

{absent}{terraform}

{octodns}

**kongctl**, not run here: {published}:
{kongctl}
"""
PUBLISHED = (
    "published elsewhere (Kong/kongctl, branch `benchmark-results`, 2026-08-08, a live Konnect, median of three)"
)
KONGCTL = """\
550 objects and nothing to do take 551 requests one after another, 84 ms each, 47.4 s; creating the 550 takes 651
requests, five at a time, 25.2 s."""


def measure() -> Section:
    rows: list[tuple[str, ...]] = []
    aims: list[Aim] = []
    for size in SIZES:
        folder = projects.live(size)
        with page_server(folder / "pages") as server:
            data.configure(folder, server.url)
            for latency in LATENCIES:
                server.latency(latency)
                command = [BAC, "plan", "--env", data.ENVIRONMENT, "--exit-code"]
                found = measured(command, folder, server, runs=RUNS)
                with_latency = f", {latency} ms a read" if latency else ""
                rows.append((f"bac{with_latency}", f"{size:,}", str(found.requests), *took(found)))
                if size == SIZES[0] and latency:
                    aims.append(Aim(f"`bac`, {size:,} resources, {latency} ms a read", found.wall, 1.0, "s"))
    for tool in (terraform, octodns):
        for size, found in tool.measure(RUNS).items():
            rows.append((tool.NAME, f"{size:,}", "0", *took(found)))
    columns = ("tool", ">resources", ">requests", ">wall", ">CPU", ">memory")
    absent = "" if terraform.is_here() else "Terraform is not on this machine, and was left out.\n\n"
    text = TEXT.format(
        runs=RUNS,
        rows=table(columns, rows),
        absent=absent,
        terraform=terraform.ABOUT,
        octodns=octodns.ABOUT,
        published=PUBLISHED,
        kongctl=KONGCTL,
    )
    return Section("Beside other tools", text, tuple(aims))
