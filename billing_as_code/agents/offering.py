"""What a person can attach or pick in an agent's program: the catalog, a proposal and the schemas as resources, and
prompts for what is done often."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from billing_as_code import service
from billing_as_code.agents.text import Cleaner, message, page
from billing_as_code.agents.tools import Desk
from billing_as_code.errors import BacError
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.schema import resource_schema
from billing_as_code.render import changes, markdown

T = TypeVar("T")

PRICE = """\
I want to change what customers get or pay: {change}

1. Look at what there is: list_resources and get_resource, and get_customer for whom it concerns.
2. Read explain_kind of each section that you edit.
3. Propose it with plan_changes and edits, each a whole resource, with my reason as `why`.
4. Tell me in plain words: what changes for whom, the breaking changes first, what is lost, and the digest.

Do not apply anything. I review it with `bac approve`, and then ask you to."""
ONBOARD = """\
Onboard a customer in one review. Its key is {key}, its name {name}. What it gets: {package}

1. get_customer: is it there already?
2. create_customer, with its subjects if I named any. It answers a proposal's digest.
3. create_entitlement for each feature, with that digest as `onto`; each answers a new digest for the next.
4. create_subscription, if I named a pricing plan, with the last digest as `onto`.
5. Tell me what the last proposal holds, and its digest.

Do not apply anything. I review it with `bac approve`, and then ask you to."""


def offer(server: MCPServer[Any], desk: Desk) -> None:
    """Add resources and prompts to a server; resources only where the tool that tells the same is not off."""

    if desk.policy.rule("list_resources") != "off":

        @server.resource("bac://catalog", title="The catalog", mime_type="application/json")
        def catalog() -> str:
            """What the catalog declares in this environment: each address, where it stands, and what it says."""
            return _told(lambda: _catalog(desk))

    if desk.policy.rule("list_proposals") != "off":

        @server.resource("bac://plans/{digest}", title="A proposal", mime_type="text/markdown")
        def proposal(digest: str) -> str:
            """A proposal by its digest: the whole plan, for people."""
            return _told(lambda: "\n".join(markdown.plan(service.proposal(desk.session(), digest).plan)))

    @server.resource("bac://schemas/{section}", title="A section's schema", mime_type="application/schema+json")
    def schema(section: str) -> str:
        """The JSON Schema of one resource of a section."""
        if section not in KINDS:
            raise ResourceNotFoundError(f"no such section; there are {', '.join(KINDS)}")
        return json.dumps(resource_schema(KINDS[section]), indent=1, ensure_ascii=False)

    @server.prompt(title="Propose a price change")
    def propose_price_change(change: str) -> str:
        """Propose a change of what customers get or pay, for review."""
        return PRICE.format(change=change)

    @server.prompt(title="Onboard a customer")
    def onboard_customer(key: str, name: str, package: str = "ask me") -> str:
        """Propose a new customer with all that it gets, as one review."""
        return ONBOARD.format(key=key, name=name, package=package)


def _catalog(desk: Desk) -> str:
    """As much of the catalog as an answer holds."""
    [found] = service.validate(desk.opened.config, desk.environment)
    clean = Cleaner()
    rows = [
        {
            "address": clean.text(str(address)),
            "place": str(resource.place),
            "says": [clean.text(text) for text in changes.made(resource)],
        }
        for address, resource in sorted(found.desired.items())
    ]
    some = page(rows, 0, len(rows))
    notes = [f"{len(some.items)} of {some.total:,} resources; list_resources shows all."] if some.following else []
    return json.dumps({"environment": desk.environment, "notes": notes, "resources": some.items}, ensure_ascii=False)


def _told(make: Callable[[], T]) -> T:
    try:
        return make()
    except BacError as error:
        raise ResourceError(message(str(error))) from error
