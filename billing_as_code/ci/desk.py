"""What the three jobs share: who hosts the repository, one environment, and where results are left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from billing_as_code import service
from billing_as_code.ci.github import GitHub
from billing_as_code.ci.gitlab import GitLab
from billing_as_code.ci.hosting import Hosting, Mark
from billing_as_code.ci.shell import Shell
from billing_as_code.config import Config, Environment
from billing_as_code.errors import UsageError
from billing_as_code.service import Session

FOLDER = "ci"
"""Where results are left, in the folder for what commands keep."""


def hosting(environ: Mapping[str, str], say: Callable[[str], None]) -> Hosting:
    """Who hosts the repository, by the variables that the service's runner sets; `say` prints a line of the log."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHub(environ, say)
    if environ.get("GITLAB_CI") == "true":
        return GitLab(environ)
    return Shell(environ)


@dataclass(frozen=True)
class Desk:
    """One job for one environment. What it has to say is left in `folder` as well, for the steps that follow."""

    hosting: Hosting
    config: Config
    environment: Environment
    folder: Path

    def mark(self, job: str) -> Mark:
        """What the comment or the issue of a job is known by."""
        return Mark(job, self.config.owner, self.environment.name, self.hosting.run)

    def session(self) -> Session:
        """The environment, opened in the name of whoever set the job off."""
        session = service.open_session(self.config, self.environment)
        session.who = f"{self.hosting.actor} ({self.hosting.name})"
        return session

    def show(self, job: str, lines: Iterable[str]) -> None:
        """Leave Markdown in the folder and on the page of the run. Raises UsageError, HostingError."""
        text = list(lines)
        self.leave(f"{job}-{self.environment.name}.md", "\n".join(text) + "\n")
        self.hosting.summary(text)

    def output(self, job: str, values: Mapping[str, str]) -> None:
        """Hand values to the steps that follow, and leave them in the folder as variables."""
        values = {**values, "folder": os.path.relpath(self.folder)}
        rows = [f"BAC_{k.upper().replace('-', '_')}={v}\n" for k, v in values.items()]
        self.leave(f"{job}-{self.environment.name}.env", "".join(rows))
        self.hosting.output(values)

    def leave(self, name: str, text: str) -> None:
        """Leave a file in the folder, readable by its owner alone: it may name customers. Raises UsageError."""
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
