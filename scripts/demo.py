"""The sample catalog from nothing to drift and back: `make demo`. It has a folder of its own, gone when it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOMEBODY = PROJECT / "scripts" / "somebody.py"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(folder: Path, *command: str, expect: int = 0) -> None:
    """Print a command, run it, and end the demonstration where its exit code is another one."""
    say(f"\n$ {shlex.join(command).replace(str(PROJECT) + '/', '')}")
    bin_folder = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"], "BAC_ENV": "local"}
    code = subprocess.run(command, cwd=folder, env=environ, check=False).returncode
    if code != expect:
        say(f"the demonstration ends here: exit code {code}, and not {expect}")
        raise SystemExit(1)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bac-demo-") as name:
        folder = Path(name)
        shutil.copy(PROJECT / "bac.yaml", folder)
        shutil.copytree(PROJECT / "catalog", folder / "catalog")
        say("# The catalog is a folder of YAML. Is it right? Offline, every environment:")
        run(folder, "bac", "validate")
        say("\n# What would be done, on an embedded OpenMeter that is empty:")
        run(folder, "bac", "plan", "--out", "plan.json")
        say("\n# Do exactly that:")
        run(folder, "bac", "apply", "plan.json", "--yes")
        say("\n# Once more: there is nothing left to do.")
        run(folder, "bac", "plan")
        say("\n# Usage comes in, and a customer's balance goes down:")
        run(folder, "bac", "ingest", str(PROJECT / "scripts" / "demo_usage.ndjson"), "--time", "now")
        run(folder, "bac", "show", "entitlements.acme.ai_tokens")
        say("\n# Somebody changes a customer by hand, past the catalog:")
        run(folder, "python", str(SOMEBODY), ".bac/local.db", "acme", "ACME (renamed by hand)")
        say("\n# Drift shows it, and its exit code says so (2):")
        run(folder, "bac", "drift", expect=2)
        say("\n# The next apply mends it:")
        run(folder, "bac", "apply", "--yes")
        run(folder, "bac", "drift")
        say("\n# And the other way round: the account as files, whose plan is empty.")
        shutil.rmtree(folder / "catalog")
        run(folder, "bac", "pull")
        run(folder, "bac", "plan")
        say("\n# The same in your own folder: bac init")


if __name__ == "__main__":
    main()
