"""Operations: what a resource serves, with everything OpenMeter does before its handlers run.

In order: route, parameters bound, parameters validated, body validated; each with the errors of its API. Then the
handler runs in one transaction: a read for GET, a write for the rest unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Blueprint, Response, current_app, request

from .gojson import InvalidJSON, loads
from .parameters import BindError, Param, Query, bind, schema_value
from .problems import DomainProblem, KongProblem, bad_request, entity_not_found, invalid_query
from .replies import unescape_segment
from .schema import V1, V3, Validator
from .schema_errors import Error, MultiError, PlainError, Schema, SchemaError, alternatives
from .store import Database, Store

JSON = "application/json"
_RULES = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_items", "maxItems": "max_items"}
_V1 = Validator(V1)
_V3 = Validator(V3, collect=True, set_defaults=True, check_read_only=True)
_V3_PARAMETERS = Validator(V3, collect=True)


@dataclass(frozen=True)
class Body:
    """A request body: a schema per content type, None for content that is not looked at."""

    content: Mapping[str, Schema | None]
    required: bool = True


@dataclass
class Call:
    """One request as a handler sees it."""

    store: Store
    path: Mapping[str, str]
    query: Mapping[str, Any]
    raw_query: Query
    body: Any = None
    content_type: str = ""
    raw_body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Response]
H = TypeVar("H", bound=Handler)


def json_body(schema: str, *, required: bool = True) -> Body:
    """A JSON body of a named schema."""
    return Body({JSON: {"$ref": f"#/components/schemas/{schema}"}}, required)


@dataclass(frozen=True)
class _Operation:
    """An operation with what it declares."""

    handler: Handler
    is_v3: bool
    path: Sequence[Param]
    query: Sequence[Param]
    filters: Callable[[Query], Any] | None
    body: Body | None
    writes: bool

    def __call__(self, **segments: str) -> Response:
        database: Database = current_app.config["DATABASE"]
        path = {name: unescape_segment(value) for name, value in segments.items()}
        raw_query: Query = request.args.to_dict(flat=False)
        query = self._bind(raw_query)
        self._validate_parameters(path, raw_query, query)
        body = self._read_body()
        with database.write() if self.writes else database.read() as store:
            call = Call(store, path, query, raw_query, body, request.headers.get("Content-Type", ""))
            call.raw_body = request.get_data()
            call.headers = dict(request.headers)
            return self.handler(call)

    def _bind(self, raw_query: Query) -> dict[str, Any]:
        try:
            bound = {param.name: bind(param, raw_query) for param in self.query}
            if self.filters is not None:
                bound["filter"] = self.filters(raw_query)
        except BindError as error:
            raise _bind_problem_v3(error) if self.is_v3 else _bind_problem_v1(error) from None
        return bound

    def _validate_parameters(self, path: Mapping[str, str], raw_query: Query, query: Mapping[str, Any]) -> None:
        validator = _V3_PARAMETERS if self.is_v3 else _V1
        found: list[dict[str, Any]] = []
        for param in self.path:
            error = validator.check(param.schema, path[param.name])
            if error is not None:
                raise entity_not_found() if self.is_v3 else _parameter_problem_v1(param.name, "path", error)
        for param in self.query:
            if query[param.name] is None or param.kind in ("object", "map"):
                continue
            error = validator.check(param.schema, schema_value(param, raw_query, query[param.name]))
            if error is None:
                continue
            if not self.is_v3:
                raise _parameter_problem_v1(param.name, "query", error)
            found.extend(_parameter_problems_v3(param, error))
        if found:
            raise bad_request(found)

    def _read_body(self) -> Any:
        if self.body is None:
            return None
        raw = request.get_data()
        if not raw:
            if self.body.required:
                raise self._body_problem("value is required but missing")
            return None
        sent = request.headers.get("Content-Type", "")
        content_type = sent.split(";")[0]
        if content_type not in self.body.content:
            raise self._body_problem(f'header Content-Type has unexpected value "{sent}"')
        schema = self.body.content[content_type]
        if schema is None:
            return None
        try:
            value = loads(raw)
        except InvalidJSON as error:
            raise self._body_problem(f"failed to decode request body: {error}") from None
        problem = (_V3 if self.is_v3 else _V1).check(schema, value)
        if problem is not None:
            raise self._schema_problem(schema, problem)
        return value

    def _body_problem(self, reason: str) -> DomainProblem | KongProblem:
        text = f"request body has an error: {reason}"
        if self.is_v3:
            return bad_request([{"field": "", "reason": text, "source": ""}])
        return DomainProblem(400, text, traced=False)

    def _schema_problem(self, schema: Schema, error: Error) -> DomainProblem | KongProblem:
        name = schema.get("$ref") or schema.get("title") or ""
        reason = f"doesn't match schema {name}".rstrip()
        if not self.is_v3:
            return _first_line(error, f"request body has an error: {reason}: ")
        if isinstance(error, MultiError):
            return bad_request(_collected(error, {"field": "", "reason": "", "source": ""}))
        if isinstance(error, SchemaError) and error.keyword == "oneOf":
            return bad_request(_behind_one_of(error))
        return self._whole_body_problem(reason, error)

    def _whole_body_problem(self, reason: str, error: Error) -> KongProblem:
        """A violation of the body as a whole: its full text, or the choices of an enumeration."""
        parameter: dict[str, Any] = {"field": "", "reason": "", "source": ""}
        parameter["reason"] = f"request body has an error: {reason}: {error.text()}"
        if isinstance(error, SchemaError) and error.keyword == "enum":
            parameter |= _enum_choices(error)
        return bad_request([parameter])


class Resource:
    """The operations and tables of one resource."""

    def __init__(self, name: str, ddl: str = "") -> None:
        self.blueprint = Blueprint(name, __name__)
        self.ddl = ddl

    def operation(
        self,
        method: str,
        rule: str,
        *,
        path: Sequence[Param] = (),
        query: Sequence[Param] = (),
        filters: Callable[[Query], Any] | None = None,
        body: Body | None = None,
        writes: bool | None = None,
    ) -> Callable[[H], H]:
        """Serve a route, given as in the OpenAPI document (`/api/v1/meters/{meterIdOrSlug}`).

        `filters` reads v3's `filter[…]` parameters, which come bound as `call.query["filter"]`.
        """

        def register(handler: H) -> H:
            decides = method != "GET" if writes is None else writes
            operation = _Operation(handler, rule.startswith("/api/v3"), path, query, filters, body, decides)
            flask_rule = rule.replace("{", "<segment:").replace("}", ">")
            endpoint = f"{method} {rule}".replace(".", "_")
            self.blueprint.add_url_rule(
                flask_rule, endpoint, operation, methods=[method], provide_automatic_options=False
            )
            return handler

        return register


def _bind_problem_v1(error: BindError) -> DomainProblem:
    if error.missing:
        return DomainProblem(400, f"required param missing {error.name}: {error.message}")
    text = f"Invalid format for parameter {error.name}: {error.message}"
    return DomainProblem(400, f"invalid param format {error.name}: {text}")


def _bind_problem_v3(error: BindError) -> KongProblem:
    if error.missing:
        return invalid_query(error.name, "is required", "required")
    name = error.name
    start = error.message.find("field [")
    if "[" not in name and start >= 0:
        name += "." + error.message[start + len("field [") :].split("]")[0]
    return invalid_query(name, error.message, "format")


def _parameter_problem_v1(name: str, place: str, error: Error) -> DomainProblem:
    return _first_line(error, f'parameter "{name}" in {place} has an error: ')


def _first_line(error: Error, prefix: str) -> DomainProblem:
    """v1 shows the first line only, but everything where alternatives are behind an error.

    (`oapi-codegen/nethttp-middleware` splits one kind of error and takes the other for a list.)
    """
    errors = alternatives(error)
    if errors is not None:
        return DomainProblem(400, MultiError(errors).text(), traced=False)
    return DomainProblem(400, (prefix + error.text()).split("\n")[0], traced=False)


def _parameter_problems_v3(param: Param, error: Error) -> list[dict[str, Any]]:
    template: dict[str, Any] = {"field": param.name}
    if param.required:
        template["rule"] = "required"
    template |= {"reason": "", "source": "query"}
    if isinstance(error, MultiError):
        return _collected(error, template)
    if isinstance(error, SchemaError) and error.keyword == "oneOf":
        return _behind_one_of(error)
    template["reason"] = f'parameter "{param.name}" in query has an error: {error.text()}'
    if isinstance(error, SchemaError) and error.keyword == "enum":
        template |= _enum_choices(error)
    return [template]


def _collected(error: MultiError, parameter: dict[str, Any]) -> list[dict[str, Any]]:
    """v3's list of violations. A violation without a place keeps the field of the one before it, as there."""
    found = []
    for entry in error.errors:
        if isinstance(entry, PlainError):
            continue
        if isinstance(entry, MultiError):
            found.extend(_collected(entry, parameter))
            continue
        parameter["reason"] = entry.reason
        found.append(_named(entry, parameter))
    return found


def _named(error: SchemaError, parameter: dict[str, Any]) -> dict[str, Any]:
    parameter["rule"] = _RULES.get(error.keyword, error.keyword)
    if error.pointer:
        parameter["field"] = ".".join(error.pointer)
    return dict(parameter)


def _behind_one_of(error: SchemaError) -> list[dict[str, Any]]:
    """The deepest violations behind a oneOf, each by itself."""
    inner = error.origin.errors if error.origin is not None else []
    found: list[dict[str, Any]] = []
    for entry in inner:
        for one in entry.errors if isinstance(entry, MultiError) else [entry]:
            if isinstance(one, SchemaError):
                found.extend(_behind_one_of(one))
    return found or [_named(error, {"field": "", "reason": error.reason, "source": ""})]


def _enum_choices(error: SchemaError) -> dict[str, Any]:
    choices = [str(choice) for choice in error.schema["enum"]]
    return {"rule": "enum", "reason": f"must be one of: [{','.join(choices)}]", "choices": choices}
