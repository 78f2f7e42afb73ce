"""GitLab CI: its variables, and the REST API.

The review of a merge request is written as a commit status of its last commit. A status says who wrote it, and one that
is finished is not changed: a note can be edited by every maintainer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from billing_as_code.ci.hosting import Check, Post, Pull, Review, Run, Thread, before, check_name
from billing_as_code.ci.rest import Rest
from billing_as_code.errors import HostingError, Problem, UsageError
from billing_as_code.model import Json

TOKEN = "BAC_GITLAB_TOKEN"
_MOST_DESCRIPTION = 255
_INTENT = re.compile(r"!(\d+) intent ([0-9a-f]{64})$")
_COMMAND = re.compile(r"^(\s*)/", re.MULTILINE)
_REMEDIES = {
    401: f"Is {TOKEN} valid? A project access token with the role Developer and the scope api will do",
    403: f"{TOKEN} needs the role Developer and the scope api",
    404: f"{TOKEN} must be one of this project; without rights GitLab says that there is nothing",
}


class GitLab:
    """A job of GitLab CI, as its environment variables describe it."""

    name = "GitLab"

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises UsageError where variables of the runner are missing."""
        self._environ = environ
        self.run = Run(int(environ.get("CI_JOB_ID", "0") or 0))
        self.actor = environ.get("GITLAB_USER_LOGIN", "") or "gitlab"
        project = environ.get("CI_PROJECT_ID", "")
        if not project.isdecimal() or not environ.get("CI_API_V4_URL"):
            raise UsageError(
                "GITLAB_CI is set and CI_PROJECT_ID or CI_API_V4_URL is not, so this is no job of GitLab CI"
            )
        self._at = f"/projects/{project}"
        self._opened: Rest | None = None
        self._user: int | None = None

    @property
    def rest(self) -> Rest:
        """The API. Raises UsageError where there is no token for it."""
        if self._opened is None:
            token = self._environ.get(TOKEN, "").strip()
            if not token or not (token.isascii() and token.isprintable()):
                raise UsageError(
                    f"{TOKEN} is not set, or holds what no token has. Make a project access token (role Developer, "
                    "scope api) and a masked variable of it: the job's own token may write no notes"
                )
            url = self._environ["CI_API_V4_URL"]
            headers = {"private-token": token}
            self._opened = Rest(self.name, url, headers, remedies=_REMEDIES, wait_of=_wait_of)
        return self._opened

    @property
    def _me(self) -> int:
        """The user that the token is of."""
        if self._user is None:
            self._user = _id(self.rest.get("/user"), "id")
        return self._user

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        author = item.get("author")
        return isinstance(author, Mapping) and author.get("id") == self._me

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    # -- which merge request ----------------------------------------------------------------------------------------

    def pull(self) -> Pull | None:
        at = self._environ.get
        number = at("CI_MERGE_REQUEST_IID", "")
        if not number.isdecimal():
            return None
        here = {at("CI_PROJECT_ID"), at("CI_MERGE_REQUEST_PROJECT_ID")}
        return Pull(
            number=int(number),
            # the second where the pipeline is of the merged result
            head=at("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or at("CI_COMMIT_SHA", ""),
            base=at("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
            into=at("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
            foreign={at("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")} != here,
        )

    def merged(self) -> Pull | None:
        sha = self._environ.get("CI_COMMIT_SHA", "")
        for found in self.rest.pages(f"{self._at}/repository/commits/{quote(sha, safe='')}/merge_requests"):
            made = (found.get("merge_commit_sha"), found.get("squash_commit_sha"), found.get("sha"))
            if found.get("state") == "merged" and sha in made:
                return Pull(
                    number=_id(found, "iid"),
                    head=str(found.get("sha") or ""),
                    into=str(found.get("target_branch") or ""),
                    foreign=found.get("source_project_id") != found.get("target_project_id"),
                    merged_at=_time(found.get("merged_at")),
                )
        return None

    # -- notes and issues -------------------------------------------------------------------------------------------

    def comments(self, pull: Pull) -> Thread:
        return _Notes(self.rest, f"{self._at}/merge_requests/{pull.number}/notes", self._is_ours)

    def issues(self, label: str) -> Thread | None:
        return _Issues(self.rest, f"{self._at}/issues", label, self._is_ours)

    def resolve(self, issue: Post, comment: str) -> None:
        self.rest.send("POST", f"{self._at}/issues/{issue.id}/notes", {"body": safe(comment)})
        self.rest.send("PUT", f"{self._at}/issues/{issue.id}", {"state_event": "close"})

    # -- the review -------------------------------------------------------------------------------------------------

    def check(self, pull: Pull, check: Check) -> None:
        """A commit status of the commit under review. It names the merge request, since one commit may stand in two."""
        intent = f" · !{pull.number} intent {check.review.intent}" if check.review is not None else f" · !{pull.number}"
        body: dict[str, Json] = {
            "name": check.name,
            "state": "success" if check.code in (0, 2) else "failed",
            "description": check.title[: _MOST_DESCRIPTION - len(intent)] + intent,
        }
        if url := self._environ.get("CI_JOB_URL"):
            body["target_url"] = url
        self.rest.send("POST", f"{self._at}/statuses/{quote(pull.head, safe='')}", body)

    def reviewed(self, pull: Pull, project: str, environment: str) -> Review | None:
        """The intent alone: a status holds no more."""
        statuses = self._statuses(pull, check_name("plan", project, environment))
        latest = max(
            (s for s in statuses if before(s.get("finished_at") or s.get("created_at"), pull.merged_at)),
            key=lambda s: s["id"],
            default={},
        )
        found = _INTENT.search(str(latest.get("description") or ""))
        return Review(found[2]) if found is not None and latest.get("status") == "success" else None

    def used(self, pull: Pull, project: str, environment: str) -> bool:
        statuses = self._statuses(pull, check_name("apply", project, environment))
        return any(status.get("status") == "success" for status in statuses)

    def _statuses(self, pull: Pull, name: str) -> list[Mapping[str, Any]]:
        """Ours of that name for a merge request, at its last commit."""
        path = f"{self._at}/repository/commits/{quote(pull.head, safe='')}/statuses"
        of_it = re.compile(rf"!{pull.number}( |$)")
        return [
            status
            for status in self.rest.pages(path, name=name, all="true")
            if self._is_ours(status)
            and status.get("name") == name
            and isinstance(status.get("id"), int)
            and of_it.search(str(status.get("description") or ""))
        ]

    # -- the runner -------------------------------------------------------------------------------------------------

    def summary(self, lines: Sequence[str]) -> None:
        """GitLab has no place for it but the job's files."""

    def output(self, values: Mapping[str, str]) -> None:
        """The same."""

    def annotate(self, problems: Sequence[Problem]) -> None:
        """The same: the log names file and line."""

    def quoted(self) -> AbstractContextManager[None]:
        """The runner obeys nothing that a job prints."""
        return nullcontext()


def safe(text: str) -> str:
    """A text in which no line starts with a slash: GitLab carries those out as commands of whoever writes them."""
    return _COMMAND.sub("\\1\u200b/", text)


_Ours = Callable[[Mapping[str, Any]], bool]


class _Notes:
    """Ours on a merge request."""

    def __init__(self, rest: Rest, at: str, is_ours: _Ours) -> None:
        self._rest, self._at, self._is_ours = rest, at, is_ours

    def ours(self) -> Iterator[Post]:
        for item in self._rest.pages(self._at, sort="asc", order_by="created_at"):
            if self._is_ours(item) and not item.get("system"):
                yield Post(_id(item, "id"), str(item.get("body") or ""))

    def write(self, title: str, body: str) -> Post:
        return Post(_id(self._rest.send("POST", self._at, {"body": safe(body)}), "id"), body)

    def edit(self, post: Post, title: str, body: str) -> None:
        self._rest.send("PUT", f"{self._at}/{post.id}", {"body": safe(body)})

    def drop(self, post: Post) -> None:
        self._rest.send("DELETE", f"{self._at}/{post.id}", gone=True)


class _Issues:
    """Our open issues with a label."""

    def __init__(self, rest: Rest, at: str, label: str, is_ours: _Ours) -> None:
        self._rest, self._at, self._label, self._is_ours = rest, at, label, is_ours

    def ours(self) -> Iterator[Post]:
        for item in self._rest.pages(self._at, labels=self._label, state="opened", scope="all"):
            if self._is_ours(item):
                yield Post(_id(item, "iid"), str(item.get("description") or ""), str(item.get("web_url") or ""))

    def write(self, title: str, body: str) -> Post:
        made = self._rest.send("POST", self._at, {"title": title, "description": safe(body), "labels": self._label})
        return Post(_id(made, "iid"), body, str(made.get("web_url") or ""))

    def edit(self, post: Post, title: str, body: str) -> None:
        self._rest.send("PUT", f"{self._at}/{post.id}", {"title": title, "description": safe(body)})

    def drop(self, post: Post) -> None:
        self._rest.send("PUT", f"{self._at}/{post.id}", {"state_event": "close"}, gone=True)


def _id(item: Any, name: str) -> int:
    try:
        return int(item[name])
    except (KeyError, TypeError, ValueError) as error:
        raise HostingError("GitLab describes something in a way that is not understood") from error


def _time(value: object) -> datetime:
    """When it was merged; long ago where that cannot be told, so that nothing counts as reviewed before."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _wait_of(status: int, headers: Mapping[str, str], body: str) -> float | None:
    """Seconds that GitLab asks to wait for."""
    asked = headers.get("retry-after", "")
    return float(asked) if status in (429, 503) and asked.isdecimal() else None
