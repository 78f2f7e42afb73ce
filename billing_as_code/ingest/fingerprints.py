"""Millions of 64-bit numbers with a number each, in 16 bytes a place: a dict takes more than a hundred."""

from __future__ import annotations

from array import array

_EMPTY = 0


class Fingerprints:
    """A map of 64-bit numbers. Where they are hashes, two texts with the same one are taken for one: among a million
    texts that happens once in 37 million times."""

    def __init__(self, room: int = 0) -> None:
        """`room` is how many are expected."""
        size = 1 << max(10, (room * 3 // 2).bit_length())
        self._keys, self._values = _zeros(size), _zeros(size)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def get(self, key: int) -> int | None:
        """What was put under the key, None where nothing was."""
        at = self._place(key or 1)
        return self._values[at] if self._keys[at] != _EMPTY else None

    def put(self, key: int, value: int) -> int | None:
        """Put a value; the one that stood there before, None where none did."""
        key = key or 1
        at = self._place(key)
        if self._keys[at] != _EMPTY:
            before = self._values[at]
            self._values[at] = value
            return before
        self._keys[at], self._values[at] = key, value
        self._used += 1
        if self._used * 4 > len(self._keys) * 3:
            self._grow()
        return None

    def _place(self, key: int) -> int:
        keys = self._keys
        mask = len(keys) - 1
        at = key & mask
        while (found := keys[at]) != _EMPTY and found != key:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys, self._values = _zeros(2 * len(keys)), _zeros(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if key != _EMPTY:
                at = self._place(key)
                self._keys[at], self._values[at] = key, value


def _zeros(size: int) -> array[int]:
    return array("Q", bytes(8 * size))
