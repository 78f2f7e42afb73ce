"""Whether a proposal may be applied, and if not, why and what would help."""

from __future__ import annotations

from collections.abc import Sequence

from billing_as_code.errors import GateRefused
from billing_as_code.gate.decisions import Signed
from billing_as_code.gate.proposals import Proposal


def approved(proposal: Proposal) -> tuple[Signed, ...]:
    """The approvals that let a proposal through. Raises GateRefused with why there are none, or too few."""
    short, digest = proposal.digest[:12], proposal.digest
    match proposal.state:
        case "approved":
            return proposal.approvals
        case "applying" | "applied" | "partly":
            raise GateRefused(
                "already_applied",
                f"the approval of {short} is used",
                "An approval counts once. Propose what is left anew",
                digest,
            )
        case "superseded":
            raise GateRefused(
                "approval_required",
                f"the proposal {short} is part of {proposal.superseded_by[:12]} now",
                f"Ask a person to review that one: bac approve {proposal.superseded_by[:12]}",
                digest,
            )
        case "rejected":
            assert proposal.decision is not None
            decision = proposal.decision.decision
            reason = f": {decision.reason}" if decision.reason else ""
            raise GateRefused(
                "approval_rejected",
                f"{decision.by} rejected {short}{reason}",
                "Propose something else",
                digest,
            )
        case "lapsed":
            raise GateRefused(
                "approval_expired",
                f"the approval of {short} is no longer valid",
                f"Ask a person to review it again: bac approve {short}",
                digest,
            )
        case "expired":
            raise GateRefused(
                "approval_expired", f"nobody decided on {short} in time", "Propose again, and have it reviewed", digest
            )
    if proposal.approvals:
        names = " and ".join(signed.decision.by for signed in proposal.approvals)
        raise GateRefused(
            "approval_required",
            f"{len(proposal.approvals)} of {proposal.needed} people have approved {short}, {names}"
            f"{_why(proposal.ignored)}",
            f"Ask another person to review it: bac approve {short}",
            digest,
        )
    raise GateRefused(
        "approval_required",
        f"nobody has approved {short}{_why(proposal.ignored)}",
        f"Ask a person to review it: bac approve {short}",
        digest,
    )


def _why(ignored: Sequence[str]) -> str:
    return f" (there is a decision that does not count: it {ignored[0]})" if ignored else ""
