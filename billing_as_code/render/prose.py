"""Codes to sentences. The plan holds codes, since a document that is named by its digest holds no prose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from billing_as_code.model import Change
from billing_as_code.render.lines import visible

_REASONS = {
    "fixed": "OpenMeter cannot change {} in place",
    "rebound": "it is bound to an earlier {}, which is gone",
    "follows": "{} is replaced, and it is bound to that one's id",
    "left_catalog": "it left the catalog",
    "exclusive": "it is not in the catalog, which bac.yaml makes the only source of its kind",
    "asked_gone": "nobody owns it and no catalog declares it: it is deleted since the proposal asks for just that",
    "adopted": "it exists and nobody owns it: our label is written on it",
    "taken_over": "it is taken over from {}, by writing our label on it, so that a catalog of theirs cannot change it",
    "unowned": "nobody owned it until now",
    "released": "it is external now: our label is taken off, nothing else changes",
    "asked": "--replace asks for it",
    "finish_carry": "an earlier override was cut short: the grants that it had still to carry over are made",
    "doubled": "a grant was made twice, by a write that landed late: the second one is voided",
}
_NOTES = {
    "starts_with_period": "its start, {}, may lie before the usage period: it then starts with the period, same end",
    "usage_restarts": "the usage period starts anew: usage counts from now on, and grants keep what is left of them",
    "overage_dropped": "overage of this period that the next one would have paid for is dropped",
    "issued_again": "the issued amount, voided by hand in this period, is issued again",
    "limits_off": "while its meter is replaced access stays open and no limit holds, for some seconds",
    "events_stay": "OpenMeter keeps its usage events, and they go on counting",
    "named_by": "{} keeps naming it: events count there, and OpenMeter makes it again when that customer is written",
    "starts_at_once": "it starts as soon as it is applied",
    "bills": "it bills in {}",
    "rate_card": "its rate card {}",
    "access_gap": "while its meter is replaced there is no access, for some seconds (--gap)",
}
_DESTROYS = {
    "grant": "{} is lost with it",
    "kept_on_archived": "{} stays, on the archived feature, and its usage still counts",
}
_SKIPPED = {"ended": "has ended already, so it is not made"}
_HOW = {
    "by_archive": "archived and created again",
    "by_override": "overridden by a new one",
    "by_override_carried": "overridden by a new one; its grants, usage and period are carried over",
    "by_new_grant": "made again with what the new terms leave after what was used; the old one is voided",
}
"""What a replace is: a kind that does not delete and create says so in a note."""


def _said(table: Mapping[str, str], code: str, argument: str) -> str:
    """The sentence of a code; the code itself in words where a newer plan holds one that is not known here."""
    if code in table:
        return table[code].format(visible(argument))
    words = visible(code.replace("_", " "))
    return f"{words}: {visible(argument)}" if argument else words


def reason(code: str) -> str:
    name, _, argument = code.partition(":")
    return _said(_REASONS, name, argument)


def note(code: str, argument: str) -> str:
    return _said(_NOTES, code, argument)


def destroyed(what: str, code: str) -> str:
    return _said(_DESTROYS, code, what)


def skipped(code: str) -> str:
    return _said(_SKIPPED, code, "")


_WHOLE = {
    "configuration": "bac.yaml has changed in what it says of all resources",
    "environment": "bac.yaml had no such environment, or had it somewhere else",
    "no_configuration": "there was no bac.yaml",
    "unreadable": "the bac.yaml or the catalog of then cannot be read",
}


def whole(code: str) -> str:
    """Why a plan of what changed is one of everything."""
    return _said(_WHOLE, code, "")


def how_replaced(change: Change) -> str:
    """What a replace does, in a word or two."""
    return next((_HOW[code] for code, _ in change.notes if code in _HOW), "deleted and created again")


def sentences(change: Change) -> list[str]:
    """Everything to be said of a change besides its fields: what a replace is, why, what is lost, what to know."""
    said: list[str] = []
    reasons = _reasons(change.reasons)
    if change.action == "replace":
        said.append(f"{how_replaced(change)}, since {_and(reasons)}" if reasons else how_replaced(change))
    else:
        said += reasons
    said += [destroyed(what, code) for what, code in change.destroys]
    said += [note(code, argument) for code, argument in change.notes if code not in _HOW]
    return said


def _reasons(codes: Sequence[str]) -> list[str]:
    """A sentence for each reason; all fixed fields share one."""
    fixed = [visible(code.removeprefix("fixed:")) for code in codes if code.startswith("fixed:")]
    said = [_REASONS["fixed"].format(" and ".join(filter(None, (", ".join(fixed[:-1]), fixed[-1]))))] if fixed else []
    return said + [reason(code) for code in codes if not code.startswith("fixed:")]


def _and(reasons: list[str]) -> str:
    shown = reasons[:3]
    more = len(reasons) - len(shown)
    return ", and ".join(shown) + (f", and {more} more reasons" if more else "")
