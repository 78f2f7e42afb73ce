"""What OpenMeter has accepted of a file, kept in `.bac/ingest/`: so a run that stopped anywhere is gone on with, and a
file whose wrong lines were mended is sent again without its other lines.

One file for each input and target, a JSON object a line, added once a batch has been acknowledged; a torn last line is
ignored. It holds hashes of events, never what they say.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from billing_as_code.errors import BacError, Refused, UsageError
from billing_as_code.ingest.events import Event
from billing_as_code.ingest.fingerprints import Fingerprints
from billing_as_code.model import Json

_ENTRY = 16
"""Bytes of an event: the fingerprints of its id and of its content."""


class Sent:
    """The events that were accepted before, and those of this run."""

    def __init__(self, known: Fingerprints, file: FileIO | None = None) -> None:
        self._known, self._file = known, file

    def content(self, event: Event) -> int | None:
        """What was accepted under the event's id, None where nothing was."""
        return self._known.get(event.key)

    def add(self, events: Sequence[Event]) -> None:
        """Remember that these were accepted. One thread at a time. Raises BacError where that is not possible."""
        if self._file is None:
            return
        pairs = array("Q", (number for event in events for number in (event.key, event.content)))
        _add(self._file, {"line": events[-1].line, "sent": b64encode(pairs.tobytes()).decode()})


def nowhere() -> Sent:
    """For what cannot be gone on with: a pipe, an event from flags."""
    return Sent(Fingerprints())


def looked_up(folder: Path, source: Path, target: str) -> Sent:
    """What is remembered of a file on a target, for a look: nothing is kept, and nobody is kept out."""
    path = _journal(folder, source, target)
    return Sent(_read(path)[0]) if path.exists() else nowhere()


@contextmanager
def remembered(folder: Path, source: Path, target: str, *, again: bool = False) -> Iterator[Sent]:
    """What is remembered of a file on a target, open for more; forgotten first where `again`.

    Raises Refused where another process sends the same file, BacError where nothing can be written there.
    """
    path = _journal(folder, source, target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("ab", buffering=0)  # a line is there once it is written, whatever becomes of us
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}. bac ingest keeps there what was accepted") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(f"another bac ingest is sending {source}. Wait until it has finished") from error
        if again:
            file.truncate(0)
        if os.fstat(file.fileno()).st_size == 0:
            _add(file, {"file": str(source), "target": target})
        known, is_torn = _read(path)
        if is_torn:  # the torn line must not swallow the next one
            file.write(b"\n")
        yield Sent(known, file)


def _add(file: FileIO, entry: dict[str, Json]) -> None:
    line = json.dumps(entry).encode() + b"\n"
    try:
        if file.write(line) == len(line):
            return
        reason = os.strerror(errno.ENOSPC)
    except OSError as error:
        reason = str(error.strerror)
    raise BacError(f"{file.name!s}: {reason}. Nothing would tell what was accepted, so no more is sent")


def _journal(folder: Path, source: Path, target: str) -> Path:
    name = blake2b(f"{source.resolve()}\0{target}".encode(errors="surrogateescape"), digest_size=8).hexdigest()
    return folder / f"{_plain(source.name)}-{name}.jsonl"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:60]


def _read(path: Path) -> tuple[Fingerprints, bool]:
    """What a journal holds, and whether its last line is torn."""
    known = Fingerprints(path.stat().st_size // (_ENTRY * 4 // 3))
    line = b"\n"
    with path.open("rb") as lines:
        for line in lines:
            try:
                pairs = array("Q", b64decode(json.loads(line).get("sent", ""), validate=True))
            except (ValueError, AttributeError, TypeError):
                continue  # torn by a kill
            for at in range(0, len(pairs) - 1, 2):
                known.put(pairs[at], pairs[at + 1])
    return known, not line.endswith(b"\n")
