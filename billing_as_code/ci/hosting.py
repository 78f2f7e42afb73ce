"""The port to whoever hosts the repository, and the values that cross it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from urllib.parse import quote

from billing_as_code.errors import Problem


class Run(NamedTuple):
    """Which run of the pipeline this is; a later one is greater."""

    number: int
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request (GitLab: merge request), which was `merged_at` that time, where it was.

    `head` is the commit that is reviewed, `base` the one it is compared with ("" where that is not known), `into` the
    branch it goes into. One that is `foreign` comes from another repository, or from a bot that gets no secrets: its
    job has no token of OpenMeter's, and may write nothing here.
    """

    number: int
    head: str
    base: str = ""
    into: str = ""
    foreign: bool = False
    merged_at: datetime | None = None


class Post(NamedTuple):
    """A comment or an issue of ours."""

    id: int
    body: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a comment or an issue of ours is known by: a first line that is not shown.

    `job` is plan, apply or drift; `project` tells two catalogs in one repository apart.
    """

    job: str
    project: str
    environment: str
    run: Run

    @property
    def start(self) -> str:
        """How the line starts, whichever run wrote it."""
        return f"<!-- bac:{self.job} {quote(self.project, safe='')}/{self.environment} run="

    def line(self) -> str:
        """The line of this run."""
        return f"{self.start}{self.run.number}.{self.run.attempt} -->"

    def run_of(self, body: str) -> Run | None:
        """The run that wrote a body; None where it is not one of these."""
        first = body.partition("\n")[0].strip()
        if not first.startswith(self.start):
            return None
        number, _, attempt = first[len(self.start) :].removesuffix("-->").strip().partition(".")
        return Run(int(number), int(attempt)) if number.isdecimal() and attempt.isdecimal() else Run(0, 0)


@dataclass(frozen=True, slots=True)
class Review:
    """What was put before the reviewers: a plan's intent, and a short digest of each of its changes by address, empty
    where the service keeps too little to hold them."""

    intent: str
    decided: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """How a plan came out, or an apply of what was reviewed, as it stands at the commit that is reviewed. `code` is the
    exit code; a `review` is there where there was a plan."""

    job: Literal["plan", "apply"]
    project: str
    environment: str
    code: int
    title: str
    review: Review | None = None

    @property
    def name(self) -> str:
        """What it is called beside the others."""
        return check_name(self.job, self.project, self.environment)


def check_name(job: str, project: str, environment: str) -> str:
    """What the check of a job is called: `bac plan (acme, production)`."""
    return f"bac {job} ({project}, {environment})"


def before(time: str | None, limit: datetime | None) -> bool:
    """Whether something was done by then; what cannot be told was not."""
    try:
        return limit is None or (time is not None and datetime.fromisoformat(time) <= limit)
    except (TypeError, ValueError):
        return False


class Thread(Protocol):
    """A place where ours are kept: the comments of a pull request, or the issues of a repository."""

    def ours(self) -> Iterator[Post]:
        """What we wrote there and still stands, the oldest first. What others wrote is not there, however it looks."""
        ...

    def write(self, title: str, body: str) -> Post:
        """Write another one. A comment has no title."""
        ...

    def edit(self, post: Post, title: str, body: str) -> None:
        """Let one say something else."""
        ...

    def drop(self, post: Post) -> None:
        """Take one away that is too many; it may be gone already."""
        ...


class Hosting(Protocol):
    """Whoever hosts the repository, as the job that runs now sees it. All that asks it raises HostingError."""

    name: str
    run: Run
    actor: str
    """Who set the job off: a label, and no proof."""

    def pull(self) -> Pull | None:
        """The pull request that this run is for."""
        ...

    def merged(self) -> Pull | None:
        """The pull request whose merge made the commit that this run is for."""
        ...

    def comments(self, pull: Pull) -> Thread:
        """The comments of a pull request."""
        ...

    def issues(self, label: str) -> Thread | None:
        """The open issues with a label; None where there are no issues."""
        ...

    def resolve(self, issue: Post, comment: str) -> None:
        """Close an issue with a last word."""
        ...

    def check(self, pull: Pull, check: Check) -> None:
        """Write how something came out where nobody can edit it: `reviewed` and `used` read it."""
        ...

    def reviewed(self, pull: Pull, project: str, environment: str) -> Review | None:
        """What the last plan of a pull request's last commit put before its reviewers; None where that was none, or
        came after the merge."""
        ...

    def used(self, pull: Pull, project: str, environment: str) -> bool:
        """Whether what was reviewed was wholly applied already."""
        ...

    def summary(self, lines: Sequence[str]) -> None:
        """Show Markdown on the page of the run."""
        ...

    def output(self, values: Mapping[str, str]) -> None:
        """Hand values to the steps that follow."""
        ...

    def annotate(self, problems: Sequence[Problem]) -> None:
        """Show problems where they stand in the files."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...

    def quoted(self) -> AbstractContextManager[None]:
        """While it lasts, nothing that is printed is taken for an instruction to the runner."""
        ...
