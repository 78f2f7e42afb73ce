"""The JSON Schemas that are generated from the kinds: what `bac schema` writes and checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from billing_as_code.config.schema import config_schema
from billing_as_code.expecting.schema import expectation_schema
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.schema import catalog_schema, overlay_schema
from billing_as_code.planschema import plan_schema


def schemas() -> dict[str, dict[str, Any]]:
    """Each schema by the name of its file."""
    return {
        "bac.schema.json": config_schema(),
        "catalog.schema.json": catalog_schema(KINDS),
        "overlay.schema.json": overlay_schema(KINDS),
        "plan.schema.json": plan_schema(),
        "test.schema.json": expectation_schema(),
    }


def texts() -> dict[str, str]:
    """Each schema's file as it shall be."""
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas().items()}


def stale(folder: Path) -> list[str]:
    """The files of a folder that are missing or not as they shall be."""
    return [name for name, text in texts().items() if _content(folder / name) != text]


def write(folder: Path) -> list[Path]:
    """Write all of them; the paths that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts()]


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
