"""What must be done before what. Pure.

Every change is one node, or two where it has something to `prepare`. The edges come from what resources refer to,
before and after; the executor runs whatever has nothing left to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from billing_as_code.cascade import references
from billing_as_code.errors import PlanError
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address, Change

PREPARE, MAIN = "prepare", "main"
Node = tuple[Address, str]


def node_name(node: Node) -> str:
    """How a node stands in a plan: its address, with `#prepare` for the first phase."""
    address, phase = node
    return str(address) if phase == MAIN else f"{address}#{PREPARE}"


def link(changes: Mapping[Address, Change], kinds: Mapping[str, Kind]) -> tuple[Change, ...]:
    """The changes with their needs, in an order that honours them, otherwise by address.

    Raises PlanError, naming the members, where changes need each other in a circle.
    """
    needs: dict[Node, set[Node]] = {}
    for address, change in changes.items():
        needs[address, MAIN] = set()
        if change.prepare:
            needs[address, PREPARE] = set()
            needs[address, MAIN].add((address, PREPARE))
    for change in changes.values():
        _link_one(change, changes, kinds, needs)
    _link_hands(changes, kinds, needs)
    try:
        order = list(TopologicalSorter({n: sorted(d) for n, d in sorted(needs.items())}).static_order())
    except CycleError as error:
        members = sorted({str(address) for address, _ in error.args[1]})
        text = f"needs to be done before itself, through {', '.join(members)}. Change one of them in a step of its own"
        raise PlanError([(members[0], text)]) from error
    return tuple(
        replace(
            changes[address],
            needs=tuple(sorted(node_name(n) for n in needs[address, MAIN])),
            prepare_needs=tuple(sorted(node_name(n) for n in needs.get((address, PREPARE), ()))),
        )
        for address, phase in order
        if phase == MAIN
    )


def _link_one(
    change: Change, changes: Mapping[Address, Change], kinds: Mapping[str, Kind], needs: dict[Node, set[Node]]
) -> None:
    address = change.address
    for made in kinds[address.kind].makes(change):
        if made in changes:
            needs[made, MAIN].add((address, MAIN))
    whole = Address(kinds[address.kind].part_of, address.path[:-1])
    if whole in changes and changes[whole].action != "delete":
        needs[address, MAIN].add((whole, MAIN))
    for target, _ in references(change.after, kinds) if change.after is not None else ():
        used = changes.get(target)
        if used is None or used.action == "delete":
            continue
        needs[address, MAIN].add((target, MAIN))
        if change.prepare and used.prepare:
            needs[address, PREPARE].add((target, PREPARE))
    if change.before is None:
        return
    first = PREPARE if change.prepare else MAIN
    _link_gone(change, first, changes, kinds, needs)
    for target, depth in _targets_before(change, kinds, changes):
        used = changes[target]
        if used.action == "delete" or (first == PREPARE and (used.action == "replace" or depth == 1)):
            needs[target, MAIN].add((address, first if used.action != "delete" else MAIN))
        elif change.action == "delete" and not kinds[address.kind].part_of and (used.action == "replace" or depth == 1):
            # it would hold the other fast, or uses what that is to lose (a meter's dimension)
            needs[target, MAIN].add((address, MAIN))


def _link_gone(
    change: Change,
    first: str,
    changes: Mapping[Address, Change],
    kinds: Mapping[str, Kind],
    needs: dict[Node, set[Node]],
) -> None:
    """What hangs on something that is live no more (an archived feature) holds back whatever that referred to, which
    is not known: all of those kinds that are to go."""
    gone = [Address.parse(r.partition(":")[2]) for r in change.reasons if r.startswith("rebound:")]
    below = {target for address in gone for _, target, _ in kinds[address.kind].references}
    for target, used in changes.items() if below else ():
        if target.kind in below and used.action in ("delete", "replace"):
            needs[target, MAIN].add((change.address, first))


def _targets_before(
    change: Change, kinds: Mapping[str, Kind], changes: Mapping[Address, Change]
) -> Iterable[tuple[Address, int]]:
    """What the live resource refers to and what that refers to in turn, as far as it changes, with the distance."""
    assert change.before is not None
    layer, depth, seen = [change.before], 1, set()
    while layer:
        following = []
        for resource in layer:
            for target, _ in references(resource, kinds):
                used = changes.get(target)
                if used is None or target in seen:
                    continue
                seen.add(target)
                yield target, depth
                if used.before is not None:
                    following.append(used.before)
        layer, depth = following, depth + 1


def _link_hands(changes: Mapping[Address, Change], kinds: Mapping[str, Kind], needs: dict[Node, set[Node]]) -> None:
    """Names that pass from one resource of a kind to another: who takes one waits for who had it."""
    givers: dict[tuple[str, str], list[Node]] = {}
    for address, change in changes.items():
        for name in kinds[address.kind].hands(change)[0]:
            givers.setdefault((address.kind, name), []).append((address, PREPARE if change.prepare else MAIN))
    if not givers:
        return
    for address, change in changes.items():
        for name in kinds[address.kind].hands(change)[1]:
            for giver in givers.get((address.kind, name), ()):
                if giver[0] != address:
                    needs[address, MAIN].add(giver)
