"""Gathering invoices, which collect the lines of subscriptions to come (`openmeter/billing`).

Nothing works in the background here: lines are gathered when a customer is to be deleted, which is when OpenMeter
makes up for what its worker has not done yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ..clock import from_db, to_db
from ..customers import CustomerRow, find_customer_by_id
from ..operation import Resource
from ..problems import invalid
from ..store import Row, Store
from ..subscriptions import rows as subscription_rows
from ..subscriptions.rows import Subscription
from .lines import Line, lines_of
from .profiles import default_profile

resource = Resource(
    "gathering_invoices",
    ddl="""
    CREATE TABLE IF NOT EXISTS gathering_invoices (
        id TEXT PRIMARY KEY,
        customer_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        number TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    );
    CREATE INDEX IF NOT EXISTS gathering_invoices_of_customer ON gathering_invoices (customer_id);
    CREATE TABLE IF NOT EXISTS gathering_lines (
        -- The line's reference, which says what it is for.
        id TEXT PRIMARY KEY,
        subscription_id TEXT NOT NULL,
        invoice_id TEXT NOT NULL,
        service_from TEXT NOT NULL,
        service_to TEXT NOT NULL,
        billing_from TEXT NOT NULL,
        billing_to TEXT NOT NULL,
        invoice_at TEXT NOT NULL,
        -- Nothing where it depends on usage.
        amount TEXT
    );
    CREATE INDEX IF NOT EXISTS gathering_lines_of_invoice ON gathering_lines (invoice_id);
    """,
)

_TIMES = ("service_from", "service_to", "billing_from", "billing_to", "invoice_at")
# What ended longer ago than this is not looked at again.
_SETTLED = timedelta(days=1)
_NO_SHRINKING = "updating charges: failed to advance charge: fire trigger shrink: validate shrink patch: "


@dataclass(frozen=True)
class Gathering:
    """A gathering invoice with its lines."""

    id: str
    customer_id: str
    currency: str
    number: str
    created_at: str
    updated_at: str
    lines: tuple[Line, ...]


def gather(store: Store, subscription: Subscription) -> None:
    """Bring the gathering invoice up to date with a subscription. Raises 400 where a line would vanish."""
    if subscription.settlement_mode == "credit_only":
        return
    mode = default_profile(store).workflow["invoicing"]["subscriptionEndProrationMode"]
    phases = subscription_rows.phases_of(store, subscription.id)
    wanted = {line.reference: line for line in lines_of(subscription, phases, store.now(), mode)}
    held = store.all("SELECT * FROM gathering_lines WHERE subscription_id = ?", [subscription.id])
    for row in held:
        line = wanted.pop(row["id"], None)
        if line is None:
            store.execute("DELETE FROM gathering_lines WHERE id = ?", [row["id"]])
            continue
        if store.settings.credits_enabled:
            _refuse_vanishing(_line(row), line)
        store.update("gathering_lines", _columns(line), id=line.reference)
    if wanted:
        customer = find_customer_by_id(store, subscription.customer_id)
        invoice_id = _invoice(store, customer, subscription.currency)
        for line in wanted.values():
            own = {"id": line.reference, "subscription_id": subscription.id, "invoice_id": invoice_id}
            store.insert("gathering_lines", own | _columns(line))
    _close_empty(store, subscription.customer_id)


def gathering_invoices(store: Store, where: str = "1", order: str = "rowid", page: str = "") -> list[Gathering]:
    """The gathering invoices that meet a condition, in an order; deleted ones do not."""
    found = store.all(f"SELECT * FROM gathering_invoices WHERE deleted_at IS NULL AND {where} ORDER BY {order}{page}")
    return [_with_lines(store, row) for row in found]


def refuse_unbilled(store: Store, customer_id: str, fault: str | None) -> None:
    """400 for a customer with an invoice to come, or with another `fault`. What was gathered for this stays."""
    for subscription in subscription_rows.list_subscriptions(
        store, "customer_id = ?", "active_from, id", [customer_id]
    ):
        gather(store, subscription)
    sql = "SELECT id FROM gathering_invoices WHERE customer_id = ? AND deleted_at IS NULL ORDER BY rowid"
    open_ones = [f"invoice {row['id']} is still in gathering state" for row in store.all(sql, [customer_id])]
    faults = ([] if fault is None else [fault]) + open_ones
    if faults:
        store.keep()
        raise invalid("\n".join(faults))


def _refuse_vanishing(held: Line, wanted: Line) -> None:
    faults = [
        f"new {name} period to must be greater than existing {name} period from"
        for name, start, end in (
            ("service", held.service_from, wanted.service_to),
            ("billing", held.billing_from, wanted.billing_to),
        )
        if end <= start
    ]
    if faults:
        raise invalid(_NO_SHRINKING + "validation error: " + "\n".join(faults))


def _invoice(store: Store, customer: CustomerRow, currency: str) -> str:
    """The invoice that gathers a customer's lines in a currency, made where there is none."""
    found = store.value(
        "SELECT id FROM gathering_invoices WHERE customer_id = ? AND currency = ? AND deleted_at IS NULL",
        [customer.id, currency],
    )
    if found is not None:
        return str(found)
    id, stamp = store.new_id(), store.stamp()
    number = int(store.value("SELECT count(*) FROM gathering_invoices")) + 1
    values = {
        "id": id,
        "customer_id": customer.id,
        "currency": currency,
        "number": f"GATHER-{_initials(customer.name)}-{currency}-{number}",
        "created_at": stamp,
        "updated_at": stamp,
    }
    store.insert("gathering_invoices", values)
    return id


def _initials(name: str) -> str:
    """Two letters of each of the first two words, or four of a single one (`billing/sequence/service`)."""
    words = name.upper().split(" ")
    if words == [""]:
        return "UNKN"
    return words[0][:4] if len(words) == 1 else words[0][:2] + words[1][:2]


def _close_empty(store: Store, customer_id: str) -> None:
    """Delete the invoices that have no line left."""
    store.execute(
        "UPDATE gathering_invoices SET deleted_at = ? WHERE customer_id = ? AND deleted_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM gathering_lines WHERE invoice_id = gathering_invoices.id)",
        [store.stamp(), customer_id],
    )


def _columns(line: Line) -> dict[str, str | None]:
    times: dict[str, datetime] = {name: getattr(line, name) for name in _TIMES}
    amount = None if line.amount is None else str(line.amount)
    return {"amount": amount, **{name: to_db(at) for name, at in times.items()}}


def _line(row: Row) -> Line:
    amount = None if row["amount"] is None else Decimal(row["amount"])
    return Line(reference=row["id"], amount=amount, **{name: from_db(row[name]) for name in _TIMES})


def _with_lines(store: Store, row: Row) -> Gathering:
    found = store.all("SELECT * FROM gathering_lines WHERE invoice_id = ? ORDER BY rowid", [row["id"]])
    own = ("id", "customer_id", "currency", "number", "created_at", "updated_at")
    return Gathering(lines=tuple(_line(line) for line in found), **{name: row[name] for name in own})
