"""What an apply does besides sending requests: it uses an approval, writes the plan's edits, and leaves a trail."""

from __future__ import annotations

import os
from collections.abc import Mapping

from billing_as_code.errors import GateRefused, UsageError
from billing_as_code.gate import approvers as approver_lists
from billing_as_code.gate.approvers import Approvers
from billing_as_code.gate.passage import approved
from billing_as_code.gate.proposals import Proposal
from billing_as_code.model import Class, Json
from billing_as_code.plan import Plan
from billing_as_code.service.declaring import declare, save
from billing_as_code.service.session import Outcome, Session


class Use:
    """One use of a plan. In order: `rehearse`, `begin` before the first write, `end` while the run is still open.

    With `by_approval` it must be a proposal that is approved, and the approval is used. A run that died is resumed with
    the same use: `begin` finds what the first one left, and `end` does what is not done yet.
    """

    def __init__(self, session: Session, plan: Plan, *, by_approval: bool = False) -> None:
        self._session, self._plan = session, plan
        self._proposal = _proposal(session, plan)
        self._by_approval = by_approval

    @classmethod
    def resumed(cls, session: Session, plan: Plan) -> Use:
        """That of a run that died."""
        use = cls(session, plan)
        use._by_approval = use._proposal is not None and use._proposal.state in ("approved", "applying")
        return use

    def rehearse(self) -> None:
        """Raises where the apply must not begin: GateRefused where no approval counts (any more), or where the catalog
        cannot take the edits; CatalogError and PlanError likewise."""
        if self._by_approval:
            check_approved(self._session, self._plan)
        declare(self._session, self._plan)

    def begin(self) -> None:
        """Use the approval. Raises GateRefused where another apply has."""
        session, digest, facts = self._session, self._plan.digest, self._facts()
        is_first = self._proposal is None or self._proposal.state != "applying"
        claim = {"at": session.seconds, "who": session.who, **facts}
        if self._by_approval and is_first and not session.proposals.claim(digest, claim):
            raise GateRefused(
                "already_applied", f"the approval of {digest[:12]} is used", "An approval counts once", digest
            )
        session.note("began" if is_first else "resumed", digest=digest, **facts)

    def end(self, outcome: Outcome, how: str) -> None:
        """What was approved stands in the catalog's files from now on, also where OpenMeter refused a part of it: the
        next plan shows that part."""
        session, digest, tally = self._session, self._plan.digest, outcome.tally
        if self._plan.edits:
            save(session, declare(session, self._plan))
        if self._proposal is not None:
            session.proposals.end(digest, {"at": session.seconds, "whole": how == "done"})
        numbers = {"done": len(tally.done), "failed": len(tally.failed), "blocked": len(tally.blocked)}
        session.note("applied", digest=digest, how=how, not_as_declared=len(outcome.loose), **numbers)

    def _facts(self) -> Mapping[str, Json]:
        plan, proposal = self._plan, self._proposal
        facts: dict[str, Json] = {
            "intent": plan.intent,
            "changes": len(plan.changes),
            "breaking": sum(c.cls is Class.BREAKING for c in plan.changes),
            "edits": len(plan.edits),
        }
        if self._by_approval and proposal is not None and proposal.approvals:
            names = ", ".join(signed.decision.by for signed in proposal.approvals)
            facts |= {"approved_by": names, "key": ", ".join(signed.fingerprint for signed in proposal.approvals)}
        return facts


def _proposal(session: Session, plan: Plan) -> Proposal | None:
    """The proposal that a plan is, None where it is none."""
    if plan.digest not in session.proposals.digests():
        return None
    return session.proposals.get(plan.digest, known_approvers(session))


def check_approved(session: Session, plan: Plan) -> None:
    """Raises GateRefused where a plan is no proposal with an approval that counts, UsageError where nobody's does."""
    if plan.digest in session.proposals.digests():
        approved(session.proposals.get(plan.digest, approvers(session)))
        return
    flag = f" --env {plan.target.environment}"
    raise GateRefused(
        "approval_required",
        f"{session.environment.name} applies reviewed plans only (require_approval)",
        f"Give the reviewed plan's intent: --expect-intent {plan.intent[:12]}. "
        f"Or have the plan approved here: bac plan --propose{flag}, and then bac approve",
        plan.digest,
    )


def note_given_up(session: Session, digest: str) -> None:
    """The apply of a plan was given up: where that used an approval, it stays used."""
    if digest in session.proposals.digests():
        session.proposals.end(digest, {"at": session.seconds, "whole": False})
    session.note("abandoned", digest=digest)


def known_approvers(session: Session) -> Approvers | None:
    """Whose signatures count; None where nobody's does, and no decision with it."""
    try:
        return approvers(session)
    except UsageError:
        return None


def approvers(session: Session) -> Approvers:
    """Whose signatures count. Raises UsageError where there are none."""
    return approver_lists.find(session.config.root, os.environ)
