"""Which bac this is, and what it runs on."""

from __future__ import annotations

import platform
import re
from importlib import metadata

from billing_as_code import __version__
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.schema import catalog_schema
from billing_as_code.model import Json, digest
from billing_as_code.plan import VERSION

_PACKAGE = "billing-as-code"


def about() -> dict[str, Json]:
    """Versions of bac, of what it writes and reads, and of what it stands on.

    `catalog_schema` is the digest of the catalog's JSON Schema: two bacs of one digest take the same catalogs.
    """
    return {
        "bac": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "plan_format": VERSION,
        "catalog_schema": digest(catalog_schema(KINDS)),
        "packages": {name: metadata.version(name) for name in _required()},
    }


def _required() -> list[str]:
    """The packages that this one needs, of whatever the installed one says; none where it is not installed."""
    try:
        found = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    names = [match.group() for text in found if ";" not in text and (match := re.match(r"[A-Za-z0-9._-]+", text))]
    return sorted(names)
