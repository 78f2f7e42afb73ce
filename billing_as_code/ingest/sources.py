"""Where events come from: NDJSON line by line, CSV row by row. Nothing is read whole, whatever its size."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import IO

from billing_as_code.ingest.columns import Columns
from billing_as_code.ingest.events import Refusal
from billing_as_code.model import Json

LONGEST = 1_000_000
"""Bytes of a line: what Kafka, behind OpenMeter, takes as one message."""
_BOM = b"\xef\xbb\xbf"
_AS_LINES = "one event a line; jq -c '.[]' FILE makes lines of an array, jq -c . FILE of objects over several lines"
_QUOTES = 'a cell with a delimiter, a quote or a line break in it is written as "..."'
_DELIMITERS = ",;\t"


class NotJson(ValueError):
    """A text is no JSON that OpenMeter could read; the message says why."""


def parse(text: str) -> Json:
    """The JSON of a text. Raises NotJson, for NaN and Infinity as well, which are no JSON."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = "at its end" if error.pos >= len(text) else f"at {text[error.pos : error.pos + 20]!r}"
        raise NotJson(f"is no JSON: {error.msg[0].lower()}{error.msg[1:]} {at}, column {error.pos + 1}") from None
    except RecursionError:
        raise NotJson("is nested too deep") from None
    except NotJson:
        raise
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise NotJson("holds a number that is beyond what OpenMeter can hold") from None


def _no_number(name: str) -> Json:
    raise NotJson(f"holds {name}, which is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def ndjson(stream: IO[bytes]) -> Iterator[tuple[int, Json | Refusal]]:
    """The events of a file with a JSON object a line. An array on one line is a batch; an empty line is nothing."""
    for number, line in _lines(stream):
        if line is None:
            yield number, _too_long(number)
            continue
        try:
            text = line.decode().strip()
            value = parse(text) if text else []
        except UnicodeDecodeError:
            yield number, _no_utf8(number)
        except NotJson as error:
            yield number, Refusal(number, str(error), _AS_LINES if text in ("[", "{", "[{") else "")
        else:
            for one in value if isinstance(value, list) else (value,):
                yield number, one


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Every line with its number; None for one that is too long to be looked at."""
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > LONGEST and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, line


def _too_long(line: int) -> Refusal:
    return Refusal(line, f"is longer than {LONGEST:,} bytes", "OpenMeter takes no larger event")


def _no_utf8(line: int) -> Refusal:
    return Refusal(line, "is no UTF-8", "save the file as UTF-8")


def table(stream: IO[bytes], name: str, asked: tuple[str, ...]) -> Iterator[tuple[int, Json | Refusal]]:
    """The rows of a CSV file as events. The first row names the columns, `asked` says what they are (`--map`).

    A row is told by the line that it starts on. Raises UsageError where the header or what is asked of it is wrong.
    """
    long: list[int] = []
    lines = _decoded(stream, long)
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    names = [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter), [])]
    columns = Columns(name, names, asked)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 2  # the header is line 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Refusal(line, f"is no CSV: {error}", _QUOTES)
            continue
        if long:
            yield line, _too_long(long.pop())
        elif row:
            yield line, _row(line, row, columns)


def _row(line: int, row: list[str], columns: Columns) -> Json | Refusal:
    if len(row) != columns.count:
        return Refusal(
            line, f"has {len(row)} cell{'s' * (len(row) != 1)} where the header has {columns.count}", _QUOTES
        )
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return _no_utf8(line)
    return columns.event(row)


def _decoded(stream: IO[bytes], long: list[int]) -> Iterator[str]:
    """Lines as text; bytes that are no UTF-8 stay as halves of surrogate pairs, for the row to be refused."""
    for number, line in _lines(stream):
        if line is None:
            long.append(number)
            yield "too long\n"
        else:
            yield line.decode(errors="surrogateescape")
