"""What can be seen of the review gate: who may approve, where that is written, whose keys lie open, and the trail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from billing_as_code.config import AgentPolicy, Environment
from billing_as_code.doctor.findings import Finding, found

_MOST = 5


@dataclass(frozen=True, slots=True)
class Gate:
    """The facts. `people` is how many may approve, None where no list can be used: then `trouble` says why, or
    `missing` that there is none. `open_list` and `open_key` name what others than its owner can write, or read, and
    `key_inside` a key within the project. `broken` are lines of the trail, and `tampered` proposals, that are not what
    they were."""

    people: int | None = None
    source: str = ""
    trouble: str = ""
    missing: bool = False
    open_list: str = ""
    open_key: str = ""
    key_inside: str = ""
    proposals: int = 0
    tampered: tuple[str, ...] = ()
    entries: int = 0
    broken: tuple[tuple[int, str], ...] = ()
    unreadable: str = ""


def gate(seen: Gate, environment: Environment) -> Iterator[Finding]:
    """Of a gate that nobody uses, only what is wrong in itself."""
    yield from _trail(seen)
    if seen.open_key:
        yield found("key_readable", path=seen.open_key)
    if seen.key_inside:
        yield found("key_inside", path=seen.key_inside)
    if seen.open_list:
        yield found("approvers_writable", path=seen.open_list)
    asks = environment.approvals > 1 or not environment.self_approval
    if asks and not environment.require_approval:
        yield found("approvals_not_required", environment=environment.name)
    used = asks or environment.require_approval or environment.agents != AgentPolicy() or seen.proposals > 0
    if used and seen.entries and not seen.broken:
        yield found("trail_ok", entries=f"{seen.entries:,}")
    yield from _approvers(seen, environment, used=used)


def _approvers(seen: Gate, environment: Environment, *, used: bool) -> Iterator[Finding]:
    if seen.people is None:
        if not seen.missing:
            said, _, right = seen.trouble.partition(". ")
            yield found("approvers_unusable", said=said, right=right or "correct it")
        elif environment.require_approval:
            yield found("no_approvers", environment=environment.name)
        elif used and not environment.agents.read_only:
            yield found("no_approvers_for_agents", environment=environment.name)
    elif seen.people < environment.approvals:
        yield found("too_few_approvers", people=seen.people, needed=environment.approvals, source=seen.source)
    elif used:
        yield found("gate_ok", people=seen.people, source=seen.source)


def _trail(seen: Gate) -> Iterator[Finding]:
    if seen.unreadable:
        yield found("trail_unreadable", said=seen.unreadable)
    if seen.broken:
        number, why = seen.broken[0]
        yield found("trail_broken", line=f"{number:,}", why=why, count=f"{len(seen.broken):,}")
    for digest in seen.tampered[:_MOST]:
        yield found("proposal_tampered", digest=digest[:12])
