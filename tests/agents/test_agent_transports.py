"""The ways to the MCP server: stdio as a program starts it, and HTTP with everything that it turns away."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import httpx2
import pytest
from agent import ERAS, Agent, Era
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from test_agent_server import ARGUMENTS
from workspace import Workspace

from billing_as_code.agents import serving
from billing_as_code.agents.tokens import issue
from billing_as_code.agents.tools import Desk
from billing_as_code.cli import main
from billing_as_code.config import TOOLS, AgentPolicy
from billing_as_code.errors import UsageError

BAC = ("-c", "from billing_as_code.cli import main; main()")
URL = "http://127.0.0.1:8765/mcp"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "explain_kind",
}


def explain() -> dict[str, Any]:
    return CALL | {"params": {"name": "explain_kind", "arguments": {"kind": "features"}, "_meta": META}}


# -- both eras ---------------------------------------------------------------------------------------------------------


def test_both_eras_of_the_protocol_get_the_same(applied: Workspace) -> None:
    told = {}
    for era in ERAS:
        agent = Agent(applied, era)
        spoken = agent.within(_version)
        tools = [tool.model_dump(mode="json") for tool in agent.tools()]
        told[spoken] = (
            tools,
            [agent.call(tool, **ARGUMENTS[tool]) for tool in sorted(ARGUMENTS) if TOOLS[tool] == "read"],
        )
    assert set(told) == {"2026-07-28", "2025-11-25"}
    assert told["2026-07-28"] == told["2025-11-25"]


async def _version(client: Client) -> str:
    return client.protocol_version


# -- stdio -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
def test_a_program_that_starts_it_speaks_to_it_over_stdio(ws: Workspace, era: Era) -> None:
    ws.write("catalog/all.yaml", {"features": {"img_gen": {}}})
    server = StdioServerParameters(command=sys.executable, args=[*BAC, "mcp", "--env", "local"], cwd=ws.root)

    async def talk() -> tuple[int, Any]:
        async with Client(server, mode=era) as client:
            tools = (await client.list_tools()).tools
            return len(tools), (await client.call_tool("plan_changes", {})).structured_content

    number, plan = anyio.run(talk)
    assert number == len(ARGUMENTS)
    assert (plan["counts"]["create"], plan["changes"][0]["address"]) == (1, "features.img_gen")


def test_nothing_but_the_protocol_is_on_stdout_and_it_ends_when_the_client_hangs_up(ws: Workspace) -> None:
    lines = [b"this is no JSON", b"\xff", *(json.dumps(explain() | {"id": n}).encode() for n in (1, 2))]
    with subprocess.Popen(
        [sys.executable, *BAC, "mcp", "--env", "local"], cwd=ws.root, stdin=PIPE, stdout=PIPE, stderr=PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None and server.stderr is not None
        server.stdin.write(b"\n".join(lines) + b"\n")
        server.stdin.flush()
        answered = set[int]()
        while answered < {1, 2}:
            line = server.stdout.readline()
            assert line, f"it ended by itself, {server.wait(30)}: {server.stderr.read().decode()}"
            answer = json.loads(line)
            answered |= {answer["id"]} if "result" in answer else set()
        server.stdin.close()
        assert server.wait(30) == 0
        assert server.stdout.read() == b""
        assert b"Traceback" not in server.stderr.read()


# -- HTTP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tokens, outside of the project."""
    return tmp_path_factory.mktemp("tokens") / "tokens.json"


Post = Callable[..., httpx2.Response]


@contextmanager
def served(ws: Workspace, tokens: Path, policy: AgentPolicy | None = None) -> Iterator[Post]:
    """The server as it is behind its socket: `post(token, body, **headers)`. It must report nothing."""
    faults: list[str] = []
    desk = Desk(ws.opened(), policy or AgentPolicy(), faults.append)
    server = serving.protected(desk, serving.place("127.0.0.1:8765"), tokens)

    def post(token: str | None, body: Any = None, **headers: str) -> httpx2.Response:
        async def ask() -> httpx2.Response:
            app = server.streamable_http_app(json_response=True, **_options())
            async with server.session_manager.run():
                transport = httpx2.ASGITransport(app=app)
                bearer = {"authorization": f"Bearer {token}"} if token is not None else {}
                sent = body if isinstance(body, bytes) else json.dumps(explain() if body is None else body).encode()
                kind = {"content-type": "application/json"}
                async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as http:
                    return await http.post("/mcp", content=sent, headers=HEADERS | kind | bearer | headers)

        return anyio.run(ask)

    yield post
    assert faults == []


def _options() -> dict[str, Any]:
    where = serving.place("127.0.0.1:8765")
    return {"transport_security": serving.security(where), "max_request_body_size": serving.LARGEST_REQUEST}


def test_only_a_token_that_was_made_for_this_server_is_answered(ws: Workspace, tokens: Path) -> None:
    good = issue(tokens, "bot", [], URL, timedelta(days=1))
    other = issue(tokens, "bot", [], "http://127.0.0.1:9999/mcp", timedelta(days=1))
    old = issue(tokens, "bot", [], URL, timedelta(hours=1), datetime.now(UTC) - timedelta(hours=2))
    with served(ws, tokens) as post:
        assert post(good).json()["result"]["structuredContent"]["kind"] == "features"
        assert [post(token).status_code for token in (None, "", "bac_guess", other, old)] == [401] * 5
        tokens.write_text(json.dumps([e for e in json.loads(tokens.read_text()) if e["audience"] != URL]))
        assert post(good).status_code == 401


def test_pages_of_other_names_and_large_bodies_are_turned_away(ws: Workspace, tokens: Path) -> None:
    good = issue(tokens, "bot", [], URL, timedelta(days=1))
    with served(ws, tokens) as post:
        assert post(good, host="evil.example").status_code == 421
        assert post(good, origin="https://evil.example").status_code == 403
        assert post(good, origin="http://127.0.0.1:8765").status_code == 200
        assert post(good, b"x" * (serving.LARGEST_REQUEST + 1)).status_code == 413
        assert post(good, b"{" * 100_000).status_code == 400
        assert post(good, b"\xff\xfe").status_code == 400


def test_a_token_acts_only_within_its_scopes(applied: Workspace, tokens: Path) -> None:
    reader = issue(tokens, "reader", [], URL, timedelta(days=1))
    actor = issue(tokens, "actor", ["bac:apply"], URL, timedelta(days=1))
    arguments = ARGUMENTS["ingest_event"]
    body = CALL | {"params": {"name": "ingest_event", "arguments": arguments, "_meta": META}}
    with served(applied, tokens) as post:
        told = post(reader, body, **{"mcp-name": "ingest_event"}).json()["result"]
        assert (told["isError"], told["structuredContent"]["code"]) == (True, "missing_scope")
        assert applied.writes() == []
        told = post(actor, body, **{"mcp-name": "ingest_event"}).json()["result"]
        assert told["structuredContent"]["sent"] is True


@pytest.mark.parametrize("era", ERAS)
def test_several_clients_are_served_over_http_at_once(applied: Workspace, tokens: Path, era: Era) -> None:
    token = issue(tokens, "bot", [], URL, timedelta(days=1))
    server = serving.protected(Desk(applied.opened(), AgentPolicy(), print), serving.place("127.0.0.1:8765"), tokens)
    answers: list[bool] = []

    async def talk() -> None:
        app = server.streamable_http_app(json_response=True, **_options())
        async with server.session_manager.run(), anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one, app)

    async def one(app: Any) -> None:
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), headers=headers) as http,
            Client(streamable_http_client(URL, http_client=http), mode=era) as client,
        ):
            result = await client.call_tool("check_access", ARGUMENTS["check_access"])
            answers.append(result.structured_content["access"])

    anyio.run(talk)
    assert answers == [True] * 10


# -- how it is started -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "url", "message"),
    [
        ("8765", None, "is no HOST:PORT"),
        ("127.0.0.1:0", None, "is no HOST:PORT"),
        ("127.0.0.1:99999", None, "is no HOST:PORT"),
        ("0.0.0.0:8765", None, "others may reach 0.0.0.0"),
        ("[::]:8765", None, "others may reach ::"),
        ("0.0.0.0:8765", "https://mcp.example.com", "is no address of this server"),
        ("0.0.0.0:8765", "ftp://mcp.example.com/mcp", "is no address of this server"),
    ],
)
def test_a_place_that_it_cannot_be_served_at_is_refused(listen: str, url: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        serving.place(listen, url)


def test_loopback_is_the_only_place_without_a_public_name() -> None:
    assert serving.place("[::1]:8765").url == "http://[::1]:8765/mcp"
    assert serving.place("localhost:8765").is_loopback
    assert not serving.place("0.0.0.0:8765", "https://mcp.example.com/mcp").is_loopback


def test_a_token_is_made_once_and_only_its_hash_is_kept(ws: Workspace, tokens: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ws.root)
    monkeypatch.delenv("CI", raising=False)
    command = ["mcp", "--issue", "bot", "--scope", "bac:propose", "--http", "127.0.0.1:8765", "--tokens", str(tokens)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    token = done.stdout.strip()
    kept = tokens.read_text()
    assert token.startswith("bac_")
    assert token not in kept
    assert tokens.stat().st_mode & 0o077 == 0
    assert [(e["name"], e["scopes"], e["audience"]) for e in json.loads(kept)] == [
        ("bot", ["bac:propose", "bac:read"], URL)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tokens", "x"], "are for HTTP"),
        (["--http", "127.0.0.1:8765"], "over HTTP every client needs a token"),
        (["--http", "127.0.0.1:8765", "--tokens", "tokens.json"], "is inside of the project"),
        (["--http", "127.0.0.1:8765", "--tokens", "/nowhere/tokens.json"], "`bac mcp --issue NAME` makes one"),
        (["--http", "127.0.0.1:8765", "--tokens", "/tmp/t", "--issue", "a", "--expires", "soon"], "is no span of time"),
    ],
)
def test_what_is_missing_to_serve_is_told(ws: Workspace, monkeypatch: Any, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(ws.root)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BAC_MCP_TOKENS", raising=False)
    done = CliRunner().invoke(main, ["mcp", *arguments])
    assert done.exit_code == 1
    assert message in done.output


def test_a_port_that_is_taken_is_told(ws: Workspace, tokens: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ws.root)
    monkeypatch.delenv("CI", raising=False)
    issue(tokens, "bot", [], URL, timedelta(days=1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = CliRunner().invoke(main, ["mcp", "--http", place, "--tokens", str(tokens)])
    assert (done.exit_code, f"cannot listen on {place}" in done.output) == (1, True)


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"name": "a"}]', "no", '[{"sha256": 1}]'])
def test_a_file_that_is_none_of_tokens_lets_nobody_in(ws: Workspace, tokens: Path, text: str) -> None:
    tokens.write_text(text)
    with pytest.raises(UsageError, match="is no file of tokens"):
        serving.http(Desk(ws.opened(), AgentPolicy(), print), serving.place("127.0.0.1:8765"), tokens)
