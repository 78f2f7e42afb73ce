"""Tools about usage: what a meter counted, and one event more."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.depth import check_depth
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import Cursor, CustomerKey, Number, Slug, Time
from billing_as_code.agents.text import Cleaner, lines, message, page
from billing_as_code.agents.tools import Desk
from billing_as_code.kinds.metering import Question
from billing_as_code.kinds.times import instant, parse_instant
from billing_as_code.model import canonical_json
from billing_as_code.service import Feed, Refusal, Tally

SOURCE = "bac-mcp"
SAME_WITHIN = 60
"""Seconds in which a call without id and time is the same event as an equal one before it."""
_REMEMBERED = 10_000


class Counting:
    """Reads and writes of usage."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._accepted = _Accepted()

    def query_usage(
        self,
        meter: Annotated[Slug, Field(description="The meter's key.", examples=["tokens_total"])],
        start: Annotated[Time | None, Field(description="From this time on, RFC 3339.")] = None,
        end: Annotated[Time | None, Field(description="Before this time, RFC 3339; else until now.")] = None,
        window: Annotated[
            Literal["minute", "hour", "day", "month"] | None,
            Field(description="A row for each of these; else one row for the whole span."),
        ] = None,
        time_zone: Annotated[
            str | None,
            Field(
                max_length=64,
                description="IANA name in which days and months begin; else UTC.",
                examples=["Europe/Berlin"],
            ),
        ] = None,
        group_by: Annotated[
            list[Annotated[str, Field(min_length=1, max_length=64)]] | None,
            Field(max_length=8, description="Dimensions of the meter, or `subject`.", examples=[["model", "subject"]]),
        ] = None,
        subjects: Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256)]] | None,
            Field(max_length=50, description="Only the usage of these subjects.", examples=[["cust_99"]]),
        ] = None,
        customer: CustomerKey | None = None,
        filters: Annotated[
            dict[str, Annotated[str, Field(max_length=256)]] | None,
            Field(max_length=8, description="Only where a dimension has this value.", examples=[{"model": "gpt-4"}]),
        ] = None,
        cursor: Cursor = 0,
        limit: Annotated[int, Field(ge=1, le=500, description="The most rows to answer with at once.")] = 100,
    ) -> shapes.UsageAnswer:
        """Query what a meter counted: in a span of time, by window, dimension and subject.

        Values are in the meter's unit. What is in a window is exact for OpenMeter; windows do not add up for averages,
        extremes and unique counts, so ask without a window for a total.
        """
        by = tuple(dict.fromkeys(group_by or ()))
        question = Question(
            meter,
            start=_time(start),
            end=_time(end),
            window=window,
            zone=time_zone,
            by=by,
            subjects=subjects or (),
            customers=[customer] if customer is not None else (),
            where=filters or {},
        )
        found = service.usage(self._desk.session(), question)
        clean = Cleaner()
        rows = [
            shapes.UsageRow(
                start=instant(row.start),
                end=instant(row.end),
                value=_number(row.value),
                groups={name: clean.clean(value) for name, value in row.groups.items()},
            )
            for row in found[cursor : cursor + limit]
        ]
        some = page(rows, 0, limit)
        following = cursor + len(some.items)
        more = following if following < len(found) else None
        going_on = f"{cursor + 1} to {following} of {len(found):,} rows. The same call with cursor {more} goes on."
        return shapes.UsageAnswer(
            meter=meter,
            rows=some.items,
            total_rows=len(found),
            next_cursor=more,
            environment=self._desk.environment,
            notes=([going_on] if more is not None else []) + clean.notes(),
        )

    def ingest_event(
        self,
        type: Annotated[
            str,
            Field(min_length=1, max_length=256, description="The event type that a meter counts.", examples=["tokens"]),
        ],
        subject: Annotated[
            str,
            Field(
                min_length=1,
                max_length=256,
                description="Whose usage it is: a customer's key or one of its subjects.",
                examples=["cust_99"],
            ),
        ],
        data: Annotated[
            dict[str, Any] | None,
            Field(description="What meters read from the event, by their value_property.", examples=[{"tokens": 150}]),
        ] = None,
        source: Annotated[
            str,
            Field(
                min_length=1, max_length=256, description="What produced it, a URI reference.", examples=["gpt-wrapper"]
            ),
        ] = SOURCE,
        time: Annotated[Time | None, Field(description="When it happened, RFC 3339; else now.")] = None,
        id: Annotated[
            str | None,
            Field(
                min_length=1,
                max_length=256,
                description="The event's id, where you have one. OpenMeter takes an id of one source once.",
            ),
        ] = None,
    ) -> shapes.Ingested:
        """Record one usage event. It counts at once, and cannot be taken back.

        Safe to repeat: the same call twice counts once. Its id is made of the arguments; without `time`, an equal call
        within 60 seconds is the same event. Two equal events that both happened need their own `time` or `id`.
        """
        check_depth(data)
        session = self._desk.session()
        said = canonical_json([type, subject, data, source, time, id])
        event = self._accepted.event(said, source, session.now(), time, id)
        with event.lock:
            clean = Cleaner()
            answer = shapes.Ingested(
                id=clean.text(event.id),
                source=clean.text(source),
                time=event.time,
                sent=not event.accepted,
                warnings=event.warnings,
                environment=self._desk.environment,
            )
            if event.accepted:
                return answer
            sent = {"type": type, "subject": subject, "source": source, "id": event.id, "time": event.time}
            tally, refused = Tally(), list[Refusal]()
            for _ in service.ingest(
                session, Feed(event=sent | ({"data": data} if data else {})), tally, refused.append
            ):
                pass
            if refused:
                told = "; ".join(message(str(one)) for one in refused)
                raise Failure("invalid_event", f"The event was not taken: {told}", "Correct it and call again.")
            event.accepted = True
            event.warnings = lines((str(warning) for warning in tally.warnings), 5)
            return answer.model_copy(update={"warnings": event.warnings})


class _Event:
    """An event as it was called for: what makes it the same one when it is called for again."""

    def __init__(self, id: str, time: str, first: datetime) -> None:
        self.id, self.time, self.first = id, time, first
        self.lock = threading.Lock()
        self.accepted = False
        self.warnings: list[str] = []


class _Accepted:
    """The last events of this server, so that the same call is not sent twice: an OpenMeter that does not deduplicate
    would count it twice."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, _Event] = OrderedDict()
        self._lock = threading.Lock()

    def event(self, said: str, source: str, now: datetime, time: str | None, id: str | None) -> _Event:
        """The event of a call, which may have been called for before."""
        with self._lock:
            before = self._events.get(said)
            named = time is not None or id is not None
            if before is not None and (named or (now - before.first).total_seconds() < SAME_WITHIN):
                return before
            when = time if time is not None else instant(now)
            made = _Event(id if id is not None else _id(said, now, named), when, now)
            self._events[said] = made
            self._events.move_to_end(said)
            while len(self._events) > _REMEMBERED:
                self._events.popitem(last=False)
            return made


def _id(said: str, now: datetime, named: bool) -> str:
    """Of the arguments, and of the minute where they name no time: so that it is the same after a restart too."""
    minute = "" if named else instant(now.replace(second=0, microsecond=0))
    return "bac-" + hashlib.sha256(f"{said}\n{minute}".encode()).hexdigest()[:32]


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise Failure("invalid_arguments", f"{text} is no time.", "RFC 3339, such as 2026-11-01T00:00:00Z.") from error


def _number(value: Decimal) -> Number:
    return int(value) if value == value.to_integral_value() else float(value)
