"""The table of a kind at work: canonical form from YAML and from the wire, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from billing_as_code.kinds.fields import Absent, BadValue, Field, Names, Schema, same
from billing_as_code.model import Json, Spec, Value


class _Row(NamedTuple):
    """A field as it is looked up in the mapping that it stands in."""

    name: str
    read: Callable[[Any, Names], Any] | None
    canonical: Callable[[Any], Value] | None
    default: Any
    computed: bool


class _Group(NamedTuple):
    """Neighbouring rows that stand in one mapping, below the keys `outer`, and exist on one condition: where `among` is
    given, only if the value at index `when` is one of those.

    `absent` are their values where they do not exist, `defaults` where the mapping is not there; None where a row has
    to be asked even then.
    """

    outer: tuple[str, ...]
    when: int
    among: tuple[Value, ...] | None
    rows: tuple[_Row, ...]
    absent: tuple[None, ...]
    defaults: tuple[Value, ...] | None


class Table:
    """What a kind's rows make of values. Canonical form is reached here and nowhere else, by the same row for both
    sides."""

    fields: tuple[Field, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        return {f.name: i for i, f in enumerate(self.fields)}

    @cached_property
    def references(self) -> tuple[tuple[int, str, bool], ...]:
        """(field's index, kind that it refers to, whether it binds to the id)."""
        return tuple((i, f.refers_to, f.binds) for i, f in enumerate(self.fields) if f.refers_to)

    def get(self, spec: Spec, name: str) -> Value:
        return spec[self.index[name]]

    def with_(self, spec: Spec, values: Mapping[str, Value]) -> Spec:
        """`spec` with some fields changed, by name."""
        out = list(spec)
        for name, value in values.items():
            out[self.index[name]] = value
        return tuple(out)

    @cached_property
    def _checked(self) -> tuple[tuple[int, Callable[[Value], tuple[str, str] | None]], ...]:
        return tuple((i, f.check) for i, f in enumerate(self.fields) if f.check is not None)

    # -- canonical form ----------------------------------------------------------------------------

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        return self._grouped([(f, f.name, None) for f in self.fields])

    @cached_property
    def _wire_groups(self) -> tuple[_Group, ...]:
        return self._grouped([(f, f.wire or f.name, f.read) for f in self.fields])

    def _grouped(self, rows: list[tuple[Field, str, Callable[[Any, Names], Any] | None]]) -> tuple[_Group, ...]:
        groups: list[_Group] = []
        for (outer, condition), members in groupby(rows, lambda row: (tuple(row[1].split(".")[:-1]), row[0].when)):
            of = tuple(
                _Row(
                    name.rpartition(".")[2],
                    read,
                    f.canonical if f.canonical is not same else None,
                    f.default,
                    callable(f.default),
                )
                for f, name, read in members
            )
            when, among = (self.index[condition[0]], condition[1]) if condition else (0, None)
            silent = not any(row.read is not None or row.computed for row in of)
            defaults = tuple(row.default for row in of) if silent else None
            groups.append(_Group(outer, when, among, of, (None,) * len(of), defaults))
        return tuple(groups)

    def canonical(self, path: Sequence[str], raw: Mapping[str, Any]) -> Spec:
        """The spec of a valid YAML mapping (a field that is null counts as left out).

        Raises BadValue where a value has the right shape and no meaning.
        """
        return self._settle(self._groups, path, raw, {})

    def from_wire(self, path: Sequence[str], item: Mapping[str, Any], names: Names) -> Spec:
        """The spec of what OpenMeter answered. `names` says whose an id is."""
        spec = self._settle(self._wire_groups, path, item, names)
        classes = tuple(map(type, spec))
        texts = self._sound.get(classes)
        if texts is None:
            texts = self._sound[classes] = self._texts(spec)
        for i in texts:
            value = spec[i]
            held: Value = value.values() if value.__class__ is dict else value
            for inner in held:
                if inner.__class__ is not str:
                    raise TypeError(f"{value!r} holds what is no text")
        return spec

    @cached_property
    def _sound(self) -> dict[tuple[type, ...], tuple[int, ...]]:
        """The classes of specs that were looked at and found right, and which of their fields hold texts. Few: nearly
        all resources of a kind have one of a handful."""
        return {}

    def _texts(self, spec: Spec) -> tuple[int, ...]:
        """The fields that hold texts. Raises TypeError where a value is of a class that its field cannot have."""
        shapes, of_texts = self._shapes
        for i, (value, f) in enumerate(zip(spec, self.fields, strict=True)):
            if value is not None and value.__class__ not in shapes[i]:
                raise TypeError(f"{value!r} is a {type(value).__name__}")
            if value is None and f.required and f.when is None:
                raise TypeError(f"it has no {f.name}")
        return tuple(i for i, value in enumerate(spec) if value is not None and of_texts[i])

    @cached_property
    def _shapes(self) -> tuple[tuple[frozenset[type], ...], tuple[bool, ...]]:
        """Per field, what classes its canonical value may have, and whether it is a map or a list of texts."""
        schemas: list[Schema] = [{"type": "string"} if f.opaque else f.schema for f in self.fields]
        entries: list[Schema] = [s.get("additionalProperties") or s.get("items") or {} for s in schemas]
        texts = [entry.get("type") == "string" for entry in entries]
        return tuple(frozenset(_classes(s)) for s in schemas), tuple(texts)

    def _settle(self, groups: tuple[_Group, ...], path: Sequence[str], source: Mapping[str, Any], names: Names) -> Spec:
        # Runs for every field of everything that is declared or live: a loop without calls but those that rows ask for
        values: list[Value] = []
        value: Any = None
        try:
            for outer, when, among, rows, absent, defaults in groups:
                if among is not None and values[when] not in among:
                    values += absent
                    continue
                held: Any = source
                for step in outer:
                    if held is not None:
                        held = held.get(step)
                if held is None and defaults is not None:
                    values += defaults
                    continue
                for name, read, canonical, default, computed in rows:
                    value = held.get(name) if held is not None else None
                    if read is not None:
                        value = read(value, names)
                    if value is not None:
                        values.append(value if canonical is None else canonical(value))
                    elif computed:
                        values.append(default(path, dict(zip(self.index, values, strict=False))))
                    else:
                        values.append(default)
        except (ValueError, ArithmeticError) as error:
            raise BadValue(self.fields[len(values)].name, value) from error
        return tuple(values)

    def to_yaml(self, path: Sequence[str], spec: Spec) -> dict[str, Json]:
        """What a person would write for a spec, as a nested mapping in the table's order.

        Nothing that is a default, and nothing that speaks at creation only. `canonical` makes the same spec of it.
        """
        so_far = dict(zip(self.index, spec, strict=True))
        out: dict[str, Json] = {}
        for f, value in zip(self.fields, spec, strict=True):
            if value is None or f.absent is Absent.CREATE_ONLY:
                continue
            if not f.required and value == (f.default(path, so_far) if callable(f.default) else f.default):
                continue
            *outer, last = f.name.split(".")
            into = out
            for name in outer:
                into = into.setdefault(name, {})
            into[last] = (
                json.loads(value) if f.opaque else _written(f.to_yaml(value), "additionalProperties" in f.schema)
            )
        return out

    def to_wire(self, spec: Spec, *, only: Callable[[Field], bool] = lambda f: True) -> dict[str, Json]:
        """The wire form of the fields that have a value."""
        body: dict[str, Json] = {}
        for f, value in zip(self.fields, spec, strict=True):
            if value is None or not only(f):
                continue
            *outer, last = (f.wire or f.name).split(".")
            into = body
            for name in outer:
                into = into.setdefault(name, {})
            written = f.write(value)
            into[last] = dict(written) if isinstance(written, dict) else written  # a body may be added to
        return body


def _written(value: Value, by_key: bool) -> Json:
    """A canonical value in what YAML has. `by_key` sorts a map whose keys are the author's."""
    if isinstance(value, Mapping):
        return {key: _written(value[key], by_key) for key in (sorted(value) if by_key else value)}
    return [_written(v, by_key) for v in value] if isinstance(value, tuple) else value


_CLASSES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": dict,
    "array": tuple,
}


def _classes(schema: Schema) -> Iterable[type]:
    """The classes that a value in canonical form has where its schema is this."""
    if "type" in schema:
        yield _CLASSES[schema["type"]]
    yield from (type(value) for value in schema.get("enum", ()))
    for inner in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _classes(inner)
