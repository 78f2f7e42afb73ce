"""The first minute: init and dev."""

from __future__ import annotations

from pathlib import Path

import click

from billing_as_code.cli import options
from billing_as_code.errors import UsageError


@click.command(
    short_help="Write a starter bac.yaml and catalog here.",
    epilog=options.examples("bac init", "bac init --owner acme-billing && bac plan"),
)
@click.option(
    "--owner", metavar="NAME", help="Written on everything that bac creates; the folder's name where left out."
)
def init(owner: str | None) -> None:
    """Write a starter bac.yaml and catalog into this folder.

    They work at once, on the embedded OpenMeter: no server, no account. Nothing that exists is overwritten.
    """
    from billing_as_code import starter

    folder = Path.cwd()
    written = starter.write(folder, owner)
    lines = [f"  {path.relative_to(folder)}" for path in written]
    options.stdout().text(
        [
            "Written:",
            *lines,
            "",
            "Next:",
            "  bac plan     what apply would do, on the embedded server",
            "  bac apply    do it, after a yes",
            "  bac drift    whether somebody changed something since",
            "",
            "Then name your OpenMeter under `environments:` in bac.yaml, and: bac plan --env NAME",
        ]
    )


@click.command(
    short_help="Serve the embedded OpenMeter.",
    epilog=options.examples(
        "bac dev", "bac dev --port 8888 --data :memory:", "curl http://127.0.0.1:8888/api/v1/meters"
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help="0 takes any free one.")
@click.option(
    "--data",
    metavar="FILE",
    help="The database, or :memory:. Where left out, that of the local environment; in memory without a bac.yaml.",
)
def dev(host: str, port: int, data: str | None) -> None:
    """Serve the embedded OpenMeter to any client, until Ctrl-C.

    It answers like an OpenMeter, for first steps and tests. It is no billing system: it has no authentication.
    """
    database = data if data is not None else _local_data()
    if database != ":memory:":
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--data {database}: {error.strerror}") from error
    check_free(host, port, "another --port; 0 takes any free one")
    from billing_as_code.devserver import create_app
    from billing_as_code.devserver.server import serve

    if host not in ("127.0.0.1", "localhost", "::1"):
        click.echo(f"warning: {host} may be reached by others, and this server lets anybody do anything", err=True)
    click.echo(f"embedded OpenMeter, data in {'memory' if database == ':memory:' else database}", err=True)
    serve(create_app(database), host, port)


def check_free(host: str, port: int, remedy: str) -> None:
    """Raises UsageError where nobody can listen there."""
    import socket

    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        why = f"cannot listen on {host}:{port} ({error.strerror or error})"
        raise UsageError(f"{why}. Next: {remedy}") from error


def _local_data() -> str:
    try:
        config = options.configuration()
    except UsageError:
        return ":memory:"
    for environment in config.environments.values():
        if environment.embedded:
            return str(config.data(environment))
    return ":memory:"
