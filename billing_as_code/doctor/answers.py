"""What the answers of an OpenMeter tell: whether it is one, whether it knows us, what it serves, what time it has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from billing_as_code.config import Environment
from billing_as_code.doctor.findings import Finding, found
from billing_as_code.doctor.naming import host_of, is_here

LARGEST_DIFFERENCE = 5
"""Seconds that two clocks may be apart: more would move a grant's minute now and then."""
_MISSING = (404, 405, 501)
_PROXY = (502, 503, 504)
_VERSION = re.compile(r"/(v[0-9]+)/")


class Answered(NamedTuple):
    """What one GET met. `status` is 0 where no answer came, and `trouble` then says why: name, refused, tls, connect,
    time or broken. `headers` have lower-case names, `start` is how the body starts, `said` are the network's own words;
    `sent` and `came` are this machine's times, `seconds` how long was waited at most."""

    path: str
    status: int
    headers: Mapping[str, str]
    start: str
    sent: datetime
    came: datetime
    trouble: str = ""
    said: str = ""
    seconds: float = 0.0

    @property
    def is_json(self) -> bool:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

    @property
    def is_marked(self) -> bool:
        """Whether it says itself that it is an OpenMeter; a proxy may take that off."""
        return "openmeter" in self.headers.get("x-powered-by", "").lower()


_TROUBLES = {
    "name": "no_such_host",
    "refused": "refused",
    "tls": "tls_failed",
    "connect": "connect_timeout",
    "time": "answer_timeout",
    "broken": "connection_broke",
}


def connection(first: Answered, environment: Environment) -> tuple[Finding, ...]:
    """Whether an OpenMeter answers at all. Where one finding is a problem, there is nothing else to ask it."""
    url = environment.url
    if first.trouble:
        url = url or "the embedded server"
        code, seconds = _TROUBLES[first.trouble], f"{first.seconds:g}"
        return (found(code, url=url, host=host_of(url), said=first.said, seconds=seconds),)
    if url is None:
        return (found("embedded"),)
    if 300 <= first.status < 400:
        return (found("redirected", url=url, location=_location(first)),)
    if not first.is_json and first.status not in (401, 403):
        if first.status in _PROXY:
            return (found("proxy_error", status=first.status),)
        kind = first.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
        return (found("not_openmeter", url=url, kind=kind, start=repr(first.start[:40])),)
    milliseconds = round((first.came - first.sent).total_seconds() * 1000)
    return (found("reachable", url=url, milliseconds=milliseconds),)


def _location(answer: Answered) -> str:
    """Where a redirect leads, without what a log-in may have put into its query."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "what is no address"
    if not parts.hostname:
        return parts.path or "nowhere"
    return f"{parts.scheme}://{parts.hostname}{port}" + parts.path.partition("/api/")[0]


def clock(first: Answered) -> Finding:
    """How far this machine's clock is from the one that dated the answer, to a second."""
    try:
        theirs = parsedate_to_datetime(first.headers["date"])
        # a Date has no fraction, so it may be up to a second older than the answer
        behind, ahead = (first.sent - theirs).total_seconds() - 1, (theirs - first.came).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return found("clock_unknown")
    apart = max(behind, ahead, 0.0)
    if apart <= LARGEST_DIFFERENCE:
        return found("clock_ok", seconds=max(1, round(apart)))
    return found("clock_off", seconds=f"{round(apart):,}", way="ahead of" if behind > ahead else "behind")


def served(answers: Sequence[Answered], environment: Environment) -> Iterator[Finding]:
    """Who we are there, and which of the lists that bac reads are served."""
    if all(a.status == 401 for a in answers):
        code = "token_missing" if environment.token_env is None else "token_refused"
        yield found(code, environment=environment.name, variable=environment.token_env)
        return
    if paths := [a.path for a in answers if a.status in (401, 403)]:
        yield found("forbidden", paths=", ".join(paths))
    elif environment.url is not None:
        yield _admitted(environment, environment.url)
    if paths := [a.path for a in answers if a.status in _MISSING]:
        yield found("api_missing", paths=", ".join(paths))
    for answer in answers:
        if answer.status not in (401, 403, *_MISSING) and (said := _failure(answer)):
            yield found("api_failed", path=answer.path, said=said)
    fine = [a for a in answers if not _failure(a)]
    if len(fine) == len(answers):
        versions = sorted({match[1] for a in answers if (match := _VERSION.search(a.path))})
        yield found("apis_ok", count=len(fine), versions=", ".join(versions))
        marked = any(a.is_marked for a in answers)
        yield found("version", sign="its answers name it" if marked else "its answers have its form, without its name")


def _admitted(environment: Environment, url: str) -> Finding:
    if environment.token_env is not None:
        return found("token_ok")
    return found("token_none") if is_here(url) else found("open_to_all", host=host_of(url))


def _failure(answer: Answered) -> str:
    """What is wrong with an answer to a list, "" where nothing is."""
    if answer.trouble:
        return f"no answer ({answer.said})"
    if answer.status != 200:
        return str(answer.status)
    return "" if answer.is_json else f"no JSON, it starts with {answer.start[:40]!r}"
