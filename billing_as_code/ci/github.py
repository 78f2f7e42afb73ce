"""GitHub Actions: the event that set the run off, its files, and the REST API.

The review of a pull request is written as a check run of its last commit. Only an app can write one, and the token of a
workflow is an app's: a comment can be edited by whoever may write to the repository, a check run by none of them.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from billing_as_code.ci.hosting import Check, Post, Pull, Review, Run, Thread, before, check_name
from billing_as_code.ci.rest import Rest
from billing_as_code.errors import HostingError, Problem, UsageError
from billing_as_code.model import Json

API = "https://api.github.com"
_VERSION = "2022-11-28"
_SECONDARY = 60.0
"""Seconds that GitHub's documentation asks to wait for, where a secondary limit says nothing itself."""
_MOST_ANNOTATIONS = 10
"""GitHub shows no more of one step."""
_MOST_TEXT = 60_000
_MOST_SUMMARY = 900_000
_NO_SECRETS = "dependabot[bot]"
_DECIDED = re.compile(r"([0-9a-f]{12}) (\S.*)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REMEDIES = {
    401: "Is GITHUB_TOKEN set, and has the job not run for longer than it lives?",
    403: "Does the job have its `permissions:`? It needs checks and pull-requests, for drift issues: write",
    404: "The job needs `permissions:` for that; without them GitHub says that there is nothing",
}


class GitHub:
    """A job of GitHub Actions, as its environment variables describe it."""

    name = "GitHub"

    def __init__(self, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        """`say` prints a line where the runner reads it. Raises UsageError where the runner's variables are missing."""
        self._environ, self._say = environ, say
        self.run = Run(_number(environ, "GITHUB_RUN_ID"), _number(environ, "GITHUB_RUN_ATTEMPT"))
        self.actor = environ.get("GITHUB_ACTOR", "") or "github"
        self._app = environ.get("BAC_GITHUB_APP") or "github-actions"
        """The app whose token this is: its comments and checks are ours."""
        self._repository = environ.get("GITHUB_REPOSITORY", "")
        if self._repository.count("/") != 1:
            raise UsageError("GITHUB_ACTIONS is set and GITHUB_REPOSITORY is not, so this is no job of GitHub Actions")
        self._at = "/repos/" + quote(self._repository)
        self._opened: Rest | None = None
        self._event = _event(environ)

    @property
    def rest(self) -> Rest:
        """The API. Raises UsageError where there is no token for it."""
        if self._opened is None:
            token = self._environ.get("GITHUB_TOKEN", "").strip()
            if not token or not (token.isascii() and token.isprintable()):
                raise UsageError(
                    "GITHUB_TOKEN is not set, or holds what no token has. Hand it to the step: "
                    "env: {GITHUB_TOKEN: ${{ github.token }}}"
                )
            headers = {
                "accept": "application/vnd.github+json",
                "authorization": f"Bearer {token}",
                "x-github-api-version": _VERSION,
            }
            url = self._environ.get("GITHUB_API_URL") or API
            self._opened = Rest(self.name, url, headers, remedies=_REMEDIES, wait_of=_wait_of)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    # -- which pull request ----------------------------------------------------------------------------------------

    def pull(self) -> Pull | None:
        found = self._event.get("pull_request")
        return self._pulled(found) if isinstance(found, Mapping) else None

    def merged(self) -> Pull | None:
        sha = self._environ.get("GITHUB_SHA", "")
        if not _COMMIT.fullmatch(sha):
            return None
        for found in self.rest.pages(f"{self._at}/commits/{sha}/pulls"):
            if found.get("merged_at") and found.get("merge_commit_sha") == sha:
                return self._pulled(found)
        return None

    def _pulled(self, found: Mapping[str, Any]) -> Pull:
        try:
            head, base = found["head"], found["base"]
            repository = (head.get("repo") or {}).get("full_name")
            return Pull(
                number=int(found["number"]),
                head=_commit(head["sha"]),
                base=_commit(base["sha"]),
                into=str(base["ref"]),
                foreign=repository != self._repository or self.actor == _NO_SECRETS,
                merged_at=datetime.fromisoformat(found["merged_at"]) if found.get("merged_at") else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HostingError("GitHub describes the pull request in a way that is not understood") from error

    # -- comments and issues ----------------------------------------------------------------------------------------

    def comments(self, pull: Pull) -> Thread:
        return _Comments(self.rest, self._at, pull.number, self._is_ours)

    def issues(self, label: str) -> Thread | None:
        return _Issues(self.rest, self._at, label, self._is_ours)

    def resolve(self, issue: Post, comment: str) -> None:
        self.rest.send("POST", f"{self._at}/issues/{issue.id}/comments", {"body": comment})
        self.rest.send("PATCH", f"{self._at}/issues/{issue.id}", {"state": "closed", "state_reason": "completed"})

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        user = item.get("user")
        return isinstance(user, Mapping) and user.get("login") == f"{self._app}[bot]" and user.get("type") == "Bot"

    # -- the review -------------------------------------------------------------------------------------------------

    def check(self, pull: Pull, check: Check) -> None:
        """A check run of the commit under review. It names the pull request, since one commit may stand in two."""
        conclusion = "failure" if check.code not in (0, 2) else "success" if check.review is not None else "neutral"
        body: dict[str, Json] = {
            "name": check.name,
            "head_sha": pull.head,
            "status": "completed",
            "completed_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conclusion": conclusion,
            "external_id": f"{pull.number}:{check.review.intent if check.review is not None else ''}",
            "output": {"title": check.title[:250], "summary": f"Exit code {check.code}."},
        }
        if self._run_url:
            body["details_url"] = self._run_url
        if check.review is not None:
            body["output"]["text"] = _decided_text(check.review)
        self.rest.send("POST", f"{self._at}/check-runs", body)

    def reviewed(self, pull: Pull, project: str, environment: str) -> Review | None:
        runs = self._checks(pull, check_name("plan", project, environment))
        latest = max(
            (r for r in runs if before(r.get("completed_at"), pull.merged_at)), key=lambda run: run["id"], default={}
        )
        intent = str(latest.get("external_id") or "").partition(":")[2]
        if latest.get("conclusion") != "success" or not intent:
            return None
        return Review(intent, _decided_of(str((latest.get("output") or {}).get("text") or "")))

    def used(self, pull: Pull, project: str, environment: str) -> bool:
        runs = self._checks(pull, check_name("apply", project, environment))
        return any(run.get("conclusion") == "success" for run in runs)

    def _checks(self, pull: Pull, name: str) -> list[Mapping[str, Any]]:
        """Ours of that name for a pull request, at its last commit."""
        path = f"{self._at}/commits/{pull.head}/check-runs"
        return [
            run
            for run in self.rest.pages(path, "check_runs", check_name=name, filter="all")
            if (run.get("app") or {}).get("slug") == self._app
            and run.get("name") == name
            and isinstance(run.get("id"), int)
            and str(run.get("external_id") or "").startswith(f"{pull.number}:")
        ]

    # -- the runner's files -----------------------------------------------------------------------------------------

    @property
    def _run_url(self) -> str:
        server = self._environ.get("GITHUB_SERVER_URL", "")
        return f"{server}/{self._repository}/actions/runs/{self.run.number}" if server else ""

    def summary(self, lines: Sequence[str]) -> None:
        text = "\n".join(lines)[:_MOST_SUMMARY] + "\n"
        self._append("GITHUB_STEP_SUMMARY", text)

    def output(self, values: Mapping[str, str]) -> None:
        """Each between lines that nobody can foresee, so that no value can make another one."""
        rows = []
        for name, value in values.items():
            end = f"end_{secrets.token_hex(16)}"
            rows.append(f"{name}<<{end}\n{value}\n{end}\n")
        self._append("GITHUB_OUTPUT", "".join(rows))

    def _append(self, variable: str, text: str) -> None:
        path = self._environ.get(variable)
        if not path:
            return
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{variable} names {path}, which cannot be written: {error.strerror}") from error

    def annotate(self, problems: Sequence[Problem]) -> None:
        for problem in problems[:_MOST_ANNOTATIONS]:
            where = {"file": problem.file, "line": str(problem.line), "col": str(problem.column)}
            about = ",".join(f"{k}={_property(v)}" for k, v in where.items() if v not in ("", "0"))
            said = f"{problem.address}: {problem.message}" if problem.address else problem.message
            self._say(f"::error {about}::{_data(said + (f' ({problem.remedy})' if problem.remedy else ''))}")

    @contextmanager
    def quoted(self) -> Iterator[None]:
        """The runner obeys nothing until it is told the word again. After an unexpected failure it stays so, since a
        trace may follow that quotes the catalog."""
        word = secrets.token_hex(16)
        self._say(f"::stop-commands::{word}")
        yield
        self._say(f"::{word}::")


# -- threads ------------------------------------------------------------------------------------------------------

_Ours = Callable[[Mapping[str, Any]], bool]


class _Comments:
    """Ours on a pull request."""

    def __init__(self, rest: Rest, at: str, number: int, is_ours: _Ours) -> None:
        self._rest, self._at, self._number, self._is_ours = rest, at, number, is_ours

    def ours(self) -> Iterator[Post]:
        for item in self._rest.pages(f"{self._at}/issues/{self._number}/comments"):
            if self._is_ours(item):
                yield _post(item, "id")

    def write(self, title: str, body: str) -> Post:
        return _post(self._rest.send("POST", f"{self._at}/issues/{self._number}/comments", {"body": body}), "id")

    def edit(self, post: Post, title: str, body: str) -> None:
        self._rest.send("PATCH", f"{self._at}/issues/comments/{post.id}", {"body": body})

    def drop(self, post: Post) -> None:
        self._rest.send("DELETE", f"{self._at}/issues/comments/{post.id}", gone=True)


class _Issues:
    """Our open issues with a label."""

    def __init__(self, rest: Rest, at: str, label: str, is_ours: _Ours) -> None:
        self._rest, self._at, self._label, self._is_ours = rest, at, label, is_ours

    def ours(self) -> Iterator[Post]:
        for item in self._rest.pages(f"{self._at}/issues", state="open", labels=self._label):
            if self._is_ours(item) and "pull_request" not in item:
                yield _post(item, "number")

    def write(self, title: str, body: str) -> Post:
        content = {"title": title, "body": body, "labels": [self._label]}
        made = self._rest.send("POST", f"{self._at}/issues", content)
        post = _post(made, "number")
        # GitHub drops labels in silence where it does not take them, and by its label it is found again
        if self._label not in [label.get("name") for label in made.get("labels") or ()]:
            self._rest.send("POST", f"{self._at}/issues/{post.id}/labels", {"labels": [self._label]})
        return post

    def edit(self, post: Post, title: str, body: str) -> None:
        self._rest.send("PATCH", f"{self._at}/issues/{post.id}", {"title": title, "body": body})

    def drop(self, post: Post) -> None:
        closed = {"state": "closed", "state_reason": "not_planned"}
        self._rest.send("PATCH", f"{self._at}/issues/{post.id}", closed, gone=True)


def _post(item: Any, number: str) -> Post:
    try:
        return Post(int(item[number]), str(item.get("body") or ""), str(item.get("html_url") or ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostingError("GitHub describes a comment or an issue in a way that is not understood") from error


# -- what stands in a check -------------------------------------------------------------------------------------------


def _decided_text(review: Review) -> str:
    """A digest and an address a line, nothing where it does not fit: half of it would say that the rest is new."""
    rows = [f"{digest} {address}" for address, digest in sorted(review.decided.items())]
    text = "\n".join(["Each change, by a digest of what was decided on:", "", *(f"    {row}" for row in rows)])
    return text if len(text.encode()) <= _MOST_TEXT else "There are too many changes to list them here."


def _decided_of(text: str) -> dict[str, str]:
    rows = (_DECIDED.fullmatch(row[4:]) for row in text.split("\n") if row.startswith("    "))
    return {row[2]: row[1] for row in rows if row is not None}


# -- small readings -----------------------------------------------------------------------------------------------


def _event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"GITHUB_EVENT_PATH names {path}, which holds no event: {error}") from error
    return found if isinstance(found, Mapping) else {}


def _number(environ: Mapping[str, str], name: str) -> int:
    value = environ.get(name, "")
    return int(value) if value.isdecimal() else 0


def _commit(value: object) -> str:
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise ValueError(value)
    return value


def _wait_of(status: int, headers: Mapping[str, str], body: str) -> float | None:
    """Seconds that GitHub asks to wait for: by a header, until its limit is reset, or by its words."""
    if status not in (403, 429) and status < 500:
        return None
    asked = headers.get("retry-after", "")
    if asked.isdecimal():
        return float(asked)
    if status >= 500:
        return None
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - time.time()) + 1.0
    return _SECONDARY if "rate limit" in body.lower() else None


def _data(text: str) -> str:
    """A text as the message of an instruction to the runner."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
