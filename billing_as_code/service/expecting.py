"""Tests of the catalog: every `*.test.yaml` below its folder, held against what each environment makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from billing_as_code import expecting
from billing_as_code.catalog import files, load, load_all
from billing_as_code.collecting import uncollected
from billing_as_code.config import Config
from billing_as_code.errors import CatalogError, Problem, UsageError
from billing_as_code.expecting import Expectation, Outcome
from billing_as_code.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What came of all tests, by file and then as they stand there; one outcome for each environment. `environments`
    are those that were looked at."""

    outcomes: tuple[Outcome, ...]
    environments: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that do not hold."""
        return tuple(outcome for outcome in self.outcomes if not outcome.holds)


def hold(config: Config, environment: str | None = None) -> Verdicts:
    """Hold the tests against the catalog as each environment sees it, or as one does.

    Raises CatalogError with everything that is wrong with the tests or with the catalog, UsageError where there is no
    test.
    """
    found = files.find_tests(config.catalog)
    problems = list(found.problems)
    tests = {path: _read(path, config, problems) for path in found.base}
    own = {name: {p: _read(p, config, problems) for p in paths} for name, paths in found.environments.items()}
    for name in own:
        if name not in config.environments:
            folder = files.label(config.catalog / files.ENVIRONMENTS / name)
            message = "is the folder of no known environment"
            problems.append(Problem(folder, 0, 0, "", message, "bac.yaml names the environments"))
    if problems:
        raise CatalogError(sorted(problems, key=lambda p: (p.file, p.line, p.column, p.message)))
    paths = [*tests, *(path for named in own.values() for path in named)]
    if not paths:
        raise UsageError(f"there are no tests: no *.test.yaml below {files.label(config.catalog)}")
    with uncollected():
        if environment is not None:
            catalogs = {environment: load(config.catalog, environment, config.environments)}
        else:
            catalogs = load_all(config.catalog, config.environments)
    outcomes = {
        name: [
            (path, outcome)
            for path, some in (*tests.items(), *own.get(name, {}).items())
            for outcome in expecting.judge(some, catalog, name, KINDS)
        ]
        for name, catalog in catalogs.items()
    }
    rank = {name: n for n, name in enumerate(catalogs)}
    ordered = sorted(
        (found for some in outcomes.values() for found in some),
        key=lambda found: (paths.index(found[0]), found[1].test.place.line, rank[found[1].environment]),
    )
    return Verdicts(tuple(o for _, o in ordered), tuple(catalogs), tuple(files.label(path) for path in paths))


def broken(config: Config, environment: str) -> tuple[Outcome, ...]:
    """What does not hold as an environment sees it; nothing where the catalog has no test. Raises CatalogError."""
    found = files.find_tests(config.catalog)
    if not (found.base or any(found.environments.values()) or found.problems):
        return ()
    return hold(config, environment).failed


def _read(path: Path, config: Config, problems: list[Problem]) -> list[Expectation]:
    data = files.content(path)
    if isinstance(data, Problem):
        problems.append(data)
        return []
    found, wrong = expecting.expectations(files.label(path), data, config.environments)
    problems += wrong
    return found
