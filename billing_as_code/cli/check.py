"""The command that looks whether all is well: doctor."""

from __future__ import annotations

from pathlib import Path

import click

from billing_as_code.cli import options, view
from billing_as_code.errors import EXIT_ERROR


@click.command(
    short_help="Look whether all is well, here and there.",
    epilog=options.examples(
        "bac doctor",
        "bac doctor --env production",
        "bac doctor --env production --json | jq '.findings[] | select(.level == \"problem\")'",
    ),
)
@options.env
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, env: str | None, as_json: bool) -> None:
    """Look whether all is well: bac.yaml, the catalog, the token, the way to OpenMeter, its clock, what it serves,
    whose its resources are, and settings that hurt.

    Reads only. Each finding says what to do about it. Exit code 1 where there is a problem; warnings are none.
    """
    from billing_as_code import service
    from billing_as_code.render import doctor as rendered

    with options.progress("Looking"):
        seen = service.examine(Path.cwd(), env)
    if as_json:
        view.print_json(rendered.findings_json(seen.findings, seen.environment, seen.url, seen.counts))
    else:
        where = f"{seen.environment} · {seen.url or 'embedded server'}" if seen.environment else ""
        options.stdout().lines(rendered.findings(seen.findings, where))
    if not seen.healthy:
        ctx.exit(EXIT_ERROR)
