"""Answers, and the way that path segments take through the router."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from flask import Response


def json_reply(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text + "\n", status, content_type="application/json")


def problem_reply(body: dict[str, Any], status: int) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text + "\n", status, content_type="application/problem+json")


def no_content(status: int = 204) -> Response:
    """An answer without a body or content type."""
    reply = Response(status=status)
    del reply.headers["Content-Type"]
    return reply


def escaped_path(environ: dict[str, Any]) -> str:
    """The path with each segment decoded, but a slash or percent sign inside a segment kept escaped.

    A WSGI path has lost the difference between `a/b` and `a%2Fb`; servers keep the target as it was sent.
    """
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target:
        segments = [unquote(part) for part in target.split("?")[0].split("/")]
    else:
        segments = _text(environ.get("PATH_INFO", "")).split("/")
    return "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments)


def unescape_segment(segment: str) -> str:
    """The value of a segment of an escaped path."""
    return segment.replace("%2F", "/").replace("%25", "%")


def _text(path: str) -> str:
    """A WSGI path as text; clients in process pass text as it is."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path
