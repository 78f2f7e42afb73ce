"""People and keys around the review gate.

ada = Approver("ada", folder)
allow(monkeypatch, folder, ada)                     # BAC_APPROVERS names a file with her key
ada.approve(ws, proposal.digest)
events, outcome = apply_approved(ws, proposal.digest)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from workspace import Workspace

from billing_as_code import service
from billing_as_code.errors import GateRefused
from billing_as_code.gate import decisions, keys
from billing_as_code.gate.approvers import NAMESPACE
from billing_as_code.gate.decisions import Decision
from billing_as_code.model import Event
from billing_as_code.service import Outcome, Proposal


class Approver:
    """Somebody with an ssh key in a file."""

    def __init__(self, name: str, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.name, self.file = name, folder / f"{name}.key"
        key = Ed25519PrivateKey.generate()
        self.file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        self.public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def line(self, options: str = "") -> str:
        """Its line in a list of approvers."""
        return f"{self.name}{f' {options}' if options else ''} {self.public}\n"

    def approve(self, ws: Workspace, digest: str, **options: Any) -> Proposal:
        """Sign that it may be applied."""
        with ws.session() as session:
            return service.decide(session, digest, "approve", key=self.file, **options)

    def reject(self, ws: Workspace, digest: str, reason: str = "") -> Proposal:
        """Sign that it may not."""
        with ws.session() as session:
            return service.decide(session, digest, "reject", key=self.file, reason=reason)


def allow(monkeypatch: pytest.MonkeyPatch, folder: Path, *people: Approver) -> Path:
    """Write the list of approvers, and name it."""
    file = folder / "approvers"
    file.write_text("".join(person.line() for person in people))
    monkeypatch.setenv("BAC_APPROVERS", str(file))
    return file


def propose(ws: Workspace, edits: Sequence[Mapping[str, Any]] = (), **options: Any) -> Proposal:
    """Propose as an agent does."""
    with ws.session() as session:
        session.who = "agent"
        return service.propose(session, edits, **options)


def apply_approved(ws: Workspace, digest: str) -> tuple[list[Event], Outcome]:
    """Apply a proposal as an agent does: its digest and nothing else."""
    with ws.session() as session:
        session.who = "agent"
        return list(service.apply_approved(session, digest)), session.outcome


def refused(ws: Workspace, digest: str) -> GateRefused:
    """The refusal that an apply meets, with nothing written."""
    ws.forget()
    with pytest.raises(GateRefused) as caught:
        apply_approved(ws, digest)
    assert ws.writes() == []
    return caught.value


def smuggled(ws: Workspace, digest: str, signer: Approver, name: str) -> Proposal:
    """The proposal, with an approval among its decisions that somebody signed by hand, under a name of theirs."""
    with ws.session() as session:
        found, at = service.proposal(session, digest), session.seconds
        decision = Decision(digest, found.plan.target, "approve", name, at, at + 3600)
        text = decisions.dump(decision, keys.sign(signer.file, decision.message(), NAMESPACE))
        session.proposals.decide(text, digest)
        return service.proposal(session, digest)
