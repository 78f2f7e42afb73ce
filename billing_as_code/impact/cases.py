"""From the changes of a plan to those of whom they take something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.moves import Allowance, Holder, Move
from billing_as_code.model import Change, Resource, State


@dataclass(frozen=True, slots=True)
class Case:
    """One customer's use of one feature, of which a plan takes something: every move of it, and what may be used before
    and after (None: nothing). `live` is the resource that gives it now, None where nothing does."""

    holder: Holder
    moves: tuple[Move, ...]
    before: Allowance | None
    after: Allowance | None
    live: Resource | None = None

    @property
    def how(self) -> tuple[str, ...]:
        """The codes of what is taken, each once."""
        return tuple(dict.fromkeys(m.how for m in self.moves if m.down))

    @property
    def by(self) -> tuple[str, ...]:
        """The addresses of the changes that take it."""
        return tuple(dict.fromkeys(str(m.of) for m in self.moves if m.down))

    @property
    def is_made_anew(self) -> bool:
        """Whether what gives it now is replaced by another."""
        return any(m.before is not None and m.after is not None for m in self.moves)

    @property
    def is_counted(self) -> bool:
        """Whether usage is counted, before or after."""
        return any(side is not None and side.metered for side in (self.before, self.after))

    @property
    def is_clear(self) -> bool:
        """Whether what becomes of it is certain without asking for usage."""
        return self.after is None or not self.after.metered or "archived" in self.how


def cases(changes: Iterable[Change], live: State, kinds: Mapping[str, Kind]) -> list[Case]:
    """Everyone of whom some changes take something, by customer and feature; `live` is the state they start from."""
    by_address = {change.address: change for change in changes}
    moved: dict[Holder, list[Move]] = {}
    for change in by_address.values():
        for move in kinds[change.address.kind].moves(change, by_address):
            moved.setdefault(move.holder, []).append(move)
    hit = {holder for holder, moves in moved.items() if any(m.down for m in moves)}
    if not hit:
        return []
    there: dict[Holder, Resource] = {}
    for resource in live.values():
        kind = kinds[resource.address.kind]
        if (holder := kind.holder(resource)) in hit and holder is not None and kind.allowance(resource) is not None:
            there[holder] = resource
    return [_case(holder, tuple(moved[holder]), there.get(holder), kinds) for holder in sorted(hit)]


def _case(holder: Holder, moves: tuple[Move, ...], live: Resource | None, kinds: Mapping[str, Kind]) -> Case:
    before = kinds[live.address.kind].allowance(live) if live is not None else None
    own = next((m for m in moves if m.before is not None), None)
    after = own.after if own is not None else before
    return Case(holder, moves, before, after, live)
