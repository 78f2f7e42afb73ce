"""The tool that plans: what an apply of the catalog would do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.shapes import AddressText, Cursor, Limit
from billing_as_code.agents.text import Cleaner, lines, page
from billing_as_code.agents.tools import Desk
from billing_as_code.model import Change, FieldChange
from billing_as_code.plan import Plan
from billing_as_code.render import changes, machine, prose, values

_MOST_LINES = 20


class Planning:
    """Comparisons of the catalog with what is live."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def plan_changes(
        self,
        only: Annotated[
            list[AddressText] | None,
            Field(max_length=50, description="Only these resources (or all below), and what they depend on."),
        ] = None,
        cursor: Cursor = 0,
        limit: Limit = 25,
    ) -> shapes.PlanAnswer:
        """Plan the catalog as its files stand: what an apply would create, update, replace and delete in OpenMeter.

        Writes nothing. The worst changes come first: breaking ones take access or amount away from somebody.
        """
        plan = service.plan(self._desk.session(), only=only or ())
        return planned(plan, cursor, limit, self._desk.environment)


def planned(plan: Plan, cursor: int, limit: int, environment: str) -> shapes.PlanAnswer:
    """A plan as an answer: its names, its counts, and a page of its changes."""
    clean = Cleaner()
    ordered = sorted(plan.changes, key=lambda change: -change.cls)
    some = page([_change(change, clean) for change in ordered[cursor : cursor + limit]], 0, limit)
    following = cursor + len(some.items)
    more = following if following < len(ordered) else None
    going_on = f"{cursor + 1} to {following} of {len(ordered):,} changes. The same call with cursor {more} goes on."
    counts = machine.plan(plan).get("counts", {})
    return shapes.PlanAnswer(
        digest=plan.digest,
        intent=plan.intent,
        url=plan.target.url,
        owner=plan.target.owner,
        severity=str(plan.cls) if plan.changes else None,
        counts=shapes.Counts(**counts),
        changes=some.items,
        total_changes=len(ordered),
        next_cursor=more,
        held=len(plan.held),
        environment=environment,
        notes=([going_on] if more is not None else []) + clean.notes(),
    )


def _change(change: Change, clean: Cleaner) -> shapes.PlannedChange:
    made = changes.made(change.after) if change.action == "create" and change.after is not None else []
    return shapes.PlannedChange(
        address=clean.text(str(change.address)),
        action=change.action,
        severity=str(change.cls),
        fields=[_field(change.address.kind, field, clean) for field in change.fields[:_MOST_LINES]] if not made else [],
        values=[clean.text(text) for text in made[:_MOST_LINES]],
        why=lines(prose.sentences(change), _MOST_LINES),
    )


def _field(kind: str, field: FieldChange, clean: Cleaner) -> shapes.FieldDiff:
    before, after = values.change(kind, field.path, field.before, field.after)
    return shapes.FieldDiff(
        field=clean.text(field.path), before=clean.text(before), after=clean.text(after), severity=str(field.cls)
    )
