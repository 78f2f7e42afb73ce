"""What `bac.yaml` may be, for editors. `reading` judges it, and words what is wrong."""

from __future__ import annotations

from typing import Any

from billing_as_code.config.policy import RULES, TOOLS
from billing_as_code.config.settings import Environment, Limits
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.schema import DIALECT

_USUAL = Environment("local")


def _object(about: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "description": about, "properties": properties}
    return schema | {"additionalProperties": False} | ({"required": list(required)} if required else {})


def _width(about: str, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": 64, "default": default, "description": about}


def _agents() -> dict[str, Any]:
    tools = {name: {"enum": list(RULES[sort]), "default": RULES[sort][0]} for name, sort in TOOLS.items()}
    return _object(
        "What AI agents may do over MCP (bac mcp).",
        {
            "read_only": {"type": "boolean", "default": False, "description": "Only tools that read."},
            "confirm": {
                "type": "boolean",
                "default": True,
                "description": "Whether the person at the agent's program is asked before an approved plan is applied.",
            },
            "tools": _object("The rule of each tool.", tools),
        },
    )


def _environment() -> dict[str, Any]:
    schema = _object(
        "One OpenMeter; without a url the embedded server.",
        {
            "url": {"type": "string", "pattern": "^https?://[^@]+$", "description": "Its address."},
            "token": _object(
                "Where its token comes from; a token never stands in a file.",
                {"from_env": {"type": "string", "description": "The environment variable that holds it."}},
                "from_env",
            ),
            "require_approval": {
                "type": "boolean",
                "default": False,
                "description": "Only reviewed plans are applied.",
            },
            "approvals": {
                "type": "integer",
                "minimum": 1,
                "maximum": 20,
                "default": _USUAL.approvals,
                "description": "How many people must approve a proposal.",
            },
            "self_approval": {
                "type": "boolean",
                "default": True,
                "description": "Whether whoever proposed, or whose agent did, may be one of those who approve.",
            },
            "propose": {
                "enum": ["here", "git"],
                "default": "here",
                "description": "Where proposals go: beside bac.yaml, or as commits on branches for pull requests.",
            },
            "reads": _width("Reads at a time.", _USUAL.reads),
            "writes": _object(
                "Writes at a time.",
                {
                    "wide": _width("Most writes.", _USUAL.wide),
                    "narrow": _width("Entitlements, of which OpenMeter cannot take many at a time.", _USUAL.narrow),
                },
            ),
            "agents": _agents(),
            "timeout": {"type": "number", "minimum": 1, "maximum": 3600, "default": _USUAL.timeout},
        },
    )
    return {"anyOf": [schema, {"type": "null"}]}


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `bac.yaml`, for editors."""
    limits = Limits()
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "$schema": DIALECT,
        "title": "bac.yaml",
        **_object(
            "What bac manages, and where.",
            {
                "catalog": {"type": "string", "default": "catalog", "description": "The catalog's folder."},
                "owner": {"type": "string", "maxLength": 63, "description": "Written on everything that bac creates."},
                "formerly": texts
                | {
                    "description": "Names that the owner had, or took over from: what carries one counts as ours.",
                    "examples": [["acme-metering"]],
                },
                "environments": {
                    "type": "object",
                    "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"},
                    "additionalProperties": _environment(),
                },
                "limits": _object(
                    "How much one apply may do before it asks for --force.",
                    {
                        "deletes": {"type": "integer", "minimum": 0, "default": limits.deletes},
                        "changed_share": {
                            "type": "string",
                            "pattern": "^[0-9.]+ ?%$",
                            "default": f"{limits.changed_share}%",
                        },
                    },
                ),
                "ignore": texts
                | {
                    "description": "What other hands write: never compared, never removed.",
                    "examples": [["customers.*.metadata.crm_*"]],
                },
                "exclusive": {
                    "type": "array",
                    "items": {"enum": list(KINDS)},
                    "description": "Kinds whose only source is the catalog: what else lives there is deleted.",
                },
                "secrets": texts | {"description": "Environment variables that the catalog may take secrets from."},
            },
            "owner",
        ),
    }
