"""Which files are the catalog: every `.yaml` and `.yml` below its folder, those of environments apart.

Those whose name ends with `.test.yaml` are no part of it: they say what must hold of it (see `expecting`).

Names that begin with a dot are not looked at (editors and git keep theirs there). A link may lead anywhere within the
catalog; within one layer everything is read once, however many links lead to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from billing_as_code.errors import Problem
from billing_as_code.reader import MOST_BYTES

ENVIRONMENTS = "environments"
MOST_FILES = 50_000
_SUFFIXES = (".yaml", ".yml")
_TESTS = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a catalog, by path from its folder, in order; `environments` has one list per folder."""

    base: list[Path] = field(default_factory=list)
    environments: dict[str, list[Path]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def label(path: Path) -> str:
    """What a file is called in messages: its path from the working folder, where it is in there."""
    text = str(path)
    if path.is_absolute():
        text = text.removeprefix(str(Path.cwd()) + os.sep)
    return text if text.isprintable() else text.encode("unicode_escape", "surrogatepass").decode()


Unsaved = Mapping[Path, str]
"""Texts of files that are not written yet, by path."""
SAVED: Unsaved = {}


def find(root: Path, unsaved: Unsaved = SAVED) -> Found:
    """The files below `root`, and what stands there but cannot be read as part of the catalog.

    Those of `unsaved` count as if they stood there.
    """
    found = _standing(root) if root.is_dir() or not unsaved else Found()
    environments = root / ENVIRONMENTS
    standing = {*found.base, *(path for paths in found.environments.values() for path in paths)}
    for path in unsaved:
        if path not in standing:
            of_one = path.is_relative_to(environments)
            name = path.relative_to(environments).parts[0] if of_one else ""
            (found.environments.setdefault(name, []) if of_one else found.base).append(path)
    return found


def find_tests(root: Path) -> Found:
    """The files that say what must hold of the catalog below `root`, found as `find` finds the catalog's."""
    return _standing(root, tests=True)


def _standing(root: Path, *, tests: bool = False) -> Found:
    found = Found()
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "there is no such folder"
        found.problems.append(Problem(label(root), 0, 0, "", what, "the `catalog:` line of bac.yaml names it"))
        return found
    environments = root / ENVIRONMENTS
    found.base.extend(_Walk(root, found.problems, skip=environments, tests=tests).files(root))
    if environments.is_dir():
        for entry in _entries(environments, found.problems):
            if entry.is_dir():
                files = _Walk(root, found.problems, tests=tests).files(entry)
                found.environments[entry.name] = list(files)
            elif entry.name.endswith(_SUFFIXES) and entry.name.endswith(_TESTS) == tests:
                remedy = f"move it to {ENVIRONMENTS}/<name>/, or out of {ENVIRONMENTS}/"
                found.problems.append(Problem(label(entry), 0, 0, "", "belongs to no environment", remedy))
    return found


def content(path: Path) -> bytes | Problem:
    """The bytes of a file, never more than a reader takes."""
    try:
        with path.open("rb") as file:
            # as many as it has, since asking for more would set aside memory for more
            return file.read(min(os.fstat(file.fileno()).st_size, MOST_BYTES) + 1)
    except OSError as error:
        return _unreadable(path, error)


class _Walk:
    """One pass over a layer's folders, each real folder and file once."""

    def __init__(self, root: Path, problems: list[Problem], *, skip: Path | None = None, tests: bool = False) -> None:
        self._tests = tests
        self._root = Path(os.path.realpath(root))
        self._problems = problems
        self._skip = skip
        self._seen: set[str] = set()

    def files(self, folder: Path) -> Iterator[Path]:
        pending = [folder]
        count = 0
        while pending:
            path = pending.pop()
            if path == self._skip or not self._is_ours(path):
                continue
            if path.is_dir():
                pending.extend(reversed(_entries(path, self._problems)))
            elif self._is_meant(path.name) and self._is_file(path):
                count += 1
                if count > MOST_FILES:
                    self._problem(folder, f"holds more than {MOST_FILES:,} files", "put more into one file")
                    return
                yield path

    def _is_meant(self, name: str) -> bool:
        return name.endswith(_SUFFIXES) and name.endswith(_TESTS) == self._tests

    def _is_ours(self, path: Path) -> bool:
        """False for what was seen already, and for links that lead out of the catalog or around in a circle."""
        linked = path.is_symlink()
        real = os.path.realpath(path)
        if linked and not Path(real).is_relative_to(self._root):
            if self._is_meant(path.name) or path.is_dir():
                self._problem(path, "is a link out of the catalog", "move what it leads to into the catalog")
            return False
        if linked and Path(os.path.realpath(path.parent)).is_relative_to(real):
            self._problem(path, "is a link to a folder that it is in", "remove it")
            return False
        if real in self._seen:
            return False
        self._seen.add(real)
        return True

    def _is_file(self, path: Path) -> bool:
        """Whether it can be opened without waiting for anybody: a named pipe could be waited on forever."""
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self._problems.append(_unreadable(path, error))
            return False
        if not stat.S_ISREG(mode):
            self._problem(path, "is no file", "remove it, or name it otherwise")
            return False
        return True

    def _problem(self, path: Path, message: str, remedy: str) -> None:
        self._problems.append(Problem(label(path), 0, 0, "", message, remedy))


def _entries(folder: Path, problems: list[Problem]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return []


def _unreadable(path: Path, error: OSError) -> Problem:
    reason = (error.strerror or type(error).__name__).lower()
    return Problem(label(path), 0, 0, "", f"cannot be read: {reason}", "make it readable, or remove it")
