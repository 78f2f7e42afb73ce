"""Pieces of schema and canonical form that several kinds use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from billing_as_code.kinds.times import INSTANT, INTERVAL
from billing_as_code.model import Class, Json, Value, canonical_json

KEY_PATTERN = "^[a-z0-9]+(?:_[a-z0-9]+)*$"
KEY = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": KEY_PATTERN}
FREE_KEY = {"type": "string", "minLength": 1, "maxLength": 256}
NAME = {"type": "string", "minLength": 1, "maxLength": 256}
DESCRIPTION = {"type": "string", "minLength": 1, "maxLength": 1024}
TEXT = {"type": "string", "minLength": 1}
AT = {"type": "string", "pattern": INSTANT}
EVERY = {"type": "string", "pattern": INTERVAL}
METADATA = {"type": "object", "additionalProperties": {"type": "string"}}
AMOUNT = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}]}
PRICE = AMOUNT  # a decimal that OpenMeter carries as text
BOOLEAN = {"type": "boolean"}
PRIORITY = {"type": "integer", "minimum": 1, "maximum": 255}
ANY: dict[str, Any] = {}


# -- canonical forms -------------------------------------------------------------------------------


def amount(value: int | float | str) -> Value:
    """An integer where it is whole, else decimal text without trailing zeros. From YAML or from OpenMeter's number."""
    if type(value) is int:
        return value
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if number == number.to_integral_value():
        return int(number)
    return format(number, "f").rstrip("0")  # not normalize(), which rounds to 28 digits


def decimal_text(value: int | str) -> str:
    """Decimal text as OpenMeter renders it again (`00.50` is `0.5`)."""
    return str(amount(value))


def amount_to_wire(value: int | str) -> int | float:
    """OpenMeter's amounts are JSON numbers."""
    return value if isinstance(value, int) else float(value)


def carried_exactly(value: int | str) -> bool:
    """Whether a double, which is what OpenMeter computes with, is the same number again when read back."""
    try:
        number = float(value)
        return Decimal(repr(number)) == Decimal(value)
    except (OverflowError, InvalidOperation):
        return False


def text_map(value: Mapping[str, Any]) -> dict[str, str]:
    """Labels without ours: those are ownership, not content."""
    return {k: v for k, v in value.items() if not k.startswith("bac.")} if value else {}


def opaque(value: Json) -> str:
    """Any JSON in canonical form, its text."""
    shown = repr(value)  # a quarter of the time of writing it as JSON
    if len(shown) > _SHORT:
        return canonical_json(value)
    text = _texts.get(shown)
    if text is None:
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        text = _texts[shown] = canonical_json(value)
    return text


_SHORT, _MOST_TEXTS = 256, 4096
_texts: dict[str, str] = {}
"""The texts of short values by what Python shows of them: the same few stand on tens of thousands of resources."""


@lru_cache(maxsize=_MOST_TEXTS)
def loaded(text: str) -> Json:
    """The value of a JSON text; not to be changed, since the next one that asks gets the same."""
    return json.loads(text)


def sorted_texts(value: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):  # a text or a map could be sorted as well
        raise TypeError(f"{value!r} is no list")
    return tuple(sorted(value))


# -- classes of changes ----------------------------------------------------------------------------


def more_is_commercial(before: Value, after: Value) -> Class:
    """An amount that goes up gives more away, one that goes down takes something from a customer."""
    return Class.COMMERCIAL if Decimal(after or 0) > Decimal(before or 0) else Class.BREAKING


def true_is_commercial(before: Value, after: Value) -> Class:
    return Class.COMMERCIAL if after and not before else Class.BREAKING


# -- what OpenMeter would refuse -------------------------------------------------------------------

_SEPARATORS = re.compile(r"[._-]")
_RUN = re.compile(r"[a-zA-Z0-9]+")
MOST_BLOCKS = 63
_RESERVED = ("_", "kong", "konnect", "insomnia", "mesh", "kic", "kuma", "openmeter")
MOST_LABELS = 50


def is_label(text: str) -> bool:
    """Whether openmeter/labels/validate.go takes it: `(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]?[a-zA-Z0-9])?){1,63}`.

    That is 1 to 63 blocks of one to three characters, where a separator stands in the middle of a block of its own.
    Counted here, since Python's expressions would try every way to cut a long text into blocks.
    """
    runs = _SEPARATORS.split(text)
    if not all(_RUN.fullmatch(run) for run in runs):
        return False
    # each separator takes a character of the run before it and of the run behind it
    taken = [(n > 0) + (n < len(runs) - 1) for n in range(len(runs))]
    left = [len(run) - t for run, t in zip(runs, taken, strict=True)]
    return min(left) >= 0 and len(runs) - 1 + sum(-(-n // 3) for n in left) <= MOST_BLOCKS


def unsafe_label(key: str, value: str) -> str:
    """Why OpenMeter's v3 would refuse this label, or ""."""
    if key.startswith(_RESERVED):
        return f"`{key}` starts with a word that OpenMeter reserves ({', '.join(_RESERVED)})"
    if not is_label(key):
        return f"`{key}` is no label: letters and digits, `.`, `_` or `-` singly between pairs of them"
    if len(value) > 63 or not is_label(value):
        return (
            f"the value of `{key}` is no label value: up to 63 letters and digits, `.`, `_` or `-` singly between them"
        )
    return ""


# ClickHouse's JSONPath: members, quoted members, indices, ranges and the star
_JSONPATH = re.compile(
    r"\$(?:\.[A-Za-z0-9_]+|\.\"[^\"]+\"|\[\s*(?:\*|\d+(?:\s+to\s+\d+)?(?:\s*,\s*\d+(?:\s+to\s+\d+)?)*)\s*\]"
    r"|\[\s*'[^']+'\s*\]|\[\s*\"[^\"]+\"\s*\])*"
)


def is_jsonpath(text: str) -> bool:
    return _JSONPATH.fullmatch(text) is not None


CURRENCIES = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BHD",
        "BIF",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CLP",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DJF",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GNF",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IQD",
        "IRR",
        "ISK",
        "JMD",
        "JOD",
        "JPY",
        "KES",
        "KGS",
        "KHR",
        "KMF",
        "KPW",
        "KRW",
        "KWD",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "LYD",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "OMR",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "PYG",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "RWF",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TND",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "UGX",
        "USD",
        "UYU",
        "UZS",
        "VES",
        "VND",
        "VUV",
        "WST",
        "XAF",
        "XCD",
        "XOF",
        "XPF",
        "YER",
        "ZAR",
        "ZMW",
    ]
)
