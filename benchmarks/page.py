"""docs/performance.md, and what its sections are made of."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import RUNS, Measure


class Aim(NamedTuple):
    """A figure that was aimed at: `found` shall not be above `limit`; both in `unit` ("s", "MB", "x" ...)."""

    what: str
    found: float
    limit: float
    unit: str

    @property
    def verdict(self) -> str:
        return "met" if self.found <= self.limit else "**missed**"


class Section(NamedTuple):
    """A part of the page: Markdown without its heading, and what was aimed at."""

    title: str
    text: str
    aims: tuple[Aim, ...] = ()

    @property
    def markdown(self) -> str:
        aims = f"\n{aimed(self.aims)}\n" if self.aims else ""
        return f"## {self.title}\n\n{self.text.strip()}\n{aims}"


HEAD = """\
# Performance

`make bench` writes this page: it makes the catalogs and the lists of an OpenMeter that holds them, and runs whole
processes against a server that only hands out those bytes, so that start-up and exit count and the server does not.
Unless another number is given, a figure is the best of {runs} runs. {machine}
"""


def head() -> str:
    """What stands above the sections; made before anything is measured, since it tells the machine's load."""
    return HEAD.format(runs=RUNS, machine=_machine())


def write(path: Path, head: str, sections: Sequence[Section]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([head, *(section.markdown for section in sections)]), encoding="utf-8")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a column is aligned to the right where its name begins with `>`."""
    rule = "|".join("---:" if name.startswith(">") else "---" for name in columns)
    lines = [f"| {' | '.join(name.lstrip('>') for name in columns)} |", f"|{rule}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def aimed(aims: Iterable[Aim]) -> str:
    """The table of what was aimed at."""
    rows = [(aim.what, f"≤ {_shown(aim.limit, aim.unit)}", _shown(aim.found, aim.unit), aim.verdict) for aim in aims]
    return table(("aim", ">at most", ">found", ""), rows)


def _shown(number: float, unit: str) -> str:
    text = f"{number:,.0f}" if unit in ("MB", "requests") else f"{number:,.2f}"
    return f"{text} {unit}"


def took(measure: Measure) -> tuple[str, str, str]:
    """The cells of wall time, processor time and memory."""
    return f"{measure.wall:.2f} s", f"{measure.cpu:.2f} s", f"{measure.memory:.0f} MB"


def _machine() -> str:
    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    processor = names[0].partition(":")[2].strip() if names else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"The machine: {os.cpu_count()} cores of {processor}, {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}; its load was {os.getloadavg()[0]:.1f} when the page was begun."
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
