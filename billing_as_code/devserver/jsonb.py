"""JSON text as PostgreSQL's jsonb keeps and prints it.

OpenMeter stores some JSON texts in jsonb columns, so that they come back in its form: keys sorted by length, then
by bytes, the last of doubled keys, one space after colons and commas, numbers with their scale but no exponent.
"""

import json
from decimal import Decimal
from typing import Any


class InvalidJSON(ValueError):
    """The text is no JSON."""


class UnstorableJSON(ValueError):
    """JSON that PostgreSQL refuses: a zero character, or half of a surrogate pair."""


class _Number(str):
    """A number's text, not yet read."""


def normalised(text: str) -> str:
    """What PostgreSQL answers for a JSON text that was stored. Raises InvalidJSON or UnstorableJSON."""
    try:
        value = json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidJSON(str(error)) from error
    return _printed(value)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _printed(value: Any) -> str:
    if isinstance(value, _Number):
        return _number(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        ordered = sorted((len(k.encode("utf-8", "surrogatepass")), k) for k in value)
        return "{" + ", ".join(f"{_string(k)}: {_printed(value[k])}" for _, k in ordered) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_printed, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def _number(text: str) -> str:
    number = Decimal(text)
    plain = f"{number:f}"
    return plain.removeprefix("-") if number == 0 else plain


def _string(text: str) -> str:
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise UnstorableJSON("the text holds a character that PostgreSQL cannot store")
    return json.dumps(text, ensure_ascii=False)
