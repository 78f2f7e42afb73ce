"""Who may call over HTTP: bearer tokens, of which a file holds the hashes.

A token is 256 random bits, shown once when it is made. The file says of each whom it was made for, what it may do (its
scopes), for which server it was made (its audience, the server's URL), and until when. It is read at every request, so
that taking a line out ends what it let in.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mcp.server.auth.provider import AccessToken

from billing_as_code.agents.tools import SCOPES
from billing_as_code.errors import UsageError

PREFIX = "bac_"


def issue(
    path: Path, name: str, scopes: Sequence[str], audience: str, lifetime: timedelta, now: datetime | None = None
) -> str:
    """Make a token and add it to the file; the token itself stands nowhere but in the answer. Raises UsageError."""
    token = PREFIX + secrets.token_urlsafe(32)
    expires = ((now or datetime.now(UTC)) + lifetime).replace(microsecond=0)
    entry = {
        "name": name,
        "sha256": _hash(token),
        "scopes": sorted({SCOPES["read"], *scopes}),
        "audience": audience,
        "expires": expires.isoformat().replace("+00:00", "Z"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            entries = [*_entries(path, file.read()), entry]
            file.seek(0)
            file.write(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
            file.truncate()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return token


def outside(path: Path, root: Path) -> Path:
    """The path, if it is outside of the project: what lies inside an agent may be able to write. Raises UsageError."""
    real = path.resolve()
    if real.is_relative_to(root.resolve()):
        raise UsageError(f"{path} is inside of the project, where an agent could add a token (a path outside of it)")
    return real


def load(path: Path) -> list[dict[str, Any]]:
    """What the file says of each token. Raises UsageError."""
    try:
        return _entries(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path}: {why}. `bac mcp --issue NAME` makes one") from error


def _entries(path: Path, text: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        entries = json.loads(text)
        if not isinstance(entries, list):
            raise TypeError
        for entry in entries:
            datetime.fromisoformat(entry["expires"])
            if not all(isinstance(entry[name], str) for name in ("name", "sha256", "audience")):
                raise TypeError
            if not set(entry["scopes"]) <= set(SCOPES.values()):
                raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is no file of tokens (`bac mcp --issue NAME` makes one)") from error
    found: list[dict[str, Any]] = entries
    return found


class Verifier:
    """Says whose token a token is. `report` is told of a file that cannot be read: then none is valid."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._path, self._report = path, report

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the token may do, None where it is not known. Expiry and audience are checked by who asks."""
        try:
            entries = load(self._path)
        except UsageError as error:
            self._report(f"no token is accepted: {error}")
            return None
        known = _hash(token)
        return next((_access(token, entry) for entry in entries if entry["sha256"] == known), None)


def _access(token: str, entry: Mapping[str, Any]) -> AccessToken:
    return AccessToken(
        token=token,
        client_id=entry["name"],
        subject=entry["name"],
        scopes=list(entry["scopes"]),
        resource=entry["audience"],
        expires_at=int(datetime.fromisoformat(entry["expires"]).timestamp()),
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
