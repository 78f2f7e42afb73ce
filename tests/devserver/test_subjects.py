"""Subjects, and what they do to customers where the hook is on."""

from __future__ import annotations

from typing import Any

import httpx

V1 = "/api/v1/subjects"


def upsert(client: httpx.Client, *subjects: dict[str, Any]) -> Any:
    reply = client.post(V1, json=list(subjects))
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_an_upsert_keeps_what_is_absent_and_clears_what_is_null(client: httpx.Client) -> None:
    upsert(client, {"key": "a", "displayName": "A", "metadata": {"n": [1, None]}, "stripeCustomerId": "cus_1"})
    kept = upsert(client, {"key": "a"})[0]
    assert (kept["displayName"], kept["metadata"], kept["stripeCustomerId"]) == ("A", {"n": [1, None]}, "cus_1")
    cleared = upsert(client, {"key": "a", "displayName": None, "metadata": None, "stripeCustomerId": None})[0]
    assert cleared["metadata"] == {}
    assert "displayName" not in cleared
    assert "stripeCustomerId" not in cleared


def test_an_empty_upsert_answers_null(client: httpx.Client) -> None:
    assert upsert(client) is None


def test_what_was_written_before_a_failure_stays(client: httpx.Client) -> None:
    reply = client.post(V1, json=[{"key": "a"}, {"key": "a", "displayName": "again"}, {"key": "b"}])
    assert reply.status_code == 409
    assert reply.json()["detail"] == "conflict error: subject with key already exists: a"
    assert [subject["key"] for subject in client.get(V1).json()] == ["a"]


def test_nothing_is_written_where_one_stripe_id_is_wrong(client: httpx.Client) -> None:
    reply = client.post(V1, json=[{"key": "a"}, {"key": "b", "stripeCustomerId": "123"}])
    assert reply.json()["detail"] == "stripeCustomerId must start with cus_ when set"
    assert client.get(V1).json() == []


def test_a_deleted_subject_stays_by_id_and_frees_its_key(client: httpx.Client) -> None:
    old = upsert(client, {"key": "a"})[0]
    assert client.delete(f"{V1}/a").status_code == 204
    assert client.delete(f"{V1}/a").status_code == 404
    assert client.delete(f"{V1}/{old['id']}").status_code == 204
    assert "deletedAt" in client.get(f"{V1}/{old['id']}").json()
    assert upsert(client, {"key": "a"})[0]["id"] != old["id"]


def test_subjects_make_no_customers_unless_the_hook_is_on(client: httpx.Client) -> None:
    upsert(client, {"key": "a"})
    assert client.get("/api/v1/customers").json()["totalCount"] == 0


def test_with_the_hook_a_subject_makes_and_renames_its_customer(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={"config": {"customer": {"enableSubjectHook": True}}})
    metadata = {"deep": {"x": 1}, "list": ["b", "a"], "yes": True}
    subject = upsert(client, {"key": "a", "displayName": "Alpha", "metadata": metadata})[0]
    customer = client.get("/api/v1/customers/a").json()
    assert customer["name"] == "Alpha"
    assert customer["metadata"] == {"deep": '"x"="1"', "list": '"a","b"', "yes": "true"}
    assert customer["annotations"] == {"createdBy": "customer.provisioner", "subjectId": subject["id"]}
    upsert(client, {"key": "a", "displayName": "Beta"})
    assert client.get("/api/v1/customers/a").json()["name"] == "Beta"


def test_with_the_hook_a_deleted_subject_takes_its_key_off_the_customer(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={"config": {"customer": {"enableSubjectHook": True}}})
    upsert(client, {"key": "a"})
    client.delete(f"{V1}/a")
    assert "usageAttribution" not in client.get("/api/v1/customers/a").json()


def test_with_the_hook_a_subject_whose_customer_is_refused_is_not_written(client: httpx.Client) -> None:
    client.post("/_dev/reset", json={"config": {"customer": {"enableSubjectHook": True}}})
    customer = client.post("/api/v1/customers", json={"key": "acme", "name": "ACME"}).json()
    # A subject key that is another customer's id cannot become a customer's key.
    reply = client.post(V1, json=[{"key": "fine"}, {"key": customer["id"]}])
    assert reply.status_code == 409
    assert [subject["key"] for subject in client.get(V1).json()] == ["fine"]
    config = {"customer": {"enableSubjectHook": True, "ignoreErrors": True}}
    client.post("/_dev/reset", json={"config": config})
    customer = client.post("/api/v1/customers", json={"key": "acme", "name": "ACME"}).json()
    upsert(client, {"key": customer["id"]})
