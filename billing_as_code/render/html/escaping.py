"""Text of others in HTML and in JSON within HTML, where it is nothing but text."""

from __future__ import annotations

import html
import json

from billing_as_code.model import Json
from billing_as_code.render.lines import visible

_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def escaped(text: str) -> str:
    """A text as HTML's content or an attribute's value, in ASCII, so that no encoding changes it."""
    return in_ascii(html.escape(visible(text)))


def in_ascii(markup: str) -> str:
    """Markup with every other character as a reference."""
    return markup.encode("ascii", "xmlcharrefreplace").decode("ascii")


def data(value: Json) -> str:
    """JSON that ends no script element, opens no comment, and is ASCII."""
    return json.dumps(value, separators=(",", ":")).translate(_MARKUP)
