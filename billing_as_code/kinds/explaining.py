"""What the tables say of a part of a kind: a field, a map of fields, or what stands within a field's value."""

from __future__ import annotations

from dataclasses import dataclass

from billing_as_code.kinds.base import Field, Kind, Schema
from billing_as_code.kinds.schema import TEMPLATES, WORDS, field_schema, resource_schema
from billing_as_code.model import Class, Value


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what a kind's section takes. `fields` are the rows at or below `path`, or the one that it stands in;
    `within` is what follows that one's name; `schema` is what may stand there."""

    kind: Kind
    path: str
    fields: tuple[Field, ...]
    schema: Schema
    within: tuple[str, ...] = ()

    @property
    def is_map(self) -> bool:
        """Whether it is a map of fields of the table."""
        return not self.within and not (len(self.fields) == 1 and self.fields[0].name == self.path)


def names(kind: Kind) -> list[str]:
    """Every path that the table has, maps of fields included, in its order; then the words that any resource takes."""
    found: dict[str, None] = {}
    for field in kind.fields:
        parts = field.name.split(".")
        found |= dict.fromkeys(".".join(parts[: n + 1]) for n in range(len(parts)))
    return [*found, *(word for word in WORDS if word != TEMPLATES)]


def part(kind: Kind, path: str) -> Part | None:
    """The part that a dotted path names, None where the section has none."""
    steps = tuple(path.split("."))
    if path in WORDS and path != TEMPLATES:
        return Part(kind, path, (), WORDS[path].schema)
    below = tuple(f for f in kind.fields if f.name == path or f.name.startswith(path + "."))
    if below:
        schema = field_schema(below[0]) if below[0].name == path else resource_schema(kind)
        for step in steps if below[0].name != path else ():
            schema = schema["properties"][step]
        return Part(kind, path, below, schema)
    for n in range(len(steps) - 1, 0, -1):
        index = kind.index.get(".".join(steps[:n]))
        if index is not None:
            field, within = kind.fields[index], steps[n:]
            schemas = _inner(field.schema, within)
            if not schemas:
                return None
            return Part(kind, path, (field,), schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, within)
    return None


def _inner(schema: Schema, steps: tuple[str, ...]) -> list[Schema]:
    """What may stand at some steps within a value: more than one where it depends on what the rest is."""
    if not steps:
        return [schema]
    found: list[Schema] = []
    for inner in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found += [s for s in _inner(inner, steps) if s not in found]
    properties = schema.get("properties", {})
    if steps[0] in properties:
        found += _inner(properties[steps[0]], steps[1:])
    elif isinstance(open_to := schema.get("additionalProperties"), dict):
        found += _inner(open_to, steps[1:])
    return found


def classes(kind: Kind, field: Field) -> list[tuple[str, Class]]:
    """How much a change of a field matters, as (what happens to it, class) pairs; one pair, "changed", where it is
    always the same."""
    least = kind.replace_class if field.fixed and not field.held else Class.SAFE
    if field.rank is None:
        return [("changed", Class.BREAKING)]
    found = [(how, max(least, field.rank(*values))) for how, values in _cases(field)]
    worst = {cls for _, cls in found}
    return [("changed", worst.pop())] if len(worst) == 1 else found


def _cases(field: Field) -> list[tuple[str, tuple[Value, Value]]]:
    """Two values of the field's sort for each thing that may happen to it."""
    if field.opaque:  # JSON as text
        return [("raised", ("1", "2")), ("lowered", ("2", "1")), ("changed otherwise", ('"a"', '"b"'))]
    if field.schema.get("type") == "boolean":
        return [("turned on", (False, True)), ("turned off", (True, False))]
    if _is_number(field.schema):
        return [("raised", (1, 2)), ("lowered", (2, 1))]
    return [("changed", ("a", "b"))]


def _is_number(schema: Schema) -> bool:
    return schema.get("type") == "integer" or any(_is_number(s) for s in schema.get("oneOf", ()))
