"""Commands that change nothing: validate, plan, drift, render."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from billing_as_code.cli import options
from billing_as_code.errors import EXIT_CHANGES, CatalogError, Refused, UsageError

if TYPE_CHECKING:
    from billing_as_code.plan import Plan
    from billing_as_code.service import Session


def print_json(value: Any) -> None:
    options.stdout().text([json.dumps(value, indent=2, ensure_ascii=False)])


@click.command(
    short_help="Check the catalog, offline.",
    epilog=options.examples(
        "bac validate", "bac validate --env staging", "bac validate --json | jq '.problems[].message'"
    ),
)
@options.env
@options.output_format("text", "json")
def validate(env: str | None, output: str) -> None:
    """Check the catalog, offline, for every environment.

    Tells all problems at once, each as file:line:column with what would be right. Exit code 1 where there are any.
    """
    from billing_as_code import service
    from billing_as_code.render.problems import problems_json

    try:
        config = options.configuration()
        name = options.chosen(config, env).name if env is not None else None
        with options.progress("Reading the catalog"):
            catalogs = service.validate(config, name)
    except CatalogError as error:
        if output == "json":
            print_json({"valid": False, "problems": problems_json(error.problems), "environments": {}})
            raise SystemExit(error.exit_code) from None
        raise
    names = [name] if name is not None else list(config.environments)
    counts = {n: len(c.desired) for n, c in zip(names, catalogs, strict=True)}
    if output == "json":
        print_json({"valid": True, "problems": [], "environments": counts})
        return
    files = len({f for c in catalogs for f in c.files})
    told = ", ".join(f"{n} {number:,} resources" for n, number in counts.items())
    options.stdout().text([f"The catalog is valid: {files:,} files; {told}."])


@click.command(
    short_help="Show what apply would do.",
    epilog=options.examples(
        "bac plan",
        "bac plan --env production --out plan.json",
        "bac plan --env production --format markdown > comment.md",
        "bac plan --env production --format html > plan.html",
        "bac plan --only entitlements.acme --show-requests",
        "bac plan --env production --impact",
        "bac plan --env production --changed-since origin/main",
    ),
)
@options.env
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan to a file, for bac apply.")
@options.output_format("text", "markdown", "json", "html")
@options.changing
@click.option("--show-requests", is_flag=True, help="Print every write that apply would send, and nothing else.")
@options.impact
@click.option("--exit-code", is_flag=True, help="Exit with 2 where there is something to change.")
@click.option("--propose", is_flag=True, help="Keep the plan for a person's approval (bac approve).")
@click.option("--why", default="", metavar="TEXT", help="With --propose: what its reviewer is told.")
@click.pass_context
def plan(
    ctx: click.Context,
    env: str | None,
    out: Path | None,
    output: str,
    only: tuple[str, ...],
    replaced: tuple[str, ...],
    gap: bool,
    since: str | None,
    show_requests: bool,
    impact: bool,
    full: bool,
    exit_code: bool,
    propose: bool,
    why: str,
) -> None:
    """Show what apply would do. Changes nothing.

    Compares the catalog with what is live: what is created (+), updated (~), replaced (±) and deleted (-), the breaking
    (!) first. A plan that --out wrote is what `bac apply FILE` runs, or refuses where something has changed since.
    """
    from billing_as_code import service

    if since is not None and (impact or full):
        raise UsageError("--impact and --full ask whom a whole plan hits; leave --changed-since out")
    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        with options.reading(environment) as progress:
            if impact or full:
                made = service.plan_with_impact(
                    session, only=only, replaced=replaced, gap=gap, full=full, progress=progress
                )
            else:
                made = service.plan(session, only=only, replaced=replaced, gap=gap, since=since, progress=progress)
        if propose and made.changes:
            proposed = service.propose_plan(session, made, why=why, replaced=replaced, gap=gap).plan
            made = replace(proposed, impact=made.impact)
        if out is not None:
            options.write(out, made.file())
        then = f"Proposed. Next: bac approve {made.digest[:12]}{options.env_flag(config, environment)}"
        _show(session, made, output, out, show_requests, [then] if propose and made.changes else None)
    if exit_code and made.changes:
        ctx.exit(EXIT_CHANGES)


def _show(
    session: Session, made: Plan, output: str, out: Path | None, show_requests: bool, after: list[str] | None
) -> None:
    if show_requests:
        from billing_as_code.render import requests

        options.stdout().lines(requests.requests(made))
    elif output == "text":
        from billing_as_code.render import text

        after = after or (following(session, made, out) if made.changes else [])
        options.stdout().lines(text.plan(made, following=after))
    else:
        options.stdout().text(written(made, output))


def written(made: Plan, output: str, title: str = "bac plan") -> Iterable[str]:
    """A plan in one of the formats that are files: Markdown, JSON or HTML."""
    from billing_as_code.render import html, impact_html, machine, markdown

    match output:
        case "markdown":
            return markdown.plan(made, title=title)
        case "html":
            figures = [impact_html.section(made.impact)] if made.impact is not None else []
            return html.page(made, title=title, figures=figures)
    return machine.text(machine.plan(made))


def following(session: Session, made: Plan, out: Path | None = None) -> list[str]:
    """What to do with a plan that is shown: the command that applies it, and what stands against it."""
    from billing_as_code import service

    command = "bac apply" + (f" {out}" if out is not None else "")
    if out is None and made.since is not None:
        command += f" --changed-since {shlex.quote(made.since.ref)}"
    if out is None or session.environment.name != made.target.environment:
        command += options.env_flag(session.config, session.environment)
    try:
        service.check(session, made)
    except Refused as refused:
        return [f"Next: {command}", f"As it stands that would be refused: {refused}"]
    return [f"Next: {command}"]


@click.command(
    short_help="Show where live differs from the catalog.",
    epilog=options.examples(
        "bac drift --env production",
        "bac drift --env production --json | jq .counts",
        "bac drift || mail -s drift ops@example.com",
    ),
)
@options.env
@options.output_format("text", "markdown", "json", "html")
@click.pass_context
def drift(ctx: click.Context, env: str | None, output: str) -> None:
    """Show what is live and not as the catalog says. Exit code 2 where there is any.

    For a nightly job: whoever changed something by hand shows up here.
    """
    from billing_as_code import service
    from billing_as_code.render import drift as rendered

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session, options.reading(environment) as progress:
        made = service.drift(session, progress=progress)
    if output != "text":
        options.stdout().text(written(made, output, title="bac drift"))
    else:
        flag = options.env_flag(config, environment)
        mends = f"bac plan{flag} shows what would mend it, bac apply{flag} does."
        options.stdout().lines(rendered.drift(made, following=mends))
    if made.changes:
        ctx.exit(EXIT_CHANGES)


@click.command(
    short_help="Print a saved plan, in any format.",
    epilog=options.examples(
        "bac render plan.json",
        "bac render plan.json --format markdown --out comment.md",
        "bac render plan.json --format html --out plan.html",
    ),
)
@click.argument("file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@options.output_format("text", "markdown", "json", "html")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
@click.option("--show-requests", is_flag=True, help="Print every write that apply would send, and nothing else.")
def render(file: Path, output: str, out: Path | None, show_requests: bool) -> None:
    """Print a plan that `bac plan --out` wrote. Asks neither the catalog nor OpenMeter.

    So one plan becomes a comment on a pull request, a page to look through, and what `bac apply` runs.
    """
    from billing_as_code.render import requests, text
    from billing_as_code.render.lines import plain

    made = options.saved(file)
    if show_requests or output == "text":
        lines = list(requests.requests(made) if show_requests else text.plan(made))
        if out is None:
            options.stdout().lines(lines)
            return
        told: Iterable[str] = plain(lines)
    else:
        told = written(made, output)
    if out is None:
        options.stdout().text(told)
    else:
        options.write(out, "".join(f"{row}\n" for row in told))
