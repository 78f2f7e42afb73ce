"""The nouns: what the rest of the package speaks about. Values only; no input, no output, no rules of OpenMeter.

Named tuples where tens of thousands are made in a run (they cost a third of a frozen dataclass), dataclasses elsewhere.
Where they are made they come from all their fields at once, in order (`address_of`, `Resource.found`): that is a third
of what a call with names costs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, cast

Json: TypeAlias = Any
"""What JSON can carry."""

Value: TypeAlias = Any
"""A field in canonical form: None, bool, int, str, a tuple of those, or a mapping of those. Never a float, and opaque
JSON is its canonical text (see `canonical_json`), so that `==` means "no difference"."""

Spec: TypeAlias = tuple[Value, ...]
"""A resource's fields in canonical form, in the order of its kind's table."""

Action = Literal["create", "update", "replace", "delete"]
Lane = Literal["wide", "narrow"]

_PLAIN = re.compile(r"[A-Za-z0-9_@+-]+")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_@+-]+')


class Address(NamedTuple):
    """The identity of a resource on both sides: its kind's section and the keys that lead to it.

    `entitlements.acme.ai_tokens`; a part with anything but `[A-Za-z0-9_@+-]` is JSON-quoted.
    """

    kind: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(
            (self.kind, *(p if _PLAIN.fullmatch(p) else json.dumps(p, ensure_ascii=False) for p in self.path))
        )

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read what `str()` wrote; ValueError where the text is no address."""
        parts: list[str] = []
        at = 0
        while match := _PART.match(text, at):
            part = match.group()
            parts.append(json.loads(part) if part[0] == '"' else part)
            at = match.end()
            if at == len(text):
                break
            if text[at] != ".":
                raise ValueError(text)
            at += 1
        if at != len(text) or len(parts) < 2:
            raise ValueError(text)
        return cls(parts[0], tuple(parts[1:]))


_new: Any = tuple.__new__
address_of: Callable[[tuple[str, tuple[str, ...]]], Address] = partial(_new, Address)


class Place(NamedTuple):
    """Where something stands in the catalog; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


place_of: Callable[[tuple[str, int, int]], Place] = partial(_new, Place)


NO_MARKS: Mapping[str, str] = {}
NO_FACTS: Mapping[str, Json] = {}


class Resource(NamedTuple):
    """One resource, desired or live: the same type on both sides.

    Desired: `spec`, `place`, `external`, `protect`. An external one has the empty spec.
    Live: `spec`, `id`, `owner` and the other `bac.*` labels in `marks`; `facts` holds what a step may need and no diff
    looks at (a usage period, the ids that it is bound to); `parts` are the wire forms of what lives and dies with it
    (an entitlement's grants); `managed` names another hand that OpenMeter says manages it ("subscription").
    """

    address: Address
    spec: Spec
    id: str | None = None
    owner: str | None = None
    protect: bool = False
    external: bool = False
    place: Place | None = None
    marks: Mapping[str, str] = NO_MARKS
    facts: Mapping[str, Json] = NO_FACTS
    parts: tuple[Mapping[str, Json], ...] = ()
    managed: str | None = None

    @staticmethod
    def declared(address: Address, spec: Spec, protect: bool, external: bool, place: Place | None) -> Resource:
        """A desired one."""
        made = (address, spec, None, None, protect, external, place, NO_MARKS, NO_FACTS, (), None)
        return cast(Resource, _new(Resource, made))

    @staticmethod
    def found(
        address: Address,
        spec: Spec,
        id: str | None,
        owner: str | None,
        protect: bool,
        marks: Mapping[str, str],
        facts: Mapping[str, Json],
    ) -> Resource:
        """A live one."""
        made = (address, spec, id, owner, protect, False, None, marks, facts, (), None)
        return cast(Resource, _new(Resource, made))

    def with_parts(self, parts: tuple[Mapping[str, Json], ...]) -> Resource:
        """The same with other parts."""
        return cast(Resource, _new(Resource, (*self[:9], parts, self.managed)))


State: TypeAlias = dict[Address, Resource]


class Class(IntEnum):
    """How much a change matters; the worst one heads a plan."""

    SAFE = 0
    COMMERCIAL = 1
    BREAKING = 2

    def __str__(self) -> str:
        return self.name.lower()


class FieldChange(NamedTuple):
    """One field's difference. `path` is the field's YAML name, with the map's key behind it where one entry differs."""

    path: str
    before: Value
    after: Value
    cls: Class = Class.BREAKING


class Ref(NamedTuple):
    """What only apply can know, standing in a step's path, query or body.

    `what` is a word of the kind that resolves it ("id", "period_start", "left" ...), `of` the address it speaks of,
    `arg` what narrows it (a grant's id).
    """

    what: str
    of: str
    arg: str = ""

    def __str__(self) -> str:
        return "{" + self.what + " of " + self.of + (f" {self.arg}" if self.arg else "") + "}"


class Find(NamedTuple):
    """How to look a written thing up when the answer to its write was lost.

    GET `path`; where `items` is not None the answer holds a list there ("" is the answer itself); the one found is the
    one whose value at each path of `where` is the value given there.
    """

    path: tuple[str | Ref, ...]
    where: tuple[tuple[str, Json], ...] = ()
    items: str | None = None
    query: tuple[tuple[str, Json], ...] = ()


class Step(NamedTuple):
    """One request of a change.

    `path` is a tuple of path segments, joined and percent-encoded when sent; `body` is JSON with `Ref` leaves.
    `saves`: the address whose answer (id, period ...) this step's answer becomes. `find`: how to know that it was done;
    without one it may simply be sent again. `gone`: a 404, 410 or 412 means that it is done, and so does a 400 whose
    text has `done` in it. `when`: sent only where this reference resolves to something true.
    """

    method: str
    path: tuple[str | Ref, ...]
    body: Json = None
    query: tuple[tuple[str, Json], ...] = ()
    lane: Lane = "wide"
    saves: str = ""
    find: Find | None = None
    gone: bool = False
    done: str = ""
    when: Ref | None = None


class Read(NamedTuple):
    """A request that a change makes just before its first write; `name` is what its kind's `resolve` calls the
    answer."""

    name: str
    path: tuple[str | Ref, ...]
    query: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, and everything that apply needs to make it happen.

    `reasons` are codes (the prose is the renderer's); `destroys` are (address or description, code) pairs;
    `needs` are nodes that must be done first. A node is (address, phase); phase "prepare" exists where `prepare` is not
    empty and runs before what the resource refers to is touched.
    """

    address: Address
    action: Action
    fields: tuple[FieldChange, ...] = ()
    reasons: tuple[str, ...] = ()
    cls: Class = Class.SAFE
    destroys: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    before: Resource | None = None
    after: Resource | None = None
    reads: tuple[Read, ...] = ()
    prepare: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    prepare_needs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of one change: started, done, failed, blocked (something it needs failed), or a note on the run."""

    address: Address | None
    status: Literal["started", "done", "failed", "blocked", "note"]
    text: str = ""
    done: int = 0
    total: int = 0


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

_WHOLE_FLOAT = re.compile(r"(?:^|[:\[,])-?\d[\d.]*(?:\.0|e\+\d+)(?:$|[,\]}])")
"""A number as the encoder writes a float that is whole; in a text it may be something else, never the other way."""
_WHOLE_FLOATS_HAVE = ("e+", ".0,", ".0]", ".0}")
"""One of these, or `.0` at the end. Looking for them takes no time; the expression takes a second for 30 MB."""


def canonical_json(value: Json) -> str:
    """The one text of a JSON value: keys sorted, no spaces. A float that is whole is written as an integer."""
    try:
        text = _canonical(value)
    except TypeError:  # a mapping that is no dict
        return _canonical(_whole(value))
    # only where a whole float may stand is the value looked through
    may_be = text.endswith(".0") or any(mark in text for mark in _WHOLE_FLOATS_HAVE)
    may_be = may_be and _WHOLE_FLOAT.search(text) is not None
    return _canonical(_whole(value)) if may_be else text


def _whole(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(k): _whole(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(v) for v in value]
    return value


def digest(value: Json) -> str:
    """sha256 of the canonical text, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
