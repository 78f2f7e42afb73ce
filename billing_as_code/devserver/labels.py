"""v3's labels: a view of the same column that v1 calls metadata, with rules of its own (`api/v3/labels`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import issue, validation_issues

_RESERVED = ("_", "kong", "konnect", "insomnia", "mesh", "kic", "kuma", "openmeter")
_ANNOTATION_PREFIX = "openmeter_"
_MAX_GROUPS = 63
_ISSUES = {
    "invalid_label_key_format": "label key must be in valid format",
    "invalid_label_value_format": "label value must be in valid format",
    "invalid_label_key_prefix": "label key must not have reserved prefix",
}


def to_metadata(labels: Mapping[str, str] | None) -> dict[str, str] | None:
    """Labels of a request as metadata; none at all becomes None. Raises what is wrong with them."""
    if not labels:
        return None
    issues = [issue(code, _ISSUES[code], "$.labels") for key, value in labels.items() for code in faults(key, value)]
    if issues:
        raise validation_issues(issues)
    return dict(labels)


def from_metadata(metadata: Mapping[str, Any] | None, annotations: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What v3 shows of metadata and annotations: what would be valid labels, annotations under a prefix."""
    labels = {key: value for key, value in (metadata or {}).items() if not faults(key, value)}
    for key, value in (annotations or {}).items():
        if isinstance(value, str) and not faults(key, value):
            labels[key if key.startswith(_ANNOTATION_PREFIX) else _ANNOTATION_PREFIX + key] = value
    return labels


def faults(key: str, value: str) -> list[str]:
    """Codes of what is wrong with one label."""
    found = []
    if not _well_formed(key):
        found.append("invalid_label_key_format")
    if not _well_formed(value):
        found.append("invalid_label_value_format")
    if key.startswith(_RESERVED):
        found.append("invalid_label_key_prefix")
    return found


def _well_formed(text: str) -> bool:
    r"""Whether a text matches `^(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]?[a-zA-Z0-9])?){1,63}$`.

    That is 1 to 63 groups of 1 to 3 characters; as a regular expression it takes exponential time here.
    """
    if not 1 <= len(text) <= 3 * _MAX_GROUPS or not text.isascii():
        return False
    fewest: list[int | None] = [0] + [None] * len(text)
    for start in range(len(text)):
        groups = fewest[start]
        if groups is None:
            continue
        for length in (1, 2, 3):
            end = start + length
            if end <= len(text) and _is_group(text[start:end]):
                known = fewest[end]
                fewest[end] = groups + 1 if known is None else min(known, groups + 1)
    last = fewest[-1]
    return last is not None and last <= _MAX_GROUPS


def _is_group(part: str) -> bool:
    if not (part[0].isalnum() and part[-1].isalnum()):
        return False
    return len(part) < 3 or part[1].isalnum() or part[1] in "._-"
