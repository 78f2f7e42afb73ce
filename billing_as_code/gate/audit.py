"""The trail of who did what and when: a JSON object a line, each with the hash of the line before it.

Lines are only ever added. A line that was changed, taken out or put in breaks the chain there; that the last ones are
missing shows only to those who have kept a later hash (`head`) elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from billing_as_code.errors import UsageError
from billing_as_code.model import Json, canonical_json

BEGINNING = "0" * 64
_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Trail:
    """What an audit file holds: its entries, the hash of its last line, and where the chain is broken (line, why)."""

    entries: tuple[Mapping[str, Json], ...]
    head: str
    broken: tuple[tuple[int, str], ...]
    hashes: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        return not self.broken

    def has(self, head: str) -> bool:
        """Whether a hash that begins so is that of a line; the empty trail's head is in every one."""
        return BEGINNING.startswith(head) or any(known.startswith(head) for known in self.hashes)


class Audit:
    """The trail in a file, `.bac/audit.jsonl` beside bac.yaml."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Mapping[str, Json]) -> str:
        """Add an entry, and have it on the disk; the hash of its line. Raises UsageError where that cannot be."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                last, torn = _last_line(handle)
                text = canonical_json({**entry, "prev": _hash(last) if last is not None else BEGINNING})
                data = (b"\n" if torn else b"") + text.encode() + b"\n"
                while data:
                    data = data[os.write(handle, data) :]
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise UsageError(f"cannot write the audit trail {self.path}: {error.strerror}") from error
        return _hash(text.encode())

    def read(self) -> Trail:
        """All of it, checked. Raises UsageError where it cannot be read."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Trail((), BEGINNING, ())
        except OSError as error:
            raise UsageError(f"cannot read the audit trail {self.path}: {error.strerror}") from error
        entries: list[Mapping[str, Json]] = []
        broken: list[tuple[int, str]] = []
        hashes = []
        before = BEGINNING
        lines = data.split(b"\n")
        if lines.pop():
            lines = data.split(b"\n")
            broken.append((len(lines), "is cut off"))
        for number, line in enumerate(lines, 1):
            entry = _entry(line)
            if entry is None:
                broken.append((number, "is no entry"))
            else:
                entries.append(entry)
                if entry.get("prev") != before:
                    broken.append((number, "does not follow the line before it"))
            before = _hash(line)
            hashes.append(before)
        return Trail(tuple(entries), before, tuple(sorted(set(broken))), frozenset(hashes))


def _entry(line: bytes) -> Mapping[str, Json] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _last_line(handle: int) -> tuple[bytes | None, bool]:
    """The last line of a file without its end, None of an empty one; and whether that end is missing."""
    size = os.fstat(handle).st_size
    if not size:
        return None, False
    data, at = b"", size
    while at and b"\n" not in data[:-1]:
        step = min(_BLOCK, at)
        at -= step
        data = os.pread(handle, step, at) + data
    torn = not data.endswith(b"\n")
    return data.removesuffix(b"\n").rpartition(b"\n")[2], torn
