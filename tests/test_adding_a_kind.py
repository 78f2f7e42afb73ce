"""The page on adding a kind does what it says: its two files and a line in the registry make a kind, end to end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from workspace import Workspace

from billing_as_code.client import in_process
from billing_as_code.devserver import create_app
from billing_as_code.kinds import KINDS

PAGE = Path(__file__).parent.parent / "docs" / "adding-a-kind.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose registry and server have the page's kind."""
    for name, source in zip(("toy_kind", "toy_server"), blocks("python"), strict=True):
        module = ModuleType(name)
        exec(compile(source, f"{PAGE.name}: {name}", "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(KINDS, "regions", sys.modules["toy_kind"].REGIONS)
    workspace = Workspace(tmp_path, in_process(create_app(more=["toy_server"])))
    workspace.write("catalog/regions.yaml", blocks("yaml")[0])
    yield workspace
    workspace.close()


def test_the_kind_of_the_page_is_created_and_then_left_alone(regions: Workspace) -> None:
    plan = regions.converge()

    assert [(str(c.address), c.action) for c in plan.changes] == [("regions.eu", "create"), ("regions.ke", "create")]
    assert regions.http.get("/api/v1/regions/eu").json() == {
        "id": regions.http.get("/api/v1/regions/eu").json()["id"],
        "key": "eu",
        "name": "Europe",
        "continent": "europe",
        "metadata": {"zone": "1", "bac.owner": "acme-billing"},
    }


def test_a_mutable_field_is_updated_and_a_fixed_one_replaces(regions: Workspace) -> None:
    regions.converge()
    regions.write(
        "catalog/regions.yaml", {"regions": {"eu": {"name": "EU", "continent": "europe"}, "ke": {"continent": "asia"}}}
    )

    plan = regions.converge()

    assert {str(c.address): c.action for c in plan.changes} == {"regions.eu": "update", "regions.ke": "replace"}
    assert regions.http.get("/api/v1/regions/ke").json()["continent"] == "asia"


def test_what_leaves_the_catalog_is_deleted_and_what_others_made_is_not(regions: Workspace) -> None:
    regions.converge()
    regions.http.post("/api/v1/regions", json={"key": "us", "continent": "america"}).raise_for_status()
    regions.write("catalog/regions.yaml", {"regions": {"eu": {"continent": "europe"}}})

    regions.converge()

    assert [r["key"] for r in regions.http.get("/api/v1/regions").json()["items"]] == ["eu", "us"]


def test_a_lost_answer_makes_nothing_twice(regions: Workspace) -> None:
    regions.faults({"method": "POST", "path": "/api/v1/regions", "nth": 1, "drop": "after"})

    regions.converge()

    assert len(regions.http.get("/api/v1/regions").json()["items"]) == 2
