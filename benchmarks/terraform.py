"""Terraform's core alone: `terraform_data` resources, a local state that has them all, no provider and no request."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import WORK
from benchmarks.measuring import Measure, measured

NAME = "Terraform"
SIZES = (1_000, 5_000)
ABOUT = (
    "**Terraform**: one `terraform_data` block with a count, each with five texts, against a local state; no\n"
    "provider, and so no refresh over a network."
)
MAIN = """\
resource "terraform_data" "r" {{
  count = {count}
  input = {{
    name = "Customer ${{count.index}} Inc.", currency = "USD", country = "NO", city = "Springfield"
    email = "billing@customer-${{count.index}}.example"
  }}
}}
"""


def is_here() -> bool:
    return shutil.which("terraform") is not None


def measure(runs: int) -> dict[int, Measure]:
    """By number of resources; nothing where there is no terraform."""
    return {size: _plan(size, runs) for size in SIZES} if is_here() else {}


def _plan(size: int, runs: int) -> Measure:
    folder = WORK / f"terraform-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(MAIN.format(count=size))
    (folder / "terraform.tfstate").write_text(json.dumps(_state(size)))
    subprocess.run(["terraform", "init", "-input=false"], cwd=folder, check=True, capture_output=True)
    # 2 where there is anything to change, and that is an error here
    command = ["terraform", "plan", "-input=false", "-no-color", "-detailed-exitcode"]
    return measured(command, Path(folder), runs=runs, warm=False)


def _state(size: int) -> dict[str, Any]:
    resource = {
        "mode": "managed",
        "type": "terraform_data",
        "name": "r",
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [_instance(n) for n in range(size)],
    }
    state = {"version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": "benchmark", "outputs": {}}
    return state | {"resources": [resource]}


def _instance(n: int) -> dict[str, Any]:
    value = {
        "name": f"Customer {n} Inc.",
        "currency": "USD",
        "country": "NO",
        "city": "Springfield",
        "email": f"billing@customer-{n}.example",
    }
    typed = {"value": value, "type": ["object", dict.fromkeys(value, "string")]}
    attributes = {"id": f"{n:08d}-0000-4000-8000-000000000000", "input": typed, "output": typed}
    return {"index_key": n, "schema_version": 0, "attributes": {**attributes, "triggers_replace": None}}
