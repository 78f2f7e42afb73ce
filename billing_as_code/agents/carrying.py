"""What the tools that propose have in common: from what is asked for to a proposal, and to what a person approved."""

from __future__ import annotations

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.planning import answered, applied, following, outcome, propose
from billing_as_code.agents.tools import SCOPES, Desk, refuse_without
from billing_as_code.errors import Refused, UsageError
from billing_as_code.model import Address, Json
from billing_as_code.service import Proposal, Session
from billing_as_code.standing import Standing

Edit = dict[str, Json]


class Carrying:
    """Proposals of one thing each: made, and carried out once a person approved just that."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def pending(self, session: Session, onto: str | None) -> set[str]:
        """The addresses that the proposal which another one goes onto edits."""
        return {edit.address for edit in service.proposal(session, onto).plan.edits} if onto is not None else set()

    def needed(self, session: Session, address: Address) -> list[Edit]:
        """The edits without which a reference leads nowhere. Raises Failure where there is no such thing."""
        there = self.standing(session, address)
        if there is not None:
            return [] if there.want is not None else [edit(address, {"external": True})]
        for proposal in service.proposals(session):
            if proposal.state == "open" and any(edit.address == str(address) for edit in proposal.plan.edits):
                raise Failure(
                    "reference_pending",
                    f"{address} is only proposed yet.",
                    f"Call again with onto {proposal.digest}: then both are one review.",
                    digest=proposal.digest,
                )
        raise Failure(
            "not_found",
            f"There is no {address}, in the catalog or in OpenMeter.",
            f"list_resources with section {address.kind} shows what there is. To make it, plan_changes with an edit.",
        )

    def standing(self, session: Session, address: Address) -> Standing | None:
        found = service.listing(session, str(address))
        return next((standing for standing in found if standing.address == address), None)

    def carry(self, tool: str, session: Session, edits: list[Edit], onto: str | None, why: str) -> shapes.Applied:
        """Propose edits; carry them out where a person approved just that, or the policy lets it be done at once."""
        proposal = propose(self._desk, session, edits, onto=onto, why=why, alone=True)
        if not proposal.plan.changes:
            return self.nothing(session, "It is so already.", proposal.digest)
        if proposal.state == "approved":
            refuse_without(SCOPES["allow"])
            return applied(self._desk, session, proposal.digest)
        if self._desk.policy.rule(tool) == "allow" and proposal.state == "open":
            return self._at_once(session, proposal)
        raise self._required(session, proposal)

    def _at_once(self, session: Session, proposal: Proposal) -> shapes.Applied:
        try:
            service.check(session, proposal.plan)
        except (Refused, UsageError) as refused:
            raise self._required(session, proposal, f" {refused}") from refused
        for _ in service.apply(session, proposal.plan):
            pass
        return outcome(self._desk, session, proposal.digest)

    def _required(self, session: Session, proposal: Proposal, reason: str = "") -> Failure:
        told = answered(session, proposal, self._desk, limit=10).model_dump(mode="json")
        return Failure(
            "approval_required",
            f"Nothing was changed. It is a proposal now, which a person must approve.{reason}",
            f"{following(proposal)} Or make the same call again, once it is approved.",
            **{name: told.get(name) for name in ("digest", "environment", "severity", "counts", "changes")},
            **{name: told.get(name) for name in ("proposal", "patch", "notes")},
        )

    def nothing(self, session: Session, why: str, digest: str = "") -> shapes.Applied:
        return shapes.Applied(
            status="nothing_to_do",
            digest=digest,
            done=[],
            total_done=0,
            environment=self._desk.environment,
            notes=[why],
        )


def edit(address: Address, spec: dict[str, Json] | None) -> Edit:
    """What a catalog is to say at an address: a whole resource, None to take it out."""
    return {"address": str(address), "spec": spec}
