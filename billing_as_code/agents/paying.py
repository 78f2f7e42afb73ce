"""The tool that opens a page on which a customer pays."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import CustomerKey
from billing_as_code.agents.text import Cleaner, seen
from billing_as_code.agents.tools import Desk
from billing_as_code.errors import ApiError
from billing_as_code.model import Json

_LONGEST_URL = 4_000
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s]+$", examples=["https://example.com/thanks"])]


class Paying:
    """What concerns means of payment."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create_stripe_checkout(
        self,
        customer: CustomerKey,
        success_url: Annotated[Url, Field(description="Where the customer comes back to when it is done.")],
        cancel_url: Annotated[Url, Field(description="Where the customer comes back to when it gives up.")],
        currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["USD"])] = None,
    ) -> shapes.Checkout:
        """Open a Stripe checkout page, on which a customer leaves a means of payment, and answer its address.

        For a customer that exists and is billed through a Stripe app. Nothing is charged by this. Each call opens
        another page; one that nobody uses ends by itself.
        """
        try:
            found = service.checkout(self._desk.session(), customer, success_url, cancel_url, currency)
        except ApiError as error:
            if error.status != 404:
                raise
            raise Failure(
                "not_found",
                f"No checkout could be opened: {error.detail}",
                "Check the key, or tell the user: the customer must exist, and its billing profile use a Stripe app.",
            ) from error
        clean = Cleaner()
        return shapes.Checkout(
            customer=clean.text(customer),
            session_id=clean.text(str(found.get("sessionId"))),
            url=_url(found.get("url")),
            expires_at=_text(found.get("expiresAt"), clean),
            status=_text(found.get("status"), clean),
            environment=self._desk.environment,
            notes=clean.notes(),
        )


def _url(value: Json) -> str | None:
    """An address, whole: one that was cut leads nowhere."""
    return seen(value) if isinstance(value, str) and len(value) <= _LONGEST_URL else None


def _text(value: Json, clean: Cleaner) -> str | None:
    return clean.text(value) if isinstance(value, str) else None
