"""Make the data, measure, and write docs/performance.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks import PYTHON, data, devserver
from benchmarks.measuring import BAC, Measure, Server, best, page_server, run
from benchmarks.report import Compared, Result, write

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".bac" / "benchmarks"
SIZES = (400, 4_000, 40_000)
LATENCIES = (0, 30)
RUNS = 5


def main() -> None:
    small = _sample()
    folders = {size: _project(size) for size in SIZES}
    results = [Result(f"{size:,} resources", "validate", _validate(folder)) for size, folder in folders.items()]
    results.append(Result("10,000 resources", "plan, all to be created", _creating(10_000)))
    compared = [line for size, folder in folders.items() for line in _plans(size, folder)]
    server = devserver.measure(WORK / "devserver", RUNS)
    megabytes = sum(f.stat().st_size for f in (folders[SIZES[-1]] / "catalog").rglob("*.yaml")) / 1e6
    write(ROOT / "docs" / "performance.md", [*small, *results], compared, server, megabytes, RUNS)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


# -- the sample catalog --------------------------------------------------------------------------------------------


def _sample() -> list[Result]:
    """The catalog of this repository, on the embedded server."""
    folder = WORK / "sample"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "bac.yaml", folder)
    shutil.copytree(ROOT / "catalog", folder / "catalog")
    run([BAC, "apply", "--env", "local", "--yes", "--allow-breaking"], folder)
    commands = {
        "--help": ["--help"],
        "validate": ["validate"],
        "plan, nothing to do": ["plan", "--env", "local", "--exit-code"],
    }
    return [Result("sample catalog", name, _measured([BAC, *args], folder)) for name, args in commands.items()]


def _measured(command: list[str], folder: Path, server: Server | None = None) -> Measure:
    run(command, folder)  # once for the files' sake: bytecode, and what the system keeps of them in memory
    measures: list[Measure] = []
    for _ in range(RUNS):
        if server is not None:
            server.count()
        measure = run(command, folder)
        measures.append(measure._replace(requests=server.count() if server is not None else 0))
    found = best(measures)
    _say(f"{' '.join(command[1:])}: {found.wall:.2f} s, CPU {found.cpu:.2f} s, {found.memory:.0f} MB")
    return found


# -- catalogs of a size ----------------------------------------------------------------------------------------------


def _project(size: int) -> Path:
    """A project of that size, its catalog written, and the lists of an OpenMeter that holds it."""
    folder = WORK / str(size)
    shutil.rmtree(folder, ignore_errors=True)
    customers = data.write(folder, size)
    multiply = [PYTHON, "-m", "benchmarks.multiplying", str(_recorded()), str(folder / "pages"), str(customers)]
    subprocess.run(multiply, check=True)
    return folder


@cache
def _recorded() -> Path:
    """The lists of a dev server that holds one block of customers."""
    folder = WORK / "recorded"
    shutil.rmtree(folder, ignore_errors=True)
    data.write(folder, data.BLOCK * 4)
    _say(f"recording {data.BLOCK * 4:,} resources of the dev server")
    subprocess.run([PYTHON, "-m", "benchmarks.recording", str(folder), str(folder / "pages")], check=True)
    return folder / "pages"


def _validate(folder: Path) -> Measure:
    data.configure(folder, "http://127.0.0.1:1")
    return _measured([BAC, "validate", "--env", data.ENVIRONMENT], folder)


def _plans(size: int, folder: Path) -> list[Compared]:
    """A plan that finds nothing to do, against the floor of the same run, without and with latency."""
    lines: list[Compared] = []
    with page_server(folder / "pages") as server:
        data.configure(folder, server.url)
        for latency in LATENCIES:
            server.latency(latency)
            plan = _measured([BAC, "plan", "--env", data.ENVIRONMENT, "--exit-code"], folder, server)
            floor = [PYTHON, "-m", "benchmarks.floor", server.url, str(folder / "pages"), str(folder / "catalog")]
            one = _measured([*floor, "1"], ROOT, server)
            eight = _measured([*floor, "8"], ROOT, server)
            lines.append(Compared(size, latency, plan, one, eight))
    return lines


def _creating(size: int) -> Measure:
    """A plan, in Markdown, of a catalog of which an empty server has nothing."""
    folder = WORK / "creating"
    shutil.rmtree(folder, ignore_errors=True)
    data.write(folder, size)
    (folder / "bac.yaml").write_text("catalog: catalog\nowner: bench\nenvironments: {local: {}}\n")
    return _measured([BAC, "plan", "--env", "local", "--format", "markdown"], folder)


if __name__ == "__main__":
    main()
