"""What can be seen without a request: bac.yaml, the catalog, the shell's variables, and what earlier runs left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from billing_as_code.catalog import Catalog
from billing_as_code.config import Config, Environment
from billing_as_code.doctor.findings import Finding, found
from billing_as_code.doctor.naming import host_of, is_here
from billing_as_code.errors import BacError, CatalogError, Problem, UsageError

SAFE_NARROW, SAFE_WIDE, USEFUL_READS = 2, 8, 8
"""How many requests of a lane OpenMeter takes at a time on its usual pool, as measured."""
_MOST = 5
_API = re.compile(r"(/api)?(/v[123](/openmeter)?)?$")


@dataclass(frozen=True, slots=True)
class Lookout:
    """What the folder beside bac.yaml tells. `unfinished` is the journal of an apply on the target that died, "" where
    none did; `ignored` is None where there is no git to ask."""

    unfinished: str = ""
    locked: bool = False
    ignored: bool | None = None


def unusable(error: BacError) -> Iterator[Finding]:
    """Why there is no configuration."""
    if isinstance(error, CatalogError):
        yield from (found("configuration_wrong", said=_said(p), right=p.remedy) for p in error.problems[:_MOST])
        return
    said, _, _ = str(error).partition(". ")
    yield found("configuration_missing", said=said)


def configuration(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What bac.yaml says, whichever environment is meant."""
    yield found("configuration_ok", owner=config.owner, environments=", ".join(config.environments))
    for one, other in combinations(config.environments.values(), 2):
        if one.url is not None and one.url == other.url:
            yield found("same_url", one=one.name, other=other.name, url=one.url)
    for variable in config.secrets:
        if not environ.get(variable):
            yield found("secret_unset", variable=variable)


def chosen(environment: Environment, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What bac.yaml says of the environment that is meant."""
    if environment.url is None:
        return
    end = _API.search(environment.url)
    if end is not None and end.group():
        yield found("url_with_api", end=end.group(), url=environment.url[: end.start()])
    if environment.token_env is not None:
        yield from _token(environment, environment.token_env, environ)
    if environment.narrow > SAFE_NARROW:
        yield found("writes_narrow", number=environment.narrow)
    if environment.wide > SAFE_WIDE:
        yield found("writes_wide", number=environment.wide)
    if environment.reads > USEFUL_READS:
        yield found("reads_many", number=environment.reads)


def _token(environment: Environment, variable: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        environment.token(environ)
    except UsageError:
        unset = not environ.get(variable, "").strip()
        yield found("token_unset" if unset else "token_unusable", environment=environment.name, variable=variable)
        return
    url = environment.url or ""
    if url.startswith("http://") and not is_here(url):
        yield found("token_over_http", host=host_of(url))


def catalog(read: Catalog | CatalogError, folder: str, environment: str) -> Iterator[Finding]:
    """What was read of the catalog, or why it cannot be."""
    if isinstance(read, CatalogError):
        yield from _problems(read)
    elif not read.desired:
        yield found("catalog_empty", folder=folder)
    else:
        yield found("catalog_ok", files=len(read.files), resources=f"{len(read.desired):,}", environment=environment)


def _problems(error: CatalogError) -> Iterator[Finding]:
    yield from (found("catalog_wrong", said=_said(p), right=p.remedy) for p in error.problems[:_MOST])
    if len(error.problems) > _MOST:
        yield found("catalog_more", more=len(error.problems) - _MOST)


def _said(problem: Problem) -> str:
    return str(replace(problem, remedy=""))


def state(seen: Lookout, environment: Environment) -> Iterator[Finding]:
    """What earlier runs left in `.bac/`."""
    if seen.locked:
        yield found("apply_running")
    elif seen.unfinished:
        yield found("run_unfinished", path=seen.unfinished, environment=environment.name)
    if seen.ignored is False:
        yield found("state_not_ignored")
