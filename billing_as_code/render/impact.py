"""Whom a plan hits, for people: counts and a distribution as text and as Markdown. Names in the text, never in a
comment.

Every figure comes with how it was found: the window, the method, and how sure it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from textwrap import wrap

from billing_as_code.impact import CONFIDENCE, OUTCOMES, Hit, Impact, Outcome, counts
from billing_as_code.impact.document import impact_json
from billing_as_code.model import Json
from billing_as_code.plan import Target
from billing_as_code.render import values, views
from billing_as_code.render.lines import EMPTY, Line, Span, line, plain, visible
from billing_as_code.render.markup import cell

MOST_NAMES = 20
"""So many customers of a feature are named; JSON and HTML name all."""
MOST_FEATURES = 12
_BAR, _WIDTH = 30, 100
_STYLES: dict[Outcome, str] = {
    "loses_access": "breaking",
    "over": "warning",
    "would_be_over": "warning",
    "within": "safe",
    "unknown": "dim",
}
SAID: dict[Outcome, tuple[str, str]] = {
    "loses_access": ("loses access now", "lose access now"),
    "over": (
        "is over the new limit already, and keeps the access it has",
        "are over the new limit already, and keep the access they have",
    ),
    "would_be_over": ("will be over it at this pace", "will be over it at this pace"),
    "within": ("stays below it", "stay below it"),
    "unknown": ("cannot be told", "cannot be told"),
}
"""An outcome of one customer, and of several."""
SHORT: dict[Outcome, str] = {
    "loses_access": "loses access",
    "over": "over it now",
    "would_be_over": "will be over",
    "within": "stays below",
    "unknown": "not known",
}
_HOW = {
    "gone": "taken away",
    "amount": "amount",
    "reset": "period",
    "type": "type",
    "hard": "hard limit",
    "config": "value",
    "grant_gone": "grant voided",
    "grant": "grant",
    "archived": "feature archived",
    "recounted": "counted otherwise",
}
_WHY = {
    "static": "OpenMeter does not know how much of a value is used",
    "recounted": "what counts as usage becomes something else",
    "too_early": "the period has only begun, and there is none before it",
    "no_value": "OpenMeter gives no value now",
    "past_unread": "the last periods could not be read",
}
METHOD = (
    "Usage is OpenMeter's, of this period so far and of the last three. What is expected by the end of the period: of "
    "what is still to come, this period's pace counts for the share of it that has passed, the average of the last "
    "three periods for the rest."
)
CERTAINTY = (
    "Certain: it holds now. High: every pace that was seen, this period's and each of the last three, leads to the "
    "same. Medium: most do. Low: they differ, or there is little to go by."
)


def how(code: str) -> str:
    """What a move takes, in a word or two."""
    return _HOW.get(code) or visible(code.replace("_", " "))


def why(hit: Hit) -> str:
    """Why something of a hit is not known, "" where everything is."""
    return _WHY.get(hit.why) or visible(hit.why)


def amount(value: Decimal | None) -> str:
    """With separators; a fraction to a hundredth, of less than a hundred. A dash where there is none."""
    if value is None:
        return "-"
    return views.number(value.quantize(Decimal("0.01")) if abs(value) < 100 else value.to_integral_value())


def limits(hit: Hit) -> str:
    """`1,000 → 500`: what may be used in this period, now and then."""
    if hit.limit is None and hit.limit_after is None:
        return "-"
    after = "nothing" if hit.gone else amount(hit.limit_after)
    return f"{amount(hit.limit)} → {after}"


def as_json(impact: Impact, target: Target, supposed: Sequence[str] = ()) -> dict[str, Json]:
    """What `bac impact --json` prints: the impact as a plan file has it, with what it is about and the totals."""
    return {
        "environment": target.environment,
        "set": list(supposed),
        "customers": dict(impact.customers),
        "sampled": impact.sampled,
        "method": f"{METHOD} {CERTAINTY}",
        **impact_json(impact),
    }


# -- text -----------------------------------------------------------------------------------------------------------


def text(impact: Impact, *, blocks: bool = False, most: int = MOST_NAMES) -> Iterator[Line]:
    """The whole of it; `most` customers of each feature are named. `blocks` says that bars may be block characters."""
    if not impact.hits and not impact.unasked:
        yield line(Span("Hits nobody: nothing is taken from any customer.", "done"))
        return
    yield line(Span(f"Whom it hits: {values.counted(impact.touched, 'customer')}", "heading"))
    for outcome, said in summary(impact):
        yield line("  ", Span(said, _STYLES[outcome]))
    if impact.sampled:
        yield line("  ", Span(sampled(impact), "note"))
    for feature in impact.features[:MOST_FEATURES]:
        yield EMPTY
        yield from _feature(feature, impact.of(feature), blocks, most)
    if (more := len(impact.features) - MOST_FEATURES) > 0:
        yield line("  ", Span(f"… and {values.counted(more, 'more feature')} (--json has all)", "dim"))
    yield EMPTY
    for paragraph in (f"As of {views.time(impact.at)}. {METHOD}", CERTAINTY):
        yield from (line(Span(row, "dim")) for row in wrap(paragraph, _WIDTH))


def summary(impact: Impact) -> Iterator[tuple[Outcome, str]]:
    """How many customers each outcome has, the worst first; scaled up, with its margin, where they are a sample."""
    for outcome in OUTCOMES:
        number = impact.customers[outcome]
        if not number:
            continue
        said = f"{values.number(number)} {SAID[outcome][number != 1]}"
        if impact.sampled:
            share = impact.estimated(outcome)
            margin = f"{values.number(share.least)} to {values.number(share.most)}"
            said += f" (of all: about {values.number(share.about)}, {margin})"
        yield outcome, said


def sampled(impact: Impact) -> str:
    """That they are a sample, and how to look at all."""
    whole = values.number(impact.asked + impact.unasked)
    return (
        f"A sample: the usage of {values.number(impact.asked)} customers of {whole} was read, drawn by chance; the "
        "margins hold in 95 of 100 cases. --full reads all"
    )


def _feature(feature: str, hits: Sequence[Hit], blocks: bool, most: int) -> Iterator[Line]:
    found = counts(hits)
    told = " · ".join(f"{values.number(n)} {SHORT[o]}" for o, n in found.outcomes.items() if n)
    yield line(Span(visible(feature), "address"), f"  {told}")
    yield from distribution(hits, blocks=blocks)
    heads = ("customer", "", "used", "expected", "limit", "sure", "takes")
    rows = [
        [
            (views.cut(visible(hit.customer), 40), ""),
            (SHORT[hit.outcome], _STYLES[hit.outcome]),
            (amount(hit.usage), ""),
            (amount(hit.expected), ""),
            (limits(hit), ""),
            (hit.confidence, ""),
            (taken(hit) + aside(hit), "dim"),
        ]
        for hit in hits[:most]
    ]
    yield from views.columns(heads, rows, [False, False, True, True, True, False, False])
    if (more := len(hits) - most) > 0:
        yield line("  ", Span(f"… and {values.counted(more, 'more customer')} (--json has all)", "dim"))


def taken(hit: Hit) -> str:
    """What is taken, in a word or two each."""
    return ", ".join(map(how, hit.how))


def aside(hit: Hit) -> str:
    """What else is to be known of it, in brackets; "" where that is nothing."""
    notes = [why(hit)] if hit.why else []
    if hit.already and hit.outcome != "within":
        notes.append("without the plan too")
    return f" ({'; '.join(notes)})" if notes else ""


def distribution(hits: Sequence[Hit], *, blocks: bool = False) -> Iterator[Line]:
    """A bar for each band of what is expected of the new limit; nothing where nothing is."""
    bands = counts(hits).bands
    peak = max(bands.values(), default=0)
    if not peak:
        return
    yield line("  ", Span("expected by the end of the period, of the new limit", "dim"))
    name_wide, wide = max(map(len, bands)), max(len(values.number(n)) for n in bands.values())
    for name, number in bands.items():
        bar = ("█" if blocks else "#") * (max(1, round(number / peak * _BAR)) if number else 0)
        yield line(f"  {name:<{name_wide}}  {values.number(number):>{wide}}  ", Span(bar, "bar"))


# -- Markdown -------------------------------------------------------------------------------------------------------


def markdown(impact: Impact) -> Iterator[str]:
    """A section of a comment: counts and distributions, no names. Some thousand characters at most."""
    if not impact.hits and not impact.unasked:
        yield from ("#### Whom it hits: nobody", "")
        return
    yield from (f"#### Whom it hits: {values.counted(impact.touched, 'customer')}", "")
    yield from (f"- {said}" for _, said in summary(impact))
    yield ""
    if impact.sampled:
        yield from (f"_{sampled(impact)}._", "")
    yield "| feature | " + " | ".join(SHORT[outcome] for outcome in OUTCOMES) + " | sure |"
    yield "|---" * (len(OUTCOMES) + 2) + "|"
    shown = impact.features[:MOST_FEATURES]
    for feature in shown:
        hits = impact.of(feature)
        numbers = [values.number(n) if n else "" for n in counts(hits).outcomes.values()]
        yield f"| {cell(feature)} | " + " | ".join(numbers) + f" | {certainty(hits)} |"
    if (more := len(impact.features) - len(shown)) > 0:
        yield from ("", f"… and {values.counted(more, 'more feature')}.")
    yield from ("", "<details><summary>How much of the new limit, and how that is known</summary>", "")
    drawn = [(feature, plain(distribution(impact.of(feature)))) for feature in shown]
    if any(rows for _, rows in drawn):
        yield "```text"
        for feature, rows in drawn:
            yield from (visible(feature).replace("`", "'"), *rows) if rows else ()
        yield from ("```", "")
    yield from (f"As of {views.time(impact.at)}. {METHOD} {CERTAINTY}", "", "</details>", "")


def certainty(hits: Sequence[Hit]) -> str:
    """How sure the outcomes of some hits are: `3 certain, 1 low`."""
    found = [(level, sum(hit.confidence == level for hit in hits)) for level in CONFIDENCE]
    return ", ".join(f"{values.number(n)} {level}" for level, n in found if n)
