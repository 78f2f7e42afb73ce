"""How long an agent waits for `bac mcp`: its start to the first answer, and each tool that reads, both ways to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from benchmarks import WORK, data
from benchmarks.measuring import BAC, dev_server, run
from benchmarks.page import Aim, Section, table

RESOURCES = 100
CALLS = 30
CUSTOMER = "customer-00000"
READS: Mapping[str, dict[str, Any]] = {
    "get_customer": {"key": CUSTOMER},
    "check_access": {"customer": CUSTOMER, "feature": "tokens_small"},
    "list_resources": {"section": "customers"},
    "get_resource": {"address": f"entitlements.{CUSTOMER}.tokens_small"},
    "explain_kind": {"kind": "entitlements"},
    "query_usage": {"meter": "tokens"},
    "plan_changes": {},
    "list_proposals": {},
}
TEXT = """\
`bac mcp` over the embedded server on a socket, which holds {resources} resources; the protocol of 2026-07-28. A figure
is the best and the median of {calls} calls, one after another."""


class Waits(NamedTuple):
    """Seconds from the start to the first answer, and of each call by tool."""

    start: float
    calls: Mapping[str, Sequence[float]]


def measure() -> Section:
    folder = WORK / "agents"
    shutil.rmtree(folder, ignore_errors=True)
    data.write(folder, RESOURCES)
    with dev_server(folder / "dev.db") as url:
        data.configure(folder, url)
        run([BAC, "apply", "--env", data.ENVIRONMENT, "--yes"], folder)
        stdio, http = anyio.run(_over_stdio, folder), _over_http(folder)
    rows = [(f"`{tool}`", *_told(stdio.calls[tool]), *_told(http.calls[tool])) for tool in READS]
    columns = ("tool", ">stdio, best", ">median", ">HTTP, best", ">median")
    slowest = max(median(waits.calls[tool]) for waits in (stdio, http) for tool in READS) * 1000
    return Section(
        "Agents",
        f"{TEXT.format(resources=RESOURCES, calls=CALLS)}\n\n{table(columns, rows)}",
        (
            Aim("a stdio server, from its start to its first answer", stdio.start, 2, "s"),
            Aim("the median of the slowest tool that reads", slowest, 20, "ms"),
        ),
    )


async def _over_stdio(project: Path) -> Waits:
    started = time.perf_counter()
    command = StdioServerParameters(command=BAC, args=["mcp", "--env", data.ENVIRONMENT], cwd=project)
    async with Client(command) as client:
        await _call(client, "explain_kind")
        first = time.perf_counter() - started
        return Waits(first, await _calls(client))


def _over_http(project: Path) -> Waits:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        BAC,
        "mcp",
        "--env",
        data.ENVIRONMENT,
        "--http",
        place,
        "--tokens",
        str(project.parent / "agents-tokens.json"),
    ]
    made = subprocess.run([*command, "--issue", "benchmark"], cwd=project, check=True, capture_output=True, text=True)
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.DEVNULL)
    try:
        return anyio.run(_asked_over_http, f"http://{place}/mcp", made.stdout.strip())
    finally:
        process.terminate()
        process.wait()


async def _asked_over_http(url: str, token: str) -> Waits:
    started = time.perf_counter()
    while True:
        try:
            async with _connected(url, token) as client:
                await _call(client, "explain_kind")
                first = time.perf_counter() - started
                return Waits(first, await _calls(client))
        except* httpx2.ConnectError:
            if time.perf_counter() - started > 60:
                raise
        await anyio.sleep(0.05)


@asynccontextmanager
async def _connected(url: str, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def _calls(client: Client) -> Mapping[str, Sequence[float]]:
    return {tool: [await _call(client, tool) for _ in range(CALLS)] for tool in READS}


async def _call(client: Client, tool: str) -> float:
    """Seconds of a call; RuntimeError where it is refused, since that is faster."""
    started = time.perf_counter()
    result = await client.call_tool(tool, READS[tool])
    seconds = time.perf_counter() - started
    if result.is_error:
        raise RuntimeError(f"{tool}: {result.content}")
    return seconds


def _told(seconds: Sequence[float]) -> tuple[str, str]:
    return f"{min(seconds) * 1000:.0f} ms", f"{median(seconds) * 1000:.0f} ms"
