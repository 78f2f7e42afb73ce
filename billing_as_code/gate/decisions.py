"""What an approver signs, and whether a signature counts.

Signed are the domain tag and the canonical JSON of a decision: the plan's digest, its target, what was decided, by
whom, when, and until when it counts. A decision moved to another plan, target, name or time does not verify.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from billing_as_code.gate import sshsig
from billing_as_code.gate.approvers import NAMESPACE, Approvers
from billing_as_code.gate.sshsig import BadSignature
from billing_as_code.model import canonical_json
from billing_as_code.plan import Target

Verdict = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One approver's word on one plan. `at` and `until` are seconds since 1970; a rejection has no `until` (0)."""

    digest: str
    target: Target
    verdict: Verdict
    by: str
    at: int
    until: int = 0
    reason: str = ""

    def message(self) -> bytes:
        """What is signed."""
        return f"{NAMESPACE}\0{canonical_json(asdict(self))}".encode()


@dataclass(frozen=True, slots=True)
class Signed:
    """A decision whose signature was checked, and the fingerprint of the key."""

    decision: Decision
    fingerprint: str


def dump(decision: Decision, signature: str) -> str:
    """The text of a signed decision."""
    return canonical_json({**asdict(decision), "signature": signature}) + "\n"


def verified(text: str, digest: str, target: Target, approvers: Approvers, now: int) -> Signed:
    """The decision on a plan for a target. Raises BadSignature with why it does not count.

    The key must count now as well as when it says that it signed, which nobody but its owner can know.
    """
    decision, signature = _load(text)
    if decision.digest != digest or decision.target != target:
        raise BadSignature("is about another plan or another target")
    key = sshsig.key_of(signature)
    approver = approvers.of(decision.by, key)
    if approver is None:
        raise BadSignature("is signed with a key that is no approver's")
    if not (approver.counts_at(decision.at) and approver.counts_at(now)):
        raise BadSignature(f"is signed with a key that does not count at that time ({decision.by})")
    sshsig.verify(signature, decision.message(), NAMESPACE, key)
    return Signed(decision, key.fingerprint)


def _load(text: str) -> tuple[Decision, str]:
    try:
        data = json.loads(text)
        signature = data.pop("signature")
        decision = Decision(**{**data, "target": Target(**data["target"])})
        texts = (decision.digest, decision.by, decision.reason, signature, *asdict(decision.target).values())
        whole = all(type(n) is int for n in (decision.at, decision.until)) and all(type(t) is str for t in texts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadSignature("is no decision") from error
    if not whole or decision.verdict not in ("approve", "reject"):
        raise BadSignature("is no decision")
    return decision, signature
