"""How a draft comes to say what is live: it is edited, loaded, and looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from billing_as_code.authoring.adoption import Adoption, Blame, Terms, choose, unspeakable
from billing_as_code.authoring.draft import Draft
from billing_as_code.authoring.layout import declaration
from billing_as_code.authoring.merging import as_declared, edits, new
from billing_as_code.authoring.wanted import Edit, EditError
from billing_as_code.errors import CatalogError, Problem
from billing_as_code.model import Address, Resource, State

ROUNDS = 6
"""How often edits are looked at again: what a template or a lower layer still sets shows only then."""


class Rounds:
    """Edits of a draft, again and again, until it says what is live, or until it is known what it cannot say.

    `why` has what cannot be said of each resource that is left out or declared otherwise.
    """

    def __init__(self, draft: Draft, live: State, terms: Terms, ignore: Sequence[str]) -> None:
        self._draft, self._live, self._terms = draft, live, terms
        self._kinds = draft.kinds
        self._known = dict(draft.desired)
        self._foreign: set[Address] = set()
        self._unfit: set[Address] = set()
        self._without: dict[Address, set[str]] = {}
        """Fields that a catalog cannot hold, of resources that must be in it all the same, since they are ours."""
        self._inherits: set[Address] = set()
        """Resources in which null must stand where a template or a lower layer would show through."""
        self.why: dict[Address, str] = {}
        self._ignored = {name: [p for p in ignore if p.split(".")[0] in (name, "*")] for name in self._kinds}

    def carried_out(self) -> Adoption:
        """What the draft holds in the end. Raises CatalogError where what is live makes no valid catalog."""
        while True:
            barred = replace(self._terms, foreign=self._foreign, unfit=self._unfit)
            adoption = choose(self._live, self._known, self._kinds, barred)
            blamed = self._unspeakable(adoption) or self._rounds(adoption)
            if not blamed:
                return adoption
            for address, blame in blamed.items():
                self._bar(address, blame)

    def _bar(self, address: Address, blame: Blame) -> None:
        """Declare a resource no more: another hand's at first, where something refers to it; then not at all.

        One that stands in the catalog is tried once more, against templates that show through what is taken out of it.
        One that is ours would be deleted, so it is declared without the field that is to blame, where it can be.
        """
        is_new, ours = address not in self._known, self._live[address].owner in self._terms.owners
        without = self._without.setdefault(address, set())
        if not is_new and address not in self._inherits:
            self._inherits.add(address)
        elif is_new and ours and blame.field and blame.field not in without:
            without.add(blame.field)
            self.why.setdefault(address, f"{blame.why}; it is declared without that")
        else:
            (self._unfit if ours or address in self._foreign else self._foreign).add(address)
            lost = "; it is ours, so bac plan would delete it" if is_new and ours else ""
            self.why[address] = blame.why + lost

    def _unspeakable(self, adoption: Adoption) -> dict[Address, Blame]:
        found: dict[Address, Blame] = {}
        for address, resource in adoption.declared.items():
            kind = self._kinds[address.kind]
            if blame := unspeakable(kind, resource, declaration(kind, self._wanted(resource, None))):
                found[address] = blame
        return found

    def _wanted(self, have: Resource, want: Resource | None) -> Resource:
        if have.external:
            return have
        kind = self._kinds[have.address.kind]
        wanted = as_declared(kind, have, want, self._ignored[kind.name])
        defaults = dict.fromkeys(self._without.get(have.address, ()))
        return wanted._replace(spec=kind.with_(wanted.spec, defaults)) if defaults else wanted

    # -- rounds ----------------------------------------------------------------------------------------

    def _rounds(self, adoption: Adoption) -> dict[Address, Blame]:
        """Edit until nothing is left to be edited; else what cannot be as it should, and why."""
        self._draft.begin()
        left: dict[Path, dict[Address, list[Edit]]] = {}
        for _ in range(ROUNDS):
            left = self._edits(adoption)
            if not left:
                return {}
            try:
                self._draft.edit({path: [e for some in by.values() for e in some] for path, by in left.items()})
                self._draft.reload()
            except EditError as error:
                return {address: Blame(f"cannot be edited: {error}") for by in left.values() for address in by}
            except CatalogError as error:
                return self._blamed(error.problems, {address for by in left.values() for address in by})
        return {address: Blame(self._in_the_way(address)) for some in left.values() for address in some}

    def _edits(self, adoption: Adoption) -> dict[Path, dict[Address, list[Edit]]]:
        homes = self._draft.homes()
        found: dict[Path, dict[Address, list[Edit]]] = {}
        fresh: State = {}
        for address, have in adoption.declared.items():
            kind, want = self._kinds[address.kind], self._draft.desired.get(address)
            if want is not None and (want.external or have.external):
                continue
            wanted = self._wanted(have, want)
            own = homes.own(address)
            if want is None and own is None:
                fresh[address] = wanted
            elif want is None:  # a layer takes it out
                assert own is not None
                found.setdefault(own[0], {})[address] = [new(kind, wanted)]
            elif want.spec != wanted.spec or want.protect != wanted.protect:
                effective = self._draft.catalog.entries[address].raw
                nulls = address in self._inherits
                some = list(edits(kind, want, wanted, own[1] if own else None, effective, nulls=nulls))
                path = own[0] if own is not None else homes.places([wanted])[address]
                if some:
                    found.setdefault(path, {})[address] = some
        for address, path in homes.places(fresh.values()).items():
            found.setdefault(path, {})[address] = [new(self._kinds[address.kind], fresh[address])]
        return found

    def _blamed(self, problems: Iterable[Problem], edited: set[Address]) -> dict[Address, Blame]:
        """Who of those that were edited has to do with what is wrong now. Raises CatalogError where none has."""
        found: dict[Address, Blame] = {}
        strays = []
        homes = self._draft.homes()
        names = {str(address): address for address in edited}
        for problem in problems:
            why = problem.message + (f" ({problem.remedy})" if problem.remedy else "")
            if problem.address in names:
                address = names[problem.address]
                found.setdefault(address, Blame(why, homes.field_at(address, problem.line, problem.column)))
                continue
            near = [a for name, a in names.items() if problem.message.endswith(f" {name}")]
            for address in near:
                found.setdefault(address, Blame(f"{problem.address}: {why}"))
            strays += [problem] * (not near)
        if not found:
            raise CatalogError(strays)
        return found

    def _in_the_way(self, address: Address) -> str:
        place = self._draft.catalog.place(address)
        where = f" at {place}" if place is not None else ""
        return f"what stands{where} cannot be made to say what is live: a template or another layer is in the way"
