"""Projects with their servers as a fixture makes them, made once in a process and then copied.

@pytest.fixture
def acme(ws: Workspace, openmeter: Flask) -> Workspace:
    return prepared(ws, openmeter, applied)      # applied(ws) writes a catalog and applies it

What a fixture makes is the database, the time and the files; the log of requests is empty after it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from workspace import Workspace

if TYPE_CHECKING:
    import sqlite3

    from flask import Flask

Make = Callable[[Workspace], object]


@dataclass(frozen=True)
class _Made:
    folder: TemporaryDirectory[str]
    database: bytes
    time: str


_MADE: dict[Make, _Made] = {}


def prepared(ws: Workspace, openmeter: Flask, make: Make) -> Workspace:
    """The workspace, fresh until now, as `make` leaves one. Its server is `openmeter`, which is in memory."""
    made = _MADE.get(make)
    if made is None:
        make(ws)
        folder = TemporaryDirectory()
        shutil.copytree(ws.root, folder.name, dirs_exist_ok=True)
        _MADE[make] = _Made(folder, _connection(openmeter).serialize(), ws.now().isoformat())
    else:
        shutil.copytree(Path(made.folder.name), ws.root, dirs_exist_ok=True)
        _connection(openmeter).deserialize(made.database)
        ws.clock(made.time)
    ws.forget()
    return ws


def _connection(openmeter: Flask) -> sqlite3.Connection:
    """The one connection to a server's memory; nothing is asked of it now."""
    [connection] = openmeter.config["DATABASE"]._idle
    found: sqlite3.Connection = connection
    return found
