"""Recorded lists of a few customers as those of many: filling a dev server with 40,000 resources would take minutes.

Customers come in blocks. Everything in the catalog that depends on a customer's number (see `data`) repeats within a
block, or holds the number itself; so block k is the recorded one with its numbers moved on, under ids of its own. A
plan on the result finds nothing to do, or the measurement stops. `python -m benchmarks.multiplying RECORDED PAGES N`
is a process of its own, since those that are measured start with the memory of the one that starts them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.data import BLOCK

PAGE = 1000

_NUMBER = re.compile(r"(?<=ustomer[- ])\d{5}")
_ID = re.compile(r'"(01[0-9A-Z]{24})"')
_CRM = re.compile(r'(?<="crm_id":")\d+(?=")')
_AMOUNT = re.compile(r"(?<=:)1000\d{3}(?=[,}])")


def multiply(recorded: Path, pages: Path, customers: int) -> None:
    """Write the pages for so many customers to the folder `pages`, from those of one block."""
    targets: list[str] = json.loads((recorded / "targets.json").read_text())
    bodies = {target: json.loads((recorded / f"{n}.json").read_bytes()) for n, target in enumerate(targets)}
    shared = {item["id"] for target, body in bodies.items() if _is_shared(target) for item in _items(body)}
    lists: dict[str, Any] = {}
    for target, body in bodies.items():
        name = re.sub(r"&page=\d+$", "", target)
        lists.setdefault(name, (target, body, []))[2].extend(_items(body))
    written: list[str] = []
    pages.mkdir(parents=True, exist_ok=True)
    kept: set[str] = set()
    for _, (target, body, items) in sorted(lists.items(), key=lambda entry: "/grants" in entry[0]):
        many = items if _is_shared(target) else list(_many(items, shared, customers, kept))
        for page, answer in _paged(target, body, many):
            (pages / f"{len(written)}.json").write_text(json.dumps(answer, separators=(",", ":")))
            written.append(page)
    (pages / "targets.json").write_text(json.dumps(written))


def _is_shared(target: str) -> bool:
    """Whether it is a list of what all customers share."""
    return "/meters" in target or "/features" in target


def _items(body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body if isinstance(body, list) else body["items" if "items" in body else "data"]
    return found


def _many(items: list[dict[str, Any]], shared: set[str], customers: int, kept: set[str]) -> Iterator[dict[str, Any]]:
    """The items of every block, but for those beyond the last customer; what has no number goes by its entitlement."""
    texts = [json.dumps(item, separators=(",", ":")) for item in items]
    for block in range(-(-customers // BLOCK)):
        for text in texts:
            moved = _moved(text, block, shared)
            number = _NUMBER.search(moved)
            item = json.loads(moved)
            if int(number.group()) < customers if number else item["entitlementId"] in kept:
                kept.add(item["id"])
                yield item


def _moved(text: str, block: int, shared: set[str]) -> str:
    """An item's text in another block."""
    if not block:
        return text
    by = block * BLOCK
    text = _NUMBER.sub(lambda found: f"{int(found.group()) + by:05d}", text)
    text = _CRM.sub(lambda found: str(int(found.group()) + by), text)
    text = _AMOUNT.sub(lambda found: str(int(found.group()) + by), text)
    return _ID.sub(lambda id: id.group() if id[1] in shared else f'"{_id(id[1], block)}"', text)


def _id(id: str, block: int) -> str:
    """An id for another block's copy; hexadecimal digits are digits of a ULID as well."""
    return "01" + hashlib.sha256(f"{id} {block}".encode()).hexdigest()[:24].upper()


def _paged(target: str, body: Any, items: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The targets and answers of a list's pages."""
    if isinstance(body, list) or "items" not in body:
        yield target, items if isinstance(body, list) else body
        return
    for page in range(1, max(1, -(-len(items) // PAGE)) + 1):
        shown = items[(page - 1) * PAGE : page * PAGE]
        answer = {**body, "page": page, "totalCount": len(items), "items": shown}
        yield re.sub(r"page=\d+$", f"page={page}", target), answer


if __name__ == "__main__":
    multiply(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
