"""A project folder on a dev server, driven through `service` as the commands drive it.

ws.write("catalog/all.yaml", {"meters": {"calls": {"aggregation": "count", "event_type": "call"}}})
ws.converge()                              # plan, apply, and nothing is left to do
ws.clock("2026-12-01T00:00:00Z")           # the server's time, and with it the session's
plan = ws.plan(only=["meters.calls"])
events, outcome = ws.apply(plan)
ws.writes()                                # the requests that were not reads
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from wire import FAULT

from billing_as_code import service
from billing_as_code.config import load as load_config
from billing_as_code.config import select
from billing_as_code.model import Event
from billing_as_code.plan import Plan
from billing_as_code.service import Outcome, Session

NOW = "2026-11-24T12:00:00Z"
"""What the time is until a test sets it."""
OWNER = "acme-billing"


class Workspace:
    """A folder with `bac.yaml` and a catalog, and the server that it is applied to, reached through `transport`."""

    def __init__(self, root: Path, transport: httpx.BaseTransport, *, owner: str = OWNER, **settings: Any) -> None:
        self.root, self.transport = root, transport
        self.http = httpx.Client(transport=transport, base_url="http://openmeter.test")
        """For what other hands do to the server: `ws.http.post("/api/v1/events", json=...)`."""
        self.configure(owner=owner, **settings)
        self.clock(NOW)

    # -- the folder ---------------------------------------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Write `bac.yaml`; what is not named is the owner OWNER, limits that never bite and one local environment."""
        defaults = {
            "owner": OWNER,
            "environments": {"local": {}},
            "limits": {"deletes": 1_000_000, "changed_share": "100%"},
        }
        self.write("bac.yaml", {**defaults, **settings})
        (self.root / "catalog").mkdir(exist_ok=True)

    def write(self, path: str, content: str | Mapping[str, Any]) -> Path:
        """Write a file of the project; a mapping becomes YAML."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
        return file

    def remove(self, path: str) -> None:
        """Take a file of the project away."""
        (self.root / path).unlink()

    # -- the server ---------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """An empty server at NOW, no catalog, no journals: as it was made, for the next example of a property."""
        self.http.post("/_dev/reset", json={}).raise_for_status()
        for folder in ("catalog", ".bac"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        (self.root / "catalog").mkdir()
        self.clock(NOW)

    def clock(self, now: str) -> None:
        """Set the server's time; the session follows it, and both run on from there."""
        self.http.put("/_dev/clock", json={"now": now}).raise_for_status()

    def now(self) -> datetime:
        """The server's time."""
        return datetime.fromisoformat(self.http.get("/_dev/clock").json()["now"])

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """What requests meet from now on, instead of before. Answers that are made up are not judged by the referee."""
        marked = [{**rule, "headers": {FAULT: "yes", **rule.get("headers", {})}} for rule in rules]
        self.http.put("/_dev/faults", json={"rules": marked}).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Every request since the last `forget`: method, path, query, body, status."""
        found: list[dict[str, Any]] = self.http.get("/_dev/requests").json()
        return found

    def writes(self) -> list[dict[str, Any]]:
        """The requests that were no reads."""
        return [r for r in self.requests() if r["method"] != "GET"]

    def forget(self) -> None:
        """Let `requests` start anew."""
        self.http.delete("/_dev/requests").raise_for_status()

    # -- the service --------------------------------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session as a command opens one, with the server's time for its own."""
        with self.opened() as session:
            yield session

    def opened(self) -> Session:
        """The same for who keeps it open."""
        config = load_config(self.root)
        environment = select(config, None, {k: v for k, v in os.environ.items() if k == "BAC_ENV"})
        session = service.open_session(config, environment, transport=Shared(self.transport))
        session.now = self.now
        session.client.sleep = lambda seconds: None
        return session

    def plan(self, **options: Any) -> Plan:
        """What apply would do; options are those of `service.plan` (only, replaced, gap)."""
        with self.session() as session:
            return service.plan(session, **options)

    def apply(self, plan: Plan | None = None, **options: Any) -> tuple[list[Event], Outcome]:
        """Carry a plan out, by default the one that `plan(**options)` makes: what happened, and how it ended."""
        wanted = self.plan(**options) if plan is None else plan
        with self.session() as session:
            return list(service.apply(session, wanted)), session.outcome

    def resume(self) -> tuple[list[Event], Outcome]:
        """Finish the apply that died."""
        with self.session() as session:
            return list(service.resume(session)), session.outcome

    def converge(self, **options: Any) -> Plan:
        """Apply what the catalog says, wholly, and see that nothing is left to do. The plan that did it."""
        plan = self.plan(**options)
        _, outcome = self.apply(plan)
        assert outcome.whole, f"not wholly applied: {outcome.tally.failed} {outcome.tally.blocked} {outcome.loose}"
        left = self.plan(**options)
        assert not left.changes, f"a second plan is not empty: {describe(left)}"
        return plan

    def close(self) -> None:
        """Let go of the connection."""
        self.http.close()


class Shared(httpx.BaseTransport):
    """A transport that outlives the clients on it."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)


def describe(plan: Plan) -> list[str]:
    """A plan in a few words, for messages: action, address, fields and reasons of each change."""
    return [f"{c.action} {c.address} {[tuple(f)[:3] for f in c.fields]} {c.reasons}" for c in plan.changes]
