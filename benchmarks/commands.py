"""Commands that ask no server, or an embedded one."""

from __future__ import annotations

from benchmarks import data, projects
from benchmarks.measuring import BAC, measured
from benchmarks.page import Aim, Section, table, took

SIZES = (400, 4_000, 40_000)
TEXT = """\
{rows}

The sample catalog is the one of this repository, on the embedded server.
"""


def measure() -> Section:
    sample = projects.sample()
    help_ = measured([BAC, "--help"], sample)
    validate = measured([BAC, "validate"], sample)
    plan = measured([BAC, "plan", "--env", "local", "--exit-code"], sample)
    rows = [
        ("sample catalog", "`bac --help`", *took(help_)),
        ("sample catalog", "`bac validate`", *took(validate)),
        ("sample catalog", "`bac plan`, nothing to do", *took(plan)),
    ]
    for size in SIZES:
        folder = projects.live(size)
        data.configure(folder, "http://127.0.0.1:1")
        found = measured([BAC, "validate", "--env", data.ENVIRONMENT], folder)
        rows.append((f"{size:,} resources", "`bac validate`", *took(found)))
    aims = (
        Aim("`bac --help`", help_.wall, 0.3, "s"),
        Aim("`bac validate`, sample catalog", validate.wall, 0.6, "s"),
        Aim("`bac plan`, sample catalog, nothing to do", plan.wall, 0.8, "s"),
    )
    return Section("Start-up", TEXT.format(rows=table(("catalog", "command", ">wall", ">CPU", ">memory"), rows)), aims)
