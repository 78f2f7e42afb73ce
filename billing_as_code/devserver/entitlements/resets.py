"""Manual resets of an entitlement's usage (`entitlement/metered/reset.go`, `metered/grant_owner_adapter.go`)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..clock import from_db, to_db
from ..gotime import go_time
from ..periods import floor_minute
from ..problems import invalid
from ..store import Store
from . import rows
from .balances import ledger_of
from .schedule import refuse_subscribed
from .times import sent_time


def reset(store: Store, entitlement_id: str, body: Mapping[str, Any]) -> None:
    """End the current usage period now or at a time, and start one there; `retainAnchor` keeps the grid."""
    ledger = ledger_of(store, entitlement_id)
    entitlement = ledger.entitlement
    at = sent_time(body["effectiveAt"]) if "effectiveAt" in body else store.now()
    _refuse_repeated(entitlement, at)
    refuse_subscribed(entitlement)
    preserve = body.get("preserveOverage", entitlement.preserve_overage)
    cut = ledger.reset(at, preserve_overage=preserve)
    assert entitlement.usage_period is not None
    recurrence = entitlement.usage_period.recurrence_at(cut)
    anchor = recurrence.anchor if body.get("retainAnchor", False) else cut
    resets = [*entitlement.resets, (to_db(cut), to_db(anchor), str(recurrence.interval))]
    rows.update(store, entitlement_id, {"resets": json.dumps(sorted(resets))})


def _refuse_repeated(entitlement: rows.Entitlement, at: datetime) -> None:
    assert entitlement.last_reset is not None
    last = floor_minute(from_db(entitlement.last_reset))
    if floor_minute(at) == last:
        raise invalid(f"reset at {go_time(floor_minute(at))} must be after last reset at {go_time(last)}")
