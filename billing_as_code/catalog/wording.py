"""What a value breaks of its schema, in words for the person who wrote it. Made from jsonschema's errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.kinds.schema import NO_LABEL_OF_OURS
from billing_as_code.reader import FloatText, describe, shown

Path = tuple[str | int, ...]


class Wrong(NamedTuple):
    """What is wrong at a path below a value; with `at_key` it is the last key itself that is wrong."""

    path: Path
    message: str
    remedy: str = ""
    at_key: bool = False

    def said(self) -> str:
        """The message, after the name of what it is about where it does not say that itself."""
        if self.at_key or not self.path:
            return self.message
        return f"`{_dotted(self.path)}` {self.message}"


def _dotted(path: Path) -> str:
    text = ""
    for name in path:
        text += f"[{name}]" if isinstance(name, int) else f".{shown(name)}" if text else shown(name)
    return text


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "empty",
}


def words(errors: Iterable[Any], hint: str = "") -> Iterator[Wrong]:
    """The errors of one value; `hint` is what would be right of the whole value, where a schema cannot tell."""
    for error in errors:
        yield from _word(error, hint)


def _word(error: Any, hint: str) -> Iterator[Wrong]:
    path: Path = tuple(error.absolute_path)
    hint = "" if path else hint
    if error.validator in ("oneOf", "anyOf"):
        yield from _alternatives(error, path, hint)
    elif error.validator == "additionalProperties" or error.validator == "required":
        yield from _keys(error, path)
    elif "propertyNames" in error.absolute_schema_path:
        yield _name(error, path, hint)
    else:
        make = _BY_RULE.get(error.validator, _not_allowed)
        yield Wrong(path, *make(error.instance, error.validator_value, hint))


def _keys(error: Any, path: Path) -> Iterator[Wrong]:
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        name = next((n for n in missing if error.message.startswith(repr(n))), missing[0])
        yield Wrong(path, f"lacks `{name}`")
        return
    known = error.schema.get("properties", {})
    for name in error.instance:
        if name not in known:
            yield unknown_field((*path, name), known)


def unknown_field(path: Path, known: Iterable[str]) -> Wrong:
    """A field that does not exist, and the one that may be meant."""
    names = [name for name in known if not name.startswith("$")]
    remedy = Spelling(names).remedy(str(path[-1])) or f"fields are {', '.join(names)}"
    return Wrong(path, f"unknown field `{shown(str(path[-1]))}`", remedy, at_key=True)


def _name(error: Any, path: Path, hint: str) -> Wrong:
    """A key of a free map; jsonschema names the map, not the key."""
    name = str(error.instance)
    if error.validator_value == NO_LABEL_OF_OURS["not"]:
        return Wrong((*path, name), f"`{shown(name)}` is a label that bac writes itself", "leave it out", at_key=True)
    return Wrong((*path, name), f"`{shown(name)}` cannot be a name here", hint, at_key=True)


def _alternatives(error: Any, path: Path, hint: str) -> Iterator[Wrong]:
    """Only what is wrong with the alternative that was meant: the one of the right sort, and of the right `type`."""
    branches: dict[int, list[Any]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    sort = [b for b in branches.values() if not any(e.validator == "type" and not e.relative_path for e in b)]
    kinds = [e for b in sort for e in b if e.validator == "const" and e.relative_path]
    meant = [b for b in sort if not any(e in kinds for e in b)]
    if not branches:  # of `oneOf` more than one holds
        names = [n for branch in error.validator_value for n in branch.get("required", ())]
        yield Wrong(path, f"has more than one of {_names(names)}", "leave the others out")
    elif not sort:
        types = [t for b in branches.values() for e in b if e.validator == "type" for t in _listed(e.validator_value)]
        yield Wrong(path, *_type(error.instance, types, hint))
    elif len(meant) == 1:
        yield from words(meant[0], hint)
    elif kinds and not meant:
        yield Wrong(tuple(kinds[0].absolute_path), *_enum(kinds[0].instance, [e.validator_value for e in kinds], hint))
    elif names := [name for b in meant for e in b if e.validator == "required" for name in e.validator_value]:
        yield Wrong(path, f"lacks one of {_names(names)}")
    else:
        yield Wrong(path, *_not_allowed(error.instance, None, hint))


def _names(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


# -- one rule, one sentence: (message, remedy) ----------------------------------------------------------------------

Said = tuple[str, str]


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]


def written(value: Any) -> str:
    """A value as its author may have written it."""
    if isinstance(value, FloatText):
        return shown(value.text)
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _type(value: Any, types: Any, hint: str) -> Said:
    wanted = [t for t in dict.fromkeys(_listed(types)) if t != "null"]
    must = " or ".join(_TYPES[t] for t in wanted)
    what = describe(value)
    if isinstance(value, FloatText) and "integer" in wanted:
        what = "a number with a point"
    if "string" in wanted and isinstance(value, (bool, int, float)):
        return f"is {what}, must be {must}", f'quote it: "{written(value)}"'
    if isinstance(value, str) and wanted in (["integer"], ["boolean"], ["number"]):
        return f"is text, must be {must}", hint or "no quotes"
    if wanted == ["array"] and isinstance(value, str):
        return f"is text, must be {must}", f"[{written(value)}]"
    return f"is {what}, must be {must}", hint


def _enum(value: Any, allowed: Any, hint: str) -> Said:
    names = [written(v) for v in allowed if v is not None]
    remedy = Spelling(names).remedy(value) if isinstance(value, str) else ""
    return f"is `{written(value)}`, must be one of {', '.join(names)}", remedy


def _pattern(value: Any, pattern: Any, hint: str) -> Said:
    return f"is `{written(value)}`, which is not of the right form", hint or f"it has to match {pattern}"


def _not_allowed(value: Any, rule: Any, hint: str) -> Said:
    return f"is `{written(value)}`, which is not allowed here", hint


_BY_RULE: Mapping[str, Callable[[Any, Any, str], Said]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value, const, hint: _enum(value, [const], hint),
    "pattern": _pattern,
    "minLength": lambda value, least, hint: ("is empty text", hint or "leave it out, or write something"),
    "maxLength": lambda value, most, hint: (f"has {len(value):,} characters, must have at most {most:,}", "shorten it"),
    "minimum": lambda value, least, hint: (f"is {written(value)}, must be at least {least}", ""),
    "maximum": lambda value, most, hint: (f"is {written(value)}, must be at most {most}", ""),
    "minItems": lambda value, least, hint: (f"has {len(value)} entries, must have at least {least}", hint),
    "maxItems": lambda value, most, hint: (f"has {len(value)} entries, must have at most {most}", hint),
    "minProperties": lambda value, least, hint: (f"has {len(value)} entries, must have at least {least}", hint),
    "maxProperties": lambda value, most, hint: (f"has {len(value)} entries, must have at most {most}", hint),
    "uniqueItems": lambda value, unique, hint: ("holds the same entry twice", "keep one of them"),
}
