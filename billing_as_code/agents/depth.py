"""JSON that is nested too deep to be walked through safely is refused before anything walks through it."""

from __future__ import annotations

from collections.abc import Mapping

from billing_as_code.agents.failures import Failure
from billing_as_code.model import Json

DEEPEST = 20


def check_depth(value: Json) -> None:
    """Raises Failure where something is nested more than DEEPEST deep."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise Failure("invalid_arguments", f"The data is nested more than {DEEPEST} deep.", "Send flatter data.")


def _inside(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
