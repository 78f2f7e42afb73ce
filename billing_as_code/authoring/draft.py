"""A catalog that is being edited: its texts are not written yet, and it can be loaded all the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from billing_as_code.authoring.editing import edit
from billing_as_code.authoring.homes import Homes
from billing_as_code.authoring.layout import Layout, header
from billing_as_code.authoring.merging import levels_of, order_of
from billing_as_code.authoring.wanted import Edit
from billing_as_code.catalog import Catalog, load_all
from billing_as_code.catalog.sources import Source, sources
from billing_as_code.errors import UsageError
from billing_as_code.kinds.base import Kind
from billing_as_code.model import State


class Draft:
    """The catalog in a folder (which need not be there) as one environment sees it, with `unsaved` texts over it.

    `schemas` is the way from the folder to that of the JSON Schemas. Raises CatalogError where what stands there is no
    catalog.
    """

    def __init__(
        self,
        folder: Path,
        environment: str,
        environments: Collection[str],
        kinds: Mapping[str, Kind],
        layout: Layout | None = None,
        schemas: str = "../schemas",
    ) -> None:
        self.folder, self.kinds = folder, kinds
        self.unsaved: dict[Path, str] = {}
        self._environment, self._environments = environment, environments
        self._layout, self._schemas = layout, schemas
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
        none = dict.fromkeys(environments, Catalog({}, ()))
        self._saved = self._catalogs = self._load() if folder.is_dir() else none

    @property
    def catalog(self) -> Catalog:
        """What the environment sees."""
        return self._catalogs[self._environment]

    @property
    def desired(self) -> State:
        """What it declares."""
        return self.catalog.desired

    def begin(self) -> None:
        """Forget what is not written."""
        self.unsaved, self._catalogs = {}, self._saved

    def elsewhere(self) -> dict[str, int]:
        """How many resources the edits change or add for each other environment that saw something before."""
        found = {}
        for name, catalog in self._catalogs.items():
            before = self._saved[name].desired
            new = [a for a, r in catalog.desired.items() if a not in before or before[a].spec != r.spec]
            if new and before and name != self._environment:
                found[name] = len(new)
        return found

    def homes(self) -> Homes:
        """Where everything stands now."""
        return Homes(self.folder, self._sources(), self.kinds, self._layout)

    def edit(self, by_file: Mapping[Path, Sequence[Edit]]) -> None:
        """Edit files, or begin new ones. Raises EditError, with nothing edited."""
        texts = {source.path: source.text for source in self._sources()}
        edited = {}
        for path, edits in by_file.items():
            text = texts.get(path)
            if text is None:
                text = header(path.relative_to(self.folder).as_posix(), self._schemas)
            edited[path] = edit(text, edits, lambda at: order_of(self.kinds, at), lambda at: levels_of(self.kinds, at))
        self.unsaved |= edited

    def reload(self) -> None:
        """See what the texts say now, in every environment. Raises CatalogError."""
        self._catalogs = self._load()

    def _sources(self) -> list[Source]:
        there = bool(self.unsaved) or self.folder.is_dir()
        return sources(self.folder, self._environment, self.unsaved) if there else []

    def _load(self) -> dict[str, Catalog]:
        return load_all(self.folder, self._environments, self.kinds, self.unsaved)
