"""What the tests share: a dev server in process, the referee in front of it, and a project on both.

Every request of a test goes through the whole wire format to a fresh dev server, and past the referee (`wire.py`), who
knows OpenMeter's own documents: so the client and the server cannot share a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import profiles  # noqa: F401  (says how many examples a property gets)
import pytest
import wire
from openapi import Documents
from reviewing import Approver, allow
from workspace import Workspace

from billing_as_code.devserver import create_app

if TYPE_CHECKING:
    from flask import Flask


def pytest_configure(config: pytest.Config) -> None:
    """OpenMeter's documents are read once, and then found in pytest's cache."""
    cache = getattr(config, "cache", None)
    wire.DOCUMENTS = Documents(cache=cache.mkdir("openmeter") if cache is not None else None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process is left with it when the others have finished."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.fixture
def openmeter() -> Iterator[Flask]:
    """A fresh dev server in memory."""
    app = create_app()
    yield app
    app.config["DATABASE"].close()


@pytest.fixture
def transport(openmeter: Flask) -> httpx.BaseTransport:
    """The way to that server, past the referee."""
    return wire.refereed(openmeter)


@pytest.fixture
def http(transport: httpx.BaseTransport) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(transport=transport, base_url="http://openmeter.test") as client:
        yield client


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside of every project, where an agent does not reach."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture
def ada(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Approver:
    """Who approves what is proposed."""
    person = Approver("ada", desk)
    allow(monkeypatch, desk, person)
    return person


@pytest.fixture
def ws(transport: httpx.BaseTransport, tmp_path: Path) -> Iterator[Workspace]:
    """A project on that server: see `workspace.Workspace`."""
    workspace = Workspace(tmp_path, transport)
    yield workspace
    workspace.close()
