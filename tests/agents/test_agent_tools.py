"""What an agent's tools answer, through the SDK's own client, against a server whose clock is set."""

from __future__ import annotations

import json
from typing import Any

from agent import Agent, unchanged
from workspace import Workspace

from billing_as_code.kinds import KINDS
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.looks import Sight
from billing_as_code.kinds.times import parse_instant
from billing_as_code.render.show import view_json

KEY = "acme-corp-001"
MINUTE = "2026-11-24T12:00:00Z"


def use(ws: Workspace, tokens: int, model: str = "big", time: str = "2026-11-23T10:00:00Z") -> None:
    event = {
        "specversion": "1.0",
        "id": f"{time}{model}{tokens}",
        "source": "t",
        "type": "tokens",
        "subject": "cust_99",
    }
    body = event | {"time": time, "data": {"tokens": tokens, "model": model}}
    ws.http.post("/api/v1/events", json=body, headers={"content-type": "application/cloudevents+json"})
    ws.forget()


# -- customers ---------------------------------------------------------------------------------------------------------


def test_a_customer_is_shown_with_what_it_may_use_now(agent: Agent) -> None:
    use(agent.ws, 1300)
    with unchanged(agent.ws):
        found = agent.call("get_customer", key=KEY)
    assert {name: found[name] for name in ("environment", "key", "name", "subjects", "currency", "metadata")} == {
        "environment": "local",
        "key": KEY,
        "name": "ACME",
        "subjects": ["cust_99"],
        "currency": "USD",
        "metadata": {"tier": "gold"},
    }
    assert (found["owner"], found["managed_here"], found["subscription"]) == ("acme-billing", True, None)
    assert (found["billing_address"]["country"], found["billing_address"]["line1"]) == ("DE", None)
    none = {"usage": None, "balance": None, "overage": None, "period_to": None, "config": None}
    metered = {"usage": 1300, "balance": 0, "overage": 300, "period_to": "2026-12-01T00:00:00Z", "config": None}
    assert found["entitlements"] == [
        {"feature": "ai_tokens", "type": "metered", "access": False, **metered},
        {"feature": "seats", "type": "static", "access": True, **none, "config": {"max": 25}},
        {"feature": "sso", "type": "boolean", "access": True, **none},
    ]
    assert (found["entitlements_total"], found["next_cursor"], found["notes"]) == (3, None, [])


def test_entitlements_of_a_customer_are_paged(agent: Agent) -> None:
    first = agent.call("get_customer", key=KEY, limit=2)
    rest = agent.call("get_customer", key=KEY, limit=2, cursor=first["next_cursor"])
    assert [e["feature"] for e in first["entitlements"] + rest["entitlements"]] == ["ai_tokens", "seats", "sso"]
    assert first["notes"] == ["1 to 2 of 3 entitlements. The same call with cursor 2 goes on."]
    assert rest["next_cursor"] is None


def test_who_is_no_customer_is_told_how_to_find_one(agent: Agent) -> None:
    assert agent.fails("get_customer", key="acme/../corp")["code"] == "not_found"
    told = agent.fails("check_access", customer="nobody", feature="sso")
    assert told["code"] == "not_found"
    assert "list_resources" in told["next"]


def test_a_deleted_customer_is_none(agent: Agent) -> None:
    agent.ws.http.post("/api/v1/customers", json={"key": "gone", "name": "Gone"})
    made = agent.ws.http.get("/api/v1/customers/gone").json()
    agent.ws.http.delete(f"/api/v1/customers/{made['id']}")
    assert agent.fails("get_customer", key="gone")["code"] == "not_found"
    assert agent.fails("get_customer", key=made["id"])["code"] == "not_found"


def test_one_part_that_cannot_be_read_hides_no_other(agent: Agent) -> None:
    agent.ws.faults({"path": "/api/v1/customers/*/access", "status": 503, "times": 9})
    found = agent.call("get_customer", key=KEY)
    assert (found["name"], found["entitlements"]) == ("ACME", [])
    assert len(found["notes"]) == 1
    assert found["notes"][0].startswith("entitlements could not be read: GET /api/v1/customers/")


def test_a_subscription_that_runs_is_looked_at() -> None:
    """The answers are a real server's (recording subscription_create_v1)."""
    item = {"id": "01A", "key": "acme", "name": "ACME", "currentSubscriptionId": "01S"}
    resource = CUSTOMERS.live(item, {})
    assert resource is not None
    looks = CUSTOMERS.looks(resource, Sight({}, parse_instant(MINUTE)))
    look = next(one for one in looks if one.name == "subscription")
    assert [read.path for read in look.reads] == [("api", "v1", "subscriptions", "01S")]
    answer: dict[str, Any] = {
        "id": "01S",
        "name": "ACME on Pro",
        "status": "active",
        "currency": "USD",
        "billingCadence": "P1M",
        "activeFrom": "2026-11-24T06:51:26.066734Z",
        "plan": {"id": "01P", "key": "pro", "version": 2},
        "alignment": {
            "billablesMustAlign": True,
            "currentAlignedBillingPeriod": {"from": "2026-11-24T06:51:26.066734Z", "to": "2026-12-24T06:51:26.066734Z"},
        },
    }
    facts = view_json(look.shape({"subscription": answer}))
    assert (facts["plan"], facts["version"], facts["period_to"]) == ("pro", 2, "2026-12-24T06:51:26.066734Z")
    del answer["plan"], answer["alignment"]
    facts = view_json(look.shape({"subscription": answer}))
    assert (facts["plan"], facts["period_to"], facts["active_to"]) == (None, None, None)


def test_access_is_checked(agent: Agent) -> None:
    use(agent.ws, 250)
    metered = {"usage": 250, "balance": 750, "overage": 0}
    none = {"usage": None, "balance": None, "overage": None}
    for feature, expected in {
        "ai_tokens": {"entitled": True, "access": True, **metered, "config": None},
        "seats": {"entitled": True, "access": True, **none, "config": {"max": 25}},
        "sso": {"entitled": True, "access": True, **none, "config": None},
        "spare": {"entitled": False, "access": False, **none, "config": None},
    }.items():
        found = agent.call("check_access", customer=KEY, feature=feature)
        assert {name: found[name] for name in expected} == expected


# -- resources ---------------------------------------------------------------------------------------------------------


def test_pages_of_resources_show_each_once(agent: Agent) -> None:
    seen, cursor = [], 0
    while cursor is not None:
        found = agent.call("list_resources", limit=4, cursor=cursor)
        seen += [r["address"] for r in found["resources"]]
        cursor = found["next_cursor"]
    assert len(seen) == len(set(seen)) == found["total"] == 10
    assert f"entitlements.{KEY}.ai_tokens" in seen


def test_resources_are_filtered_by_whose_they_are_and_how_they_differ(agent: Agent) -> None:
    agent.ws.http.post("/api/v1/features", json={"key": "by_hand", "name": "By hand"})
    agent.ws.write("catalog/more.yaml", {"features": {"img_gen": {}}})
    found = agent.call("list_resources", section="features", ownership="unmanaged")
    assert [r["address"] for r in found["resources"]] == ["features.by_hand"]
    found = agent.call("list_resources", difference="any")
    assert [(r["address"], r["difference"]) for r in found["resources"]] == [("features.img_gen", "create")]


def test_a_resource_is_shown_from_both_sides(agent: Agent) -> None:
    found = agent.call("get_resource", address=f"entitlements.{KEY}.ai_tokens")
    assert (found["ownership"], found["difference"], found["owner"]) == ("owned", None, "acme-billing")
    fields = {f["field"]: f for f in found["fields"]}
    amount = fields["issue.amount"]
    assert (amount["catalog"], amount["live"], amount["notes"]) == (1000, 1000, ["fixed"])
    looks = {look["name"]: look for look in found["looks"]}
    assert looks["value"]["facts"]["balance"] == 1000
    assert looks["grants"]["total_rows"] == len(looks["grants"]["rows"]) == 1


def test_one_look_is_paged_by_itself(agent: Agent) -> None:
    found = agent.call("get_resource", address="meters.tokens_total", look="usage", cursor=10)
    assert found["fields"] == []
    assert [(look["name"], look["total_rows"], len(look["rows"])) for look in found["looks"]] == [("usage", 14, 4)]
    told = agent.fails("get_resource", address="meters.tokens_total", look="grants")
    assert told["next"] == "Its looks are: times, usage."


def test_an_address_that_does_not_exist_is_answered_with_the_nearest(agent: Agent) -> None:
    told = agent.fails("get_resource", address="features.ai_token")
    assert told["code"] == "invalid_request"
    assert "did you mean `features.ai_tokens`?" in told["message"]


def test_every_section_is_explained(agent: Agent) -> None:
    for kind in KINDS:
        found = agent.call("explain_kind", kind=kind)
        assert [f["name"] for f in found["fields"]] == [f.name for f in KINDS[kind].fields]
        assert found["json_schema"]["additionalProperties"] is False


def test_what_is_no_section_is_told_which_there_are(agent: Agent) -> None:
    assert "entitlements" in agent.fails("explain_kind", kind="plans2")["next"]


# -- usage -------------------------------------------------------------------------------------------------------------


def test_usage_is_told_by_window_and_dimension(agent: Agent) -> None:
    use(agent.ws, 100)
    use(agent.ws, 30, "small")
    use(agent.ws, 5, time="2026-11-24T09:00:00Z")
    with unchanged(agent.ws):
        found = agent.call(
            "query_usage",
            meter="tokens_total",
            start="2026-11-20T00:00:00Z",
            window="day",
            group_by=["model", "subject"],
            customer=KEY,
        )
    rows = [(r["start"], r["value"], r["groups"]) for r in found["rows"]]
    assert rows == [
        ("2026-11-23T00:00:00Z", 100, {"model": "big", "subject": "cust_99"}),
        ("2026-11-23T00:00:00Z", 30, {"model": "small", "subject": "cust_99"}),
        ("2026-11-24T00:00:00Z", 5, {"model": "big", "subject": "cust_99"}),
    ]
    total = agent.call("query_usage", meter="tokens_total", filters={"model": "big"}, subjects=["cust_99"])
    assert [r["value"] for r in total["rows"]] == [105]


def test_rows_of_usage_are_paged(agent: Agent) -> None:
    for n in range(3):
        use(agent.ws, n + 1, f"m{n}")
    found = agent.call("query_usage", meter="tokens_total", group_by=["model"], limit=2)
    rest = agent.call("query_usage", meter="tokens_total", group_by=["model"], limit=2, cursor=found["next_cursor"])
    assert [r["value"] for r in found["rows"] + rest["rows"]] == [3, 2, 1]
    assert (found["total_rows"], rest["next_cursor"]) == (3, None)


def test_a_meter_that_does_not_exist_is_told_so(agent: Agent) -> None:
    assert agent.fails("query_usage", meter="nothing")["code"] == "not_found"
    assert agent.fails("query_usage", meter="tokens_total", customer="nobody")["code"] == "not_found"


def total(agent: Agent) -> int:
    rows = agent.call("query_usage", meter="tokens_total")["rows"]
    return sum(row["value"] for row in rows)


def ingest(agent: Agent, **more: Any) -> dict[str, Any]:
    return agent.call(
        "ingest_event", type="tokens", subject="cust_99", data={"tokens": 150}, source="gpt-wrapper", **more
    )


def test_an_event_counts_at_once_and_is_answered_with_its_id(agent: Agent) -> None:
    sent = ingest(agent)
    assert sent["sent"] is True
    assert sent["warnings"] == []
    assert sent["id"].startswith("bac-")
    assert total(agent) == 150
    event = agent.ws.http.get("/api/v1/events").json()[0]["event"]
    assert (event["id"], event["source"], event["subject"]) == (sent["id"], "gpt-wrapper", "cust_99")


def test_the_same_call_twice_counts_once(agent: Agent) -> None:
    first = ingest(agent)
    again = ingest(agent)
    assert (again["id"], again["time"], again["sent"]) == (first["id"], first["time"], False)
    assert total(agent) == 150


def test_it_counts_once_over_a_minute_s_end_and_over_a_restart_within_it(agent: Agent) -> None:
    agent.ws.clock("2026-11-24T12:00:45Z")
    first = ingest(agent)
    agent.ws.clock("2026-11-24T12:01:20Z")
    assert ingest(agent)["id"] == first["id"]
    agent.ws.clock("2026-11-24T12:00:20Z")
    agent.restart()
    assert ingest(agent)["id"] == first["id"]
    assert total(agent) == 150


def test_it_counts_once_where_openmeter_does_not_deduplicate(agent: Agent) -> None:
    agent.ws.http.post("/_dev/reset", json={"dedupe_enabled": False}).raise_for_status()
    agent.ws.clock(MINUTE)
    agent.ws.converge()
    ingest(agent)
    ingest(agent)
    assert total(agent) == 150


def test_equal_events_at_other_times_count_each(agent: Agent) -> None:
    ids = {ingest(agent)["id"]}
    agent.ws.clock("2026-11-24T12:01:30Z")
    ids |= {ingest(agent)["id"], ingest(agent, time="2026-11-24T11:00:00Z")["id"], ingest(agent, id="mine")["id"]}
    assert len(ids) == 4
    assert total(agent) == 600


def test_an_event_that_failed_is_sent_when_it_is_called_for_again(agent: Agent) -> None:
    agent.ws.faults({"path": "/api/v1/events", "method": "POST", "status": 503, "times": 99})
    assert agent.fails("ingest_event", type="tokens", subject="cust_99", data={"tokens": 150}, source="gpt-wrapper")[
        "code"
    ] in ("openmeter_failed", "invalid_event")
    agent.ws.faults()
    assert ingest(agent)["sent"] is True
    assert total(agent) == 150


def test_an_event_that_counts_for_nobody_is_taken_with_a_warning(agent: Agent) -> None:
    sent = agent.call("ingest_event", type="no_such_type", subject="cust_99")
    assert any("no_such_type" in warning for warning in sent["warnings"])


def test_an_event_that_openmeter_would_not_take_is_refused_with_the_reason(agent: Agent) -> None:
    with unchanged(agent.ws):
        told = agent.fails("ingest_event", type="tokens", subject="cust_99", data={"tokens": None})
        assert (told["code"], "null" in told["message"]) == ("invalid_event", True)
        deep: dict[str, Any] = {}
        for _ in range(40):
            deep = {"deeper": deep}
        assert agent.fails("ingest_event", type="tokens", subject="cust_99", data=deep)["code"] == "invalid_arguments"


def test_a_checkout_page_is_opened_for_a_customer_that_pays_by_stripe(agent: Agent) -> None:
    call = {"customer": KEY, "success_url": "https://example.com/ok", "cancel_url": "https://example.com/no"}
    told = agent.fails("create_stripe_checkout", **call)
    assert (told["code"], "not a stripe app" in told["message"]) == ("not_found", True)
    assert "customer" in agent.fails("create_stripe_checkout", **call | {"customer": "nobody"})["message"]
    agent.ws.http.post("/_dev/stripe", json={"on": True}).raise_for_status()
    found = agent.call("create_stripe_checkout", **call)
    assert found["url"].endswith(found["session_id"])
    assert found["status"] == "open"
    assert [c["key"] for c in agent.ws.http.get("/api/v1/customers").json()["items"]] == [KEY]


def test_a_checkout_comes_back_to_addresses_of_the_web_alone(agent: Agent) -> None:
    call = {"customer": KEY, "success_url": "javascript:alert(1)", "cancel_url": "https://example.com/no"}
    with unchanged(agent.ws):
        assert agent.fails("create_stripe_checkout", **call)["code"] == "invalid_arguments"


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_shows_the_worst_first_and_writes_nothing(agent: Agent) -> None:
    changed = json.loads(json.dumps({"meters": {}, "customers": {"globex": {"name": "Globex"}}}))
    agent.ws.write("catalog/more.yaml", {**changed, "features": {"img_gen": {}}})
    text = agent.ws.root.joinpath("catalog/all.yaml").read_text().replace("amount: 1000", "amount: 10")
    agent.ws.write("catalog/all.yaml", text)
    with unchanged(agent.ws):
        found = agent.call("plan_changes", limit=1)
        rest = agent.call("plan_changes", cursor=found["next_cursor"])
    assert (found["severity"], found["total_changes"]) == ("breaking", 3)
    assert (found["counts"]["create"], found["counts"]["replace"]) == (2, 1)
    first = found["changes"][0]
    assert (first["address"], first["action"]) == (f"entitlements.{KEY}.ai_tokens", "replace")
    amounts = [(f["before"], f["after"], f["severity"]) for f in first["fields"]]
    assert amounts == [("1,000", "10", "breaking")]
    assert {c["address"] for c in rest["changes"]} == {"customers.globex", "features.img_gen"}
    assert found["digest"] == rest["digest"] == agent.ws.plan().digest


def test_a_catalog_that_is_wrong_is_answered_with_every_place(agent: Agent) -> None:
    agent.ws.write("catalog/more.yaml", {"features": {"img_gen": {"meter": "images", "nmae": "x"}}})
    told = agent.fails("plan_changes")
    assert told["code"] == "catalog_invalid"
    assert any(p.startswith("catalog/more.yaml:4:5") or "more.yaml:4" in p for p in told["problems"])


def test_a_plan_that_cannot_be_made_says_why(agent: Agent) -> None:
    agent.ws.write("catalog/more.yaml", {"customers": {"elsewhere": {"external": True}}})
    told = agent.fails("plan_changes")
    assert told["code"] == "plan_impossible"
    assert "customers.elsewhere" in told["message"]
