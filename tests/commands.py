"""Running `bac`: in the working folder, as a process, or on a workspace's server and by its clock.

bac = against(ws, monkeypatch)
bac("show", "customers.acme").stdout
bac("show", "nothing", code=1)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from workspace import Workspace

from billing_as_code import service
from billing_as_code.cli import main

Bac = Callable[..., Result]
BAC = [sys.executable, "-c", "from billing_as_code.cli import program; program()"]
"""The words that start a process of it."""


def run(*args: str, code: int = 0, given: str | None = None) -> Result:
    """Run it in the working folder, with `given` on its stdin. It must end with that exit code, and by no error."""
    result = CliRunner().invoke(main, args, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a pipeline or a person's shell would tell it."""
    for variable in ("CI", "BAC_ENV", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)


def against(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Bac:
    """A `bac` that sees that it ends with the exit code that is expected."""
    monkeypatch.chdir(ws.root)
    plain(monkeypatch)
    really = service.open_session

    def opened(*args: Any, **given: Any) -> Any:
        return really(*args, **given) if given else ws.session()

    monkeypatch.setattr(service, "open_session", opened)

    return run
