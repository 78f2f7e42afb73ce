"""octoDNS with files of YAML on both sides, in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks import PYTHON, WORK
from benchmarks.measuring import Measure, measured, say

NAME = "octoDNS"
SIZES = (1_000, 5_000, 10_000)
ABOUT = "**octoDNS** 1.x: A records in zones of a thousand, its YAML provider as source and as target."
PACKAGE = "octodns>=1.22,<2"
ZONE = 1_000
PROVIDER = "{class: octodns.provider.yaml.YamlProvider, directory: %s, default_ttl: 300, enforce_order: false}"


def measure(runs: int) -> dict[int, Measure]:
    """By number of records."""
    sync = _installed()
    return {size: _plan(sync, size, runs) for size in SIZES}


def _installed() -> Path:
    environment = WORK / "octodns"
    sync = environment / "bin" / "octodns-sync"
    if not sync.exists():
        say(f"installing {PACKAGE} into {environment}")
        subprocess.run([PYTHON, "-m", "venv", "--clear", str(environment)], check=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, PACKAGE], check=True)
    return sync


def _plan(sync: Path, size: int, runs: int) -> Measure:
    folder = WORK / f"octodns-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    zones = [f"zone-{n}.example." for n in range(size // ZONE)]
    for side in ("source", "target"):
        (folder / side).mkdir(parents=True)
        for number, zone in enumerate(zones):
            (folder / side / f"{zone}yaml").write_text("".join(_records(number)))
    lines = ["manager: {max_workers: 1}", "providers:"]
    lines += [f"  {side}: {PROVIDER % side}" for side in ("source", "target")]
    lines += ["zones:", *(f"  {zone}: {{sources: [source], targets: [target]}}" for zone in zones)]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    command = [str(sync), "--config-file", "config.yaml"]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    if "No changes were planned" not in said.stdout + said.stderr:
        raise SystemExit(f"octoDNS finds something to do in {folder}")
    return measured([*command, "--quiet"], folder, runs=runs, warm=False)


def _records(zone: int) -> list[str]:
    return [f"r{n:05d}: {{type: A, ttl: 300, value: 10.{zone % 250}.{n // 250}.{n % 250}}}\n" for n in range(ZONE)]
