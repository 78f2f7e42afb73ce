"""Running `bac` in a workspace's folder, against the workspace's server and by its clock.

bac = against(ws, monkeypatch)
bac("show", "customers.acme").stdout
bac("show", "nothing", code=1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from workspace import Workspace

from billing_as_code import service
from billing_as_code.cli import main

Bac = Callable[..., Result]


def against(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Bac:
    """A `bac` that sees that it ends with the exit code that is expected."""
    monkeypatch.chdir(ws.root)
    for variable in ("CI", "BAC_ENV", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    really = service.open_session

    def opened(*args: Any, **given: Any) -> Any:
        return really(*args, **given) if given else ws.session()

    monkeypatch.setattr(service, "open_session", opened)

    def run(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, args)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run
