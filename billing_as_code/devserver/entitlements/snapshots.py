"""Saved balances, from which later calculations go on (`openmeter/credit/adapter/balance_snapshot.go`).

They show: usage that is reported for a time before a saved balance does not change it any more.
"""

import json
from datetime import datetime
from typing import Final

from ..clock import from_db, to_db
from ..credit_state import Snapshot
from ..store import Store

DDL: Final = """
CREATE TABLE IF NOT EXISTS balance_snapshots (
    number INTEGER PRIMARY KEY,
    owner_id TEXT NOT NULL,
    at TEXT NOT NULL,
    balances TEXT NOT NULL,
    overage REAL NOT NULL,
    usage REAL NOT NULL,
    grant_usage REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS balance_snapshots_of_owner ON balance_snapshots (owner_id, at, number);
"""


def latest(store: Store, owner_id: str, at: datetime) -> Snapshot | None:
    """The last balance saved for a time that is not after `at`; of two for one time the newer."""
    row = store.one(
        "SELECT * FROM balance_snapshots WHERE owner_id = ? AND at <= ? ORDER BY at DESC, number DESC",
        (owner_id, to_db(at)),
    )
    if row is None:
        return None
    balances = json.loads(row["balances"])
    return Snapshot(from_db(row["at"]), balances, row["overage"], row["usage"], row["grant_usage"])


def save(store: Store, owner_id: str, snapshot: Snapshot) -> None:
    """Save a balance."""
    values = {
        "owner_id": owner_id,
        "at": to_db(snapshot.at),
        "balances": json.dumps(snapshot.balances),
        "overage": snapshot.overage,
        "usage": snapshot.usage,
        "grant_usage": snapshot.grant_usage,
    }
    store.insert("balance_snapshots", values)


def invalidate_after(store: Store, owner_id: str, at: datetime) -> None:
    """Forget the balances saved for times after `at`."""
    store.execute("DELETE FROM balance_snapshots WHERE owner_id = ? AND at > ?", (owner_id, to_db(at)))
