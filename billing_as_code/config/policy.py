"""What an AI agent may do over MCP: every tool that there is, and what an environment lets it do.

The tools are named here and not where they are made, since `bac.yaml` names them: a misspelt `off` must not leave a
tool on. A test holds that the server has exactly these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal["off", "propose", "allow"]
"""off: the tool is neither shown nor run. propose: a call becomes a proposal, which a person must approve. allow: it
acts at once."""
Sort = Literal["read", "act", "change", "apply"]
"""What a tool does: `read` changes nothing; `act` changes something that no catalog holds; `change` changes what a
catalog holds; `apply` carries out what a person approved."""

TOOLS: Mapping[str, Sort] = {
    "apply_changes": "apply",
    "check_access": "read",
    "create_customer": "change",
    "create_entitlement": "change",
    "create_feature": "change",
    "create_stripe_checkout": "act",
    "create_subscription": "change",
    "delete_subject": "change",
    "explain_kind": "read",
    "get_customer": "read",
    "get_resource": "read",
    "ingest_event": "act",
    "list_proposals": "read",
    "list_resources": "read",
    "plan_changes": "read",
    "query_usage": "read",
    "upsert_subjects": "change",
}
RULES: Mapping[Sort, tuple[Rule, ...]] = {
    "read": ("allow", "off"),
    "act": ("allow", "off"),
    "change": ("propose", "allow", "off"),
    "apply": ("allow", "off"),
}
"""What a sort of tool can be set to; the first is what it is where nothing is said."""


@dataclass(frozen=True, slots=True)
class AgentPolicy:
    """What one environment lets agents do. `read_only` is stronger than any rule: then only what reads is left.

    `confirm` says whether the person at the agent's program is asked before what was approved is applied.
    """

    read_only: bool = False
    rules: Mapping[str, Rule] = field(default_factory=dict)
    confirm: bool = True

    def rule(self, tool: str) -> Rule:
        """The rule of a tool; one that is not known is off."""
        sort = TOOLS.get(tool)
        if sort is None or (self.read_only and sort != "read"):
            return "off"
        return self.rules.get(tool, RULES[sort][0])
