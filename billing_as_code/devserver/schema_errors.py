"""What validation finds wrong, and how kin-openapi words it: with the schema and the value, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .gojson import dump_indented

Schema = Mapping[str, Any]


@dataclass
class SchemaError:
    """One violation. `path` is built from the inside out; `origin` replaces the reason in the text."""

    schema: Schema
    keyword: str
    reason: str
    value: Any
    origin: Origin | None = None
    path: list[str] = field(default_factory=list)

    def mark(self, key: str) -> None:
        """Note that the value stands at `key` of something larger."""
        self.path.append(key)
        if self.origin is not None:
            for error in self.origin.errors:
                error.mark(key)

    @property
    def pointer(self) -> list[str]:
        return self.path[::-1]

    def text(self) -> str:
        where = f'Error at "/{"/".join(self.pointer)}": ' if self.path else ""
        if self.origin is not None:
            return where + self.origin.text
        reason = self.reason or f'Doesn\'t match schema "{self.keyword}"'
        schema = dump_indented(_marshalled(self.schema))
        return f"{where}{reason}\nSchema:\n  {schema}\nValue:\n  {dump_indented(self.value)}"


@dataclass
class MultiError:
    """Several violations of one value."""

    errors: list[Error]

    def mark(self, key: str) -> None:
        for error in self.errors:
            error.mark(key)

    def text(self) -> str:
        return " | ".join(error.text() for error in self.errors)


@dataclass
class PlainError:
    """A violation that is only a text."""

    message: str

    def mark(self, key: str) -> None:
        """It has no place."""

    def text(self) -> str:
        return self.message


Error = SchemaError | MultiError | PlainError


@dataclass
class Origin:
    """What is behind an error. The text is fixed when it is made: places that errors get later do not show in it."""

    text: str
    errors: list[Error] = field(default_factory=list)

    @classmethod
    def of(cls, separator: str, errors: list[Error]) -> Origin:
        """The errors of the alternatives that did not match."""
        return cls("doesn't match schema due to: " + separator.join(error.text() for error in errors), errors)


def alternatives(error: Error) -> list[Error] | None:
    """The errors of the innermost lists that Go's `errors.As` for a MultiError would find, or None."""
    if isinstance(error, MultiError):
        return error.errors
    if isinstance(error, SchemaError) and error.origin is not None and error.origin.errors:
        return error.origin.errors
    return None


_ZERO_IS_ABSENT = frozenset(
    ("minItems", "minLength", "minProperties", "nullable", "readOnly", "writeOnly", "uniqueItems", "deprecated")
)
_PARTS = ("items", "not", "additionalProperties")


def _marshalled(schema: Any) -> Any:
    """A schema as kin-openapi writes it: a reference alone, and without keywords that say nothing."""
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    written: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _ZERO_IS_ABSENT and not value:
            continue
        if key in _PARTS:
            written[key] = _marshalled(value)
        elif key in ("oneOf", "anyOf", "allOf"):
            written[key] = [_marshalled(part) for part in value]
        elif key == "properties":
            written[key] = {name: _marshalled(part) for name, part in value.items()}
        else:
            written[key] = value
    return written
