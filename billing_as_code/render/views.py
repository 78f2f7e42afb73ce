"""Views of a live resource (see `kinds.looks`) as lines: facts, tables, and amounts over time as bars."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from billing_as_code.kinds.looks import Cell, Content, Facts, Grouped, Series, Table, View, Window
from billing_as_code.render import values
from billing_as_code.render.lines import Line, Span, line, padded, visible, width

MOST_WINDOWS = 60
_IN_ROWS = 14
"""So many windows are drawn in a row each, with their amounts; more become columns."""
_HEIGHT = 5
_BAR = 30
_MOST_GROUPS = 5
_MOST_CELL, _MOST_HEAD = 48, 24
_EIGHTHS, _LYING = " ▁▂▃▄▅▆▇█", " ▏▎▍▌▋▊▉█"
_NONE = "-"


def view(view: View, *, blocks: bool) -> Iterator[Line]:
    """Any view. `blocks` says that bars may be drawn with block characters; they are of `#` otherwise."""
    match view:
        case Facts():
            yield from facts(view)
        case Table():
            yield from table(view)
        case Series():
            yield from _series(view, blocks)
        case Grouped():
            yield from _grouped(view)
    yield from (line("  ", Span(note, "dim")) for note in view.notes)


def cell(value: Cell, most: int = _MOST_CELL) -> str:
    """One value: numbers exact and with separators, times in UTC, texts cut to so many columns."""
    match value:
        case None:
            return _NONE
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return number(value)
        case int():
            return values.number(value)
        case datetime():
            return time(value)
        case Content():
            return cut(visible(json.dumps(value.value, ensure_ascii=False)), most)
    return cut(visible(value), most)


def cut(text: str, most: int) -> str:
    """The text in so many columns."""
    if width(text) <= most:
        return text
    text = text[:most]  # which wide characters make too long still
    while width(text) >= most:
        text = text[:-1]
    return text + "…"


def number(value: Decimal) -> str:
    """Exact, with separators, without a fraction of zeros."""
    text = format(value, "f")
    return values.number(text.rstrip("0").rstrip(".") if "." in text else text)


def time(when: datetime) -> str:
    """To the second, in UTC."""
    return when.strftime("%Y-%m-%d %H:%M:%S" if when.second else "%Y-%m-%d %H:%M") + " UTC"


# -- facts and tables -------------------------------------------------------------------------------------------------


def facts(found: Facts) -> Iterator[Line]:
    """Names and values, aligned."""
    column = max((len(name) for name, _ in found.rows), default=0)
    for name, value in found.rows:
        yield line("  ", padded(_said(name), column), "  ", Span(cell(value, values.LONGEST), _style(value)))


def _said(name: str) -> str:
    return name.replace("_", " ")


def _style(value: Cell) -> str:
    return ("done" if value else "breaking") if isinstance(value, bool) else ""


def table(found: Table) -> Iterator[Line]:
    """Aligned columns, numbers to the right; columns without any value are left out."""
    if not found.rows:
        yield line("  ", Span(found.empty, "dim"))
        return
    some = [n for n in range(len(found.columns)) if any(row[n] is not None for row in found.rows)]
    heads = [_said(found.columns[n]) for n in some]
    right = [
        any(isinstance(row[n], int | Decimal) and not isinstance(row[n], bool) for row in found.rows) for n in some
    ]
    yield from columns(heads, [[(cell(row[n]), _style(row[n])) for n in some] for row in found.rows], right)
    if found.count is not None and found.count > len(found.rows):
        yield line("  ", Span(f"… and {values.number(found.count - len(found.rows))} more", "dim"))


def columns(
    heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], right: Sequence[bool] = ()
) -> Iterator[Line]:
    """Rows of (text, style) under their heads; those columns that are `right` have their texts to the right."""
    right = right or [False] * len(heads)
    widths = [max([width(head), *(width(row[n][0]) for row in rows)]) for n, head in enumerate(heads)]
    yield _row([(head, "dim") for head in heads], widths, right)
    for row in rows:
        yield _row(row, widths, right)


def _row(cells: Sequence[tuple[str, str]], widths: Sequence[int], right: Sequence[bool]) -> Line:
    spans: list[str | Span] = []
    for (text, style), wide, to_right in zip(cells, widths, right, strict=True):
        gap = " " * (wide - width(text))
        spans += ["  ", gap, Span(text, style)] if to_right else ["  ", Span(text, style), gap]
    return line(*spans[:-1]) if spans and not right[-1] else line(*spans)


# -- amounts over time --------------------------------------------------------------------------------------------


def _series(found: Series, blocks: bool) -> Iterator[Line]:
    windows = found.windows[-MOST_WINDOWS:]
    amounts = [w.value for w in windows if w.value]
    if windows and not amounts:
        yield line("  ", Span(f"Nothing in {values.counted(len(windows), found.size)}.", "dim"))
    elif windows and len(windows) <= _IN_ROWS:
        yield from _in_rows(windows, found.size, blocks)
    elif windows:
        yield from _in_columns(windows, found.size, blocks)
    if len(windows) < len(found.windows):
        yield line("  ", Span(f"The last {MOST_WINDOWS} of {values.number(len(found.windows))} {found.size}s.", "dim"))
    if found.total is not None:
        yield line("  ", Span("total", "heading"), f"  {number(found.total)}")


def start(when: datetime, size: str) -> str:
    """What names a window: its day, its month, or its hour."""
    return when.strftime({"hour": "%m-%d %H:00", "month": "%Y-%m"}.get(size, "%Y-%m-%d"))


def _in_rows(windows: Sequence[Window], size: str, blocks: bool) -> Iterator[Line]:
    shown = [number(w.value) if w.value is not None else _NONE for w in windows]
    column, peak = max(map(len, shown)), _peak(windows)
    for window, text in zip(windows, shown, strict=True):
        bar = _lying(window.value, peak, blocks)
        yield line(f"  {start(window.start, size)}  {text:>{column}}  ", Span(bar, "bar"))


def _lying(value: Decimal | None, peak: Decimal, blocks: bool) -> str:
    if value is None or value <= 0:
        return ""
    eighths = max(1, round(float(value / peak) * _BAR * 8))
    if not blocks:
        return "#" * max(1, round(eighths / 8))
    whole, rest = divmod(eighths, 8)
    return _LYING[8] * whole + (_LYING[rest] if rest else "")


def _peak(windows: Sequence[Window]) -> Decimal:
    return max((w.value for w in windows if w.value is not None and w.value > 0), default=Decimal(1))


def _in_columns(windows: Sequence[Window], size: str, blocks: bool) -> Iterator[Line]:
    """A column for each window, the largest of them as high as there are lines."""
    peak = _peak(windows)
    labels = [number(peak), *([""] * (_HEIGHT - 2)), "0"]
    column = max(map(len, labels))
    parts = [float(w.value / peak) if w.value is not None and w.value > 0 else 0.0 for w in windows]
    for level, label in zip(reversed(range(_HEIGHT)), labels, strict=True):
        bar = "".join(
            _upright(part * _HEIGHT - level, is_lowest=level == 0 and part > 0, blocks=blocks) for part in parts
        )
        yield line(f"  {label:>{column}}  ", Span(bar, "bar"))
    first, last = start(windows[0].start, size), start(windows[-1].start, size)
    yield line(" " * (column + 4), Span(first + last.rjust(max(len(windows) - len(first), len(last) + 1)), "dim"))


def _upright(filled: float, *, is_lowest: bool, blocks: bool) -> str:
    """One character of a column that is filled from 0 (or less) to 1 (or more); what is there at all is seen."""
    if not blocks:
        return "#" if filled >= 0.5 or is_lowest else " "
    return _EIGHTHS[max(min(8, round(filled * 8)), 1 if is_lowest else 0)]


def _grouped(found: Grouped) -> Iterator[Line]:
    """A row for each window, a column for each of the largest groups."""
    groups, size = found.groups[:_MOST_GROUPS], found.size
    if not groups:
        yield line("  ", Span("Nothing in this time.", "dim"))
        return
    heads = [size, *(" / ".join(_group_name(v) for v in group.values) for group in groups)]
    rows = []
    for n, window in enumerate(groups[0].windows):
        amounts = [group.windows[n].value for group in groups]
        rows.append([(start(window.start, size), ""), *((cell(amount), "") for amount in amounts)])
    rows.append([("total", "heading"), *((cell(group.total), "heading") for group in groups)])
    yield from columns(heads, rows, [False, *[True] * len(groups)])
    if (more := len(found.groups) - len(groups)) > 0:
        yield line("  ", Span(f"… and {values.counted(more, 'smaller group')} (--json has all)", "dim"))


def _group_name(value: str) -> str:
    return cut(visible(value), _MOST_HEAD) if value else "(none)"
