"""How changes and their requests stand in a plan file, and how they are read back. Pure.

A reference to what only apply can know is {"$ref": [what, of, arg]}; a number that is no integer is {"$number": text},
since a document that is named by its digest holds no floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing_as_code.model import (
    Address,
    Change,
    Class,
    FieldChange,
    Find,
    Json,
    Read,
    Ref,
    Resource,
    Step,
)


def field_json(field: FieldChange) -> dict[str, Json]:
    """A field's change as it stands in a plan file; `load_field` reads it."""
    return {"path": field.path, "before": _refs(field.before), "after": _refs(field.after), "class": str(field.cls)}


def change_json(change: Change) -> dict[str, Json]:
    """A change as it stands in a plan file, with its reads and steps; `load_change` reads it."""
    return {
        "address": str(change.address),
        "action": change.action,
        "class": str(change.cls),
        "reasons": list(change.reasons),
        "fields": [field_json(f) for f in change.fields],
        "destroys": [list(d) for d in change.destroys],
        "notes": [list(n) for n in change.notes],
        "before": _resource_json(change.before),
        "after": _resource_json(change.after),
        "reads": [_read_json(r) for r in change.reads],
        "prepare": [_step_json(s) for s in change.prepare],
        "steps": [_step_json(s) for s in change.steps],
        "prepare_needs": list(change.prepare_needs),
        "needs": list(change.needs),
    }


def _resource_json(resource: Resource | None) -> Json:
    if resource is None:
        return None
    return {"spec": list(resource.spec), "id": resource.id, "owner": resource.owner, "protect": resource.protect}


_ATOMS = frozenset((str, int, bool, type(None)))


def _refs(value: Json) -> Json:
    """References as {"$ref": [what, of, arg]}, and numbers that are no integers as text that says so."""
    if value.__class__ in _ATOMS:
        return value
    if isinstance(value, Ref):
        return {"$ref": list(value)}
    if isinstance(value, float):
        return int(value) if value.is_integer() else {"$number": repr(value)}
    if isinstance(value, Mapping):
        return {k: v if v.__class__ in _ATOMS else _refs(v) for k, v in value.items()}
    return [v if v.__class__ in _ATOMS else _refs(v) for v in value] if isinstance(value, list | tuple) else value


def _unrefs(value: Json) -> Json:
    if isinstance(value, Mapping):
        if value.keys() == {"$ref"}:
            return Ref(*value["$ref"])
        if value.keys() == {"$number"}:
            return float(value["$number"])
        return {k: _unrefs(v) for k, v in value.items()}
    return [_unrefs(v) for v in value] if isinstance(value, list) else value


def _step_json(step: Step) -> dict[str, Json]:
    out: dict[str, Json] = {"method": step.method, "path": _refs(step.path), "lane": step.lane}
    optional = {"body": step.body, "query": list(step.query), "saves": step.saves, "gone": step.gone, "done": step.done}
    out |= {k: _refs(v) for k, v in optional.items() if v or (k == "body" and v is not None)}
    if step.when is not None:
        out["when"] = _refs(step.when)
    if step.find is not None:
        find = step.find
        out["find"] = {
            "path": _refs(find.path),
            "where": _refs(find.where),
            "items": find.items,
            "query": _refs(find.query),
        }
    return out


def _read_json(read: Read) -> dict[str, Json]:
    return {"name": read.name, "path": _refs(read.path), "query": _refs(read.query)}


def _pairs(value: Json) -> tuple[tuple[str, Json], ...]:
    return tuple((k, v) for k, v in _unrefs(value))


def _step(data: Mapping[str, Any]) -> Step:
    find = data.get("find")
    return Step(
        data["method"],
        tuple(_unrefs(data["path"])),
        _unrefs(data.get("body")),
        _pairs(data.get("query", [])),
        data["lane"],
        data.get("saves", ""),
        Find(tuple(_unrefs(find["path"])), _pairs(find["where"]), find["items"], _pairs(find["query"]))
        if find
        else None,
        data.get("gone", False),
        data.get("done", ""),
        _unrefs(data["when"]) if "when" in data else None,
    )


def load_field(data: Mapping[str, Any]) -> FieldChange:
    """What `field_json` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
    return FieldChange(data["path"], _unrefs(data["before"]), _unrefs(data["after"]), Class[data["class"].upper()])


def load_change(data: Mapping[str, Any]) -> Change:
    """What `change_json` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
    address = Address.parse(data["address"])

    def resource(value: Mapping[str, Any] | None) -> Resource | None:
        if value is None:
            return None
        return Resource(address, tuple(value["spec"]), value["id"], value["owner"], value["protect"])

    return Change(
        address,
        data["action"],
        tuple(load_field(f) for f in data["fields"]),
        tuple(data["reasons"]),
        Class[data["class"].upper()],
        tuple((a, b) for a, b in data["destroys"]),
        tuple((a, b) for a, b in data["notes"]),
        resource(data["before"]),
        resource(data["after"]),
        tuple(Read(r["name"], tuple(_unrefs(r["path"])), _pairs(r["query"])) for r in data["reads"]),
        tuple(_step(s) for s in data["prepare"]),
        tuple(_step(s) for s in data["steps"]),
        tuple(data["prepare_needs"]),
        tuple(data["needs"]),
    )
