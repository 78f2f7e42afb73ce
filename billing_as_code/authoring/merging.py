"""From what a catalog says and what is live to the edits that make the first say the second. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from billing_as_code.authoring.layout import declaration
from billing_as_code.authoring.wanted import REMOVED, Edit
from billing_as_code.diff import but_ignored, stands
from billing_as_code.kinds.base import Absent, Kind
from billing_as_code.model import Resource, canonical_json


def as_declared(kind: Kind, have: Resource, want: Resource | None, ignored: Sequence[str]) -> Resource:
    """What a catalog is to say of a live resource: what is live, without what `ignore` patterns leave to other hands.

    `want` is what it says already: what it leaves out since that is not compared stays left out.
    """
    path, values = have.address.path, list(have.spec)
    for i, row in enumerate(kind.fields):
        if want is not None:
            said = want.spec[i]
            spared = row.absent in (Absent.KEPT, Absent.MOMENT) and said is None and stands(kind, row, want.spec)
            if spared or row.absent is Absent.CREATE_ONLY:
                values[i] = said
                continue
        elif row.required:
            continue
        else:
            said = (
                row.default(path, dict(zip(kind.index, values, strict=True))) if callable(row.default) else row.default
            )
        if ignored and not row.opaque:
            values[i] = but_ignored(f"{have.address}.{row.name}", values[i], said, ignored)
    # on what nobody owns no label says so, and the catalog's word counts
    protect = want.protect if want is not None and have.owner is None else have.protect
    return Resource(have.address, tuple(values), protect=protect)


def edits(
    kind: Kind, want: Resource, wanted: Resource, own: Any, effective: Any, *, nulls: bool = False
) -> Iterator[Edit]:
    """The edits after which a resource that is declared as `want` is declared as `wanted`.

    `own` is what stands in its own place (None where nothing does), `effective` what all layers and templates make of
    it. What they set and is to be left out becomes null in the own place, once nothing of it stands there; at once with
    `nulls`.
    """
    start = (want.address.kind, *want.address.path)
    was, is_ = declaration(kind, want), declaration(kind, wanted)
    whole = [
        tuple(f.name.split(".")) for f in kind.fields if f.opaque and not isinstance(_at(own, f.name.split(".")), dict)
    ]
    seen = set()
    for path, value in _leaves(was, is_, ()):
        for field in whole:  # opaque JSON is replaced as a whole unless its own text can be edited
            if path[: len(field)] == field and path != field:
                path, value = field, _at(is_, field)
        if path in seen:
            continue
        seen.add(path)
        if value is not REMOVED:
            yield from _set((*start, *path), value, _at(own, path))
        elif _has(own, path) and not nulls:
            yield Edit((*start, *path), REMOVED)
        elif _at(effective, path) is not None:
            yield Edit((*start, *path), None)


def _set(path: tuple[str, ...], value: Any, own: Any) -> Iterator[Edit]:
    """In the map that stands there already, where one does."""
    if isinstance(value, dict) and value and isinstance(own, dict) and own:
        for key, inner in value.items():
            yield from _set((*path, key), inner, own.get(key))
    else:
        yield Edit(path, value)


def new(kind: Kind, wanted: Resource) -> Edit:
    """The edit that declares a resource."""
    return Edit((wanted.address.kind, *wanted.address.path), declaration(kind, wanted))


def order_of(kinds: Mapping[str, Kind], path: tuple[str, ...]) -> list[str]:
    """The order of the keys of the map at a path of a file, where the kinds' tables say one."""
    if not path:
        return list(kinds)
    if levels_of(kinds, path) > 0:
        return []
    kind = kinds[path[0]]
    inside = path[1 + len(kind.keys) :]
    names = [name.split(".") for name in kind.index]
    return list(
        dict.fromkeys(n[len(inside)] for n in names if len(n) > len(inside) and tuple(n[: len(inside)]) == inside)
    )


def levels_of(kinds: Mapping[str, Kind], path: tuple[str, ...]) -> int:
    """How many keys are between the map at a path of a file and a resource; below 0 within one, 1 where the path is
    that of no section."""
    if not path or path[0] not in kinds:
        return 1
    return len(kinds[path[0]].keys) + 1 - len(path)


def _leaves(
    was: Mapping[str, Any], is_: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key in [*is_, *(k for k in was if k not in is_)]:
        inner = (*path, key)
        if key not in is_:
            yield inner, REMOVED
        elif isinstance(was.get(key), dict) and isinstance(is_[key], dict) and is_[key]:
            yield from _leaves(was[key], is_[key], inner)
        elif key not in was or canonical_json(was[key]) != canonical_json(is_[key]):
            yield inner, is_[key]


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _has(value: Any, path: Sequence[str]) -> bool:
    *outer, last = path
    inner = _at(value, outer)
    return isinstance(inner, dict) and last in inner
