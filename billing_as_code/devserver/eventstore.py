"""Events at rest: the table, what happens to an event on its way into it, and the reading of it.

OpenMeter's way is Kafka, the sink and ClickHouse (openmeter/ingest, openmeter/sink); here an event can be seen at
once. Times are whole seconds, as in ClickHouse's columns (`openmeter/streaming/clickhouse/event_query.go`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .aggregation import as_number, unix
from .eventparts import FLUSH_SECONDS, part_of
from .store import Store

EVENTS_DDL = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    row_id TEXT NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    time INTEGER NOT NULL,
    data TEXT,
    ingested_at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    part INTEGER NOT NULL,
    dedupe_key TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, subject, time, part);
CREATE INDEX IF NOT EXISTS events_by_time ON events (time, row_id);
CREATE INDEX IF NOT EXISTS events_by_key ON events (dedupe_key, ingested_at);
CREATE TABLE IF NOT EXISTS event_flushes (flush INTEGER PRIMARY KEY, started REAL NOT NULL);
"""

# How long the sink remembers what it has stored (`sink.dedupe.config.expiration` of the quickstart).
_REMEMBERED = timedelta(days=32)
_EXACT_INTEGERS = 2**53
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_INSERT = """
INSERT INTO events (row_id, id, source, type, subject, time, data, ingested_at, stored_at, part, dedupe_key)
SELECT :row_id, :id, :source, :type, :subject, :time, :data, :now, :now, :part, :dedupe_key
WHERE NOT EXISTS (SELECT 1 FROM events WHERE dedupe_key = :dedupe_key AND {known})
"""


@dataclass(frozen=True)
class IncomingEvent:
    """An event as it was sent and accepted; its time in Unix seconds, its data as JSON or None."""

    id: str
    source: str
    type: str
    subject: str
    time: int
    data: str | None


def add_events(store: Store, events: Iterable[IncomingEvent]) -> None:
    """Store events, each pair of source and id once: ever with deduplication, else once per batch of the sink."""
    now = store.now()
    flush = _current_flush(store)
    oldest = unix(now - _REMEMBERED)
    known = f"ingested_at > {oldest}" if store.settings.dedupe_enabled else f"part & 4294967295 = {flush}"
    store.execute_many(
        _INSERT.format(known=known),
        [
            {
                "row_id": store.new_id(),
                "id": event.id,
                "source": event.source,
                "type": event.type,
                "subject": event.subject,
                "time": event.time,
                "data": event.data,
                "now": unix(now),
                "part": part_of(event.time, flush),
                # Joined like this the sink cannot tell some pairs apart, and neither do we.
                "dedupe_key": f"{event.source}-{event.id}",
            }
            for event in events
            # The sink drops what is from before 1970 (ValidateKafkaPayloadToCloudEvent).
            if event.time > 0
        ],
    )


def _current_flush(store: Store) -> int:
    """The number of the batch that the sink would make of what comes in now."""
    now = store.now().timestamp()
    last = store.one("SELECT flush, started FROM event_flushes ORDER BY flush DESC LIMIT 1")
    if last is not None and 0 <= now - last["started"] < FLUSH_SECONDS:
        return int(last["flush"])
    flush = 1 if last is None else last["flush"] + 1
    store.insert("event_flushes", {"flush": flush, "started": now})
    store.execute("DELETE FROM event_flushes WHERE flush < ?", [flush])
    return int(flush)


def data_text(data: Mapping[str, Any]) -> str:
    """An event's data as it is stored: read and written by Go, which knows no numbers but float64."""
    return _ENCODER.encode(_as_go_reads(data))


def _as_go_reads(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_go_reads(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_go_reads(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int) and abs(value) < _EXACT_INTEGERS:
        return value
    number = float(value)
    if math.isinf(number):
        raise OverflowError(value)
    return as_number(number)
