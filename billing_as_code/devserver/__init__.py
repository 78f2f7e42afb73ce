"""An OpenMeter-compatible server on SQLite, for first steps, tests and rehearsals.

It stands alone: it shares no code with the rest of the package. See README.md beside this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flask import Flask


def create_app(database: str | Path = ":memory:", *, more: Sequence[str] = ()) -> Flask:
    """Make the WSGI application on a database file, or on memory that lives as long as the application.

    `more` names modules with a `resource` besides the ones that are here.
    """
    from .app import build_app

    return build_app(str(database), more)
