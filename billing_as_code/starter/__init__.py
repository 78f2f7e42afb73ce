"""What `bac init` writes: a configuration and a catalog to start from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from billing_as_code import schemas
from billing_as_code.errors import UsageError
from billing_as_code.kinds.fragments import unsafe_label

OWNER = "my-billing"
"""The owner that stands in the starter's bac.yaml, and is replaced by the real one."""
_IGNORED = ".bac/\n"


def write(folder: Path, owner: str | None) -> list[Path]:
    """Write the starter into a folder; the paths that were written, all new. Raises UsageError before it writes any."""
    name = owner if owner is not None else owner_of(folder)
    if unsafe_label("owner", name):
        remedy = "up to 63 letters and digits, single `.`, `_` or `-` between pairs of them"
        raise UsageError(f"--owner {name!r} cannot be written on a feature ({remedy})")
    texts = {path: text.replace(f"owner: {OWNER}", f"owner: {name}") for path, text in _files(_here(), Path())}
    texts |= {Path("schemas") / file: text for file, text in schemas.texts().items()}
    if not (folder / ".gitignore").exists():
        texts[Path(".gitignore")] = _IGNORED
    there = [str(path) for path in texts if (folder / path).exists()]
    if there:
        raise UsageError(f"nothing was written, since this exists already: {', '.join(sorted(there))}")
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write here: {error}") from error
    return [folder / path for path in sorted(texts)]


def owner_of(folder: Path) -> str:
    """An owner made from a folder's name, the starter's own where that has no letters."""
    words = re.findall(r"[a-z0-9]{2,}", folder.absolute().name.lower())
    name = "-".join(words)[:40].strip("-")
    return name if name and not unsafe_label("owner", name) else OWNER


def _here() -> Traversable:
    return files(__name__)


def _files(folder: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, path / entry.name)
        elif entry.name.endswith(".yaml"):
            yield path / entry.name, entry.read_text(encoding="utf-8")
