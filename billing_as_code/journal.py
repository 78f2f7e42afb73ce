"""The journal of an apply: what was about to be sent and what came of it, written before and after each request.

One file a run in `.bac/runs/`, a JSON object a line; a torn last line is ignored, so a run that was killed anywhere
can be resumed. It holds ids, readings and addresses, never a token. A lock keeps two applies on one target apart on
one machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO, Any

from billing_as_code.errors import RunUnderway, RunUnfinished, UsageError
from billing_as_code.model import Json

StepKey = tuple[str, int]
"""A node's name and the number of its step."""


@dataclass
class Journal:
    """What is known of a run: its finished steps with the answers that were kept, those in doubt, and readings."""

    path: Path | None = None
    done: dict[StepKey, Json] = field(default_factory=dict)
    doubtful: set[StepKey] = field(default_factory=set)
    readings: dict[str, dict[str, Json]] = field(default_factory=dict)
    _file: IO[str] | None = None
    _broken: str = ""
    _lock: Lock = field(default_factory=Lock)

    def before(self, node: str, step: int) -> None:
        """What may have been sent outlives the machine: a step that looks never sent is sent again."""
        self._write({"node": node, "step": step, "at": "before"}, sync=True)

    def after(self, node: str, step: int, answer: Json) -> None:
        self._write({"node": node, "step": step, "at": "after", "answer": answer})

    def read(self, address: str, readings: Mapping[str, Json]) -> None:
        """Readings outlive the machine: after an override nothing else knows what the grants were."""
        self._write({"address": address, "readings": readings}, sync=True)

    def end(self, how: str) -> None:
        self._write({"end": how}, sync=True)
        self.close()

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is left in its buffer was told as not written
                self._file.close()
            self._file = None

    def _write(self, entry: Mapping[str, Json], *, sync: bool = False) -> None:
        """Raises UsageError where that cannot be, and from then on always: what is not known must not be sent."""
        if self._file is None:
            return
        with self._lock:
            try:
                if not self._broken:
                    self._file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
                    self._file.flush()
                    if sync:
                        os.fsync(self._file.fileno())
            except OSError as error:
                self._broken = str(error.strerror or error)
            if self._broken:
                raise UsageError(f"{self.path}: cannot be written ({self._broken}), so nothing more is sent")


class Runs:
    """The runs of one folder; `.bac/runs` beside bac.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, plan_text: str, digest: str, target_url: str) -> Journal:
        """A new run's journal. The plan is kept beside it, so that it can be resumed without the file it came from."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{digest[:12]}"
        path = self.folder / f"{name}.jsonl"
        with _writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f"{name}.plan.json").open("w", encoding="utf-8") as file:
                file.write(plan_text)
                file.flush()
                os.fsync(file.fileno())
            journal = Journal(path, _file=path.open("a", encoding="utf-8"))
        try:
            journal._write({"plan": digest, "target": target_url}, sync=True)
        except BaseException:
            journal.close()
            raise
        return journal

    def unfinished(self, target_url: str) -> Path | None:
        """The journal of a run on this target that died, the newest one."""
        for path in sorted(self.folder.glob("*.jsonl"), reverse=True):
            entries = list(_entries(path))
            if entries and entries[0].get("target") == target_url and not any("end" in e for e in entries):
                return path
        return None

    def refuse_unfinished(self, target_url: str) -> None:
        """Raises RunUnfinished where a run on this target died."""
        path = self.unfinished(target_url)
        if path is not None:
            raise RunUnfinished(
                f"an apply on {target_url} died and is not finished ({path}). "
                "Finish it with bac apply --resume, or give it up with bac apply --abandon"
            )

    def resume(self, target_url: str) -> tuple[Journal, str]:
        """The journal of the run that died, open to go on, and the text of its plan. Raises UsageError without one, or
        where its plan is gone."""
        path = self.unfinished(target_url)
        if path is None:
            raise UsageError(f"no unfinished apply on {target_url}: nothing to resume")
        planned = path.with_suffix(".plan.json")
        try:
            text = planned.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{planned}: cannot be read ({error.strerror}), so the apply that died cannot be finished. "
                "Give it up with bac apply --abandon; the next plan starts from what is live"
            ) from error
        journal = Journal(path)
        for entry in _entries(path):
            _replay(entry, journal)
        # a torn last line must not swallow the next one
        torn = path.stat().st_size and not path.read_bytes().endswith(b"\n")
        with _writable(path):
            journal._file = path.open("a", encoding="utf-8")
        if torn:
            journal._file.write("\n")
        return journal, text

    def abandon(self, target_url: str) -> tuple[Path, str]:
        """Mark the run that died as given up; its journal, and its plan's digest."""
        path = self.unfinished(target_url)
        if path is None:
            raise UsageError(f"no unfinished apply on {target_url}: nothing to give up")
        with _writable(path), path.open("a", encoding="utf-8") as file:
            file.write('\n{"end":"abandoned"}\n')
        return path, str(next(_entries(path))["plan"])

    def is_locked(self) -> bool:
        """Whether another process applies here."""
        try:
            with (self.folder.parent / "lock").open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @contextmanager
    def lock(self, target_url: str) -> Iterator[None]:
        """Held while one process applies; raises RunUnderway where another does. It goes when the process does."""
        with _writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            held = (self.folder.parent / "lock").open("w")
        with held as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunUnderway(
                    "another bac apply is running here. Wait until it has finished, then plan again"
                ) from error
            yield


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Raises UsageError where something of a run cannot be written down: nothing was sent then."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}). What an apply sends is written down there first"
        ) from error


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):  # a text may hold U+2028
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if isinstance(entry, dict):
            yield entry


def _replay(entry: Mapping[str, Any], journal: Journal) -> None:
    if "readings" in entry:
        journal.readings[entry["address"]] = dict(entry["readings"])
    if "node" not in entry:
        return
    key = (str(entry["node"]), int(entry["step"]))
    if entry["at"] == "before":
        journal.doubtful.add(key)
    else:
        journal.doubtful.discard(key)
        journal.done[key] = entry.get("answer")
