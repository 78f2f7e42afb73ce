"""Meters: how raw usage events become a number. Written and listed through v1, which takes free metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from billing_as_code.kinds import fragments as f
from billing_as_code.kinds import metering
from billing_as_code.kinds.base import (
    PAGE,
    SAFE,
    Absent,
    Context,
    Field,
    Item,
    Kind,
    Listing,
    Look,
    Names,
    Query,
    Sight,
    Sign,
    listed,
)
from billing_as_code.kinds.looks import times
from billing_as_code.kinds.times import canonical_instant
from billing_as_code.model import Change, Find, Json, Read, Resource, State, Step

AGGREGATIONS = ("sum", "count", "unique_count", "avg", "min", "max", "latest")
DIMENSIONS = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-zA-Z_][0-9a-zA-Z_]*$"},
    "additionalProperties": {"type": "string", "pattern": r"^\$"},
}
PATH_REMEDY = "a JSONPath into the event's data, such as $.tokens"


class MeterListing(Listing):
    """v1 shows 1,000 meters at most, and knows no pages: the first by slug, then the last, then v3 for what is between.

    v3 hides metadata that is no label (openmeter/labels/convert.go), so beyond 2,000 meters only label-safe metadata is
    compared for those in the middle.
    """

    __slots__ = ()
    FIRST, LAST = 1, 2

    def request(self, page: int) -> tuple[str, Query]:
        if page <= self.LAST:
            return self.path, (("order", "ASC" if page == self.FIRST else "DESC"),)
        return "/api/v3/openmeter/meters", (("sort", "key"), ("page[size]", PAGE), ("page[number]", page - 1))

    def items(self, page: int, body: Json) -> list[Item]:
        return listed(body) if page <= self.LAST else [_as_v1(item) for item in listed(body["data"])]

    def more(self, page: int, body: Json, ids: Mapping[int, Set[str]]) -> Iterable[int]:
        if page == self.FIRST:
            return (self.LAST,) if len(body) >= PAGE else ()
        if page == self.LAST:
            return () if ids[self.FIRST] & ids[self.LAST] else (3,)
        last_middle = -(-int(body["meta"]["page"]["total"]) // PAGE)  # the last page of v3 is among the last of v1
        return range(4, last_middle + 1) if page == 3 else ()


def _as_v1(item: Item) -> Item:
    names = {"key": "slug", "event_type": "eventType", "value_property": "valueProperty", "dimensions": "groupBy"}
    names |= {"events_from": "eventFrom", "labels": "metadata"}
    return {names.get(name, name): value for name, value in item.items()}


class MeterKind(Kind):
    """Changed in place but for what says how events are counted; that needs another meter."""

    def path_of(self, item: Mapping[str, Any], names: Names) -> tuple[str, ...] | None:
        return (item["slug"],)

    def signs(self, live: State) -> Iterable[Sign]:
        of = tuple(a.path[0] for a in live if a.kind == self.name)
        if len(of) > 2 * PAGE:
            yield Sign("labels_hidden", of)

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        yield from super().check(resource, desired)
        aggregation, path = self.get(resource.spec, "aggregation"), self.get(resource.spec, "value_property")
        if aggregation == "count" and path is not None:
            yield "value_property", "a count takes no value_property", "leave it out: count counts events"
        if aggregation != "count" and path is None:
            yield "value_property", f"{aggregation} needs a value_property", PATH_REMEDY
        if path is not None and not f.is_jsonpath(path):
            yield "value_property", f"{path!r} is no JSONPath that OpenMeter can query", PATH_REMEDY
        for name, dimension in self.get(resource.spec, "dimensions").items():
            if not f.is_jsonpath(dimension):
                yield (
                    f"dimensions.{name}",
                    f"{dimension!r} is no JSONPath that OpenMeter can query",
                    PATH_REMEDY,
                )
            elif dimension == path:
                yield f"dimensions.{name}", "a dimension cannot be the value_property itself", "another path"

    def compile(self, change: Change, context: Context) -> Change:
        address = str(change.address)
        if change.before is not None:
            own = ("api", "v1", "meters", change.before.id or "")
            reads = (Read("now", own),)
            delete = Step("DELETE", own, gone=True)
        if change.after is not None:
            body = self.to_wire(change.after.spec)
            body["metadata"] = body.get("metadata", {}) | self.labels(change.after, context)
            slug = change.address.path[0]
            found = Find(("api", "v1", "meters", slug), (("slug", slug),))
            create = Step("POST", ("api", "v1", "meters"), {"slug": slug, **body}, saves=address, find=found)
        match change.action:
            case "create":
                return replace(change, steps=(create,))
            case "update":
                # a PUT takes name, description, groupBy and metadata; it ignores the rest without a word
                kept = {k: v for k, v in body.items() if k in ("name", "description", "groupBy", "metadata")}
                return replace(change, steps=(Step("PUT", own, {"groupBy": {}, **kept}),))
            case "replace":
                return replace(change, reads=reads, steps=(delete, create))
            case "delete":
                return replace(change, reads=reads, steps=(delete,))

    def groupings(self, resource: Resource) -> tuple[str, ...]:
        return (*sorted(self.get(resource.spec, "dimensions")), metering.SUBJECT)

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        own = ("api", "v1", "meters", resource.id or "")
        return times(*own), metering.by_day(own, self.get(resource.spec, "aggregation"), sight)


METERS = MeterKind(
    name="meters",
    singular="meter",
    keys=("meter",),
    key_schemas=(f.KEY,),
    listings=(MeterListing("/api/v1/meters"),),
    configured_under="meters",
    fixed_since="an update of a meter ignores it without a word: it says how events are counted",
    also_in="v3",
    doc="How raw usage events become a number.",
    fields=(
        Field(
            "name",
            f.NAME,
            default=lambda path, so_far: path[0],
            rank=SAFE,
            doc="What people see; the key where left out.",
            example="Tokens",
            also="name",
        ),
        Field(
            "description",
            f.DESCRIPTION,
            absent=Absent.KEPT,
            rank=SAFE,
            doc="Can be set and changed, never cleared.",
            why="an update that leaves it out keeps it, and takes no empty one",
            example="Prompt and completion tokens",
            also="description",
        ),
        Field(
            "aggregation",
            {"enum": list(AGGREGATIONS)},
            required=True,
            fixed=True,
            read=lambda v, names: v.lower(),
            write=str.upper,
            doc="How values become one number.",
            example="sum",
            also="aggregation",
        ),
        Field(
            "event_type",
            f.TEXT,
            "eventType",
            required=True,
            fixed=True,
            doc="The CloudEvents type that is counted.",
            example="prompt",
            also="event_type",
        ),
        Field(
            "value_property",
            {"type": "string", "pattern": r"^\$"},
            "valueProperty",
            fixed=True,
            doc="JSONPath of the value in the event's data; not for count.",
            example="$.tokens",
            also="value_property",
        ),
        Field(
            "dimensions",
            DIMENSIONS,
            "groupBy",
            default={},
            canonical=dict,
            doc="What usage can be grouped and filtered by: name to JSONPath.",
            example={"model": "$.model"},
            also="dimensions",
        ),
        Field(
            "events_from",
            f.AT,
            "eventFrom",
            canonical=canonical_instant,
            fixed=True,
            doc="Events before this instant do not count.",
            example="2026-01-01T00:00:00Z",
            also="events_from",
        ),
        Field(
            "metadata",
            f.METADATA,
            default={},
            canonical=f.text_map,
            rank=SAFE,
            doc="Free labels.",
            example={"team": "platform"},
            also="labels",
        ),
    ),
)
