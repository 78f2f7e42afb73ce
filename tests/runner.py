"""GitHub's runner, as far as composite actions of ours need it: inputs, steps in bash, files, and what it obeys.

job = run_action("plan", {"environment": "production"}, environ, folder)
job.code, job.outputs, job.obeyed, job.log
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parent.parent
ACTIONS = ROOT / ".github" / "actions"
INSTALL = "Install bac as this action came"
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
_COMMAND = re.compile(r"\s*::([a-z-]+|[0-9a-f]{32})(?: ([^:]*))?::(.*)|.*?##\[([a-z-]+)([^\]]*)\](.*)")


class Job(NamedTuple):
    """How an action ended: its exit code, outputs, what the runner obeyed, and the log."""

    code: int
    outputs: dict[str, str]
    obeyed: list[str]
    log: str


def action(name: str) -> dict[str, Any]:
    """An action's file."""
    found: dict[str, Any] = yaml.safe_load((ACTIONS / name / "action.yml").read_text())
    return found


def run_action(name: str, inputs: Mapping[str, str], environ: Mapping[str, str], folder: Path, work: Path) -> Job:
    """Run an action's own shell steps in `work`; bac is the one that is tested, so that nothing is installed."""
    defined = action(name)
    given = {k: str(v.get("default", "")) for k, v in defined["inputs"].items()} | dict(inputs)
    context = {f"inputs.{k}": v for k, v in given.items()} | {"github.token": environ["GITHUB_TOKEN"]}
    context = {k: _resolved(v, context) for k, v in context.items()}
    temp = folder / "temp"
    (temp / "bac" / "bin").mkdir(parents=True, exist_ok=True)
    bac = temp / "bac" / "bin" / "bac"
    bac.unlink(missing_ok=True)
    bac.symlink_to(Path(sys.executable).parent / "bac")
    log, obeyed, code = "", [], 0
    for number, step in enumerate(defined["runs"]["steps"]):
        if "run" not in step or step.get("name") == INSTALL:
            continue
        script = temp / f"step{number}.sh"
        script.write_text(_resolved(step["run"], context))
        env = {k: _resolved(str(v), context) for k, v in step.get("env", {}).items()}
        kept = {k: v for k, v in environ.items() if k != "GITHUB_TOKEN"}  # a job's token is in no step's variables
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=work / _resolved(step.get("working-directory", "."), context),
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "RUNNER_TEMP": str(temp), **kept, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log += done.stdout
        commands = obey(done.stdout)
        obeyed += commands
        outputs = read_outputs(Path(environ["GITHUB_OUTPUT"]))
        context |= {f"steps.{step.get('id', number)}.outputs.{k}": v for k, v in outputs.items()}
        code = done.returncode
        if code:
            break
    return Job(code, {k: _resolved(v["value"], context) for k, v in defined["outputs"].items()}, obeyed, log)


def _resolved(text: str, context: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: context.get(found[1], ""), text)


def obey(log: str) -> list[str]:
    """The commands in a log that the runner carries out, both of its forms, `stop-commands` respected."""
    word = ""
    found: list[str] = []
    for row in log.splitlines():
        match = _COMMAND.match(row)
        if match is None:
            continue
        name, value = (match[1], match[3]) if match[1] else (match[4], match[6])
        if word:
            word = "" if name == word else word
        elif name == "stop-commands":
            word = value
        else:
            found.append(row.strip())
    return found


def read_outputs(file: Path) -> dict[str, str]:
    """What steps handed on in GITHUB_OUTPUT."""
    rows, found = file.read_text().split("\n"), {}
    while rows:
        row = rows.pop(0)
        plain, heredoc = row.find("="), row.find("<<")
        if heredoc >= 0 and (plain < 0 or heredoc < plain):
            name, end = row.split("<<", 1)
            value = []
            while (inner := rows.pop(0)) != end:
                value.append(inner)
            found[name] = "\n".join(value)
        elif plain >= 0:
            name, _, found[row[:plain]] = row.partition("=")
    return found
