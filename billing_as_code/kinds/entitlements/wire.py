"""The requests that entitlements are made of: their paths and bodies, and the copies of grants that go with them."""

from __future__ import annotations

from collections.abc import Mapping

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds.base import KEY, Context, Kind
from billing_as_code.kinds.grants.changing import ALL, void
from billing_as_code.model import Address, Find, Json, Ref, Resource, Step

ANCHOR, PERIOD = "bac.anchor", "bac.period"
NOW, PERIOD_START = "now", "current_period_start"

Path = tuple[str | Ref, ...]


def entitlements_path(address: Address, context: Context) -> Path:
    """The customer's entitlements, by the customer's id: its key is free text, and may be new."""
    return ("api", "v2", "customers", context.id(Address("customers", address.path[:1])), "entitlements")


def body(kind: Kind, resource: Resource, context: Context, marks: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The body of a create or an override, with our labels and `marks` in its metadata."""
    created = kind.get(resource.spec, "measure_usage_from")
    out = {"featureKey": resource.address.path[1], **kind.to_wire(resource.spec)}
    if created in (NOW, PERIOD_START):
        out["measureUsageFrom"] = created.upper()
    if out.get("issue", {}).get("priority") == 1:
        del out["issue"]["priority"]  # what OpenMeter takes without it
    out["metadata"] = out.get("metadata", {}) | kind.labels(resource, context) | (marks or {})
    return out


def create(kind: Kind, after: Resource, context: Context, content: Json = None) -> Step:
    path, key = entitlements_path(after.address, context), after.address.path[1]
    found = Find((*path, key), (("featureKey", key), ("type", kind.get(after.spec, "type"))))
    content = content if content is not None else body(kind, after, context)
    return Step("POST", path, content, lane="narrow", saves=str(after.address), find=found)


def delete(path: Path, entitlement: str, *, metered: bool) -> Step:
    """DELETE one. A metered one takes two of the server's database connections, as a create does (measured)."""
    return Step("DELETE", (*path, entitlement), lane="narrow" if metered else "wide", gone=True)


def override(address: Address, path: Path, content: Json) -> Step:
    """PUT an override. v2 hides a boolean's labels, so what tells that it was done is a new id."""
    key = address.path[1]
    found = Find((*path, key), (("type", content["type"]), ("id!", Ref("replaced_id", str(address)))))
    return Step("PUT", (*path, key, "override"), content, lane="narrow", saves=str(address), find=found)


def copy_name(address: Address, entry: carry.Entry) -> str:
    """Under what a copy's id is kept: the declared grant's address, or one made from what it is a copy of."""
    name = entry.get("metadata", {}).get(KEY)
    return str(Address("grants", (*address.path, name if name else f"{entry['from']} {entry['part']}")))


def copy(address: Address, path: Path, entry: carry.Entry, content: Json, when: Ref | None = None) -> Step:
    """POST the copy of a grant; a copy that was made is known by what it is a copy of."""
    grants = (*path, address.path[1], "grants")
    where: tuple[tuple[str, Json], ...] = (
        (f"metadata.{carry.FROM}", entry["from"]),
        ("recurrence?", "recurrence" in entry),
    )
    found = Find(grants, where, "items", ALL)
    return Step("POST", grants, content, saves=copy_name(address, entry), find=found, when=when)


def remake(address: Address, path: Path, entry: carry.Entry) -> list[Step]:
    """Make a grant again whose entry is known already."""
    steps = [copy(address, path, entry, carry.body(entry))]
    if "voided_at" in entry:
        steps.append(void(Ref("id", copy_name(address, entry)), entry["voided_at"]))
    return steps
