"""Project folders to measure in, each made once in a run."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from benchmarks import PYTHON, ROOT, WORK, data
from benchmarks.measuring import BAC, run, say


@cache
def sample() -> Path:
    """The catalog of this repository, applied to an embedded server."""
    folder = _fresh("sample")
    shutil.copy(ROOT / "bac.yaml", folder)
    shutil.copytree(ROOT / "catalog", folder / "catalog")
    run([BAC, "apply", "--env", "local", "--yes", "--allow-breaking"], folder)
    return folder


@cache
def live(size: int) -> Path:
    """A catalog of that size, and in `pages` the lists of an OpenMeter that holds it."""
    folder = _fresh(str(size))
    customers = data.write(folder, size)
    multiply = [PYTHON, "-m", "benchmarks.multiplying", str(_recorded()), str(folder / "pages"), str(customers)]
    subprocess.run(multiply, check=True)
    return folder


@cache
def unknown(size: int) -> Path:
    """A catalog of that size, of which the embedded server has nothing."""
    folder = _fresh(f"unknown-{size}")
    data.write(folder, size)
    (folder / "bac.yaml").write_text("catalog: catalog\nowner: bench\nenvironments: {local: {}}\n")
    return folder


def to_create(customers: int) -> Path:
    """A catalog of customers, and in `pages` the lists of an OpenMeter that has everything else."""
    folder = _fresh(f"create-{customers}")
    data.write(folder, 0)
    subprocess.run([PYTHON, "-m", "benchmarks.recording", str(folder), str(folder / "pages")], check=True)
    data.write(folder, customers, entitled=False)
    return folder


@cache
def _recorded() -> Path:
    """The lists of a dev server that holds one block of customers."""
    folder = _fresh("recorded")
    data.write(folder, data.BLOCK * 4)
    say(f"recording {data.BLOCK * 4:,} resources of the dev server")
    subprocess.run([PYTHON, "-m", "benchmarks.recording", str(folder), str(folder / "pages")], check=True)
    return folder / "pages"


def _fresh(name: str) -> Path:
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
