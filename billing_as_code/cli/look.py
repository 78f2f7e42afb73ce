"""Commands that look around: show, list."""

from __future__ import annotations

import click

from billing_as_code.cli import options
from billing_as_code.cli.view import print_json
from billing_as_code.errors import EXIT_ERROR

FILTERS = {
    "owned": "What carries our label.",
    "unmanaged": "What nobody owns and the catalog does not have.",
    "foreign": "What carries another owner's label.",
    "held": "What has a difference that waits for a replace.",
}


@click.command(
    short_help="Show one resource: catalog, live, and its usage.",
    epilog=options.examples(
        "bac show entitlements.acme.ai_tokens",
        "bac show acme --env production",
        "bac show meters.tokens_total --by model",
        "bac show entitlements.acme.ai_tokens --json | jq .looks.value.balance",
    ),
)
@options.address
@options.env
@click.option("--by", metavar="DIMENSION", multiple=True, help="Group a meter's usage by this. Repeatable.")
@click.option("--all", "whole", is_flag=True, help="Fields at their default too, and grants that are over.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: numbers as numbers, times in RFC 3339.")
@click.pass_context
def show(ctx: click.Context, address: str, env: str | None, by: tuple[str, ...], whole: bool, as_json: bool) -> None:
    """Show one resource: what the catalog says, what is live, and where they differ, side by side.

    And what is to be seen of it now: an entitlement's usage, balance, grants and history, a customer's entitlements, a
    meter's usage by day, who holds a feature. ADDRESS is one like entitlements.acme.ai_tokens, or a key alone; times
    are UTC. Exit code 1 where a part could not be read: the others are shown all the same.
    """
    from billing_as_code import service
    from billing_as_code.render import show as rendered

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session, options.reading(environment) as progress:
        shown = service.show(session, address, by=by, whole=whole, progress=progress)
    if as_json:
        print_json(rendered.as_json(shown))
    else:
        out = options.stdout()
        out.lines(rendered.show(shown, whole=whole, blocks=out.blocks))
    if not shown.whole:
        ctx.exit(EXIT_ERROR)


def _filters(command: options.Command) -> options.Command:
    for name, about in reversed(FILTERS.items()):
        command = click.option(f"--{name}", is_flag=True, help=about)(command)
    return command


@click.command(
    "list",
    short_help="List what there is, and whose it is.",
    epilog=options.examples(
        "bac list",
        "bac list entitlements.acme --env production",
        "bac list features --unmanaged",
        "bac list --json | jq -r '.resources[] | select(.difference) | .address'",
    ),
)
@options.below
@options.env
@_filters
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(below: str, env: str | None, as_json: bool, **filters: bool) -> None:
    """List what is live and what the catalog declares, each with whose it is and what the next apply does with it.

    SECTION is a section, or the beginning of an address. With several filters, what fits any of them.
    """
    from billing_as_code import service
    from billing_as_code.render import listing

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session, options.reading(environment) as progress:
        found = service.listing(session, below, progress=progress)
    wanted = {name for name, on in filters.items() if on}
    if wanted:
        found = [s for s in found if wanted & {s.ownership, s.difference}]
    if as_json:
        print_json(listing.as_json(found, session.target))
        return
    options.stdout().lines(listing.listing(found, session.target, what=_asked(below, wanted)))


def _asked(below: str, wanted: set[str]) -> str:
    """What was asked for, behind `Nothing`."""
    return (f" {' or '.join(sorted(wanted))}" if wanted else "") + (f" in {below}" if below else "")
