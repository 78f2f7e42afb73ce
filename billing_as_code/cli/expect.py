"""The command that holds the catalog against its tests."""

from __future__ import annotations

import click

from billing_as_code.cli import options
from billing_as_code.cli.view import print_json
from billing_as_code.errors import EXIT_ERROR, CatalogError


@click.command(
    "test",
    short_help="Hold the catalog against its tests, offline.",
    epilog=options.examples(
        "bac test", "bac test --env production", "bac test --json | jq -r '.tests[] | select(.holds | not) | .test'"
    ),
)
@options.env
@click.option("--json", "as_json", is_flag=True, help="As JSON: every test in every environment.")
@click.pass_context
def test(ctx: click.Context, env: str | None, as_json: bool) -> None:
    """Hold the catalog against its tests, offline, as each environment sees it: every *.test.yaml below its folder.

    Tells what is not as a test says, with the line of the test and the line of the catalog that broke it. Exit code 1
    where anything does not hold, or where tests or catalog are wrong.
    """
    from billing_as_code import service
    from billing_as_code.render import tested
    from billing_as_code.render.problems import problems_json

    try:
        config = options.configuration()
        name = options.chosen(config, env).name if env is not None else None
        with options.progress("Reading the catalog"):
            found = service.hold(config, name)
    except CatalogError as error:
        if as_json:
            print_json({"holds": False, "problems": problems_json(error.problems)})
            raise SystemExit(error.exit_code) from None
        raise
    if as_json:
        print_json(tested.as_json(found.outcomes, found.environments, found.files))
    else:
        options.stdout().lines(tested.tested(found.outcomes, found.environments))
    if found.failed:
        ctx.exit(EXIT_ERROR)
