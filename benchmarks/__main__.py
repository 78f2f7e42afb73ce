"""Make the data, measure, and write docs/performance.md."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import PYTHON, data
from benchmarks.measuring import BAC, Measure, Server, best, page_server, run
from benchmarks.report import Compared, Result, write

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".bac" / "benchmarks"
SIZES = (400, 4_000, 40_000)
LATENCIES = (0, 30)
RUNS = 5


def main() -> None:
    small = _sample()
    results = [Result(f"{size:,} resources", "validate", _validate(size)) for size in SIZES]
    compared = [line for size in SIZES for line in _plans(size)]
    write(ROOT / "docs" / "performance.md", [*small, *results], compared, RUNS)


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
    """A project of that size, its catalog written and the server's answers recorded, unless they are there already."""
    folder = WORK / str(size)
    shutil.rmtree(folder / "catalog", ignore_errors=True)
    data.write(folder, size)
    digest = hashlib.sha256()
    for file in sorted((folder / "catalog").rglob("*.yaml")):
        digest.update(file.read_bytes())
    stamp = folder / "recorded"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        _say(f"recording {size:,} resources of the dev server; at 40,000 this takes minutes, once")
        shutil.rmtree(folder / "pages", ignore_errors=True)
        subprocess.run([PYTHON, "-m", "benchmarks.recording", str(folder), str(folder / "pages")], check=True)
        stamp.write_text(digest.hexdigest())
    return folder


def _validate(size: int) -> Measure:
    folder = _project(size)
    data.configure(folder, "http://127.0.0.1:1")
    return _measured([BAC, "validate", "--env", data.ENVIRONMENT], folder)


def _plans(size: int) -> list[Compared]:
    """A plan that finds nothing to do, against the floor of the same run, without and with latency."""
    folder = _project(size)
    lines: list[Compared] = []
    with page_server(folder / "pages") as server:
        data.configure(folder, server.url)
        for latency in LATENCIES:
            server.latency(latency)
            plan = _measured([BAC, "plan", "--env", data.ENVIRONMENT, "--exit-code"], folder, server)
            floor = [PYTHON, "-m", "benchmarks.floor", server.url, str(folder / "pages")]
            one = _measured([*floor, "1"], ROOT, server)
            eight = _measured([*floor, "8"], ROOT, server)
            lines.append(Compared(size, latency, plan, one, eight))
    return lines


if __name__ == "__main__":
    main()
