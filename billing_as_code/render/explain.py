"""What a kind takes, from its table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from billing_as_code.kinds.base import Absent, Field, Kind, Schema
from billing_as_code.render import values
from billing_as_code.render.lines import EMPTY, Line, Span, line, padded

_COLUMNS = 100
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "map",
    "array": "list",
}


def overview(kinds: Mapping[str, Kind]) -> Iterator[Line]:
    """All kinds, a line each."""
    column = max(len(name) for name in kinds)
    for name, kind in kinds.items():
        yield line(Span(padded(name, column), "address"), f"  {kind.doc}")
    yield EMPTY
    yield line("bac explain KIND tells its fields.")


def kind(kind: Kind) -> Iterator[Line]:
    """One kind: its fields with defaults, what is fixed, and an example."""
    yield line(Span(f"{kind.name}.{'.'.join(f'<{key}>' for key in kind.keys)}", "heading"), f"  {kind.doc}")
    yield EMPTY
    column = max(len(f.name) for f in kind.fields)
    for field in kind.fields:
        yield from _field(field, column)
    yield EMPTY
    marks = {
        "fixed": "a change of it replaces the resource",
        "held": "fixed, but cosmetic: a change waits for a replace",
    }
    used = {_mutability(f) for f in kind.fields}
    yield from (line(Span(f"{mark}: {text}.", "dim")) for mark, text in marks.items() if mark in used)
    yield from (line("  " + row) for row in _example(kind))


def _field(field: Field, column: int) -> Iterator[Line]:
    facts = [_type(field.schema)]
    if field.when is not None:
        facts.append(f"only where {field.when[0]} is {' or '.join(map(str, field.when[1]))}")
    facts.append("required" if field.required else _absent(field))
    facts.append(_mutability(field))
    yield line(Span(padded(field.name, column), "address"), "  ", "; ".join(f for f in facts if f))
    told = field.doc + (f" Refers to {field.refers_to}." if field.refers_to else "")
    for row in textwrap.wrap(told, _COLUMNS - column - 2):
        yield line(" " * (column + 2), Span(row, "why"))


def _mutability(field: Field) -> str:
    return "held" if field.held else "fixed" if field.fixed else ""


def _absent(field: Field) -> str:
    match field.absent:
        case Absent.KEPT:
            return "left out: what is live is kept"
        case Absent.MOMENT:
            return "left out: the moment of creation"
        case Absent.CREATE_ONLY:
            return "speaks at creation only"
    if callable(field.default):
        return "has a default"
    default = field.default
    return f"default {values.shown(default)}" if default not in (None, {}, (), "{}") else ""


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(v) for v in schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(s) for s in schema[several]))
    kind = schema.get("type")
    return _TYPES.get(kind, "any JSON") if isinstance(kind, str) else "any JSON"


def _example(kind: Kind) -> Iterator[str]:
    """The fields' examples as YAML (which JSON is)."""
    import json

    examples = {f.name: f.example for f in kind.fields}
    fitting = [f for f in kind.fields if f.when is None or examples[f.when[0]] in f.when[1]]
    some = [(f.name.split("."), f.example) for f in fitting if f.example is not None]
    tree: dict[str, object] = {}
    for names, example in some:
        into = tree
        for name in names[:-1]:
            below = into.setdefault(name, {})
            assert isinstance(below, dict)
            into = below
        into[names[-1]] = example
    if not tree:
        return
    yield ""
    yield f"{kind.name}:"
    for depth, key in enumerate(kind.keys, 1):
        yield f"{'  ' * depth}<{key}>:"
    indent = "  " * (len(kind.keys) + 1)
    for name, value in tree.items():
        yield f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}"
