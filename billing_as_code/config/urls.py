"""One text for one OpenMeter: a plan is bound to its URL, so two spellings of one must be the same."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def normalised(text: str) -> str:
    """The URL, host in lower case, without default port and trailing slash. ValueError says what is wrong."""
    if not text.isprintable() or " " in text:
        raise ValueError("holds a blank or a character that no URL has")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError("is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; take the token from the environment: token: {from_env: NAME}")
    if parts.query or parts.fragment:
        raise ValueError("has a `?` or `#` part, which an OpenMeter's address has not")
    if not parts.hostname:
        raise ValueError("names no host")
    return f"{parts.scheme}://{_host(parts)}{parts.path.rstrip('/')}"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    try:
        port = parts.port
    except ValueError:
        raise ValueError("has a port that is none") from None
    return host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
