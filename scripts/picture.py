"""Write docs/plan.svg, a real plan as a terminal shows it, or check that it is what a plan looks like now.

python scripts/picture.py [--check]
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent
PICTURE = PROJECT / "docs" / "plan.svg"
WIDTH = 112
EDITS = (
    ("catalog/packages.yaml", "{amount: 50000}", "{amount: 25000}"),
    ("catalog/customers/acme.yaml", "max: 250", "max: 400"),
)
"""What somebody changes in the sample catalog: (file, before, after). The README tells the same."""
_FONT = re.compile(r"\s*@font-face {{.*?}}\n", re.DOTALL)


def main() -> int:
    with edited() as folder:
        svg = drawn(on_a_terminal(folder, "bac", "plan"))
    if "--check" in sys.argv:
        if not PICTURE.exists() or _comparable(PICTURE.read_text(encoding="utf-8")) != _comparable(svg):
            sys.stderr.write("docs/plan.svg is not what a plan looks like: run python scripts/picture.py\n")
            return 1
        return 0
    PICTURE.write_text(svg, encoding="utf-8")
    return 0


@contextmanager
def edited() -> Iterator[Path]:
    """A folder with the sample catalog, applied and then edited."""
    with tempfile.TemporaryDirectory(prefix="bac-picture-") as name:
        folder = Path(name)
        shutil.copy(PROJECT / "bac.yaml", folder)
        shutil.copytree(PROJECT / "catalog", folder / "catalog")
        on_a_terminal(folder, "bac", "apply", "--yes")
        for file, before, after in EDITS:
            path = folder / file
            text = path.read_text(encoding="utf-8")
            if before not in text:
                raise SystemExit(f"{file} has no {before!r}: the picture's edits must follow the catalog")
            path.write_text(text.replace(before, after), encoding="utf-8")
        yield folder


def on_a_terminal(folder: Path, *command: str) -> str:
    """What a command writes to a terminal of WIDTH columns, with its colours."""
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")}
    bin_folder = str(Path(sys.executable).parent)
    environ |= {"PATH": bin_folder + os.pathsep + environ["PATH"], "BAC_ENV": "local"}
    environ |= {"TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    written = b""
    while True:
        try:
            found = os.read(ours, 65_536)
        except OSError:  # the terminal's other end is closed
            break
        if not found:
            break
        written += found
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return written.decode().replace("\r\n", "\n")


def drawn(text: str) -> str:
    """The terminal's text as a picture that fetches nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi("$ bac plan\n" + text.strip("\n")))
    return console.export_svg(title="bac plan", unique_id="plan", code_format=_FONT.sub("\n", CONSOLE_SVG_FORMAT))


def _comparable(svg: str) -> str:
    """Without the plan's digests, which hold ids that each server makes anew."""
    return re.sub(r"\b[0-9a-f]{12}\b", "", svg)


if __name__ == "__main__":
    raise SystemExit(main())
