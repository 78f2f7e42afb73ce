"""Write docs/reliability.md from what the tests of faults counted (`make test-faults`).

python scripts/reliability.py COUNTS
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
TEXT = Path(__file__).with_suffix(".md")
"""The words of the page; a line `{{name}}` in it is where a table of figures goes."""
Counts = Mapping[str, Mapping[str, int]]


def counts(file: Path) -> Counts:
    """The sums of a file of counts: what was done, and how often, by name."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for line in file.read_text(encoding="utf-8").splitlines():
        numbers = json.loads(line)
        found[numbers.pop("what")].update(numbers)
    return found


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def size(found: Counts) -> Iterator[str]:
    """Whether every case was tried."""
    if found["sizes"]:
        yield "Every case was tried by the run that wrote this page, `make test-faults`, and counted by it."
    else:
        yield "**A part of the cases** was tried by the runs that wrote this page; `make test-faults` tries all."


def kills(found: Counts) -> Iterator[str]:
    """Per kind of death: how many, in parallel and by which way on."""
    kinds = (("request", "after a request"), ("entry", "after an entry of the journal"), ("torn", "in an entry"))
    heads = [(width, way) for width in (1, 3) for way in ("resume", "plan anew")]
    rows = [
        (told, *(_number(found["kills"].get(f"{width} wide, {way}, {kind}", 0)) for width, way in heads))
        for kind, told in kinds
    ]
    yield from table(("killed", *(f"{width} at once, {way}" for width, way in heads)), rows)


def lost(found: Counts) -> Iterator[str]:
    """Per way to lose an answer: of how many requests, and how many applies were whole at once."""
    names = [name for name in found["lost answers"] if not name.endswith(", whole at once")]
    rows = [
        (name, _number(found["lost answers"][name]), _number(found["lost answers"][f"{name}, whole at once"]))
        for name in sorted(names)
    ]
    yield from table(("the answer", "requests", "whole at once"), rows)


def races(found: Counts) -> Iterator[str]:
    """Per hand, kind and action: how many were caught, and how many harmless."""
    cases = sorted({name.rpartition(": ")[0] for name in found["races before a write"]})
    rows = [
        (case, *(_number(found["races before a write"].get(f"{case}: {v}", 0)) for v in ("caught", "harmless")))
        for case in cases
    ]
    yield from table(("somebody, just before the write", "caught", "harmless"), rows)


def others(found: Counts) -> Iterator[str]:
    """Everything else: one line each."""
    apart = ("sizes", "kills", "lost answers", "races before a write")
    rows = [
        (name, ", ".join(f"{_number(n)} {what}" for what, n in sorted(numbers.items())))
        for name, numbers in sorted(found.items())
        if name not in apart
    ]
    yield from table(("what", "how many"), rows)


def _number(n: int) -> str:
    return f"{n:,}" if n else "-"


TABLES = {"size": size, "kills": kills, "lost answers": lost, "races": races, "others": others}


def main() -> None:
    """Write the page."""
    found = counts(Path(sys.argv[1]))
    text = TEXT.read_text(encoding="utf-8")
    for name, rows in TABLES.items():
        text = text.replace(f"{{{{{name}}}}}", "\n".join(rows(found)))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
