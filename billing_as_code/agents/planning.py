"""Tools that plan, propose, and apply what a person approved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Annotated, Any

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.depth import check_depth
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import AddressText, Cursor, Digest, Limit, Onto, Why
from billing_as_code.agents.text import Cleaner, lines, message, page, seen
from billing_as_code.agents.tools import SCOPES, Desk, Question, refuse_without
from billing_as_code.errors import BacError, UsageError
from billing_as_code.model import Change, Class, FieldChange, Json
from billing_as_code.plan import Plan, unwritten
from billing_as_code.render import changes, machine, prose, values
from billing_as_code.render.review import stamp
from billing_as_code.service import Proposal, Session

_MOST_LINES = 20
_LONGEST_PATCH = 6_000
_WAITING = ("open", "approved", "lapsed", "applying")


class Planning:
    """From a wish to what is applied: plan, propose, look what waits, apply."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def plan_changes(
        self,
        edits: Annotated[
            list[shapes.Edit] | None,
            Field(
                max_length=100,
                description="Edits of the catalog to be proposed with it. An empty list proposes the catalog as its "
                "files stand; left out, the plan is only looked at.",
            ),
        ] = None,
        onto: Onto = None,
        why: Why = "",
        only: Annotated[
            list[AddressText] | None,
            Field(
                max_length=50,
                description="Without edits: only these resources (or all below them), and what they depend on.",
            ),
        ] = None,
        cursor: Cursor = 0,
        limit: Limit = 25,
    ) -> shapes.PlanAnswer:
        """Plan what an apply would create, update, replace and delete in OpenMeter: of the catalog as its files stand,
        or with edits, which makes a proposal that a person can approve.

        Writes nothing to OpenMeter or to the catalog. The worst changes come first: breaking ones take access or amount
        away from somebody. The same call twice is one proposal. When it is approved, `apply_changes` with its digest
        does it.
        """
        session = self._desk.session()
        if edits is None and onto is None:
            return planned(service.plan(session, only=only or ()), cursor, limit, self._desk)
        if only:
            raise Failure("invalid_arguments", "`only` does not go with edits.", "Leave `only` out, or the edits.")
        asked = [{"address": edit.address, "spec": edit.spec} for edit in edits or ()]
        return answered(session, propose(self._desk, session, asked, onto=onto, why=why), self._desk, cursor, limit)

    def list_proposals(
        self,
        all: Annotated[
            bool, Field(description="Those too that are applied, rejected, expired or part of another.")
        ] = False,
        cursor: Cursor = 0,
        limit: Limit = 25,
    ) -> shapes.ProposalList:
        """List the proposals that wait for a decision or to be applied, the newest first: what each changes, who
        proposed it, and whether it is approved.
        """
        found = [p for p in service.proposals(self._desk.session()) if all or p.state in _WAITING][::-1]
        clean = Cleaner()
        some = page([_row(proposal, clean) for proposal in found], cursor, limit)
        return shapes.ProposalList(
            proposals=some.items,
            total=some.total,
            next_cursor=some.following,
            environment=self._desk.environment,
            notes=some.note("proposals") + clean.notes(),
        )

    def apply_changes(self, digest: Digest) -> shapes.Applied:
        """Apply a proposal that a person approved: exactly the plan that was reviewed, once. Then its edits stand in
        the catalog's files.

        It is refused without an approval (approval_required), after a rejection, when the approval is over or used, and
        when OpenMeter has changed since the review (drifted); then nothing was written. Nobody can approve through
        these tools: ask the user to run `bac approve` with the digest.
        """
        return applied(self._desk, self._desk.session(), digest.removeprefix("sha256:"))

    def question(self, arguments: Mapping[str, Any]) -> Question | None:
        """What a person is asked before a proposal is applied; nothing where it would be refused anyway."""
        digest = arguments["digest"].removeprefix("sha256:")
        try:
            found = service.proposal(self._desk.session(), digest)
        except BacError:
            return None
        if found.state != "approved" or found.decision is None:
            return None
        breaking = sum(change.cls is Class.BREAKING for change in found.plan.changes)
        number = f"{len(found.plan.changes)} change{'s' if len(found.plan.changes) != 1 else ''}"
        told = f"{number}, {breaking} of them breaking" if breaking else f"{number}, none of them breaking"
        by = seen(found.decision.decision.by)
        return Question(f"Apply {digest[:12]} to {self._desk.environment} now? {told}. {by} approved it.", digest)


# -- what other tools use ---------------------------------------------------------------------------------------------


def propose(
    desk: Desk, session: Session, edits: list[dict[str, Json]], *, onto: str | None, why: str, alone: bool = False
) -> Proposal:
    """Keep edits for review. Raises Failure where this server or this caller may not, and what the service raises."""
    if desk.policy.read_only:
        raise Failure("read_only", "This server only reads.", "Tell the user. Only a new start can change it.")
    refuse_without(SCOPES["propose"])
    for edit in edits:
        check_depth(edit["spec"])
    return service.propose(session, edits, onto=onto, alone=alone, why=why)


def applied(desk: Desk, session: Session, digest: str) -> shapes.Applied:
    """Carry out what was approved. Raises Failure where not all of it could be done, and what the service raises."""
    try:
        for _ in service.apply_approved(session, digest):
            pass
    except UsageError as error:
        # it is not the call that is wrong: there are no approvers, or a file cannot be written
        raise Failure("not_possible", str(error), "Tell the user what the message says. No call can help.") from error
    done = outcome(desk, session, digest)
    return done.model_copy(update={"notes": done.notes + _unwritten(session, service.proposal(session, digest).plan)})


def _unwritten(session: Session, plan: Plan) -> list[str]:
    """What a plan does that no file of the catalog says, in sentences."""
    found = ", ".join(lines(unwritten(plan, session.kinds), 5))
    return [f"The catalog's files do not say this, before or after: it is in OpenMeter alone ({found})."] * bool(found)


def outcome(desk: Desk, session: Session, digest: str) -> shapes.Applied:
    """What became of an apply. Raises Failure where not all of it was done."""
    ended, clean = session.outcome, Cleaner()
    done = [clean.text(str(address)) for address in ended.tally.done]
    if not ended.whole:
        failed = [f"{address}: {why}" for address, why in ended.tally.failed.items()]
        failed += [f"{address}: {why}" for address, why in ended.loose]
        failed += [f"{address}: not tried, since what it needs failed" for address in ended.tally.blocked]
        raise Failure(
            "partly_applied",
            f"{len(done)} changes were made, {len(failed)} were not.",
            "Tell the user both. An approval counts once: plan again, and have what is left approved.",
            digest=digest,
            done=done[:_MOST_LINES],
            failed=lines(failed, _MOST_LINES),
        )
    return shapes.Applied(
        status="applied",
        digest=digest,
        done=done[:200],
        total_done=len(done),
        environment=desk.environment,
        notes=clean.notes(),
    )


def answered(session: Session, proposal: Proposal, desk: Desk, cursor: int = 0, limit: int = 25) -> shapes.PlanAnswer:
    """A proposal as an answer: its plan, how it stands, and what it makes of the catalog's files."""
    clean, notes = Cleaner(), list[str]()
    patch = _patch(session, proposal.plan, notes) if proposal.plan.edits else None
    made = planned(proposal.plan, cursor, limit, desk)
    kept = bool(proposal.plan.changes or proposal.plan.edits)
    update: dict[str, Any] = {
        "proposal": shapes.Proposed(**_proposed(proposal, clean)) if kept else None,
        "patch": patch,
        "notes": made.notes + notes + _unwritten(session, proposal.plan) + clean.notes(),
        "next": following(proposal) if kept else made.next,
    }
    return made.model_copy(update=update)


def following(proposal: Proposal) -> str:
    """What is to be done with a proposal, by how it stands."""
    short = proposal.digest[:12]
    whom = "the user"
    if proposal.needed > 1:
        whom = f"{proposal.needed - len(proposal.approvals)} more of {proposal.needed} people"
    return {
        "open": f"Ask {whom} to review it: `bac approve {short}` in a terminal. Then apply_changes with its digest.",
        "approved": "A person approved it: apply_changes with its digest.",
        "lapsed": f"Its approval is over. Ask the user to review it again: `bac approve {short}`.",
        "rejected": "A person rejected it. Read the reason, and propose something else.",
    }.get(proposal.state, f"It is {proposal.state}. Nothing is to be done with it.")


def planned(plan: Plan, cursor: int, limit: int, desk: Desk) -> shapes.PlanAnswer:
    """A plan as an answer: its names, its counts, and a page of its changes."""
    clean = Cleaner()
    ordered = sorted(plan.changes, key=lambda change: -change.cls)
    some = page([_change(change, clean) for change in ordered[cursor : cursor + limit]], 0, limit)
    end = cursor + len(some.items)
    more = end if end < len(ordered) else None
    going_on = f"{cursor + 1} to {end} of {len(ordered):,} changes. The same call with cursor {more} goes on."
    return shapes.PlanAnswer(
        digest=plan.digest,
        intent=plan.intent,
        url=plan.target.url,
        owner=plan.target.owner,
        severity=str(plan.cls) if plan.changes else None,
        counts=shapes.Counts(**machine.plan(plan).get("counts", {})),
        changes=some.items,
        total_changes=len(ordered),
        next_cursor=more,
        held=len(plan.held),
        proposal=None,
        patch=None,
        next="To have it applied, propose it: plan_changes with edits, which may be an empty list."
        if plan.changes
        else "Nothing is to be done: OpenMeter is as the catalog says.",
        environment=desk.environment,
        notes=([going_on] if more is not None else []) + clean.notes(),
    )


# -- parts ------------------------------------------------------------------------------------------------------------


def _change(change: Change, clean: Cleaner) -> shapes.PlannedChange:
    made = changes.made(change.after) if change.action == "create" and change.after is not None else []
    return shapes.PlannedChange(
        address=clean.text(str(change.address)),
        action=change.action,
        severity=str(change.cls),
        fields=[_field(change.address.kind, field, clean) for field in change.fields[:_MOST_LINES]] if not made else [],
        values=[clean.text(text) for text in made[:_MOST_LINES]],
        why=lines(prose.sentences(change), _MOST_LINES),
    )


def _field(kind: str, field: FieldChange, clean: Cleaner) -> shapes.FieldDiff:
    before, after = values.change(kind, field.path, field.before, field.after)
    return shapes.FieldDiff(
        field=clean.text(field.path), before=clean.text(before), after=clean.text(after), severity=str(field.cls)
    )


def _proposed(proposal: Proposal, clean: Cleaner) -> Mapping[str, Json]:
    about, signed = proposal.about, proposal.decision
    return {
        "state": proposal.state,
        "proposed_by": clean.text(about.by),
        "why": clean.text(about.why),
        "waits_until": stamp(about.until),
        "superseded_by": proposal.superseded_by or None,
        "branch": about.branch or None,
        "decided_by": clean.text(signed.decision.by) if signed is not None else None,
        "approvals": len(proposal.approvals),
        "approvals_needed": proposal.needed,
        "reason": clean.text(signed.decision.reason) if signed is not None and signed.decision.reason else None,
    }


def _row(proposal: Proposal, clean: Cleaner) -> shapes.ProposalRow:
    plan = proposal.plan
    return shapes.ProposalRow(
        **_proposed(proposal, clean),
        digest=proposal.digest,
        severity=str(plan.cls),
        changes=len(plan.changes),
        edits=[clean.text(edit.address) for edit in plan.edits[:_MOST_LINES]],
    )


def _patch(session: Session, plan: Plan, notes: list[str]) -> str | None:
    """What the edits make of the files. Where they cannot be made any more, that is a note."""
    try:
        changed = service.files(session, plan)
    except BacError as error:
        notes.append(f"What the catalog's files would become cannot be shown: {message(str(error))}")
        return None
    root = session.config.root
    text = "\n".join(
        seen(line)
        for file in changed
        for line in _diff(os.path.relpath(file.path, root), file.before or "", file.after)
    )
    if len(text) <= _LONGEST_PATCH:
        return text or None
    notes.append(f"The patch was cut: it has {len(text):,} characters. `bac proposals` shows all of it.")
    return text[:_LONGEST_PATCH] + "\n…"


def _diff(name: str, before: str, after: str) -> Iterator[str]:
    return unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
