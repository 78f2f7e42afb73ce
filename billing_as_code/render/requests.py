"""Every write of a plan, in an order in which it may be sent: method, path and body, with what only apply can know as
placeholders such as {id of meters.tokens_total}."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from urllib.parse import quote

from billing_as_code.model import Change, Json, Ref, Step
from billing_as_code.order import MAIN, PREPARE, node_name
from billing_as_code.plan import Plan
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible


def requests(plan: Plan) -> Iterator[Line]:
    """The writes, grouped by change and phase."""
    if not plan.changes:
        yield line(Span("# nothing to do", "dim"))
    for change, phase in ordered(plan):
        steps = change.prepare if phase == PREPARE else change.steps
        first = ", before what it refers to is touched" if phase == PREPARE else ""
        yield line(Span(f"# {change.action} {visible(str(change.address))}{first}", "dim"))
        for step in steps:
            yield from _step(step)
        yield EMPTY


def ordered(plan: Plan) -> list[tuple[Change, str]]:
    """The phases of all changes in an order that honours what each needs."""
    nodes: dict[str, tuple[Change, str]] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for change in plan.changes:
        for phase, wanted in ((PREPARE, change.prepare_needs), (MAIN, change.needs)):
            if phase == MAIN or change.prepare:
                name = node_name((change.address, phase))
                nodes[name], needs[name] = (change, phase), wanted
    order = TopologicalSorter({name: [n for n in needs[name] if n in nodes] for name in nodes}).static_order()
    return [nodes[name] for name in order]


def _step(step: Step) -> Iterator[Line]:
    condition = f"   (only where there is {step.when})" if step.when is not None else ""
    yield line(Span(step.method, "heading"), f" {path(step)}", Span(visible(condition), "dim"))
    if step.body is not None:
        body = json.dumps(readable(step.body), indent=2, ensure_ascii=False)
        yield from (line("  ", visible(text)) for text in body.split("\n"))


def path(step: Step) -> str:
    """The path with its query, as it will be sent; references stand in it as they are."""
    joined = "/" + "/".join(_segment(s) for s in step.path)
    query = "&".join(f"{quote(name, safe='[]')}={_segment(value)}" for name, value in step.query)
    return visible(joined + (f"?{query}" if query else ""))


def _segment(value: Json) -> str:
    return str(value) if isinstance(value, Ref) else quote(str(value), safe=":")


def readable(body: Json) -> Json:
    """A body with its references as text."""
    if isinstance(body, Ref):
        return str(body)
    if isinstance(body, Mapping):
        return {k: readable(v) for k, v in body.items()}
    return [readable(v) for v in body] if isinstance(body, list | tuple) else body
