"""What pipelines call: ci plan, ci apply, ci drift."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from billing_as_code.cli import options
from billing_as_code.cli.group import tell
from billing_as_code.cli.run import carry_out
from billing_as_code.errors import EXIT_CHANGES, BacError, CatalogError, Problem

if TYPE_CHECKING:
    from billing_as_code.ci.desk import Desk
    from billing_as_code.ci.hosting import Hosting


@click.group(
    short_help="What pipelines run: a pull request's plan, apply, drift.",
    epilog=options.examples(
        "bac ci plan --env production",
        "bac ci plan --env production --offline --base origin/main",
        "bac ci apply --env production",
        "bac ci drift --env production",
    ),
)
def ci() -> None:
    """What pipelines run. On GitHub Actions and GitLab CI they speak to the pull request; anywhere else they print.

    Everything is printed to stdout, which is the log of a job. docs/gitops.md has the workflow files.
    """


def _folder(command: options.Command) -> options.Command:
    return click.option(
        "--to",
        "folder",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where results are left as files; else .bac/ci beside bac.yaml.",
    )(command)


def _exit_code(command: options.Command) -> options.Command:
    return click.option("--exit-code", is_flag=True, help="Exit with 2 where there is something to see.")(command)


@ci.command(
    "plan",
    short_help="Put a plan before the reviewers of a pull request.",
    epilog=options.examples("bac ci plan --env production", "bac ci plan --env staging --offline --base origin/main"),
)
@options.env
@click.option("--offline", is_flag=True, help="Ask no OpenMeter: compare the catalog with that of the base.")
@click.option(
    "--base", metavar="COMMIT", default="", help="What to compare with offline; else the pull request's base."
)
@_folder
@_exit_code
@click.pass_context
def plan_(ctx: click.Context, env: str | None, offline: bool, base: str, folder: Path | None, exit_code: bool) -> None:
    """Plan what a pull request would do: one comment, kept up to date, a check that records what was reviewed, the
    page of the run, and files.

    A pull request from a fork sees no secret: it is validated, and its catalog compared with that of its base.
    """

    def job(desk: Desk) -> int:
        from billing_as_code.ci import jobs
        from billing_as_code.render import contrast, tested, text

        def show(planned: jobs.Planned) -> None:
            if planned.broken:
                options.stdout().lines(tested.tested(planned.broken, [desk.environment.name]))
            if planned.plan is not None:
                options.stdout().lines(text.plan(planned.plan))
            elif planned.contrast is not None:
                options.stdout().lines(contrast.contrast(planned.contrast, "The catalog alone"))

        with options.reading(desk.environment) as progress:
            planned = jobs.plan(desk, offline=offline, base=base, progress=progress, found=show)
        return planned.code if exit_code or planned.broken else 0

    _run(ctx, env, folder, job)


@ci.command(
    "apply",
    short_help="Apply what was reviewed, after the merge.",
    epilog=options.examples(
        "bac ci apply --env production", "bac ci apply --env production --expect-intent 3f2a91bc0d4e"
    ),
)
@options.env
@click.option("--expect-intent", metavar="DIGEST", default="", help="Apply this intent, which a person looked at.")
@_folder
@click.pass_context
def apply_(ctx: click.Context, env: str | None, expect_intent: str, folder: Path | None) -> None:
    """Plan again, and apply where the intent is the one that was reviewed in the pull request; else stop and show the
    difference there (exit code 4; 5 where nobody reviewed one).

    What counts as reviewed is the check at the last commit of the pull request, which no person can write. Comments are
    not read.
    """

    def job(desk: Desk) -> int:
        from billing_as_code import service
        from billing_as_code.ci.jobs import Applying
        from billing_as_code.render import text

        with desk.session() as session:
            applying = Applying(desk, session)
            with options.reading(desk.environment) as progress:
                made = applying.prepare(expect_intent, progress, lambda made: options.stdout().lines(text.plan(made)))
            try:
                start = partial(service.apply, session, made, intent=made.intent)  # what was reviewed
                code = carry_out(session, start, plan=made, as_json=False)
            except BacError as error:
                applying.fail(error)
                raise
            applying.finish(made, session.outcome, code)
        return code

    _run(ctx, env, folder, job)


@ci.command(
    "drift",
    short_help="Look for drift, and keep one issue about it.",
    epilog=options.examples("bac ci drift --env production", "bac ci drift --env production --exit-code"),
)
@options.env
@_folder
@_exit_code
@click.pass_context
def drift_(ctx: click.Context, env: str | None, folder: Path | None, exit_code: bool) -> None:
    """Look for what is live and not as the catalog says. One issue is opened, kept up to date, and closed when there is
    no drift any more."""

    def job(desk: Desk) -> int:
        from billing_as_code.ci import jobs
        from billing_as_code.render import drift

        with options.reading(desk.environment) as progress:
            made = jobs.drift(desk, progress=progress)
        options.stdout().lines(drift.drift(made))
        return EXIT_CHANGES if exit_code and made.changes else 0

    _run(ctx, env, folder, job)


def _run(ctx: click.Context, env: str | None, folder: Path | None, job: Callable[[Desk], int]) -> None:
    from billing_as_code.ci.desk import hosting

    where = hosting(os.environ, click.echo)
    # one stream: the runner must not see an error before or after what says how it is to be read
    with closing(where), where.quoted(), redirect_stderr(sys.stdout):
        code, problems = _ended(job, partial(_desk, where, env, folder))
    where.annotate(problems)
    ctx.exit(code)


def _desk(where: Hosting, env: str | None, folder: Path | None) -> Desk:
    from billing_as_code.ci.desk import FOLDER, Desk

    config = options.configuration()
    return Desk(where, config, options.chosen(config, env), folder or config.state / FOLDER)


def _ended(job: Callable[[Desk], int], desk: Callable[[], Desk]) -> tuple[int, Sequence[Problem]]:
    """The exit code, and the problems that stand in files; what went wrong is told."""
    try:
        return job(desk()), ()
    except BacError as error:
        tell(error)
        for note in getattr(error, "__notes__", ()):
            tell(BacError(f"that could not be told: {note}"))
        return error.exit_code, error.problems if isinstance(error, CatalogError) else ()
