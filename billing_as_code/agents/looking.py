"""Tools that look around: customers, access, resources, and what a section takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import AddressText, Cursor, CustomerKey, KindName, Limit, Slug
from billing_as_code.agents.text import Cleaner, message, page
from billing_as_code.agents.tools import Desk
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.schema import resource_schema
from billing_as_code.model import Address, Json
from billing_as_code.model import Resource as Live
from billing_as_code.render import explain, listing
from billing_as_code.render import show as rendered
from billing_as_code.standing import Seen

_ROWS = 50
_LISTS = ("rows", "windows", "groups")
"""What holds the rows of a view, a series, or several of them."""
Ownership = Literal["owned", "unowned", "missing", "external", "managed", "unmanaged", "foreign"]
Difference = Literal["any", "create", "update", "replace", "delete", "held", "over", "refused"]


class Looking:
    """Reads of OpenMeter and of the catalog."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- customers ----------------------------------------------------------------------------------------------------

    def get_customer(self, key: CustomerKey, cursor: Cursor = 0, limit: Limit = 50) -> shapes.Customer:
        """Get a customer: its subjects, its subscription if one runs, and for each entitlement whether it has access,
        its usage, balance and overage, and when the usage period ends.

        This is what is live in OpenMeter now. Fields of the catalog are compared by `get_resource`.
        """
        found = service.find(self._desk.session(), Address(CUSTOMERS.name, (key,)))
        if found is None:
            raise _no_customer(key)
        clean = Cleaner()
        looks = {seen.name: seen for seen in found.seen}
        holdings = _rows(looks.get("entitlements"))
        some = page([_holding(row, clean) for row in holdings], cursor, limit)
        errors = [f"{look.name} could not be read: {message(look.error)}" for look in found.seen if look.error]
        resource = found.resource
        times = _facts(looks.get("times"))
        return shapes.Customer(
            **clean.clean(_declared(resource, CUSTOMERS)),
            key=clean.text(resource.address.path[0]),
            id=resource.id or "",
            owner=clean.clean(resource.owner),
            managed_here=resource.owner == found.target.owner,
            created=times.get("created"),
            updated=times.get("updated"),
            subscription=_subscription(looks.get("subscription"), clean),
            entitlements=some.items,
            entitlements_total=some.total,
            next_cursor=some.following,
            environment=self._desk.environment,
            notes=errors + some.note("entitlements") + clean.notes(),
        )

    def check_access(
        self,
        customer: CustomerKey,
        feature: Annotated[Slug, Field(description="The feature's key.", examples=["ai_tokens"])],
    ) -> shapes.Access:
        """Check whether a customer may use a feature now, and how much of it is left.

        A feature without an entitlement answers `entitled: false` and `access: false`.
        """
        values = service.access(self._desk.session(), customer)
        if values is None:
            raise _no_customer(customer)
        value = values.get(feature)
        found = value or {}
        clean = Cleaner()
        return shapes.Access(
            customer=clean.text(customer),
            feature=feature,
            entitled=value is not None,
            access=found.get("hasAccess") is True,
            usage=found.get("usage"),
            balance=found.get("balance"),
            overage=found.get("overage"),
            config=clean.content(json.loads(found["config"])) if isinstance(found.get("config"), str) else None,
            environment=self._desk.environment,
            notes=clean.notes(),
        )

    # -- resources ----------------------------------------------------------------------------------------------------

    def list_resources(
        self,
        section: Annotated[
            str,
            Field(
                max_length=700,
                description="A section, or the beginning of an address; empty for everything.",
                examples=["features", "entitlements.acme"],
            ),
        ] = "",
        ownership: Annotated[Ownership | None, Field(description="Only those of this ownership.")] = None,
        difference: Annotated[
            Difference | None, Field(description="Only those that differ in this way; `any` for all that differ.")
        ] = None,
        cursor: Cursor = 0,
        limit: Limit = 50,
    ) -> shapes.Resources:
        """List what is live in OpenMeter and what the catalog declares, with whose each is and what the next apply does
        with it.

        Sections are meters, features, customers, subjects, entitlements and grants.
        """
        session = self._desk.session()
        found = [
            standing
            for standing in service.listing(session, section)
            if (ownership is None or standing.ownership == ownership)
            and (
                difference is None or standing.difference == difference or (difference == "any" and standing.difference)
            )
        ]
        some = page(found, cursor, limit)
        clean = Cleaner()
        items = listing.as_json(some.items, session.target).get("resources", [])
        fitting = page([shapes.Listed(**clean.clean(item)) for item in items], 0, limit)
        following = cursor + len(fitting.items)
        more = following if following < len(found) else None
        notes = [f"{cursor + 1} to {following} of {len(found):,} resources. The same call with cursor {more} goes on."]
        return shapes.Resources(
            resources=fitting.items,
            total=len(found),
            next_cursor=more,
            environment=self._desk.environment,
            notes=(notes if more is not None else []) + clean.notes(),
        )

    def get_resource(
        self,
        address: AddressText,
        by: Annotated[
            list[Annotated[str, Field(max_length=64)]] | None,
            Field(max_length=8, description="Meters: group the usage by these dimensions.", examples=[["model"]]),
        ] = None,
        look: Annotated[
            str | None,
            Field(
                max_length=40, description="Only this one of the looks, to page through its rows.", examples=["grants"]
            ),
        ] = None,
        cursor: Cursor = 0,
    ) -> shapes.Resource:
        """Get one resource: what the catalog says and what is live, field by field, and what can be seen of it.

        An entitlement shows its value, grants and history, a meter its usage by day, a feature who holds it.
        """
        shown = service.show(self._desk.session(), address, by=by or ())
        clean = Cleaner()
        facts = rendered.as_json(shown)
        looks = [one for one in shown.seen if look is None or one.name == look]
        if look is not None and not looks:
            known = ", ".join(one.name for one in shown.seen) or "none"
            raise Failure("invalid_request", f"{address} has no look of that name.", f"Its looks are: {known}.")
        answers = [_look(one, clean, cursor if look is not None else 0) for one in looks]
        simple = ("address", "ownership", "difference", "error", "place", "id", "owner", "managed_by")
        some = page([_field(row, clean) for row in facts["fields"]] if look is None else [], 0, 200)
        cut = some.total - len(some.items)
        return shapes.Resource(
            **{name: clean.clean(facts[name]) for name in simple},
            fields=some.items,
            looks=answers,
            also=[clean.text(text) for text in facts["also"][:20]],
            environment=self._desk.environment,
            notes=[
                *([f"{cut} of {some.total} fields are left out, since they are large."] if cut else []),
                *(
                    f"{a.name}: more rows with look {a.name} and cursor {a.next_cursor}"
                    for a in answers
                    if a.next_cursor
                ),
                *(f"{a.name} could not be read: {a.error}" for a in answers if a.error),
                *clean.notes(),
            ],
        )

    # -- the catalog's form -------------------------------------------------------------------------------------------

    def explain_kind(self, kind: KindName) -> shapes.Kind:
        """Explain a section of the catalog: its fields with type, default, example, and whether a change of each
        replaces the resource; and its JSON Schema, which is what proposed edits must fit.

        The sections are meters, features, customers, subjects, entitlements and grants.
        """
        found = KINDS.get(kind)
        if found is None:
            raise Failure("invalid_request", f"There is no section {kind!r}.", f"One of: {', '.join(KINDS)}.")
        return shapes.Kind(
            kind=found.name,
            address=".".join((found.name, *(f"<{key}>" for key in found.keys))),
            description=found.doc,
            fields=[shapes.KindField(**row) for row in explain.as_json(found)],
            json_schema=dict(resource_schema(found)),
            environment=self._desk.environment,
        )


def _no_customer(key: str) -> Failure:
    return Failure(
        "not_found",
        f"There is no customer with the key {key!r}.",
        "Check the key, which is not the name. list_resources with section customers shows all keys.",
    )


def _declared(resource: Live, kind: Kind) -> dict[str, Json]:
    """The fields of a live resource by name; those with dots in the name below each other."""
    tree: dict[str, Json] = {}
    for field, value in zip(kind.fields, resource.spec, strict=True):
        *outer, last = field.name.split(".")
        into = tree
        for name in outer:
            into = into.setdefault(name, {})
        into[last] = list(value) if isinstance(value, tuple) else value
    return tree


def _rows(seen: Seen | None) -> list[dict[str, Json]]:
    if seen is None or seen.view is None:
        return []
    view = rendered.view_json(seen.view)
    rows: list[dict[str, Json]] = view.get("rows", [])
    return rows


def _facts(seen: Seen | None) -> dict[str, Json]:
    if seen is None or seen.view is None:
        return {}
    facts: dict[str, Json] = rendered.view_json(seen.view)
    return facts


def _holding(row: Mapping[str, Json], clean: Cleaner) -> shapes.Holding:
    return shapes.Holding(**{**row, "config": clean.content(row.get("config"))})


def _subscription(seen: Seen | None, clean: Cleaner) -> shapes.Subscription | None:
    facts = _facts(seen)
    return shapes.Subscription(**clean.clean(facts)) if facts else None


def _field(row: Mapping[str, Json], clean: Cleaner) -> shapes.FieldValue:
    return shapes.FieldValue(
        field=clean.text(str(row["field"])),
        catalog=clean.content(row["catalog"]),
        live=clean.content(row["live"]),
        notes=row["notes"],
    )


def _look(seen: Seen, clean: Cleaner, cursor: int) -> shapes.LookAnswer:
    """One look: tables and series in rows, a page of them."""
    facts: dict[str, Any] | None = None
    rows: list[dict[str, Any]] | None = None
    if seen.view is not None:
        view = rendered.view_json(seen.view)
        rows = next(([clean.clean(row) for row in view.pop(name)] for name in _LISTS if name in view), None)
        facts = {name: clean.content(value) for name, value in view.items()} or None
    some = page(rows, cursor, _ROWS, 8_000) if rows is not None else None
    return shapes.LookAnswer(
        name=seen.name,
        title=seen.title,
        facts=facts,
        rows=some.items if some is not None else None,
        total_rows=some.total if some is not None else None,
        next_cursor=some.following if some is not None else None,
        error=message(seen.error) if seen.error else None,
    )
