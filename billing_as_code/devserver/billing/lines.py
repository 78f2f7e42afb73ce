"""What a subscription will be invoiced for (`billing/worker/subscriptionsync/service/targetstate`).

Pure functions on values: the lines of every period that has begun, and of the next one where it is paid in advance.
Billing knows whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from ..clock import from_db
from ..currencies import PRECISIONS
from ..durations import parse_duration
from ..periods import Recurrence
from ..plans.cards import RateCard
from ..subscriptions.rows import Item, PhaseOf, Subscription
from ..subscriptions.spec import Spec

_MAX_PERIODS = 1000
_ALMOST_A_SECOND = timedelta(seconds=1) - timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    """A line to come. Without an amount it depends on usage."""

    reference: str
    service_from: datetime
    service_to: datetime
    billing_from: datetime
    billing_to: datetime
    invoice_at: datetime
    amount: Decimal | None


def lines_of(subscription: Subscription, phases: Sequence[PhaseOf], now: datetime, end_mode: str) -> list[Line]:
    """The lines of a subscription at a time; `end_mode` is the profile's mode of proration at the end."""
    spec = Spec.of(subscription, phases)
    found: list[Line] = []
    for index, phase in enumerate(phases):
        start, end = spec.cadence(index)
        priced = [item for item in phase.items if item.card.price is not None]
        if not priced or start == end:
            continue
        limit = _limit(spec, start, priced, now)
        frame = _Frame(subscription, spec, index, end_mode)
        for item in priced:
            found.extend(frame.lines(phase.key, item, _second(limit) + _ALMOST_A_SECOND))
        if end is not None and end >= now:
            break
    return found


def _limit(spec: Spec, phase_start: datetime, items: Iterable[Item], now: datetime) -> datetime:
    """Up to when lines are made: the end of the billing period, or the start of what has not begun."""
    period = spec.billing_period(now)
    limit = spec.active_from if period is None else now if now == period[0] else period[1]
    return min(_second(from_db(item.active_from)) for item in items) if phase_start > limit else limit


@dataclass(frozen=True)
class _Frame:
    """What the items of a phase have in common."""

    subscription: Subscription
    spec: Spec
    index: int
    end_mode: str

    def lines(self, phase_key: str, item: Item, until: datetime) -> Iterator[Line]:
        """The lines of an item that are to be invoiced until a time."""
        reference = f"{self.subscription.id}/{phase_key}/{item.key}/v[0]"
        if item.card.cadence is None:
            line = self._line(reference, item, *self._once(item))
            if _is_billed(line, item):
                yield line
            return
        at, ends = from_db(item.active_from), None if item.active_to is None else from_db(item.active_to)
        if self.spec.active_to is not None and at >= self.spec.active_to:
            return
        recurrence = Recurrence(parse_duration(item.card.cadence), self.spec.billing_anchor)
        for number in range(_MAX_PERIODS):
            full = recurrence.period_at(at)
            line = self._line(f"{reference}/period[{number}]", item, at, full)
            if line.invoice_at > until:
                return
            if _is_billed(line, item):
                yield line
            at = full[1] if ends is None else min(full[1], ends)
            if at == ends:
                return

    def _once(self, item: Item) -> tuple[datetime, tuple[datetime, datetime]]:
        """The time that something paid once is paid for: from its start to its end, which may be the start."""
        start = from_db(item.active_from)
        end = self.spec.cadence(self.index)[1] or start
        return start, (start, end)

    def _line(self, reference: str, item: Item, at: datetime, full: tuple[datetime, datetime]) -> Line:
        """The line of a period."""
        billing = self.spec.billing_period(at)
        assert billing is not None, "no item starts before its subscription"
        service_to = full[1] if item.active_to is None else min(full[1], from_db(item.active_to))
        service_from = max(full[0], from_db(item.active_from))
        service = _second(service_from), _second(service_to)
        billing = _second(billing[0]), _second(billing[1])
        card = item.card
        assert card.price is not None, "only what has a price has lines"
        amount = self._amount(card, service, (_second(full[0]), _second(full[1])))
        in_advance = card.price.type == "flat" and card.price.payment_term == "in_advance"
        invoice_at = billing[0] if in_advance else max(service[1], billing[1])
        return Line(reference, *service, *billing, invoice_at, amount)

    def _amount(
        self, card: RateCard, service: tuple[datetime, datetime], full: tuple[datetime, datetime]
    ) -> Decimal | None:
        """A flat fee, for the part of its period that is used; None for what depends on usage."""
        assert card.price is not None, "only what has a price has lines"
        if card.price.type != "flat" or card.price.amount is None:
            return None
        amount = Decimal(card.price.amount)
        used, whole = service[1] - service[0], full[1] - full[0]
        if used and used != whole and self._is_prorated(service[1]):
            amount = amount * Decimal(used // timedelta(seconds=1)) / Decimal(whole // timedelta(seconds=1))
        unit = Decimal(1).scaleb(-PRECISIONS[self.subscription.currency])
        return amount.quantize(unit, ROUND_HALF_UP)

    def _is_prorated(self, service_end: datetime) -> bool:
        enabled, _mode = self.subscription.pro_rating
        ends = self.spec.active_to
        if self.end_mode == "bill_full_period" and ends is not None and ends <= service_end:
            return False
        return enabled


def _is_billed(line: Line, item: Item) -> bool:
    """Whether there is anything to pay: an amount, or some time to use something in."""
    if line.amount is None:
        return line.service_from < line.service_to
    return line.amount != 0


def _second(at: datetime) -> datetime:
    """The whole second that a time lies in."""
    return at.replace(microsecond=0)
