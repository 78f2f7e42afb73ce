"""Proposals: plans that wait for a decision, named by their digest, and how each stands.

Of a digest the store may hold

* `<digest>`             the plan's own text: what is reviewed, approved and applied, hashed again whenever it is read
* `<digest>.about`       who proposed it, why and until when: beside the plan, never in it
* `<digest>.superseded`  the digest of the proposal that has taken it in
* `<digest>.decision-*`  signed decisions; the newest that counts holds
* `<digest>.claim`       made before the first write: its approval is used
* `<digest>.end`         how its apply ended
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from billing_as_code import plan as plans
from billing_as_code.errors import GateRefused, Refused, UsageError
from billing_as_code.gate import decisions, quorum
from billing_as_code.gate.approvers import Approvers
from billing_as_code.gate.decisions import Signed
from billing_as_code.gate.quorum import Quorum, Tally
from billing_as_code.gate.sshsig import BadSignature
from billing_as_code.gate.store import Store
from billing_as_code.model import Json, canonical_json
from billing_as_code.plan import Plan

LIFE = 7 * 24 * 3600
"""Seconds that a proposal waits for a decision."""
MOST_OPEN = 50
MOST_KEPT = 1_000
"""So many within their life, those included that others have taken in: a flood is refused."""
State = Literal["open", "approved", "rejected", "lapsed", "expired", "superseded", "applying", "applied", "partly"]
"""`lapsed`: its approval is no longer valid; `expired`: nobody decided in time; `partly`: applied, and not wholly."""
CLOSED = ("rejected", "expired", "superseded", "applied", "partly")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a proposal besides its plan. `at` and `until` are seconds since 1970. `why` is the proposer's
    own text, and no more than that. `replaced` and `gap` are what the plan was made with."""

    by: str
    why: str
    at: int
    until: int
    branch: str = ""
    replaced: tuple[str, ...] = ()
    gap: bool = False
    also_by: tuple[str, ...] = ()
    """Who proposed what it holds of others."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with how it stands. `decision` is the newest one that counts; `ignored` says why others do not.
    `approvals` are those that count together, each of another person, and `needed` is how many there must be.

    `onto` of the plan may name one that this has taken in; `superseded_by` is the one that has taken this in.
    """

    plan: Plan
    about: About
    state: State
    decision: Signed | None = None
    ignored: tuple[str, ...] = ()
    superseded_by: str = ""
    approvals: tuple[Signed, ...] = ()
    needed: int = 1

    @property
    def digest(self) -> str:
        return self.plan.digest


class Proposals:
    """The proposals in a store, at a time (seconds since 1970), as an environment's quorum lets them stand."""

    def __init__(self, store: Store, now: int, quorum: Quorum | None = None) -> None:
        self._store, self._now, self._quorum = store, now, quorum or Quorum()

    # -- reading -----------------------------------------------------------------------------------

    def plan(self, digest: str) -> Plan:
        """The plan of a proposal. Raises GateRefused where there is none, or where it is not the one it was."""
        text = self._store.get(digest)
        if text is None:
            raise GateRefused(
                "plan_unknown", f"there is no proposal {digest[:12]}", "Propose again; bac proposals lists them", digest
            )
        if hashlib.sha256(text.removesuffix("\n").encode()).hexdigest() != digest:
            raise _tampered(digest)
        try:
            found = plans.load(text)
        except UsageError as error:
            raise _tampered(digest) from error
        if found.digest != digest:
            raise _tampered(digest)
        return found

    def get(self, digest: str, approvers: Approvers | None) -> Proposal:
        """A proposal and how it stands; without `approvers` no decision counts. Raises GateRefused."""
        return self._get(digest, approvers, self._store.names())

    def _get(self, digest: str, approvers: Approvers | None, names: Sequence[str]) -> Proposal:
        plan, about = self.plan(digest), self._about(digest)
        of_it = [name for name in names if name.startswith(f"{digest}.decision-")]
        tally = self._decided(plan, about, approvers, of_it)
        superseded = str(self._document(digest, "superseded").get("by", ""))
        needed = self._quorum.people
        found = Proposal(plan, about, "open", tally.newest, tally.ignored, superseded, tally.approvals, needed)
        return replace(found, state=self._state(found, over=tally.over))

    def all(self, approvers: Approvers | None) -> list[Proposal]:
        """Every proposal, oldest first; those whose plan is not what it was are left out."""
        found = []
        names = self._store.names()
        for digest in [name for name in names if len(name) == 64]:
            try:
                found.append(self._get(digest, approvers, names))
            except GateRefused:
                continue
        return sorted(found, key=lambda p: (p.about.at, p.digest))

    def tampered(self) -> list[str]:
        """Digests of proposals whose plan is not what it was."""
        found = []
        for digest in self.digests():
            try:
                self.plan(digest)
            except GateRefused:
                found.append(digest)
        return found

    def digests(self) -> list[str]:
        """The digests of all proposals."""
        return [name for name in self._store.names() if "." not in name]

    def meant(self, text: str) -> str:
        """The digest that a person means by its beginning. Raises UsageError where it is none or not clear."""
        wanted = text.strip().lower().removeprefix("sha256:")
        found = [d for d in self.digests() if d.startswith(wanted)] if len(wanted) >= 8 else []
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{text} is the beginning of {len(found)} proposals: write more of the digest")
        raise UsageError(
            f"{text}: there is no such proposal (bac proposals lists them; 8 characters or more are asked)"
        )

    def is_claimed(self, digest: str) -> bool:
        """Whether an apply of it has begun, however it ended."""
        return self._store.get(f"{digest}.claim") is not None

    def has_ended(self, digest: str) -> bool:
        """Whether an apply of it has come to its end."""
        return self._store.get(f"{digest}.end") is not None

    # -- writing -----------------------------------------------------------------------------------

    def add(self, plan: Plan, about: About) -> None:
        """Keep a proposal; one that is there already stays as it is, unless nobody decided on it in time.

        Raises Refused where too many are open.
        """
        self._tidy()
        if (text := self._store.get(plan.digest)) is not None:
            if text != plan.dump():  # it was changed by hand; what a decision is about is the digest
                self._store.drop(plan.digest)
                self._store.put(plan.digest, plan.dump())
            return
        undecided = self._undecided(self._store.names())
        waiting = [d for d in undecided if d != plan.onto and not self._document(d, "superseded")]
        if len(waiting) >= MOST_OPEN or len(undecided) >= MOST_KEPT:
            raise Refused(f"{len(waiting)} proposals are open already. Decide on some of them first: bac proposals")
        self._put(plan.digest, "about", asdict(about))
        self._store.put(plan.digest, plan.dump())
        if plan.onto and not self.is_claimed(plan.onto):
            self._put(plan.onto, "superseded", {"by": plan.digest})

    def decide(self, text: str, digest: str) -> None:
        """Keep a signed decision."""
        self._store.put(f"{digest}.decision-{hashlib.sha256(text.encode()).hexdigest()[:16]}", text)

    def claim(self, digest: str, about: Mapping[str, Json]) -> bool:
        """Use an approval, before anything is written; False where it is used."""
        return self._put(digest, "claim", about)

    def end(self, digest: str, how: Mapping[str, Json]) -> bool:
        """Note how an apply ended; False where that is known."""
        return self._put(digest, "end", how)

    def _tidy(self) -> None:
        """Forget what nobody decided on in time; the audit trail remembers it."""
        names = self._store.names()
        late = {digest for digest in self._undecided(names) if self._about(digest).until <= self._now}
        for name in names:
            if name[:64] in late:
                self._store.drop(name)

    def _undecided(self, names: Sequence[str]) -> list[str]:
        """The digests that nobody has decided on and nobody has applied."""
        decided = {name[:64] for name in names if name[65:].startswith(("claim", "decision", "end"))}
        return [name for name in names if len(name) == 64 and name not in decided]

    # -- how it stands -----------------------------------------------------------------------------

    def _state(self, proposal: Proposal, *, over: bool) -> State:
        digest = proposal.digest
        if end := self._document(digest, "end"):
            return "applied" if end.get("whole") is True else "partly"
        if self.is_claimed(digest):
            return "applying"
        if proposal.superseded_by:
            return "superseded"
        if proposal.decision is not None and proposal.decision.decision.verdict == "reject":
            return "rejected"
        if len(proposal.approvals) >= proposal.needed:
            return "approved"
        if over and not proposal.approvals:
            return "lapsed"
        return "expired" if proposal.about.until <= self._now else "open"

    def _decided(self, plan: Plan, about: About, approvers: Approvers | None, names: Sequence[str]) -> Tally:
        if approvers is None:
            return Tally()
        ignored: list[str] = []
        counted: list[Signed] = []
        for text in filter(None, map(self._store.get, names)):
            try:
                counted.append(decisions.verified(text, plan.digest, plan.target, approvers, self._now))
            except BadSignature as error:
                ignored.append(str(error))
        by = quorum.proposers((about.by, *about.also_by))
        found = quorum.tally(counted, approvers, by, self._now, self._quorum)
        return replace(found, ignored=(*ignored, *found.ignored))

    def _about(self, digest: str) -> About:
        data = self._document(digest, "about")
        times = [n if type(n) is int else 0 for n in (data.get("at"), data.get("until"))]
        by, why, branch = (str(data.get(name, "")) for name in ("by", "why", "branch"))
        replaced, also = (
            tuple(map(str, value)) if isinstance(value := data.get(name), list) else ()
            for name in ("replaced", "also_by")
        )
        return About(by, why, times[0], times[1], branch, replaced, data.get("gap") is True, also)

    def _document(self, digest: str, part: str) -> Mapping[str, Any]:
        """A document of ours as a map, an empty one where it is none."""
        text = self._store.get(f"{digest}.{part}")
        try:
            data = json.loads(text) if text is not None else {}
        except (ValueError, RecursionError):
            return {"unreadable": True}
        return data if isinstance(data, dict) else {"unreadable": True}

    def _put(self, digest: str, part: str, data: Mapping[str, Json]) -> bool:
        return self._store.put(f"{digest}.{part}", canonical_json(data) + "\n")


def _tampered(digest: str) -> GateRefused:
    return GateRefused(
        "plan_tampered",
        f"the proposal {digest[:12]} is not what it was: its plan was changed after it was made",
        "Propose again, and find out who changed it",
        digest,
    )
