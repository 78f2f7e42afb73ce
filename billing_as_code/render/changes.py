"""One change as lines: its address, its fields before and after, what it loses and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from billing_as_code.kinds import EVERY
from billing_as_code.model import Change, Class, FieldChange, Resource, Value
from billing_as_code.render import prose, values
from billing_as_code.render.lines import Line, Span, line, padded, visible, width

SYMBOLS: Mapping[str, str] = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
COLUMNS = 110
_INDENT = 6
_MOST_ALIGNED = 36


def lines(change: Change) -> Iterator[Line]:
    """The lines of a change. What is breaking has a `!` in the first column."""
    yield head(change)
    if change.action == "create" and change.after is not None:
        yield from packed(made(change.after))
    else:
        yield from fields(change)
    for sentence in prose.sentences(change):
        yield from wrapped(sentence, "why")


def head(change: Change) -> Line:
    """What is done to what, and where the catalog says so."""
    marker = Span("! ", "breaking") if change.cls is Class.BREAKING else Span("  ")
    symbol = Span(SYMBOLS[change.action], change.action)
    return line(marker, symbol, " ", Span(visible(str(change.address)), "address"), *_place(change))


def _place(change: Change) -> Line:
    """Where the catalog says so; left out for what is new, which is all over the catalog's own change."""
    place = change.after.place if change.after is not None and change.action != "create" else None
    return (Span(f"  {visible(place.file)}:{place.line}", "dim"),) if place is not None else ()


def fields(change: Change) -> Iterator[Line]:
    """Each changed field, before and after."""
    yield from field_lines(change.address.kind, change.fields)


def field_lines(kind: str, changed: Iterable[FieldChange]) -> Iterator[Line]:
    rows = [(visible(f.path), *values.change(kind, f.path, f.before, f.after), f.cls) for f in changed]
    column = min(max((width(name) for name, *_ in rows), default=0), _MOST_ALIGNED)
    for name, before, after, cls in rows:
        marker = Span("! ", "breaking") if cls is Class.BREAKING else Span("  ")
        yield line(
            " " * (_INDENT - 2), marker, padded(name, column), "  ", Span(before, "before"), " → ", Span(after, "after")
        )


def wrapped(text: str, style: str = "") -> Iterator[Line]:
    for part in textwrap.wrap(text, COLUMNS - _INDENT, break_long_words=False, break_on_hyphens=False):
        yield line(" " * _INDENT, Span(part, style))


def packed(parts: Iterable[str]) -> Iterator[Line]:
    """Short texts, as many on a line as it takes, none of them broken."""
    row = ""
    for part in parts:
        if row and width(row) + width(part) + 2 > COLUMNS - _INDENT:
            yield line(" " * _INDENT, f"{row},")
            row = ""
        row = f"{row}, {part}" if row else part
    if row:
        yield line(" " * _INDENT, row)


def made(resource: Resource) -> list[str]:
    """What a new resource is: the fields that say something other than their default."""
    return list(telling(resource))


def telling(resource: Resource) -> Iterator[str]:
    """The same one by one, for who needs the first few only."""
    for name, value in _telling(resource):
        yield f"{name}: {values.field_value(resource.address.kind, name, value)}"


def _telling(resource: Resource) -> Iterator[tuple[str, Value]]:
    kind = EVERY.get(resource.address.kind)
    if kind is None or resource.external:
        return
    so_far: dict[str, Value] = {}
    for field, value in zip(kind.fields, resource.spec, strict=True):
        default = field.default(resource.address.path, so_far) if callable(field.default) else field.default
        so_far[field.name] = value
        if value is not None and (field.required or _plain(value) != _plain(default)):
            yield field.name, value


def _plain(value: Value) -> Value:
    """Tuples as the lists that they are in a plan file."""
    return list(value) if isinstance(value, tuple) else value
