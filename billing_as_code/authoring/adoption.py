"""Which live resources a catalog is to hold, and as what. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from billing_as_code.authoring.scalars import unwritable
from billing_as_code.cascade import references
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.schema import USE
from billing_as_code.model import Address, Json, Resource, State


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose catalog it is (by any of its names), what is asked for, and what is left to others.

    `foreign` are addresses that cannot be declared, only referred to; `unfit` are those that cannot even be referred
    to.
    """

    owners: Collection[str]
    now: datetime
    in_scope: Callable[[Address], bool]
    foreign: Collection[Address] = ()
    unfit: Collection[Address] = ()


@dataclass(slots=True)
class Adoption:
    """What a catalog is to hold: `declared`, external ones among them; and who keeps what was asked for and is not."""

    declared: State = field(default_factory=dict)
    others: dict[Address, str] = field(default_factory=dict)


def choose(live: State, known: State, kinds: Mapping[str, Kind], terms: Terms) -> Adoption:
    """What of the live state a catalog that holds `known` is to declare.

    All that is ours or nobody's; of what another owner or a subscription manages only what that refers to, as external.
    """
    adoption = Adoption()
    for address, resource in live.items():
        kind = kinds[address.kind]
        if not terms.in_scope(address) or not kind.counts(resource) or kind.over(resource, terms.now):
            continue
        if (hand := _other_hand(resource, terms)) is not None:
            adoption.others[address] = hand
        elif not _is_barred(address, terms) and (
            resource.owner is not None or address in known or kind.says_something(resource)
        ):
            adoption.declared[address] = resource
    _with_references(adoption, live, known, kinds, terms)
    return adoption


def _is_barred(address: Address, terms: Terms) -> bool:
    return address in terms.foreign or address in terms.unfit


def _other_hand(resource: Resource, terms: Terms) -> str | None:
    if resource.managed is not None:
        return f"a {resource.managed}"
    return resource.owner if resource.owner is not None and resource.owner not in terms.owners else None


def _with_references(adoption: Adoption, live: State, known: State, kinds: Mapping[str, Kind], terms: Terms) -> None:
    queue = [r for a, r in adoption.declared.items() if a not in known or not known[a].external]
    while queue:
        for target, _ in references(queue.pop(), kinds):
            have = live.get(target)
            if target in adoption.declared or target in known or have is None or target in terms.unfit:
                continue
            if target in terms.foreign or _other_hand(have, terms) is not None:
                have = Resource(target, (), external=True)
            adoption.declared[target] = have
            queue.append(have)


class Blame(NamedTuple):
    """Why a resource cannot be in a catalog as it is, and the field that is to blame, "" where it is none."""

    why: str
    field: str = ""


def unspeakable(kind: Kind, resource: Resource, said: Json) -> Blame | None:
    """Why no YAML of a catalog can hold a resource, None where some can."""
    if why := unwritable(dict.fromkeys(resource.address.path)):
        return Blame(f"its key {why}")
    if USE in resource.address.path:
        return Blame(f"its key is `{USE}`, which means the use of a template")
    for row in kind.fields:
        value = said
        for name in row.name.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if why := unwritable(value):
            return Blame(f"`{row.name}` {why}", row.name)
        if not row.opaque and _uses(value):
            return Blame(f"`{row.name}` has an entry `{USE}`, which would be read as the use of a template", row.name)
    return None


def _uses(value: Json) -> bool:
    return isinstance(value, dict) and (USE in value or any(map(_uses, value.values())))
