"""Where proposals, decisions and claims are kept: documents that are written once and never changed.

`Store` is all that the gate asks for, so that a shared one can take the place of the folder.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Protocol

from billing_as_code.errors import UsageError

_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z]+(-[0-9a-f]{16})?)?")


class Store(Protocol):
    """Documents by name: a digest, and behind a dot what it is of that digest (`<digest>.claim`)."""

    def put(self, name: str, text: str) -> bool:
        """Keep a document, wholly and for good; False, with nothing changed, where one of that name is there."""
        ...

    def get(self, name: str) -> str | None:
        """The text of a document, None where there is none."""
        ...

    def names(self) -> list[str]:
        """The names of all documents, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Take a document away, where it is there."""
        ...


class FileStore:
    """A `Store` in a folder, a file each. Only its owner can read it: plans hold names and addresses of customers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, text: str) -> bool:
        path = self._path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                # a link is made wholly or not at all, and never over a file that is there
                os.link(temporary, path)
            finally:
                Path(temporary).unlink()
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError:
            return False
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        return True

    def get(self, name: str) -> str | None:
        path = self._path(name)
        try:
            return path.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error

    def names(self) -> list[str]:
        return sorted(p.stem for p in self.folder.glob("*.json") if _NAME.fullmatch(p.stem))

    def drop(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(name)  # never lets a caller's text become a path
        return self.folder / f"{name}.json"
