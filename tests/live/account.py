"""A project on an OpenMeter that others use as well, driven through `bac` as its users do.

acme = Account(...)                        # the fixture `account`
acme.write('''meters: {my_calls: {aggregation: count, event_type: my_call}}''')
acme.converge()                            # bac apply, and bac plan has nothing to do
acme.bac("drift")                          # any command, and the exit code that it must end with
acme.api("GET", "/api/v1/meters/my_calls") # what other hands do

Whatever is called `my_...` here has the account's own prefix on the server, and comes back as `my_...`: so each test
has names that no other has, and reads as if it were alone.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from click.testing import CliRunner, Result
from mortal import Mortal
from workspace import Shared

from billing_as_code.cli import main

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds until usage must have been stored: a real OpenMeter takes some."""
TOKEN = "BAC_TEST_OPENMETER_TOKEN"


class Account:
    """A folder with `bac.yaml` and a catalog, an owner and a prefix of its own, and the OpenMeter at `url`."""

    def __init__(self, root: Path, url: str, transport: Mortal, token: str | None) -> None:
        self.root, self.mortal = root, transport
        self.owner = f"bac{secrets.token_hex(4)}"
        self._environment: dict[str, Any] = {"url": url} | ({"token": {"from_env": TOKEN}} if token else {})
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(transport=Shared(transport), base_url=url, headers=headers, timeout=30)
        self.began = datetime.now(UTC).replace(second=0, microsecond=0)
        self.configure()

    # -- names and times ----------------------------------------------------------------------------------------------

    def theirs(self, text: str) -> str:
        """A text of ours as the server knows it."""
        return re.sub(r"\bmy_", f"{self.owner}_", text)

    def ours(self, text: str) -> str:
        """A text of the server's as the test knows it."""
        return text.replace(f"{self.owner}_", "my_")

    def at(self, minutes: int) -> str:
        """An instant so many minutes after the one in which the test began."""
        return (self.began + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # -- the folder and the command -----------------------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Write `bac.yaml`; what is not named are limits that never bite."""
        defaults = {"owner": self.owner, "environments": {"live": self._environment}}
        limits = {"deletes": 1000, "changed_share": "100%"}
        (self.root / "bac.yaml").write_text(yaml.safe_dump({**defaults, "limits": limits, **settings}))
        (self.root / "catalog").mkdir(exist_ok=True)

    def write(self, catalog: str) -> None:
        """Let the catalog be this YAML."""
        (self.root / "catalog" / "all.yaml").write_text(self.theirs(catalog))

    def bac(self, *args: str, code: int = 0) -> Result:
        """Run `bac` with these arguments; it must end with this exit code."""
        result = CliRunner().invoke(main, [self.theirs(a) for a in args])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"bac {' '.join(args)}: {result.exit_code}, not {code}\n{result.output}"
        return result

    def plan(self, *flags: str) -> dict[str, Any]:
        """What `bac plan --json` says."""
        found: dict[str, Any] = json.loads(self.ours(self.bac("plan", "--json", *flags).stdout))
        return found

    def pending(self, *flags: str) -> list[tuple[str, str]]:
        """(action, address) of each change that a plan has."""
        return [(c["action"], c["address"]) for c in self.plan(*flags)["plan"]["changes"]]

    def apply(self, *flags: str, code: int = 0) -> dict[str, Any]:
        """What `bac apply --json` says became of it; what breaks is allowed."""
        told = self.bac("apply", "--yes", "--json", "--allow-breaking", *flags, code=code)
        found: dict[str, Any] = json.loads(self.ours(told.stdout))
        return found

    def converge(self, *flags: str) -> list[tuple[str, str]]:
        """Apply what the catalog says, and see that nothing is left to do. What was done."""
        done = self.pending(*flags)
        self.apply(*flags)
        assert self.pending() == []
        return done

    # -- other hands --------------------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """A request of another hand, which must succeed; its answer."""
        sent = None if body is None else json.loads(self.theirs(json.dumps(body)))
        answer = self.http.request(method, self.theirs(path), json=sent, params=query)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return json.loads(self.ours(answer.text)) if answer.text.strip() else None

    def ingest(self, *events: tuple[str, int, int]) -> Path:
        """Usage of type my_prompt: (subject, minutes after the beginning, `n`). The file that it came from."""
        ids = secrets.token_hex(4)
        lines = [
            {"id": f"{ids}-{nth}", "type": "my_prompt", "subject": subject, "data": {"n": n, "m": 10 * n}}
            | {"time": self.at(minutes).replace(":00Z", ":30Z")}
            for nth, (subject, minutes, n) in enumerate(events)
        ]
        file = self.root / f"{ids}.ndjson"
        file.write_text(self.theirs("".join(f"{json.dumps(line)}\n" for line in lines)))
        self.bac("ingest", str(file))
        return file

    def counted(self, meter: str) -> float:
        """What a meter has counted in all."""
        rows = self.api("GET", f"/api/v1/meters/{meter}/query")["data"]
        return float(sum(row["value"] for row in rows))

    def value(self, customer: str, feature: str, minutes: int | None = None) -> dict[str, Any]:
        """Access, balance, usage and overage of an entitlement, now or so many minutes after the beginning."""
        query = {} if minutes is None else {"time": self.at(minutes)}
        found = self.api("GET", f"/api/v2/customers/{customer}/entitlements/{feature}/value", **query)
        return {name: found.get(name) for name in ("hasAccess", "balance", "usage", "overage")}

    def entitlement(self, customer: str, feature: str) -> dict[str, Any]:
        """The entitlement that a customer has now."""
        found: dict[str, Any] = self.api("GET", f"/api/v2/customers/{customer}/entitlements/{feature}")
        return found

    def grants(self, customer: str, feature: str) -> list[dict[str, Any]]:
        """The grants that somebody made and nobody voided."""
        path = f"/api/v2/customers/{customer}/entitlements/{feature}/grants"
        found = self.api("GET", path, pageSize="1000")["items"]
        return [g for g in found if not (g.get("voidedAt") or (g.get("annotations") or {}).get("issueAfterReset"))]

    @contextmanager
    def watching(self, look: Callable[[], T]) -> Iterator[list[T]]:
        """Everything that `look` saw, asked again and again by another hand while the block runs."""
        seen, ended = [look()], threading.Event()

        def watch() -> None:
            while not ended.wait(0.01):
                seen.append(look())

        with ThreadPoolExecutor(1) as pool:
            watcher = pool.submit(watch)
            try:
                yield seen
            finally:
                ended.set()
            watcher.result()

    def eventually(self, look: Callable[[], T], wanted: T) -> None:
        """Look until it is as wanted; it must be before PATIENCE runs out."""
        deadline, pause = time.monotonic() + PATIENCE, 0.02
        while (seen := look()) != wanted:
            assert time.monotonic() < deadline, f"after {PATIENCE:g} s it is still {seen!r}, and not {wanted!r}"
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    # -- the end ------------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Take everything with this account's prefix off the server, and see that it is gone."""
        self.mortal.live_on()
        for path in self._left():
            self.http.delete(path)
        left = list(self._left())
        assert left == [], f"could not be removed: {left}"
        self.http.close()

    def _left(self) -> Iterator[str]:
        """The paths of what is there, in the order in which it can be deleted."""
        for customer in self._keyed("customers"):
            held = f"/api/v2/customers/{customer}/entitlements"
            for entitlement in self.http.get(held, params={"pageSize": 1000}).json()["items"]:
                yield f"{held}/{entitlement['id']}"
        for kind in ("features", "customers", "meters"):
            yield from (f"/api/v3/openmeter/{kind}/{found}" for found in self._keyed(kind))
        for subject in self.http.get("/api/v1/subjects").json():
            if subject["key"].startswith(f"{self.owner}_"):
                yield f"/api/v1/subjects/{subject['id']}"

    def _keyed(self, kind: str) -> list[str]:
        query = {"filter[key][contains]": f"{self.owner}_", "page[size]": "1000"}
        answer = self.http.get(f"/api/v3/openmeter/{kind}", params=query)
        return [item["id"] for item in answer.raise_for_status().json()["data"]]
