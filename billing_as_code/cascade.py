"""What follows from a change: what must be replaced with it, what goes down with it, and what forbids it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from billing_as_code.diff import Comparison, Rules
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address, Change, Class, Resource, State


def references(resource: Resource, kinds: Mapping[str, Kind]) -> Iterator[tuple[Address, bool]]:
    """What a resource refers to, and whether OpenMeter binds it to that one's id."""
    kind = kinds[resource.address.kind]
    for n, target in enumerate(kind.key_refs):
        if target:
            yield Address(target, (resource.address.path[n],)), bool(kind.key_binds and kind.key_binds[n])
    if kind.part_of:
        yield Address(kind.part_of, resource.address.path[:-1]), False
    if resource.external:
        return
    for i, target, binds in kind.references:
        if (key := resource.spec[i]) is not None:
            yield Address(target, (key,)), binds


def dependents(state: State, kinds: Mapping[str, Kind]) -> dict[Address, list[tuple[Resource, bool]]]:
    """Who refers to each address of a state; what is part of another stands and falls with that one alone."""
    out: dict[Address, list[tuple[Resource, bool]]] = {}
    for resource in state.values():
        if kinds[resource.address.kind].part_of:
            continue
        for target, binds in references(resource, kinds):
            out.setdefault(target, []).append((resource, binds))
    return out


def follow(found: Comparison, desired: State, live: State, kinds: Mapping[str, Kind], rules: Rules) -> None:
    """Extend a comparison by everything that its replaces and deletes bring with them, until nothing more follows."""
    if not any(c.action in ("replace", "delete") for c in found.changes.values()):
        return
    users = dependents(live, kinds)
    queue = [a for a, c in found.changes.items() if c.action in ("replace", "delete")]
    while queue:
        target = queue.pop()
        change = found.changes[target]
        for user, binds in users.get(target, ()):
            if change.action == "replace":
                queue += _replaced_with(target, user, binds, found, desired, kinds, rules)
            else:
                _deleted_under(target, user, found, kinds)
    _drop_what_goes_down(found, kinds)
    found.changes = dict(sorted(found.changes.items()))


def _replaced_with(
    target: Address,
    user: Resource,
    binds: bool,
    found: Comparison,
    desired: State,
    kinds: Mapping[str, Kind],
    rules: Rules,
) -> Iterable[Address]:
    if not binds:
        return ()
    there = found.changes.get(user.address)
    if there is not None and there.action == "delete":
        return ()
    if there is not None and there.action == "replace":
        if f"follows:{target}" not in there.reasons:
            found.changes[user.address] = replace(there, reasons=(*there.reasons, f"follows:{target}"))
        return ()
    wanted = desired.get(user.address)
    if why := _not_ours(user, wanted, rules):
        text = f"must be replaced, and {user.address} hangs on it, which {why}. Change that first"
        found.errors.append((str(target), text))
        return ()
    assert wanted is not None
    kind = kinds[user.address.kind]
    fields = there.fields if there is not None else ()
    after = there.after if there is not None else user._replace(protect=wanted.protect)
    cls = max([kind.replace_class, *(f.cls for f in fields)])
    found.changes[user.address] = Change(
        user.address, "replace", fields, (f"follows:{target}",), cls, before=user, after=after
    )
    return (user.address,)


def _not_ours(user: Resource, wanted: Resource | None, rules: Rules) -> str:
    if user.managed:
        return f"is managed by a {user.managed}"
    if user.owner is not None and not rules.ours(user.owner):
        return f"belongs to {user.owner}"
    if wanted is None:
        return "is not in the catalog"
    return "is declared external" if wanted.external else ""


def _deleted_under(target: Address, user: Resource, found: Comparison, kinds: Mapping[str, Kind]) -> None:
    there = found.changes.get(user.address)
    kind = kinds[target.kind]
    if there is not None and (there.action == "delete" or not _still_refers(there, target, kinds)):
        return
    # what a subscription holds keeps even what OpenMeter would else let go (recording subscription_entitlements)
    if kind.needed_by_dependents or user.managed:
        why = f"is managed by a {user.managed}" if user.managed else "is not in the catalog, or belongs to another hand"
        text = (
            f"left the catalog, and {user.address} needs it, which {why}. Remove that first, or declare {target} again"
        )
        found.errors.append((str(target), text))
    else:
        change = found.changes[target]
        found.changes[target] = replace(change, destroys=(*change.destroys, (str(user.address), "kept_on_archived")))


def _still_refers(change: Change, target: Address, kinds: Mapping[str, Kind]) -> bool:
    return change.after is None or any(a == target for a, _ in references(change.after, kinds))


def _drop_what_goes_down(found: Comparison, kinds: Mapping[str, Kind]) -> None:
    """The deletes of parts whose whole is deleted, or stops being able to have them: OpenMeter takes them with it."""
    for address in [a for a, c in found.changes.items() if c.action == "delete" and kinds[a.kind].part_of]:
        whole = found.changes.get(Address(kinds[address.kind].part_of, address.path[:-1]))
        if whole is None:
            continue
        retyped = whole.action == "replace" and any(f.path == "type" for f in whole.fields)
        if whole.action == "delete" or retyped:
            del found.changes[address]
            found.changes[whole.address] = replace(whole, cls=Class.BREAKING)
