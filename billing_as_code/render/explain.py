"""What a kind takes, and what a part of it is, from its table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from billing_as_code.kinds.base import Absent, Field, Kind, Schema
from billing_as_code.kinds.explaining import Part, classes
from billing_as_code.kinds.fragments import AMOUNT
from billing_as_code.kinds.schema import WORDS
from billing_as_code.model import Class, Json
from billing_as_code.render import values
from billing_as_code.render.lines import EMPTY, Line, Span, line, padded

_COLUMNS = 100
_LONGEST = 40
"""Characters of a pattern that a person reads; those of times and intervals are told in words."""
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
    column = max(len(name) for name in WORDS)
    for name, word in WORDS.items():
        first, *rest = textwrap.wrap(word.doc.partition(". ")[0].rstrip(".") + ".", _COLUMNS - column - 2)
        yield line(Span(padded(name, column), "address"), f"  {first}")
        yield from (line(" " * (column + 2) + row) for row in rest)
    yield EMPTY
    yield line("bac explain KIND tells its fields, bac explain KIND.FIELD all about one.")


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
    yield from (line("  " + row) for row in _example(kind, kind.fields))


def word(name: str) -> Iterator[Line]:
    """Something that any catalog may say: `$use`, `templates`, `protect`, `external`."""
    yield line(Span(name, "heading"))
    yield from (line(row) for row in textwrap.wrap(WORDS[name].doc, _COLUMNS))
    yield EMPTY
    yield from (line("  " + row) for row in WORDS[name].example.split("\n"))


def part(part: Part) -> Iterator[Line]:
    """One field of a kind, a map of fields, or what stands within a field's value."""
    if not part.fields:
        yield from word(part.path)
        return
    yield line(Span(f"{part.kind.name}.{part.path}", "heading"), f"  {_about(part)}".rstrip())
    yield EMPTY
    if part.is_map:
        column = max(len(f.name) for f in part.fields)
        for field in part.fields:
            yield from _field(field, column)
    else:
        facts = list(_facts(part, part.fields[0]))
        column = max(len(name) for name, _ in facts)
        for name, told in facts:
            first, *rest = textwrap.wrap(told, _COLUMNS - column - 2, break_on_hyphens=False) or [""]
            yield line(Span(padded(name, column), "dim"), "  ", first)
            yield from (line(" " * (column + 2) + row) for row in rest)
    example = list(_example(part.kind, part.fields)) if not part.within else []
    yield from (line("  " + row) for row in example)


def _about(part: Part) -> str:
    if part.within:
        return f"Within `{part.fields[0].name}`. {part.fields[0].doc}"
    return "A map of:" if part.is_map else part.fields[0].doc


def _facts(part: Part, field: Field) -> Iterator[tuple[str, str]]:
    """(what, text) of everything that the table says of a field."""
    kind = part.kind
    bounds, why = _bounds(part.schema), field.why or kind.fixed_since
    yield "type", _type(part.schema) + (f", {bounds}" if bounds else "")
    if field.when is not None:
        yield "only where", f"{field.when[0]} is {' or '.join(map(str, field.when[1]))}"
    if not part.within:
        yield "left out", _left_out(field)
    if field.refers_to:
        bound = "; bound to its id, so that a replace of that one replaces this one" if field.binds else ""
        yield "refers to", f"a key of {field.refers_to}{bound}"
    if field.held:
        yield "held", f"{why}. A difference in it alone waits for the next replace (--replace)"
    elif field.fixed:
        yield "fixed", f"{why}. A change of it replaces the {kind.singular}"
    yield "a change is", _classes(kind, field)
    if not part.within:
        also = f"; {kind.also_in} calls it {field.also}" if field.also not in ("", field.wire or field.name) else ""
        yield "in OpenMeter", f"{field.wire or field.name}, in {kind.api}{also}"


def _left_out(field: Field) -> str:
    if field.required:
        return "an error" + (" there" if field.when else "") + ": it is required"
    match field.absent:
        case Absent.KEPT:
            return f"what is live is kept, since {field.why or 'OpenMeter keeps what an update does not name'}"
        case Absent.MOMENT:
            return "the moment of creation, so it is not compared"
        case Absent.CREATE_ONLY:
            return "OpenMeter's default; it speaks at creation only, and is never compared"
    if callable(field.default):
        return "a default that depends on the rest"
    empty = field.default in (None, {}, (), "{}")
    return "none, so a live one is taken off" if empty else values.shown(field.default)


def _classes(kind: Kind, field: Field) -> str:
    """How much a change matters: `commercial where raised, breaking where lowered`."""
    found = classes(kind, field)
    if len(found) == 1:
        return str(found[0][1])
    by_class: dict[Class, list[str]] = {}
    for how, cls in found:
        by_class.setdefault(cls, []).append(how)
    return "; ".join(f"{cls} where {' or '.join(hows)}" for cls, hows in by_class.items())


def _bounds(schema: Schema) -> str:
    """What a schema asks of a value besides its type."""
    said = [
        text.format(schema[name])
        for name, text in (
            ("minimum", "from {}"),
            ("maximum", "to {}"),
            ("minLength", "at least {} long"),
            ("maxLength", "at most {} long"),
            ("pattern", "as {}"),
        )
        if name in schema and (name, schema[name]) != ("minLength", 1) and len(str(schema[name])) <= _LONGEST
    ]
    return " ".join(said)


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


def as_json(kind: Kind) -> list[dict[str, Json]]:
    """The fields as JSON: what each takes, and what a change of it does."""
    change = {"": "in place", "fixed": "replaces", "held": "waits"}
    return [
        {
            "name": field.name,
            "type": _type(field.schema),
            "required": field.required,
            "default": None if field.required else _absent(field).removeprefix("default ") or None,
            "change": change[_mutability(field)],
            "only_where": f"{field.when[0]} is {' or '.join(map(str, field.when[1]))}" if field.when else None,
            "refers_to": field.refers_to or None,
            "description": field.doc,
            "example": field.example,
        }
        for field in kind.fields
    ]


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
    if schema == AMOUNT:
        return "whole number, or decimal as text"
    if "enum" in schema:
        return "one of " + ", ".join(str(v) for v in schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(s) for s in schema[several]))
    kind = schema.get("type")
    inner = schema.get("items" if kind == "array" else "additionalProperties")
    if isinstance(kind, str) and isinstance(inner, dict) and "type" in inner:
        return f"{_TYPES[kind]} of {_type(inner)}"
    return _TYPES.get(kind, "any JSON") if isinstance(kind, str) else "any JSON"


def _example(kind: Kind, fields: Sequence[Field]) -> Iterator[str]:
    """The fields' examples as YAML (which JSON is); with one field, the others are as they may be."""
    import json

    examples = {f.name: f.example for f in kind.fields}
    fitting = [f for f in fields if f.when is None or len(fields) == 1 or examples[f.when[0]] in f.when[1]]
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
