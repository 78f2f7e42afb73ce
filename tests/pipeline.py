"""A repository whose pull requests are played: branches, commits, jobs of a pipeline, and the merge.

team = Team(folder, monkeypatch)                                     # a commit on main, applied to production
team.request(hub, 12, "amount: 1000", "amount: 500")                 # a branch with an edit, and its merge checked out
team.job(hub, "plan", number=12)
sha = team.merge(hub, 12)
team.job(hub, "apply")
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from hosting import GitHub

from billing_as_code.ci import rest
from billing_as_code.cli import main

CATALOG = """\
meters: {tokens: {event_type: prompt, aggregation: sum, value_property: $.tokens}}
features: {ai: {name: AI, meter: tokens}}
customers: {acme: {name: ACME, currency: USD}}
entitlements: {acme: {ai: {type: metered, issue: {amount: 1000}, usage_period: {interval: month}}}}
"""
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "COVERAGE_PROCESS_START")


class Team:
    """A folder with a git repository and a project in it, as the working folder. What jobs waited for is in `waits`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str = "", like: Path | None = None) -> None:
        """Production is the embedded server, or the one at `url`. `like` is a team's folder, to be copied."""
        self.root, self.jobs, self._runs = folder / "repository", folder / "jobs", 0
        self.waits: list[float] = []
        self.http = httpx.Client(verify=False, headers={"connection": "close"})
        """For what other hands do to the server."""
        monkeypatch.setattr(rest, "time", SimpleNamespace(sleep=self.waits.append))
        for name in [n for n in os.environ if n not in _KEPT]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        if like is not None:
            shutil.copytree(like, self.root)
            monkeypatch.chdir(self.root)
            return
        (self.root / "catalog").mkdir(parents=True)
        monkeypatch.chdir(self.root)
        self.git("init", "--quiet", "--initial-branch", "main", "--template", "")
        target = f"{{url: '{url}'}}" if url else "{}"
        limits = "limits: {deletes: 1000, changed_share: 100%}"
        self.write("bac.yaml", f"owner: acme\nenvironments: {{production: {target}, staging: {{}}}}\n{limits}\n")
        self.write(".gitignore", ".bac/\n")
        self.write("catalog/all.yaml", CATALOG)
        self.commit("first")
        self.bac("apply", "--env", "production", "--yes")

    @property
    def base(self) -> str:
        """The last commit of main."""
        return self.git("rev-parse", "main")

    # -- the repository -----------------------------------------------------------------------------------------------

    def git(self, *args: str) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(["git", *who, *args], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def edit(self, old: str, new: str, path: str = "catalog/all.yaml") -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def request(self, hub: GitHub, number: int, old: str, new: str, *, fork: bool = False, **more: Any) -> str:
        """A pull request with one edit, checked out as the merge into its base; the head's id."""
        self.git("switch", "--quiet", "--create", f"change-{number}", "main")
        self.edit(old, new)
        head = self.commit(f"change {number}")
        hub.pull(number, head=head, base=self.git("rev-parse", "main"), fork=fork, **more)
        self.git("switch", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "merge", f"change-{number}")
        return head

    def merge(self, hub: GitHub, number: int) -> str:
        """Merge it; the merge commit's id."""
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", f"merge {number}", f"change-{number}")
        sha = self.git("rev-parse", "HEAD")
        hub.merge(number, sha)
        return sha

    # -- commands -----------------------------------------------------------------------------------------------------

    def bac(self, *args: str, code: int = 0, environ: Mapping[str, str] | None = None) -> Result:
        result = CliRunner().invoke(main, args, env=dict(environ or {}))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def job(
        self, hub: GitHub, job: str, *args: str, number: int = 0, env: str = "production", code: int = 0, **more: Any
    ) -> Result:
        """Run `bac ci JOB` as GitHub's runner would: on the pull request of that number, else on main."""
        self._runs += 1
        more.setdefault("run", self._runs)
        event = "pull_request" if number else "push"
        self.files = self.jobs / str(self._runs)
        sha = self.git("rev-parse", "HEAD")
        environ = hub.environ(self.files, event=event, number=number, sha=sha, **more)
        return self.bac("ci", job, "--env", env, *args, code=code, environ=environ)

    def outputs(self) -> dict[str, str]:
        """What the last job handed on, read as the runner reads it."""
        rows = (self.files / "output").read_text().split("\n")
        found: dict[str, str] = {}
        while rows and rows[0]:
            name, end = rows.pop(0).split("<<", 1)
            value = []
            while (row := rows.pop(0)) != end:
                value.append(row)
            found[name] = "\n".join(value)
        return found

    def summary(self) -> str:
        """What the last job showed on the page of its run."""
        return (self.files / "summary.md").read_text()

    def by_hand(self, url: str, name: str) -> None:
        """Somebody renames the customer in OpenMeter."""
        body = self.http.get(f"{url}/api/v1/customers/acme").json()
        self.http.put(f"{url}/api/v1/customers/acme", json={**body, "name": name}).raise_for_status()
