"""Proposals and the audit trail as people read them: a list, one proposal with all that it would do, who did what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from billing_as_code.gate.audit import Trail
from billing_as_code.gate.decisions import Signed
from billing_as_code.gate.proposals import Proposal
from billing_as_code.kinds import EVERY, KINDS
from billing_as_code.model import Change, Json, Value, canonical_json
from billing_as_code.plan import Plan, unwritten
from billing_as_code.render import pull, text, values, views
from billing_as_code.render.lines import EMPTY, Line, Span, line, visible

_STYLES = {"approved": "done", "applied": "done", "rejected": "breaking", "partly": "breaking", "open": "commercial"}
_MOST_WHY = 400
_ASIDE = ("at", "what", "who", "environment", "url", "owner", "prev", "digest", "intent", "args", "key")


def time(seconds: int) -> str:
    """To the minute, in UTC."""
    return views.time(datetime.fromtimestamp(seconds, UTC).replace(second=0))


def proposals(found: Sequence[Proposal], environment: str) -> Iterator[Line]:
    """A list of proposals: digest, how it stands, what it changes, who proposed it and until when."""
    if not found:
        yield line(f"No proposals for {visible(environment)}.")
        return
    rows = [
        [
            (p.digest[:12], "address"),
            (_standing(p), _STYLES.get(p.state, "dim")),
            (_size(p.plan), str(p.plan.cls)),
            (views.cut(visible(p.about.by), 24), ""),
            (time(p.about.until), "dim"),
            (views.cut(visible(p.about.why), 48), "dim"),
        ]
        for p in found
    ]
    yield from views.columns(["digest", "state", "changes", "proposed by", "waits until", "proposer says"], rows)


def _standing(proposal: Proposal) -> str:
    decision = proposal.decision.decision if proposal.decision is not None else None
    if proposal.state == "approved" and proposal.needed > 1:
        return f"approved by {_names(proposal)}"
    if decision is not None and proposal.state in ("approved", "rejected"):
        return f"{proposal.state} by {visible(decision.by)}"
    if proposal.state == "open" and proposal.needed > 1:
        return f"open, {progress(proposal)}"
    if proposal.superseded_by:
        return f"part of {proposal.superseded_by[:12]}"
    return proposal.state


def progress(proposal: Proposal) -> str:
    """How many of the people who must approve have: `1 of 2 (ada)`."""
    names = f" ({_names(proposal)})" if proposal.approvals else ""
    return f"{len(proposal.approvals)} of {proposal.needed}{names}"


def _names(proposal: Proposal) -> str:
    return ", ".join(visible(signed.decision.by) for signed in proposal.approvals)


def _size(plan: Plan) -> str:
    return f"{values.number(len(plan.changes))} ({plan.cls})" if plan.changes else "none"


def proposal(found: Proposal, files: Mapping[str, pull.File]) -> Iterator[Line]:
    """All of a proposal: what apply would do, nothing left out, and what it makes of the catalog's files."""
    yield from text.plan(found.plan, whole=True)
    yield from _in_full(found.plan)
    if found.plan.edits:
        yield EMPTY
        yield line(Span("In the catalog's files", "heading"))
        for name, file in files.items():
            yield from pull.diff(name, file)
        alone = unwritten(found.plan, KINDS)
        for address in alone:
            yield line(f"  {visible(address)} is in OpenMeter alone: no file says it, before or after.")
        if not (files or alone):
            yield line("  They say so already.")
    yield EMPTY
    yield line(f"Proposed by {visible(found.about.by)}, {time(found.about.at)}.")
    if found.plan.onto:
        yield line(f"It holds, or repeats, {found.plan.onto[:12]}.")
    if found.about.also_by:
        yield line(f"Part of it was proposed by {', '.join(map(visible, found.about.also_by))}.")
    if found.needed > 1:
        yield line(f"Approvals: {progress(found)}, each of another person.")
    if found.about.why:
        words = visible(" ".join(found.about.why.split()))
        yield line("The proposer says (nobody has checked it): ", Span(views.cut(words, _MOST_WHY), "dim"))
    for why in found.ignored:
        yield line(Span(f"There is a decision that does not count: it {visible(why)}.", "held"))


def _in_full(plan: Plan) -> Iterator[Line]:
    """Long texts and lists, which the plan above shows cut."""
    rows = [
        (f"{change.address} {name}", side, value)
        for change in plan.changes
        for name, before, after in _values(change)
        for side, value in (("before", before), ("after", after))
        if _is_cut(value)
    ]
    if rows:
        yield EMPTY
        yield line(Span("In full, what is cut above", "heading"))
    for name, side, value in rows:
        yield line("  ", Span(visible(name), "address"), f" {side}: ")
        yield line("    ", Span(visible(value if isinstance(value, str) else canonical_json(value)), side))


def _values(change: Change) -> Iterator[tuple[str, Value, Value]]:
    """The fields that a change sets, with their values before and after."""
    kind = EVERY.get(change.address.kind)
    if change.action == "create" and change.after is not None and kind is not None:
        for field, value in zip(kind.fields, change.after.spec, strict=False):
            yield field.name, None, value
    else:
        for changed in change.fields:
            yield changed.path, changed.before, changed.after


def _is_cut(value: Value) -> bool:
    match value:
        case str():
            return len(value) > values.LONGEST or (value[:1] in ("{", "[") and _is_cut(_opaque(value)))
        case Mapping():
            return len(value) > values.MOST_ITEMS or any(map(_is_cut, (*value, *value.values())))
        case list() | tuple():
            return len(value) > values.MOST_ITEMS or any(map(_is_cut, value))
    return False


def _opaque(text: str) -> Json:
    """The JSON that a text may be, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def proposal_json(found: Proposal) -> dict[str, Json]:
    """One proposal for programs; its plan is `bac proposals DIGEST`'s."""
    decision = found.decision
    return {
        "digest": found.digest,
        "intent": found.plan.intent,
        "state": found.state,
        "class": str(found.plan.cls),
        "changes": len(found.plan.changes),
        "edits": [e.address for e in found.plan.edits],
        "onto": found.plan.onto or None,
        "superseded_by": found.superseded_by or None,
        "proposed_by": found.about.by,
        "why": found.about.why,
        "proposed_at": stamp(found.about.at),
        "waits_until": stamp(found.about.until),
        "branch": found.about.branch or None,
        "also_proposed_by": list(found.about.also_by),
        "approvals_needed": found.needed,
        "approvals": [_signed_json(signed) for signed in found.approvals],
        "decision": _signed_json(decision) if decision is not None else None,
    }


def _signed_json(signed: Signed) -> dict[str, Json]:
    decision = signed.decision
    return {
        "verdict": decision.verdict,
        "by": decision.by,
        "key": signed.fingerprint,
        "at": stamp(decision.at),
        "until": stamp(decision.until) if decision.until else None,
        "reason": decision.reason,
    }


def stamp(seconds: int) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- the trail -------------------------------------------------------------------------------------


def trail(found: Trail) -> Iterator[Line]:
    """Who did what: a row for each entry, and whether the chain is whole."""
    rows = [
        [
            (_text(e.get("at")), "dim"),
            (_text(e.get("environment")), ""),
            (_text(e.get("what")), "address"),
            (_text(e.get("digest"))[:12], ""),
            (_text(e.get("approver") or e.get("who")), ""),
            (_facts(e), "dim"),
        ]
        for e in found.entries
    ]
    if rows:
        yield from views.columns(["at", "environment", "what", "digest", "who", ""], rows)
    else:
        yield line("Nothing has been proposed, decided or applied here.")
    yield EMPTY
    yield from chain(found)


def chain(found: Trail) -> Iterator[Line]:
    """Whether the trail is whole, and its head."""
    for number, why in found.broken[:20]:
        yield line(Span(f"Line {values.number(number)} {why}.", "breaking"))
    if found.whole:
        yield line(
            Span(f"The chain is whole: {_entries(len(found.entries))}", "done"),
            f", head {found.head[:16]}.",
        )
    else:
        yield line(Span("The trail was changed after it was written.", "breaking"))


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{values.number(number)} entries"


def trail_json(found: Trail, *, missing: bool, entries: bool = True) -> dict[str, Json]:
    """The trail for programs; `missing` says that it lacks a head that it should have."""
    broken = [{"line": number, "why": why} for number, why in found.broken]
    told = {"whole": found.whole and not missing, "head": found.head, "count": len(found.entries), "broken": broken}
    return told | ({"entries": list(found.entries)} if entries else {})


def _facts(entry: Mapping[str, Json]) -> str:
    told = [f"{key} {_text(value)}" for key, value in entry.items() if key not in (*_ASIDE, "approver") and value]
    return views.cut(", ".join(told).replace("_", " "), 72)


def _text(value: Json) -> str:
    return views.cut(visible(value if isinstance(value, str) else str(value)), 48) if value is not None else ""
