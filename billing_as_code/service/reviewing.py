"""The review gate, for commands and agents' tools alike: propose, decide, apply what was approved, look back.

    proposal = propose(session, [{"address": "customers.acme", "spec": {"name": "ACME"}}], why="asked for by sales")
    proposal = propose(session, [...], onto=proposal.digest)     # one review for both
    files(session, proposal.plan)                                # what the catalog's files would become
    decide(session, proposal.digest, "approve", key=Path("~/.ssh/id_ed25519"), lasts=86400)   # people only
    for event in apply_approved(session, proposal.digest): ...   # the digest, and nothing else
    proposals(session), proposal(session, digest), read_audit(session.config)

`session.who` is a label for the trail. Whatever the gate refuses is a `GateRefused` with a `code`: approval_required,
approval_rejected, approval_expired, plan_unknown, plan_tampered, drifted, already_applied, wrong_target, read_only.
A digest is 64 hexadecimal digits, with or without `sha256:` in front.

No function here approves without a key of an approver, and an agent's tools never call `decide`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from billing_as_code.config import Config
from billing_as_code.errors import CatalogError, GateRefused, PlanError, Refused, StalePlan, UsageError
from billing_as_code.gate import decisions, keys, quorum
from billing_as_code.gate.approvers import NAMESPACE, Approvers
from billing_as_code.gate.audit import Trail
from billing_as_code.gate.decisions import Decision, Verdict
from billing_as_code.gate.passage import approved
from billing_as_code.gate.proposals import Proposal
from billing_as_code.live import Progress
from billing_as_code.model import Event, Json
from billing_as_code.plan import Plan
from billing_as_code.service.applying import apply
from billing_as_code.service.declaring import asked_of
from billing_as_code.service.planning import plan as make_plan
from billing_as_code.service.proposing import MOST_WHY, planned, proposal, same_target
from billing_as_code.service.session import Session, audit_of
from billing_as_code.service.using import approvers

LONGEST = 30 * 24 * 3600
"""Seconds that an approval may last."""


# -- decide ----------------------------------------------------------------------------------------


def decide(
    session: Session,
    digest: str,
    verdict: Verdict,
    *,
    key: Path | None = None,
    lasts: int = 24 * 3600,
    reason: str = "",
) -> Proposal:
    """Sign a decision on a proposal with an approver's key, and keep it. For people: nothing that an agent reaches
    calls this.

    `lasts` is for how many seconds an approval counts. Raises GateRefused where the proposal is not there to be decided
    on, Refused where the key is no approver's, UsageError where it cannot be used.
    """
    found = decidable(session, digest, verdict)
    file = keys.chosen(key, os.environ)
    public, known = keys.public_key(file), approvers(session)
    approver = known.with_key(public)
    if approver is None or not approver.counts_at(session.seconds):
        raise Refused(f"the key {file} ({public.fingerprint}) is no approver's by {known.source}")
    if verdict == "approve":
        _check_person(session, found, approver.name, known)
    if not 0 < lasts <= LONGEST:
        raise UsageError(f"an approval lasts for up to {LONGEST // 86400} days")
    until = session.seconds + lasts if verdict == "approve" else 0
    decision = Decision(
        found.digest, found.plan.target, verdict, approver.name, session.seconds, until, reason[:MOST_WHY]
    )
    text = decisions.dump(decision, keys.sign(file, decision.message(), NAMESPACE))
    decisions.verified(text, found.digest, found.plan.target, known, session.seconds)
    session.proposals.decide(text, found.digest)
    decided = session.proposals.get(found.digest, known)
    what = "approved" if verdict == "approve" else "rejected"
    said: dict[str, Json] = {}
    if until:
        said["until"] = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said |= {"counts": f"{len(decided.approvals)} of {decided.needed}"} if decided.needed > 1 else {}
    session.note(what, digest=found.digest, approver=approver.name, key=public.fingerprint, **said)
    return decided


def _check_person(session: Session, found: Proposal, name: str, known: Approvers) -> None:
    """Raises Refused where an approval of this person would add nothing."""
    person = known.person(name)
    proposed = quorum.proposers((found.about.by, *found.about.also_by))
    if not session.environment.self_approval and quorum.is_one_of(person, proposed):
        raise Refused(
            f"{name} proposed {found.digest[:12]}, or part of it, and {session.environment.name} wants it approved by "
            "others (self_approval: false). Ask another approver"
        )
    if any(known.person(signed.decision.by) == person for signed in found.approvals):
        raise Refused(
            f"{name} has approved {found.digest[:12]} already, and {found.needed} people must, each for themselves. "
            "Ask another approver"
        )


def decidable(
    session: Session, digest: str, verdict: Verdict, *, progress: Progress = lambda done, known: None
) -> Proposal:
    """The proposal, where it can be decided on. One that is to be approved is planned once more: what is signed is
    what bac itself would do now, request by request, and not only what somebody has put among the proposals.

    Raises GateRefused.
    """
    found = proposal(session, digest)
    same_target(session, found.plan)
    if found.state == "approved" and verdict == "approve":
        raise GateRefused("approval_required", f"{found.digest[:12]} is approved already", "Apply it", found.digest)
    if found.state not in ("open", "lapsed", "rejected", "approved"):
        approved(found)
    if verdict == "approve":
        _check_planned(session, found, progress)
    return found


def _check_planned(session: Session, found: Proposal, progress: Progress) -> None:
    plan, about = found.plan, found.about
    try:
        how: dict[str, Any] = {"replaced": about.replaced, "gap": about.gap, "progress": progress}
        if plan.since is not None:
            again = make_plan(session, since=plan.since.ref, **how)
        else:
            again = planned(session, asked_of(plan), plan.scope, **how)
        is_same = replace(again, onto=plan.onto).digest == plan.digest
    except (CatalogError, PlanError, UsageError, ValueError):
        is_same = False
    if not is_same:
        raise GateRefused(
            "drifted",
            f"{plan.digest[:12]} is not what bac plans now: OpenMeter or the catalog has changed since it was "
            "proposed, or it was not bac that made it",
            "Propose again",
            plan.digest,
        )


# -- apply -----------------------------------------------------------------------------------------


def apply_approved(session: Session, digest: str, *, progress: Progress = lambda done, known: None) -> Iterator[Event]:
    """Carry out a proposal that an approver signed: for this target, in time, once, from the state that was reviewed.

    Then its edits stand in the catalog's files. What became of it is in `session.outcome`. Raises GateRefused, with
    nothing written, and what `apply` raises. Where the process dies, `resume` finishes it as the same use.
    """
    try:
        found = proposal(session, digest)
        same_target(session, found.plan)
        if session.environment.propose == "git":
            raise GateRefused(
                "read_only",
                f"{session.environment.name} is changed by what is merged, and not from here (propose: git)",
                f"Open a pull request of {found.about.branch or 'the change'}",
                found.digest,
            )
        _refuse_unfinished(session)
        approvers(session)
        approved(found)
        yield from _applied(session, found.plan, progress)
    except GateRefused as refused:
        session.note("refused", digest=refused.digest, code=refused.code)
        raise


def _refuse_unfinished(session: Session) -> None:
    """Raises RunUnfinished where an apply on this target died, RunUnderway where it only has not ended yet."""
    runs, url = session.runs, session.target.url
    if runs.unfinished(url) is not None:
        with runs.lock(url):
            runs.refuse_unfinished(url)


def _applied(session: Session, plan: Plan, progress: Progress) -> Iterator[Event]:
    def drifted(what: str) -> GateRefused:
        return GateRefused("drifted", f"nothing was written, since {what}", "Propose again", plan.digest)

    try:
        yield from apply(session, plan, by_approval=True, progress=progress)
    except StalePlan as stale:
        changed = "; ".join(f"{address} {how}" for address, how in stale.differences[:5])
        raise drifted(f"OpenMeter has changed since it was reviewed: {changed}") from stale
    except (CatalogError, PlanError) as wrong:
        raise drifted(f"the catalog cannot take its edits any more: {wrong}") from wrong


# -- look back -------------------------------------------------------------------------------------


def read_audit(config: Config) -> Trail:
    """The trail of who did what, in every environment, and whether its chain is whole."""
    return audit_of(config).read()
