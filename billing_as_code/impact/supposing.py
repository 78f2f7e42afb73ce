"""What would be if the catalog said something else: `entitlements.*.ai_tokens.issue.amount=500000`. Pure.

What stands before the equals sign is an address and a field of it, both in their dotted form; any key of the address
may be a pattern with `*`, `?` and `[...]`. What stands behind is YAML; `null`, with no field, takes the resource out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.errors import UsageError
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.schema import PROTECT_FIELD
from billing_as_code.model import Address, Change, Json, Resource, State
from billing_as_code.reader import FloatText, read

_PART = r'(?:"(?:[^"\\]|\\.)*"|[^".=\s]+)'
_SET = re.compile(rf"({_PART}(?:\.{_PART})*)=(.*)", re.DOTALL)
_PARTS = re.compile(_PART)
_GLOB = re.compile(r"[*?\[]")


class Supposition(NamedTuple):
    """One of them, as it was written in `text`. `keys` are what the address's keys must be like, exactly where they are
    quoted; `field` is empty where the resource is to be taken out."""

    text: str
    kind: str
    keys: tuple[tuple[str, bool], ...]
    field: tuple[str, ...]
    value: Json

    @property
    def is_exact(self) -> bool:
        """Whether it names one address."""
        return all(exact for _, exact in self.keys)

    def fits(self, address: Address) -> bool:
        """Whether it speaks of this address."""
        return address.kind == self.kind and all(
            key == like if exact else fnmatchcase(key, like)
            for key, (like, exact) in zip(address.path, self.keys, strict=True)
        )


def parse(text: str, kinds: Mapping[str, Kind]) -> Supposition:
    """Read one. Raises UsageError where it is none."""
    found = _SET.fullmatch(text.strip())
    if found is None:
        raise _wrong(text, "is no address, field and value", "entitlements.*.ai_tokens.issue.amount=500000")
    parts = [_unquoted(part) for part in _PARTS.findall(found.group(1))]
    section = parts[0][0]
    kind = kinds.get(section)
    if kind is None:
        remedy = Spelling(kinds).remedy(section) or f"sections are {', '.join(kinds)}"
        raise _wrong(text, f"there is no section {section!r}", remedy)
    depth = 1 + len(kind.keys)
    value = _value(text, found.group(2))
    keys, field = tuple(parts[1:depth]), tuple(name for name, _ in parts[depth:])
    form = ".".join([kind.name, *(f"<{key}>" for key in kind.keys), "<field>"])
    if len(keys) < len(kind.keys) or (not field and value is not None):
        raise _wrong(text, "names no field", f"{form}=VALUE")
    if field and not _row(kind, field):
        known = Spelling(kind.index).remedy(".".join(field)) or f"fields are {', '.join(kind.index)}"
        raise _wrong(text, f"{kind.name} have no field `{'.'.join(field)}`", known)
    return Supposition(text, kind.name, keys, field, value)


def _wrong(text: str, message: str, remedy: str) -> UsageError:
    return UsageError(f"--set {text}: {message} ({remedy})")


def _unquoted(part: str) -> tuple[str, bool]:
    """A key, and whether it is meant exactly."""
    if part[0] == '"':
        try:
            return str(json.loads(part)), True
        except ValueError:
            return part[1:-1], True
    return part, _GLOB.search(part) is None


def _value(text: str, written: str) -> Json:
    try:
        root, problems = read("--set", f"value: {written}\n".encode())
    except UnicodeEncodeError:
        root, problems = None, []
    if root is None or problems or root.keys() != {"value"}:
        what = problems[0].message if problems else "is more than one value"
        raise _wrong(text, f"the value cannot be read: {what}", "a value as YAML has it: 500000, true, {max: 10}")
    return _plain(root["value"])


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, FloatText) else value


def _row(kind: Kind, field: tuple[str, ...]) -> str:
    """The name of the field that a path is in, or leads to; "" where there is none."""
    for n in range(len(field), 0, -1):
        name = ".".join(field[:n])
        if name in kind.index:
            return name
    below = ".".join(field) + "."
    return next((name for name in kind.index if name.startswith(below)), "")


def supposed(asked: Iterable[Supposition], desired: State, kinds: Mapping[str, Kind]) -> dict[Address, Json]:
    """The resources that become something else, as YAML would write them whole; None for one that is taken out.

    A pattern means those that have the field: a limit is set where there is one. Raises UsageError where one of them
    means nothing in the catalog.
    """
    found: dict[Address, Json] = {}
    for one in asked:
        meant = [r for r in desired.values() if one.fits(r.address) and not r.external]
        kind = kinds[one.kind]
        if one.field and not one.is_exact:
            row = _row(kind, one.field)
            meant = [r for r in meant if kind.get(r.spec, row) is not None]
        if not meant:
            raise _wrong(one.text, "nothing in the catalog is meant by that", "bac list shows what there is")
        for resource in meant:
            if not one.field:
                found[resource.address] = None
                continue
            there = found[resource.address] if resource.address in found else _written(kind, resource)
            if there is not None:
                found[resource.address] = _with(there, one.field, one.value)
    return found


def _written(kind: Kind, resource: Resource) -> dict[str, Json]:
    written = kind.to_yaml(resource.address.path, resource.spec)
    return {**written, PROTECT_FIELD: True} if resource.protect else written


def _with(written: Mapping[str, Json], field: tuple[str, ...], value: Json) -> dict[str, Json]:
    head, *rest = field
    if not rest:
        return {**written, head: value}
    below = written.get(head)
    return {**written, head: _with(below if isinstance(below, Mapping) else {}, tuple(rest), value)}


def touched(changes: Iterable[Change], meant: Iterable[Address]) -> Iterator[Change]:
    """Of the changes of a plan those of what was supposed, and of what they bring with them."""
    following, waiting = {str(address) for address in meant}, list(changes)
    while True:
        told: list[Change] = []
        left: list[Change] = []
        for change in waiting:
            (left if following.isdisjoint(_causes(change)) else told).append(change)
        if not told:
            return
        yield from told
        following = {str(change.address) for change in told}
        waiting = left


def _causes(change: Change) -> Iterator[str]:
    """The address of a change, and those that it follows from."""
    yield str(change.address)
    for reason in change.reasons:
        code, _, address = reason.partition(":")
        if code in ("follows", "rebound"):
            yield address
