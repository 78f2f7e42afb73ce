"""No service: what there is to say is printed and written to files, and nothing is reviewed anywhere."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from billing_as_code.ci.hosting import Check, Post, Pull, Review, Run, Thread
from billing_as_code.errors import HostingError, Problem


class Shell:
    """A shell, or a service that is not known here."""

    name = "the shell"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.run = Run(0)
        self.actor = environ.get("USER") or getpass.getuser()

    def close(self) -> None:
        """Nothing is open."""

    def pull(self) -> Pull | None:
        return None

    def merged(self) -> Pull | None:
        return None

    def comments(self, pull: Pull) -> Thread:
        raise HostingError("a shell has no pull requests")

    def issues(self, label: str) -> Thread | None:
        return None

    def resolve(self, issue: Post, comment: str) -> None:
        raise HostingError("a shell has no issues")

    def check(self, pull: Pull, check: Check) -> None:
        raise HostingError("a shell has no pull requests")

    def reviewed(self, pull: Pull, project: str, environment: str) -> Review | None:
        raise HostingError("a shell has no pull requests")

    def used(self, pull: Pull, project: str, environment: str) -> bool:
        raise HostingError("a shell has no pull requests")

    def summary(self, lines: Sequence[str]) -> None:
        """Nothing beside the files."""

    def output(self, values: Mapping[str, str]) -> None:
        """Nothing beside the files."""

    def annotate(self, problems: Sequence[Problem]) -> None:
        """Nothing: what is printed names file and line."""

    def quoted(self) -> AbstractContextManager[None]:
        return nullcontext()
