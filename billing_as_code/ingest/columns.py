"""Which column of a CSV file is what of an event, and what its cells become."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.errors import UsageError

ATTRIBUTES = ("id", "source", "type", "subject", "time")
_DATA = "data."
_TEXT = ":text"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_EXACT = 2**53
_FIELDS = f"{', '.join(ATTRIBUTES)} or data.NAME"


class Columns:
    """The columns of one file.

    A column that is named like an attribute is that attribute, one named `data.x` is x in data, unless `asked`
    (`FIELD=COLUMN`, FIELD with `:text` behind it where its cells are never numbers) says otherwise. The other columns
    go into data under their own names, but where `asked` names anything of data: then nothing else does.
    """

    def __init__(self, file: str, header: Sequence[str], asked: Sequence[str]) -> None:
        self.count = len(header)
        if not any(header):
            raise UsageError(f"{file}: has no header (its first line names the columns)")
        for name in header:
            if header.count(name) > 1:
                raise UsageError(f"{file}:1: two columns are named {name!r} (each column has a name of its own)")
        at = {name: n for n, name in enumerate(header)}
        self._attributes: dict[str, int] = {name: at[name] for name in ATTRIBUTES if name in at}
        self._data: list[tuple[tuple[str, ...], int, bool]] = []
        chosen: dict[str, str] = {}
        for one in asked:
            self._ask(file, one, at, chosen)
        if not self._data:
            taken = {*self._attributes.values(), *(at[c] for c in chosen.values())}
            for name, n in at.items():
                if n not in taken and name and name not in ATTRIBUTES:
                    path = tuple(name.removeprefix(_DATA).split(".")) if name.startswith(_DATA) else (name,)
                    self._data.append((path, n, False))
        self._no_path_through_another(file)

    def _ask(self, file: str, one: str, at: dict[str, int], chosen: dict[str, str]) -> None:
        field, equals, column = one.partition("=")
        is_text = field.endswith(_TEXT)
        field = field.removesuffix(_TEXT)
        path = tuple(field.removeprefix(_DATA).split(".")) if field.startswith(_DATA) else ()
        if not equals or not (field in ATTRIBUTES or (path and all(path))):
            raise UsageError(f"--map {one}: write it as FIELD=COLUMN, where FIELD is {_FIELDS}")
        if column not in at:
            meant = Spelling(at).remedy(column) or f"it has {', '.join(filter(None, at))}"
            raise UsageError(f"--map {one}: {file} has no column {column!r} ({meant})")
        if field in chosen:
            raise UsageError(f"--map {one}: {field} is {chosen[field]!r} already")
        chosen[field] = column
        if path:
            self._data.append((path, at[column], is_text))
        else:
            self._attributes[field] = at[column]

    def _no_path_through_another(self, file: str) -> None:
        paths = {path for path, _, _ in self._data}
        for path in paths:
            for length in range(1, len(path)):
                if path[:length] in paths:
                    short, long = ".".join(path[:length]), ".".join(path)
                    raise UsageError(
                        f"{file}: data.{short} is a value and cannot hold data.{long} (name one otherwise)"
                    )

    def event(self, row: Sequence[str]) -> dict[str, Any]:
        """The event of a row; an empty cell is left out."""
        event: dict[str, Any] = {name: row[n] for name, n in self._attributes.items() if row[n]}
        data: dict[str, Any] = {}
        for path, n, is_text in self._data:
            if not row[n]:
                continue
            place = data
            for name in path[:-1]:
                place = place.setdefault(name, {})
            place[path[-1]] = row[n] if is_text else value(row[n])
        if data:
            event["data"] = data
        return event


def value(cell: str) -> int | float | str:
    """A cell as it goes out: a number where it is one and OpenMeter, whose numbers are float64, keeps it as it is.

    Any other stays text, which OpenMeter counts as a number all the same.
    """
    if not _NUMBER.fullmatch(cell) or len(cell) > 40:
        return cell
    try:
        whole = int(cell)
    except ValueError:
        number = float(cell)
        return number if number - number == 0 and Decimal(repr(number)) == Decimal(cell) else cell
    return whole if abs(whole) <= _EXACT else cell
