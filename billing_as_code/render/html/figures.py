"""What a page shows besides the changes: figures, each with how it was come by, a plot and its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from billing_as_code.render.html.escaping import escaped


class Figure(NamedTuple):
    """One figure. `svg` is markup of our own making, with a `<title>` of its own and no `style` attributes (the page's
    policy drops them), or ""; everything else is text, and is escaped. `about` says method, window and confidence."""

    title: str
    about: str
    svg: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def section(figures: Sequence[Figure], heading: str) -> Iterator[str]:
    """The section of some figures, nothing where there are none."""
    if not figures:
        return
    yield f'<section aria-labelledby="figures"><h2 id="figures">{escaped(heading)}</h2>'
    for figure in figures:
        yield f"<figure><figcaption><strong>{escaped(figure.title)}</strong> {escaped(figure.about)}</figcaption>"
        yield figure.svg
        if figure.rows:
            yield f"<details><summary>{len(figure.rows):,} in numbers</summary>"
            yield from table(figure.head, figure.rows)
            yield "</details>"
        yield "</figure>"
    yield "</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of texts."""
    cells = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    yield '<div class="wide" tabindex="0" role="group" aria-label="Table">'
    yield f"<table><thead><tr>{cells}</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escaped(text)}</td>" for text in row) + "</tr>"
    yield "</tbody></table></div>"
