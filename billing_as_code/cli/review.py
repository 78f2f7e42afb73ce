"""Commands of the review gate: proposals, approve, reject, audit."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from billing_as_code.cli import options
from billing_as_code.cli.view import print_json
from billing_as_code.errors import EXIT_ERROR, Refused, UsageError

if TYPE_CHECKING:
    from billing_as_code.service import Proposal, Session

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def _key(command: options.Command) -> options.Command:
    return click.option(
        "--key",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Your ssh key (ed25519); else BAC_APPROVAL_KEY, else the one in ~/.ssh.",
    )(command)


@click.command(
    short_help="List what waits for a decision.",
    epilog=options.examples(
        "bac proposals",
        "bac proposals 3f2a91bc0d4e",
        "bac proposals --all --env production",
        "bac proposals --json | jq -r '.proposals[] | select(.state == \"open\") | .digest'",
    ),
)
@click.argument("digest", metavar="[DIGEST]", required=False)
@options.env
@click.option("--all", "whole", is_flag=True, help="Those too that are applied, rejected, expired or part of another.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def proposals(ctx: click.Context, digest: str | None, env: str | None, whole: bool, as_json: bool) -> None:
    """List the proposals of an environment, or show one: all that it would do, and to which files.

    Agents propose, and so does `bac plan --propose`; a person reviews with `bac approve` or `bac reject`.
    """
    from billing_as_code import service
    from billing_as_code.render import machine, review

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        if digest is not None:
            found = service.proposal(session, service.meant(session, digest))
            if as_json:
                print_json({**review.proposal_json(found), "plan": machine.plan(found.plan)})
            else:
                _show(session, found)
            return
        everything, tampered = service.proposals(session), service.tampered(session)
    shown = [p for p in everything if whole or p.state in ("open", "approved", "lapsed", "applying")]
    if as_json:
        print_json({"environment": environment.name, "proposals": [review.proposal_json(p) for p in shown]})
    else:
        options.stdout().lines(review.proposals(shown, environment.name))
    for one in tampered:
        click.echo(f"error: the plan of {one[:12]} was changed after it was proposed. It cannot be approved", err=True)
    if tampered:
        ctx.exit(EXIT_ERROR)


def _show(session: Session, found: Proposal) -> None:
    from billing_as_code import service
    from billing_as_code.render import review

    changed = service.files(session, found.plan) if found.state not in ("applied", "partly") else []
    root = session.config.root
    names = {os.path.relpath(f.path, root): f for f in changed}
    options.stdout().lines(review.proposal(found, names))


@click.command(
    short_help="Approve a proposal, after having seen all of it.",
    epilog=options.examples(
        "bac approve 3f2a91bc0d4e",
        "bac approve 3f2a91bc0d4e --env production --key ~/.ssh/id_ed25519_sk",
        "bac approve 3f2a91bc0d4e --expires 2h",
    ),
)
@click.argument("digest", metavar="DIGEST")
@options.env
@_key
@click.option("--expires", default="24h", show_default=True, metavar="TIME", help="How long it counts: 30m, 24h, 7d.")
def approve(digest: str, env: str | None, key: Path | None, expires: str) -> None:
    """Show all of a proposal, ask, and sign it with your ssh key.

    The approval is for these changes, on this target, once, until it expires. It asks on a terminal only; for breaking
    changes the environment's name is to be typed. Who may approve stands where whoever proposes cannot write: see
    BAC_APPROVERS in docs/agents.md.
    """
    from billing_as_code import service

    lasts = _seconds(expires)
    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        _watched("approve")
        with options.reading(environment) as progress:
            found = service.decidable(session, service.meant(session, digest), "approve", progress=progress)
        _show(session, found)
        _confirm(found)
        signed = service.decide(session, found.digest, "approve", key=key, lasts=lasts)
    flag = options.env_flag(config, environment)
    if signed.state == "approved":
        _tell(signed, f"Next: bac apply --approved {found.digest[:12]}{flag}")
    else:
        missing = signed.needed - len(signed.approvals)
        _tell(signed, f"{missing} more must approve it, each for themselves: bac approve {found.digest[:12]}{flag}")


@click.command(
    short_help="Reject a proposal.",
    epilog=options.examples("bac reject 3f2a91bc0d4e --reason 'the price is agreed for this year'"),
)
@click.argument("digest", metavar="DIGEST")
@options.env
@_key
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever proposed it.")
def reject(digest: str, env: str | None, key: Path | None, reason: str) -> None:
    """Show all of a proposal, ask, and sign that it is not to be applied. It takes an approval back as well."""
    from billing_as_code import service

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        _watched("reject")
        found = service.decidable(session, service.meant(session, digest), "reject")
        _show(session, found)
        _ask(f"\nReject {found.digest[:12]}? Type yes to go on: ", "yes")
        signed = service.decide(session, found.digest, "reject", key=key, reason=reason)
    _tell(signed, "It cannot be applied.")


def _watched(verb: str) -> None:
    """Raises Refused where nobody sees what is signed."""
    from billing_as_code.render.terminal import watched

    if not (sys.stdin.isatty() and watched(sys.stdout, os.environ)):
        raise Refused(f"nothing was signed: bac {verb} is for a person at a terminal, and there is none (or CI is set)")


def _confirm(found: Proposal) -> None:
    from billing_as_code.model import Class

    name = found.plan.target.environment
    breaking = sum(c.cls is Class.BREAKING for c in found.plan.changes)
    if breaking:
        changes = "1 change is breaking" if breaking == 1 else f"{breaking:,} changes are breaking"
        _ask(f"\n{changes}. Type the environment's name, {name}, to go on: ", name)
    else:
        _ask(f"\nApprove this for {name}? Type yes to go on: ", "yes")


def _ask(question: str, wanted: str) -> None:
    answer = click.prompt(question, default="", show_default=False, prompt_suffix="")
    if answer.strip() != wanted:
        raise Refused(f"the answer was not {wanted}, so nothing was signed")


def _tell(found: Proposal, following: str) -> None:
    from billing_as_code.render import review
    from billing_as_code.render.lines import visible

    assert found.decision is not None
    decision = found.decision.decision
    until = f", counts once until {review.time(decision.until)}" if decision.until else ""
    done = "Approved" if decision.verdict == "approve" else "Rejected"
    options.stdout().text([f"{done} by {visible(decision.by)} ({found.decision.fingerprint}){until}. {following}"])


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if match is None:
        raise UsageError(f"--expires {text}: write a time such as 30m, 24h or 7d")
    return int(match[1]) * _UNITS[match[2]]


@click.command(
    short_help="Show who proposed, approved and applied what.",
    epilog=options.examples(
        "bac audit",
        "bac audit --json | jq '.entries[] | select(.what == \"applied\")'",
        "bac audit --verify --head 9c1f0e6b2a7d4e58",
    ),
)
@click.option("--verify", is_flag=True, help="Only check the chain. Exit code 1 where it is broken.")
@click.option("--head", metavar="HASH", default="", help="A head that was kept elsewhere, which must be in the chain.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def audit(ctx: click.Context, verify: bool, head: str, as_json: bool) -> None:
    """Show who proposed, approved, rejected and applied what, and when, in every environment.

    Each entry holds the hash of the one before it, so a changed or missing one shows: exit code 1. That the last ones
    are missing shows only against a head that was kept elsewhere (--head, its first 16 digits or more).
    """
    from billing_as_code import service
    from billing_as_code.render import review

    if head and len(head) < 16:
        raise UsageError(f"--head {head}: 16 digits or more are wanted")
    trail = service.read_audit(options.configuration())
    missing = bool(head) and not trail.has(head)
    if as_json:
        print_json(review.trail_json(trail, missing=missing, entries=not verify))
    else:
        out = options.stdout()
        out.lines(review.chain(trail) if verify else review.trail(trail))
        if missing:
            click.echo(f"error: the chain has no entry {head}: entries are missing, or it is another trail", err=True)
    if missing or not trail.whole:
        ctx.exit(EXIT_ERROR)
