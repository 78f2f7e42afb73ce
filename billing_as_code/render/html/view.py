"""What the page's script shows: the changes with their values as people read them, worst first."""

from __future__ import annotations

import json

from billing_as_code.model import Change, FieldChange, Json, Step
from billing_as_code.plan import Plan
from billing_as_code.render import changes, prose, requests, text, values, whom
from billing_as_code.render.lines import visible


def changed(plan: Plan) -> list[Json]:
    """Every change of a plan, in the order in which people read them. Only what there is, is a key."""
    return [_change(change) for _, some in text.by_class(plan.changes) for change in some]


def _change(change: Change) -> dict[str, Json]:
    kind = change.address.kind
    place = change.after.place if change.after is not None else None
    made = changes.made(change.after) if change.action == "create" and change.after is not None else []
    told = {
        "address": visible(str(change.address)),
        "class": str(change.cls),
        "action": change.action,
        "kind": visible(kind),
        "whom": visible(whom.parts(change.address)[1]),
        "place": visible(f"{place.file}:{place.line}") if place is not None else "",
        "fields": [_field(kind, field) for field in change.fields],
        "made": made,
        "said": prose.sentences(change),
        "requests": [_request(step) for step in (*change.prepare, *change.steps)],
    }
    return {name: value for name, value in told.items() if value}


def _field(kind: str, field: FieldChange) -> list[Json]:
    """[path, before, after, share, class]."""
    before, after = values.change(kind, field.path, field.before, field.after)
    share = values.share(kind, field.path, field.before, field.after)
    return [visible(field.path), before, after, share, str(field.cls)]


def _request(step: Step) -> str:
    """A write as `bac plan --show-requests` prints it."""
    condition = visible(f"   (only where there is {step.when})") if step.when is not None else ""
    line = f"{step.method} {requests.path(step)}{condition}"
    if step.body is None:
        return line
    body = json.dumps(requests.readable(step.body), indent=2, ensure_ascii=False)
    return "\n".join([line, *(visible(row) for row in body.split("\n"))])
