"""Any edits of any catalog: what is approved stands in OpenMeter and in the files, and nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from profiles import share
from reviewing import Approver, allow, apply_approved, propose
from strategies import Catalog, World, at, catalogs, edited, resources, written
from wire import refereed
from workspace import Workspace, describe

from billing_as_code.catalog import load
from billing_as_code.devserver import create_app
from billing_as_code.errors import PlanError
from billing_as_code.model import Address, State


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Approver]:
    """An approver of all that is proposed here."""
    folder = tmp_path_factory.mktemp("desk")
    person = Approver("ada", folder)
    with pytest.MonkeyPatch.context() as patch:
        allow(patch, folder, person)
        yield person


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project that examples share; each begins with a reset."""
    workspace = Workspace(tmp_path_factory.mktemp("project"), refereed(create_app()))
    yield workspace
    workspace.close()


def said(catalog: Catalog, section: str, path: tuple[str, ...]) -> Any:
    try:
        return at(catalog, section, path)
    except KeyError:
        return None


def edits_between(before: Catalog, after: Catalog) -> list[dict[str, Any]]:
    there = dict.fromkeys([*resources(after), *resources(before)])
    return [
        {"address": str(Address(section, path)), "spec": said(after, section, path)}
        for section, path in there
        if said(before, section, path) != said(after, section, path)
    ]


def declared(ws: Workspace) -> State:
    found = load(ws.root / "catalog", "local", ["local"]).desired
    return {address: resource._replace(place=None) for address, resource in found.items()}


@settings(max_examples=share(0.05))
@given(data=st.data())
def test_any_edits_stand_in_openmeter_and_in_the_files(desk: Approver, project: Workspace, data: st.DataObject) -> None:
    before = data.draw(catalogs())
    after = data.draw(edited(World(before), most=5)).catalog
    project.reset()
    project.write("catalog/all.yaml", written(after))
    wanted = declared(project)
    project.write("catalog/all.yaml", "# ours\n" + written(before))
    project.converge()
    edits = edits_between(before, after)
    note(str(edits))
    try:
        made = propose(project, edits)
    except PlanError:
        return
    note(str(describe(made.plan)))
    if not made.plan.edits:
        return
    desk.approve(project, made.digest)
    _, outcome = apply_approved(project, made.digest)
    assert outcome.whole
    assert declared(project) == wanted
    assert (project.root / "catalog/all.yaml").read_text().startswith("# ours\n")
    assert not project.plan().changes
