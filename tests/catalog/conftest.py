"""The folder that tests write catalogs into."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalog_folder import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    (tmp_path / "catalog").mkdir()
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path / "catalog")
