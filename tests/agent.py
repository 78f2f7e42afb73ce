"""An AI agent at a workspace's MCP server: the SDK's own client, over either of the protocol's two eras.

agent = Agent(ws)
agent.call("get_customer", key="acme")["name"]
agent.fails("get_customer", key="nobody")["code"]

Of every answer it sees that text and structured content say the same, that it fits the tool's schema and the promised
size, and that no fault of ours is behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import jsonschema_rs
from mcp import Client
from mcp.types import CallToolResult, Tool
from workspace import Workspace

from billing_as_code.agents.server import AgentServer, build
from billing_as_code.agents.tools import Desk
from billing_as_code.config import AgentPolicy

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
"""2026-07-28, and 2025-11-25 as most programs still speak it."""
SNAPSHOT = Path(__file__).parent / "snapshots" / "tools.json"
LARGEST = 40_000


class Agent:
    """Calls tools of one server, each in a connection of its own. `transcript` holds every call with its answer."""

    def __init__(self, ws: Workspace, era: Era = "auto", policy: AgentPolicy | None = None) -> None:
        self.ws, self.era = ws, era
        self.policy = policy or AgentPolicy()
        self.transcript: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.faults: list[str] = []
        self._server: AgentServer | None = None

    @property
    def server(self) -> AgentServer:
        """The server; made when it is first asked, so that it can be thrown away: `restart`."""
        if self._server is None:
            self._server = build(Desk(self.ws.opened(), self.policy, self.faults.append))
        return self._server

    def restart(self) -> None:
        """A new server, which knows nothing of what the old one was called for."""
        self._server = None

    def tools(self) -> list[Tool]:
        """What the server shows."""
        return self.within(lambda client: client.list_tools()).tools

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """A call that must go well: its structured content."""
        result = self.raw(tool, arguments)
        assert not result.is_error, result.content
        return self._facts(tool, arguments, result)

    def fails(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """A call that must not: code, message and next."""
        result = self.raw(tool, arguments)
        assert result.is_error, result.content
        facts = self._facts(tool, arguments, result)
        assert facts["code"] and facts["message"] and facts["next"]
        return facts

    def raw(self, tool: str, arguments: Any) -> CallToolResult:
        """Any call, as it comes back."""
        return self.within(lambda client: client.call_tool(tool, arguments))

    def within(self, ask: Callable[[Client], Any]) -> Any:
        """One request of a client that has just connected."""

        async def connected() -> Any:
            async with Client(self.server, mode=self.era) as client:
                return await ask(client)

        return anyio.run(connected)

    def _facts(self, tool: str, arguments: dict[str, Any], result: CallToolResult) -> dict[str, Any]:
        facts: dict[str, Any] = result.structured_content
        text = result.content[0].text
        assert json.loads(text) == facts
        known = self.server._tool_manager.get_tool(tool)
        assert known is None or jsonschema_rs.is_valid(known.output_schema, facts)
        assert len(text.encode()) <= LARGEST
        assert self.faults == []
        self.transcript.append((tool, arguments, facts))
        return facts


@contextmanager
def unchanged(ws: Workspace) -> Iterator[None]:
    """Nothing that happens within writes anything to OpenMeter."""
    ws.forget()
    yield
    assert ws.writes() == []
