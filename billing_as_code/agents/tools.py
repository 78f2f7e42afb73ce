"""What stands around every tool call: policy, scopes, arguments, failures, and the size of the answer."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from billing_as_code.agents import failures
from billing_as_code.agents.confirming import confirmed
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.text import LARGEST
from billing_as_code.config import TOOLS, AgentPolicy, Rule
from billing_as_code.errors import BacError
from billing_as_code.service import Outcome, Session

SCOPES = {"read": "bac:read", "propose": "bac:propose", "allow": "bac:apply"}
"""What a bearer token must carry: to read, to propose, and to do what acts at once."""


@dataclass(frozen=True)
class Desk:
    """What tools work on: one environment, open, and what its policy says. Fixed for as long as the server runs.

    `report` is told of our own faults, with their traces. `secret` is the token that OpenMeter is spoken to with: it
    stands in no answer, whatever OpenMeter says.
    """

    opened: Session
    policy: AgentPolicy
    report: Callable[[str], None]
    secret: str | None = None

    def session(self) -> Session:
        """The session of one call: the connection is shared, what a call learns is not. The trail names the token's
        client, or whose process this is."""
        token = get_access_token()
        who = f"agent {token.client_id}" if token is not None else f"agent of {self.opened.who}"
        return replace(self.opened, catalog=None, outcome=Outcome(), who=who)

    @property
    def environment(self) -> str:
        return self.opened.environment.name


class Answer(BaseModel):
    """What every tool answers with, besides its own facts."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field(description="The environment of bac.yaml that this is about.")
    notes: list[str] = Field(
        default_factory=list,
        description="What to know of this answer: what was cut and how to go on, what could not be read.",
    )


class Question(NamedTuple):
    """What a person is asked before a call is run, and the digest that it is about."""

    text: str
    digest: str


Asks = Callable[[Mapping[str, Any]], Question | None]
"""What to ask before a call with these arguments is run, None where nothing is to be asked."""


class CheckedTool(Tool):
    """A tool that takes the arguments of its schema and no others, and whose every failure is an answer."""

    scope: str
    report: Callable[[str], None] = Field(exclude=True)
    secret: str | None = Field(exclude=True, repr=False)
    asks: Asks | None = Field(exclude=True)

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:
        """Run it. Never raises: what goes wrong is in the answer. On a worker thread, which a client that hangs up
        does not end."""
        result = await self._run(arguments, context)
        return _without(self.secret, result) if isinstance(result, CallToolResult) else result

    async def _run(self, arguments: dict[str, Any], context: Any) -> CallToolResult | InputRequiredResult:
        try:
            refuse_without(self.scope)
            validated = self._validated(arguments)
            question = await asyncio.to_thread(self.asks, validated) if self.asks is not None else None
            if question is not None and (asked := await confirmed(context, *question)) is not None:
                return asked
            return _result(self.name, await self.fn_metadata.call_fn(self.fn, False, validated))
        except Failure as failure:
            return failure.result()
        except BacError as error:
            return failures.of(error).result()
        except Exception:
            self.report(hidden(self.secret, traceback.format_exc()))
            return failures.internal(self.name).result()

    def _validated(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises Failure."""
        try:
            return self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            raise failures.arguments(self.name, error, self.parameters.get("properties", {})) from error
        except RecursionError as error:
            raise Failure("invalid_arguments", "The arguments are nested too deep.", "Send flatter ones.") from error


def checked(
    function: Callable[..., Answer], desk: Desk, *, title: str, annotations: ToolAnnotations, asks: Asks | None = None
) -> CheckedTool:
    """The tool of a function: named and described by it, its arguments and its answer typed by it."""
    made = Tool.from_function(function, title=title, annotations=annotations)
    base = made.fn_metadata.arg_model
    config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    strict: Any = type(base.__name__, (base,), {"model_config": config, "__module__": base.__module__})
    made.fn_metadata.arg_model = strict
    made.fn_metadata.output_schema = failures.or_failure(made.fn_metadata.output_schema or {})
    fields = {name: getattr(made, name) for name in type(made).model_fields} | {
        "description": _paragraphs(made.description),
        "parameters": strict.model_json_schema(by_alias=True),
        "scope": scope(made.name, desk.policy),
        "report": desk.report,
        "secret": desk.secret,
        "asks": asks if desk.policy.confirm else None,
    }
    return CheckedTool(**fields)


def scope(tool: str, policy: AgentPolicy) -> str:
    """The scope that a token must carry to call a tool."""
    rule: Rule = policy.rule(tool)
    return SCOPES["read"] if TOOLS.get(tool) == "read" else SCOPES.get(rule, SCOPES["allow"])


def refuse_without(scope: str) -> None:
    """Raises Failure where the caller's token does not carry a scope. Over HTTP every call has a token; on stdio there
    is none, and whoever started the server may use it."""
    token = get_access_token()
    if token is not None and scope not in token.scopes:
        raise Failure(
            "missing_scope",
            f"The token of this client does not carry {scope}.",
            "Tell the operator, who can issue another token. No tool can.",
        )


def _result(tool: str, answer: BaseModel) -> CallToolResult:
    """The same facts as structured content and as text, since hosts show a model one or the other."""
    facts = answer.model_dump(mode="json")
    text = json.dumps(facts, ensure_ascii=False)
    if len(text.encode(errors="replace")) > LARGEST:
        raise Failure(
            "answer_too_large",
            f"The answer of {tool} would be larger than {LARGEST:,} bytes.",
            "Ask for less: a smaller limit, a narrower filter, or one part.",
        )
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=facts)


def hidden(secret: str | None, text: str) -> str:
    """The text without the secret."""
    return text.replace(secret, "(hidden)") if secret else text


def _without(secret: str | None, result: CallToolResult) -> CallToolResult:
    """An answer that does not hold the secret, as it is or within JSON."""
    text = json.dumps(result.structured_content, ensure_ascii=False)
    shown = hidden(secret, text)
    if shown == text:
        return result
    return CallToolResult(
        is_error=result.is_error,
        content=[TextContent(type="text", text=shown)],
        structured_content=json.loads(shown),
    )


def _paragraphs(docstring: str) -> str:
    """A docstring as prose: paragraphs without the line breaks and the indent of the source."""
    parts = docstring.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in part.split("\n")) for part in parts)
