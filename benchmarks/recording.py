"""The lists of an OpenMeter that holds the catalog, as the bytes that it answered.

A dev server in a process of its own is filled by applying the catalog, and read once. Measured runs read the recording,
so that what is measured is not the server.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx

from benchmarks import data
from benchmarks.measuring import dev_server
from billing_as_code import live, service
from billing_as_code.client import OpenMeter
from billing_as_code.config import load, select
from billing_as_code.kinds import KINDS


def record(project: Path, pages: Path) -> None:
    """Apply the project's catalog to a fresh dev server, and keep every page of its lists in the folder `pages`."""
    with dev_server(pages.with_suffix(".db")) as url:
        data.configure(project, url)
        config = load(project)
        with service.open_session(config, select(config, data.ENVIRONMENT, {})) as session:
            for event in service.apply(session, service.plan(session)):
                if event.status in ("failed", "blocked"):
                    raise SystemExit(f"{event.address}: {event.text}")
            if service.plan(session).changes:
                raise SystemExit("the catalog was applied, and a plan still finds changes")
        _keep(url, pages)


def _keep(url: str, pages: Path) -> None:
    kept: dict[str, bytes] = {}

    class Keeping(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            kept[request.url.raw_path.decode()] = response.read()
            return response

    client = OpenMeter(url, transport=Keeping())
    live.read(client, KINDS)
    client.close()
    pages.mkdir(parents=True, exist_ok=True)
    targets = sorted(kept)
    for n, target in enumerate(targets):
        (pages / f"{n}.json").write_bytes(kept[target])
    (pages / "targets.json").write_text(json.dumps(targets))


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]))
