"""The page: its policy, its head, what changes for whom, and the data that its script lists.

Everything that it needs is in it. Its policy allows its own style and script, by their digests, and nothing else; the
script makes elements and text alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from urllib.parse import urlencode

from billing_as_code.model import Class
from billing_as_code.plan import Plan
from billing_as_code.render import changes, prose, text, values, whom
from billing_as_code.render.html.escaping import data, escaped, in_ascii
from billing_as_code.render.html.view import changed
from billing_as_code.render.views import cut

_MOST_ROWS, _MOST_WHOM, _MOST_FIELDS, _LONGEST = 100, 8, 6, 80
_MOST_ASIDE = 1_000


def page(plan: Plan, *, title: str = "bac plan", figures: Iterable[str] = ()) -> Iterator[str]:
    """The lines of the file, in ASCII. `title` is what the page is about, before the environment's name.

    `figures` are sections of our own making, each with a heading of the second level: texts in them are escaped, and
    they have no style of their own, which the policy drops.
    """
    style, script = _asset("report.css"), _asset("report.js")
    name = f"{title}: {plan.target.environment}"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
    yield f"<title>{escaped(name)}</title><style>{style}</style></head><body>"
    yield '<a class="skip" href="#changes">Skip to the changes</a>'
    yield from _header(plan, name)
    yield "<main>"
    if plan.changes:
        yield from _whom(plan)
        yield from map(in_ascii, figures)
        yield from _list(plan)
    yield from _aside(plan)
    yield "</main>"
    yield f'<script type="application/json" id="data">{data(changed(plan))}</script>'
    yield f"<script>{script}</script></body></html>"


def _policy(style: str, script: str) -> str:
    sources = f"style-src {_source(style)}; script-src {_source(script)}"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"


def _source(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return "\n" + files(__package__).joinpath(name).read_text(encoding="ascii")


# -- what is there without a script --------------------------------------------------------------------------------


def _header(plan: Plan, name: str) -> Iterator[str]:
    yield f"<header><h1>{escaped(name)}</h1>"
    yield f"<p>{escaped(text.where(plan.target))}</p>"
    if plan.scope:
        yield f"<p>Only {escaped(', '.join(plan.scope))}, and what it depends on. Nothing is pruned.</p>"
    for sentence in text.parted(plan):
        yield f"<p>{escaped(sentence)}</p>"
    if plan.changes:
        yield f'<p class="{plan.cls}"><strong>{escaped(text.counts(plan))}</strong></p>'
    else:
        resources = escaped(text.compared(plan))
        yield f"<p><strong>Nothing to do</strong>: it is as the catalog says ({resources}).</p>"
    yield f"<p>Digest <code>{plan.digest[:12]}</code>, intent <code>{plan.intent[:12]}</code>.</p></header>"


def _whom(plan: Plan) -> Iterator[str]:
    rows = whom.rows(plan.changes)
    yield '<section aria-labelledby="whom"><h2 id="whom">What changes for whom</h2>'
    yield '<div class="wide" tabindex="0" role="group" aria-label="What changes for whom"><table><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("class", "what", "how", "for whom"))
    yield "</tr></thead><tbody>"
    for row in rows[:_MOST_ROWS]:
        told = [_moved(moved) for moved in row.moved[:_MOST_FIELDS]] + [_code(made) for made in row.made]
        how = ": ".join(filter(None, (whom.DONE[row.action], "; ".join(told))))
        more = len(row.moved) - _MOST_FIELDS
        how += f"; and {values.counted(more, 'more field')}" if more > 0 else ""
        yield f'<tr><td><span class="{row.cls}">{row.cls}</span></td><td>{_what(row)}</td>'
        yield f"<td>{how}</td><td>{_names(row)}</td></tr>"
    yield "</tbody></table></div>"
    rest = rows[_MOST_ROWS:]
    if rest:
        breaking = sum(r.number for r in rest if r.cls is Class.BREAKING)
        number = values.counted(sum(r.number for r in rest), "more change")
        yield f"<p>And {number}, {values.number(breaking)} of them breaking: see the list.</p>"
    yield "</section>"


def _what(row: whom.Row) -> str:
    """What a row is about, as a link to its changes in the list."""
    words, name = whom.subject(row)
    wanted = {"class": str(row.cls), "action": row.action, "kind": row.kind, "q": row.what}
    link = urlencode({k: v for k, v in wanted.items() if v})
    return f'<a href="#{escaped(link)}">{escaped(f"{words} {cut(name, _LONGEST)}".strip())}</a>'


def _moved(moved: whom.Moved) -> str:
    share = f" ({escaped(moved.share)})" if moved.share else ""
    return f"{_code(moved.path)} {_code(moved.before)} &#8594; {_code(moved.after)}{share}"


def _code(text: str) -> str:
    return text if text == whom.VARIOUS else f"<code>{escaped(cut(text, _LONGEST))}</code>"


def _names(row: whom.Row) -> str:
    before, names, after = whom.named(row, _MOST_WHOM)
    return escaped(before + ", ".join(cut(name, _LONGEST) for name in names) + after)


def _aside(plan: Plan) -> Iterator[str]:
    if plan.held:
        yield f'<section aria-labelledby="held"><h2 id="held">Held ({values.number(len(plan.held))})</h2>'
        yield "<p>Cosmetic, and OpenMeter cannot change it in place: it waits for the resource&#39;s next replace, or"
        yield "for <code>--replace ADDRESS</code>.</p>"
        rows = [
            (str(held.address), f.path, *values.change(held.address.kind, f.path, f.before, f.after))
            for held in plan.held[:_MOST_ASIDE]
            for f in held.fields
        ]
        yield from _table(("address", "field", "before", "after"), rows)
        yield _more(len(plan.held))
        yield "</section>"
    if plan.skipped:
        yield f'<section aria-labelledby="skipped"><h2 id="skipped">Not made ({values.number(len(plan.skipped))})</h2>'
        yield from _table(("address", "why"), [(a, prose.skipped(code)) for a, code in plan.skipped[:_MOST_ASIDE]])
        yield _more(len(plan.skipped))
        yield "</section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    yield '<div class="wide" tabindex="0" role="group" aria-label="Table">'
    yield f"<table><thead><tr>{cells}</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escaped(text)}</td>" for text in row) + "</tr>"
    yield "</tbody></table></div>"


def _more(number: int) -> str:
    return f"<p>And {values.number(number - _MOST_ASIDE)} more.</p>" if number > _MOST_ASIDE else ""


# -- what the script fills -----------------------------------------------------------------------------------------


def _list(plan: Plan) -> Iterator[str]:
    """The form that filters, and the place of the list."""
    kinds = sorted({c.address.kind for c in plan.changes}, key=text.rank)
    yield '<section id="changes" aria-labelledby="list-of" tabindex="-1"><h2 id="list-of">Changes</h2>'
    yield "<noscript><p>The list of changes needs JavaScript. <code>bac plan</code> prints the same.</p></noscript>"
    yield '<form id="filters" role="search" hidden>'
    yield '<div class="search"><label for="q">Search</label><input id="q" name="q" type="search" autocomplete="off"'
    yield 'spellcheck="false" aria-describedby="keys"><button type="reset">Clear</button></div>'
    yield from _choices("class", [(str(c), sum(d.cls is c for d in plan.changes)) for c in reversed(Class)])
    yield from _choices("action", [(a, plan.count(a)) for a in changes.SYMBOLS])
    yield from _choices("kind", [(k, sum(c.address.kind == k for c in plan.changes)) for k in kinds])
    yield "<fieldset><legend>Grouped by</legend>"
    yield '<label><input type="radio" name="by" value="kind" checked> class and kind</label>'
    yield '<label><input type="radio" name="by" value="whom"> whom it is for</label></fieldset>'
    yield '<p id="keys">In the list: <kbd>&#8593;</kbd> <kbd>&#8595;</kbd> go from change to change, <kbd>Enter</kbd>'
    yield "opens and closes, <kbd>/</kbd> goes back to the search.</p></form>"
    yield '<p id="status" role="status"></p><div id="list"></div></section>'


def _choices(name: str, options: Iterable[tuple[str, int]]) -> Iterator[str]:
    some = [(option, number) for option, number in options if number]
    yield f"<fieldset><legend>{name.capitalize()}</legend>"
    for option, number in some:
        yield f'<label><input type="checkbox" name="{name}" value="{escaped(option)}"> {escaped(option)}'
        yield f'<span class="number">{values.number(number)}</span></label>'
    yield "</fieldset>"
