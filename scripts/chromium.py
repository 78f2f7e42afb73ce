"""Print the path of a Chromium; install Debian's where there is none and this may, or say what is missing.

python scripts/chromium.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "chromium"))


def main() -> int:
    path = found()
    if path is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in INSTALL:
            subprocess.run(
                command, check=True, stdout=sys.stderr, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            )
        path = found()
    if path is None:
        sys.stderr.write("there is no Chromium here: install one (Debian: sudo apt-get install chromium), or name\n")
        sys.stderr.write("one that is installed: BAC_TEST_BROWSER=/path/to/chrome make test-browser\n")
        return 1
    sys.stdout.write(path + "\n")
    return 0


def found() -> str | None:
    """The one that is asked for, else the first on the PATH."""
    return os.environ.get("BAC_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


if __name__ == "__main__":
    raise SystemExit(main())
