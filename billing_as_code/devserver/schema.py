"""Validation of JSON against OpenAPI 3.0 schemas, in the order and words of kin-openapi.

OpenMeter validates every request against its OpenAPI documents with that library, and its texts are what clients
see. Schemas are plain mappings as in the documents; each resource adds its own to the document of its API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .gojson import dump_compact
from .schema_errors import Error, MultiError, Origin, PlainError, Schema, SchemaError

_DATE_TIME = (
    r"^[0-9]{4}-(0[1-9]|10|11|12)-(0[1-9]|[12][0-9]|3[01])T([0-1][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
    r"(\.[0-9]+)?(Z|(\+|-)[0-9]{2}:[0-9]{2})$"
)
_DATE = r"^[0-9]{4}-(0[1-9]|10|11|12)-(0[1-9]|[12][0-9]|3[01])$"
_STRING_FORMATS = {"date-time": _DATE_TIME, "date": _DATE}
_ARTICLES = {"array": "an", "object": "an", "integer": "an"}


class Document:
    """The named schemas of one OpenAPI document."""

    def __init__(self) -> None:
        self._schemas: dict[str, Schema] = {}

    def add(self, schemas: Mapping[str, Schema]) -> None:
        """Add named schemas; a name that is there already must mean the same."""
        for name, schema in schemas.items():
            if self._schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two schemas are called {name}")

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself behind a `$ref`."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].removeprefix("#/components/schemas/")]
        return schema


V1 = Document()
V3 = Document()


@dataclass(frozen=True)
class Validator:
    """How an API validates: v1 stops at the first error, v3 collects all and puts in defaults."""

    document: Document
    collect: bool = False
    set_defaults: bool = False
    check_read_only: bool = False

    def check(self, schema: Schema, value: Any) -> Error | None:
        """What is wrong with a value. With `set_defaults`, defaults are written into it."""
        schema = self.document.resolve(schema)
        if value is None and schema.get("nullable"):
            return None
        if not _says_anything(schema):
            return self._null(schema) if value is None else None
        error, go_on = self._composition(schema, value)
        if error is not None or not go_on:
            return error
        return self._enum(schema, value) or self._by_type(schema, value)

    def _by_type(self, schema: Schema, value: Any) -> Error | None:
        if value is None:
            return self._null(schema)
        if isinstance(value, bool):
            return self._expect(schema, value, "boolean")
        if isinstance(value, int | float):
            return self._number(schema, value)
        if isinstance(value, str):
            return self._string(schema, value)
        if isinstance(value, list):
            return self._array(schema, value)
        return self._object(schema, value)

    def _composition(self, schema: Schema, value: Any) -> tuple[Error | None, bool]:
        visited = False
        for keyword, check in (("oneOf", self._one_of), ("anyOf", self._any_of), ("allOf", self._all_of)):
            if schema.get(keyword):
                error = check(schema, value)
                if error is not None:
                    return error, False
                visited = True
        return None, not (visited and value is None)

    def _one_of(self, schema: Schema, value: Any) -> Error | None:
        wanted, error = _discriminated(schema, value)
        if error is not None:
            return error
        errors: list[Error] = []
        matched: list[int] = []
        for index, option in enumerate(schema["oneOf"]):
            if wanted and option.get("$ref") != wanted:
                continue
            failure = self.check(option, deepcopy(value))
            if failure is None:
                matched.append(index)
            else:
                errors.append(failure)
        if len(matched) == 1:
            self.check(schema["oneOf"][matched[0]], value)
            return None
        if matched:
            indices = " ".join(map(str, matched))
            reason = f'value matches more than one schema from "oneOf" (matches schemas at indices [{indices}])'
            conflict = Origin("input matches more than one oneOf schemas")
            return SchemaError(schema, "oneOf", reason, value, conflict)
        origin = Origin.of(" Or ", errors)
        return SchemaError(schema, "oneOf", 'value doesn\'t match any schema from "oneOf"', value, origin)

    def _any_of(self, schema: Schema, value: Any) -> Error | None:
        wanted, error = _discriminated(schema, value)
        if error is not None:
            return error
        for option in schema["anyOf"]:
            if wanted and option.get("$ref") != wanted:
                continue
            if self.check(option, deepcopy(value)) is None:
                self.check(option, value)
                return None
        return SchemaError(schema, "anyOf", 'doesn\'t match any schema from "anyOf"', value)

    def _all_of(self, schema: Schema, value: Any) -> Error | None:
        errors = [error for part in schema["allOf"] if (error := self.check(part, value)) is not None]
        if not errors:
            return None
        origin = Origin.of(" And ", errors)
        return SchemaError(schema, "allOf", 'doesn\'t match all schemas from "allOf"', value, origin)

    def _enum(self, schema: Schema, value: Any) -> Error | None:
        allowed = schema.get("enum")
        if not allowed or any(option == value and type(option) is type(value) for option in allowed):
            return None
        listed = dump_compact(allowed)
        return SchemaError(schema, "enum", f"value is not one of the allowed values {listed}", value)

    def _null(self, schema: Schema) -> Error | None:
        if schema.get("nullable"):
            return None
        return SchemaError(schema, "nullable", "Value is not nullable", None)

    def _expect(self, schema: Schema, value: Any, kind: str) -> Error | None:
        expected = schema.get("type")
        if expected is None or expected == kind:
            return None
        article = _ARTICLES.get(expected, "a")
        return SchemaError(schema, "type", f"value must be {article} {expected}", value)

    def _number(self, schema: Schema, value: float) -> Error | None:
        errors = _Errors(schema, value)
        if schema.get("type") == "integer":
            if value != int(value):
                errors.add("type", "value must be an integer")
        elif (error := self._expect(schema, value, "number")) is not None:
            return error
        low, high = schema.get("minimum"), schema.get("maximum")
        if schema.get("exclusiveMinimum") and low is not None and not value > low:
            errors.add("exclusiveMinimum", f"number must be more than {_g(low)}")
        if schema.get("exclusiveMaximum") and high is not None and not value < high:
            errors.add("exclusiveMaximum", f"number must be less than {_g(high)}")
        if low is not None and not low <= value:
            errors.add("minimum", f"number must be at least {_g(low)}")
        if high is not None and not high >= value:
            errors.add("maximum", f"number must be at most {_g(high)}")
        return errors.result(self.collect)

    def _string(self, schema: Schema, value: str) -> Error | None:
        if (error := self._expect(schema, value, "string")) is not None:
            return error
        errors = _Errors(schema, value)
        if len(value) < schema.get("minLength", 0):
            errors.add("minLength", f"minimum string length is {schema['minLength']}")
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            errors.add("maxLength", f"maximum string length is {schema['maxLength']}")
        pattern = schema.get("pattern")
        if pattern and not _matcher(pattern)(value):
            errors.add("pattern", f'string doesn\'t match the regular expression "{pattern}"')
        form = schema.get("format", "")
        if form in _STRING_FORMATS and not _matcher(_STRING_FORMATS[form])(value):
            why = f'string doesn\'t match pattern "{_STRING_FORMATS[form]}"'
            origin = Origin(f'string doesn\'t match the format "{form}": {why}')
            errors.add("format", f'string doesn\'t match the format "{form}" ({why})', origin)
        return errors.result(self.collect)

    def _array(self, schema: Schema, value: list[Any]) -> Error | None:
        if (error := self._expect(schema, value, "array")) is not None:
            return error
        errors = _Errors(schema, value)
        if len(value) < schema.get("minItems", 0):
            errors.add("minItems", f"minimum number of items is {schema['minItems']}")
        if "maxItems" in schema and len(value) > schema["maxItems"]:
            errors.add("maxItems", f"maximum number of items is {schema['maxItems']}")
        if schema.get("uniqueItems") and len({dump_compact(item) for item in value}) < len(value):
            errors.add("uniqueItems", "duplicate items found")
        if "items" in schema:
            for index, item in enumerate(value):
                errors.take(str(index), self.check(schema["items"], item))
        return errors.result(self.collect)

    def _object(self, schema: Schema, value: dict[str, Any]) -> Error | None:
        if (error := self._expect(schema, value, "object")) is not None:
            return error
        errors = _Errors(schema, value)
        properties: Mapping[str, Schema] = schema.get("properties", {})
        self._defaults_and_read_only(properties, value, errors)
        if len(value) < schema.get("minProperties", 0):
            errors.add("minProperties", f"there must be at least {schema['minProperties']} properties")
        if "maxProperties" in schema and len(value) > schema["maxProperties"]:
            errors.add("maxProperties", f"there must be at most {schema['maxProperties']} properties")
        additional = schema.get("additionalProperties", True)
        for key in sorted(value):
            if key in properties:
                errors.take(key, self.check(properties[key], value[key]))
            elif additional is False:
                errors.add("properties", f'property "{key}" is unsupported')
            elif additional is not True:
                errors.take(key, self.check(additional, value[key]))
        for key in schema.get("required", ()):
            read_only = self.document.resolve(properties.get(key, {})).get("readOnly")
            if key not in value and not read_only:
                errors.add("required", f'property "{key}" is missing')
                errors.found[-1].mark(key)
        return errors.result(self.collect)

    def _defaults_and_read_only(self, properties: Mapping[str, Schema], value: dict[str, Any], errors: _Errors) -> None:
        if not (self.set_defaults or self.check_read_only):
            return
        for key in sorted(properties):
            schema = self.document.resolve(properties[key])
            read_only = self.check_read_only and schema.get("readOnly", False)
            if self.set_defaults and value.get(key) is None and schema.get("default") is not None and not read_only:
                value[key] = deepcopy(schema["default"])
            if read_only and value.get(key) is not None:
                errors.found.append(PlainError(f'readOnly property "{key}" in request'))


class _Errors:
    """The violations of one value as they are found."""

    def __init__(self, schema: Schema, value: Any) -> None:
        self._schema = schema
        self._value = value
        self.found: list[Error] = []

    def add(self, keyword: str, reason: str, origin: Origin | None = None) -> None:
        self.found.append(SchemaError(self._schema, keyword, reason, self._value, origin))

    def take(self, key: str, error: Error | None) -> None:
        """An error of the part at `key`."""
        if error is None:
            return
        error.mark(key)
        self.found.extend(error.errors if isinstance(error, MultiError) else [error])

    def result(self, collect: bool) -> Error | None:
        if not self.found:
            return None
        return MultiError(self.found) if collect else self.found[0]


def _says_anything(schema: Schema) -> bool:
    """Whether a schema restricts anything (Schema.IsEmpty)."""
    return any(key not in ("description", "title", "example", "default", "deprecated") for key in schema)


def _discriminated(schema: Schema, value: Any) -> tuple[str, Error | None]:
    """The `$ref` that a discriminator points to, or why it points nowhere."""
    discriminator = schema.get("discriminator")
    if discriminator is None or not isinstance(value, dict):
        return "", None
    name = discriminator["propertyName"]
    if name not in value:
        reason = f'input does not contain the discriminator property "{name}"'
        return "", SchemaError(schema, "discriminator", reason, None)
    chosen = value[name]
    if not isinstance(chosen, str):
        reason = f'value of discriminator property "{name}" is not a string'
        return "", SchemaError(schema, "discriminator", reason, chosen)
    mapping = discriminator.get("mapping") or {}
    if mapping and chosen not in mapping:
        return "", SchemaError(schema, "discriminator", f'discriminator property "{name}" has invalid value', chosen)
    return mapping.get(chosen, ""), None


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> Callable[[str], object]:
    """Go's meaning of a pattern: `$` is the end of the text, not before a last newline, and digits are ASCII."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII).search


def _g(number: float) -> str:
    """Go's %g."""
    return f"{number:g}"
