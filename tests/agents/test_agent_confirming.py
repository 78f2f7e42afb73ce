"""The question to the person at an agent's program: a no stops what was approved, and a yes approves nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from agent import ERAS, Agent, Era, unchanged
from mcp import Client
from mcp.types import ElicitResult
from reviewing import Approver
from workspace import Workspace

from billing_as_code import service
from billing_as_code.agents import confirming
from billing_as_code.config import AgentPolicy, load

YES = ElicitResult(action="accept", content={"go_on": True})
NO = (
    ElicitResult(action="decline"),
    ElicitResult(action="cancel"),
    ElicitResult(action="accept", content={"go_on": False}),
    ElicitResult(action="accept", content={}),
    ElicitResult(action="accept", content={"go_on": "yes"}),
    ElicitResult(action="accept", content={"approve": True}),
)
Answer = Callable[[str], Awaitable[ElicitResult]]


def proposed(agent: Agent) -> str:
    digest: str = agent.fails("create_feature", key="img_gen")["digest"]
    return digest


class Person:
    """Somebody at a program that shows questions. `asked` is what was."""

    def __init__(self, agent: Agent, answer: ElicitResult) -> None:
        self._agent, self._answer = agent, answer
        self.asked: list[str] = []

    def apply(self, digest: str) -> dict[str, Any]:
        """The answer to apply_changes, called by that program."""

        async def ask() -> Any:
            async with Client(self._agent.server, mode=self._agent.era, elicitation_callback=self._said) as client:
                return await client.call_tool("apply_changes", {"digest": digest})

        facts: dict[str, Any] = anyio.run(ask).structured_content
        assert self._agent.faults == []
        return facts

    async def _said(self, context: Any, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        assert json.dumps(params.requested_schema["properties"]["go_on"]["type"]) == '"boolean"'
        return self._answer


def state(agent: Agent, digest: str) -> str:
    with agent.ws.session() as session:
        return service.proposal(session, digest).state


@pytest.mark.parametrize("era", ERAS)
def test_the_person_is_asked_once_and_a_yes_goes_on(applied: Workspace, ada: Approver, era: Era) -> None:
    agent = Agent(applied, era)
    digest = proposed(agent)
    ada.approve(applied, digest)
    person = Person(agent, YES)
    assert person.apply(digest)["done"] == ["features.img_gen"]
    assert person.asked == [f"Apply {digest[:12]} to local now? 1 change, none of them breaking. ada approved it."]
    assert person.apply(digest)["code"] == "already_applied"
    assert len(person.asked) == 1


@pytest.mark.parametrize("era", ERAS)
def test_anything_but_a_yes_does_nothing_and_leaves_the_approval_unused(
    applied: Workspace, ada: Approver, era: Era
) -> None:
    agent = Agent(applied, era)
    digest = proposed(agent)
    ada.approve(applied, digest)
    with unchanged(applied):
        for answer in NO:
            assert (answer, Person(agent, answer).apply(digest)["code"]) == (answer, "not_confirmed")
    assert state(agent, digest) == "approved"
    assert agent.call("apply_changes", digest=digest)["status"] == "applied"


@pytest.mark.parametrize("era", ERAS)
def test_a_yes_approves_nothing(applied: Workspace, ada: Approver, era: Era) -> None:
    agent = Agent(applied, era)
    digest = proposed(agent)
    person = Person(agent, YES)
    with unchanged(applied):
        assert person.apply(digest)["code"] == "approval_required"
        ada.reject(applied, digest)
        assert person.apply(digest)["code"] == "approval_rejected"
        assert person.apply("0" * 64)["code"] == "plan_unknown"
    assert person.asked == []


def test_an_answer_that_nobody_was_asked_for_lets_nothing_through(applied: Workspace, ada: Approver) -> None:
    agent = Agent(applied)
    digest = proposed(agent)

    async def forge(client: Client) -> Any:
        return await client.session.call_tool("apply_changes", {"digest": digest}, input_responses={"confirm": YES})

    with unchanged(applied):
        assert agent.within(forge).structured_content["code"] == "approval_required"


def test_a_program_that_never_answers_hangs_nobody(
    applied: Workspace, ada: Approver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "PATIENCE", 0.5)
    agent = Agent(applied, "legacy")
    digest = proposed(agent)
    ada.approve(applied, digest)
    told: list[dict[str, Any]] = []

    async def never(context: Any, params: Any) -> ElicitResult:
        await anyio.sleep(60)
        return YES

    async def talk() -> None:
        async with Client(agent.server, mode="legacy", elicitation_callback=never) as silent:

            async def apply() -> None:
                told.append((await silent.call_tool("apply_changes", {"digest": digest})).structured_content)

            async with anyio.create_task_group() as group:
                for _ in range(50):  # as many as there are worker threads, and more
                    group.start_soon(apply)
                with anyio.fail_after(30):
                    async with Client(agent.server, mode="legacy") as other:
                        found = (await other.call_tool("list_proposals", {})).structured_content
                        assert found["proposals"][0]["state"] == "approved"
                        assert told == []

    with unchanged(applied):
        anyio.run(talk)
    assert [one["code"] for one in told] == ["not_confirmed"] * 50


def test_where_bac_yaml_says_so_nobody_is_asked(applied: Workspace, ada: Approver) -> None:
    agent = Agent(applied, policy=AgentPolicy(confirm=False))
    digest = proposed(agent)
    ada.approve(applied, digest)
    person = Person(agent, NO[0])
    assert person.apply(digest)["status"] == "applied"
    assert person.asked == []
    applied.configure(environments={"local": {"agents": {"confirm": False}}, "other": {}})
    environments = load(applied.root).environments
    assert [environments[name].agents.confirm for name in ("local", "other")] == [False, True]
