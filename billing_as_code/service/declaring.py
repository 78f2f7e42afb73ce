"""The catalog of a session with edits: in memory, and in its files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from billing_as_code.authoring.draft import Draft
from billing_as_code.catalog import Catalog
from billing_as_code.catalog import load as load_catalog
from billing_as_code.catalog.saving import write
from billing_as_code.errors import CatalogError, GateRefused
from billing_as_code.gate import declaring, edits
from billing_as_code.model import Address, Json, State, canonical_json
from billing_as_code.plan import Edit, Plan, said
from billing_as_code.service.pulling import FileChange
from billing_as_code.service.session import Session


def edited(session: Session, asked: Mapping[Address, Json]) -> Catalog:
    """What the catalog says with edits laid over it, those of what no catalog has among them. Raises CatalogError; what
    is wrong with an edit names it."""
    config = session.config
    try:
        return load_catalog(
            config.catalog,
            session.environment.name,
            config.environments,
            session.every,
            edits=edits.entries(asked),
        )
    except CatalogError as error:
        raise edits.placeless(error) from error


def as_edits(asked: Mapping[Address, Json], before: State) -> tuple[Edit, ...]:
    """Edits as a plan holds them, each with what the catalog said before it."""
    return tuple(
        Edit(str(address), canonical_json(spec) if spec is not None else None, said(before.get(address)))
        for address, spec in asked.items()
    )


def asked_of(plan: Plan) -> dict[Address, Json]:
    """The edits that a plan holds, as they were asked for."""
    return {Address.parse(e.address): json.loads(e.spec) if e.spec is not None else None for e in plan.edits}


def declare(session: Session, plan: Plan) -> list[FileChange]:
    """What a plan's edits make of the catalog's files; nothing where they stand there already, or it has none.

    Raises GateRefused (drifted) where the catalog says something else by now of what they edit; CatalogError or
    PlanError where the files cannot be made to say what they say. Writes nothing; `save` does.
    """
    asked = {address: spec for address, spec in asked_of(plan).items() if address.kind in session.kinds}
    if not asked:
        return []
    config = session.config
    schemas = Path(os.path.relpath(config.root / "schemas", config.catalog)).as_posix()
    draft = Draft(config.catalog, session.environment.name, config.environments, session.kinds, schemas=schemas)
    there = {a: spec for a, spec in asked.items() if spec is not None or a in draft.desired}
    whole = edited(session, there).desired
    wanted = {address: whole.get(address) for address in asked}
    for edit in plan.edits:
        address = Address.parse(edit.address)
        if address not in asked:
            continue
        now = said(draft.desired.get(address))
        if now not in (edit.was, said(wanted[address])):
            raise GateRefused(
                "drifted",
                f"{edit.address} is not in the catalog as it was when {plan.digest[:12]} was proposed",
                "Propose again: what would be overwritten is somebody's change",
                plan.digest,
            )
    declaring.declare(draft, wanted, whole)
    found = []
    for path, text in sorted(draft.unsaved.items()):
        before = path.read_bytes().decode() if path.is_file() else None
        if before != text:
            found.append(FileChange(path, before, text))
    return found


def save(session: Session, changes: list[FileChange]) -> None:
    """Write the files. Raises UsageError, before anything is written where that can be known."""
    if changes:
        write(session.config.catalog, {c.path: c.after for c in changes}, {c.path: c.before for c in changes})
