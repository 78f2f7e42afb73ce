"""Customers: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.errors import PlanError
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.model import Class, Find, Read, Step
from kinds.conftest import Problems
from kinds.recorded import listed, needs_recordings

ITEM = {
    "createdAt": "2026-11-24T06:55:35.906007Z",
    "id": "01M865F2AWJ65CREJC7BMFMD6H",
    "key": "acme",
    "name": "ACME",
    "updatedAt": "2026-11-24T06:55:35.906007Z",
}
OWNED = {"bac.owner": "acme-billing"}
PATH = ("api", "v1", "customers")


# -- canonical form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"metadata": {}}, {"metadata": OWNED}),
        ({"subjects": []}, {}),
        ({"subjects": ["b", "a"]}, {"usageAttribution": {"subjectKeys": ["a", "b"]}}),
        ({"subjects": ["B", "a", "ß"]}, {"usageAttribution": {"subjectKeys": ["B", "a", "ß"]}}),
        ({"billing_address": {}}, {}),
        ({"billing_address": {"country": "NO", "line1": "x"}}, {"billingAddress": {"country": "NO", "line1": "x"}}),
        (
            {"billing_address": {"postal_code": "1", "phone_number": "2"}},
            {"billingAddress": {"postalCode": "1", "phoneNumber": "2"}},
        ),
        ({"currency": "USD", "primary_email": "a@b"}, {"currency": "USD", "primaryEmail": "a@b"}),
        (
            {"description": "D", "metadata": {"note": "two words"}},
            {"description": "D", "metadata": {"note": "two words"}},
        ),
        ({}, {"currentSubscriptionId": "01M865F2AWJ65CREJC7BMFMD6K", "subscriptions": []}),
    ],
)
def test_what_yaml_says_equals_what_openmeter_shows_of_it(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    yaml = CUSTOMERS.canonical(("acme",), {"name": "ACME", **fields})
    assert yaml == CUSTOMERS.from_wire(("acme",), ITEM | shown, {})


@pytest.mark.parametrize("shown", [{"description": ""}, {"primaryEmail": ""}, {"billingAddress": {"city": ""}}])
def test_empty_text_that_another_hand_wrote_is_not_the_same_as_nothing(shown: dict[str, Any]) -> None:
    assert CUSTOMERS.from_wire(("acme",), ITEM | shown, {}) != CUSTOMERS.canonical(("acme",), {"name": "ACME"})


@pytest.mark.parametrize("key", ["", None])
def test_a_customer_without_a_key_is_never_ours(key: str | None) -> None:
    assert CUSTOMERS.live({k: v for k, v in (ITEM | {"key": key}).items() if v is not None}, {}) is None


@needs_recordings
def test_every_customer_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v1/customers")
    assert len(items) > 20
    for item in items:
        resource = CUSTOMERS.live(item, {})
        assert (resource is None) == (not item.get("key"))


# -- refused before OpenMeter sees it -------------------------------------------------------------------------------

SCHEMA = "request body has an error: doesn't match schema #/components/schemas/CustomerCreate: Error at"
WIRE = {"primary_email": "primaryEmail", "billing_address": "billingAddress"}


@pytest.mark.parametrize(
    ("changed", "said", "theirs"),
    [
        ({"name": None}, "`name` is missing", f'{SCHEMA} "/name": property "name" is missing'),
        ({"name": ""}, "`name` is empty text", f'{SCHEMA} "/name": minimum string length is 1'),
        ({"name": "n" * 257}, "`name` has 257 characters", f'{SCHEMA} "/name": maximum string length is 256'),
        ({"description": "d" * 1025}, "`description` has 1,025 characters", f'{SCHEMA} "/description": maximum'),
        ({"currency": "usd"}, "`currency` is `usd`, which is not of the right form", 'Error at "/currency": string'),
        ({"currency": ""}, "`currency` is ``, which is not of the right form", 'Error at "/currency": minimum string'),
        (
            {"currency": "XXQ"},
            "XXQ is no currency (an ISO 4217 code such as USD or EUR)",
            "validation error: error creating customer: validation error: validation error: validation error: inva",
        ),
        ({"primary_email": ""}, "`primary_email` is empty text", None),
        ({"billing_address": {"country": "us"}}, "`billing_address.country` is `us`", 'Error at "/billingAddress'),
        ({"billing_address": {"country": "USA"}}, "`billing_address.country` is `USA`", 'Error at "/billingAddress'),
        ({"billing_address": {"street": "x"}}, "unknown field `street`", None),
        ({"subjects": ["a", "a"]}, "`subjects` holds the same entry twice", None),
        ({"subjects": [""]}, "`subjects[0]` is empty text", None),
        ({"subjects": "a"}, "`subjects` is text, must be a list", None),
        ({"metadata": {"n": 1}}, '`metadata.n` is a number, must be text (quote it: "1")', 'Error at "/metadata/n"'),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    problems: Problems, anybody: httpx.Client, changed: dict[str, Any], said: str, theirs: str | None
) -> None:
    fields = {k: v for k, v in ({"name": "ACME"} | changed).items() if v is not None}
    assert problems({"customers": {"acme": fields}})[0].startswith(f"customers.acme: {said}")
    if theirs is not None:
        answer = anybody.post(
            "/api/v1/customers", json={"key": "acme"} | {WIRE.get(k, k): v for k, v in fields.items()}
        )
        assert answer.status_code == 400
        assert answer.json()["detail"].split("\n")[0].startswith(theirs)


def test_a_subject_belongs_to_one_customer(problems: Problems, anybody: httpx.Client) -> None:
    both = {"a": {"name": "A", "subjects": ["s"]}, "b": {"name": "B", "subjects": ["s"]}}
    assert problems({"customers": both}) == [
        "customers.b: subject 's' is also a subject of customers.a (a subject belongs to one customer)"
    ]
    for key in both:
        body = {"key": key, "name": key, "usageAttribution": {"subjectKeys": ["s"]}}
        answer = anybody.post("/api/v1/customers", json=body)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("conflict error: one or multiple subject keys of [s] are already")


@pytest.mark.parametrize("other", [{"name": "B"}, {"external": True}])
def test_a_subject_that_is_another_customers_key_is_refused_whoever_has_that_key(
    problems: Problems, other: dict[str, Any]
) -> None:
    assert problems({"customers": {"a": {"name": "A", "subjects": ["b"]}, "b": other}}) == [
        "customers.a: subject 'b' is the key of customers.b (usage would count for both)"
    ]


def test_a_customers_own_key_may_be_one_of_its_subjects(problems: Problems) -> None:
    assert problems({"customers": {"a": {"name": "A", "subjects": ["a", "A"]}}}) == []


def test_a_key_is_free_text_of_up_to_256_characters(problems: Problems) -> None:
    assert problems({"customers": {"Ä / 1": {"name": "A"}, "c" * 256: {"name": "A"}}}) == []
    [problem] = problems({"customers": {"c" * 257: {"name": "A"}}})
    assert "the customer key has 257 characters, must have at most 256" in problem


# -- what changes become --------------------------------------------------------------------------------------------


def declare(ws: Workspace, **customers: dict[str, Any]) -> None:
    ws.write("catalog/a.yaml", {"customers": {key: {"name": key.upper(), **c} for key, c in customers.items()}})


def test_a_new_customer_is_one_post_without_an_empty_usage_attribution(ws: Workspace) -> None:
    declare(ws, acme={}, globex={"subjects": ["b", "a"]})
    acme, globex = ws.plan().changes
    found = Find((*PATH, "acme"), (("key", "acme"),))
    body = {"key": "acme", "name": "ACME", "metadata": OWNED}
    assert acme.steps == (Step("POST", PATH, body, saves="customers.acme", find=found),)
    assert globex.steps[0].body["usageAttribution"] == {"subjectKeys": ["a", "b"]}
    ws.converge()


def test_an_update_sends_the_whole_customer_with_its_key_and_subjects(ws: Workspace) -> None:
    declare(ws, acme={"currency": "USD", "primary_email": "a@b", "description": "D", "metadata": {"crm": "1"}})
    ws.converge()
    declare(ws, acme={})
    [change] = ws.converge().changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [
        ("description", "D", None),
        ("metadata.crm", "1", None),
    ]
    assert change.before is not None
    # currency and email cannot be cleared, so they are kept and sent; no subjects are sent as none
    body = {
        "key": "acme",
        "name": "ACME",
        "currency": "USD",
        "primaryEmail": "a@b",
        "usageAttribution": {"subjectKeys": []},
        "metadata": OWNED,
    }
    assert change.steps == (Step("PUT", (*PATH, change.before.id), body),)


def test_a_part_of_an_address_goes_by_a_put_without_it_and_one_with_it(ws: Workspace) -> None:
    declare(ws, acme={"billing_address": {"country": "US", "city": "Oslo", "line1": "x"}})
    ws.converge()
    declare(ws, acme={"billing_address": {"country": "NO"}})
    [change] = ws.converge().changes
    first, second = change.steps
    assert "billingAddress" not in first.body
    assert second.body["billingAddress"] == {"country": "NO"}
    assert second.body == first.body | {"billingAddress": {"country": "NO"}}
    assert (first.method, first.path) == (second.method, second.path) == ("PUT", second.path)


@pytest.mark.parametrize(
    ("before", "after"),
    [({"country": "US"}, {}), ({}, {"country": "US"}), ({"country": "US"}, {"country": "NO", "city": "Oslo"})],
)
def test_an_address_that_goes_whole_or_only_gains_needs_one_put(
    ws: Workspace, before: dict[str, str], after: dict[str, str]
) -> None:
    declare(ws, acme={"billing_address": before})
    ws.converge()
    declare(ws, acme={"billing_address": after})
    [change] = ws.converge().changes
    assert [s.body.get("billingAddress") for s in change.steps] == [after or None]


def test_customers_that_swap_subjects_first_drop_and_then_take(ws: Workspace) -> None:
    declare(ws, a={"subjects": ["s1", "shared-a"]}, b={"subjects": ["s2"]})
    ws.converge()
    declare(ws, a={"subjects": ["s2", "shared-a"]}, b={"subjects": ["s1"]})
    plan = ws.plan()
    by_name = {str(c.address): c for c in plan.changes}

    def keys(steps: tuple[Step, ...]) -> list[list[str]]:
        return [s.body["usageAttribution"]["subjectKeys"] for s in steps]

    a, b = by_name["customers.a"], by_name["customers.b"]
    assert (keys(a.prepare), keys(a.steps)) == ([["shared-a"]], [["s2", "shared-a"]])
    assert (keys(b.prepare), keys(b.steps)) == ([[]], [["s1"]])
    assert "customers.b#prepare" in a.needs
    assert "customers.a#prepare" in b.needs
    assert {a.cls, b.cls} == {Class.BREAKING}
    ws.converge()
    assert ws.http.get("/api/v1/customers/a").json()["usageAttribution"] == {"subjectKeys": ["s2", "shared-a"]}


def test_who_only_takes_a_subject_waits_for_who_had_it(ws: Workspace) -> None:
    declare(ws, a={"subjects": ["s"]}, b={}, c={"subjects": ["t"]})
    ws.converge()
    declare(ws, a={}, b={"subjects": ["s"]}, d={"subjects": ["t"]})
    plan = ws.plan()
    needs = {str(c.address): c.needs for c in plan.changes}
    assert needs["customers.b"] == ("customers.a",)
    assert needs["customers.d"] == ("customers.c",)
    ws.converge()


def test_a_key_that_was_a_subject_waits_until_it_is_free(ws: Workspace) -> None:
    declare(ws, a={"subjects": ["new"]})
    ws.converge()
    declare(ws, a={}, new={})
    assert {str(c.address): c.needs for c in ws.plan().changes}["customers.new"] == ("customers.a",)
    ws.converge()


def test_a_customer_that_left_the_catalog_is_read_once_more_and_deleted(ws: Workspace) -> None:
    declare(ws, acme={})
    ws.converge()
    declare(ws)
    [change] = ws.converge().changes
    assert change.before is not None
    own = (*PATH, change.before.id)
    assert (change.reads, change.steps) == ((Read("now", own),), (Step("DELETE", own, gone=True),))


def test_a_subject_that_another_customer_keeps_is_no_plan(ws: Workspace) -> None:
    held = {"name": "Other", "key": "other", "usageAttribution": {"subjectKeys": ["s1"]}}
    ws.http.post("/api/v1/customers", json=held).raise_for_status()
    ws.write("catalog/all.yaml", {"customers": {"acme": {"name": "ACME", "subjects": ["s1"]}}})

    with pytest.raises(PlanError) as refused:
        ws.plan()

    told = "takes 's1', a subject of customers.other, which keeps it. Take it off that one first"
    assert refused.value.reasons == (("customers.acme", told),)
    ws.write(
        "catalog/all.yaml", {"customers": {"acme": {"name": "ACME", "subjects": ["s1"]}, "other": {"name": "Other"}}}
    )
    ws.converge()
