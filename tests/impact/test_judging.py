"""What becomes of one customer: arithmetic on what OpenMeter answered, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import share

from billing_as_code.impact import Case, Hit, Impact, Reading, counts, estimated, judged, past_spans, ranked
from billing_as_code.impact.document import impact_json, load_impact
from billing_as_code.impact.judging import outlook
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.moves import Allowance, Holder, Move, Span
from billing_as_code.model import Address, Resource
from billing_as_code.planschema import plan_schema

NOW = datetime(2026, 11, 16, tzinfo=UTC)
NOVEMBER = Span(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
OF = Address("entitlements", ("acme", "ai"))
MONTHLY = Allowance(Decimal(1000), "month", period=NOVEMBER, issued=frozenset({"issued"}))


def case(after: Allowance | None, *codes: str, before: Allowance | None = MONTHLY, more: tuple[Move, ...] = ()) -> Case:
    holder = Holder("acme", "ai")
    own = tuple(Move(OF, holder, code, True, before, after) for code in codes)
    return Case(holder, own + more, before, after)


def reading(usage: int, *past: int | None, available: int = 1000, **others: Any) -> Reading:
    known: dict[str, Any] = {"left": {"issued": Decimal(max(0, available - usage))}, **others}
    amounts = tuple(Decimal(p) if p is not None else None for p in past)
    return Reading(available > usage, Decimal(usage), Decimal(available), past=amounts, **known)


def to(amount: int, **others: Any) -> Allowance:
    return replace(MONTHLY, amount=Decimal(amount), **others)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_access_is_lost_at_the_limit_and_not_only_beyond_it() -> None:
    assert judged(case(to(500), "amount"), reading(500), NOW).outcome == "loses_access"
    assert judged(case(to(501), "amount"), reading(500, 500), NOW).outcome == "would_be_over"


def test_what_grants_add_stays_beside_a_lower_amount() -> None:
    hit = judged(case(to(500), "amount"), reading(700, available=1300), NOW)
    assert (hit.limit, hit.limit_after, hit.outcome) == (Decimal(1300), Decimal(800), "would_be_over")


def test_whoever_has_no_access_before_loses_none() -> None:
    hit = judged(case(to(500), "amount"), reading(1200), NOW)
    assert (hit.outcome, hit.access, hit.already) == ("over", False, True)


def test_a_soft_limit_takes_no_access() -> None:
    assert judged(case(to(500, soft=True), "amount"), reading(700), NOW).outcome == "over"


def test_a_limit_that_becomes_hard_takes_access_from_whoever_is_over_it() -> None:
    soft = replace(MONTHLY, soft=True)
    over = replace(reading(1500), access=True)
    assert judged(case(MONTHLY, "hard", before=soft), over, NOW).outcome == "loses_access"


def test_a_voided_grant_takes_what_is_left_of_it_and_no_more() -> None:
    gone = Move(OF, Holder("acme", "ai"), "grant_gone", True, amount=Decimal(-400), grants=("promo",))
    left = {"issued": Decimal(1000), "promo": Decimal(100)}
    hit = judged(case(MONTHLY, more=(gone,)), reading(300, 100, available=1400, left=left), NOW)
    assert (hit.limit_after, hit.how) == (Decimal(1300), ("grant_gone",))


def test_a_grant_that_starts_later_gives_nothing_now() -> None:
    later = Move(
        OF,
        Holder("acme", "ai"),
        "grant",
        True,
        amount=Decimal(0),
        since=datetime(2026, 12, 1, tzinfo=UTC),
        grants=("promo",),
    )
    left = {"issued": Decimal(700), "promo": Decimal(400)}
    assert judged(case(MONTHLY, more=(later,)), reading(300, available=1400, left=left), NOW).limit_after == 1000


def test_another_interval_starts_anew_with_what_is_left_of_grants() -> None:
    left = {"issued": Decimal(300), "promo": Decimal(50)}
    daily = Allowance(Decimal(20), "day")
    hit = judged(case(daily, "reset"), reading(700, 30, 60, 90, available=1050, left=left), NOW)
    assert (hit.usage, hit.limit_after) == (Decimal(0), Decimal(70))
    assert hit.period == Span(NOW, datetime(2026, 11, 17, tzinfo=UTC))
    assert (hit.outcome, hit.expected) == ("within", Decimal(60))


def test_the_last_periods_are_of_the_new_length_where_the_length_changes() -> None:
    days = past_spans(case(Allowance(Decimal(20), "day"), "reset"), NOW)
    assert [(s.start.day, s.end.day) for s in days] == [(15, 16), (14, 15), (13, 14)]
    months = past_spans(case(to(500), "amount"), NOW)
    assert [(s.start.month, s.end.month) for s in months] == [(10, 11), (9, 10), (8, 9)]


def test_a_switch_that_becomes_a_limit_starts_with_all_of_it() -> None:
    hit = judged(case(to(500, period=None), "type", before=Allowance(None)), Reading(True, past=(Decimal(900),)), NOW)
    assert (hit.access, hit.limit, hit.limit_after, hit.outcome) == (True, None, Decimal(500), "would_be_over")


@pytest.mark.parametrize(
    ("after", "code", "outcome", "why"),
    [
        (None, "gone", "loses_access", ""),
        (Allowance(None, value='{"max":5}'), "config", "unknown", "static"),
        (MONTHLY, "recounted", "unknown", "recounted"),
        (MONTHLY, "archived", "within", ""),
    ],
)
def test_what_is_no_arithmetic_says_what_it_is(after: Allowance | None, code: str, outcome: str, why: str) -> None:
    hit = judged(case(after, code), reading(10), NOW)
    assert (hit.outcome, hit.why) == (outcome, why)


def test_what_could_not_be_read_is_told_and_not_guessed() -> None:
    hit = judged(case(to(500), "amount"), Reading(trouble="GET /x: 503"), NOW)
    assert (hit.outcome, hit.why, hit.limit_after) == ("unknown", "GET /x: 503", None)


@pytest.mark.parametrize("period", [None, {}, {"from": "soon", "to": "2026-12-01T00:00:00Z"}, {"from": 1, "to": 2}, []])
def test_a_period_that_cannot_be_understood_is_none(period: Any) -> None:
    raw = {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": 5}}
    resource = Resource(OF, ENTITLEMENTS.canonical(OF.path, raw), "E1", facts={"period": period})
    found = ENTITLEMENTS.allowance(resource)
    assert found == Allowance(Decimal(5), "month")
    assert judged(case(to(1, period=None), "amount", before=found), reading(0), NOW).why == "no_value"


# -- what is expected -----------------------------------------------------------------------------------------------


def test_half_of_a_period_and_its_past_share_what_is_still_to_come() -> None:
    # 300 in half a month is 600 a month; the last ones had 500 and 400
    found = outlook("adds", Decimal(300), Decimal("0.5"), (Decimal(500), Decimal(400)))
    assert found.expected == Decimal("562.5")
    assert found.paces == (Decimal(550), Decimal(500), Decimal(600))


def test_periods_before_a_customers_first_usage_do_not_count() -> None:
    found = outlook("adds", Decimal(300), Decimal("0.5"), (Decimal(600), None, Decimal(600), None)[:4])
    assert found.paces == (Decimal(600), Decimal(300), Decimal(600), Decimal(600))


def test_what_only_counts_when_it_is_new_goes_no_further_than_it_ever_did() -> None:
    found = outlook("distinct", Decimal(80), Decimal("0.5"), (Decimal(100), Decimal(90)))
    assert (found.expected, max(found.paces)) == (Decimal(95), Decimal(100))


def test_a_latest_value_is_expected_to_stay() -> None:
    assert outlook("latest", Decimal(40), Decimal("0.1"), (Decimal(90),)).expected == 40


def test_a_minute_of_a_month_says_nothing_of_its_end() -> None:
    hit = judged(case(to(500), "amount"), reading(100), NOVEMBER.start.replace(hour=1))
    assert (hit.outcome, hit.why, hit.confidence, hit.expected) == ("unknown", "too_early", "low", None)


def test_confidence_falls_with_paces_that_disagree() -> None:
    agree = judged(case(to(500), "amount"), reading(300, 500, 550, 600), NOW)
    assert (agree.outcome, agree.confidence) == ("would_be_over", "high")
    most = judged(case(to(500), "amount"), reading(300, 500, 550, 0), NOW)
    assert (most.outcome, most.confidence) == ("would_be_over", "medium")
    alone = judged(case(to(500), "amount"), reading(200), NOVEMBER.start.replace(day=5))
    assert (alone.outcome, alone.confidence) == ("would_be_over", "low")


# floats, as OpenMeter writes its numbers: exact decimals of what they print
amounts = st.one_of(
    st.integers(-100, 10**6).map(Decimal),
    st.floats(-1e3, 1e300, allow_nan=False).map(lambda number: Decimal(repr(number))),
)
growths = st.sampled_from(("adds", "distinct", "latest"))
pasts = st.lists(st.none() | amounts, max_size=3)
shares = st.integers(0, 1000).map(lambda n: Decimal(n) / 1000)


@settings(max_examples=share(0.3))
@given(growths, amounts, shares, pasts)
def test_nothing_is_expected_below_zero_or_below_what_is_used(
    growth: Any, usage: Decimal, passed: Decimal, past: list[Decimal | None]
) -> None:
    found = outlook(growth, usage, passed, past)
    for expected in (found.expected, *found.paces):
        assert expected >= 0
    if growth != "latest":
        assert found.expected >= usage


@settings(max_examples=share(0.3))
@given(amounts, amounts, st.booleans(), pasts, growths, st.integers(1, 28))
def test_whoever_is_over_the_new_limit_today_is_reported_as_that(
    usage: Decimal, amount: Decimal, soft: bool, past: list[Decimal | None], growth: Any, day: int
) -> None:
    after = replace(MONTHLY, amount=max(amount, Decimal(0)), soft=soft)
    said = Reading(True, usage, Decimal(1000), past=tuple(past), growth=growth)
    hit = judged(case(after, "amount"), said, NOW.replace(day=day))
    assert hit.limit_after is not None
    over = usage >= hit.limit_after
    assert (hit.outcome in ("loses_access", "over")) == over
    assert hit.outcome != "loses_access" or not soft


# -- as a document, and in numbers ----------------------------------------------------------------------------------


@settings(max_examples=share(0.3))
@given(amounts, amounts, pasts, st.sampled_from(("amount", "recounted", "gone")))
def test_an_impact_is_read_back_from_its_json_as_it_was(
    usage: Decimal, amount: Decimal, past: list[Decimal | None], code: str
) -> None:
    after = None if code == "gone" else replace(MONTHLY, amount=max(amount, Decimal(0)))
    said = Reading(True, usage, Decimal(1000), past=tuple(past))
    found = Impact(NOW, (judged(case(after, code), said, NOW),), 1, 1)
    written = impact_json(found)
    assert load_impact(written) == found
    schema = {**plan_schema(), "$ref": "#/$defs/impact"}
    jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/impact"}).validate(written)


def test_hits_are_counted_by_outcome_and_by_how_much_of_the_limit() -> None:
    hits = [judged(case(to(500), "amount"), reading(n, 0, 0, 0), NOW) for n in (0, 100, 220, 240, 400, 900)]
    found = counts(ranked(hits))
    assert dict(found.outcomes) == {"loses_access": 1, "over": 0, "would_be_over": 1, "within": 4, "unknown": 0}
    assert sum(found.bands.values()) == len(hits)
    assert [hit.outcome for hit in ranked(hits)][:2] == ["loses_access", "would_be_over"]


@settings(max_examples=share(0.3))
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))
def test_an_estimate_lies_within_its_margin_and_covers_what_was_seen(found: int, asked: int, more: int) -> None:
    found = min(found, asked)
    share = estimated(found, asked, asked + more)
    assert share.least <= share.most <= asked + more
    assert found <= share.most or asked == 0
    if asked:
        assert share.least <= max(share.about, found) and share.about <= share.most


def test_a_sample_is_scaled_up_and_what_is_certain_of_others_is_counted_beside_it() -> None:
    """Of 400 customers whose usage counts, 100 were asked; of 20 more all is certain without asking."""

    def of(name: str, hit: Hit, **more: Any) -> Hit:
        return replace(hit, customer=name, **more)

    over = judged(case(to(500), "amount"), reading(700), NOW)
    fine = judged(case(to(500), "amount"), reading(10, 10), NOW)
    gone = judged(case(None, "gone", before=Allowance(None)), Reading(), NOW)
    hits = [of(f"asked{n}", over if n < 25 else fine) for n in range(100)]
    hits += [of(f"sure{n}", gone) for n in range(20)]
    hits += [of(f"left_out{n}", gone, feature="sso", unasked=True) for n in range(30)]
    found = Impact(NOW, ranked(hits), 420, 100, 300)
    share = found.estimated("loses_access")
    assert share.about == 25 * 4 + 20
    assert 75 <= share.least < 120 < share.most < 200
    assert found.customers["loses_access"] == 25 + 20 + 30


def test_customers_are_counted_once_by_their_worst() -> None:
    lost = judged(case(None, "gone"), reading(10), NOW)
    fine = judged(case(to(900), "amount"), reading(10, 10), NOW)
    found = Impact(NOW, ranked([fine, replace_feature(lost, "sso")]), 1, 1)
    assert found.customers["loses_access"] == 1
    assert sum(found.customers.values()) == 1


def replace_feature(hit: Hit, feature: str) -> Hit:
    return replace(hit, feature=feature)
