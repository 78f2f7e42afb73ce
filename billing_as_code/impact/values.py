"""What is known of whom a plan hits. Amounts are exact decimals, times are in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from billing_as_code.kinds.moves import Growth, Span

Outcome = Literal["loses_access", "over", "would_be_over", "within", "unknown"]
"""What becomes of a customer: has access now and would have none; is at or over the new limit, where that changes
nothing of access (the limit is soft, or it was used up before); will be by the end of the period at the present pace;
stays below it; cannot be told."""
OUTCOMES: tuple[Outcome, ...] = ("loses_access", "over", "would_be_over", "within", "unknown")
"""The worst first."""

Confidence = Literal["certain", "high", "medium", "low"]
"""How much an outcome can be relied on: it holds now, whatever comes; every pace that was seen leads to it, and there
were enough; most do; or they do not agree, or there is nearly nothing to go by."""
CONFIDENCE: tuple[Confidence, ...] = ("certain", "high", "medium", "low")

PAST = 3
"""So many periods before the one that runs are looked at."""
BANDS: tuple[tuple[str, Decimal | None], ...] = (
    ("below 50 %", Decimal("0.5")),
    ("50 to 80 %", Decimal("0.8")),
    ("80 to 100 %", Decimal(1)),
    ("100 to 150 %", Decimal("1.5")),
    ("150 % and more", None),
)
"""The bands of a distribution: what is expected by the end of the period as a share of the new limit, each up to, and
without, its bound."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What OpenMeter says of one holder: the value now, None where it has none, and what each of the last periods used,
    the latest first (None: nothing was counted). `trouble` says why there is no answer."""

    access: bool | None = None
    usage: Decimal | None = None
    available: Decimal | None = None
    """What may be used in the period altogether, what was used of it included."""
    left: Mapping[str, Decimal] | None = None
    """What is left of each grant, by its id."""
    past: tuple[Decimal | None, ...] = ()
    growth: Growth = "adds"
    trouble: str = ""
    past_unread: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """What a plan does to one customer's use of one feature.

    `by` are the addresses of the changes that take something, `how` the codes of what they take (`kinds.moves.Move`).
    `limit` and `limit_after` are what may be used in the period that runs, now and with the plan (None: no limit, or
    not known; `gone` says that there is nothing at all any more). `usage` counts from the start of the period as it
    will be, `past` are the last periods, the latest first. `expected` is the usage by the end of the period, between
    `least` and `most` as the paces differ. `already` says that the outcome is no other without the plan.
    `why` is a code where the outcome is unknown (static, recounted, no_value, too_early), or past usage is
    (past_unread), or the text of an error.
    """

    customer: str
    feature: str
    by: tuple[str, ...]
    how: tuple[str, ...]
    outcome: Outcome
    confidence: Confidence
    gone: bool = False
    soft: bool = False
    access: bool | None = None
    already: bool = False
    limit: Decimal | None = None
    limit_after: Decimal | None = None
    usage: Decimal | None = None
    past: tuple[Decimal | None, ...] = ()
    expected: Decimal | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    period: Span | None = None
    growth: Growth | None = None
    why: str = ""
    unasked: bool = False
    """The customer is one of those whose usage was left out: this much is certain without it."""

    @property
    def share(self) -> Decimal | None:
        """What is expected as a share of the new limit; None where either is not known, or the limit is nothing."""
        if self.expected is None or not self.limit_after or self.limit_after < 0:
            return None
        return self.expected / self.limit_after


@dataclass(frozen=True, slots=True)
class Impact:
    """Whom a plan hits, as of `at`. Hits are sorted: the worst outcome first, then by how much, then by name.

    `touched` counts the customers of whom the plan takes something. Of `asked` of them OpenMeter was asked; where that
    is fewer than those that had to be, they are a sample, and `unasked` customers have no hit but for what is certain
    without asking.
    """

    at: datetime
    hits: tuple[Hit, ...]
    touched: int
    asked: int
    unasked: int = 0

    @property
    def sampled(self) -> bool:
        return self.unasked > 0

    @property
    def features(self) -> tuple[str, ...]:
        """The features that are hit, the one with the worst outcome first."""
        return tuple(dict.fromkeys(hit.feature for hit in self.hits))

    @property
    def customers(self) -> Mapping[Outcome, int]:
        """How many customers there are of each outcome, each counted by its worst."""
        return _totals(self._worst.values())

    def estimated(self, outcome: Outcome) -> Share:
        """How many customers of an outcome there are of all, by those that were asked and by what is certain."""
        drawn = {hit.customer for hit in self.hits if hit.growth is not None and not hit.unasked}
        left_out = {hit.customer for hit in self.hits if hit.unasked}
        found = _totals(o for customer, o in self._worst.items() if customer in drawn)[outcome]
        beside = _totals(o for c, o in self._worst.items() if c not in drawn and c not in left_out)[outcome]
        share = estimated(found, self.asked, self.asked + self.unasked)
        known = self.customers[outcome]
        return Share(*(max(known, beside + number) for number in share))

    @property
    def _worst(self) -> dict[str, Outcome]:
        worst: dict[str, Outcome] = {}
        for hit in self.hits:  # the worst come first
            worst.setdefault(hit.customer, hit.outcome)
        return worst

    def of(self, feature: str) -> tuple[Hit, ...]:
        """The hits of one feature."""
        return tuple(hit for hit in self.hits if hit.feature == feature)


def ranked(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """The worst outcome first, in it what is furthest over, then by name."""
    rank = {outcome: n for n, outcome in enumerate(OUTCOMES)}

    def order(hit: Hit) -> tuple[int, Decimal, str, str]:
        share = hit.share
        return rank[hit.outcome], -share if share is not None else Decimal(0), hit.feature, hit.customer

    return tuple(sorted(hits, key=order))


def _totals(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    found = dict.fromkeys(OUTCOMES, 0)
    for outcome in outcomes:
        found[outcome] += 1
    return found


class Counts(NamedTuple):
    """How many of some hits there are: by outcome, and by band of what is expected of the new limit."""

    outcomes: Mapping[Outcome, int]
    bands: Mapping[str, int]


def counts(hits: Iterable[Hit]) -> Counts:
    """The counts of some hits, every outcome and every band named."""
    outcomes = dict.fromkeys(OUTCOMES, 0)
    bands = dict.fromkeys((name for name, _ in BANDS), 0)
    for hit in hits:
        outcomes[hit.outcome] += 1
        if band := band_of(hit):
            bands[band] += 1
    return Counts(outcomes, bands)


def band_of(hit: Hit) -> str:
    """The band that a hit is in; "" where nothing is expected, or there is no new limit to compare it with."""
    if hit.expected is None or hit.limit_after is None:
        return ""
    share = hit.share
    if share is None:  # of nothing
        return BANDS[-1][0]
    return next(name for name, bound in BANDS if bound is None or share < bound)


class Share(NamedTuple):
    """How many of all customers there are by what a sample shows: the estimate, and its 95 % interval."""

    about: int
    least: int
    most: int


def estimated(found: int, asked: int, of: int) -> Share:
    """What `found` of `asked` customers, drawn by chance, say of `of` customers (Wilson's interval)."""
    if asked <= 0:
        return Share(0, 0, of)
    if asked >= of:
        return Share(found, found, found)
    z, p = 1.96, found / asked
    middle = (p + z * z / (2 * asked)) / (1 + z * z / asked)
    half = z * ((p * (1 - p) + z * z / (4 * asked)) / asked) ** 0.5 / (1 + z * z / asked)
    least, most = max(0.0, middle - half) * of, min(1.0, middle + half) * of
    return Share(round(p * of), max(found, int(least)), min(of - asked + found, int(most) + 1))
