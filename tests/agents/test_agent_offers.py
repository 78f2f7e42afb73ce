"""Resources that a person attaches, and prompts that a person picks."""

from __future__ import annotations

import json
import re

import pytest
from agent import ERAS, Agent, Era
from mcp import Client, MCPError
from workspace import Workspace

from billing_as_code.config import TOOLS, AgentPolicy
from billing_as_code.kinds import KINDS


def read(agent: Agent, uri: str) -> str:
    text: str = agent.within(lambda client: client.read_resource(uri)).contents[0].text
    return text


def refused(agent: Agent, uri: str) -> str:
    """What is said of a resource that cannot be read."""

    async def ask(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        return str(caught.value)

    said: str = agent.within(ask)
    return said


def test_the_catalog_is_a_resource(agent: Agent) -> None:
    found = json.loads(read(agent, "bac://catalog"))
    rows = {row["address"]: row["says"] for row in found["resources"]}
    assert len(rows) == 9
    assert "currency: USD" in rows["customers.acme-corp-001"]
    assert found["notes"] == []


def test_a_proposal_is_a_resource_by_its_digest(agent: Agent) -> None:
    digest = agent.fails("create_feature", key="img_gen")["digest"]
    assert "features.img_gen" in read(agent, f"bac://plans/{digest}")


def test_each_section_s_schema_is_a_resource(agent: Agent) -> None:
    for kind in KINDS:
        assert json.loads(read(agent, f"bac://schemas/{kind}"))["type"] == "object"


NONE_OF_OURS = (
    "bac://plans/../../etc/passwd",
    "bac://plans/..%2f..%2fetc%2fpasswd",
    f"bac://plans/{'0' * 64}",
    "bac://schemas/../bac",
    "bac://schemas/passwd",
    "file:///etc/passwd",
)


def test_what_is_no_resource_of_ours_is_not_read(agent: Agent) -> None:
    for uri in NONE_OF_OURS:
        assert "root:" not in refused(agent, uri)


def test_what_is_off_as_a_tool_is_no_resource_either(agent: Agent) -> None:
    agent.policy = AgentPolicy(rules={"list_resources": "off", "list_proposals": "off"})
    for uri in ("bac://catalog", f"bac://plans/{'0' * 64}"):
        assert "nknown resource" in refused(agent, uri)


def test_prompts_name_only_tools_that_there_are(agent: Agent) -> None:
    asked = {
        "propose_price_change": {"change": "double the tokens of all"},
        "onboard_customer": {"key": "globex", "name": "Globex {name}"},
    }
    names = {prompt.name for prompt in agent.within(lambda client: client.list_prompts()).prompts}
    assert names == set(asked)
    for name, arguments in asked.items():
        message = agent.within(lambda client, n=name, a=arguments: client.get_prompt(n, a)).messages[0].content.text
        assert all(value in message for value in arguments.values())
        assert set(re.findall(r"\b[a-z]+_[a-z_]+\b", message)) <= set(TOOLS)


@pytest.mark.parametrize(("name", "given"), [("no_such_prompt", {}), ("onboard_customer", {"key": "globex"})])
@pytest.mark.parametrize("era", ERAS)
def test_a_prompt_that_cannot_be_filled_in_is_the_call_s_fault_and_none_of_the_server_s(
    applied: Workspace, caplog: pytest.LogCaptureFixture, era: Era, name: str, given: dict[str, str]
) -> None:
    async def ask(client: Client) -> MCPError:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, given)
        return caught.value

    error = Agent(applied, era).within(ask).error
    assert (error.code, error.message.split(":")[0]) in (
        (-32602, "Unknown prompt"),
        (-32602, "Missing required arguments"),
    )
    assert caplog.records == []
