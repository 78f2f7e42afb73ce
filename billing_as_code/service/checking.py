"""The doctor: gathering what can be known of a project and its OpenMeter, without writing anything to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from billing_as_code import doctor
from billing_as_code import live as live_state
from billing_as_code.catalog import Catalog, load_all
from billing_as_code.collecting import uncollected
from billing_as_code.config import Config, Environment, select
from billing_as_code.config import load as load_config
from billing_as_code.doctor import Answered, Finding, Lookout
from billing_as_code.errors import ApiError, CatalogError, UsageError
from billing_as_code.journal import Runs
from billing_as_code.model import State
from billing_as_code.service.guarding import guarded
from billing_as_code.service.session import Session, address, open_session

LONGEST_WAIT = 10.0
"""Seconds that the doctor waits for an answer, whatever the environment's own time-out is."""
_REST = "OpenMeter"


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. `environment` and `url` are "" where no environment could be chosen; without a url it is the
    embedded server."""

    environment: str
    url: str
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each level."""
        number = Counter(f.level for f in self.findings)
        return {level: number[level] for level in doctor.LEVELS}

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return not self.counts["problem"]


def examine(
    start: Path, name: str | None = None, *, transport: Any = None, now: Callable[[], datetime] | None = None
) -> Examination:
    """Look at the project in a folder and at one of its environments. Raises nothing that a finding can say.

    Of the shell's variables only names are told, and whether they are set. Every request is a read that is waited for
    LONGEST_WAIT seconds at most.
    """
    environ = os.environ
    try:
        config = load_config(start)
    except (UsageError, CatalogError) as error:
        return Examination("", "", tuple(doctor.unusable(error)))
    findings = list(doctor.configuration(config, environ))
    try:
        environment = select(config, name, environ)
    except UsageError as error:
        findings.append(doctor.found("environment_unclear", said=str(error)))
        findings += doctor.catalog(_catalog(config, next(iter(config.environments))), str(config.catalog), "all")
        return Examination("", "", tuple(findings))
    findings += doctor.chosen(environment, environ)
    read = _catalog(config, environment.name)
    findings += doctor.catalog(read, str(config.catalog), environment.name)
    findings += doctor.state(_lookout(config, environment), environment)
    findings += doctor.gate(guarded(config, environ), environment)
    desired = read.desired if isinstance(read, Catalog) else {}
    if any(f.code in ("token_unset", "token_unusable") for f in findings):
        findings.append(doctor.found("skipped", what=_REST, why="there is no token to ask it with"))
    else:
        quick = replace(environment, timeout=min(environment.timeout, LONGEST_WAIT))
        with open_session(config, quick, transport=transport) as session:
            session.now = now or session.now
            findings += _asked(session, desired)
    return Examination(environment.name, environment.url or "", tuple(findings))


def _catalog(config: Config, environment: str) -> Catalog | CatalogError:
    """The catalog as one environment sees it, if that is what every environment can do."""
    try:
        with uncollected():
            return load_all(config.catalog, config.environments)[environment]
    except CatalogError as error:
        return error


# -- what earlier runs left ----------------------------------------------------------------------------------------


def _lookout(config: Config, environment: Environment) -> Lookout:
    runs = Runs(config.state / "runs")
    unfinished = runs.unfinished(address(environment))
    return Lookout(str(unfinished or ""), runs.is_locked(), _ignored(config.root))


def _ignored(root: Path) -> bool | None:
    """Whether git ignores the folder of what commands keep; None where there is no git to ask."""
    if shutil.which("git") is None or not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    asking = ["git", "-C", str(root), "check-ignore", "--quiet", ".bac/runs"]
    try:
        asked = subprocess.run(asking, capture_output=True, check=False, timeout=LONGEST_WAIT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {0: True, 1: False}.get(asked.returncode)


# -- what OpenMeter tells ------------------------------------------------------------------------------------------


def _asked(session: Session, desired: State) -> Iterator[Finding]:
    """What an OpenMeter tells; what cannot be asked any more after a problem is said to be skipped."""
    glimpses = dict(listing.glimpse() for kind in session.kinds.values() for listing in kind.listings)
    first, *others = glimpses.items()
    answer = _look(session, *first)
    met = doctor.connection(answer, session.environment)
    yield from met
    if any(f.level == "problem" for f in met):
        yield doctor.found("skipped", what=_REST, why="the way to it is not clear")
        return
    if session.environment.url is not None:
        yield doctor.clock(answer)
    with ThreadPoolExecutor(session.environment.reads) as pool:
        answers = [answer, *pool.map(lambda glimpse: _look(session, *glimpse), others)]
    served = tuple(doctor.served(answers, session.environment))
    yield from served
    if any(f.level == "problem" for f in served):
        yield doctor.found("skipped", what="what lives there", why="not all of it can be read")
        return
    yield from _lived(session, desired)


def _lived(session: Session, desired: State) -> Iterator[Finding]:
    try:
        with uncollected():
            live = live_state.read(session.client, session.kinds, width=session.environment.reads)
    except ApiError as error:
        yield doctor.found("unreadable", said=str(error))
        return
    yield from doctor.resources(live, desired, session.config, session.kinds)


def _look(session: Session, path: str, query: Any) -> Answered:
    sent = session.now()
    look = session.client.look(path, query)
    return Answered(path, *look[:3], sent, session.now(), look.trouble, look.said, session.environment.timeout)
