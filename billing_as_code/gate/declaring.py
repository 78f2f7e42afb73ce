"""Edits of a catalog in its files: what a plan was approved with comes to stand there, and all the rest stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from billing_as_code.authoring import REMOVED, Edit, EditError
from billing_as_code.authoring.draft import Draft
from billing_as_code.authoring.merging import edits as edits_between
from billing_as_code.authoring.merging import new
from billing_as_code.authoring.rounds import ROUNDS
from billing_as_code.errors import CatalogError, PlanError
from billing_as_code.model import Address, Resource, State


def declare(draft: Draft, wanted: Mapping[Address, Resource | None], whole: State) -> None:
    """Edit a draft until it declares what is wanted (None: nothing) at these addresses, and `whole` altogether.

    Where editing fields one by one does not lead there, resources are written as a whole. Raises PlanError where the
    files cannot be made to say so, CatalogError where they would be no catalog.
    """
    try:
        astray = _rounds(draft, wanted, whole, as_a_whole=False)
    except (EditError, CatalogError):
        astray = list(wanted)
    if astray:
        draft.begin()
        try:
            astray = _rounds(draft, wanted, whole, as_a_whole=True)
        except EditError as error:
            raise PlanError([("", f"the catalog's files cannot be edited: {error}")]) from error
    if astray:
        why = "cannot be made to stand so in the catalog's files: a template or another layer is in the way"
        raise PlanError([(str(address), why) for address in sorted(astray)[:20]])


def _rounds(
    draft: Draft, wanted: Mapping[Address, Resource | None], whole: State, *, as_a_whole: bool
) -> list[Address]:
    """Edit until there is nothing left to edit; the addresses that are not as they should be then."""
    for n in range(ROUNDS):
        found: dict[Path, list[Edit]] = {}
        for path, edit in _edits(draft, wanted, as_a_whole=as_a_whole and n == 0):
            found.setdefault(path, []).append(edit)
        if not found:
            break
        draft.edit(found)
        draft.reload()
    return [a for a in {**whole, **draft.desired} if not _same(draft.desired.get(a), whole.get(a))]


def _edits(draft: Draft, wanted: Mapping[Address, Resource | None], *, as_a_whole: bool) -> Iterator[tuple[Path, Edit]]:
    homes = draft.homes()
    fresh: State = {}
    for address, want in wanted.items():
        kind, said, own = draft.kinds[address.kind], draft.desired.get(address), homes.own(address)
        if _same(said, want):
            continue
        if want is None:
            if own is not None:
                yield own[0], Edit((address.kind, *address.path), REMOVED)
        elif own is not None and (as_a_whole or said is None or said.external or want.external):
            yield own[0], new(kind, want)
        elif said is None or said.external or want.external:
            fresh[address] = want
        else:
            path, text = own or (homes.places([want])[address], None)  # a template's resource has no place of its own
            for edit in edits_between(kind, said, want, text, draft.catalog.entries[address].raw):
                yield path, edit
    for address, path in homes.places(fresh.values()).items():
        yield path, new(draft.kinds[address.kind], fresh[address])


def _same(one: Resource | None, other: Resource | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.spec, one.protect, one.external) == (other.spec, other.protect, other.external)
