"""The command that serves agents: mcp."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from billing_as_code.cli import options
from billing_as_code.cli.start import check_free
from billing_as_code.errors import UsageError

VARIABLE = "BAC_MCP_TOKENS"
_SPANS = {"h": "hours", "d": "days"}


@click.command(
    short_help="Serve AI agents over MCP.",
    epilog=options.examples(
        "bac mcp",
        "bac mcp --env production --read-only",
        "bac mcp --issue build-bot --scope bac:propose --http 127.0.0.1:8765 --tokens ~/.config/bac/tokens.json",
        "bac mcp --http 127.0.0.1:8765 --tokens ~/.config/bac/tokens.json",
    ),
)
@options.env
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of bac.yaml; else the working folder, which programs that start servers choose as they like.",
)
@click.option("--read-only", is_flag=True, help="Only tools that read, whatever bac.yaml allows.")
@click.option("--http", "listen", metavar="HOST:PORT", help="Serve over HTTP instead of stdin and stdout.")
@click.option("--url", metavar="URL", help="HTTP: the address by which clients know it, behind a proxy.")
@click.option(
    "--tokens", type=click.Path(dir_okay=False, path_type=Path), help=f"HTTP: the file of tokens; else {VARIABLE}."
)
@click.option("--issue", metavar="NAME", help="Make a token for a client, print it and end.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(("bac:read", "bac:propose", "bac:apply")),
    multiple=True,
    help="What that token may do. Repeatable.  [default: bac:read]",
)
@click.option("--expires", metavar="SPAN", default="90d", show_default=True, help="How long it is valid: 12h, 90d.")
def mcp(
    env: str | None,
    project: Path | None,
    read_only: bool,
    listen: str | None,
    url: str | None,
    tokens: Path | None,
    issue: str | None,
    scopes: tuple[str, ...],
    expires: str,
) -> None:
    """Serve AI agents over the Model Context Protocol, on stdin and stdout or over HTTP.

    For the configuration of an agent's program, which starts it. What each tool may do stands in bac.yaml, under the
    environment's `agents`, and is fixed while it runs. No tool approves anything.
    """
    from billing_as_code.config import load

    if listen is None and (url or tokens or issue or scopes):
        raise UsageError("--url, --tokens, --issue and --scope are for HTTP: --http 127.0.0.1:8765")
    config = load(project if project is not None else Path.cwd())
    environment = options.chosen(config, env)
    from billing_as_code import service
    from billing_as_code.agents import serving
    from billing_as_code.agents.tokens import issue as make
    from billing_as_code.agents.tokens import outside
    from billing_as_code.agents.tools import Desk

    where = serving.place(listen, url) if listen is not None else None
    file = outside(_file(tokens), config.root) if where is not None else None
    if issue is not None and where is not None and file is not None:
        token = make(file, issue, scopes, where.url, _span(expires))
        click.echo(f"For {issue}, for {where.url}, to be shown only now:", err=True)
        click.echo(token)
        return
    policy = replace(environment.agents, read_only=environment.agents.read_only or read_only)
    with service.open_session(config, environment) as session:
        if where is not None:
            check_free(where.host, where.port, "another port in --http")
        desk = Desk(session, policy, _report, environment.token(os.environ))
        try:
            if where is None or file is None:
                serving.stdio(desk)
            else:
                click.echo(f"bac mcp: {environment.name} at {where.url}", err=True)
                serving.http(desk, where, file)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


def _report(text: str) -> None:
    """What an operator should know, beside the wire."""
    click.echo(text, err=True)


def _file(given: Path | None) -> Path:
    path = given or (Path(named) if (named := os.environ.get(VARIABLE)) else None)
    if path is None:
        raise UsageError(f"over HTTP every client needs a token: --tokens FILE, or {VARIABLE}=FILE")
    return path.expanduser()


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,4})([hd])", text)
    if match is None:
        raise UsageError(f"--expires {text}: is no span of time (12h, 90d)")
    return timedelta(**{_SPANS[match[2]]: int(match[1])})
