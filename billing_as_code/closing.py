"""What the closing read of an apply means: what is as it was to be, and what a lost answer left undone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from billing_as_code.kinds.base import Absent, Context, Kind
from billing_as_code.model import Address, Change, Resource, State, canonical_json
from billing_as_code.plan import Plan


@dataclass(frozen=True, slots=True)
class Closing:
    """A live state, looked at as `owner`, who had other names `formerly`, at a time."""

    live: State
    kinds: Mapping[str, Kind]
    owner: str
    now: datetime
    formerly: frozenset[str] = frozenset()

    def mends(self, addresses: Iterable[Address]) -> tuple[Change, ...]:
        """What would make whole what some changes touched, and what that is part of."""
        touched = sorted({a for address in addresses for a in (address, self._whole(address))})
        return tuple(mend for address in touched if (mend := self._mend(address)) is not None)

    def _whole(self, address: Address) -> Address:
        part_of = self.kinds[address.kind].part_of
        return Address(part_of, address.path[:-1]) if part_of else address

    def _mend(self, address: Address) -> Change | None:
        have = self.live.get(address)
        if have is None or have.owner not in (None, self.owner, *self.formerly):
            return None
        context = Context(self.owner, self.live, self.live, {}, False, self.now)
        return self.kinds[address.kind].mend(have, context)

    def is_after(self, change: Change) -> bool:
        """Whether what is live is what a change was to make of it."""
        kind = self.kinds[change.address.kind]
        have = self.live.get(change.address)
        if have is not None and not kind.counts(have):
            have = None
        if change.action == "delete" or change.after is None:
            return have is None or kind.over(have, self.now)
        if have is None or not self._labelled(change, have):
            return False
        return all(
            canonical_json(w) == canonical_json(h)
            for row, w, h in zip(kind.fields, change.after.spec, have.spec, strict=True)
            if not (w is None and row.absent is not Absent.DEFAULT)
            and row.absent is not Absent.CREATE_ONLY
            and not (row.held and change.action == "update")  # what is held waits for the next replace
        )

    def _labelled(self, change: Change, have: Resource) -> bool:
        """Whether the owner's label is what a change was to make of it: nobody can be told from us without one."""
        if change.after is None or (change.action == "update" and self.kinds[change.address.kind].labels_fixed):
            return True
        # a plan file does not say who is external, but why a change is made
        return have.owner == (None if "released" in change.reasons else self.owner)


def follows_touched(plan: Plan, address: str, touched: set[str]) -> bool:
    """Whether a resource differs because a run touched what it refers to (a grant of an entitlement that was
    replaced)."""
    return any(
        str(c.address) == address and any(n.partition("#")[0] in touched for n in (*c.needs, *c.prepare_needs))
        for c in plan.changes
    )
