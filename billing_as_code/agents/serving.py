"""The two ways to the server: stdio for a program that starts it, streamable HTTP for several clients at once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl

from billing_as_code.agents.server import AgentServer, build
from billing_as_code.agents.tokens import Verifier, load
from billing_as_code.agents.tools import SCOPES, Desk
from billing_as_code.errors import UsageError

PATH = "/mcp"
LARGEST_REQUEST = 1_000_000
"""Bytes of a request's body."""


def stdio(desk: Desk) -> None:
    """Serve the program at the other end of stdin and stdout, until it hangs up. What is being applied is finished."""
    build(desk).run("stdio")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and how clients name it: `url` is what tokens are made for, path included."""

    host: str
    port: int
    url: str

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def place(text: str, url: str | None = None) -> Place:
    """The place of `HOST:PORT`; `url` is its public address where clients know it by another. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(f"--http {text}: is no HOST:PORT (127.0.0.1:8765)")
    own = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    found = Place(host, int(port), url or own)
    if url is None and not found.is_loopback:
        raise UsageError(
            f"--http {text}: others may reach {host}, so say by which address: --url https://mcp.example.com{PATH}. "
            "TLS ends in a proxy in front of it"
        )
    parts = urlsplit(found.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path != PATH:
        raise UsageError(f"--url {url}: is no address of this server (https://mcp.example.com{PATH})")
    return found


def http(desk: Desk, where: Place, tokens: Path) -> None:
    """Serve over HTTP until it is told to stop. Raises UsageError where the tokens cannot be read."""
    load(tokens)
    protected(desk, where, tokens).run(
        "streamable-http",
        host=where.host,
        port=where.port,
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=LARGEST_REQUEST,
        transport_security=security(where),
    )


def protected(desk: Desk, where: Place, tokens: Path) -> AgentServer:
    """The server that answers only those who carry a token for it."""
    parts = urlsplit(where.url)
    auth = AuthSettings(
        issuer_url=AnyHttpUrl(f"{parts.scheme}://{parts.netloc}"),
        resource_server_url=AnyHttpUrl(where.url),
        required_scopes=[SCOPES["read"]],
        validate_token_resource=True,
    )
    return build(desk, verifier=Verifier(tokens, desk.report), auth=auth)


def security(where: Place) -> TransportSecuritySettings:
    """Only requests for this server's own names, and from pages of its own: a page elsewhere cannot reach it through
    a browser, whatever name it gives the address."""
    parts = urlsplit(where.url)
    names = [parts.netloc]
    if where.is_loopback:
        names += [f"{name}:{where.port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=list(dict.fromkeys(names)),
        allowed_origins=[f"{parts.scheme}://{name}" for name in dict.fromkeys(names)],
    )
