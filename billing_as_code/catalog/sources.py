"""The files of a catalog as texts, for whoever edits them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from billing_as_code.catalog import files
from billing_as_code.errors import Problem, UsageError
from billing_as_code.reader import Block, read


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its text, what it says, and whether it is laid over the others (below `environments/`)."""

    path: Path
    text: str
    root: Block
    is_overlay: bool


def sources(root: Path, environment: str, unsaved: files.Unsaved = files.SAVED) -> list[Source]:
    """The files that an environment sees, those that are laid over the others first. Only for a valid catalog.

    Raises UsageError where a file went away or became unreadable meanwhile.
    """
    found = files.find(root, unsaved)
    over = found.environments.get(environment, [])
    return [_source(path, unsaved, is_overlay=True) for path in over] + [
        _source(path, unsaved, is_overlay=False) for path in found.base
    ]


def _source(path: Path, unsaved: files.Unsaved, *, is_overlay: bool) -> Source:
    if (text := unsaved.get(path)) is None:
        data = files.content(path)
        if isinstance(data, Problem):
            raise UsageError(str(data))
        text = data.decode()
    block, _ = read(files.label(path), text.encode())
    return Source(path, text, block if block is not None else Block(files.label(path), 0), is_overlay)
