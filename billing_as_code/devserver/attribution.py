"""Whose usage an event is: customers and the subjects of theirs (`openmeter/streaming/usageattribution.go`).

Usage belongs to a customer by its key and by its subject keys, never by its id.
"""

from __future__ import annotations

from collections.abc import Sequence

from .customers import customer_of_subject, list_customers
from .questions import Attribution
from .store import Store


def attributions(store: Store, ids: Sequence[str], *, deleted: bool = False) -> list[Attribution]:
    """The customers with these ids that there are, by name; deleted ones only where wanted."""
    if not ids:
        return []
    where = f"id IN ({', '.join('?' * len(ids))})" + ("" if deleted else " AND deleted_at IS NULL")
    customers = list_customers(store, where, "name, id", list(ids), "")
    return [Attribution(customer.id, customer.event_subjects) for customer in customers]


def owner_of(store: Store, subject: str) -> str | None:
    """The id of the live customer that an event's subject belongs to: by key first, then by subject key."""
    customer = customer_of_subject(store, subject)
    return None if customer is None else customer.id


def missing(ids: Sequence[str], found: Sequence[Attribution]) -> list[str]:
    """The ids that no customer was found for."""
    there = {customer.customer_id for customer in found}
    return [one for one in ids if one not in there]
