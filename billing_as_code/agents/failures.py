"""A failure as an answer: a code that a program can tell apart, what is wrong, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError

from billing_as_code.agents.text import lines, message, seen
from billing_as_code.errors import (
    EDITS,
    ApiError,
    BacError,
    CatalogError,
    GateRefused,
    PartlyApplied,
    PlanError,
    Refused,
    RunUnderway,
    RunUnfinished,
    StalePlan,
    Unreachable,
    UsageError,
)
from billing_as_code.model import Json

_MOST_PROBLEMS = 20


class Failure(Exception):
    """What a tool answers instead of its result. `more` are further facts for a program, fit to be answered."""

    def __init__(self, code: str, text: str, following: str, **more: Json) -> None:
        super().__init__(text)
        self.code, self.text, self.following, self.more = code, text, following, more

    def result(self) -> CallToolResult:
        """The answer: the same facts as text and as structured content."""
        facts = {"code": self.code, "message": message(self.text), "next": self.following, **self.more}
        text = json.dumps(facts, ensure_ascii=False)
        return CallToolResult(is_error=True, content=[TextContent(type="text", text=text)], structured_content=facts)


SCHEMA: dict[str, Json] = {
    "title": "Failure",
    "description": "What it answers, as an error, where it was not done.",
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Which failure it is."},
        "message": {"type": "string", "description": "What is wrong."},
        "next": {"type": "string", "description": "What to do about it."},
    },
    "required": ["code", "message", "next"],
}


def or_failure(answer: Mapping[str, Json]) -> dict[str, Json]:
    """The output schema of a tool that answers with this one, or with a failure.

    Clients hold an error's structured content against the schema as well, and show nothing of it where it does not fit.
    """
    named = {"$defs": answer["$defs"]} if "$defs" in answer else {}
    own = {name: value for name, value in answer.items() if name != "$defs"}
    return {"type": "object", "anyOf": [own, SCHEMA], **named}


class _Told(NamedTuple):
    code: str
    following: str


_BY_CLASS: tuple[tuple[type[BacError], _Told], ...] = (
    (
        Unreachable,
        _Told("openmeter_unreachable", "Nothing to correct in the call. Try again later, or tell the operator."),
    ),
    (
        CatalogError,
        _Told("catalog_invalid", "The catalog's files must be corrected first: `bac validate` tells where."),
    ),
    (StalePlan, _Told("drifted", "OpenMeter has changed since. Plan again, and have the new plan approved.")),
    (RunUnderway, _Told("apply_running", "Wait until it has ended; list_proposals tells how. Then plan again.")),
    (RunUnfinished, _Told("run_unfinished", "A person must run `bac apply --resume` or `bac apply --abandon` first.")),
    (Refused, _Told("refused", "Tell the user what refuses it. No tool can lift it.")),
    (PlanError, _Told("plan_impossible", "Change what is asked for as the message says, or tell the user.")),
    (PartlyApplied, _Told("partly_applied", "Tell the user which changes were made. Plan again for the rest.")),
    (UsageError, _Told("invalid_request", "Correct the call as the message says.")),
)
_BY_STATUS: dict[int, _Told] = {
    401: _Told("openmeter_refused_access", "The server's own token is missing or wrong. Tell the operator."),
    403: _Told("openmeter_refused_access", "The server's own token may not do this. Tell the operator."),
    404: _Told("not_found", "Check the key or address. list_resources shows what there is."),
    429: _Told("openmeter_busy", "Try again in a minute."),
}
_REFUSED = _Told("openmeter_refused", "The message is OpenMeter's own. Correct the call, or tell the user.")
_BROKEN = _Told("openmeter_failed", "OpenMeter could not do it. Try again later, or tell the operator.")


def of(error: BacError) -> Failure:
    """The answer for an expected failure of the service."""
    if isinstance(error, GateRefused):
        return Failure(error.code, error.message, error.next, digest=error.digest or None)
    told = _told(error)
    if isinstance(error, CatalogError):
        problems = lines((str(problem) for problem in error.problems), _MOST_PROBLEMS)
        asked = all(problem.file == EDITS for problem in error.problems)
        following = "Correct what was asked for, as the problems say." if asked else told.following
        what = "What was asked for" if asked else "The catalog"
        return Failure(told.code, f"{what} is wrong in {len(error.problems)} places.", following, problems=problems)
    return Failure(told.code, "\n".join(lines(str(error).split("\n"), _MOST_PROBLEMS)), told.following)


def _told(error: BacError) -> _Told:
    for cls, told in _BY_CLASS:
        if isinstance(error, cls):
            return told
    if isinstance(error, ApiError):
        return _BY_STATUS.get(error.status, _BROKEN if error.ambiguous else _REFUSED)
    return _Told("failed", "Tell the user what the message says.")


def arguments(tool: str, error: ValidationError, known: Iterable[str]) -> Failure:
    """The answer for arguments that a tool does not take: each, and why; never their values, which may be anything."""
    names = ", ".join(known) or "none"
    problems = []
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_PROBLEMS]:
        where = ".".join(seen(str(part))[:80] for part in one["loc"])
        extra = one["type"] == "extra_forbidden"
        problems.append(f"{where}: {'no such argument' if extra else seen(one['msg'])}")
    return Failure(
        "invalid_arguments",
        f"{tool} was not run: " + "; ".join(problems),
        f"Call it again with arguments that fit its schema. It takes: {names}.",
    )


def internal(tool: str) -> Failure:
    """The answer for a fault of ours; what it was stands in the server's log."""
    return Failure("internal_error", f"{tool} failed by a fault of bac. Its log says more.", "Tell the operator.")
