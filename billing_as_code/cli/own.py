"""The command about labels: owner."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from billing_as_code.cli import options, run, view
from billing_as_code.errors import Refused, UsageError

if TYPE_CHECKING:
    from billing_as_code.service import Session, Takeover


@click.command(
    short_help="Show who owns what, or take over.",
    epilog=options.examples(
        "bac owner",
        "bac owner --env production --json",
        "bac owner --from old-team",
        "bac owner --from old-team --only customers --yes",
    ),
)
@options.env
@click.option("--from", "former", metavar="OWNER", help="Take over what carries this owner's label.")
@click.option(
    "--only",
    metavar="ADDRESS",
    multiple=True,
    shell_complete=options.addresses,
    help="Take over only this resource, or all below it. Repeatable.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the owners, or what became of it, as JSON.")
@click.pass_context
def owner(
    ctx: click.Context, env: str | None, former: str | None, only: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Show whose labels live resources carry; with --from, write this catalog's owner on what another one has.

    Only what this catalog declares is taken over, and only its label changes. A catalog that still applies under the
    other name meets an error from then on. Where OpenMeter cannot change a label (features, entitlements, grants),
    `formerly: [OWNER]` in bac.yaml makes what carries it yours.
    """
    from billing_as_code import service

    if former is None and (only or yes):
        raise UsageError("--only and --yes speak of a take-over: say from whom, --from OWNER")
    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        if former is None:
            _show(session, as_json)
            return
        with options.reading(environment) as progress:
            found = service.take_over(session, former, only=only, progress=progress)
        if not as_json:
            _preview(session, found)
        if found.plan.changes:
            if environment.require_approval:
                raise Refused(
                    f"{environment.name} applies reviewed plans only (require_approval). Put formerly: [{former}] into "
                    "bac.yaml instead: the next plan writes the labels"
                )
            if not yes:
                _ask(found)
        ctx.exit(run.carry_out(session, partial(service.apply, session, found.plan), plan=found.plan, as_json=as_json))


def _show(session: Session, as_json: bool) -> None:
    from billing_as_code import service
    from billing_as_code.render import owners as rendered

    with options.reading(session.environment) as progress:
        found = service.owners(session, progress=progress)
    if as_json:
        view.print_json({"owner": session.config.owner, "owners": found})
    else:
        options.stdout().lines(rendered.owners(found, session.config.owner, session.config.formerly))


def _preview(session: Session, found: Takeover) -> None:
    from billing_as_code.render import owners as rendered
    from billing_as_code.render import text

    if found.plan.changes:
        options.stdout().lines(text.plan(found.plan))
    else:
        options.stdout().text([f"Nothing of {found.former} can be relabelled: see below."])
    options.stdout().lines(rendered.left(found.former, found.fixed, found.undeclared, session.config.formerly))


def _ask(found: Takeover) -> None:
    """Raises Refused where the answer is not the other owner's name, or where there is nobody to ask."""
    from billing_as_code.render.terminal import watched

    if not (sys.stdin.isatty() and watched(sys.stdout, os.environ)):
        raise Refused(
            "nothing was written: there is nobody to ask (no terminal, or CI). "
            f"If it is meant: bac owner --from {shlex.quote(found.former)} --yes"
        )
    where = found.plan.target.environment
    answer = click.prompt(
        f"\nTake over from {found.former} in {where}? Type that owner's name to go on", default="", show_default=False
    )
    if answer.strip() != found.former:
        raise Refused(f"the answer was not {found.former}, so nothing was written")
