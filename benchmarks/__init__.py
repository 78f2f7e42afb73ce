"""How long `bac` takes and what it needs, against the floor of what it cannot avoid. `make bench` runs it."""

import sys

PYTHON = sys.executable
