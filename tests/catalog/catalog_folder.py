"""A catalog on disk, written by a test and loaded as the working folder's `catalog`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from billing_as_code.catalog import Catalog, load
from billing_as_code.errors import CatalogError
from billing_as_code.kinds import KINDS
from billing_as_code.model import Address, Value


class Folder:
    """A catalog's folder; the environments are staging and production."""

    environments = ("staging", "production")

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str, file: str = "a.yaml") -> Folder:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text))
        return self

    def load(self, environment: str | None = None) -> Catalog:
        return load(Path("catalog"), environment, self.environments)

    def problems(self, environment: str | None = None) -> list[str]:
        """What is wrong, line by line, without the folder's name."""
        with pytest.raises(CatalogError) as caught:
            self.load(environment)
        return [str(problem).removeprefix("catalog/") for problem in caught.value.problems]

    def values(self, address: str, environment: str | None = None) -> Mapping[str, Value]:
        """A resource's fields by name, defaults left out."""
        resource = self.load(environment).desired[Address.parse(address)]
        kind = KINDS[resource.address.kind]
        return {f.name: v for f, v in zip(kind.fields, resource.spec, strict=True) if v not in (None, {}, (), "{}")}

    def addresses(self, environment: str | None = None) -> list[str]:
        return sorted(map(str, self.load(environment).desired))
