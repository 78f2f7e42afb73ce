"""Whom a plan hits: asking OpenMeter for the usage of everyone of whom it takes something, and no more than that.

Of more than MOST_CUSTOMERS customers a sample is asked for, drawn by a digest of their keys: the same one every time,
and none that anybody chose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from threading import Lock
from typing import NamedTuple, TypeVar

from billing_as_code import impact
from billing_as_code.client import MISREAD, misread, path_of
from billing_as_code.collecting import uncollected
from billing_as_code.errors import ApiError
from billing_as_code.impact import Case, Impact, Reading, supposing
from billing_as_code.kinds import credits, metering
from billing_as_code.kinds.moves import Counter, Holder, Span, Used
from billing_as_code.live import Progress
from billing_as_code.model import Change, Json, Read, State, canonical_json
from billing_as_code.plan import Plan
from billing_as_code.service.declaring import edited
from billing_as_code.service.planning import both_sides, compared
from billing_as_code.service.session import Session

MOST_CUSTOMERS = 1_000
_TRIES = 2
_ENOUGH_FAILED = 10
"""So many failures one after another, and nothing more is asked: it is not one customer's trouble."""
Answer = TypeVar("Answer")


def plan_with_impact(
    session: Session,
    *,
    only: Sequence[str] = (),
    replaced: Sequence[str] = (),
    gap: bool = False,
    full: bool = False,
    progress: Progress = lambda done, known: None,
) -> Plan:
    """The plan as `plan` makes it, with whom it hits. `full` asks for the usage of all customers, however many.

    Nothing is asked where the plan takes nothing of anybody. What cannot be read is told in the hits that it is of.
    Raises CatalogError, ApiError, PlanError.
    """
    with uncollected():
        desired, live = both_sides(session, progress)
        made = compared(session, desired, live, only, replaced, gap)
        return replace(made, impact=measured(session, made.changes, live, full=full, progress=progress))


def impact_now(session: Session, *, full: bool = False, progress: Progress = lambda done, known: None) -> Impact:
    """Whom it hits that the catalog is ahead of what is live. Raises as `plan_with_impact` does."""
    found = plan_with_impact(session, full=full, progress=progress).impact
    assert found is not None
    return found


def what_if(
    session: Session,
    asked: Sequence[str],
    *,
    full: bool = False,
    progress: Progress = lambda done, known: None,
) -> Impact:
    """Whom it would hit if the catalog said something else (see `impact.supposing`): that alone, whatever else the
    catalog is ahead of what is live.

    Raises UsageError where something asked for has no meaning; CatalogError, ApiError, PlanError.
    """
    wanted = [supposing.parse(text, session.kinds) for text in asked]
    with uncollected():
        desired, live = both_sides(session, progress)
        meant = supposing.supposed(wanted, desired, session.kinds)
        made = compared(session, edited(session, meant).desired, live)
        changes = list(supposing.touched(made.changes, meant))
        return measured(session, changes, live, full=full, progress=progress)


def measured(
    session: Session,
    changes: Iterable[Change],
    live: State,
    *,
    full: bool = False,
    progress: Progress = lambda done, known: None,
) -> Impact:
    """Whom some changes hit, starting from a live state."""
    found = impact.cases(changes, live, session.kinds)
    now = session.now()
    to_ask = {case.holder.customer for case in found if case.is_counted}
    asked = to_ask if full else set(drawn(to_ask, MOST_CUSTOMERS))
    left_out = to_ask - asked
    wanted = [case for case in found if case.is_counted and case.holder.customer in asked]
    readings = _Asking(session, live, progress).readings(wanted)
    told = [case for case in found if case.is_clear or case.holder in readings]
    hits = [
        replace(
            impact.judged(case, readings.get(case.holder, Reading()), now), unasked=case.holder.customer in left_out
        )
        for case in told
    ]
    customers = {case.holder.customer for case in found}
    return Impact(now.replace(microsecond=0), impact.ranked(hits), len(customers), len(asked), len(left_out))


def drawn(customers: Iterable[str], most: int) -> list[str]:
    """So many customers at most, by the digests of their keys."""
    return sorted(customers, key=lambda key: sha256(key.encode(errors="surrogatepass")).digest())[:most]


class _Past(NamedTuple):
    """A query of what was used in one period: of which meter, narrowed down by which filters (their JSON)."""

    meter: str
    filters: str
    span: Span


class _Asking:
    """The reads of one measuring, some at a time; each fails by itself."""

    def __init__(self, session: Session, live: State, progress: Progress) -> None:
        self._session, self._live, self._progress = session, live, progress
        self._now = session.now()
        self._lock = Lock()
        self._done = self._known = self._failed = 0
        self._given_up: ApiError | None = None
        self._filters: dict[Read, Json | ApiError] = {}

    def readings(self, cases: Sequence[Case]) -> dict[Holder, Reading]:
        """What OpenMeter says of each case."""
        if not cases:
            return {}
        counters = {case.holder: counter for case in cases if (counter := self._counter(case)) is not None}
        self._known = len(counters)
        for read in dict.fromkeys(c.filters for c in counters.values() if c.filters is not None):
            self._filters[read] = self._ask(read, metering.filters_of)
        wanted = {case.holder: self._past_of(case, counters.get(case.holder)) for case in cases}
        queries = _batches(wanted, counters)
        self._known += len(queries)
        with ThreadPoolExecutor(self._session.environment.reads) as pool:
            values = pool.map(lambda counter: self._ask(counter.value, credits.used), counters.values())
            answers = pool.map(lambda query: self._ask(_query(*query), metering.used_by), queries)
            value = dict(zip(counters, values, strict=True))
            used = {
                (past, customer): answer if isinstance(answer, ApiError) else answer.get(customer)
                for (past, customers), answer in zip(queries, answers, strict=True)
                for customer in customers
            }
        return {
            case.holder: self._reading(
                value.get(case.holder),
                counters.get(case.holder),
                [used[past, counters[case.holder].customer] for past in wanted[case.holder]],
            )
            for case in cases
        }

    def _counter(self, case: Case) -> Counter | None:
        kinds = self._session.kinds
        return kinds[case.live.address.kind].counter(case.live, self._live) if case.live is not None else None

    def _past_of(self, case: Case, counter: Counter | None) -> list[_Past]:
        """The queries that tell of a case's last periods; none where they cannot be asked."""
        if counter is None or not counter.meter:
            return []
        narrowed = self._filters[counter.filters] if counter.filters is not None else None
        if isinstance(narrowed, ApiError):
            return []
        filters = canonical_json(narrowed)
        return [_Past(counter.meter, filters, span) for span in impact.past_spans(case, self._now)]

    def _reading(
        self, value: Used | ApiError | None, counter: Counter | None, past: Sequence[Decimal | ApiError | None]
    ) -> Reading:
        if value is None or counter is None:
            return Reading()
        if isinstance(value, ApiError):
            return Reading(growth=counter.growth, trouble=str(value))
        unread = any(isinstance(one, ApiError) for one in past) or (
            counter.filters is not None and isinstance(self._filters[counter.filters], ApiError)
        )
        told = () if unread else tuple(one for one in past if not isinstance(one, ApiError))
        return Reading(*value, past=told, growth=counter.growth, past_unread=unread)

    def _ask(self, read: Read, shape: Callable[[Json], Answer]) -> Answer | ApiError:
        """One answer, or why there is none. After enough failures in a row nothing is asked any more."""
        if self._given_up is not None:
            return self._given_up
        path = path_of(read)
        answer: Answer | ApiError
        try:
            answer = shape(self._session.client.get(path, read.query, tries=_TRIES))
        except ApiError as error:
            answer = error
        except MISREAD as error:
            answer = misread(path, error)
        with self._lock:
            self._done += 1
            self._failed = self._failed + 1 if isinstance(answer, ApiError) else 0
            if self._failed >= _ENOUGH_FAILED and isinstance(answer, ApiError):
                self._given_up = answer
            self._progress(self._done, max(self._known, self._done))
        return answer


def _batches(
    wanted: Mapping[Holder, Sequence[_Past]], counters: Mapping[Holder, Counter]
) -> list[tuple[_Past, list[str]]]:
    """The queries, each with the customers (by their ids) that it is about."""
    customers: dict[_Past, dict[str, None]] = {}
    for holder, queries in wanted.items():
        for past in queries:
            customers.setdefault(past, {})[counters[holder].customer] = None
    most = metering.MOST_CUSTOMERS
    return [
        (past, ids[n : n + most])
        for past, found in customers.items()
        for ids in (list(found),)
        for n in range(0, len(ids), most)
    ]


def _query(past: _Past, customers: Sequence[str]) -> Read:
    return metering.used(past.meter, past.span, customers, json.loads(past.filters))
