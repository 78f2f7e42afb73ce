"""What changed in the catalog since a commit: not lines of files, but what the catalog says then and now."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from billing_as_code.catalog import load as load_catalog
from billing_as_code.config import FILE
from billing_as_code.config import load as load_config
from billing_as_code.errors import CatalogError, UsageError
from billing_as_code.gate.repository import Repository
from billing_as_code.model import Address, Resource, State
from billing_as_code.plan import Since
from billing_as_code.service.session import Session


class Changed(NamedTuple):
    """What changed; `since.whole` says why that is everything."""

    since: Since
    roots: frozenset[Address]


class _Unknown(Exception):
    """What the catalog said then cannot be known; its text is the code of why."""


def changed_since(session: Session, ref: str, desired: State) -> Changed:
    """What `desired` says otherwise than the catalog did where this branch and `ref` part; what is not committed counts
    as changed. Raises UsageError."""
    repository = Repository.around(session.config.root)
    if repository is None:
        raise UsageError(f"--changed-since asks git, and {session.config.root} is in no git repository")
    commit = repository.base(ref)
    try:
        with tempfile.TemporaryDirectory(prefix="bac-") as folder:
            before = _before(session, repository, commit, Path(os.path.realpath(folder)))
    except _Unknown as unknown:
        return Changed(Since(ref, commit, str(unknown)), frozenset())
    every = desired.keys() | before.keys()
    roots = frozenset(a for a in every if _said(desired.get(a)) != _said(before.get(a)))
    touched = tuple(sorted(map(str, roots)))
    return Changed(Since(ref, commit, touched=touched), roots)


def _said(resource: Resource | None) -> tuple[object, ...] | None:
    return (resource.spec, resource.protect, resource.external) if resource is not None else None


def _before(session: Session, repository: Repository, commit: str, folder: Path) -> State:
    """What the catalog said in a commit, for the session's environment; its files are written below an empty folder."""
    now, name = session.config, session.environment.name
    root = Path(os.path.realpath(now.root)).relative_to(repository.root)
    repository.write_out(commit, (root / FILE,), folder)
    if not (folder / root / FILE).is_file():
        raise _Unknown("no_configuration")
    try:
        then = load_config(folder / root / FILE)
        rules = [(c.owner, c.formerly, c.ignore, c.exclusive) for c in (now, then)]
        if rules[0] != rules[1]:
            raise _Unknown("configuration")
        if name not in then.environments or then.environments[name].url != session.environment.url:
            raise _Unknown("environment")
        catalog = Path(os.path.normpath(then.catalog))
        if not catalog.is_relative_to(folder):
            raise _Unknown("unreadable")
        repository.write_out(commit, (catalog.relative_to(folder),), folder)
        catalog.mkdir(parents=True, exist_ok=True)  # git has no empty folders
        return load_catalog(catalog, name, then.environments, session.kinds).desired
    except CatalogError:
        raise _Unknown("unreadable") from None
