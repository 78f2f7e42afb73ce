"""Whom a plan hits, for a page: names, and a picture of each feature as SVG. Whatever comes from OpenMeter or the
catalog is escaped; nothing refers to anything outside of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from billing_as_code.impact import OUTCOMES, Hit, Impact, Outcome
from billing_as_code.render import impact as words
from billing_as_code.render import values, views
from billing_as_code.render.lines import visible

COLOURS: dict[Outcome, str] = {
    "loses_access": "#c0392b",
    "over": "#d68910",
    "would_be_over": "#b7950b",
    "within": "#1e8449",
    "unknown": "#7f8c8d",
}
"""What a page takes where it sets no `--impact-<outcome>` of its own."""
_STEP, _LAST = Decimal("0.1"), 20
"""Columns of ten per cent of the new limit each; the last one is of all from 200 % on."""
_WIDE, _HIGH, _LEFT, _TOP, _FOOT = 640, 160, 34, 10, 34
_MOST_NAMED = 10


def section(impact: Impact) -> str:
    """A piece of HTML: the counts, and for each feature a picture and a table of everyone who is hit."""
    return "\n".join(_section(impact))


def _section(impact: Impact) -> Iterator[str]:
    yield '<section class="impact">'
    yield f"<h2>Whom it hits: {_text(values.counted(impact.touched, 'customer'))}</h2>"
    if impact.hits:
        yield "<ul>"
        for outcome, said in words.summary(impact):
            yield f'<li class="{outcome}">{_text(said)}</li>'
        yield "</ul>"
    else:
        yield "<p>Nothing is taken from any customer.</p>"
    if impact.sampled:
        yield f"<p>{_text(words.sampled(impact))}.</p>"
    for feature in impact.features:
        hits = impact.of(feature)
        yield f"<h3>{_text(feature)}</h3>"
        yield svg(hits, feature)
        yield from _table(hits)
    yield f"<p><small>As of {views.time(impact.at)}. {_text(words.METHOD)} {_text(words.CERTAINTY)}</small></p>"
    yield "</section>"


def _table(hits: Sequence[Hit]) -> Iterator[str]:
    heads = ("customer", "outcome", "used", "last periods", "expected", "least", "most", "limit", "sure", "takes", "")
    yield "<table><thead><tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for hit in hits:
        cells = (
            hit.customer,
            words.SHORT[hit.outcome],
            words.amount(hit.usage),
            ", ".join(map(words.amount, hit.past)),
            words.amount(hit.expected),
            words.amount(hit.least),
            words.amount(hit.most),
            words.limits(hit),
            hit.confidence,
            ", ".join(map(words.how, hit.how)),
            words.why(hit) if hit.why else "",
        )
        yield f'<tr class="{hit.outcome}">' + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>"


def _text(text: str) -> str:
    return escape(visible(text))


# -- the picture ----------------------------------------------------------------------------------------------------


def svg(hits: Sequence[Hit], feature: str) -> str:
    """How many customers are expected to use how much of the new limit: a column for each tenth of it, stacked by
    outcome, with a line where the limit is. "" where nothing is expected of anybody."""
    columns = _columns(hits)
    if not any(columns):
        return ""
    return "\n".join(_drawn(columns, feature))


def _columns(hits: Sequence[Hit]) -> list[list[Hit]]:
    columns: list[list[Hit]] = [[] for _ in range(_LAST + 1)]
    for hit in hits:
        if hit.expected is not None and hit.limit_after is not None:
            share = hit.share
            columns[_LAST if share is None or share >= 2 else int(share / _STEP)].append(hit)
    return columns


def _drawn(columns: Sequence[Sequence[Hit]], feature: str) -> Iterator[str]:
    peak = max(map(len, columns))
    wide = (_WIDE - _LEFT) / len(columns)
    base = _TOP + _HIGH
    title = f"Customers by what they are expected to use of the new limit of {feature}"
    yield (
        f'<svg class="impact-plot" viewBox="0 0 {_WIDE} {base + _FOOT}" role="img" aria-label="{_text(title)}" '
        'font-size="11" font-family="inherit" fill="currentColor" xmlns="http://www.w3.org/2000/svg">'
    )
    yield f"<title>{_text(title)}</title>"
    yield f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{values.number(peak)}</text>'
    yield f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>'
    for n, column in enumerate(columns):
        yield from _stacked(column, _LEFT + n * wide, wide, base, peak)
    for percent in (0, 50, 100, 150, 200):
        x = _LEFT + percent / 10 * wide
        yield f'<text x="{x:.1f}" y="{base + 14}" text-anchor="middle">{percent} %</text>'
    limit = _LEFT + 10 * wide
    yield (
        f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{_TOP - 6}" y2="{base}" stroke="currentColor" '
        'stroke-dasharray="4 3"/>'
    )
    yield f'<line x1="{_LEFT}" x2="{_WIDE}" y1="{base}" y2="{base}" stroke="currentColor"/>'
    yield f'<text x="{_LEFT}" y="{base + 28}">expected by the end of the period, of the new limit</text>'
    yield "</svg>"


def _stacked(column: Sequence[Hit], x: float, wide: float, base: int, peak: int) -> Iterator[str]:
    below = 0.0
    for outcome in OUTCOMES:
        some = [hit for hit in column if hit.outcome == outcome]
        if not some:
            continue
        high = len(some) / peak * _HIGH
        names = ", ".join(hit.customer for hit in some[:_MOST_NAMED])
        names += f", and {values.number(len(some) - _MOST_NAMED)} more" if len(some) > _MOST_NAMED else ""
        yield (
            f'<rect class="{outcome}" x="{x + 1:.1f}" y="{base - below - high:.1f}" width="{wide - 2:.1f}" '
            f'height="{high:.1f}" fill="var(--impact-{outcome.replace("_", "-")}, {COLOURS[outcome]})">'
            f"<title>{_text(f'{values.number(len(some))} {words.SHORT[outcome]}: {names}')}</title></rect>"
        )
        below += high
