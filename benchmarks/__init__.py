"""How long `bac` takes and what it needs: against rivals, and against the floor of what nothing can avoid. `make bench`
runs it.

A measurement is a module with a function `measure() -> Section`, registered by its name in `benchmarks.__main__`.
"""

import sys
from pathlib import Path

PYTHON = sys.executable
ROOT = Path(__file__).parent.parent
WORK = ROOT / ".bac" / "benchmarks"
