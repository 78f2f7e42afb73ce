"""A grant's declared terms: as text for the label `bac.terms`, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing_as_code.kinds import carryover as carry
from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.times import expiry, parse_instant
from billing_as_code.model import Spec, canonical_json


def dump(kind: Kind, spec: Spec) -> str:
    """The terms as a label's text: every field that has a value, but for the metadata that stands beside it."""
    return canonical_json({n: v for n, v in zip(kind.index, spec, strict=True) if v is not None and n != "metadata"})


def of_wire(kind: Kind, grant: Mapping[str, Any]) -> str:
    """The terms of a live grant: those that it carries, else what it is."""
    labels = grant.get("metadata") or {}
    return str(labels[carry.TERMS]) if carry.TERMS in labels else dump(kind, kind.from_wire((), grant, {}))


def load(kind: Kind, text: str, metadata: Mapping[str, str] | None = None) -> Spec | None:
    """The spec of a label's text; None where it is no text of ours (somebody else may have written it)."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    return tuple(f.text_map(metadata or {}) if name == "metadata" else values.get(name) for name in kind.index)


def end_of(kind: Kind, spec: Spec) -> datetime | None:
    """When a grant of these terms ends, None where it never does."""
    duration, count = kind.get(spec, "expiration.duration"), kind.get(spec, "expiration.count")
    return expiry(parse_instant(kind.get(spec, "effective_at")), duration, count) if duration else None


def is_datable(kind: Kind, spec: Spec) -> bool:
    """Whether the end of these terms is a date that a calendar of four-digit years has."""
    try:
        end_of(kind, spec)
    except (ValueError, OverflowError):
        return False
    return True
