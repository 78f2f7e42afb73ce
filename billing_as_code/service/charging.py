"""A page on which a customer leaves a means of payment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing_as_code.errors import ApiError
from billing_as_code.model import Json
from billing_as_code.service.session import Session

PATH = "/api/v1/stripe/checkout/sessions"


def checkout(
    session: Session, customer: str, success_url: str, cancel_url: str, currency: str | None = None
) -> Mapping[str, Json]:
    """Open a Stripe checkout session for an existing customer, by its key: OpenMeter's answer, with the page's `url`.

    Each call opens another session; one that nobody uses ends by itself. Raises ApiError, 404 as well where the
    customer is not billed through Stripe.
    """
    options: dict[str, Any] = {"successURL": success_url, "cancelURL": cancel_url}
    options |= {"currency": currency} if currency is not None else {}
    found = session.client.write("POST", PATH, body={"customer": {"key": customer}, "options": options})
    if not (isinstance(found, dict) and isinstance(found.get("sessionId"), str)):
        raise ApiError(f"POST {PATH}", 200, "the answer is not as OpenMeter gives it", ambiguous=True)
    return found
