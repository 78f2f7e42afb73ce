"""The wire forms that a real OpenMeter showed, out of the recordings that lie beside the checkout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recordings are not in ../shared beside the checkout"
)


def exchanges(folder: str = "*") -> Iterator[dict[str, Any]]:
    """Every exchange of the scenarios in a folder."""
    for file in sorted(RECORDINGS.glob(f"{folder}/*.json")):
        for exchange in json.loads(file.read_text(encoding="utf-8"))["exchanges"]:
            if "request" in exchange:
                yield exchange


def listed(path: str, **query: str) -> list[dict[str, Any]]:
    """The items of every recorded list at exactly this path, asked with at least these parameters."""
    found = []
    for exchange in exchanges():
        request, body = exchange["request"], exchange["response"].get("body")
        asked = request.get("query", {})
        if request["method"] != "GET" or not re.fullmatch(path, request["path"]):
            continue
        if exchange["response"]["status"] != 200 or any(asked.get(k) != v for k, v in query.items()):
            continue
        items = body if isinstance(body, list) else body.get("items", body.get("data"))
        found += items or []
    return found
