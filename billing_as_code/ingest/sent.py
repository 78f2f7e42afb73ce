"""What OpenMeter has accepted of a file, kept in `.bac/ingest/`: so a run that stopped anywhere is gone on with, and a
file whose wrong lines were mended is sent again without its other lines.

One file for each input and target, a JSON object a line, added once a batch has been acknowledged; a torn last line is
ignored. It holds hashes of events, never what they say.
"""

from __future__ import annotations

import fcntl
import json
import os
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

from billing_as_code.errors import BacError, Refused, UsageError
from billing_as_code.ingest.events import Event
from billing_as_code.ingest.fingerprints import Fingerprints

_ENTRY = 16
"""Bytes of an event: the fingerprints of its id and of its content."""


class Sent:
    """The events that were accepted before, and those of this run."""

    def __init__(self, known: Fingerprints, file: IO[str] | None = None) -> None:
        self._known, self._file = known, file

    def content(self, event: Event) -> int | None:
        """What was accepted under the event's id, None where nothing was."""
        return self._known.get(event.key)

    def add(self, events: Sequence[Event]) -> None:
        """Remember that these were accepted. One thread at a time. Raises BacError where that is not possible."""
        if self._file is None:
            return
        pairs = array("Q", (number for event in events for number in (event.key, event.content)))
        entry = {"line": events[-1].line, "sent": b64encode(pairs.tobytes()).decode()}
        try:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        except OSError as error:
            said = f"{self._file.name}: {error.strerror}"
            raise BacError(f"{said}. Nothing would tell what was accepted, so no more is sent") from error


def nowhere() -> Sent:
    """For what cannot be gone on with: a pipe, an event from flags."""
    return Sent(Fingerprints())


def looked_up(folder: Path, source: Path, target: str) -> Sent:
    """What is remembered of a file on a target, for a look: nothing is kept, and nobody is kept out."""
    path = _journal(folder, source, target)
    if not path.exists():
        return nowhere()
    with path.open(encoding="ascii", errors="replace") as file:
        return Sent(_read(file)[0])


@contextmanager
def remembered(folder: Path, source: Path, target: str, *, again: bool = False) -> Iterator[Sent]:
    """What is remembered of a file on a target, open for more; forgotten first where `again`.

    Raises Refused where another process sends the same file, UsageError where the folder cannot be written.
    """
    path = _journal(folder, source, target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii", errors="replace")
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
            file.write(json.dumps({"file": str(source), "target": target}) + "\n")
            file.flush()
        known, is_torn = _read(file)
        if is_torn:  # the torn line must not swallow the next one
            file.write("\n")
        yield Sent(known, file)


def _journal(folder: Path, source: Path, target: str) -> Path:
    name = blake2b(f"{source.resolve()}\0{target}".encode(errors="surrogateescape"), digest_size=8).hexdigest()
    return folder / f"{_plain(source.name)}-{name}.jsonl"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:60]


def _read(file: IO[str]) -> tuple[Fingerprints, bool]:
    """What a journal holds, and whether its last line is torn."""
    size = os.fstat(file.fileno()).st_size
    known = Fingerprints(size // (_ENTRY * 4 // 3))
    file.seek(0)
    line = "\n"
    for line in file:
        try:
            entry = json.loads(line)
            pairs = array("Q", b64decode(entry.get("sent", ""), validate=True))
        except (ValueError, AttributeError, TypeError):
            continue  # torn by a kill
        for at in range(0, len(pairs) - 1, 2):
            known.put(pairs[at], pairs[at + 1])
    return known, not line.endswith("\n")
