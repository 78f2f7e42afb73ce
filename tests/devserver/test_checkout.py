"""Stripe checkout of the dev server: without Stripe OpenMeter's refusals, with it sessions that can be completed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from entitling import advance, ok, refused
from subscribing import V1, V3, customer, fee, phase, publish, subscribe

SESSIONS = f"{V1}/stripe/checkout/sessions"
OPTIONS = {"successURL": "https://example.com/ok?s={CHECKOUT_SESSION_ID}", "cancelURL": "https://example.com/no"}


@pytest.fixture
def stripe(client: httpx.Client) -> Any:
    """A server with Stripe on, and what switching it on answered."""
    return ok(client.post("/_dev/stripe", json={"on": True}))


def open_session(client: httpx.Client, **changes: Any) -> Any:
    return ok(client.post(SESSIONS, json={"customer": {"key": "acme"}, "options": OPTIONS} | changes))


def test_without_stripe_there_is_no_checkout(client: httpx.Client) -> None:
    customer(client)
    body = {"customer": {"key": "acme"}, "options": OPTIONS}
    because = "customer has a billing profile, but the payment app is not a stripe app"
    assert refused(client.post(SESSIONS, json=body), 404) == f"not found error: {because}"


def test_stripe_takes_the_place_of_the_sandbox_and_gives_it_back(client: httpx.Client, stripe: Any) -> None:
    default = ok(client.get(f"{V1}/billing/profiles/{stripe['billing_profile_id']}", params={"expand": "apps"}))
    assert default["default"]
    assert (default["apps"]["payment"]["type"], default["apps"]["payment"]["id"]) == ("stripe", stripe["app_id"])
    assert ok(client.post("/_dev/stripe")) == stripe
    sandbox = ok(client.post("/_dev/stripe", json={"on": False}))
    assert sandbox["app_id"] != stripe["app_id"]
    customer(client)
    assert client.post(SESSIONS, json={"customer": {"key": "acme"}, "options": OPTIONS}).status_code == 404
    assert ok(client.post("/_dev/stripe")) == stripe


@pytest.mark.parametrize("body", ["[]", '{"on": 1}', '{"of": true}', "on"])
def test_the_switch_refuses_what_it_does_not_know(client: httpx.Client, body: str) -> None:
    assert client.post("/_dev/stripe", content=body).status_code == 400


@pytest.mark.usefixtures("stripe")
def test_a_session_is_like_stripes_and_leads_to_a_page_of_this_server(client: httpx.Client) -> None:
    acme = customer(client, currency="EUR")
    session = open_session(client)
    assert session["customerId"] == acme["id"]
    assert session["stripeCustomerId"].startswith("cus_")
    assert session["sessionId"].startswith("cs_test_")
    assert session["setupIntentId"].startswith("seti_")
    assert session["url"] == f"http://dev/_dev/stripe/checkout/{session['sessionId']}"
    shown = {name: session[name] for name in ("mode", "status", "currency", "metadata", "successURL", "cancelURL")}
    plain = {"mode": "setup", "status": "open", "currency": "EUR", "metadata": {}}
    assert shown == plain | {name: OPTIONS[name] for name in ("successURL", "cancelURL")}
    assert (session["createdAt"], session["expiresAt"]) == ("2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z")
    assert open_session(client)["stripeCustomerId"] == session["stripeCustomerId"]


@pytest.mark.usefixtures("stripe")
def test_a_completed_session_leaves_a_payment_method_and_leads_back(client: httpx.Client) -> None:
    customer(client)
    session = open_session(client)
    page = client.get(session["url"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'href="https://example.com/no"' in page.text
    done = client.post(session["url"])
    assert (done.status_code, done.headers["location"]) == (303, f"https://example.com/ok?s={session['sessionId']}")
    data = ok(client.get(f"{V1}/customers/acme/stripe"))
    assert data["stripeCustomerId"] == session["stripeCustomerId"]
    assert data["stripeDefaultPaymentMethodId"].startswith("pm_")
    assert ok(client.get(f"{V1}/customers/acme/apps"))["items"] == [data]
    assert client.post(session["url"]).status_code == 410


@pytest.mark.usefixtures("stripe")
def test_a_session_is_over_after_a_day(client: httpx.Client) -> None:
    customer(client)
    session = open_session(client)
    advance(client, "2026-11-25T12:00:00Z")
    assert client.post(session["url"]).status_code == 410
    assert client.get("http://dev/_dev/stripe/checkout/cs_test_nothing").status_code == 404


@pytest.mark.usefixtures("stripe")
def test_a_customer_can_be_made_on_the_way(client: httpx.Client) -> None:
    session = open_session(client, customer={"name": "New Inc.", "key": "new"}, stripeCustomerId="cus_1")
    assert session["stripeCustomerId"] == "cus_1"
    assert ok(client.get(f"{V1}/customers/new"))["id"] == session["customerId"]


@pytest.mark.usefixtures("stripe")
def test_v3_opens_the_same_sessions(client: httpx.Client) -> None:
    acme = customer(client)
    path = f"{V3}/customers/{acme['id']}/billing/stripe/checkout-sessions"
    embedded = {"ui_mode": "embedded", "return_url": "https://example.com/back"}
    session = ok(client.post(path, json={"stripe_options": embedded}))
    assert session["client_secret"].startswith(session["session_id"])
    assert (session["return_url"], "url" in session) == ("https://example.com/back", False)
    refusal = refused(client.post(path, json={"stripe_options": {}}), 400)
    assert refusal.endswith("error create checkout session: success url is required for hosted ui mode")


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"stripeCustomerId": "acme"}, "error create checkout session: stripe customer id must start with cus_"),
        (
            {"options": OPTIONS | {"uiMode": "embedded"}},
            "error create checkout session: cancel url is not allowed for embedded ui mode",
        ),
        (
            {"options": {"uiMode": "hosted"}},
            "error create checkout session: success url is required for hosted ui mode",
        ),
        ({"options": OPTIONS | {"metadata": {"om_app_id": "x"}}}, "metadata key om_app_id is reserved"),
        (
            {"options": OPTIONS | {"cancelURL": "javascript:alert(1)"}},
            "stripe error: Not a valid URL, request log url: ",
        ),
    ],
)
@pytest.mark.usefixtures("stripe")
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    client: httpx.Client, changes: dict[str, Any], because: str
) -> None:
    body = {"customer": {"name": "New Inc.", "key": "new"}, "options": OPTIONS} | changes
    assert refused(client.post(SESSIONS, json=body), 400) == f"validation error: {because}"
    assert client.get(f"{V1}/customers/new").status_code == 404


@pytest.mark.usefixtures("stripe")
def test_a_customer_keeps_its_id_at_stripe(client: httpx.Client) -> None:
    customer(client)
    open_session(client, stripeCustomerId="cus_1")
    body = {"customer": {"key": "acme"}, "options": OPTIONS, "stripeCustomerId": "cus_2"}
    assert client.post(SESSIONS, json=body).status_code == 500


def test_with_stripe_a_subscription_to_something_paid_needs_a_payment_method(client: httpx.Client, stripe: Any) -> None:
    acme = customer(client)
    publish(client, phase(fee()))
    body = {"customerKey": "acme", "plan": {"key": "pro"}, "timing": "immediate"}
    refusal = refused(client.post(f"{V1}/subscriptions", json=body), 409)
    assert refusal == (
        "conflict error: invalid billing setup: precondition failed error: customer with id"
        f" {acme['id']} does not meet condition customer has no data for stripe app for stripe app type with id"
        f" {stripe['app_id']} in namespace default"
    )
    session = open_session(client)
    refusal = refused(client.post(f"{V1}/subscriptions", json=body), 409)
    assert "stripe customer must have a default payment method" in refusal
    client.post(session["url"])
    assert subscribe(client)["status"] == "active"
