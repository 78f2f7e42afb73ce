"""Whether a resource is what its kind's table says, and where it is not, why. The one door to JSON Schema validators.

`jsonschema_rs` says yes or no, fast; only where it says no are fields looked at one by one, and `jsonschema` says what
a field's value breaks. The words are ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

import jsonschema_rs

from billing_as_code.catalog.wording import Path, Wrong, unknown_field, words, written
from billing_as_code.kinds.base import Field, Kind, Schema
from billing_as_code.kinds.schema import EXTERNAL_FIELD, PROTECT_FIELD, field_schema, resource_schema
from billing_as_code.reader import Block, Items, describe, shown

_LOWER_KEY = "lower-case letters, digits and single underscores between them"


def fits(schema: Schema, document: Any) -> bool:
    """Whether a document is as a JSON Schema says."""
    return jsonschema_rs.validator_for(schema).is_valid(document)


class Judge:
    """Judges the resources of one kind."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._is_valid = jsonschema_rs.validator_for(resource_schema(kind)).is_valid
        self._opaque = [field.name for field in kind.fields if field.opaque]
        self._keys = [jsonschema_rs.validator_for(schema).is_valid for schema in kind.key_schemas]
        self._good_keys: list[set[str]] = [set() for _ in self._keys]

    def accepts(self, raw: Any) -> bool:
        """Whether it is certainly valid. Where it is not, `wrongs` has the last word."""
        try:
            if not self._is_valid(raw):
                return False
            return not self._opaque or all(_is_json(raw[name]) for name in self._opaque if name in raw)
        except ValueError:  # a `FloatText` where a schema looks
            return False

    def accepts_keys(self, path: tuple[str, ...]) -> bool:
        """Whether the keys of an address are what they must be; where they are not, `wrong_keys` tells."""
        for key, is_valid, good in zip(path, self._keys, self._good_keys, strict=False):
            if key not in good:
                if not is_valid(key):
                    return False
                good.add(key)
        return True

    def wrong_keys(self, path: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
        """What is wrong with the keys of an address: (position, message, remedy)."""
        for i, (key, is_valid) in enumerate(zip(path, self._keys, strict=False)):
            if is_valid(key):
                continue
            what, schema = self._kind.keys[i], self._kind.key_schemas[i]
            most = schema.get("maxLength", len(key))
            if not key:
                yield i, f"the {what} key is empty", "give it a key"
            elif len(key) > most:
                yield i, f"the {what} key has {len(key):,} characters, must have at most {most}", "shorten it"
            else:
                yield i, f"`{shown(key)}` cannot be the key of a {what}", _LOWER_KEY

    def wrongs(self, raw: Any) -> list[Wrong]:
        """Everything that is wrong with what `accepts` refuses; nothing where it is valid all the same."""
        if not isinstance(raw, Block):
            written_as = f"{{{self._kind.fields[0].name}: ...}}"
            remedy = "write {} for one with nothing but defaults" if raw is None else written_as
            return [Wrong((), f"is {describe(raw)}, must be a map of fields", remedy)]
        found = [*self._generic(raw), *_unknown(raw, self._tree, ()), *self._fields(raw)]
        return found or list(words(_errors(resource_schema(self._kind), raw)))

    def unreal(self, raw: Block) -> list[Wrong]:
        """The fields whose value looks right and is none: 30 February."""
        found = []
        for field in self._kind.fields:
            path = tuple(field.name.split("."))
            value, _ = _get(raw, path)
            try:
                if value is not None:
                    field.canonical(value)
            except (ValueError, ArithmeticError):
                message = f"is `{written(value)}`, which does not exist"
                found.append(Wrong(path, message, _example(field, with_name=False)))
        return found or [Wrong((), "cannot be understood")]

    # -- fields ---------------------------------------------------------------------------------------------------

    @cached_property
    def _tree(self) -> dict[str, Any]:
        """The names that may stand in a resource: a map where a field's name goes on, None where it ends."""
        tree: dict[str, Any] = {}
        for field in self._kind.fields:
            *outer, last = field.name.split(".")
            into = tree
            for name in outer:
                into = into.setdefault(name, {})
            into[last] = None
        return {**tree, PROTECT_FIELD: None, EXTERNAL_FIELD: None}

    def _generic(self, raw: Block) -> Iterator[Wrong]:
        for name in (PROTECT_FIELD, EXTERNAL_FIELD):
            if not isinstance(raw.get(name), (bool, type(None))):
                yield Wrong((name,), f"is {describe(raw[name])}, must be true or false", f"{name}: true")

    def _fields(self, raw: Block) -> Iterator[Wrong]:
        for field in self._kind.fields:
            path = tuple(field.name.split("."))
            value, broken = _get(raw, path)
            if broken:
                continue
            exists = self._exists(field, raw)
            if value is None:
                if field.required and exists:
                    yield self._missing(field, raw, path)
            elif exists is False:
                yield self._out_of_place(field, raw, path)
            else:
                yield from self._value(field, value, path)

    def _exists(self, field: Field, raw: Block) -> bool | None:
        """Whether the field exists beside the others; None where that cannot be told, since another one is wrong."""
        if field.when is None:
            return True
        other = self._kind.fields[self._kind.index[field.when[0]]]
        value, broken = _get(raw, tuple(other.name.split(".")))
        if value is None:
            value = other.default
        if broken or value is None or any(_errors(field_schema(other), value)):
            return None
        return value in field.when[1]

    def _missing(self, field: Field, raw: Block, path: tuple[str, ...]) -> Wrong:
        at = path[:-1]
        while at and not isinstance(_get(raw, at)[0], Block):
            at = at[:-1]
        return Wrong(at, f"`{field.name}` is missing", _example(field), at_key=True)

    def _out_of_place(self, field: Field, raw: Block, path: tuple[str, ...]) -> Wrong:
        assert field.when is not None
        other, values = field.when
        is_now = _get(raw, tuple(other.split(".")))[0]
        message = f"`{field.name}` is for {other} {' or '.join(map(written, values))}, this one is {written(is_now)}"
        return Wrong(path, message, f"leave it out, or change the {other}", at_key=True)

    def _value(self, field: Field, value: Any, path: Path) -> Iterator[Wrong]:
        if field.opaque and not _is_json(value):
            yield Wrong(path, "holds a number that JSON cannot carry", "no infinities, nothing larger than 1e308")
        hint = _example(field, with_name=False)
        for wrong in words(_errors(field_schema(field), value), hint):
            yield wrong._replace(path=(*path, *wrong.path))


def faults(schema: Schema, raw: Any) -> list[Wrong]:
    """What a value breaks of a schema that is no kind's."""
    if not _is_json(raw):
        return [Wrong((), "holds a number that JSON cannot carry", "no infinities, nothing larger than 1e308")]
    return list(words(_errors(schema, raw)))


def _is_json(value: Any) -> bool:
    if isinstance(value, Block):
        return all(map(_is_json, value.values()))
    if isinstance(value, Items):
        return all(map(_is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def _get(raw: Block, path: tuple[str, ...]) -> tuple[Any, bool]:
    """The value at a path, None where there is none; and whether something on the way is no map."""
    value: Any = raw
    for name in path:
        if value is None:
            return None, False
        if not isinstance(value, Block):
            return None, True
        value = value.get(name)
    return value, False


def _unknown(raw: Block, tree: Mapping[str, Any], path: Path) -> Iterator[Wrong]:
    for name, value in raw.items():
        if name not in tree:
            yield unknown_field((*path, name), tree)
        elif tree[name] is not None and isinstance(value, Block):
            yield from _unknown(value, tree[name], (*path, name))
        elif tree[name] is not None and value is not None:
            inside = ", ".join(f"{n}: ..." for n in tree[name])
            yield Wrong((*path, name), f"is {describe(value)}, must be a map", f"{name}: {{{inside}}}")


def _example(field: Field, *, with_name: bool = True) -> str:
    if "enum" in field.schema:
        return f"one of {', '.join(map(written, field.schema['enum']))}"
    if field.example is None:
        return field.doc.rstrip(".")
    example = field.example if isinstance(field.example, str) else json.dumps(field.example)
    return f"such as {field.name.split('.')[-1]}: {example}" if with_name else f"such as {example}"


def _errors(schema: Schema, value: Any) -> Iterator[Any]:
    return iter(_validator_class()(schema).iter_errors(value))


@cache
def _validator_class() -> Any:
    """jsonschema's validator, for which a `FloatText` is no integer, however round."""
    import jsonschema  # slow to import, and needed only where something is wrong

    latest: Any = jsonschema.Draft202012Validator
    extend: Any = jsonschema.validators.extend
    return extend(latest, type_checker=latest.TYPE_CHECKER.redefine("integer", _is_integer))


def _is_integer(checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
