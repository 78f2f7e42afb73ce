"""docs/gitops.md is played as it is told: the pull request, its merge and the night, against a small GitHub and the
dev server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hosting
import pytest
from click.testing import CliRunner
from hosting import GitHub
from pipeline import Team
from serving import serving
from test_docs import FENCE, ROOT, conversation, same

from billing_as_code.cli import main

PAGE = ROOT / "docs" / "gitops.md"
NUMBER = 12


class Play:
    """The page's commands, each where the page says that it runs: by hand, on the pull request, on main, at night."""

    def __init__(self, team: Team, hub: GitHub, url: str) -> None:
        self.team, self.hub, self.url, self.runs = team, hub, url, 0
        self.files = Path()

    def run(self, command: str) -> str:
        command, _, note = command.partition("  # ")
        words = shlex.split(command.replace("http://localhost:8888", self.url))
        match words[0]:
            case "git":
                return self._git(words[1:])
            case "sed":
                old, new = re.fullmatch(r"s/(.*)/(.*)/", words[2]).groups()  # type: ignore[union-attr]
                self.team.edit(old, new, words[3])
                return ""
            case "curl":
                content = words[words.index("-d") + 1]
                headers = {"content-type": "application/json"}
                self.team.http.request(words[2], words[3], content=content, headers=headers).raise_for_status()
                return ""
        assert words[0] == "bac", f"the page shows {command!r}, which this test cannot run"
        return self._bac(words[1:], note)

    def _git(self, words: list[str]) -> str:
        self.team.git(*words, *(["--quiet"] if words[0] in ("init", "commit", "switch", "merge") else []))
        sha = self.team.git("rev-parse", "HEAD") if words[0] in ("commit", "merge") else ""
        if words[0] == "commit" and self.team.git("branch", "--show-current") != "main":
            self.hub.pull(NUMBER, head=sha, base=self.team.git("rev-parse", "main"))
        if words[0] == "merge":
            self.hub.merge(NUMBER, sha)
        return ""

    def _bac(self, words: list[str], note: str) -> str:
        environ: dict[str, str] = {"COLUMNS": "100"}
        if note:
            event: dict[str, Any] = {
                "on the pull request": {"event": "pull_request", "number": NUMBER},
                "on main": {"event": "push"},
                "at night": {"event": "schedule"},
            }[note]
            self.runs += 1
            self.files = self.team.jobs / str(self.runs)
            sha = self.team.git("rev-parse", "HEAD")
            environ |= self.hub.environ(self.files, sha=sha, run=self.runs, **event)
        result = CliRunner().invoke(main, words, env=environ)
        assert result.exit_code == 0, f"{words}: {result.output}"
        return result.output.replace(self.url, "http://localhost:8888")

    def after(self, command: str) -> None:
        """What the page says of the comments and issues after a command."""
        comments = [c["body"] for c in self.hub.posts.get(NUMBER, ())]
        states = [i["state"] for i in self.hub.issues.values()]
        if "on the pull request" in command:
            assert "issue.amount  100,000 → 50,000" in comments[0]
            assert [(c["name"], c["conclusion"]) for c in self.hub.checks] == [
                ("bac plan (acme-billing, production)", "success")
            ]
        if "on main" in command:
            assert "### bac apply: 1 applied in `production`" in comments[1]
        if "at night" in command:
            assert states == (["open"] if self.runs == 3 else ["closed"])


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    (tmp_path / "empty").mkdir()
    with serving() as url, hosting.github() as hub:
        yield Play(Team(tmp_path, monkeypatch, like=tmp_path / "empty"), hub, url)


def test_the_page_is_played_as_it_is_told(play: Play) -> None:
    commands = 0
    for language, block in FENCE.findall(PAGE.read_text()):
        if language == "yaml":
            play.team.write(block.splitlines()[0].removeprefix("# "), block.replace("http://localhost:8888", play.url))
        for command, shown in conversation(block) if language == "console" else ():
            real = play.run(command)
            while shown and not shown[-1].strip():
                shown.pop()
            assert not shown or same(shown, real), f"{command} prints\n{real}\nand the page shows\n" + "\n".join(shown)
            play.after(command)
            commands += 1
    assert (commands, play.runs) == (17, 4)


def test_the_workflow_on_the_page_is_the_one_that_is_here() -> None:
    here = (ROOT / ".github/workflows/plan.yml").read_text()
    [shown] = [block for language, block in FENCE.findall(PAGE.read_text()) if language == "yml" and "jobs:" in block]

    rows = [row.strip() for row in shown.splitlines() if "OWNER" not in row and "with: {" not in row]
    assert [row for row in rows if row not in here and "environment: [" not in row] == []
