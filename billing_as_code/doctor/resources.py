"""What lives in an OpenMeter, looked at for what will go wrong: whose it is, and how its server is set."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping

from billing_as_code.config import Config
from billing_as_code.doctor.findings import Finding, found
from billing_as_code.doctor.naming import some
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Resource, State


def resources(live: State, desired: State, config: Config, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """What the live state tells beside the desired one, which is empty where the catalog cannot be read."""
    yield from _owners([r for r in live.values() if kinds[r.address.kind].counts(r)], desired, config)
    for kind in kinds.values():
        yield from _configured(kind, live, desired)
        for sign in kind.signs(live):
            yield found(sign.code, count=f"{len(sign.of):,}", some=some(sign.of), kind=kind.name)


def _owners(live: list[Resource], desired: State, config: Config) -> Iterator[Finding]:
    owners = Counter(r.owner for r in live if r.owner is not None)
    others = {o: n for o, n in sorted(owners.items()) if o != config.owner and o not in config.formerly}
    labels = (config.owner, *sorted(config.formerly & owners.keys()))
    yield found("owners_ok", ours=f"{sum(owners[label] for label in labels):,}", labels=" or ".join(labels))
    for other in others:
        claimed = [r.address for r in live if r.owner == other and _is_declared(r, desired)]
        if claimed:
            yield found("other_owner", other=shlex.quote(other), some=some(sorted(claimed)))
    for former in sorted(config.formerly & owners.keys()) if desired else ():
        left = [r.address for r in live if r.owner == former and r.address not in desired and not r.managed]
        if left:
            yield found("former_owner_undeclared", other=former, some=some(sorted(left)))
    if others:
        told = some([f"{other} ({n:,})" for other, n in others.items()])
        yield found("other_catalogs", others=told)


def _is_declared(resource: Resource, desired: State) -> bool:
    wanted = desired.get(resource.address)
    return wanted is not None and not wanted.external


def _configured(kind: Kind, live: State, desired: State) -> Iterator[Finding]:
    """What may stand in OpenMeter's own configuration: it was there before bac, and the catalog wants to have it."""
    if not kind.configured_under:
        return
    maybe = [
        r.address.path[0]
        for r in live.values()
        if r.address.kind == kind.name and r.owner is None and _is_declared(r, desired)
    ]
    if maybe:
        under = kind.configured_under
        yield found("configured_by_server", kind=kind.name, some=some(sorted(maybe)), section=under)
