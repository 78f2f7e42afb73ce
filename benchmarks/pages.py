"""A server of recorded pages: canned bytes, a latency, and a count. It imports nothing that costs anything.

`python -m benchmarks.pages FOLDER` says on stdout where it listens. `/_latency/<milliseconds>` sets what every page
waits, `/_count` answers how many were asked for since it was last asked.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from pathlib import Path


class Pages:
    """The recorded answers by request target."""

    def __init__(self, folder: Path) -> None:
        targets = json.loads((folder / "targets.json").read_text())
        self.answers = {t: _answer(200, (folder / f"{n}.json").read_bytes()) for n, t in enumerate(targets)}
        self.latency = 0.0
        self.count = 0
        self.lock = threading.Lock()

    def answer(self, target: str) -> bytes:
        if target.startswith("/_latency/"):
            self.latency = int(target.rpartition("/")[2]) / 1000
            return _answer(200, b"null")
        if target == "/_count":
            count, self.count = self.count, 0
            return _answer(200, str(count).encode())
        with self.lock:
            self.count += 1
        time.sleep(self.latency)
        return self.answers.get(target) or _answer(404, b"{}")


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            self.wfile.write(self.server.pages.answer(line.split()[1].decode()))  # type: ignore[attr-defined]


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
