"""What OpenMeter knows of events: its meters, and whose subjects are whose."""

from __future__ import annotations

from collections.abc import Iterator

from billing_as_code.client import OpenMeter
from billing_as_code.errors import ApiError
from billing_as_code.ingest.counting import Counted
from billing_as_code.kinds.base import Item, Listing
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.meters import METERS

_NOT_FOR_ALL = (401, 403, 404)
"""Answers to one who may send events and read nothing."""


def meters(client: OpenMeter) -> list[Counted] | None:
    """All meters, None where this token may not read them. Raises ApiError."""
    found = _items(client, METERS.listings[0])
    if found is None:
        return None
    resources = [METERS.live(item, {}) for item in found]
    return [
        Counted(
            resource.address.path[0],
            METERS.get(resource.spec, "event_type"),
            METERS.get(resource.spec, "aggregation"),
            METERS.get(resource.spec, "value_property"),
        )
        for resource in resources
        if resource is not None
    ]


def subjects(client: OpenMeter) -> set[str] | None:
    """Keys and subject keys of all customers, those without a key included: events of other subjects are nobody's.

    None where this token may not read them. Raises ApiError.
    """
    found = _items(client, CUSTOMERS.listings[0])
    if found is None:
        return None
    known: set[str] = set()
    for item in found:
        known.update((item.get("usageAttribution") or {}).get("subjectKeys") or ())
        known.update(filter(None, (item.get("key"),)))
    return known


def _items(client: OpenMeter, listing: Listing) -> list[Item] | None:
    try:
        return list(_pages(client, listing))
    except ApiError as error:
        if error.status in _NOT_FOR_ALL:
            return None
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"the answer is no list as OpenMeter gives them ({error})"
        raise ApiError(f"GET {listing.path}", 200, text) from error


def _pages(client: OpenMeter, listing: Listing) -> Iterator[Item]:
    pages, ids = [1], {}
    while pages:
        page = pages.pop(0)
        path, query = listing.request(page)
        body = client.get(path, query)
        items = listing.items(page, body)
        ids[page] = {item["id"] for item in items}
        yield from items
        pages += listing.more(page, body, ids)
