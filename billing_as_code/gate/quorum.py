"""How many people must approve, and whose approvals count together. Pure.

A person is whoever the lines of an approvers' file give one name or one key: with two keys, or under two names, it is
still one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from billing_as_code.gate.approvers import Approvers
from billing_as_code.gate.decisions import Signed

_AGENTS = ("agent of ", "agent ")


@dataclass(frozen=True, slots=True)
class Quorum:
    """What an environment asks for: so many people, and whether whoever proposed may be one of them."""

    people: int = 1
    self_approval: bool = True


@dataclass(frozen=True, slots=True)
class Tally:
    """Where the decisions on a proposal stand. `newest` is the last one; `approvals` are those that count together, one
    for each person, the oldest first; `over` says that there is one whose time is over; `ignored` why others do not
    count."""

    newest: Signed | None = None
    approvals: tuple[Signed, ...] = ()
    over: bool = False
    ignored: tuple[str, ...] = ()


def tally(
    decisions: Iterable[Signed], approvers: Approvers, proposers: Collection[str], now: int, quorum: Quorum
) -> Tally:
    """What verified decisions come to. A rejection takes back every approval before it; of two in one second the
    rejection holds."""
    ordered = sorted(decisions, key=lambda s: (s.decision.at, s.decision.verdict == "reject", s.decision.by))
    last = max((n for n, s in enumerate(ordered) if s.decision.verdict == "reject"), default=-1)
    found: list[Signed] = []
    people: list[frozenset[str]] = []
    ignored: list[str] = []
    over = False
    for signed in reversed(ordered[last + 1 :]):
        person = approvers.person(signed.decision.by)
        if not quorum.self_approval and is_one_of(person, proposers):
            ignored.append(f"is by {signed.decision.by}, who proposed it")
        elif signed.decision.until <= now:
            over = True
        elif not any(person & other for other in people):
            found.append(signed)
            people.append(person)
    return Tally(ordered[-1] if ordered else None, tuple(reversed(found)), over, tuple(ignored))


def proposers(labels: Sequence[str]) -> frozenset[str]:
    """The names in labels of who proposed: an agent's is that of whoever runs it, or of its token."""
    return frozenset(_name(label) for label in labels if label)


def _name(label: str) -> str:
    for prefix in _AGENTS:
        if label.startswith(prefix):
            return label.removeprefix(prefix).strip().casefold()
    return label.strip().casefold()


def is_one_of(person: Collection[str], names: Collection[str]) -> bool:
    """Whether a person goes by one of some names; `ada` and `ada@example.com` are one."""
    return any(_same(known, name) for known in person for name in names)


def _same(one: str, other: str) -> bool:
    if "@" in one and "@" in other:
        return one == other
    return one.partition("@")[0] == other.partition("@")[0]
