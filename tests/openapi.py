"""OpenMeter's own OpenAPI documents, as JSON Schemas: what a request and an answer must be like.

The documents are OpenAPI 3.0, whose schemas are no JSON Schema: they have `nullable`, `discriminator`, and `readOnly`,
which makes two schemas of one. `Document` turns a document into JSON Schemas once and keeps them in a file, since
reading a megabyte of YAML takes a second.

Two rules are stricter than the documents' letter. An object whose properties are listed may have no others, since a
misspelt field is what a document is to find; and `default` covers errors alone, since it would let every success
through.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "openmeter"
"""The documents lie beside the checkout."""
PREFIXES = {"openapi-v3.yaml": "/api/v3", "openapi-v1-v2.yaml": ""}
ABSENT = "OpenMeter's documents are not beside the checkout"

_KEPT = frozenset(
    {"type", "enum", "required", "pattern", "format", "minimum", "maximum", "multipleOf", "uniqueItems"}
    | {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")}
)
_BITS = {"uint8": (0, 255), "uint32": (0, 2**32 - 1), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1)}
_OPEN, _CLOSED = "#/open/", "#/closed/"
Schema = Mapping[str, Any]
Convert = Callable[[Schema], dict[str, Any]]
REQUEST, REPLY = "request", "reply"


# -- OpenAPI 3.0 to JSON Schema ----------------------------------------------------------------------------------------


class _Conversion:
    """One document's schemas for one side: in requests, what is `readOnly` must not be; in answers, `writeOnly`."""

    def __init__(self, document: Mapping[str, Any], side: str) -> None:
        self.document, self.side = document, side
        self.hidden = "readOnly" if side == REQUEST else "writeOnly"

    def resolve(self, node: Schema) -> Mapping[str, Any]:
        """What a node is, where it only points at it."""
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def used(self, schema: Schema) -> dict[str, Any]:
        """The schema of a whole value: no properties but those that some part of it lists."""
        if "$ref" in schema:
            return {"$ref": f"{_CLOSED}{_name(schema)}"}
        if "properties" not in schema and len(schema.get("allOf", "-")) == 1:
            return self.part(schema, self.used)
        names = self._names(schema)
        if names is None:
            return self.part(schema, self.used)
        closed = {"properties": dict.fromkeys(names, True), "additionalProperties": False}
        return {**closed, "allOf": [self.part(schema, self.part)]}

    def part(self, schema: Schema, inner: Convert | None = None) -> dict[str, Any]:
        """A schema that others may be laid over; `inner` converts those that it is put together from."""
        if "$ref" in schema:
            return {"$ref": f"{_OPEN}{_name(schema)}"}
        inner = inner or self.part
        out = {name: value for name, value in schema.items() if name in _KEPT}
        if schema.get("format") in _BITS:
            low, high = _BITS[schema["format"]]
            out = {"minimum": low, "maximum": high, **out}
        self._objects(schema, out)
        if "items" in schema:
            out["items"] = self.used(schema["items"])
        if "allOf" in schema:
            out["allOf"] = [inner(s) for s in schema["allOf"]]
        for word in ("anyOf", "oneOf"):
            if word in schema:
                self._choice(schema, word, out, inner)
        return _or_null(out) if schema.get("nullable") else out

    def _objects(self, schema: Schema, out: dict[str, Any]) -> None:
        properties = schema.get("properties", {})
        hidden = {name for name, inner in properties.items() if self.resolve(inner).get(self.hidden)}
        if properties:
            out["properties"] = {n: False if n in hidden else self.used(s) for n, s in properties.items()}
        if hidden and "required" in out:
            out["required"] = [name for name in out["required"] if name not in hidden]
        more = schema.get("additionalProperties")
        if more is not None:
            out["additionalProperties"] = more if isinstance(more, bool) else self.used(more)

    def _choice(self, schema: Schema, word: str, out: dict[str, Any], inner: Convert) -> None:
        """One of several schemas: the one that a property or the JSON type tells, where one does, so that what is wrong
        is said of the one that was meant."""
        choices = schema[word]
        chosen_by = schema.get("discriminator", {})
        types = [self.resolve(choice).get("type") for choice in choices]
        if chosen_by.get("mapping"):
            name = chosen_by["propertyName"]
            out["required"] = [*out.get("required", ()), name]
            out["properties"] = {**out.get("properties", {}), name: {"enum": list(chosen_by["mapping"])}}
            cases = [
                ({"properties": {name: {"const": value}}, "required": [name]}, {"$ref": target})
                for value, target in chosen_by["mapping"].items()
            ]
        elif None not in types and len(set(types)) == len(types):
            out["type"] = types
            cases = [({"type": type_}, choice) for type_, choice in zip(types, choices, strict=True)]
        else:
            out[word] = [inner(choice) for choice in choices]
            return
        out.setdefault("allOf", []).extend({"if": when, "then": inner(then)} for when, then in cases)

    def _names(self, schema: Schema) -> set[str] | None:
        """The properties of a schema that is one object or several laid over each other; None where it is open to any,
        or a choice of schemas (each of those is closed for itself)."""
        if "$ref" in schema:
            schema = self.resolve(schema)
        parts = schema.get("allOf", ())
        if "additionalProperties" in schema or "anyOf" in schema or "oneOf" in schema:
            return None
        if not parts and "properties" not in schema:
            return None
        found = set(schema.get("properties", {}))
        for part in parts:
            names = self._names(part)
            if names is None:
                return None
            found |= names
        return found


def _name(reference: Schema) -> str:
    name: str = reference["$ref"].rsplit("/", 1)[1]
    return name


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str) and not schema.keys() & {"allOf", "anyOf", "oneOf", "enum"}:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [{"type": "null"}, schema]}


def _convert(document: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """A document's schemas and operations, for both sides."""
    sides = {side: _Conversion(document, side) for side in (REQUEST, REPLY)}
    schemas = document["components"]["schemas"]
    return {
        "schemas": {
            side: {
                how: {n: turn(s) for n, s in schemas.items()} for how, turn in (("open", c.part), ("closed", c.used))
            }
            for side, c in sides.items()
        },
        "operations": [
            {"method": method.upper(), "path": prefix + path, **_operation(operation, item, sides)}
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        ],
    }


def _operation(operation: Schema, item: Schema, sides: Mapping[str, _Conversion]) -> dict[str, Any]:
    request, reply = sides[REQUEST], sides[REPLY]
    parameters = [request.resolve(p) for p in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    body = request.resolve(operation.get("requestBody", {}))
    replies = {str(status): reply.resolve(answer) for status, answer in operation["responses"].items()}
    return {
        "parameters": [_parameter(p, request) for p in parameters if p["in"] in ("path", "query")],
        "body_required": bool(body.get("required")),
        "bodies": _contents(body, request),
        "replies": {status: _contents(answer, reply) for status, answer in replies.items()},
    }


def _parameter(parameter: Schema, request: _Conversion) -> dict[str, Any]:
    as_json = parameter.get("content", {}).get("application/json")
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "required": bool(parameter.get("required")),
        "deep": parameter.get("style") == "deepObject",
        "repeated": parameter.get("explode", True),
        "json": as_json is not None,
        "schema": request.used(as_json["schema"] if as_json else parameter["schema"]),
    }


def _contents(node: Schema, conversion: _Conversion) -> dict[str, Any]:
    return {kind: conversion.used(content.get("schema", {})) for kind, content in node.get("content", {}).items()}


# -- what one operation allows -----------------------------------------------------------------------------------------


@dataclass
class Document:
    """One document's schemas and operations, ready to judge."""

    data: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path, prefix: str, cache: Path | None) -> Document:
        """The document in a YAML file; what was made of it before is taken from the folder `cache`."""
        text = file.read_bytes()
        made_by = hashlib.sha256(text + Path(__file__).read_bytes()).hexdigest()[:16]
        kept = cache / f"{file.stem}-{made_by}.json" if cache is not None else None
        if kept is not None and kept.is_file():
            return cls(json.loads(kept.read_text()))
        data = _convert(yaml.load(text, Loader=_Loader), prefix)
        if kept is not None:
            part = kept.with_suffix(f".{id(data)}")
            part.write_text(json.dumps(data))
            part.replace(kept)
        return cls(data)

    @cached_property
    def operations(self) -> list[Operation]:
        """Every operation, the ones with fewer variable segments first."""
        found = [Operation(o, self) for o in self.data["operations"]]
        return sorted(found, key=lambda o: o.data["path"].count("{"))

    @cached_property
    def _registries(self) -> dict[str, jsonschema_rs.Registry]:
        return {
            side: jsonschema_rs.Registry([("doc:all", _absolute(schemas))])
            for side, schemas in self.data["schemas"].items()
        }

    def validator(self, schema: Any, side: str) -> jsonschema_rs.Validator:
        """What judges a value by one of the document's schemas."""
        return jsonschema_rs.Draft202012Validator(
            {"$id": "doc:all/use", **_absolute(schema)}, registry=self._registries[side], validate_formats=True
        )

    def types(self, schema: Schema) -> set[str]:
        """The JSON types that a schema of a request lets through."""
        found: set[str] = set()
        for part in self.parts(schema):
            types = part.get("type", "string" if "enum" in part else [])
            found |= {types} if isinstance(types, str) else set(types)
        return found

    def parts(self, schema: Schema) -> Iterator[Schema]:
        """A schema of a request, and all that it is put together from."""
        if "$ref" in schema:
            _, how, name = schema["$ref"].split("/")
            schema = self.data["schemas"][REQUEST][how][name]
        yield schema
        then = [schema["then"]] if "then" in schema else []
        for part in (*then, *(p for word in ("allOf", "anyOf", "oneOf") for p in schema.get(word, ()))):
            yield from self.parts(part)


def _absolute(schema: Any) -> Any:
    """A schema whose references lead to the registry."""
    if isinstance(schema, Mapping):
        return {k: f"doc:all{v}" if k == "$ref" and isinstance(v, str) else _absolute(v) for k, v in schema.items()}
    return [_absolute(s) for s in schema] if isinstance(schema, list) else schema


class _Loader(yaml.CSafeLoader):
    """YAML in which a time stamp stays text, as it is in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Operation:
    """One method of one path: it says what is wrong with a request to it, and with an answer."""

    data: Mapping[str, Any]
    document: Document
    _validators: dict[tuple[str, ...], jsonschema_rs.Validator] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`PUT /api/v1/meters/{meterIdOrSlug}`."""
        return f"{self.data['method']} {self.data['path']}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the operation's escaped paths."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.data["path"])))

    def wrong_with_request(self, path: str, query: Iterable[tuple[str, str]], kind: str, content: bytes) -> list[str]:
        """What the document does not allow of a request: its path (escaped), query and body."""
        match = self.pattern.fullmatch(path)
        values = {name: unquote(value) for name, value in match.groupdict().items()} if match else {}
        return [
            *self._wrong_parameters("path", {name: [value] for name, value in values.items()}),
            *self._wrong_parameters("query", _grouped(query)),
            *self._wrong_body(kind, content),
        ]

    def wrong_with_reply(self, status: int, kind: str, content: bytes) -> list[str]:
        """What the document does not allow of an answer: its status, content type and body."""
        replies = self.data["replies"]
        contents = replies.get(str(status), replies.get("default") if status >= 400 else None)
        if contents is None:
            return [f"status {status}: only {', '.join(replies)} are documented"]
        where = ("reply", str(status))
        if not contents:
            return [f"status {status}: there is a body, and none is documented"] if content else []
        return self._wrong_content(contents, where, kind, content, REPLY)

    def _wrong_body(self, kind: str, content: bytes) -> list[str]:
        contents = self.data["bodies"]
        if not content:
            return ["body: is missing"] if self.data["body_required"] else []
        if not contents:
            return ["body: is there, and none is documented"]
        return self._wrong_content(contents, ("body",), kind, content, REQUEST)

    def _wrong_content(
        self, contents: Mapping[str, Any], where: tuple[str, ...], kind: str, content: bytes, side: str
    ) -> list[str]:
        kind = kind.partition(";")[0].strip()
        place = " ".join(where)
        if kind not in contents:
            return [f"{place}: {kind or 'no content type'}, where {', '.join(contents)} is documented"]
        if not kind.endswith("json"):
            return []
        try:
            value = json.loads(content)
        except ValueError:
            return [f"{place}: is no JSON"]
        return self._errors((*where, kind), contents[kind], value, side)

    def _wrong_parameters(self, place: str, given: Mapping[str, list[str]]) -> list[str]:
        wrong: list[str] = []
        known = [p for p in self.data["parameters"] if p["in"] == place]
        rest = dict(given)
        for parameter in known:
            name = parameter["name"]
            names = [n for n in rest if n == name or (parameter["deep"] and n.startswith(f"{name}["))]
            values = {n: rest.pop(n) for n in names}
            if not values:
                wrong += [f"{place} {name}: is missing"] if parameter["required"] else []
                continue
            value = self._parameter(parameter, values)
            wrong += self._errors((place, name), parameter["schema"], value, REQUEST)
        return [*wrong, *(f"{place} {name}: there is no such parameter" for name in rest)]

    def _parameter(self, parameter: Schema, given: Mapping[str, list[str]]) -> Any:
        """The value of a parameter: as JSON, or of the type that its schema wants where its text can be that."""
        name, schema = parameter["name"], parameter["schema"]
        if parameter["json"]:
            try:
                return json.loads(given[name][0])
            except ValueError:
                return given[name][0]
        if not parameter["deep"]:
            texts = given[name]
            return self._typed(texts if parameter["repeated"] and self._is_list(schema) else texts[-1], schema)
        value: dict[str, Any] = {}
        for full, texts in given.items():
            *outer, last = re.findall(r"\[([^\]]*)\]", full) or [""]
            into = value
            for part in outer:
                into = into.setdefault(part, {})
            into[last] = texts if len(texts) > 1 else texts[0]
        return self._typed(value, schema)

    def _is_list(self, schema: Schema) -> bool:
        return "array" in self.document.types(schema)

    def _typed(self, value: Any, schema: Schema) -> Any:
        if isinstance(value, dict):
            parts = list(self.document.parts(schema))
            known = {n: s for p in parts for n, s in p.get("properties", {}).items() if isinstance(s, dict)}
            others = [p["additionalProperties"] for p in parts if isinstance(p.get("additionalProperties"), dict)]
            other = others[0] if others else {}
            return {n: self._typed(v, known.get(n, other)) for n, v in value.items()}
        types = self.document.types(schema)
        if "array" in types and "string" not in types:
            texts = value if isinstance(value, list) else value.split(",")
            items = next((p["items"] for p in self.document.parts(schema) if "items" in p), {})
            return [self._typed(text, items) for text in texts]
        if isinstance(value, list):
            return value
        if "boolean" in types and value in ("true", "false"):
            return value == "true"
        if types & {"integer", "number"} and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return json.loads(value)
        return value

    def _errors(self, where: tuple[str, ...], schema: Any, value: Any, side: str) -> list[str]:
        if where not in self._validators:
            self._validators[where] = self.document.validator(schema, side)
        place = " ".join(where[:2])
        return [
            f"{place} {'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
            for error in self._validators[where].iter_errors(value)
        ]


def _grouped(query: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in query:
        found.setdefault(name, []).append(value)
    return found


# -- both documents ----------------------------------------------------------------------------------------------------


class Documents:
    """What OpenMeter's documents say of a path."""

    def __init__(self, folder: Path = FOLDER, cache: Path | None = None) -> None:
        self._folder, self._cache = folder, cache

    @property
    def present(self) -> bool:
        """Whether the documents are there to be read."""
        return all((self._folder / name).is_file() for name in PREFIXES)

    @cached_property
    def operations(self) -> list[Operation]:
        """Every operation of every document."""
        documents = [Document.read(self._folder / n, prefix, self._cache) for n, prefix in PREFIXES.items()]
        return [operation for document in documents for operation in document.operations]

    @cached_property
    def _by_method(self) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            found.setdefault(operation.data["method"], []).append(operation)
        return found

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation of a method and an escaped path; None where no document has it."""
        return next((o for o in self._by_method.get(method, ()) if o.pattern.fullmatch(path)), None)
