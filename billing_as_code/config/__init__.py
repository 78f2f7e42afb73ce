"""The configuration: `bac.yaml`, and which of its environments a command is for."""

from billing_as_code.config.policy import RULES, TOOLS, AgentPolicy, Rule
from billing_as_code.config.reading import load
from billing_as_code.config.settings import FILE, STATE, Config, Environment, Limits, select

__all__ = [
    "FILE",
    "RULES",
    "STATE",
    "TOOLS",
    "AgentPolicy",
    "Config",
    "Environment",
    "Limits",
    "Rule",
    "load",
    "select",
]
