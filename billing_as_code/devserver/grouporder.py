"""The order in which ClickHouse gives the groups of an aggregation.

OpenMeter asks for no order but that of the windows, so clients see groups in the order of ClickHouse's hash
table: by the low bits of a CRC-32C of the key, with linear probing. The key is the text itself where there is
one column, and otherwise the columns' values behind each other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

Span = tuple[int, int]
GroupKey = tuple[Span | None, tuple[str, ...]]

_MASK = 2**64 - 1
_CASTAGNOLI = 0x82F63B78
_MULTIPLIER = 0x9DDFEA08EB382D69
_SHORT_FACTORS = (0x9AE16A3B2F90404F, 0xC949D7C7509E6557)
_FIRST_SIZE = 256


def ordered(keys: Iterable[GroupKey], *, names: Sequence[str], window_size: str | None) -> list[GroupKey]:
    """Windows by their start, groups of one window in the order of the hash table.

    `names` are the columns of the texts in the keys; the keys come in the order of their first event.
    """
    listed = list(keys)
    hashed = {key: _hashed(key, names, window_size) for key in listed}
    places = _places(listed, hashed)
    return sorted(listed, key=lambda key: (key[0][0] if key[0] else 0, places[key]))


def _places(keys: Sequence[GroupKey], hashed: dict[GroupKey, bytes]) -> dict[GroupKey, int]:
    size = _FIRST_SIZE
    while len(keys) > size // 2:
        size *= 4
    taken: set[int] = set()
    places = {}
    for key in keys:
        if not hashed[key]:
            # The empty key lives beside the table and comes first.
            places[key] = -1
            continue
        place = string_hash(hashed[key]) % size
        while place in taken:
            place = (place + 1) % size
        taken.add(place)
        places[key] = place
    return places


def _hashed(key: GroupKey, names: Sequence[str], window_size: str | None) -> bytes:
    span, texts = key
    # A column that is a function of another column of the key is no part of it: the owner of a subject, and
    # the end of a day, which OpenMeter computes from its start.
    columns = [text for name, text in zip(names, texts, strict=True) if name != "customer_id" or "subject" not in names]
    if span is None and len(columns) == 1:
        return columns[0].encode()
    times = () if span is None else span[:1] if window_size == "DAY" else span
    parts = [struct.pack("<I", time & 0xFFFFFFFF) for time in times]
    for text in columns:
        stored = text.encode() + b"\0"
        parts.append(struct.pack("<Q", len(stored)) + stored)
    return b"".join(parts)


@lru_cache(maxsize=8192)
def string_hash(data: bytes) -> int:
    """ClickHouse's hash of a string key on processors with CRC instructions (`StringRefHash`)."""
    if not data:
        return 0
    if len(data) < 8:
        return _short_hash(data) & 0xFFFFFFFF
    checksum = 0xFFFFFFFF
    for position in range(0, max(len(data) - 8, 1), 8):
        checksum = _crc(checksum, data[position : position + 8])
    return _crc(checksum, data[-8:])


def _short_hash(data: bytes) -> int:
    if len(data) >= 4:
        first, last = struct.unpack("<I", data[:4])[0], struct.unpack("<I", data[-4:])[0]
        return _mixed(len(data) + (first << 3), last)
    head = data[0] + (data[len(data) // 2] << 8)
    tail = len(data) + (data[-1] << 2)
    product = (head * _SHORT_FACTORS[0]) & _MASK ^ (tail * _SHORT_FACTORS[1]) & _MASK
    return ((product ^ (product >> 47)) * _SHORT_FACTORS[0]) & _MASK


def _mixed(first: int, second: int) -> int:
    a = ((first ^ second) * _MULTIPLIER) & _MASK
    a ^= a >> 47
    b = ((second ^ a) * _MULTIPLIER) & _MASK
    b ^= b >> 47
    return (b * _MULTIPLIER) & _MASK


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (_CASTAGNOLI if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)


_TABLE = _table()


def _crc(checksum: int, data: bytes) -> int:
    for byte in data:
        checksum = checksum >> 8 ^ _TABLE[(checksum ^ byte) & 0xFF]
    return checksum
