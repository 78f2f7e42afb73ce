"""The server of the live tests: the one at BAC_TEST_OPENMETER, else a dev server on a socket.

BAC_TEST_OPENMETER=http://localhost:8888 make test-live

Each test has an owner and names of its own, and takes them away afterwards, so that a server that others use as well is
left as it was, but for events, which OpenMeter keeps. A token, where the server wants one, stands in
BAC_TEST_OPENMETER_TOKEN.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import wire
from account import TOKEN, Account
from mortal import Mortal
from serving import serving
from workspace import Shared

from billing_as_code import service
from billing_as_code.config.urls import normalised

ADDRESS = "BAC_TEST_OPENMETER"


@pytest.fixture(scope="session")
def openmeter() -> Iterator[str]:
    """Where the server is. Skips where it cannot be what these tests need, and says why."""
    given = os.environ.get(ADDRESS)
    if not given:
        with serving() as url:
            others(url)
            yield url
        return
    url = normalised(given)
    token = os.environ.get(TOKEN)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    for path in ("/api/v1/meters", "/api/v2/entitlements", "/api/v3/openmeter/features"):
        try:
            status = httpx.get(f"{url}{path}", headers=headers, timeout=30).status_code
        except httpx.TransportError as error:
            pytest.fail(f"{ADDRESS}={given} cannot be reached: {error}", pytrace=False)
        if status in (401, 403):
            pytest.skip(f"{url} wants a token for {path}: set {TOKEN}")
        if status in (404, 501):
            pytest.skip(f"{url} has no {path}, which bac works with")
        assert status == 200, f"{url}{path} answers {status}"
    yield url


def others(url: str) -> None:
    """What stands on a server that others use: nobody's, another owner's, and what has no key."""
    with httpx.Client(base_url=url) as http:
        label = {"bac.owner": "somebody-else"}
        meter = {"slug": "calls", "eventType": "call", "aggregation": "COUNT", "metadata": label}
        http.post("/api/v1/meters", json=meter).raise_for_status()
        feature = {"key": "calls", "name": "Calls", "meterSlug": "calls"}
        http.post("/api/v1/features", json=feature).raise_for_status()
        for customer in ({"key": "theirs", "metadata": label}, {"usageAttribution": {"subjectKeys": ["keyless"]}}):
            made = http.post("/api/v1/customers", json={"name": "Theirs", **customer}).raise_for_status().json()
            body = {"type": "metered", "featureKey": "calls", "usagePeriod": {"interval": "MONTH"}}
            http.post(f"/api/v2/customers/{made['id']}/entitlements", json=body).raise_for_status()


@pytest.fixture(scope="session")
def wired(openmeter: str) -> Iterator[Mortal]:
    """The way to the server, past the referee; of a real server, only what it is sent is judged."""
    with httpx.HTTPTransport() as network:
        real = bool(os.environ.get(ADDRESS))
        judged = wire.Referee(network, wire.DOCUMENTS, replies=not real) if wire.DOCUMENTS.present else network
        yield Mortal(judged)


@pytest.fixture
def account(openmeter: str, wired: Mortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account on that server, and its folder as the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("BAC_ENV", "live")
    monkeypatch.setattr(service, "open_session", partial(service.open_session, transport=Shared(wired)))
    made = Account(tmp_path, openmeter, wired, os.environ.get(TOKEN))
    yield made
    made.remove()


@pytest.fixture(scope="session")
def makes_customers(openmeter: str, wired: Mortal) -> bool:
    """Whether the server makes a customer of each subject that is written (customer.enableSubjectHook)."""
    key, token = f"bac{secrets.token_hex(4)}_probe", os.environ.get(TOKEN)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(transport=Shared(wired), base_url=openmeter, headers=headers) as http:
        http.post("/api/v1/subjects", json=[{"key": key}]).raise_for_status()
        made = http.get(f"/api/v1/customers/{key}")
        if made.is_success:
            http.delete(f"/api/v1/customers/{made.json()['id']}").raise_for_status()
        http.delete(f"/api/v1/subjects/{key}").raise_for_status()
    return made.is_success


@pytest.fixture
def declared_subjects(makes_customers: bool) -> None:
    """Skips where a declared subject would rename its customer with every write."""
    if makes_customers:
        pytest.skip("the server makes customers of subjects (customer.enableSubjectHook): names would never settle")
