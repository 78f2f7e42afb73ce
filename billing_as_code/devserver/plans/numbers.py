"""Numbers of prices: decimals as OpenMeter writes them again, and percentages that went through a float32."""

from __future__ import annotations

import struct
from decimal import Decimal


def plain(text: str) -> str:
    """A decimal without leading zeros, nor trailing ones in its fraction; no digit is lost."""
    number = f"{Decimal(text):f}"
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return "0" if number in ("-0", "") else number


def plain_or_none(text: str | None) -> str | None:
    return None if text is None else plain(text)


def through_float32(number: float) -> float:
    """What is left of a number after it was a float32, as a float64."""
    single: float = struct.unpack("f", struct.pack("f", number))[0]
    return single


def as_float32(number: float) -> float:
    """A number rounded to a float32, written with the fewest digits that mean it."""
    single = through_float32(number)
    for digits in range(1, 10):
        short = float(f"{single:.{digits}g}")
        if through_float32(short) == single:
            return short
    return single
