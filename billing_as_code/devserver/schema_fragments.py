"""The request schemas of OpenMeter's OpenAPI documents, and those that several resources refer to.

They stand in data files, a file per resource, word for word: OpenMeter quotes them, descriptions included, in what
it says about a body that breaks them. OpenMeter is licensed under the Apache License 2.0.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from .schema import V1, V3


def add_schemas(resource: str) -> None:
    """Make the schemas of `openapi/<resource>.json` known to the documents of v1 and v3."""
    text = files(__package__).joinpath("openapi", f"{resource}.json").read_text("utf-8")
    schemas: dict[str, Any] = json.loads(text)
    V1.add(schemas.get("v1", {}))
    V3.add(schemas.get("v3", {}))


add_schemas("fragments")

ULID_V3 = {"$ref": "#/components/schemas/ULID"}
ULID_OR_KEY = {"$ref": "#/components/schemas/ULIDOrExternalKey"}
DATE_TIME = {"type": "string", "format": "date-time"}
SORT_ORDER = {"$ref": "#/components/schemas/SortOrder"}
SORT_QUERY = {"$ref": "#/components/schemas/SortQuery"}
