"""Events as lists show them: their customers, and what is wrong with them (`openmeter/meterevent/adapter`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .aggregation import unix, utc
from .attribution import attributions, missing, owner_of
from .cursors import Cursor
from .eventcheck import event_errors
from .filters import Filter
from .meters import list_meters
from .problems import invalid
from .questions import Attribution
from .store import Row, Store

MAXIMUM_LIMIT = 100


@dataclass(frozen=True)
class ListedEvent:
    """An event as lists show it."""

    row: Row
    customer_id: str | None
    errors: Sequence[str]

    @property
    def data(self) -> Any:
        """The data, None when the event had none."""
        return None if self.row["data"] is None else json.loads(self.row["data"])


@dataclass(frozen=True)
class EventQuestion:
    """What of the events a paged list shows, and in which order. Columns to filters; `customers` None means any."""

    filters: Mapping[str, Filter] = field(default_factory=dict)
    customer_ids: Sequence[str] = ()
    cursor: Cursor | None = None
    limit: int = MAXIMUM_LIMIT
    sort: str = "time"
    ascending: bool = False


def page(store: Store, question: EventQuestion) -> list[ListedEvent]:
    """Events that answer a question; raises what OpenMeter finds wrong with it (`ListEventsV2Params`)."""
    _check(question)
    conditions, parameters = ["1"], []
    for column, wanted in question.filters.items():
        if (condition := wanted.sql(column)) is not None:
            conditions.append(condition[0])
            parameters += condition[1]
    where = " AND ".join(conditions)
    customers = None
    if question.customer_ids:
        customers = wanted_customers(store, question.customer_ids)
        where, parameters = of_customers(where, parameters, customers)
    column, direction = question.sort, "ASC" if question.ascending else "DESC"
    if question.cursor is not None:
        sign = ">" if question.ascending else "<"
        where += f" AND ({column}, row_id) {sign} (?, ?)"
        parameters += [unix(question.cursor.time), question.cursor.row_id]
    order = f"{column} {direction}, row_id {direction}"
    rows = store.all(f"SELECT * FROM events WHERE {where} ORDER BY {order} LIMIT {question.limit}", parameters)
    return listed(store, rows, customers)


def cursor_of(event: ListedEvent, sort: str) -> Cursor:
    """The cursor that goes on after an event."""
    return Cursor(utc(event.row[sort]), event.row["row_id"])


def listed(store: Store, rows: Sequence[Row], customers: Sequence[Attribution] | None) -> list[ListedEvent]:
    """Events with their customers and errors; `customers` are those that the list was asked for."""
    meters = list_meters(store, "deleted_at IS NULL", "key", [], "")
    owners: dict[str, str | None] = {}
    for customer in customers or ():
        for subject in customer.subjects:
            owners.setdefault(subject, customer.customer_id)
    events = []
    for row in rows:
        subject = row["subject"]
        if subject not in owners:
            owners[subject] = owner_of(store, subject)
        errors = event_errors(row["type"], row["data"], meters)
        if owners[subject] is None:
            errors.append(f"no customer found for event subject: {subject}")
        events.append(ListedEvent(row, owners[subject], errors))
    return events


def wanted_customers(store: Store, ids: Sequence[str]) -> list[Attribution]:
    """The customers that a list is limited to; 400 when there is one that is not there."""
    customers = attributions(store, ids)
    if unknown := missing(ids, customers):
        raise invalid(f"customers not found in namespace default: {', '.join(unknown)}")
    return customers


def of_customers(where: str, parameters: list[Any], customers: Sequence[Attribution]) -> tuple[str, list[Any]]:
    """A condition and its parameters, limited to the events of customers."""
    subjects = [subject for customer in customers for subject in customer.subjects]
    if not subjects:
        return where, parameters
    return f"{where} AND subject IN ({', '.join('?' * len(subjects))})", [*parameters, *subjects]


def _check(question: EventQuestion) -> None:
    faults = []
    for column in ("id", "source", "subject", "type", "time", "ingested_at", "stored_at"):
        wanted = question.filters.get(column)
        if wanted is not None and (problem := wanted.problem(1)) is not None:
            faults.append(f"{column}: validation error: {problem}")
    if faults:
        raise invalid("validate input: " + "\n".join(faults))
