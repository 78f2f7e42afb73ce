"""The application: resources, and the transport's rules around them (`openmeter/server/server.go`)."""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Sequence
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any

from flask import Config, Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from .admin import admin
from .elsewhere import is_elsewhere, is_method_elsewhere
from .faults import Faults, FaultyServer, RequestLog
from .operation import Resource
from .pool import PooledServer
from .problems import (
    DomainProblem,
    Problem,
    entity_not_found,
    internal,
    method_not_allowed_v3,
    not_implemented_here,
)
from .replies import problem_reply
from .store import Database

# The modules that have a `resource`; one of them may also have an `at_boot(store)`, run on an empty database.
RESOURCE_MODULES = (
    "meters",
    "meters_v1",
    "meters_v3",
    "features",
    "features_v3",
    "customers",
    "customers_v1",
    "customers_v3",
    "subjects",
    "entitlements.v2",
    "entitlements.v1",
    "entitlements.access_v3",
    "events",
    "event_lists",
    "events_v3",
    "query",
    "query_v3",
    "tax_codes",
    "tax_codes_v3",
    "currencies_v3",
    "empty_lists",
    "plans.v1",
    "plans.v3",
    "subscriptions.v1",
    "subscriptions.v3",
    "billing.apps",
    "billing.profiles",
    "billing.profiles_v1",
    "billing.profiles_v3",
    "billing.gathering",
    "billing.invoices_v1",
    "billing.stripe",
    "billing.checkout_v1",
    "billing.checkout_v3",
    "health",
)

_request_numbers = itertools.count(1)


class _Segment(BaseConverter):
    """A part of a path between slashes, kept escaped."""

    regex = "[^/]+"

    def to_url(self, value: Any) -> str:
        return str(value)


def build_app(database_path: str, more: Sequence[str] = ()) -> Flask:
    """Assemble the application on a database, which is filled with the boot defaults where it is empty."""
    names = (*(f"{__package__}.{name}" for name in RESOURCE_MODULES), *more)
    modules = [import_module(name) for name in names]
    resources: list[Resource] = [module.resource for module in modules]
    database = Database(database_path, [resource.ddl for resource in resources if resource.ddl])
    hooks = [module.at_boot for module in modules if hasattr(module, "at_boot")]

    def at_boot(database: Database) -> None:
        with database.write() as store:
            for hook in hooks:
                hook(store)

    at_boot(database)
    app = copy(_routed(names))
    faults, log = Faults(), RequestLog()
    app.config = Config(app.root_path, app.config)
    app.config.update(DATABASE=database, FAULTS=faults, REQUESTS=log, AT_BOOT=at_boot)
    pooled = PooledServer(app.wsgi_app, lambda: database.settings.db_pool)
    app.wsgi_app = FaultyServer(pooled, faults, log)  # type: ignore[method-assign]
    return app


@cache
def _routed(names: tuple[str, ...]) -> Flask:
    """An application that knows all paths and has no database. It serves nothing itself: those that do are copies of
    it, since making some 150 routes takes far longer than making a database."""
    app = Flask(__name__, static_folder=None)
    app.url_map.converters["segment"] = _Segment
    app.url_map.merge_slashes = False
    app.register_blueprint(admin)
    for name in names:
        app.register_blueprint(import_module(name).resource.blueprint)
    _add_transport_rules(app)
    return app


def _add_transport_rules(app: Flask) -> None:
    @app.before_request
    def number_the_request() -> None:
        g.instance = f"urn:request:{request.headers.get('X-Request-Id') or f'dev/{next(_request_numbers):06}'}"
        if request.method == "HEAD" and request.url_rule is not None:
            raise _wrong_method()

    @app.after_request
    def name_the_maker(reply: Response) -> Response:
        reply.headers["X-Powered-By"] = "OpenMeter by Kong, Inc."
        return reply

    @app.errorhandler(Problem)
    def answer_problem(problem: Problem) -> Response:
        return problem_reply(problem.body(g.instance), problem.status)

    @app.errorhandler(HTTPException)
    def answer_routing_error(error: HTTPException) -> Response:
        return answer_problem(_wrong_method() if error.code == 405 else _no_route())

    @app.errorhandler(Exception)
    def answer_bug(error: Exception) -> Response:
        traceback.print_exception(error, file=sys.stderr)
        return answer_problem(internal())

    for document in ("/api/swagger.json", "/api/v3/openapi.json", "/api/v3/openapi.yaml"):
        app.add_url_rule(document, f"document {document.replace('.', '_')}", _no_document, methods=["GET"])


def _no_document() -> Response:
    raise not_implemented_here("it does not hold OpenMeter's OpenAPI documents")


def _no_route() -> Problem:
    if is_elsewhere(request.path):
        return not_implemented_here(f"it has no {request.path}")
    return entity_not_found("route") if _is_v3() else DomainProblem(404)


def _wrong_method() -> Problem:
    if is_method_elsewhere(request.method, request.path):
        return not_implemented_here(f"it has no {request.method} {request.path}")
    return method_not_allowed_v3() if _is_v3() else DomainProblem(405)


def _is_v3() -> bool:
    return request.path == "/api/v3" or request.path.startswith("/api/v3/")
