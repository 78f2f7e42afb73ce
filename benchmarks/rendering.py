"""How long it takes to print a large plan: `python -m benchmarks.rendering FILE` times what is made of a plan file."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import PYTHON, ROOT, projects
from benchmarks.measuring import BAC, measured, run
from benchmarks.page import Aim, Section, table, took

CHANGES = 10_000
RUNS = 3
TEXT = """\
A plan of {changes:,} creates. The first figures are of rendering alone, the last one of the whole command, with
loading the catalog and comparing it.

{rows}
"""


def measure() -> Section:
    folder = projects.unknown(CHANGES)
    run([BAC, "plan", "--env", "local", "--out", "plan.json"], folder)
    timed = [PYTHON, "-m", "benchmarks.rendering", str(folder / "plan.json")]
    every = [json.loads(subprocess.run(timed, cwd=ROOT, check=True, capture_output=True).stdout) for _ in range(RUNS)]
    seconds = {name: min(found[name] for found in every) for name in every[0]}
    whole = measured([BAC, "plan", "--env", "local", "--format", "markdown"], folder, runs=RUNS)
    rows = [(name, f"{found:.2f} s", "", "") for name, found in seconds.items()]
    rows.append(("`bac plan --format markdown`", *took(whole)))
    aims = [Aim(f"{name} of {CHANGES:,} changes", found, 1.0, "s") for name, found in seconds.items()]
    text = TEXT.format(changes=CHANGES, rows=table(("what", ">wall", ">CPU", ">memory"), rows))
    return Section("A large plan", text, tuple(aims))


def main(file: Path) -> None:
    """Time rendering; nothing of a plan that was printed before is known to it."""
    from billing_as_code.plan import load
    from billing_as_code.render import machine, markdown

    gc.disable()  # as bac does
    plan = load(file.read_text())
    ways: dict[str, Callable[[], str]] = {
        "Markdown": lambda: "\n".join(markdown.plan(plan)),
        "JSON": lambda: json.dumps(machine.plan(plan), indent=2, ensure_ascii=False),
    }
    seconds = {}
    for name, render in ways.items():
        started = time.perf_counter()
        render()
        seconds[name] = time.perf_counter() - started
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
