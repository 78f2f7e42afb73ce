"""A server of recorded pages: canned bytes, a latency, and a count. It imports nothing that costs anything.

`python -m benchmarks.pages FOLDER` says on stdout where it listens. `/_latency/<milliseconds>/<milliseconds>` sets what
every read and every write waits, `/_count` answers how many came since it was last asked. What is posted is kept, and
listed where it was posted, by page.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from pathlib import Path

MADE = b"2026-11-24T12:00:00Z"


class Pages:
    """The recorded answers by request target."""

    def __init__(self, folder: Path) -> None:
        targets = json.loads((folder / "targets.json").read_text())
        self.answers = {t: _answer(200, (folder / f"{n}.json").read_bytes()) for n, t in enumerate(targets)}
        self.kept: dict[str, list[bytes]] = {}
        self.latencies = (0.0, 0.0)
        self.count = 0
        self.lock = threading.Lock()

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        if target.startswith("/_latency/"):
            _, _, reads, writes = target.split("/")
            self.latencies = int(reads) / 1000, int(writes) / 1000
            return _answer(200, b"null")
        if target == "/_count":
            count, self.count = self.count, 0
            return _answer(200, str(count).encode())
        with self.lock:
            self.count += 1
        time.sleep(self.latencies[method != "GET"])
        if method == "POST":
            return _answer(201, self.keep(target, body))
        path, _, query = target.partition("?")
        if path in self.kept:
            return _answer(200, self.page(path, dict(part.split("=") for part in query.split("&"))))
        return self.answers.get(target) or _answer(404, b"{}")

    def keep(self, path: str, body: bytes) -> bytes:
        """The item that a body makes."""
        with self.lock:
            items = self.kept.setdefault(path, [])
            made = b'{"id":"01%024d","createdAt":"%s","updatedAt":"%s",' % (len(items), MADE, MADE)
            items.append(made + body.lstrip()[1:])
            return items[-1]

    def page(self, path: str, query: dict[str, str]) -> bytes:
        items, size, page = self.kept[path], int(query["pageSize"]), int(query["page"])
        shown = b",".join(items[(page - 1) * size : page * size])
        return b'{"page":%d,"pageSize":%d,"totalCount":%d,"items":[%s]}' % (page, size, len(items), shown)


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        pages: Pages = self.server.pages  # type: ignore[attr-defined]
        while line := self.rfile.readline():
            length = 0
            while header := self.rfile.readline().strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split()[1])
            method, target = line.decode().split()[:2]
            self.wfile.write(pages.answer(method, target, self.rfile.read(length)))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.pages = Pages(Path(sys.argv[1]))  # type: ignore[attr-defined]
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
