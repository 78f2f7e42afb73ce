"""The command that tells whom a change hits."""

from __future__ import annotations

import click

from billing_as_code.cli import options
from billing_as_code.cli.view import print_json


@click.command(
    short_help="Tell whom a change would hit.",
    epilog=options.examples(
        "bac impact --env production",
        "bac impact --env production --set 'entitlements.*.ai_tokens.issue.amount=500000'",
        "bac impact --set 'entitlements.acme.seats.config={max: 10}' --set entitlements.acme.sso=null",
        "bac impact --json | jq -r '.hits[] | select(.outcome == \"loses_access\") | .customer'",
    ),
)
@options.env
@click.option(
    "--set",
    "supposed",
    metavar="ADDRESS.FIELD=VALUE",
    multiple=True,
    help="What the catalog would say instead; keys may be patterns, =null without a field takes out. Repeatable.",
)
@options.full
@click.option("--names", default=20, show_default=True, metavar="N", type=click.IntRange(0), help="So many by name.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: everybody by name.")
def impact(env: str | None, supposed: tuple[str, ...], full: bool, names: int, as_json: bool) -> None:
    """Tell whom a change hits: who is over a lower limit now, who will be by the end of the period, who loses access.

    Of what the catalog is ahead of what is live; with --set of that alone, as if the catalog said so. Writes nothing,
    neither to the catalog nor to OpenMeter. Exit code 0 whoever is hit.
    """
    from billing_as_code import service
    from billing_as_code.render import impact as rendered

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session, options.reading(environment) as progress:
        if supposed:
            found = service.what_if(session, supposed, full=full, progress=progress)
        else:
            found = service.impact_now(session, full=full, progress=progress)
    if as_json:
        print_json(rendered.as_json(found, session.target, supposed))
        return
    out = options.stdout()
    out.lines(rendered.text(found, blocks=out.blocks, most=names))
