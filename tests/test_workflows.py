"""The workflow files: right by actionlint, with no more rights than they need, and no text of a stranger in a script.
The shell steps of the actions are run as GitHub's runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hosting
import pytest
import yaml
from click import Context
from hosting import GitHub
from pipeline import Team
from runner import ACTIONS, INSTALL, ROOT, action, obey, run_action

from billing_as_code.cli import main

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = sorted(path.name for path in ACTIONS.iterdir())
PINNED = re.compile(r"\s*(?:- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+")
HOSTILE = "$(touch pwned)`touch pwned`\"; touch pwned; '; touch pwned; #"


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> list[object]:
    return [
        pytest.param(name, job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for name, job in loaded(path)["jobs"].items()
    ]


def steps() -> Iterator[dict[str, Any]]:
    """Every step of every workflow and action."""
    for path in WORKFLOWS:
        for job in loaded(path)["jobs"].values():
            yield from job["steps"]
    for name in NAMES:
        yield from action(name)["runs"]["steps"]


# -- the files --------------------------------------------------------------------------------------------------------


def test_actionlint_finds_nothing() -> None:
    beside = Path(sys.executable).parent / "actionlint"
    found = str(beside) if beside.exists() else shutil.which("actionlint")
    if found is None:
        pytest.skip("actionlint is not here: make actionlint installs it")
    done = subprocess.run([found, "-shellcheck=", "-pyflakes="], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS.glob("*/action.yml")], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_actions_of_others_are_pinned_to_a_commit(path: Path) -> None:
    uses = [row for row in path.read_text().splitlines() if "uses:" in row and "./.github/actions/" not in row]

    assert [row for row in uses if not PINNED.fullmatch(row)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_a_workflow_has_no_rights_but_those_of_its_jobs(path: Path) -> None:
    workflow = loaded(path)

    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads `on` as true


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_states_its_rights_and_ends(name: str, job: dict[str, Any]) -> None:
    writes = {right for right, how in job["permissions"].items() if how == "write"}

    assert job["timeout-minutes"] <= 60
    assert writes <= {"checks", "pull-requests", "issues", "id-token", "attestations"}
    # what may sign or publish runs nothing but actions that are pinned
    assert "id-token" not in writes or not any("run" in step for step in job["steps"])


def test_no_checkout_leaves_a_token_behind() -> None:
    checkouts = [s for s in steps() if s.get("uses", "").startswith("actions/checkout@")]

    assert len(checkouts) >= 5
    assert all(s["with"]["persist-credentials"] is False for s in checkouts)


def test_no_script_has_an_expression_in_it() -> None:
    scripts = [s["run"] for s in steps() if "run" in s]

    assert len(scripts) >= 8
    assert [script for script in scripts if "${{" in script] == []


def test_secrets_of_an_apply_are_those_of_its_environment_and_applies_go_one_after_another() -> None:
    job = loaded(ROOT / ".github/workflows/apply.yml")["jobs"]["apply"]

    assert job["environment"] == "${{ matrix.environment }}"
    assert job["concurrency"] == {"group": "bac-apply-${{ matrix.environment }}", "cancel-in-progress": False}
    assert job["strategy"]["max-parallel"] == 1


def test_the_files_call_commands_that_exist() -> None:
    called = re.findall(r'bac"? ci (\w+)', "\n".join(str(s.get("run")) for s in steps()))
    lab = loaded(ROOT / ".gitlab/bac.yml")
    called += [row.split()[2] for job in lab.values() for row in job.get("script", [])]
    group = main.get_command(Context(main), "ci")

    assert sorted(called) == ["apply", "apply", "drift", "drift", "plan", "plan"]
    assert sorted(set(called)) == group.list_commands(Context(group))  # type: ignore[attr-defined, union-attr, arg-type]


def test_the_hook_before_a_commit_checks_the_catalog() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())

    command, name = hook["entry"].split()
    assert (command, hook["language"], hook["pass_filenames"]) == ("bac", "python", False)
    assert main.get_command(Context(main), name) is not None
    pattern = re.compile(hook["files"])
    assert all(pattern.search(f) for f in ("bac.yaml", "catalog/a.yml", "catalog/environments/x/b.yaml"))
    assert not pattern.search("README.md")


# -- as the runner runs them ------------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with hosting.github() as found:
        yield found


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, monkeypatch)


def test_from_a_pull_request_with_hostile_names_to_an_apply(team: Team, hub: GitHub, tmp_path: Path) -> None:
    name = "name: ACME", 'name: "##[set-output name=intent]forged"'
    head = team.request(hub, 12, *name, title=HOSTILE, body=HOSTILE)
    hub.pulls[12]["head"]["ref"] = HOSTILE
    environ = hub.environ(tmp_path / "a", event="pull_request", number=12, sha=team.git("rev-parse", "HEAD"))
    environ |= {"GITHUB_HEAD_REF": HOSTILE, "GITHUB_REF": f"refs/heads/{HOSTILE}"}

    planned = run_action("plan", {"environment": "production"}, environ, tmp_path / "a", team.root)

    assert planned.code == 0, planned.log
    assert planned.obeyed == []
    assert "##[set-output" in planned.log
    assert planned.outputs["exit-code"] == "2"
    assert re.fullmatch("[0-9a-f]{64}", planned.outputs["intent"])
    assert [(c["head_sha"], c["external_id"]) for c in hub.checks] == [(head, f"12:{planned.outputs['intent']}")]
    assert (team.root / planned.outputs["folder"] / "plan-production.json").is_file()

    sha = team.merge(hub, 12)
    environ = hub.environ(tmp_path / "b", event="push", sha=sha, run=2)
    applied = run_action("apply", {"environment": "production"}, environ, tmp_path / "b", team.root)

    assert (applied.code, applied.obeyed) == (0, []), applied.log
    assert applied.outputs == {"exit-code": "0", "intent": planned.outputs["intent"]}
    assert not list(tmp_path.rglob("pwned"))


def test_hostile_inputs_are_texts(team: Team, hub: GitHub, tmp_path: Path) -> None:
    environ = hub.environ(tmp_path / "a", event="workflow_dispatch", sha=team.git("rev-parse", "HEAD"))
    team.edit("amount: 1000", "amount: 2000")

    intent = run_action(
        "apply", {"environment": "production", "expect-intent": HOSTILE}, environ, tmp_path / "a", team.root
    )
    environment = run_action("drift", {"environment": HOSTILE}, environ, tmp_path / "b", team.root)

    assert (intent.code, intent.outputs["exit-code"]) == (4, "4"), intent.log
    assert environment.code == 1
    assert "there is no such environment" in environment.log
    assert not list(tmp_path.rglob("pwned"))


def test_what_is_installed_is_what_the_action_came_with(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)
    for name in NAMES:
        [step] = [s for s in action(name)["runs"]["steps"] if s.get("name") == INSTALL]
        temp = tmp_path / name
        temp.mkdir()
        variables = {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ACTIONS / name)}
        env = {"PATH": f"{python.parent}:{os.environ['PATH']}", **variables}
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], env=env, check=True)

    installed = [row.split()[-1] for row in (tmp_path / "called").read_text().splitlines() if " pip install " in row]
    assert [Path(path).resolve() for path in installed] == [ROOT] * 3


@pytest.mark.parametrize(
    ("log", "obeyed"),
    [
        ("a ##[add-mask]x", ["a ##[add-mask]x"]),
        ("  ::debug::x", ["::debug::x"]),
        ("::stop-commands::0123\n::debug::x\n##[debug]y\n::0123::\n::error file=a::z", ["::error file=a::z"]),
    ],
)
def test_the_runner_of_these_tests_obeys_as_the_real_one_does(log: str, obeyed: list[str]) -> None:
    assert obey(log.replace("0123", "0123" * 8)) == obeyed
