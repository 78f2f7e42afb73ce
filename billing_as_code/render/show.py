"""One address as people read it: how it stands, catalog and live side by side, and what can be seen of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from billing_as_code.kinds.base import OWNER
from billing_as_code.kinds.looks import Cell, Content, Facts, Grouped, Series, Table, View, Window
from billing_as_code.kinds.times import instant
from billing_as_code.model import Json, Resource, Value
from billing_as_code.render import changes, standing, text, values, views
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible
from billing_as_code.standing import FieldRow, Seen, Shown, Standing

_NOTES = {
    "differs": "differs",
    "held": "held",
    "ignored": "ignored: another hand writes it",
    "kept": "kept: OpenMeter cannot clear it",
    "moment": "set at creation, not compared",
    "fixed": "fixed",
}
_NOTE_STYLES = {"differs": "update", "held": "held"}


def show(shown: Shown, *, whole: bool, blocks: bool) -> Iterator[Line]:
    """Everything of one address. `whole` shows fields that have their default too."""
    found = shown.standing
    place = found.want.place if found.want is not None else None
    where = f"  {visible(place.file)}:{place.line}" if place is not None else ""
    yield line(Span(visible(str(found.address)), "heading"), Span(where, "dim"))
    yield line(text.where(shown.target))
    yield line(Span(standing.sentence(found), standing.STYLES[found.ownership]))
    for why in standing.reasons(found):
        yield from changes.wrapped(why, "breaking" if found.error else "why")
    yield from _about(found.have, shown.seen)
    yield from _fields(found, shown.rows, whole)
    for look in shown.seen:
        if look.title:
            yield EMPTY
            yield line(Span(look.title, "heading"))
            yield from _seen(look, blocks)
    if shown.also:
        yield EMPTY
        yield line(Span("Also: " + ", ".join(visible(str(a)) for a in shown.also), "dim"))


def _seen(look: Seen, blocks: bool) -> Iterator[Line]:
    if look.view is not None:
        yield from views.view(look.view, blocks=blocks)
    else:
        yield line("  ", Span(f"could not be read: {visible(look.error)}", "breaking"))


def _about(have: Resource | None, seen: Iterable[Seen]) -> Iterator[Line]:
    """Identity, times, owner and labels of what is live."""
    if have is None:
        return
    rows: list[tuple[str, Cell]] = [("id", have.id)] if have.id else []
    errors = []
    for look in seen:
        if look.title:
            continue
        rows += [row for row in look.view.rows if row[1] is not None] if isinstance(look.view, Facts) else []
        errors += [look] if look.error else []
    rows.append(("owner", "nobody" if have.owner is None else values.shown(have.owner)))
    rows += [("protected", True)] if have.protect else []
    labels = ", ".join(f"{visible(k)}: {values.shown(v)}" for k, v in sorted(have.marks.items()) if k != OWNER)
    yield EMPTY
    yield from views.facts(Facts(tuple(rows)))
    if labels:
        yield line("  ", Span(f"labels {labels}", "dim"))
    for look in errors:
        yield line("  ", Span(f"{look.name} could not be read: {visible(look.error)}", "breaking"))


# -- fields ---------------------------------------------------------------------------------------------------------


def _fields(found: Standing, rows: Sequence[FieldRow], whole: bool) -> Iterator[Line]:
    shown = [row for row in rows if whole or row.telling or {"differs", "held"} & set(row.notes)]
    if not shown:
        return
    declared = found.want is not None and not found.want.external
    sides = [("catalog", declared), ("live", found.have is not None)]
    heads = ["field", *(side for side, there in sides if there), ""]
    kind = found.address.kind
    cells = []
    for row in shown:
        live, catalog = _sides(kind, row)
        both = [side for side, (_, there) in zip((catalog, live), sides, strict=True) if there]
        style = next((_NOTE_STYLES[n] for n in row.notes if n in _NOTE_STYLES), "")
        note = ", ".join(_NOTES[n] for n in row.notes)
        cells.append([(visible(row.path), style), *((side, style) for side in both), (note, style or "dim")])
    yield EMPTY
    yield from views.columns(heads, cells)


def _sides(kind: str, row: FieldRow) -> tuple[str, str]:
    """Both values; of long lists that differ only what comes and goes."""
    if row.live == row.catalog:
        both = values.field_value(kind, row.path, row.live)
        return both, both
    return values.change(kind, row.path, row.live, row.catalog)


# -- for programs ---------------------------------------------------------------------------------------------------


def as_json(shown: Shown) -> dict[str, Json]:
    """The same as JSON: numbers as numbers, times as RFC 3339 text; a look that failed is {"error": why}."""
    found, have, kind = shown.standing, shown.standing.have, shown.standing.address.kind
    return {
        "address": str(found.address),
        "environment": shown.target.environment,
        "ownership": found.ownership,
        "difference": found.difference or None,
        "error": found.error or None,
        "place": str(found.want.place) if found.want is not None and found.want.place is not None else None,
        "id": have.id if have is not None else None,
        "owner": have.owner if have is not None else None,
        "managed_by": have.managed if have is not None else None,
        "labels": dict(have.marks) if have is not None else {},
        "fields": [
            {
                "field": row.path,
                "catalog": _field(kind, row.path, row.catalog),
                "live": _field(kind, row.path, row.live),
            }
            | {"notes": list(row.notes)}
            for row in shown.rows
        ],
        "looks": {
            look.name: {"error": look.error} if look.view is None else view_json(look.view) for look in shown.seen
        },
        "also": [str(address) for address in shown.also],
    }


def _field(kind: str, path: str, value: Value) -> Json:
    """A field's value; JSON that a field carries as text is JSON again."""
    row = values.field_of(kind, path)
    return json.loads(value) if row is not None and row.opaque and isinstance(value, str) else value


def view_json(view: View) -> Json:
    """A view: facts by name, a table as its rows, amounts with their windows."""
    match view:
        case Facts():
            return {name: _value(value) for name, value in view.rows}
        case Table():
            rows = [{n: _value(v) for n, v in zip(view.columns, row, strict=True)} for row in view.rows]
            return {"count": len(rows) if view.count is None else view.count, "rows": rows}
        case Series():
            return {"size": view.size, "total": _value(view.total), "windows": _windows(view.windows)}
        case Grouped():
            groups = [
                {"values": dict(zip(view.by, g.values, strict=True)), "total": _value(g.total)}
                | {"windows": _windows(g.windows)}
                for g in view.groups
            ]
            return {"size": view.size, "by": list(view.by), "groups": groups}


def _windows(windows: Iterable[Window]) -> Json:
    return [{"from": instant(w.start), "to": instant(w.end), "value": _value(w.value)} for w in windows]


def _value(value: Cell) -> Json:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Content):
        return value.value
    return value
