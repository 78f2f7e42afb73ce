"""Ctrl-C while something is written: the first ends it in order, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Interruptible(Protocol):
    """What can be ended in order: it looks at `interrupted`, once it has `begun` to write."""

    interrupted: bool

    @property
    def begun(self) -> object: ...


@contextmanager
def orderly(run: Interruptible) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) only sets `interrupted`; the second, or one before it has begun, is raised."""

    def stop(signum: int, frame: FrameType | None) -> None:
        if run.interrupted or not run.begun:
            raise KeyboardInterrupt
        run.interrupted = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
