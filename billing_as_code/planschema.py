"""The JSON Schema of a plan file. See `document` for how references and numbers stand in it."""

from __future__ import annotations

from typing import Any

from billing_as_code.impact.schema import HIT, IMPACT
from billing_as_code.kinds.schema import DIALECT
from billing_as_code.plan import VERSION

TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
PAIRS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "array", "prefixItems": [TEXT, TEXT], "minItems": 2, "maxItems": 2},
}
ANY: dict[str, Any] = {}
ADDRESS: dict[str, Any] = TEXT | {"description": "Section and keys: entitlements.acme.ai_tokens."}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _to(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


_QUERY = _list({"type": "array", "prefixItems": [TEXT, ANY], "minItems": 2, "maxItems": 2})
_REFERENCE = _object({"$ref": {"type": "array", "items": TEXT, "minItems": 3, "maxItems": 3}})
_PATH = _list({"anyOf": [TEXT, _REFERENCE]})

_DEFINITIONS: dict[str, Any] = {
    "field": _object(
        {"path": TEXT, "before": ANY, "after": ANY, "class": {"enum": ["safe", "commercial", "breaking"]}},
    ),
    "resource": {
        "anyOf": [
            {"type": "null"},
            _object(
                {
                    "spec": {"type": "array", "description": "The kind's fields, in their order."},
                    "id": {"type": ["string", "null"]},
                    "owner": {"type": ["string", "null"]},
                    "protect": {"type": "boolean"},
                }
            ),
        ]
    },
    "read": _object({"name": TEXT, "path": _PATH, "query": _QUERY}),
    "step": _object(
        {
            "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]},
            "path": _PATH,
            "lane": {"enum": ["wide", "narrow"]},
            "body": ANY,
            "query": _QUERY,
            "saves": ADDRESS,
            "gone": {"type": "boolean"},
            "done": TEXT,
            "when": _REFERENCE,
            "find": _object({"path": _PATH, "where": _QUERY, "items": {"type": ["string", "null"]}, "query": _QUERY}),
        },
        "body",
        "query",
        "saves",
        "gone",
        "done",
        "when",
        "find",
    ),
    "change": _object(
        {
            "address": ADDRESS,
            "action": {"enum": ["create", "update", "replace", "delete"]},
            "class": {"enum": ["safe", "commercial", "breaking"]},
            "reasons": TEXTS,
            "fields": _list(_to("field")),
            "destroys": PAIRS,
            "notes": PAIRS,
            "before": _to("resource"),
            "after": _to("resource"),
            "reads": _list(_to("read")),
            "prepare": _list(_to("step")),
            "steps": _list(_to("step")),
            "prepare_needs": TEXTS,
            "needs": TEXTS,
        }
    ),
    "impact": IMPACT,
    "hit": HIT,
}


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of a plan file."""
    count = {"type": "integer", "minimum": 0}
    return {
        "$schema": DIALECT,
        "title": "A plan of bac",
        "description": "What `bac plan --out` writes: canonical JSON, named by its sha256.",
        **_object(
            {
                "version": {"const": VERSION},
                "target": _object({"environment": TEXT, "url": TEXT, "owner": TEXT}),
                "scope": _list(ADDRESS),
                "existing": count,
                "changes": _list(_to("change")),
                "held": _list(_object({"address": ADDRESS, "fields": _list(_to("field"))})),
                "skipped": PAIRS,
                "base": {"type": "object", "additionalProperties": TEXT},
                "edits": _list(_object({"address": ADDRESS, "spec": {"type": ["string", "null"]}, "was": TEXT})),
                "onto": TEXT | {"description": "The digest of the proposal that this one holds, or repeats."},
                "impact": _to("impact"),
                "since": _object(
                    {
                        "ref": TEXT,
                        "commit": TEXT,
                        "whole": TEXT | {"description": "Why all was compared all the same, a code; or empty."},
                        "touched": _list(ADDRESS),
                        "looked_at": count,
                        "unseen": count | {"description": "Resources of the catalog that were not looked at."},
                    }
                ),
            },
            "edits",
            "onto",
            "since",
            "impact",
        ),
        "$defs": _DEFINITIONS,
    }
