"""Which bac this is, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from billing_as_code.model import Json
from billing_as_code.render.lines import Line, Span, line, padded


def about(found: Mapping[str, Json]) -> Iterator[Line]:
    """What `service.about` found: bac itself first, then what it writes, then what it runs on."""
    yield line(Span(f"bac {found['bac']}", "heading"))
    rows = [
        ("plan format", str(found["plan_format"])),
        ("catalog schema", found["catalog_schema"][:12]),
        ("Python", found["python"]),
        ("platform", found["platform"]),
        *found["packages"].items(),
    ]
    column = max(len(name) for name, _ in rows)
    yield from (line("  ", padded(name, column), "  ", value) for name, value in rows)
