"""The floor: what no tool that compares these files with these lists can avoid.

The recorded pages fetched over one httpx client and parsed, and the catalog parsed by the fastest compiled parser of
YAML, all thrown away: no places, no checks, no comparison. `python -m benchmarks.floor URL PAGES CATALOG N` has N
requests under way at a time, and parses the catalog while the first are.
"""

from __future__ import annotations

import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import yaml_rs


def main() -> None:
    gc.disable()  # as bac does
    url, pages, catalog, width = sys.argv[1:]
    targets = json.loads((Path(pages) / "targets.json").read_text())
    with httpx.Client(base_url=url) as client, ThreadPoolExecutor(int(width)) as pool:
        answers = pool.map(lambda target: client.get(target).content, targets)
        for file in sorted(Path(catalog).rglob("*.yaml")):
            yaml_rs.loads(file.read_text())
        for content in answers:
            json.loads(content)


if __name__ == "__main__":
    main()
