"""The edge: writing lines to a stream, with colour and progress where somebody watches. The one door to rich."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TextIO

from billing_as_code.render.lines import Line, encodable, visible

STYLES: Mapping[str, str] = {
    "heading": "bold",
    "address": "bold",
    "breaking": "bold red",
    "commercial": "yellow",
    "safe": "green",
    "create": "green",
    "update": "yellow",
    "replace": "magenta",
    "delete": "red",
    "before": "red",
    "after": "green",
    "why": "dim",
    "dim": "dim",
    "held": "cyan",
    "done": "green",
    "bar": "cyan",
    "ok": "green",
    "note": "cyan",
    "warning": "yellow",
    "problem": "bold red",
}
_QUIET = 0.15
"""Seconds that something may take before progress is shown."""
_EVERY = 0.05


def watched(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a person sees the stream as it is written: a terminal, and no CI."""
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and not ci and environ.get("TERM") != "dumb"


def coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return watched(stream, environ) and not environ.get("NO_COLOR")


class Output:
    """Writes lines to a stream, coloured or plain, in what its encoding can carry."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._colour = coloured(stream, environ)
        self._encoding = stream.encoding or "utf-8"
        self.blocks = watched(stream, environ) and self._encoding.lower().replace("-", "") == "utf8"
        """Whether bars may be drawn with block characters: where a person watches, and the stream can carry them."""

    def lines(self, lines: Iterable[Line]) -> None:
        self._write(self._text(one) for one in lines)

    def text(self, lines: Iterable[str]) -> None:
        self._write(lines)

    def _write(self, lines: Iterable[str]) -> None:
        text = "".join(f"{one}\n" for one in lines)
        self._stream.write(encodable(text, self._encoding))
        self._stream.flush()

    def _text(self, line: Line) -> str:
        if not self._colour:
            return "".join(span.text for span in line).rstrip()
        return "".join(_styled(span.text, STYLES.get(span.style, "")) for span in line)


def _styled(text: str, style: str) -> str:
    if not style:
        return text
    before, after = _codes(style)
    return f"{before}{text}{after}"


@cache
def _codes(style: str) -> tuple[str, str]:
    """What a terminal is sent before and after a text of that style."""
    from rich.color import ColorSystem
    from rich.style import Style

    before, after = Style.parse(style).render("\0", color_system=ColorSystem.STANDARD).split("\0")
    return before, after


class Progress:
    """One line on a terminal that says what goes on, gone when it ends; nothing at all where nobody watches.

    It is drawn by a thread of its own, so that a first answer that takes long is no silence.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str], text: str) -> None:
        self._stream, self._text = stream, text
        self._on = watched(stream, environ)
        self._ended = threading.Event()
        self._shown = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Progress:
        if self._on:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._on:
            self._thread.join()
            self.clear()

    def say(self, text: str) -> None:
        self._text = text

    def clear(self) -> None:
        """Take the line away, so that something else can be written; it comes back by itself."""
        with self._lock:
            if self._shown:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._shown = ""

    def _draw(self) -> None:
        started = time.monotonic()
        if self._ended.wait(_QUIET):
            return
        while not self._ended.wait(_EVERY):
            seconds = int(time.monotonic() - started)
            with self._lock:
                text = visible(self._text)[:100] + (f" ({seconds} s)" if seconds >= 3 else "")
                if text != self._shown:
                    encoding = self._stream.encoding or "utf-8"
                    self._stream.write("\r" + encodable(text, encoding) + "\x1b[K")
                    self._stream.flush()
                    self._shown = text
