"""The floor: the recorded pages fetched over one httpx client, and parsed. `python -m benchmarks.floor URL FOLDER N`
has N requests under way at a time."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx


def main() -> None:
    url, folder, width = sys.argv[1:]
    targets = json.loads((Path(folder) / "targets.json").read_text())
    with httpx.Client(base_url=url) as client, ThreadPoolExecutor(int(width)) as pool:
        for content in pool.map(lambda target: client.get(target).content, targets):
            json.loads(content)


if __name__ == "__main__":
    main()
