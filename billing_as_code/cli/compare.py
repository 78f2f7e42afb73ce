"""The command that puts two environments side by side: diff."""

from __future__ import annotations

import click

from billing_as_code.cli import options, view
from billing_as_code.errors import EXIT_CHANGES, UsageError


@click.command(
    short_help="Show how two environments differ.",
    epilog=options.examples(
        "bac diff --env staging --env production",
        "bac diff --env staging --env production --declared --exit-code",
        "bac diff --env staging --env production --json | jq '.declared.counts'",
    ),
)
@click.option(
    "--env",
    "-e",
    "names",
    metavar="NAME",
    multiple=True,
    required=True,
    shell_complete=options.environments,
    help="One of the two environments; give it twice. Changes lead from the first to the second.",
)
@click.option("--declared", is_flag=True, help="Only what the catalog says of them; no OpenMeter is asked.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 where they differ.")
@options.output_format("text", "markdown", "json")
@click.pass_context
def diff(ctx: click.Context, names: tuple[str, ...], declared: bool, exit_code: bool, output: str) -> None:
    """Show how two environments differ: as the catalog declares them, and as they are.

    For a promotion: what staging has and production has not. Live, what counts is what is yours or declared. An
    OpenMeter that cannot be reached is said to be unknown, and what is declared is shown all the same. Changes nothing.
    """
    from billing_as_code import service
    from billing_as_code.render import contrast as rendered

    if len(names) != 2:
        raise UsageError(f"--env is given {len(names)} times, and two are compared: --env staging --env production")
    config = options.configuration()
    before, after = (options.chosen(config, name) for name in names)
    with options.progress("Reading") as shown:
        found, live = service.contrasted(
            config,
            before,
            after,
            None if declared else lambda environment: service.open_session(config, environment),
            lambda done, known: shown.say(f"Reading: {done}/{known} requests"),
        )
    both = [("As declared", found), *([("As they are live", live)] if live is not None else [])]
    match output:
        case "json":
            view.print_json({"declared": rendered.as_json(found), "live": rendered.as_json(live)})
        case "markdown":
            for heading, side in both:
                options.stdout().text(rendered.markdown(side, f"{heading}: {side.before} → {side.after}"))
        case _:
            for n, (heading, side) in enumerate(both):
                options.stdout().text([""] * bool(n))
                options.stdout().lines(rendered.contrast(side, heading))
    if exit_code and any(side.differs for _, side in both):
        ctx.exit(EXIT_CHANGES)
