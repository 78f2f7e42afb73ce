"""Whom a plan hits, for a page: names, and a picture of each feature as SVG. Whatever comes from OpenMeter or the
catalog is escaped; nothing refers to anything outside of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from billing_as_code.impact import OUTCOMES, Hit, Impact, Outcome
from billing_as_code.render import impact as words
from billing_as_code.render import values, views
from billing_as_code.render.html.escaping import escaped

_COLOURS: dict[Outcome, str] = {
    "loses_access": "var(--breaking, #b3141d)",
    "over": "var(--commercial, #7a5200)",
    "would_be_over": "var(--commercial, #7a5200)",
    "within": "var(--safe, #166534)",
    "unknown": "var(--quiet, #57606a)",
}
"""The page's own colours, which differ by day and by night."""
_CLASSES: dict[Outcome, str] = {
    "loses_access": "breaking",
    "over": "commercial",
    "would_be_over": "commercial",
    "within": "safe",
    "unknown": "quiet",
}
_HEADS = ("customer", "outcome", "sure", "used", "the last periods", "expected", "limit", "takes")
_STEP, _LAST = Decimal("0.1"), 20
"""Columns of ten per cent of the new limit each; the last one is of all from 200 % on."""
_WIDE, _HIGH, _LEFT, _TOP, _FOOT = 640, 160, 34, 10, 34
_MOST_NAMED = 10


def section(impact: Impact) -> str:
    """A piece of HTML: the counts, and for each feature a picture and a table of everyone who is hit."""
    return "\n".join(_section(impact))


def _section(impact: Impact) -> Iterator[str]:
    yield '<section aria-labelledby="impact">'
    yield f'<h2 id="impact">Whom it hits: {values.counted(impact.touched, "customer")}</h2>'
    if impact.hits:
        yield "<ul>"
        for outcome, said in words.summary(impact):
            yield f'<li class="{_CLASSES[outcome]}">{escaped(said)}</li>'
        yield "</ul>"
    else:
        yield "<p>Nothing is taken from any customer.</p>"
    if impact.sampled:
        yield f"<p>{escaped(words.sampled(impact))}.</p>"
    for feature in impact.features:
        hits = impact.of(feature)
        yield f"<h3>{escaped(feature)}</h3>"
        if drawn := svg(hits, feature):
            yield f"<figure>{drawn}</figure>"
        yield from _table(hits, feature)
    yield f"<p><small>As of {views.time(impact.at)}. {escaped(words.METHOD)} {escaped(words.CERTAINTY)}</small></p>"
    yield "</section>"


def _table(hits: Sequence[Hit], feature: str) -> Iterator[str]:
    label = escaped(f"Whom it hits by {feature}")
    yield f'<div class="wide" tabindex="0" role="group" aria-label="{label}">'
    yield "<table><thead><tr>" + "".join(f'<th scope="col">{head}</th>' for head in _HEADS) + "</tr></thead><tbody>"
    for hit in hits:
        cells = (
            words.SHORT[hit.outcome],
            hit.confidence,
            words.amount(hit.usage),
            " · ".join(map(words.amount, hit.past)),
            _expected(hit),
            words.limits(hit),
        )
        inner = "".join(f'<td class="figure">{escaped(cell)}</td>' for cell in cells)
        takes = f'<span class="figure">{escaped(words.taken(hit))}</span>{escaped(words.aside(hit))}'
        yield f"<tr><td>{escaped(hit.customer)}</td>{inner}<td>{takes}</td></tr>"
    yield "</tbody></table></div>"


def _expected(hit: Hit) -> str:
    """What is expected, and between what."""
    if hit.expected is None or hit.least == hit.most:
        return words.amount(hit.expected)
    return f"{words.amount(hit.expected)} ({words.amount(hit.least)} to {words.amount(hit.most)})"


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
        f'<svg width="{_WIDE}" viewBox="0 0 {_WIDE} {base + _FOOT}" role="img" aria-label="{escaped(title)}" '
        'font-size="11" font-family="inherit" fill="currentColor" xmlns="http://www.w3.org/2000/svg">'
    )
    yield f"<title>{escaped(title)}</title>"
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
            f'<rect x="{x + 1:.1f}" y="{base - below - high:.1f}" width="{wide - 2:.1f}" '
            f'height="{high:.1f}" fill="{_COLOURS[outcome]}">'
            f"<title>{escaped(f'{values.number(len(some))} {words.SHORT[outcome]}: {names}')}</title></rect>"
        )
        below += high
