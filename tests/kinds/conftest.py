"""What the tests of the kinds share: a catalog's problems, and a resource's canonical form from either side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from billing_as_code.catalog import load
from billing_as_code.errors import CatalogError

if TYPE_CHECKING:
    from flask import Flask

Problems = Callable[[Mapping[str, Any]], list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """What is wrong with a catalog, each as "address: what (what would be right)"; nothing for a valid one."""
    root = tmp_path / "refused"

    def of(catalog: Mapping[str, Any]) -> list[str]:
        root.mkdir(exist_ok=True)
        (root / "all.yaml").write_text(json.dumps(catalog), encoding="utf-8")  # JSON is YAML, every text quoted
        try:
            load(root, None, ())
        except CatalogError as error:
            return [f"{p.address}: {p.message}" + (f" ({p.remedy})" if p.remedy else "") for p in error.problems]
        return []

    return of


@pytest.fixture
def anybody(openmeter: Flask) -> Iterator[httpx.Client]:
    """A client without the referee, who lets nobody ask for what OpenMeter refuses."""
    with httpx.Client(transport=httpx.WSGITransport(openmeter), base_url="http://openmeter.test") as client:
        yield client
