"""Customers through v1 and v3."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

V1 = "/api/v1/customers"
V3 = "/api/v3/openmeter/customers"


def make(client: httpx.Client, **body: Any) -> dict[str, Any]:
    reply = client.post(V1, json={"key": "acme", "name": "ACME", **body})
    assert reply.status_code == 201, reply.text
    customer: dict[str, Any] = reply.json()
    return customer


def subjects(*keys: str) -> dict[str, Any]:
    return {"usageAttribution": {"subjectKeys": list(keys)}}


def test_subject_keys_come_back_sorted_and_their_subjects_are_made(client: httpx.Client) -> None:
    customer = make(client, **subjects("b", "a"))
    assert customer["usageAttribution"] == {"subjectKeys": ["a", "b"]}
    subject = client.get("/api/v1/subjects/a").json()
    assert subject["metadata"] == {"createdBy": "subject.provisioner", "customerId": customer["id"]}


def test_empty_parts_are_left_out_in_v1_and_v3_shows_an_empty_key(client: httpx.Client) -> None:
    reply = client.post(V1, json={"name": "No key", **subjects("only")})
    assert set(reply.json()) == {"id", "name", "createdAt", "updatedAt", "usageAttribution"}
    shown = client.get(f"{V3}/{reply.json()['id']}").json()
    assert shown["key"] == ""
    assert shown["labels"] == {}


def test_a_v1_replacement_takes_the_key_and_subjects_away_and_keeps_email_and_currency(client: httpx.Client) -> None:
    customer = make(
        client, description="d", primaryEmail="a@b", currency="EUR", metadata={"a": "b"}, **subjects("one", "two")
    )
    path = f"{V1}/{customer['id']}"
    replaced = client.put(path, json={"name": "New", **subjects("two", "three")}).json()
    assert replaced.pop("updatedAt") > customer["updatedAt"]
    assert replaced == {
        "id": customer["id"],
        "name": "New",
        "createdAt": customer["createdAt"],
        "primaryEmail": "a@b",
        "currency": "EUR",
        "usageAttribution": {"subjectKeys": ["three", "two"]},
    }
    assert client.get("/api/v1/subjects/one").status_code == 200


def test_a_v3_replacement_keeps_the_key(client: httpx.Client) -> None:
    customer = make(client, metadata={"note": "two words"})
    replaced = client.put(f"{V3}/{customer['id']}", json={"name": "New"}).json()
    assert replaced["key"] == "acme"
    assert "metadata" not in client.get(f"{V1}/acme").json()


def test_parts_of_an_address_that_are_not_named_stay(client: httpx.Client) -> None:
    customer = make(client, billingAddress={"country": "DE", "city": "Berlin"})
    body = {"key": "acme", "name": "ACME"}
    path = f"{V1}/{customer['id']}"
    changed = client.put(path, json=body | {"billingAddress": {"city": "", "line1": "x"}}).json()
    assert changed["billingAddress"] == {"country": "DE", "city": "", "line1": "x"}
    assert client.put(path, json=body | {"billingAddress": {}}).json()["billingAddress"] == changed["billingAddress"]
    assert "billingAddress" not in client.put(path, json=body).json()


def test_a_deleted_customer_is_gone_by_key_and_refuses_changes_by_id(client: httpx.Client) -> None:
    id = make(client, **subjects("one"))["id"]
    assert client.delete(f"{V1}/acme").status_code == 204
    assert client.get(f"{V1}/acme").status_code == 404
    shown = client.get(f"{V1}/{id}").json()
    assert "deletedAt" in shown
    assert shown["usageAttribution"] == {"subjectKeys": ["one"]}
    detail = f"precondition failed error: customer is deleted [namespace=default customer.id={id}]"
    for reply in (client.delete(f"{V1}/{id}"), client.put(f"{V1}/{id}", json={"name": "x", "key": "x"})):
        assert reply.status_code == 412
        assert reply.json()["detail"] == detail
    assert client.put(f"{V3}/{id}", json={"name": "x"}).status_code == 410
    assert client.delete(f"{V3}/{id}").status_code == 204


def test_what_a_deleted_customer_had_is_free(client: httpx.Client) -> None:
    make(client, **subjects("one"))
    client.delete(f"{V1}/acme")
    make(client, **subjects("one"))


def test_keys_ids_and_subject_keys_of_others_are_refused(client: httpx.Client) -> None:
    acme = make(client, **subjects("one", "two"))
    taken = client.post(V1, json={"key": "acme", "name": "x"})
    assert taken.json()["detail"] == (
        'conflict error: key "acme" is already used by an another customer in the namespace default'
    )
    by_id = client.post(V1, json={"key": acme["id"], "name": "x"})
    assert by_id.json()["detail"] == f"conflict error: key {acme['id']} overlaps with id of another customer"
    by_subject = client.post(V1, json={"key": "one", "name": "x"})
    assert by_subject.json()["detail"] == (
        f"conflict error: key one overlaps with subject of another customer: {acme['id']}"
    )
    subject = client.post(V1, json={"key": "new", "name": "x", **subjects("free", "two")})
    assert subject.json()["detail"] == (
        "conflict error: one or multiple subject keys of [free, two] are already associated"
        " with an different customer in the namespace default"
    )
    assert {taken.status_code, by_id.status_code, by_subject.status_code, subject.status_code} == {409}
    assert client.get("/api/v1/subjects/free").status_code == 404


def test_a_subject_key_may_be_a_customers_own_key(client: httpx.Client) -> None:
    make(client, **subjects("acme"))
    assert client.put(f"{V1}/acme", json={"key": "acme", "name": "x", **subjects("acme")}).status_code == 200


def test_a_subjects_id_is_no_subject_key(client: httpx.Client) -> None:
    subject = client.post("/api/v1/subjects", json=[{"key": "one"}]).json()[0]
    reply = client.post(V1, json={"key": "acme", "name": "x", **subjects(subject["id"])})
    assert reply.status_code == 400
    assert reply.json()["detail"].startswith("validation error: use subject key instead of id for usage attribution")
    assert client.get(V1).json()["totalCount"] == 0


def test_currencies_are_real_ones(client: httpx.Client) -> None:
    reply = client.post(V1, json={"key": "acme", "name": "x", "currency": "BTC"})
    assert reply.json()["detail"] == (
        "validation error: error creating customer: validation error: validation error:"
        " validation error: invalid fiat currency code: BTC"
    )
    make(client)
    reply = client.put(f"{V1}/acme", json={"key": "acme", "name": "x", "currency": "BTC"})
    assert reply.json()["detail"] == (
        "validation error: validation error: validation error: validation error: invalid fiat currency code: BTC"
    )


def test_lists_go_by_name_bytewise_and_filters_by_parts(client: httpx.Client) -> None:
    make(client, key="a", name="globex", **subjects("s-prod"))
    make(client, key="b", name="Zeta", primaryEmail="z@zeta.example")
    make(client, key="c", name="acme")
    names = [entry["name"] for entry in client.get(V1).json()["items"]]
    assert names == ["Zeta", "acme", "globex"]

    def found(**query: str) -> list[str]:
        return [entry["key"] for entry in client.get(V1, params=query).json()["items"]]

    assert found(name="ETA") == ["b"]
    assert found(primaryEmail="zeta") == ["b"]
    assert found(subject="PROD") == ["a"]
    assert found(planKey="pro") == []
    assert found(orderBy="createdAt", order="DESC") == ["c", "b", "a"]


def test_a_page_of_the_same_names_is_stable(client: httpx.Client) -> None:
    for number in range(7):
        make(client, key=f"c{number}", name="Same")
    seen = [
        entry["key"]
        for page in (1, 2, 3, 4)
        for entry in client.get(V1, params={"page": page, "pageSize": 2}).json()["items"]
    ]
    assert seen == [f"c{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({"filter[key][neq]": "a"}, ["b"]),
        ({"filter[usage_attribution_subject_key]": "s1"}, ["a"]),
        ({"filter[primary_email][exists]": "true"}, ["b"]),
        ({"filter[primary_email]": ""}, ["b"]),
        ({"filter[plan_key]": "pro"}, []),
    ],
)
def test_v3_filters(client: httpx.Client, filters: dict[str, str], keys: list[str]) -> None:
    make(client, key="a", **subjects("s1", "s2"))
    make(client, key="b", primaryEmail="x@y")
    found = client.get(V3, params={"sort": "id", **filters}).json()
    assert [entry["key"] for entry in found["data"]] == keys
    assert found["meta"]["page"]["total"] == len(keys)


@pytest.mark.parametrize("key", ["with space", "a/b", "50%", "50%25", "ümläut", "?", "日本"])
def test_any_key_can_be_asked_for_over_a_socket(served: str, key: str) -> None:
    from urllib.parse import quote

    with httpx.Client(base_url=served) as client:
        client.post("/_dev/reset", json={})
        customer = make(client, key=key)
        assert client.get(f"{V1}/{quote(key, safe='')}").json() == customer
