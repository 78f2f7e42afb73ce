"""What became of usage events, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from billing_as_code.ingest.events import Refusal, Tally
from billing_as_code.model import Json
from billing_as_code.render.lines import Line, Span, line, visible
from billing_as_code.render.values import counted, number


def refusal(file: str, refusal: Refusal) -> str:
    """A line that is not sent: `usage.ndjson:3: what is wrong (what would be right)`."""
    place = f"{visible(file)}:{refusal.line}: " if refusal.line else ""
    return f"error: {place}{visible(str(refusal))}"


def current(tally: Tally) -> str:
    """What a progress line on a terminal says."""
    return f"Sending: line {number(tally.line)}, {number(tally.accepted)} accepted"


def outcome(tally: Tally, file: str, *, dry_run: bool, stopped: bool = False) -> Iterator[Line]:
    """How it ended, after what OpenMeter takes and will not count."""
    for warned in tally.warnings:
        yield line(Span("! ", "commercial"), visible(f"{counted(warned.events, 'event')}: {warned}"))
    if dry_run and tally.first is not None:
        yield line(Span("First: ", "dim"), visible(tally.first.decode()))
    if not tally.line and not tally.accepted and not tally.refused:
        yield line(f"There are no events in {visible(file)}.")
        return
    done = "Would send" if dry_run else "Accepted"
    parts = [f"{done} {counted(tally.accepted, 'event')} in {counted(tally.requests, 'request')}"]
    parts += [f"{number(tally.refused)} refused"] * bool(tally.refused)
    parts += [f"{number(tally.already)} already sent before"] * bool(tally.already)
    parts += [f"{number(tally.repeated)} repeated in {file}"] * bool(tally.repeated)
    yield line(Span(" · ".join(parts) + ".", "breaking" if tally.refused or stopped else "done"))
    if tally.already and not tally.accepted and not dry_run:
        yield line(Span("--again sends what was sent before once more.", "dim"))
    if tally.halved:
        yield line(Span("OpenMeter asked to slow down, so fewer requests ran at a time.", "dim"))


def outcome_json(tally: Tally, refusals: Sequence[Refusal], file: str, **more: Json) -> dict[str, Json]:
    """The same for programs. `refusals` are the first of them; `refused` counts all."""
    return {
        "file": file,
        **{n: getattr(tally, n) for n in ("accepted", "refused", "already", "repeated", "requests")},
        **more,
        "problems": [{"line": r.line, "message": r.message, "remedy": r.remedy} for r in refusals],
        "warnings": [{"message": w.message, "remedy": w.remedy, "events": w.events} for w in tally.warnings],
    }
