"""Everything that can go wrong, as one tree.

* BacError (exit code 1)
  - UsageError           wrong flags, wrong environment, unreadable bac.yaml
  - CatalogError         the catalog is wrong; carries every problem with its place
  - PlanError            the catalog is right, but it cannot be reached from what is live
    . ChangedIntent      the plan after the merge is not the reviewed one (exit code 4)
    . Protected          it would delete or replace what `protect` keeps (exit code 5)
  - StalePlan            something a plan touches changed since it was made (exit code 4)
  - Refused              a limit or a missing permission says no (exit code 5)
  - ApiError             OpenMeter answered something that is not what was asked for
    . Unreachable        no answer at all
  - HostingError         the service that hosts the repository (GitHub, GitLab) did not do what it was asked
  - PartlyApplied        an apply stopped half-way (exit code 3)
  - RunUnfinished        an earlier apply died and is neither resumed nor given up (exit code 5)
  - GateRefused          a plan that needs an approval has none that counts; `code` says why (exit code 5, stale 4)

A `BacError` is for people: its text says what is wrong and what to do. Anything else that is raised is a bug and keeps
its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EXIT_DONE, EXIT_ERROR, EXIT_CHANGES, EXIT_PARTLY, EXIT_STALE, EXIT_REFUSED = 0, 1, 2, 3, 4, 5


class BacError(Exception):
    """Base of all expected failures. `str()` is what a person reads; `exit_code` is what the shell sees."""

    exit_code = EXIT_ERROR


class UsageError(BacError):
    """The command line or `bac.yaml` is wrong."""


EDITS = "edits"
"""The file of a problem that stands in no file, but in what was asked for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in the catalog.

    `file` is relative to the working folder; `line` and `column` count from 1, 0 where a file has no such place;
    `address` is the resource or "" for the file itself; `remedy` is what would be right, or "".
    """

    file: str
    line: int
    column: int
    address: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [place, self.address, self.message] if self.address else [place, self.message]
        return ": ".join(parts) + (f" ({self.remedy})" if self.remedy else "")


class CatalogError(BacError):
    """The catalog cannot be used; `problems` holds all of them, ordered by place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class PlanError(BacError):
    """The catalog cannot be reached from the live state; `reasons` are (address, text) pairs."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(f"{address}: {text}" if address else text for address, text in reasons))


class Protected(PlanError):
    """Nothing but `protect: true` stands in the way of the plan."""

    exit_code = EXIT_REFUSED


class ChangedIntent(PlanError):
    """What would be done now is not what was reviewed."""

    exit_code = EXIT_STALE


class StalePlan(BacError):
    """Live resources differ from those that the plan was made from. Nothing was written."""

    exit_code = EXIT_STALE

    def __init__(self, differences: Sequence[tuple[str, str]]) -> None:
        self.differences = tuple(differences)
        lines = [f"{address}: {text}" for address, text in differences]
        super().__init__("\n".join(["the plan is stale, nothing was written. Plan again. Changed since:", *lines]))


class Refused(BacError):
    """A limit or a missing permission refuses the plan."""

    exit_code = EXIT_REFUSED


class RunUnderway(Refused):
    """Another apply runs; when it has ended there may be nothing left to do."""


class RunUnfinished(Refused):
    """An apply died earlier, and must be resumed or given up before the next one."""


GateCode = Literal[
    "approval_required",
    "approval_rejected",
    "approval_expired",
    "plan_unknown",
    "plan_tampered",
    "drifted",
    "already_applied",
    "wrong_target",
    "read_only",
]


class GateRefused(Refused):
    """The review gate does not let a plan through. `code` is for programs, `next` says what would, for people."""

    def __init__(self, code: GateCode, message: str, next: str, digest: str = "") -> None:
        self.code, self.message, self.next, self.digest = code, message, next, digest
        self.exit_code = EXIT_STALE if code == "drifted" else EXIT_REFUSED
        super().__init__(f"{message}. {next}")


class HostingError(BacError):
    """The service that hosts the repository refused a request, or gave no answer that makes sense.

    `status` is the HTTP status, 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class PartlyApplied(BacError):
    """Some changes were made and some were not."""

    exit_code = EXIT_PARTLY


class ApiError(BacError):
    """OpenMeter refused a request, or its answer cannot be understood.

    `status` is the HTTP status, 0 where there was no answer; `detail` is OpenMeter's own text, first line only; `body`
    is the decoded problem document, {} where there was none; `ambiguous` is true where the work may have been done all
    the same (a time-out, a lost connection, a 5xx); `never_sent` where it certainly was not; `retry_after` is in
    seconds.
    """

    def __init__(
        self,
        request: str,
        status: int,
        detail: str,
        *,
        ambiguous: bool = False,
        never_sent: bool = False,
        retry_after: float | None = None,
        body: dict[str, object] | None = None,
    ) -> None:
        self.request, self.status, self.detail, self.ambiguous = request, status, detail, ambiguous
        self.never_sent, self.retry_after, self.body = never_sent, retry_after, body or {}
        said = f"{status} {detail}".strip() if status else detail
        super().__init__(f"{request}: {said}")


class Unreachable(ApiError):
    """No answer came: refused connection, time-out, reset."""
