"""Subscriptions through v3 (`api/v3/handlers/subscriptions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, g

from ..clock import parse_rfc3339, wire
from ..customers import find_customer_by_id, find_live_customer_by_key
from ..labels import from_metadata, to_metadata
from ..list_filters import FieldFilter, filters_of, statuses_of, where_of
from ..operation import Call, Resource, json_body
from ..paging import PAGE_V3, SORT_V3, Page, count, envelope_v3, sort_v3
from ..parameters import Param
from ..plans import rows as plan_rows
from ..plans.cards_v3 import card_v3
from ..plans.rows import Plan
from ..problems import bad_request, internal, invalid_query
from ..replies import json_reply, problem_reply
from ..schema_fragments import ULID_V3
from ..store import Store
from . import lifecycle, rows
from .entitling import EntitlementRefused
from .lifecycle import Wish
from .rows import PhaseOf, Subscription
from .spec import Spec
from .starting import usable_plan
from .timing import IMMEDIATE, timing_of
from .v1 import of_statuses
from .views import billing_period, end_of_phase, shown_items

resource = Resource("subscriptions_v3")

_SUBSCRIPTIONS = "/api/v3/openmeter/subscriptions"
_ONE = _SUBSCRIPTIONS + "/{subscriptionId}"
_BY_ID = [Param("subscriptionId", ULID_V3)]
_FILTERS = {"id": "ulid", "customer_id": "ulid", "status": "exact", "plan_id": "ulid", "plan_key": "exact"}
_STATUSES = ("active", "canceled", "inactive", "scheduled")
_SORTS = ("id", "active_from", "active_to")
Shown = dict[str, Any]


@resource.blueprint.errorhandler(EntitlementRefused)
def refuse_entitlement(refused: EntitlementRefused) -> Response:
    """Only some of the reasons are known to v3."""
    problem = refused.problem if refused.is_common else internal()
    return problem_reply(problem.body(g.instance), problem.status)


def subscription_v3(store: Store, subscription: Subscription) -> Shown:
    """A subscription with its phases."""
    now = store.stamp()
    phases = rows.phases_of(store, subscription.id)
    spec = Spec.of(subscription, phases)
    enabled, mode = subscription.pro_rating
    shown: Shown = {
        "id": subscription.id,
        "customer_id": subscription.customer_id,
        "name": subscription.name,
        "status": subscription.status(now),
        "invoice_currency": subscription.currency,
        "cost_basis_mode": subscription.cost_basis_mode,
        "cost_basis_pins": [],
        "billing_cadence": subscription.billing_cadence,
        "billing_anchor": wire(subscription.billing_anchor),
        "pro_rating_config": {"enabled": enabled, "mode": mode},
        "settlement_mode": subscription.settlement_mode,
        "labels": from_metadata(subscription.metadata, subscription.annotations),
        "phases": [_phase(spec, index, phase, now) for index, phase in enumerate(phases)],
        "active_from": wire(subscription.active_from),
        "created_at": wire(subscription.created_at),
        "updated_at": wire(subscription.updated_at),
    }
    plan = subscription.plan
    optional = {
        "active_to": subscription.active_to and wire(subscription.active_to),
        "current_period": billing_period(spec, now),
        "description": subscription.description,
        "plan": None if plan is None else {"id": plan.id, "key": plan.key, "version": plan.version},
        "plan_id": plan and plan.id,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _phase(spec: Spec, index: int, phase: PhaseOf, now: str) -> Shown:
    shown: Shown = {
        "id": phase.id,
        "key": phase.key,
        "name": phase.name,
        "labels": {},
        "active_from": wire(phase.active_from),
        "created_at": wire(phase.created_at),
        "updated_at": wire(phase.updated_at),
        "items": [],
    }
    for item in shown_items(spec, index, phase, now):
        one: Shown = {"id": item.id, "active_from": wire(item.active_from), "rate_card": card_v3(item.card)}
        shown["items"].append(one if item.active_to is None else one | {"active_to": wire(item.active_to)})
    optional = {"active_to": end_of_phase(spec, index), "description": phase.description}
    return shown | {name: value for name, value in optional.items() if value is not None}


@resource.operation("GET", _SUBSCRIPTIONS, query=[PAGE_V3, SORT_V3], filters=filters_of(_FILTERS))
def list_subscriptions_v3(call: Call) -> Response:
    """The subscriptions of all customers, whatever their state, by their start unless told otherwise."""
    page = Page.of_v3(call)
    found: dict[str, FieldFilter] = call.query["filter"]
    plain = {name: found[name] for name in _FILTERS if name in found and name != "status"}
    for name, wanted in plain.items():
        fault = wanted.fault(_FILTERS[name])
        if fault is not None:
            raise invalid_query(f"filter[{name}]", fault)
    statuses = statuses_of(found, "subscription", _STATUSES)
    sort = sort_v3(call, _SORTS)
    where, parameters = where_of(plain, {name: name for name in plain})
    where = f"{where} AND {of_statuses(statuses, call.store.stamp())}"
    order = "active_from, id"
    if sort is not None:
        # PostgreSQL puts what has no end last, and first when it goes down.
        direction = "DESC NULLS FIRST" if sort.descending else "ASC NULLS LAST"
        order = f"{sort.field} {direction}, id"
    listed = rows.list_subscriptions(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM subscriptions WHERE deleted_at IS NULL AND {where}", parameters)
    return json_reply(envelope_v3(page, total, [subscription_v3(call.store, one) for one in listed]))


@resource.operation("POST", _SUBSCRIPTIONS, body=json_body("BillingSubscriptionCreate"))
def create_v3(call: Call) -> Response:
    """At once, to a version of a plan; a key alone means its last version, were it a deleted draft."""
    body = call.body
    named = body["customer"]
    _require_one_of("customer", named)
    if "id" in named:
        customer = find_customer_by_id(call.store, named["id"])
    else:
        customer = find_live_customer_by_key(call.store, named["key"])
    _require_one_of("plan", body["plan"])
    plan = _plan(call.store, body["plan"])
    metadata = to_metadata(body.get("labels"))
    usable_plan(call.store, plan)
    wish = Wish(
        plan.terms,
        plan,
        name=f"{plan.key} v{plan.version}",
        metadata=metadata,
        billing_anchor=_anchor(body),
        settlement_mode=body.get("settlement_mode"),
        cost_basis_mode=body.get("cost_basis_mode") or "dynamic",
    )
    made = lifecycle.create(call.store, customer, wish, IMMEDIATE)
    return json_reply(subscription_v3(call.store, made), 201)


def _require_one_of(name: str, reference: Mapping[str, Any]) -> None:
    if "id" in reference or "key" in reference:
        return
    reason = f"one of {name}.id or {name}.key is required"
    fields = (f"{name}.id", f"{name}.key")
    raise bad_request([{"field": field, "rule": "required", "reason": reason, "source": "body"} for field in fields])


def _plan(store: Store, reference: Mapping[str, Any]) -> Plan:
    if "id" in reference:
        return plan_rows.get_plan(store, reference["id"])
    key, version = reference["key"], reference.get("version") or 0
    found = plan_rows.plan_version(store, key, version) if version else plan_rows.latest_plan(store, key)
    if found is None:
        raise plan_rows.plan_not_found(key=key, version=version)
    return found


def _anchor(body: Mapping[str, Any]) -> Any:
    return parse_rfc3339(body["billing_anchor"]) if "billing_anchor" in body else None


@resource.operation("GET", _ONE, path=_BY_ID)
def get_v3(call: Call) -> Response:
    return _reply(call, rows.get_subscription(call.store, call.path["subscriptionId"]))


def _reply(call: Call, subscription: Subscription) -> Response:
    return json_reply(subscription_v3(call.store, subscription))


@resource.operation("POST", f"{_ONE}/cancel", path=_BY_ID, body=json_body("BillingSubscriptionCancel"))
def cancel_v3(call: Call) -> Response:
    return _reply(call, lifecycle.cancel(call.store, call.path["subscriptionId"], timing_of(call.body["timing"])))


@resource.operation("POST", f"{_ONE}/unschedule-cancelation", path=_BY_ID)
def unschedule_v3(call: Call) -> Response:
    return _reply(call, lifecycle.proceed(call.store, call.path["subscriptionId"]))


@resource.operation("POST", f"{_ONE}/change", path=_BY_ID, body=json_body("BillingSubscriptionChange"))
def change_v3(call: Call) -> Response:
    """To a version of a plan. The customer must be named and is ignored; what is not sent is kept."""
    body = call.body
    current = rows.get_subscription(call.store, call.path["subscriptionId"])
    _require_one_of("plan", body["plan"])
    plan = usable_plan(call.store, _plan(call.store, body["plan"]))
    wish = Wish(
        plan.terms,
        plan,
        name=current.name,
        description=current.description,
        metadata=body.get("labels", current.metadata),
        billing_anchor=_anchor(body),
        settlement_mode=body.get("settlement_mode"),
        cost_basis_mode=body.get("cost_basis_mode") or "dynamic",
    )
    ended, following = lifecycle.exchange(call.store, current.id, wish, timing_of(body["timing"]))
    return json_reply({"current": subscription_v3(call.store, ended), "next": subscription_v3(call.store, following)})
