"""Creating, changing, publishing, archiving and deleting plans (`productcatalog/plan/service`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..clock import from_db
from ..currencies import FIAT_CURRENCIES
from ..features import FeatureRow, find_feature
from ..gotime import go_time
from ..problems import DomainProblem, internal, invalid
from ..store import Duplicate, Store
from ..tax_codes import tax_code, tax_code_of_stripe
from . import issues, rows
from .cards import Phase, PlanTerms, RateCard, TaxConfig
from .issues import Issue, key_of, refuse
from .rows import Plan
from .validation import critical, phase_issues, plan_issues, storage_issues

_ONE_DRAFT = "only a single draft version is allowed for Plan"


def create(store: Store, terms: PlanTerms) -> Plan:
    """Store a plan as a draft: the first version of its key, or the next one. Raises Faulty."""
    _check(terms)
    next_version = 1
    now = store.stamp()
    for plan in rows.versions(store, terms.key):
        if plan.deleted_at is None and plan.status(now) == "draft":
            raise invalid(_ONE_DRAFT)
        next_version = max(next_version, plan.version + 1)
    resolved = _resolved(store, terms)
    return rows.insert_plan(store, resolved, next_version)


def change(store: Store, id: str, terms: PlanTerms) -> Plan:
    """Put other terms in the place of a draft's; its key and currency stay. Raises Faulty."""
    plan = rows.get_plan(store, id)
    status = plan.status(store.stamp())
    if status not in ("draft", "scheduled"):
        raise invalid(f"only Plans in [draft scheduled] can be updated, but it has {status} state")
    return rows.replace_terms(store, plan, _resolved(store, terms))


def refuse_faulty_phases(phases: Sequence[Phase]) -> None:
    """What a change is refused for before it is known what is to be changed."""
    refuse(critical([issue for phase in phases for issue in phase_issues(phase)]))


def publish(store: Store, plan: Plan) -> Plan:
    """Make a draft the active version, from now on, and archive the one before it. Raises Faulty."""
    if plan.deleted_at is not None:
        when = go_time(from_db(plan.deleted_at))
        raise invalid(f"cannot publish a deleted Plan [namespace=default, id={plan.id} deleted_at={when}]")
    now = store.stamp()
    status = plan.status(now)
    if status not in ("draft", "scheduled"):
        text = f"only Plans in [draft scheduled] can be published/rescheduled, but it has {status} state"
        raise invalid(f"invalid Plan: {text}")
    refuse([*plan_issues(plan.terms), *_feature_issues(store, plan.terms)])
    if plan.version > 1:
        active = rows.active_plan(store, plan.key)
        if active is not None:
            rows.update_plan(store, active.id, {"effective_to": now})
    return rows.update_plan(store, plan.id, {"effective_from": now})


def archive(store: Store, plan: Plan) -> Plan:
    """End the active version."""
    now = store.stamp()
    status = plan.status(now)
    if status != "active":
        raise invalid(f"only Plans in [active] can be archived, but it is in {status} state")
    return rows.update_plan(store, plan.id, {"effective_to": now})


def delete(store: Store, id: str) -> None:
    """Mark a version deleted, whatever subscribes to it; deleting it again changes nothing that shows."""
    plan, now = rows.get_plan(store, id), store.stamp()
    status = plan.status(now)
    if status == "active":
        raise invalid("only Plans in [archived scheduled draft] can be deleted, but it has active state")
    rows.update_plan(store, id, {"deleted_at": now})


def next_draft(store: Store, *, id: str = "", key: str = "") -> Plan:
    """Copy a version, or the last one of a key, to a draft. An id hides the other versions: it gets its number + 1."""
    plans = rows.list_plans(store, "id = ?", "id", [id], "") if id else rows.versions(store, key)
    if not plans:
        raise invalid("no versions available for this plan")
    now = store.stamp()
    if any(plan.deleted_at is None and plan.status(now) == "draft" for plan in plans):
        raise invalid(_ONE_DRAFT)
    source = plans[-1]
    try:
        return rows.insert_plan(store, source.terms, source.version + 1)
    except Duplicate:
        raise internal() from None


def refuse_beyond_v1(plan: Plan) -> None:
    """Refuse a plan that v1 cannot show. Raises Faulty."""
    if plan.terms.has_unit_config:
        raise issues.Faulty([issues.UNIT_CONFIG_NOT_IN_V1])
    if plan.terms.has_currency_overrides:
        raise issues.Faulty([issues.OVERRIDE_NOT_IN_V1])


def _check(terms: PlanTerms) -> None:
    if terms.billing_cadence == "P0D":
        # OpenMeter has no field for this fault, which keeps it from listing any.
        texts = ["validation error: invalid BillingCadence: must not be empty"]
        texts += [issue.message for issue in critical(plan_issues(terms))]
        raise invalid("invalid plan: " + "\n".join(texts))
    refuse(critical(plan_issues(terms)))


def _resolved(store: Store, terms: PlanTerms) -> PlanTerms:
    """The terms with their features and tax codes looked up. Raises Faulty."""
    phases = [phase.with_cards(_resolved_cards(store, phase)) for phase in terms.phases]
    resolved = replace(terms, phases=tuple(phases))
    refuse(_unknown_currencies(resolved))
    _check(resolved)
    for phase in resolved.phases:
        for card in phase.cards:
            refuse(storage_issues(card))
    return resolved


def _unknown_currencies(terms: PlanTerms) -> list[Issue]:
    """Currencies that are not there: there are no custom ones here."""
    if terms.currency not in FIAT_CURRENCIES:
        return [issues.CURRENCY_NOT_FOUND.under("currency")]
    return [
        issues.CURRENCY_NOT_FOUND.under(key_of("phases", phase.key), key_of("rateCards", card.key), "currency")
        for phase in terms.phases
        for card in phase.cards
        if card.currency is not None and card.currency not in FIAT_CURRENCIES
    ]


def _resolved_cards(store: Store, phase: Phase) -> list[RateCard]:
    cards, found = [], []
    for card in phase.cards:
        if not card.has_feature:
            cards.append(card)
            continue
        feature = _feature(store, card)
        if feature is None:
            # OpenMeter does not manage to name the phase here.
            found.append(
                issues.FEATURE_NOT_FOUND.under(key_of("phases", "!UNSUPPORTED"), key_of("ratecards", card.key))
            )
        else:
            cards.append(replace(card, feature_id=feature.id, feature_key=feature.key))
    refuse(found)
    return [card if card.tax is None else replace(card, tax=_resolved_tax(store, card.tax)) for card in cards]


def _feature(store: Store, card: RateCard) -> FeatureRow | None:
    """The live feature of a card; an id is never taken for a key, nor a key for an id."""
    name = card.feature_id or card.feature_key or ""
    try:
        feature = find_feature(store, name)
    except DomainProblem:
        return None
    return feature if name in (feature.id, feature.key) else None


def _resolved_tax(store: Store, tax: TaxConfig) -> TaxConfig:
    """A tax config with both names of its code; where two were given, the id wins."""
    if tax.tax_code_id is not None:
        code = tax_code(store, tax.tax_code_id)
        if code is None:
            raise invalid(f"tax code {tax.tax_code_id} not found")
        return replace(tax, stripe_code=code.stripe_code)
    if tax.stripe_code:
        return replace(tax, tax_code_id=tax_code_of_stripe(store, tax.stripe_code).id)
    return tax


def _feature_issues(store: Store, terms: PlanTerms) -> list[Issue]:
    """What publishing finds out about the features of a plan."""
    found = []
    for phase in terms.phases:
        for card in phase.cards:
            if not card.has_feature:
                continue
            place = (key_of("phases", phase.key), key_of("rateCards", card.key))
            feature = _feature(store, card)
            if feature is None:
                found.append(issues.FEATURE_NOT_FOUND.under(*place))
            elif card.price is not None and card.price.type != "flat" and feature.meter_id is None:
                found.append(issues.USAGE_WITHOUT_METER.under(*place))
    return found
