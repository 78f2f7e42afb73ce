"""The server's own controls under `/_dev/`: reset, clock, faults, requests."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, current_app, request

from .clock import parse_rfc3339, to_wire
from .faults import Faults, RequestLog
from .problems import DomainProblem
from .replies import json_reply, no_content
from .store import Database, Settings

admin = Blueprint("admin", __name__, url_prefix="/_dev")

_SWITCHES = ("credits_enabled", "unit_config_enabled", "dedupe_enabled")


@admin.post("/reset")
def reset() -> Response:
    """Drop all data and start over: `{credits_enabled, unit_config_enabled, dedupe_enabled, db_pool, config}`."""
    wanted = _object(request.get_data() or b"{}")
    unknown = sorted(set(wanted) - {*_SWITCHES, "db_pool", "config"})
    if unknown:
        raise DomainProblem(400, f"unknown settings: {', '.join(unknown)}")
    config = wanted.get("config") or {}
    if not isinstance(config, dict):
        raise DomainProblem(400, "config must be an object")
    pool = wanted.get("db_pool", 0)
    if type(pool) is not int or pool < 0:
        raise DomainProblem(400, "db_pool must be a number of connections")
    switches = {name: bool(wanted[name]) for name in _SWITCHES if name in wanted}
    database: Database = current_app.config["DATABASE"]
    database.reset(Settings(**switches, db_pool=pool, config=config))
    current_app.config["AT_BOOT"](database)
    _faults().clear()
    _log().clear()
    return no_content()


@admin.route("/clock", methods=["GET", "PUT"], provide_automatic_options=False)
def clock() -> Response:
    """The time; `PUT {"now": ISO}` sets it and it runs on from there, null goes back to real time."""
    database: Database = current_app.config["DATABASE"]
    if request.method == "PUT":
        now = _object(request.get_data()).get("now")
        moment = parse_rfc3339(now) if isinstance(now, str) else None
        if now is not None and moment is None:
            raise DomainProblem(400, f"not a time: {now}")
        database.clock.set(moment)
    return json_reply({"now": to_wire(database.clock.now()), "set": database.clock.is_set})


@admin.route("/faults", methods=["GET", "PUT", "DELETE"], provide_automatic_options=False)
def faults() -> Response:
    """The faults that requests meet; `PUT {"rules": […]}` replaces them."""
    if request.method == "PUT":
        rules = _object(request.get_data()).get("rules")
        if not isinstance(rules, list):
            raise DomainProblem(400, "rules must be a list")
        try:
            _faults().replace(rules)
        except ValueError as error:
            raise DomainProblem(400, str(error)) from None
    elif request.method == "DELETE":
        _faults().clear()
        return no_content()
    return json_reply({"rules": _faults().describe()})


@admin.route("/requests", methods=["GET", "DELETE"], provide_automatic_options=False)
def requests() -> Response:
    """What was asked since the last reset, without what was asked here."""
    if request.method == "DELETE":
        _log().clear()
        return no_content()
    return json_reply(_log().entries())


def _faults() -> Faults:
    found: Faults = current_app.config["FAULTS"]
    return found


def _log() -> RequestLog:
    found: RequestLog = current_app.config["REQUESTS"]
    return found


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DomainProblem(400, "the body must be a JSON object")
    return value
