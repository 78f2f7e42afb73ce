"""Names in findings: hosts, and the first few of many."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

_HERE = ("localhost", "::1")
_MOST = 3


def host_of(url: str) -> str:
    """The host that a url names."""
    return urlsplit(url).hostname or url


def is_here(url: str) -> bool:
    """Whether a url leads to this machine, so that nothing goes over a network."""
    host = host_of(url)
    return host in _HERE or host.endswith(".localhost") or host.startswith("127.")


def some(items: Sequence[object]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(items) - _MOST
    return ", ".join(str(item) for item in items[:_MOST]) + (f" and {more:,} more" if more > 0 else "")
