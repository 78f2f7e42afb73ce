"""Writing files of a catalog: all or none as far as a file system lets us, and never outside of its folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from billing_as_code.catalog.files import label
from billing_as_code.errors import UsageError


def write(root: Path, texts: Mapping[Path, str], before: Mapping[Path, str | None]) -> None:
    """Write texts to files below `root`; `before` is what each must still hold, None where it must not be there.

    Each file is replaced as a whole, so that nobody reads half of one. A link within the catalog is followed. Raises
    UsageError where a file would be outside of the catalog, has changed, or cannot be written.
    """
    real = {path: _within(root, path) for path in texts}
    for path, expected in before.items():
        if _content(real[path]) != expected:
            raise UsageError(f"{label(path)} has changed while bac was at work, so nothing was written. Once more")
    waiting: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            waiting.append((_beside(real[path], text), real[path]))
        for temporary, target in waiting:
            temporary.replace(target)
    except OSError as error:
        raise UsageError(f"cannot write {label(Path(error.filename or root))}: {error.strerror}") from error
    finally:
        for temporary, _ in waiting:
            temporary.unlink(missing_ok=True)


def _within(root: Path, path: Path) -> Path:
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise UsageError(
            f"{label(path)} is a link out of the catalog, so nothing was written. Move it into the catalog"
        )
    return real


def _content(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{label(path)} cannot be read: {error}") from error


def _beside(path: Path, text: str) -> Path:
    """A file with the text in the folder of another, and with its rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_mask()
    temporary = Path(name)
    temporary.chmod(mode)
    return temporary


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
