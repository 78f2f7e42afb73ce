"""When the garbage collector is in the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """The garbage collector off while much is made and nothing of it dies: a catalog, a comparison, a plan's document.
    Looking through all of it again and again is most of the time else."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            # what was made has grown old: else the next collection, of the young, would look at all of it
            gc.freeze()
            gc.unfreeze()
            gc.enable()
