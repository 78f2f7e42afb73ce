"""How an address stands, in words: whose it is, and what the next apply does with it."""

from __future__ import annotations

from collections.abc import Mapping

from billing_as_code.render import prose, values
from billing_as_code.render.lines import visible
from billing_as_code.standing import Standing

_OWNERSHIP: Mapping[str, str] = {
    "owned": "owned",
    "unowned": "in the catalog and live, nobody's label on it",
    "unmanaged": "live alone: nobody owns it",
    "external": "external: another hand manages it",
    "missing": "in the catalog alone",
}
_DIFFERENCE: Mapping[str, str] = {
    "": "as the catalog says",
    "create": "the next apply creates it",
    "update": "differs: the next apply updates it",
    "replace": "differs: the next apply replaces it",
    "delete": "not in the catalog: the next apply deletes it",
    "held": "a difference is held until its next replace",
    "over": "has ended",
    "refused": "no plan can be made",
}
STYLES: Mapping[str, str] = {
    "owned": "done",
    "unowned": "commercial",
    "unmanaged": "dim",
    "foreign": "replace",
    "external": "dim",
    "managed": "dim",
    "missing": "create",
}
"""The style of each ownership."""
DIFFERENCE_STYLES: Mapping[str, str] = {"held": "held", "refused": "breaking", "over": "dim"}


def sentence(standing: Standing) -> str:
    """`owned, as the catalog says`."""
    whose = _whose(standing)
    is_theirs = standing.ownership in ("unmanaged", "foreign", "managed") and standing.want is None
    if standing.difference == "" and (is_theirs or standing.ownership == "external"):
        return whose
    if standing.difference == "" and standing.want is None:
        return f"{whose}, not in the catalog: it goes with what it is part of"
    adopted = standing.change is not None and "adopted" in standing.change.reasons
    does = "the next apply adopts it" if adopted else _DIFFERENCE[standing.difference]
    return f"{whose}, {does}"


def _whose(standing: Standing) -> str:
    have = standing.have
    if standing.ownership == "foreign" and have is not None:
        return f"owned by {values.shown(have.owner)}"  # a subject's labels may be any JSON
    if standing.ownership == "managed" and have is not None:
        return f"managed by a {values.shown(have.managed)}"
    return _OWNERSHIP[standing.ownership]


def word(standing: Standing) -> str:
    """`owned, held`: the same for a column."""
    whose = _whose(standing) if standing.ownership in ("foreign", "managed") else standing.ownership
    # that what is missing is created goes without saying
    return f"{whose}, {standing.difference}" if standing.difference not in ("", "create") else whose


def reasons(standing: Standing) -> list[str]:
    """Why the next apply does what it does, and what that destroys."""
    if standing.error:
        return [visible(standing.error)]
    return prose.sentences(standing.change) if standing.change is not None else []
