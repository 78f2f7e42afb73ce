"""Query parameters whose value is JSON (`content: application/json` in the OpenAPI document).

The generated router unmarshals them into Go structs first, with Go's errors; validation comes after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .clock import parse_rfc3339
from .gojson import InvalidJSON, loads
from .problems import DomainProblem
from .schema import V1, Validator

_SPACE = " \t\r\n"
_VALIDATOR = Validator(V1)
_TEXTS = ("$eq", "$ne", "$like", "$nlike", "$ilike", "$nilike", "$gt", "$gte", "$lt", "$lte")
# The fields of the structs by their Go names: a type in Go's words, or a struct.
_STRUCTS: dict[str, dict[str, str]] = {
    "FilterString": {
        **dict.fromkeys(_TEXTS, "string"),
        **dict.fromkeys(("$in", "$nin"), "[]string"),
        **dict.fromkeys(("$and", "$or"), "[]api.FilterString"),
    },
    "FilterTime": {
        **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), "time.Time"),
        **dict.fromkeys(("$and", "$or"), "[]api.FilterTime"),
    },
    "FilterIDExact": {"$in": "[]string"},
}


def json_parameter(
    name: str, text: str | None, schema: Mapping[str, Any], fields: Mapping[str, str] | None = None
) -> Any:
    """The value of a v1 parameter in JSON, None when it is not given; 400 for what is no JSON or does not fit.

    It is an object: with `fields`, of these names and types, else a map of FilterString.
    """
    if not text:
        return None
    try:
        value = loads(text.encode())
    except InvalidJSON as error:
        raise _unmarshaling(name, "unexpected end of JSON input" if "EOF" in str(error) else str(error)) from None
    rest = text.lstrip(_SPACE)[json.JSONDecoder().raw_decode(text.lstrip(_SPACE))[1] :].strip(_SPACE)
    if rest:
        raise _unmarshaling(name, f"invalid character '{rest[0]}' after top-level value")
    if value is None:
        return None
    reason = _mismatch(value, "map[string]api.FilterString" if fields is None else "struct", "", [], fields)
    if reason is not None:
        raise _unmarshaling(name, reason)
    violation = _VALIDATOR.check(schema, value)
    if violation is not None:
        reason = violation.text().split("\n")[0]
        raise DomainProblem(400, f'parameter "{name}" in query has an error: {reason}', traced=False)
    return value


def _unmarshaling(name: str, reason: str) -> DomainProblem:
    text = f"Error unmarshaling parameter {name} as JSON: {reason}"
    return DomainProblem(400, f"unmarshaling param {name}: {text}")


def _mismatch(
    value: Any, wanted: str, struct: str, path: Sequence[str], fields: Mapping[str, str] | None = None
) -> str | None:
    """Why encoding/json cannot put a value into a Go type, or None."""
    if value is None:
        return None
    if wanted == "time.Time":
        return _time_mismatch(value)
    if wanted == "string":
        return None if isinstance(value, str) else _cannot(value, wanted, struct, path)
    if wanted.startswith("[]"):
        if not isinstance(value, list):
            return _cannot(value, wanted, struct, path)
        return _first(_mismatch(item, wanted[2:], struct, path) for item in value)
    if not isinstance(value, dict):
        return _cannot(value, wanted, struct, path)
    if wanted.startswith("map["):
        return _first(_mismatch(item, wanted.split("]", 1)[1], "", []) for item in value.values())
    known = fields if fields is not None else _STRUCTS[wanted.removeprefix("api.")]
    inner = "" if fields is not None else wanted.removeprefix("api.")
    return _first(_mismatch(item, known[key], inner, [*path, key]) for key, item in value.items() if key in known)


def _first(reasons: Any) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)


def _cannot(value: Any, wanted: str, struct: str, path: Sequence[str]) -> str:
    place = f"struct field {struct}.{'.'.join(path)} of" if path else "value of"
    return f"json: cannot unmarshal {_kind(value)} into Go {place} type {wanted}"


def _kind(value: Any) -> str:
    for kind, word in ((bool, "bool"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return word
    return "number"


def _time_mismatch(value: Any) -> str | None:
    if not isinstance(value, str):
        return "Time.UnmarshalJSON: input is not a JSON string"
    if parse_rfc3339(value) is not None:
        return None
    shown = json.dumps(value, ensure_ascii=False)
    return f'parsing time {shown} as "2006-01-02T15:04:05Z07:00": cannot parse {shown} as "2006"'
