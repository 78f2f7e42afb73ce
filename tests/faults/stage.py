"""Where the scene is played: a project and its server, set back to the same moment as often as is wanted, and the line
between them, on which anything may happen to a request.

stage.start()                          # what is live is scene.BEFORE, the catalog says scene.AFTER
stage.line.meets = lambda request, n, send: ...
stage.ws.apply(stage.plan)
assert stage.seen() == stage.expected
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import scene
from workspace import Workspace, describe

from billing_as_code import live as live_state
from billing_as_code import service
from billing_as_code.devserver import create_app
from billing_as_code.errors import UsageError
from billing_as_code.journal import Journal
from billing_as_code.kinds import KINDS
from billing_as_code.plan import Plan
from billing_as_code.service import Outcome

CANARY = "om_canary_4f1d9c2b7a"
"""The token of everything here: it must stand in nothing that is written or said."""
ENVIRONMENT = {"url": "http://openmeter.test:8888", "token": {"from_env": "FAULTS_TOKEN"}}
ACCEPTED = range(200, 300)

Send = Callable[[httpx.Request], httpx.Response]
Meets = Callable[[httpx.Request, int, Send], httpx.Response]
"""What becomes of a request: it, its number from 1 since `start`, and what sends it to the server."""


class Killed(BaseException):
    """The process is no more."""


class Line(httpx.BaseTransport):
    """The way to the server. What others do (`ws.http`) and the server's own controls pass undisturbed."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner, self._lock = inner, threading.Lock()
        self.meets: Meets | None = None
        self.number = 0
        self.sent: list[tuple[str, str]] = []
        """Method and path of each request since `anew`."""

    def anew(self, meets: Meets | None = None) -> None:
        """Count from 1 again; `meets` is what requests meet from now on."""
        with self._lock:
            self.meets, self.number, self.sent = meets, 0, []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """What the server answers, or what `meets` makes of it."""
        if "authorization" not in request.headers:
            return self._forward(request)
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        with self._lock:
            self.number += 1
            number, meets = self.number, self.meets
            self.sent.append((request.method, request.url.path))
        return self._forward(request) if meets is None else meets(request, number, self._forward)

    def aside(self) -> httpx.BaseTransport:
        """A line to the same server on which nothing happens."""
        return Line(self._inner)

    def _forward(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        return answer


@dataclass
class Death:
    """A process that dies: of its threads, none sends or writes anything afterwards.

    `request` is the number of the last request whose work is done, `entry` that of the last journal entry that is
    written, wholly or (`torn`) to its half.
    """

    request: int = 0
    entry: int = 0
    torn: bool = False
    dead: bool = False
    entries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meets(self, request: httpx.Request, number: int, send: Send) -> httpx.Response:
        """A request of the process."""
        with self._lock:
            if self.dead:
                raise Killed
            if number == self.request:
                self.dead = True
        answer = send(request)
        if self.dead:
            raise Killed
        return answer

    def writes(self, journal: Journal, entry: Any, sync: bool) -> None:
        """A journal entry of the process."""
        with self._lock:
            if self.dead:
                raise Killed
            self.entries += 1
            if self.entries != self.entry:
                _write(journal, entry, sync=sync)
                return
            if self.torn:
                line = json.dumps(entry, ensure_ascii=False)
                assert journal._file is not None
                journal._file.write(line[: len(line) // 2])
                journal._file.flush()
            else:
                _write(journal, entry, sync=sync)
            self.dead = True
        raise Killed


_write = Journal._write


@contextmanager
def dying(line: Line, death: Death) -> Iterator[None]:
    """A process on this line that dies of `death`, or lives to the end of the block."""

    def writes(journal: Journal, entry: Any, *, sync: bool = False) -> None:
        if journal._file is not None:
            death.writes(journal, entry, sync)

    line.anew(death.meets)
    Journal._write = writes  # type: ignore[method-assign]
    try:
        yield
    except Killed:
        assert death.dead
    finally:
        Journal._write = _write  # type: ignore[method-assign]
        line.anew()


class Stage:
    """The scene, ready to be played again and again. `plan` is the plan of the apply, `expected` what is seen after an
    apply that nothing disturbed, and `writes` and `requests` how many it sends."""

    def __init__(self, root: Path, *, wide: int = 1, narrow: int = 1) -> None:
        self.app = app = create_app()
        self.database = app.config["DATABASE"]
        self.line = Line(httpx.WSGITransport(app=app))
        environment = {**ENVIRONMENT, "writes": {"wide": wide, "narrow": narrow}}
        self.ws = Workspace(root, self.line, environments={"production": environment})
        self._prepare()
        self._saved = sqlite3.connect(":memory:", check_same_thread=False)
        self._copy(self._saved, back=False)
        self.start()
        self.plan: Plan = self.ws.plan()
        assert len(self.plan.changes) == scene.SIZE, describe(self.plan)
        self.events, self.outcome = self.undisturbed()
        self.expected = self.seen()
        self.rows = self.made()

    def _prepare(self) -> None:
        ws = self.ws
        ws.clock(scene.CREATED)
        for path, body in (
            ("/api/v1/meters", {"slug": "partner_calls", "eventType": "prompt", "aggregation": "COUNT"}),
            ("/api/v1/features", {"key": "partner_api", "name": "P", "meterSlug": "partner_calls"}),
            ("/api/v1/customers", {"key": "partner", "name": "Partner"}),
            (scene.PARTNER, {"type": "metered", "featureKey": "partner_api", "usagePeriod": {"interval": "MONTH"}}),
            (f"{scene.PARTNER}/partner_api/grants", {"amount": 5, "effectiveAt": scene.CREATED}),
        ):
            ws.http.post(path, json=body).raise_for_status()
        ws.write("catalog/all.yaml", scene.BEFORE)
        ws.converge()
        headers = {"content-type": "application/cloudevents+json"}
        for event in scene.events():
            ws.http.post("/api/v1/events", json=event, headers=headers).raise_for_status()
        # support's grant, which nobody declares and an override must carry all the same
        path = "/api/v2/customers/big0/entitlements/ai/grants"
        grant = {"amount": 3, "effectiveAt": "2026-11-24T08:00:00Z", "priority": 5, "metadata": {"by": "support"}}
        ws.http.post(path, json=grant).raise_for_status()

    def _copy(self, saved: sqlite3.Connection, *, back: bool) -> None:
        with self.database.read() as store:
            live = store._connection
            live.commit()
            saved.backup(live) if back else live.backup(saved)
            live.execute("BEGIN")

    def start(self) -> None:
        """The moment before the apply."""
        self._copy(self._saved, back=True)
        shutil.rmtree(self.ws.root / ".bac", ignore_errors=True)
        self.line.anew()
        self.ws.faults()
        self.ws.forget()
        self.ws.clock(scene.CHANGED)
        self.ws.write("catalog/all.yaml", scene.AFTER)

    def undisturbed(self) -> Any:
        """The apply as it should be; counts what it sends and writes."""
        life = Death()
        with dying(self.line, life):
            events, outcome = self.ws.apply(self.plan)
            self.sent = list(self.line.sent)
        assert outcome.whole, (outcome.tally.failed, outcome.loose)
        assert not self.ws.plan().changes
        self.requests, self.entries = len(self.sent), life.entries
        return events, outcome

    # -- what may follow ----------------------------------------------------------------------------------------------

    def resume(self) -> Outcome | None:
        """Finish the run that died, with the time of a moment later; None where there is nothing to resume."""
        try:
            _, outcome = self.ws.resume()
        except UsageError as error:
            assert "nothing to resume" in str(error)
            return None
        return outcome

    def another(self) -> Workspace:
        """The same project on another machine: a folder of its own, at the same server."""
        root = self.ws.root.parent / f"{self.ws.root.name}-another"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.ws.root, root, ignore=shutil.ignore_patterns(".bac"))
        found = object.__new__(Workspace)
        found.root, found.transport, found.http = root, self.line.aside(), self.ws.http
        return found

    def abandon(self) -> None:
        """Give up the run that died, where one did."""
        try:
            with self.ws.session() as session:
                service.abandon(session)
        except UsageError as error:
            assert "nothing to give up" in str(error)

    # -- what is seen -------------------------------------------------------------------------------------------------

    def converged(self) -> None:
        """Nothing is left to do; what users see is what an undisturbed apply leaves; nothing that is told or kept has
        the token in it."""
        left = self.ws.plan()
        assert not left.changes, describe(left)
        seen = self.seen()
        assert seen == self.expected, different(seen, self.expected)
        self.see_no_secret()

    def seen(self) -> dict[str, Any]:
        """Every resource by address with its fields, and all that users have: values now and later, the grants that are
        alive, and since when usage counts. Also what another hand has."""
        with self.ws.session() as session:
            found = live_state.read(session.client, KINDS)
        ids = {a.path[0]: r.id for a, r in found.items() if a.kind == "customers"}
        seen: dict[str, Any] = {}
        for address, resource in found.items():
            if address.kind == "subjects" and not resource.owner:
                continue  # what OpenMeter writes on subjects that it makes by itself has ids in it
            spec = dict(zip((f.name for f in KINDS[address.kind].fields), resource.spec, strict=True))
            seen[str(address)] = spec, resource.owner
            if address.kind == "entitlements":
                seen[f"{address} grants"] = Counter(map(_grant, filter(_alive, resource.parts)))
            if "period" in resource.facts:
                seen[f"{address} period"] = dict(resource.facts["period"])
        for address, resource in found.items():
            if address.kind == "entitlements" and "period" in resource.facts:
                base = f"/api/v2/customers/{ids[address.path[0]]}/entitlements/{address.path[1]}"
                seen[f"{address} since"] = self.ws.http.get(base).json().get("measureUsageFrom")
                if address.path[0].startswith(("big", "comer0")):
                    seen[f"{address} values"] = [self._value(base, hours) for hours in (0, 30, 900)]
        return seen

    def _value(self, base: str, hours: int) -> dict[str, Any]:
        time = self.ws.now().replace(second=0, microsecond=0) + timedelta(hours=hours, minutes=2)
        value = self.ws.http.get(f"{base}/value", params={"time": time.isoformat()}).json()
        return {n: round(v, 6) if isinstance(v := value.get(n), float) else v for n in _SHOWN}

    def made(self) -> dict[str, int]:
        """How many of each were ever made, those that are gone included."""
        with self.database.read() as store:
            return {t: store.value(f"SELECT count(*) FROM {t}") for t in ("meters", "features", "customers")}

    def see_no_secret(self, *told: object) -> None:
        """Fails where the token stands in a file of the project, or in what was told."""
        for path in self.ws.root.rglob("*"):
            assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
        assert CANARY not in repr(told)


Stages = Callable[[int], Stage]
"""The stage of a width: how many writes run at once in each lane."""
_SHOWN = ("hasAccess", "balance", "usage", "overage")


def _alive(grant: Any) -> bool:
    return not grant.get("voidedAt") and not grant.get("deletedAt")


def _grant(grant: Any) -> str:
    """A grant without what another one of the same would have otherwise: ids and times of making."""
    labels = {
        k: v for k, v in (grant.get("metadata") or {}).items() if k not in ("bac.from", "bac.again", "bac.replaces")
    }
    names = ("amount", "priority", "effectiveAt", "expiresAt", "maxRolloverAmount", "minRolloverAmount", "recurrence")
    issued = bool((grant.get("annotations") or {}).get("issueAfterReset"))
    told = {n: grant.get(n) for n in names if not (issued and n == "effectiveAt")}
    return json.dumps([issued, told, labels], sort_keys=True)


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What two sights differ in, for messages."""
    found = []
    for name in sorted({*one, *other}):
        is_, wanted = one.get(name), other.get(name)
        if isinstance(is_, Counter) and isinstance(wanted, Counter):
            found += [f"{name}: {n} too many of {grant}" for grant, n in (is_ - wanted).items()]
            found += [f"{name}: {n} missing of {grant}" for grant, n in (wanted - is_).items()]
        elif is_ != wanted:
            found.append(f"{name}: {is_} and not {wanted}")
    return found
