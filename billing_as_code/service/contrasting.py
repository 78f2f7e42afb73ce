"""Two environments, or a branch and its base, side by side: what differs, as declared and as it is live."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from billing_as_code import live as live_state
from billing_as_code.catalog import load as load_catalog
from billing_as_code.catalog import load_all
from billing_as_code.collecting import uncollected
from billing_as_code.config import FILE, Config, Environment
from billing_as_code.config import load as load_config
from billing_as_code.contrast import Contrast, contrast, without_moments
from billing_as_code.errors import ApiError, CatalogError, UsageError
from billing_as_code.gate.repository import Repository
from billing_as_code.kinds import KINDS
from billing_as_code.live import Progress
from billing_as_code.model import State
from billing_as_code.service.session import Session

Opened = Callable[[Environment], AbstractContextManager[Session]]


def _made(config: Config, before: tuple[str, State], after: tuple[str, State]) -> Contrast:
    with uncollected():
        found = contrast(before[1], after[1], KINDS, config.ignore)
    compared = len(before[1].keys() | after[1].keys())
    return Contrast(before[0], after[0], tuple(found.changes.values()), tuple(found.held), compared)


# -- two environments ---------------------------------------------------------------------------------------------


def contrasted(
    config: Config,
    before: Environment,
    after: Environment,
    opened: Opened | None = None,
    progress: Progress = lambda done, known: None,
) -> tuple[Contrast, Contrast | None]:
    """How `after` differs from `before`: by the catalog, and, where `opened` opens an environment, as they are live.

    Live, what counts is what is ours or declared there. An OpenMeter that cannot be read is told, not raised.
    Raises CatalogError, and UsageError where both are the same.
    """
    if before.name == after.name:
        raise UsageError(f"{before.name} is named twice. Name two environments: --env staging --env production")
    with uncollected():
        catalogs = load_all(config.catalog, config.environments)
    desired = {e.name: catalogs[e.name].desired for e in (before, after)}
    declared = _made(config, (before.name, desired[before.name]), (after.name, desired[after.name]))
    if opened is None:
        return declared, None
    found: dict[str, State] = {}
    for environment in (before, after):
        try:
            found[environment.name] = _live(config, environment, desired[environment.name], opened, progress)
        except (ApiError, UsageError) as error:
            missing = f"{environment.name} cannot be read: {error}"
            return declared, Contrast(before.name, after.name, missing=missing)
    return declared, _made(config, (before.name, found[before.name]), (after.name, found[after.name]))


def _live(config: Config, environment: Environment, desired: State, opened: Opened, progress: Progress) -> State:
    ours = {config.owner, *config.formerly}
    with opened(environment) as session, uncollected():
        found = live_state.read(session.client, session.kinds, width=environment.reads, progress=progress)
        counted = {
            a: r
            for a, r in found.items()
            if session.kinds[a.kind].counts(r)
            and not r.managed
            and (r.owner in ours or (a in desired and not desired[a].external))
        }
        return without_moments(counted, desired, session.kinds)


# -- a branch and its base ----------------------------------------------------------------------------------------


def since(config: Config, environment: Environment, ref: str) -> Contrast:
    """How the catalog in the work tree differs from that of a commit, for one environment; nothing is asked of an
    OpenMeter. Where that commit has no catalog, or a wrong one, `missing` says so and there are no changes.

    Raises CatalogError where that of the work tree is wrong, UsageError where the commit is not to be had.
    """
    after = load_catalog(config.catalog, environment.name, config.environments).desired
    repository = Repository.around(config.root)
    if repository is None:
        raise UsageError(f"{config.root} is in no git repository, so there is no base to compare with")
    name = f"{environment.name} at {ref[:12]}"
    root, catalog = (Path(os.path.realpath(p)).relative_to(repository.root) for p in (config.root, config.catalog))
    with tempfile.TemporaryDirectory(prefix="bac-") as folder:
        repository.write_out(ref, (root / FILE, catalog), Path(folder))
        if not (Path(folder) / root / FILE).is_file():
            return Contrast(name, environment.name, missing=f"{ref[:12]} has no {root / FILE}")
        try:
            there = load_config(Path(folder) / root / FILE)
            known = environment.name if environment.name in there.environments else None
            before = load_catalog(Path(folder) / catalog, known, there.environments).desired
        except CatalogError as error:
            first = str(error.problems[0]).removeprefix(folder + os.sep)
            return Contrast(name, environment.name, missing=f"the catalog of {ref[:12]} is wrong itself: {first}")
    return _made(config, (name, before), (environment.name, after))


def base_of(config: Config, head: str) -> str:
    """The base of a pull request whose commits end with `head`, where the work tree is its merge into that base, as
    services check it out; "" where it is not."""
    repository = Repository.around(config.root)
    if repository is None:
        return ""
    base, *others = repository.parents("HEAD") or ("",)
    return base if head and others == [head] else ""
