"""Measure, and write docs/performance.md; `python -m benchmarks NAME ...` measures what is named, and prints that."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks import ROOT
from benchmarks.page import Section, head, write

MEASUREMENTS = (
    "commands",
    "rivals",
    "noop",
    "growing",
    "applying",
    "rendering",
    "devserver",
    "agents",
)
"""The modules that measure, in the order of the page."""


def main(names: list[str]) -> None:
    if unknown := set(names) - set(MEASUREMENTS):
        raise SystemExit(f"there is no {', '.join(sorted(unknown))} (there are {', '.join(MEASUREMENTS)})")
    begun = head()
    sections: list[Section] = [
        import_module(f"benchmarks.{name}").measure() for name in MEASUREMENTS if not names or name in names
    ]
    if names:
        sys.stdout.write("\n".join(section.markdown for section in sections))
    else:
        write(ROOT / "docs" / "performance.md", begun, sections)


if __name__ == "__main__":
    main(sys.argv[1:])
