"""Plans and problems as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from billing_as_code.model import Class, Json
from billing_as_code.plan import Plan


def plan(plan: Plan) -> dict[str, Json]:
    """The plan with what a program asks first: its names, its worst class, its counts."""
    actions = ("create", "update", "replace", "delete")
    return {
        "digest": plan.digest,
        "intent": plan.intent,
        "class": str(plan.cls) if plan.changes else None,
        "counts": {action: plan.count(action) for action in actions}
        | {str(cls): sum(c.cls is cls for c in plan.changes) for cls in reversed(Class)},
        "plan": plan.document,
    }


def text(value: Json, depth: int = 3) -> Iterator[str]:
    """JSON as lines: indented to `depth`, and what is deeper on a line of its own each.

    So a change is a line, which greps well, and tens of thousands are written in a fraction of a second: the standard
    library indents in Python.
    """
    yield _written(value, "\n", depth)


def _written(value: Json, indent: str, depth: int) -> str:
    if not depth or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    if isinstance(value, list):
        return "[" + ",".join(f"{inner}{_written(v, inner, depth - 1)}" for v in value) + f"{indent}]"
    rows = (f"{inner}{json.dumps(k, ensure_ascii=False)}: {_written(v, inner, depth - 1)}" for k, v in value.items())
    return "{" + ",".join(rows) + f"{indent}}}"
