"""The tool that puts a customer on a pricing plan. No catalog has subscriptions: it proposes what no file says."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.carrying import Carrying, edit
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import CustomerKey, Labels, Onto, Slug, Time, Why
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.subscriptions import IMMEDIATE, SUBSCRIPTIONS
from billing_as_code.model import Address, Json
from billing_as_code.service import Session


class Subscribing(Carrying):
    """What concerns subscriptions."""

    def create_subscription(
        self,
        customer: CustomerKey,
        plan: Annotated[Slug, Field(description="The key of a published pricing plan.", examples=["pro"])],
        version: Annotated[
            int | None,
            Field(ge=1, le=1_000_000, description="The plan's version, which must be the published one; else that."),
        ] = None,
        start: Annotated[Time | None, Field(description="When it starts; else as soon as it is applied.")] = None,
        billing_anchor: Annotated[
            Time | None, Field(description="An instant that billing periods are counted from; else its start.")
        ] = None,
        metadata: Labels = None,
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Subscribe a customer to a pricing plan in OpenMeter, which bills it from the start on. By default this is a
        proposal, which a person must approve; the same call after that does it, once.

        The customer must exist, or be in the proposal that `onto` names. OpenMeter takes one subscription at a time for
        each customer; this changes and cancels none. It stands in OpenMeter alone: the catalog's files do not say it.
        """
        session = self._desk.session()
        self._check_customer(session, customer, onto)
        published = version if version is not None else service.published(session, plan)
        if published is None:
            raise Failure(
                "not_found",
                f"No version of a pricing plan {plan} is published, so nobody can be subscribed to it.",
                "Check the key, or tell the user to publish the plan in OpenMeter. No tool publishes plans.",
            )
        asked: dict[str, Json] = {"plan": plan, "version": published, "timing": start or IMMEDIATE}
        asked |= {"billing_anchor": billing_anchor} if billing_anchor is not None else {}
        asked |= {"metadata": metadata} if metadata else {}
        address = Address(SUBSCRIPTIONS.name, (customer,))
        return self.carry("create_subscription", session, [edit(address, asked)], onto, why)

    def _check_customer(self, session: Session, key: str, onto: str | None) -> None:
        """Raises Failure where there is no such customer, or where it is only proposed and `onto` does not name it."""
        address = Address(CUSTOMERS.name, (key,))
        if str(address) not in self.pending(session, onto):
            self.needed(session, address)
