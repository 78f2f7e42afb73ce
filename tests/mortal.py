"""A process that dies in the middle of what it does."""

from __future__ import annotations

import threading

import httpx


class Killed(BaseException):
    """The process that sent a request is no more."""


class Mortal(httpx.BaseTransport):
    """A transport whose user dies at a request, before or after the server has got it; nothing is sent after that."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner, self._lock = inner, threading.Lock()
        self._left: int | None = None
        self._is_sent = self._only_writes = False

    def die_at(self, nth: int, *, is_sent: bool = False, only_writes: bool = False) -> None:
        """Die at the nth request from now, counted from 1; where `is_sent`, the server gets that one. With
        `only_writes`, reads are not counted, as long as the user lives."""
        self._left, self._is_sent, self._only_writes = nth, is_sent, only_writes

    def live_on(self) -> None:
        """Another process begins."""
        self._left = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The inner transport's answer, for as long as there is anyone to get it."""
        if request.url.path.startswith("/_dev/"):
            return self._inner.handle_request(request)
        with self._lock:
            counts = not self._only_writes or request.method != "GET" or (self._left is not None and self._left <= 0)
            if self._left is not None and counts:
                self._left -= 1
            left = self._left
        if left is None or left > 0:
            return self._inner.handle_request(request)
        if left == 0 and self._is_sent:
            self._inner.handle_request(request)
        raise Killed
