"""What happens to `bac mcp` on its sockets and pipes: it is killed, clients hang up, give up, race, and send too much.

Every server here is real, over a dev server on a socket, whose request log says what was written.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import anyio
import pytest
import uvicorn
from agent import Agent
from mcp import Client, MCPError
from reviewing import Approver, allow, propose
from serving import Elsewhere, serving
from terminal import BAC
from workspace import Workspace

from billing_as_code import service
from billing_as_code.agents import serving as mcp_serving
from billing_as_code.agents.tokens import issue
from billing_as_code.agents.tools import Desk
from billing_as_code.config import AgentPolicy

SECRET = "om_7f3a-very-secret-token"
CUSTOMERS = 40
SLOW = {"path": "/api/v1/customers", "method": "POST", "wait": 0.15, "times": 1000}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
PATIENCE = 30
"""Seconds until something counts as hanging."""


def call(tool: str, n: int = 1, **arguments: Any) -> dict[str, Any]:
    """A call of a tool, as it is on the wire."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    return {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params}


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.01)


# -- a project on a socket ---------------------------------------------------------------------------------------------


class Site(NamedTuple):
    """A project, who approves there, and where tokens of its server over HTTP are kept."""

    ws: Workspace
    ada: Approver
    tokens: Path

    def approved(self, number: int = CUSTOMERS) -> str:
        """The digest of a proposal of so many customers, which is approved."""
        edits = [{"address": f"customers.c{n}", "spec": {"name": f"C{n}"}} for n in range(number)]
        digest = propose(self.ws, edits).digest
        self.ada.approve(self.ws, digest)
        self.ws.forget()
        return digest

    def created(self) -> Counter[str]:
        """How often each customer was made."""
        return Counter(w["body"]["key"] for w in self.ws.writes() if w["status"] == 201)

    def state(self, digest: str) -> str:
        with self.ws.session() as session:
            return service.proposal(session, digest).state

    def whole(self, digest: str) -> None:
        """All of a proposal was done, nothing twice, and the trail holds together."""
        assert self.created() == dict.fromkeys((f"c{n}" for n in range(CUSTOMERS)), 1)
        assert self.ws.plan().changes == ()
        assert self.state(digest) == "applied"
        with self.ws.session() as session:
            assert service.read_audit(session.config).broken == ()


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    desk = tmp_path_factory.mktemp("desk")
    person = Approver("ada", desk)
    allow(monkeypatch, desk, person)
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.delenv("CI", raising=False)
    with serving() as url:
        environment = {"url": url, "token": {"from_env": "TOKEN"}}
        ws = Workspace(tmp_path, Elsewhere(url), environments={"local": environment})
        ws.clock(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        yield Site(ws, person, desk / "tokens.json")
        ws.close()


# -- stdio: killed -----------------------------------------------------------------------------------------------------


class Pipe:
    """A client of `bac mcp` over pipes that speaks line by line."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen([*BAC, "mcp"], cwd=root, stdin=PIPE, stdout=PIPE, stderr=PIPE)

    def send(self, message: Mapping[str, Any] | bytes) -> None:
        assert self.process.stdin is not None
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The structured content of the answer to a call."""
        self.send(message)
        facts: dict[str, Any] = self.line()["result"]["structuredContent"]
        return facts

    def line(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout is not None
        late = threading.Timer(PATIENCE, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        assert SECRET.encode() not in line
        message: dict[str, Any] = json.loads(line)
        return message

    def end(self) -> str:
        """Let it go; what it said beside the wire."""
        with self.process as process:
            assert process.stdin is not None and process.stderr is not None
            process.stdin.close()
            said = process.stderr.read().decode()
            process.wait(PATIENCE)
        return said


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_an_apply_that_is_killed_is_told_of_and_finished_as_the_same_use(site: Site, blow: signal.Signals) -> None:
    digest = site.approved()
    site.ws.faults(SLOW)
    first = Pipe(site.ws.root)
    first.send(call("apply_changes", digest=digest))
    until(site.created)
    first.process.send_signal(blow)
    assert "Traceback" not in first.end()
    assert first.process.returncode != 0
    site.ws.faults()

    second = Pipe(site.ws.root)
    [waits] = second.ask(call("list_proposals"))["proposals"]
    assert (waits["digest"], waits["state"]) == (digest, "applying")
    before = len(site.ws.writes())
    assert 0 < before < CUSTOMERS
    second.send(b'"' + b"x" * 10_000_000 + b'"')
    told = second.ask(call("apply_changes", digest=digest))
    assert (told["code"], "--resume" in told["next"]) == ("run_unfinished", True)
    assert len(site.ws.writes()) == before
    site.ws.resume()
    told = second.ask(call("apply_changes", digest=digest))
    assert told["code"] == "already_applied"
    assert second.end() == ""
    site.whole(digest)


def test_a_client_that_hangs_up_when_its_person_is_asked_leaves_the_approval_unused(site: Site) -> None:
    digest = site.approved(1)
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "a program", "version": "1"},
    }
    pipe = Pipe(site.ws.root)
    pipe.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
    assert pipe.line()["result"]["protocolVersion"] == "2025-11-25"
    pipe.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    params = {"name": "apply_changes", "arguments": {"digest": digest}}
    pipe.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert pipe.line()["method"] == "elicitation/create"
    assert pipe.end() == ""
    assert (site.state(digest), site.ws.writes()) == ("approved", [])


def test_a_client_that_gives_up_waiting_finds_the_apply_whole_when_it_asks_again(site: Site) -> None:
    digest = site.approved()
    site.ws.faults(SLOW)
    agent = Agent(site.ws, "legacy")

    async def impatient() -> None:
        async with Client(agent.server, mode="legacy", read_timeout_seconds=0.3) as client:
            with pytest.raises(MCPError, match="imed out"):
                await client.call_tool("apply_changes", {"digest": digest})

    anyio.run(impatient)
    assert len(site.created()) > 0
    until(lambda: site.state(digest) == "applied")
    assert agent.fails("apply_changes", digest=digest)["code"] == "already_applied"
    site.whole(digest)


# -- HTTP --------------------------------------------------------------------------------------------------------------


class Wire:
    """`bac mcp` over HTTP, and raw requests to it. `post` gives the status and the JSON of the answer, if it is any."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self._headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": "2026-07-28",
        }

    def post(self, message: Mapping[str, Any] | bytes, **more: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("POST", "/mcp", *self._written(message, more))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert SECRET.encode() not in content
        return answer.status, json.loads(content) if content.startswith(b"{") else content

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The structured content of the answer to a call."""
        status, answer = self.post(message)
        assert status == 200, answer
        facts: dict[str, Any] = answer["result"]["structuredContent"]
        return facts

    def send(self, message: Mapping[str, Any]) -> socket.socket:
        """Send a request, and leave the answer to whoever holds the connection."""
        body, headers = self._written(message, {})
        lines = [f"{name}: {value}" for name, value in {"host": f"127.0.0.1:{self.port}", **headers}.items()]
        head = "\r\n".join(["POST /mcp HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""])
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(head.encode() + body)
        return connection

    def _written(self, message: Mapping[str, Any] | bytes, more: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        if isinstance(message, bytes):
            return message, self._headers | more
        named = {"mcp-method": message["method"], "mcp-name": message["params"]["name"]}
        return json.dumps(message).encode(), self._headers | named | more


@pytest.fixture
def wire(site: Site, caplog: pytest.LogCaptureFixture) -> Iterator[Wire]:
    """The server as `bac mcp --http` makes it, in a thread. Nothing that it met may be a fault of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where, reports = mcp_serving.place(f"127.0.0.1:{port}"), list[str]()
    token = issue(site.tokens, "bot", ["bac:propose", "bac:apply"], where.url, timedelta(days=1))
    desk = Desk(site.ws.opened(), AgentPolicy(), reports.append, SECRET)
    app = mcp_serving.protected(desk, where, site.tokens).streamable_http_app(
        json_response=True,
        transport_security=mcp_serving.security(where),
        max_request_body_size=mcp_serving.LARGEST_REQUEST,
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield Wire(port, token)
    server.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert reports == []
    assert [r.getMessage() for r in caplog.records if r.exc_info or r.levelname in ("ERROR", "CRITICAL")] == []


def test_of_clients_that_race_for_one_approval_over_http_exactly_one_applies(site: Site, wire: Wire) -> None:
    digest = site.approved()
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(wire.ask, [call("apply_changes", n, digest=digest) for n in range(6)]))
    assert [one["total_done"] for one in told if "code" not in one] == [CUSTOMERS]
    assert {one["code"] for one in told if "code" in one} <= {"already_applied", "apply_running"}
    site.whole(digest)


def test_a_client_that_hangs_up_over_http_finds_the_apply_whole_when_it_asks_again(site: Site, wire: Wire) -> None:
    digest = site.approved()
    site.ws.faults(SLOW)
    gone = wire.send(call("apply_changes", digest=digest))
    until(site.created)
    gone.close()
    assert wire.ask(call("apply_changes", digest=digest))["code"] == "apply_running"
    assert 0 < len(site.created()) < CUSTOMERS
    until(lambda: wire.ask(call("apply_changes", digest=digest))["code"] == "already_applied")
    [row] = wire.ask(call("list_proposals", all=True))["proposals"]
    assert (row["digest"], row["state"]) == (digest, "applied")
    site.whole(digest)


def test_a_thousand_calls_at_once_are_all_answered(site: Site, wire: Wire) -> None:
    calls = [call("explain_kind", n, kind="grants") if n % 50 else call("plan_changes", n) for n in range(1000)]
    with ThreadPoolExecutor(100) as pool:
        told = list(pool.map(wire.ask, calls))
    assert ["code" in one for one in told] == [False] * 1000
    assert site.ws.writes() == []


def test_what_is_too_large_or_no_message_is_turned_away_and_the_server_lives_on(site: Site, wire: Wire) -> None:
    assert wire.post(b'{"a": "' + b"x" * 10_000_000 + b'"}')[0] == 413
    for body in (b"", b"null", b"[]", b"[" * 50_000, b'{"jsonrpc": "2.0"}', b"\xff" * 100, b"\x00", b'{"id": NaN}'):
        assert wire.post(body)[0] in (400, 202)
    odd = call("explain_kind", kind="grants")
    for params in ({"name": 5}, {"name": "explain_kind", "arguments": "x"}, {}, {"name": "explain_kind", "_meta": []}):
        status, answer = wire.post(odd | {"params": {"name": "explain_kind", **params}}, **{"mcp-name": "explain_kind"})
        assert (status, "error" in answer) == (400, True)
    assert wire.ask(odd)["kind"] == "grants"
    assert site.ws.writes() == []


def test_a_server_over_http_that_is_told_to_stop_finishes_the_apply_and_answers(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    token = issue(site.tokens, "bot", ["bac:apply"], f"http://{place}/mcp", timedelta(days=1))
    digest = site.approved()
    site.ws.faults(SLOW)
    command = [*BAC, "mcp", "--http", place, "--tokens", str(site.tokens)]
    with subprocess.Popen(command, cwd=site.ws.root, stdout=PIPE, stderr=PIPE) as server, ThreadPoolExecutor(1) as pool:
        until(lambda: listens(place))
        answer = pool.submit(Wire(int(place.partition(":")[2]), token).ask, call("apply_changes", digest=digest))
        until(site.created)
        server.terminate()
        assert answer.result(PATIENCE)["total_done"] == CUSTOMERS
        out, said = server.communicate(timeout=PATIENCE)
    assert out == b""
    assert b"Traceback" not in said
    assert SECRET.encode() not in said
    site.whole(digest)


def listens(place: str) -> bool:
    host, _, port = place.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True
