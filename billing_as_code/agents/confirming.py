"""A question to the person at an agent's program, before what was approved is applied: comfort, and no approval.

Who answers is the program, and no one can tell whether a person did; so a yes lets nothing through that the gate would
not let through without it, and only a no counts. Programs that cannot show a question are not asked.

By the protocol of 2026-07-28 the question is the answer to the call, which the program repeats with what the person
said. Before that it is a request to the program while the call waits, for PATIENCE at most and without a thread.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from billing_as_code.agents.failures import Failure

PATIENCE = 300.0
"""Seconds that a call waits for somebody to say something."""
_ROUNDS_SINCE = "2026-07-28"
_KEY = "confirm"


class Confirm(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(strict=True)

    go_on: bool = Field(title="Go on?", description="Yes applies it now. No leaves the approval unused.")


async def confirmed(context: Context[Any, Any] | None, question: str, digest: str) -> InputRequiredResult | None:
    """Ask. None where one may go on, since the person says so or cannot be asked; else the question, as the answer to
    the call. Raises Failure where the person says no, or nothing."""
    if context is None or not _can_be_asked(context):
        return None
    if (context.protocol_version or "") >= _ROUNDS_SINCE:
        return _by_rounds(context, question, digest)
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await context.elicit(question, Confirm)
    except NoBackChannelError:  # HTTP of the older kind, whose answers are JSON
        return None
    except (TimeoutError, MCPError, ValueError) as error:
        raise _not_confirmed(digest) from error
    if isinstance(answer, AcceptedElicitation) and answer.data.go_on:
        return None
    raise _not_confirmed(digest)


def _can_be_asked(context: Context[Any, Any]) -> bool:
    """Whether the program shows forms; one that says no more than that it can elicit does."""
    told = context.client_capabilities
    elicitation = told.elicitation if told is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _by_rounds(context: Context[Any, Any], question: str, digest: str) -> InputRequiredResult | None:
    asked = sha256(question.encode()).hexdigest()
    answer = (context.input_responses or {}).get(_KEY)
    if answer is None or context.request_state != asked:  # not asked yet, or something else was
        form = ElicitRequestFormParams(message=question, requested_schema=Confirm.model_json_schema())
        return InputRequiredResult(input_requests={_KEY: ElicitRequest(params=form)}, request_state=asked)
    if isinstance(answer, ElicitResult) and answer.action == "accept" and _is_yes(answer.content):
        return None
    raise _not_confirmed(digest)


def _is_yes(content: Any) -> bool:
    try:
        return Confirm.model_validate(content).go_on
    except ValidationError:
        return False


def _not_confirmed(digest: str) -> Failure:
    return Failure(
        "not_confirmed",
        "The person at this program was asked, and did not say yes. Nothing was done, and the approval is not used.",
        f"Ask the user. `bac apply --approved {digest[:12]}` in a terminal does it as well.",
        digest=digest,
    )
