"""A small GitHub and a small GitLab over HTTP, as far as `bac ci` uses them: comments, issues, checks, pages, faults.

with github() as hub:
    hub.pull(12, head=..., base=...)
    hub.environ(event="pull_request", number=12)          # the variables of a job
    hub.fault("POST", r"/comments$", status=502, times=2)
    hub.comments(12), hub.issues, hub.checks
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

Item = dict[str, Any]
REPOSITORY = "acme/billing"
TOKEN = "ghs_writes-what-jobs-may-write"
PROJECT = "77"
GITLAB_TOKEN = "glpat-of-the-project"
LONGEST = 65_536


class Fault(NamedTuple):
    """What a request meets instead of its answer, so many times; `done` lets the work be done all the same."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: str
    done: bool


class Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


class Refuse(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass
class Hub:
    """What both have: items with ids that grow, requests that were seen, faults, and a hook before each request."""

    url: str = ""
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[Fault, list[int]]] = field(default_factory=list)
    before: Callable[[Request], None] = lambda request: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(
        self,
        method: str,
        path: str,
        *,
        status: int,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: str = '{"message": "Unavailable"}',
        done: bool = False,
    ) -> None:
        """Let the next `times` requests of that kind fail."""
        self.faults.append((Fault(method, path, status, headers or {}, body, done), [times]))

    def writes(self) -> list[tuple[str, str]]:
        """The requests that were no reads."""
        return [(r.method, r.path) for r in self.requests if r.method != "GET"]

    def met(self, request: Request) -> Fault | None:
        for fault, left in self.faults:
            if left[0] > 0 and fault.method == request.method and re.search(fault.path, request.path):
                left[0] -= 1
                return fault
        return None

    def answer(self, request: Request) -> Any:
        raise NotImplementedError


def now() -> str:
    """The time, as both write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(items: list[Item], query: Mapping[str, str]) -> list[Item]:
    size, number = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    return items[(number - 1) * size : number * size]


# -- GitHub -----------------------------------------------------------------------------------------------------------


@dataclass
class GitHub(Hub):
    """One repository of GitHub's. `may` is what the token's job may write."""

    pulls: dict[int, Item] = field(default_factory=dict)
    posts: dict[int, list[Item]] = field(default_factory=dict)
    issues: dict[int, Item] = field(default_factory=dict)
    checks: list[Item] = field(default_factory=list)
    drops_labels: bool = False
    """Whether a new issue comes without them, as where GitHub does not take them."""
    may: set[str] = field(default_factory=lambda: {"pull-requests", "checks", "issues"})

    def pull(self, number: int, *, head: str, base: str, fork: bool = False, **more: Any) -> Item:
        """A pull request."""
        self.pulls[number] = {
            "number": number,
            "html_url": f"https://github.test/{REPOSITORY}/pull/{number}",
            "head": {"sha": head, "ref": "change", "repo": {"full_name": "eve/billing" if fork else REPOSITORY}},
            "base": {"sha": base, "ref": "main", "repo": {"full_name": REPOSITORY}},
            "user": {"login": "mallory"},
            "merged_at": None,
            "merge_commit_sha": None,
        } | more
        self.posts.setdefault(number, [])
        return self.pulls[number]

    def merge(self, number: int, sha: str) -> None:
        """Merge one, as this commit."""
        self.pulls[number] |= {"merged_at": now(), "merge_commit_sha": sha}

    def comments(self, number: int) -> list[Item]:
        """What stands on a pull request."""
        return self.posts[number]

    def say(self, number: int, body: str, login: str = "mallory") -> Item:
        """Somebody comments."""
        made = self._item(body, {"login": login, "type": "User"})
        self.posts[number].append(made)
        return made

    def issue(self, body: str, login: str = "mallory") -> Item:
        """Somebody opens an issue with our label."""
        content = {"title": "?", "body": body, "labels": ["bac-drift"]}
        return self._issue(content, {"login": login, "type": "User"})

    def environ(
        self,
        folder: Path,
        *,
        event: str,
        number: int = 0,
        sha: str = "",
        run: int = 1,
        attempt: int = 1,
        actor: str = "mallory",
        token: str = TOKEN,
        payload: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """The variables of a job, with its event and empty files for what it says, in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {"action": "synchronize", "pull_request": self.pulls[number]} if number else {}
        (folder / "event.json").write_text(json.dumps({**told, **(payload or {})}))
        for name in ("output", "summary.md"):
            (folder / name).touch()
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": actor,
            "GITHUB_API_URL": self.url,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_RUN_ID": str(run),
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_SHA": sha,
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_TOKEN": token,
        }

    def answer(self, request: Request) -> Any:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refuse(401, "Bad credentials")
        path = unquote(request.path)
        at = f"/repos/{REPOSITORY}"
        if not path.startswith(at):
            raise Refuse(404, "Not Found")
        rest = path[len(at) :]
        for method, pattern, do in self._routes:
            if request.method == method and (match := re.fullmatch(pattern, rest)):
                return do(self, request, *match.groups())
        raise Refuse(404, "Not Found")

    def _item(self, body: str, user: Mapping[str, str]) -> Item:
        number = next(self.ids)
        return {"id": number, "body": body, "user": dict(user), "html_url": f"https://github.test/c/{number}"}

    def _need(self, permission: str) -> None:
        if permission not in self.may:
            raise Refuse(403, "Resource not accessible by integration")

    def _bot(self, body: Mapping[str, Any]) -> Item:
        if len(str(body.get("body") or "")) > LONGEST:
            raise Refuse(422, "Validation Failed: body is too long (maximum is 65536 characters)")
        return self._item(str(body.get("body") or ""), {"login": "github-actions[bot]", "type": "Bot"})

    def _list_comments(self, request: Request, number: str) -> Any:
        if int(number) not in self.posts:
            raise Refuse(404, "Not Found")
        return page(self.posts[int(number)], request.query)

    def _make_comment(self, request: Request, number: str) -> Any:
        self._need("pull-requests" if int(number) in self.posts else "issues")
        made = self._bot(request.body)
        self.posts.setdefault(int(number), []).append(made)
        return made

    def _comment(self, number: str) -> tuple[list[Item], Item]:
        self._need("pull-requests")
        for posts in self.posts.values():
            for post in posts:
                if post["id"] == int(number):
                    return posts, post
        raise Refuse(404, "Not Found")

    def _edit_comment(self, request: Request, number: str) -> Any:
        _, post = self._comment(number)
        post["body"] = self._bot(request.body)["body"]
        return post

    def _drop_comment(self, request: Request, number: str) -> Any:
        posts, post = self._comment(number)
        posts.remove(post)
        return None

    def _issue(self, body: Mapping[str, Any], user: Mapping[str, str]) -> Item:
        made = self._item(str(body["body"]), user) | {"title": body["title"], "state": "open"}
        made |= {"number": 100 + made["id"], "labels": [{"name": name} for name in body["labels"]]}
        self.issues[made["number"]] = made
        return made

    def _list_issues(self, request: Request) -> Any:
        label = request.query["labels"]
        found = [i for i in self.issues.values() if i["state"] == "open" and {"name": label} in i["labels"]]
        return page(sorted(found, key=lambda i: -i["number"]), request.query)

    def _make_issue(self, request: Request) -> Any:
        self._need("issues")
        made = self._issue(request.body, self._bot(request.body)["user"])
        made["labels"] = [] if self.drops_labels else made["labels"]
        return made

    def _label_issue(self, request: Request, number: str) -> Any:
        self.issues[int(number)]["labels"] += [{"name": name} for name in request.body["labels"]]
        return self.issues[int(number)]["labels"]

    def _edit_issue(self, request: Request, number: str) -> Any:
        self._need("issues")
        self.issues[int(number)] |= {k: v for k, v in request.body.items() if k in ("title", "body", "state")}
        return self.issues[int(number)]

    def _make_check(self, request: Request) -> Any:
        self._need("checks")
        made = {"id": next(self.ids), "app": {"slug": "github-actions"}, **request.body}
        self.checks.append(made)
        return made

    def _list_checks(self, request: Request, sha: str) -> Any:
        name = request.query["check_name"]
        found = [c for c in self.checks if c["head_sha"] == sha and c["name"] == name]
        return {"total_count": len(found), "check_runs": page(found, request.query)}

    def _pulls_of(self, request: Request, sha: str) -> Any:
        return page([p for p in self.pulls.values() if sha in (p["merge_commit_sha"], p["head"]["sha"])], request.query)

    _routes = (
        ("GET", r"/issues/(\d+)/comments", _list_comments),
        ("POST", r"/issues/(\d+)/comments", _make_comment),
        ("PATCH", r"/issues/comments/(\d+)", _edit_comment),
        ("DELETE", r"/issues/comments/(\d+)", _drop_comment),
        ("GET", r"/issues", _list_issues),
        ("POST", r"/issues", _make_issue),
        ("PATCH", r"/issues/(\d+)", _edit_issue),
        ("POST", r"/issues/(\d+)/labels", _label_issue),
        ("POST", r"/check-runs", _make_check),
        ("GET", r"/commits/([0-9a-f]+)/check-runs", _list_checks),
        ("GET", r"/commits/([0-9a-f]+)/pulls", _pulls_of),
    )


# -- GitLab -----------------------------------------------------------------------------------------------------------

ME = {"id": 5, "username": "project_77_bot"}


@dataclass
class GitLab(Hub):
    """One project of GitLab's."""

    merges: dict[int, Item] = field(default_factory=dict)
    notes: dict[int, list[Item]] = field(default_factory=dict)
    issues: dict[int, Item] = field(default_factory=dict)
    statuses: list[Item] = field(default_factory=list)

    def merge_request(self, number: int, *, head: str) -> None:
        """A merge request."""
        here = {"source_project_id": int(PROJECT), "target_project_id": int(PROJECT)}
        self.merges[number] = {"iid": number, "sha": head, "state": "opened", "target_branch": "main", **here}
        self.notes[number] = []

    def merge(self, number: int, sha: str) -> None:
        """Merge one, as this commit."""
        self.merges[number] |= {"state": "merged", "merge_commit_sha": sha, "merged_at": now()}

    def environ(self, *, number: int = 0, sha: str, base: str = "", fork: bool = False, job: int = 1) -> dict[str, str]:
        """The variables of a job."""
        told = {
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_PROJECT_ID": PROJECT,
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "99" if fork else PROJECT,
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        }
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.url,
            "CI_COMMIT_SHA": sha,
            "CI_JOB_ID": str(job),
            "CI_PROJECT_ID": PROJECT,
            "BAC_GITLAB_TOKEN": GITLAB_TOKEN,
        } | (told if number else {})

    def answer(self, request: Request) -> Any:
        if request.headers.get("private-token") != GITLAB_TOKEN:
            raise Refuse(401, "401 Unauthorized")
        if request.path == "/user":
            return ME
        at = f"/projects/{PROJECT}"
        for method, pattern, do in self._routes:
            if request.method == method and (match := re.fullmatch(at + pattern, request.path)):
                return do(self, request, *match.groups())
        raise Refuse(404, "404 Not Found")

    def _list_notes(self, request: Request, number: str) -> Any:
        return page(self.notes[int(number)], request.query)

    def _make_note(self, request: Request, number: str) -> Any:
        made = {"id": next(self.ids), "body": request.body["body"], "author": ME, "system": False}
        self.notes.setdefault(int(number), []).append(made)
        return made

    def _note(self, number: str, note: str) -> Item:
        return next(n for n in self.notes[int(number)] if n["id"] == int(note))

    def _edit_note(self, request: Request, number: str, note: str) -> Any:
        found = self._note(number, note)
        found["body"] = request.body["body"]
        return found

    def _drop_note(self, request: Request, number: str, note: str) -> Any:
        self.notes[int(number)].remove(self._note(number, note))

    def _list_issues(self, request: Request) -> Any:
        label = request.query["labels"]
        found = [i for i in self.issues.values() if i["state"] == "opened" and label in i["labels"]]
        return page(found, request.query)

    def _make_issue(self, request: Request) -> Any:
        number = next(self.ids)
        made = {"iid": number, "state": "opened", "author": ME, **request.body, "labels": [request.body["labels"]]}
        self.issues[number] = made
        return made

    def _edit_issue(self, request: Request, number: str) -> Any:
        found = self.issues[int(number)]
        found |= {k: v for k, v in request.body.items() if k in ("title", "description")}
        if request.body.get("state_event") == "close":
            found["state"] = "closed"
        return found

    def _note_issue(self, request: Request, number: str) -> Any:
        return {"id": next(self.ids)}

    def _make_status(self, request: Request, sha: str) -> Any:
        if len(request.body["description"]) > 255:
            raise Refuse(400, "description is too long")
        body = request.body
        made = {
            "id": next(self.ids),
            "sha": sha,
            "author": ME,
            "status": body["state"],
            "finished_at": now(),
            **body,
        }
        self.statuses.append(made)
        return made

    def _list_statuses(self, request: Request, sha: str) -> Any:
        found = [s for s in self.statuses if s["sha"] == sha and s["name"] == request.query["name"]]
        return page(found, request.query)

    def _merges_of(self, request: Request, sha: str) -> Any:
        found = [m for m in self.merges.values() if sha in (m["sha"], m.get("merge_commit_sha"))]
        return page(found, request.query)

    _routes = (
        ("GET", r"/merge_requests/(\d+)/notes", _list_notes),
        ("POST", r"/merge_requests/(\d+)/notes", _make_note),
        ("PUT", r"/merge_requests/(\d+)/notes/(\d+)", _edit_note),
        ("DELETE", r"/merge_requests/(\d+)/notes/(\d+)", _drop_note),
        ("GET", r"/issues", _list_issues),
        ("POST", r"/issues", _make_issue),
        ("PUT", r"/issues/(\d+)", _edit_issue),
        ("POST", r"/issues/(\d+)/notes", _note_issue),
        ("POST", r"/statuses/([0-9a-f]+)", _make_status),
        ("GET", r"/repository/commits/([0-9a-f]+)/statuses", _list_statuses),
        ("GET", r"/repository/commits/([0-9a-f]+)/merge_requests", _merges_of),
    )


# -- over HTTP --------------------------------------------------------------------------------------------------------


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Nothing."""

        def _do(self) -> None:
            split = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(split.query).items()}
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(content) if content else None
            headers = {k.lower(): v for k, v in self.headers.items()}
            request = Request(self.command, split.path, query, body, headers)
            hub.before(request)
            with hub.lock:
                hub.requests.append(request)
                fault = hub.met(request)
                status, answer = (200, None) if fault is not None and not fault.done else self._answered(request)
            if fault is not None:
                self._send(fault.status, fault.body, fault.headers)
            else:
                self._send(status, "" if answer is None else json.dumps(answer), {})

        def _answered(self, request: Request) -> tuple[int, Any]:
            try:
                return {"POST": 201}.get(request.method, 200), hub.answer(request)
            except Refuse as refused:
                return refused.status, {"message": str(refused)}

        def _send(self, status: int, body: str, headers: Mapping[str, str]) -> None:
            content = body.encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do  # noqa: N815

    return Handler


@contextmanager
def _served(hub: Hub) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def github() -> Iterator[GitHub]:
    """A GitHub, for as long as the block runs."""
    hub = GitHub()
    with _served(hub):
        yield hub


@contextmanager
def gitlab() -> Iterator[GitLab]:
    """A GitLab, for as long as the block runs."""
    hub = GitLab()
    with _served(hub):
        yield hub
