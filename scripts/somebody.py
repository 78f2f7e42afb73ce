"""Somebody who changes a customer by hand: python scripts/somebody.py DATABASE CUSTOMER NAME."""

from __future__ import annotations

import sys

import httpx

from billing_as_code.devserver import create_app


def rename(database: str, customer: str, name: str) -> str:
    """Give a customer of an embedded server another name, over its API; the name that it had."""
    transport = httpx.WSGITransport(app=create_app(database))
    with httpx.Client(transport=transport, base_url="http://embedded.openmeter") as client:
        found = client.get(f"/api/v1/customers/{customer}").raise_for_status().json()
        client.put(f"/api/v1/customers/{found['id']}", json={**found, "name": name}).raise_for_status()
    return str(found["name"])


if __name__ == "__main__":
    was = rename(*sys.argv[1:])
    sys.stdout.write(f"PUT /api/v1/customers/{sys.argv[2]}: {was!r} is {sys.argv[3]!r} now\n")
