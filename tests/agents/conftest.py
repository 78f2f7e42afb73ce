"""A project with something of everything, applied, and an agent at its MCP server."""

from __future__ import annotations

from typing import Any

import pytest
from agent import Agent
from flask import Flask
from prepared import prepared
from workspace import Workspace

CATALOG: dict[str, Any] = {
    "meters": {
        "tokens_total": {
            "aggregation": "sum",
            "event_type": "tokens",
            "value_property": "$.tokens",
            "dimensions": {"model": "$.model"},
        }
    },
    "features": {"ai_tokens": {"name": "AI tokens", "meter": "tokens_total"}, "sso": {}, "seats": {}, "spare": {}},
    "customers": {
        "acme-corp-001": {
            "name": "ACME",
            "subjects": ["cust_99"],
            "currency": "USD",
            "billing_address": {"country": "DE", "city": "Kiel"},
            "metadata": {"tier": "gold"},
        }
    },
    "entitlements": {
        "acme-corp-001": {
            "ai_tokens": {
                "type": "metered",
                "usage_period": {"interval": "month", "anchor": "2026-11-01T00:00:00Z"},
                "issue": {"amount": 1000},
                "measure_usage_from": "2026-11-20T00:00:00Z",
            },
            "sso": {"type": "boolean"},
            "seats": {"type": "static", "config": {"max": 25}},
        }
    },
}


@pytest.fixture
def applied(ws: Workspace, openmeter: Flask) -> Workspace:
    """The project as its catalog says."""
    return prepared(ws, openmeter, _applied)


def _applied(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.apply()


@pytest.fixture
def agent(applied: Workspace) -> Agent:
    """An agent there."""
    return Agent(applied)
