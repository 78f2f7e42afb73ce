"""The writes of a plan, exactly, and in an order in which they may be sent."""

from __future__ import annotations

import json
from dataclasses import replace

import plans

from billing_as_code.model import Change, Step
from billing_as_code.plan import Plan
from billing_as_code.render import requests
from billing_as_code.render.lines import plain


def rendered(plan: Plan) -> list[str]:
    return plain(requests.requests(plan))


def test_method_path_and_body_are_shown_with_references_readable() -> None:
    found = rendered(plans.plan(replace(plans.REPLACED, prepare=(), needs=())))
    assert found[0] == "# replace entitlements.acme.ai_tokens"
    assert found[1] == "PUT /api/v2/customers/{id of customers.acme}/entitlements/ai_tokens/override"
    assert json.loads("".join(found[2:5])) == {"measureUsageFrom": "{period_start of entitlements.acme.ai_tokens}"}


def test_conditional_requests_are_marked() -> None:
    found = rendered(plans.plan(plans.REPLACED))
    assert "POST /api/v2/grants   (only where there is {left of entitlements.acme.ai_tokens G1 whole})" in found


def test_what_prepares_comes_before_what_needs_it_and_says_so() -> None:
    found = [row for row in rendered(plans.plan(plans.REPLACED, plans.CREATED)) if row.startswith("#")]
    assert found[0] == "# replace entitlements.acme.ai_tokens, before what it refers to is touched"
    assert found.index("# create customers.acme") < found.index("# replace entitlements.acme.ai_tokens")


def test_the_query_is_shown_and_keys_are_encoded_as_they_are_sent() -> None:
    step = Step("DELETE", ("api", "v1", "customers", "a/b c"), query=(("at", "2026-11-24T12:00:00Z"),))
    found = rendered(plans.plan(replace(plans.DELETED, steps=(step,))))
    assert "DELETE /api/v1/customers/a%2Fb%20c?at=2026-11-24T12:00:00Z" in found


def test_every_write_is_shown_once_and_no_read() -> None:
    made = plans.everything()
    written = sum(len(c.prepare) + len(c.steps) for c in made.changes)
    methods = [
        row.split(" ")[0] for row in rendered(made) if row.split(" ")[0] in ("POST", "PUT", "PATCH", "DELETE", "GET")
    ]
    assert len(methods) == written
    assert "GET" not in methods


def test_a_body_is_json_whatever_is_in_it() -> None:
    body = {"name": 'a"\u202e\nb', "amount": 0.5, "list": (1, None)}
    change: Change = replace(plans.CREATED, steps=(Step("POST", ("x",), body),))
    found = rendered(plans.plan(change))[2:-1]
    assert all(row.isprintable() for row in found)
    assert json.loads("\n".join(found)) == {**body, "list": [1, None]}


def test_an_empty_plan_sends_nothing() -> None:
    assert rendered(plans.plan()) == ["# nothing to do"]
