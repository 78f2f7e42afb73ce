"""From a folder of YAML to the desired state of one environment, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from billing_as_code.catalog import files
from billing_as_code.catalog.layers import Entry, Layer, TooLargeError, overlay, templates_of
from billing_as_code.catalog.places import locate, path_of
from billing_as_code.catalog.problems import EnoughError, Problems
from billing_as_code.catalog.references import References
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.catalog.templates import USE, names_used
from billing_as_code.catalog.validation import Judge
from billing_as_code.catalog.wording import Wrong
from billing_as_code.errors import Problem
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.schema import EXTERNAL_FIELD, PROTECT_FIELD
from billing_as_code.model import Address, Place, Resource, Spec, State
from billing_as_code.reader import Block, read

MOST_BYTES = 128 * 2**20
Edits: TypeAlias = Mapping[Address, Entry]
"""Resources as they would be written, whole; a `raw` of None takes one out."""
NO_EDITS: Edits = {}


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the catalog says for one environment.

    `desired` holds external resources too, with the empty spec; `files` are those that were read, named as in messages.
    `uses` are the templates that stand in a map, and those that they use, by the beginning of the addresses below it.
    """

    desired: State
    files: tuple[str, ...]
    entries: Mapping[Address, Entry] = field(default_factory=dict, repr=False)
    uses: Mapping[Address, frozenset[str]] = field(default_factory=dict, repr=False)

    def place(self, address: Address, field: str = "") -> Place | None:
        """Where a field's value stands, or the nearest that does: an entry of a map is `metadata.crm_id`."""
        entry = self.entries.get(address)
        return locate(entry.raw, path_of(entry.raw, field), entry.place) if entry is not None else None


def load(
    root: Path,
    environment: str | None,
    known_environments: Collection[str],
    kinds: Mapping[str, Kind] = KINDS,
    unsaved: files.Unsaved = files.SAVED,
    edits: Edits = NO_EDITS,
) -> Catalog:
    """The catalog below `root` as one environment sees it, None being one without a folder of its own.

    `unsaved` are texts of files that count instead of what stands there, or that are not there yet. `edits` are laid
    over everything: a resource as it would be written, whole, or None to take one out; they may be of kinds that no
    file has a section of. CatalogError with all problems, ordered by place, where there are any.
    """
    return _load(root, [environment], known_environments, kinds, unsaved, edits)[0]


def load_all(
    root: Path,
    known_environments: Collection[str],
    kinds: Mapping[str, Kind] = KINDS,
    unsaved: files.Unsaved = files.SAVED,
) -> dict[str, Catalog]:
    """The catalog as each environment sees it, read once; the problems are those of all of them."""
    names = list(known_environments)
    return dict(zip(names, _load(root, names or [None], known_environments, kinds, unsaved), strict=False))


def addresses(
    root: Path, environment: str | None, known_environments: Collection[str], kinds: Mapping[str, Kind] = KINDS
) -> list[Address]:
    """The addresses that stand in the catalog as one environment sees it, for completion: nothing is judged, so that it
    is fast, and where files are wrong it is what can be read of them."""
    try:
        return list(_Loading(root, known_environments, kinds, Problems()).entries(environment)[0])
    except (EnoughError, TooLargeError):
        return []


def _load(
    root: Path,
    environments: Iterable[str | None],
    known: Collection[str],
    kinds: Mapping[str, Kind],
    unsaved: files.Unsaved,
    edits: Edits = NO_EDITS,
) -> list[Catalog]:
    problems = Problems()
    catalogs: list[Catalog] = []
    try:
        loading = _Loading(root, known, kinds, problems, unsaved, edits)
        catalogs.extend(loading.environment(name) for name in environments)
    except (EnoughError, TooLargeError):
        pass
    if problems:
        raise problems.error()
    return catalogs


def _with_theirs(names: frozenset[str], templates: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Templates, and all that these use."""
    found, queue = set(names), list(names)
    while queue:
        more = templates.get(queue.pop(), frozenset()) - found
        found |= more
        queue += more
    return frozenset(found)


class _Loading:
    """One reading of the files; what environments share is done once."""

    def __init__(
        self,
        root: Path,
        known: Collection[str],
        kinds: Mapping[str, Kind],
        problems: Problems,
        unsaved: files.Unsaved = files.SAVED,
        edits: Edits = NO_EDITS,
    ) -> None:
        self._kinds = kinds
        self._sections = {name: kind for name, kind in kinds.items() if kind.in_catalog}
        self._problems = problems
        self._judged: dict[Address, tuple[Any, Spec | None]] = {}
        self._bytes = 0
        self._is_whole = True
        self._over: dict[str, Layer] = {}
        self._unsaved = unsaved
        self._edits = edits
        self._found = files.find(root, unsaved)
        problems.extend(self._found.problems)
        self._check_names(known, root)
        self._base, self._base_files = self._layer(self._found.base)

    def _check_names(self, known: Collection[str], root: Path) -> None:
        for name in self._found.environments:
            if name not in known:
                file = files.label(root / files.ENVIRONMENTS / name)
                remedy = Spelling(known).remedy(name) or "bac.yaml names the environments"
                self._problems.extend([Problem(file, 0, 0, "", "is the folder of no known environment", remedy)])

    @cached_property
    def _judges(self) -> dict[str, Judge]:
        return {name: Judge(kind) for name, kind in self._kinds.items()}

    def entries(self, name: str | None) -> tuple[dict[Address, Entry], list[str]]:
        """What stands in the files for an environment, not judged; and the files of its own."""
        over, over_files = self._layer(self._found.environments.get(name or "", []))
        self._over[name or ""] = over
        templates = templates_of(self._base, over, self._problems)
        if not self._is_whole:
            # what the unread files say is not known, so nothing can be missed that only they may have
            return (self._base.resources(templates) if not self._base.uses_templates else {}), over_files
        entries = self._base.resources(templates)
        if over_files:
            upper = over.resources(templates, is_overlay=True)
            entries = overlay(entries, upper, self._sections, self._problems)
        return entries, over_files

    def environment(self, name: str | None) -> Catalog:
        entries, over_files = self.entries(name)
        if not self._is_whole:
            self._resources(entries)
            return Catalog({}, ())
        entries = self._edited(entries)
        desired = self._resources(entries)
        self._check(desired, entries)
        return Catalog(desired, (*self._base_files, *over_files), entries, self._uses(name))

    def _uses(self, name: str | None) -> dict[Address, frozenset[str]]:
        layers = [self._base, *([over] if (over := self._over.get(name or "")) is not None else [])]
        templates: dict[str, frozenset[str]] = {}
        for layer in layers:
            for key, (block, _) in layer.templates.items():
                templates[key] = templates.get(key, frozenset()) | names_used(block)
        found: dict[Address, frozenset[str]] = {}
        for layer in layers:
            for address, names in layer.used().items():
                found[address] = found.get(address, frozenset()) | _with_theirs(names, templates)
        return found

    def _layer(self, paths: Iterable[Path]) -> tuple[Layer, list[str]]:
        layer, labels = Layer(self._sections, self._problems), []
        for path in paths:
            label = files.label(path)
            labels.append(label)
            data = self._unsaved[path].encode() if path in self._unsaved else files.content(path)
            if isinstance(data, Problem):
                self._is_whole = False
                self._problems.extend([data])
                continue
            self._bytes += len(data)
            if self._bytes > MOST_BYTES:
                message = f"the catalog is larger than {MOST_BYTES // 2**20} MB up to here"
                self._problems.extend([Problem(label, 0, 0, "", message, "split it into several catalogs")])
                raise TooLargeError
            uses = USE.encode() in data
            root, problems = read(label, data, places=uses)  # writing templates out asks for places
            self._is_whole = self._is_whole and not (root is None and problems)
            self._problems.extend(problems)
            if root is not None:
                layer.add(root, uses=uses)
        return layer, labels

    def _edited(self, entries: dict[Address, Entry]) -> dict[Address, Entry]:
        if not self._edits:
            return entries
        found = dict(entries)
        for address, entry in self._edits.items():
            if entry.raw is not None:
                found[address] = entry
            elif found.pop(address, None) is None:
                message = "is to be taken out, and is not in the catalog"
                self._problems.add(entry.place, address, message, "leave the edit out")
        return found

    # -- resources ------------------------------------------------------------------------------------------------

    def _resources(self, entries: Mapping[Address, Entry]) -> State:
        """The canonical form of all that are valid; what is wrong with the others is told."""
        desired: State = {}
        judged = self._judged
        for address, entry in entries.items():
            raw, place = entry
            known = judged.get(address)
            if known is not None and known[0] is raw:
                spec = known[1]
            else:
                spec = self._spec(address, entry)
                judged[address] = raw, spec
            if spec is not None:
                external = raw.get(EXTERNAL_FIELD) is True
                protect = raw.get(PROTECT_FIELD) is True
                desired[address] = Resource.declared(address, spec, protect, external, place)
        return desired

    def _spec(self, address: Address, entry: Entry) -> Spec | None:
        kind, judge = self._kinds[address.kind], self._judges[address.kind]
        right_keys = judge.accepts_keys(address.path)
        for _, message, remedy in judge.wrong_keys(address.path) if not right_keys else ():
            self._problems.add(entry.place, address, message, remedy)
        if isinstance(entry.raw, Block) and entry.raw.get(EXTERNAL_FIELD) is True and kind.in_catalog:
            return self._external(address, entry)
        if not judge.accepts(entry.raw):
            wrongs = judge.wrongs(entry.raw)
            self._tell(address, entry, wrongs)
            if wrongs:
                return None
        try:
            return kind.canonical(address.path, entry.raw) if right_keys else None
        except (ValueError, ArithmeticError):
            self._tell(address, entry, judge.unreal(entry.raw))
            return None

    def _external(self, address: Address, entry: Entry) -> Spec:
        others = [name for name, value in entry.raw.items() if name != EXTERNAL_FIELD and value is not None]
        message = "is external, so the catalog says nothing else of it"
        remedy = f"leave `{others[0]}` out, or `{EXTERNAL_FIELD}`" if others else ""
        self._tell(address, entry, [Wrong((name,), message, remedy, at_key=True) for name in others[:1]])
        return ()

    def _check(self, desired: State, entries: Mapping[Address, Entry]) -> None:
        """References, and what kinds say themselves."""
        references = References(entries.keys(), self._kinds)
        for address, entry in entries.items():
            kind = self._kinds[address.kind]
            if not kind.in_catalog:
                continue  # what it refers to is live, and may be in no catalog
            if not references.holds(address):
                self._tell(address, entry, references.of_address(address))
            if kind.references and isinstance(entry.raw, Block):
                self._tell(address, entry, references.of_fields(kind, entry.raw))
        by_kind: dict[str, dict[Address, Resource]] = {name: {} for name in self._kinds}
        for address, resource in desired.items():
            by_kind[address.kind][address] = resource
            if not resource.external:
                for name, message, remedy in self._kinds[address.kind].check(resource, desired):
                    self._tell_field(entries[address], address, name, message, remedy)
        for section, resources in by_kind.items():
            for address, name, message, remedy in self._kinds[section].check_all(resources, desired):
                self._tell_field(entries[address], address, name, message, remedy)

    def _tell(self, address: Address, entry: Entry, wrongs: Iterable[Wrong]) -> None:
        for wrong in wrongs:
            place = locate(entry.raw, wrong.path, entry.place, at_key=wrong.at_key)
            self._problems.add(place, address, wrong.said(), wrong.remedy)

    def _tell_field(self, entry: Entry, address: Address, name: str, message: str, remedy: str) -> None:
        """A kind's own words say by themselves what they are about."""
        self._problems.add(locate(entry.raw, path_of(entry.raw, name), entry.place), address, message, remedy)
