"""JSON Schemas of the catalog, made from the kinds' tables: what editors complete and what validation asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from billing_as_code.kinds.base import LABEL_PREFIX, Field, Kind, Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PROTECT_FIELD, EXTERNAL_FIELD, USE, TEMPLATES = "protect", "external", "$use", "templates"
NO_LABEL_OF_OURS: Schema = {"not": {"pattern": "^" + LABEL_PREFIX.replace(".", r"\.")}}

_PROTECT = {"type": ["boolean", "null"], "description": "A plan that would delete or replace it is refused."}
_NOT_EXTERNAL = {"enum": [False, None], "description": "Managed by another hand: referred to, never changed."}
_USE = {
    "description": "Templates to merge in here, from left to right.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
}


class Word(NamedTuple):
    """What stands in a catalog besides fields: what it may be, what it does, and an example in YAML."""

    schema: Schema
    doc: str
    example: str


_TEMPLATE: Schema = {
    "type": ["object", "null"],
    "additionalProperties": {"type": "object"},
    "description": f"Maps with a name, for `{USE}`.",
}
WORDS: Mapping[str, Word] = {
    PROTECT_FIELD: Word(
        _PROTECT,
        "A plan that would delete or replace the resource is refused. It is a label on the resource too, so it holds "
        "when the resource has left the catalog.",
        "meters:\n  calls: {aggregation: count, event_type: call, protect: true}",
    ),
    EXTERNAL_FIELD: Word(
        {"type": ["boolean", "null"], "description": _NOT_EXTERNAL["description"]},
        "Another hand manages the resource: it may be referred to, nothing else is said of it, it is never changed, "
        "and its absence is an error.",
        "customers:\n  acme: {external: true}",
    ),
    USE: Word(
        _USE,
        "Templates to be merged into the map that it stands in, from left to right, before anything else looks; what "
        "stands beside it is laid over them. Any map of a section may use some, and a template other templates.",
        "entitlements:\n  acme:\n    $use: [enterprise]\n    seats: {type: static, config: {max: 250}}",
    ),
    TEMPLATES: Word(
        _TEMPLATE,
        f"A section of maps with a name, for `{USE}`. A template is written as the map that it is merged into; an "
        "environment's overlay may change it.",
        "templates:\n  enterprise:\n    sso: {type: boolean}\n    seats: {type: static, config: {max: 100}}",
    ),
}
"""What any catalog may say, whatever the kinds are."""


def field_schema(field: Field) -> Schema:
    """What a field's value may be, null apart."""
    schema = dict(field.schema)
    if field.name.split(".")[-1] == "metadata":
        names = schema.get("propertyNames")
        schema["propertyNames"] = {"allOf": [names, NO_LABEL_OF_OURS]} if names else NO_LABEL_OF_OURS
    return schema


def resource_schema(kind: Kind) -> Schema:
    """What one resource may be. A field that is null counts as left out."""
    schema = _object(kind.fields)
    schema["properties"] |= {PROTECT_FIELD: _PROTECT, EXTERNAL_FIELD: _NOT_EXTERNAL}
    conditions = [_condition(field) for field in kind.fields if field.when is not None]
    if conditions:
        schema["allOf"] = conditions
    return schema | dict(kind.extra_schema)


def catalog_schema(kinds: Mapping[str, Kind]) -> Schema:
    """What a catalog's file may be, for editors."""
    sections: dict[str, Schema] = {}
    for name, kind in kinds.items():
        resource = resource_schema(kind)
        sections[name] = _section(_for_editors(resource), _nullable(_partial(resource)), kind)
    return _file("A file of a catalog", sections)


def overlay_schema(kinds: Mapping[str, Kind]) -> Schema:
    """What a file below `environments/` may be: nothing is required, and null takes a resource or a label out."""
    sections: dict[str, Schema] = {}
    for name, kind in kinds.items():
        resource = _nullable(_partial(resource_schema(kind)))
        sections[name] = _section(resource, resource, kind)
    return _file("A file of an environment's overlay", sections)


# -- one resource ----------------------------------------------------------------------------------


def _object(fields: Iterable[Field]) -> Schema:
    """The object that dotted names describe."""
    schema: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for field in fields:
        *outer, last = field.name.split(".")
        into = schema
        for name in outer:
            empty = {"type": ["object", "null"], "properties": {}, "additionalProperties": False}
            into = into["properties"].setdefault(name, empty)
        required = field.required and field.when is None
        into["properties"][last] = _described(
            field_schema(field) if required else _nullable(field_schema(field)), field
        )
        if required:
            _require(schema, (*outer, last))
    return schema


def _require(schema: Schema, path: Iterable[str]) -> None:
    """Require a whole path, which then cannot be null anywhere."""
    for name in path:
        if name not in schema.setdefault("required", []):
            schema["required"].append(name)
        schema = schema["properties"][name]
        if schema.get("type") == ["object", "null"]:
            schema["type"] = "object"


def _described(schema: Schema, field: Field) -> Schema:
    extra: Schema = {}
    if field.doc:
        extra["description"] = field.doc
    if field.example is not None:
        extra["examples"] = [field.example]
    return {**extra, **schema}


def _nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if not schema:
        return schema
    nullable = dict(schema)
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        nullable["type"] = [*types, *(["null"] if "null" not in types else [])]
        return nullable
    return nullable if "enum" in schema else {"anyOf": [schema, {"type": "null"}]}


def _condition(field: Field) -> Schema:
    """`Field.when` in words that editors understand: not null only where the other field has such a value."""
    assert field.when is not None
    other, values = field.when
    path = field.name.split(".")
    then: Schema = _requirement(path) if field.required else {}
    return {
        "if": _nested(other.split("."), {"enum": list(values)}, required=True),
        "then": then,
        "else": _nested(path, {"type": "null"}, required=False),
    }


def _requirement(path: list[str]) -> Schema:
    first, *rest = path
    inner: Schema = _requirement(rest) if rest else {"not": {"type": "null"}}
    return {"required": [first], "properties": {first: inner | ({"type": "object"} if rest else {})}}


def _nested(path: list[str], schema: Schema, *, required: bool) -> Schema:
    for name in reversed(path):
        schema = {"properties": {name: schema}, **({"required": [name]} if required else {})}
    return schema


# -- whole files, for editors ----------------------------------------------------------------------


def _for_editors(schema: Schema) -> Schema:
    """A resource as a file may write it: the rest may come out of a template, or it is another hand's."""
    return {
        "type": "object",
        "if": {"required": [USE]},
        "then": _partial(schema),
        "else": {
            "if": {"properties": {EXTERNAL_FIELD: {"const": True}}, "required": [EXTERNAL_FIELD]},
            "then": _EXTERNAL,
            "else": _with_use(schema),
        },
        # editors complete from `properties`, also where they do not follow the conditions
        "properties": dict.fromkeys([*schema["properties"], USE], True),
    }


_EXTERNAL: Schema = {"properties": {EXTERNAL_FIELD: {"const": True}}, "additionalProperties": False}


def _with_use(schema: Schema) -> Schema:
    """Every map of the table may use templates."""
    properties = {
        name: _with_use(inner) if "properties" in inner else inner for name, inner in schema["properties"].items()
    }
    return schema | {"properties": {**properties, USE: _USE}}


def _partial(schema: Schema) -> Schema:
    """The same with nothing required, and null everywhere."""
    rest = {name: value for name, value in schema.items() if name not in ("required", "allOf", "properties")}
    properties: Schema = {}
    for name, inner in schema["properties"].items():
        properties[name] = _partial(inner) if "properties" in inner else _nullable(inner)
    properties[USE] = _USE
    if EXTERNAL_FIELD in properties:
        properties[EXTERNAL_FIELD] = {"type": ["boolean", "null"], "description": _NOT_EXTERNAL["description"]}
    return rest | {"properties": properties}


def _section(resource: Schema, partial: Schema, kind: Kind) -> Schema:
    """The map of maps that leads to a resource. Below a map with `$use`, what is `partial` is enough."""
    doc = {"description": kind.doc} if kind.doc else {}
    schema: Schema = doc | resource
    partial = doc | partial
    for i in reversed(range(len(kind.keys))):
        key: Schema = kind.key_schemas[i] if i < len(kind.key_schemas) else {}
        level: Schema = {
            "type": ["object", "null"],
            "propertyNames": {"anyOf": [{"const": USE}, key]},
            "properties": {USE: _USE},
        }
        less = {"properties": {USE: _USE}, "additionalProperties": partial}
        more = {"properties": {USE: _USE}, "additionalProperties": schema}
        uses: Schema = {"type": "object", "required": [USE]}
        schema = {**level, **more} if schema == partial else {**level, "if": uses, "then": less, "else": more}
        partial = {**level, "additionalProperties": partial}
    return schema


def _file(title: str, sections: Mapping[str, Schema]) -> Schema:
    return {
        "$schema": DIALECT,
        "title": title,
        "type": ["object", "null"],
        "properties": {**sections, TEMPLATES: _TEMPLATE},
        "additionalProperties": False,
    }
