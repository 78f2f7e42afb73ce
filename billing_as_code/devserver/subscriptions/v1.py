"""Subscriptions through v1 (`productcatalog/subscription/http`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, g

from ..clock import parse_rfc3339
from ..customers import CustomerRow, find_customer_by_id, find_live_customer, find_live_customer_by_key, refuse_deleted
from ..operation import JSON, Body, Call, Resource, json_body
from ..paging import DEFAULT_SIZE, ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1, order_by
from ..parameters import Param
from ..plans import rows as plan_rows
from ..plans.cards_v1 import Unreadable
from ..plans.issues import UNIT_CONFIG_NOT_IN_V1, Faulty
from ..plans.lifecycle import refuse_beyond_v1
from ..plans.rows import Plan
from ..plans.v1 import terms_from_v1
from ..plans.validation import plan_issues
from ..problems import DomainProblem, internal, invalid, not_found, not_implemented_here
from ..replies import json_reply, no_content, problem_reply
from ..schema import V1
from ..schema_fragments import ULID_OR_KEY, add_schemas
from . import lifecycle, rows
from .entitling import EntitlementRefused
from .lifecycle import Wish
from .starting import starting_at, usable_plan
from .timing import timing_of
from .views import expanded_v1, subscription_v1

add_schemas("subscriptions")

resource = Resource("subscriptions", ddl=rows.DDL)

_ULID = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"
_ONE = "/api/v1/subscriptions/{subscriptionId}"
_BY_ID = [Param("subscriptionId", {"type": "string", "pattern": _ULID, "example": "01G65Z755AFWAKHE12NY0CQ9FH"})]
_STATUSES = {"type": "array", "items": {"$ref": "#/components/schemas/SubscriptionStatus"}}
_COLUMNS = {"activeFrom": "active_from", "activeTo": "active_to"}
_STATUS_SQL = {
    "active": "(active_from <= :now AND active_to IS NULL)",
    "canceled": "(active_from <= :now AND active_to > :now)",
    "inactive": "(active_to <= :now)",
    "scheduled": "(active_from > :now)",
}


def _inline(name: str) -> Body:
    """A body whose schema OpenMeter's document does not name."""
    return Body({JSON: V1.resolve({"$ref": f"#/components/schemas/{name}"})})


@resource.blueprint.errorhandler(Faulty)
def refuse_faulty(faulty: Faulty) -> Response:
    problem = faulty.problem_v3()
    return problem_reply(problem.body(g.instance), problem.status)


@resource.blueprint.errorhandler(EntitlementRefused)
def refuse_entitlement(refused: EntitlementRefused) -> Response:
    return problem_reply(refused.problem.body(g.instance), refused.problem.status)


@resource.operation("POST", "/api/v1/subscriptions", body=json_body("SubscriptionCreate"))
def create_v1(call: Call) -> Response:
    """To the active version of a plan, whatever version is asked for, or to terms of its own."""
    body = call.body
    timing = timing_of(body.get("timing"))
    custom = body.get("customPlan")
    if custom is not None:
        wish = _custom_wish(custom)
        customer = _customer(call)
    else:
        customer = _customer(call)
        wish = _wish(call, usable_plan(call.store, _plan_named(call, body["plan"]["key"], None)))
    wish = replace(wish, billing_anchor=_anchor(body), cost_basis_mode=body.get("costBasisMode", "dynamic"))
    made = lifecycle.create(call.store, customer, wish, timing)
    return json_reply(subscription_v1(made, call.store.stamp()), 201)


def _customer(call: Call) -> CustomerRow:
    id, key = call.body.get("customerId"), call.body.get("customerKey")
    if not id and not key:
        raise invalid("customer id or key is required")
    customer = find_customer_by_id(call.store, id) if id else find_live_customer_by_key(call.store, key)
    refuse_deleted(customer)
    return customer


def _anchor(body: Mapping[str, Any]) -> Any:
    return parse_rfc3339(body["billingAnchor"]) if "billingAnchor" in body else None


def _plan_named(call: Call, key: str, version: int | None) -> Plan:
    """A version of a plan, or the active one. Raises 404."""
    found = plan_rows.plan_version(call.store, key, version) if version else plan_rows.active_plan(call.store, key)
    if found is None:
        raise not_found(f"plan {key} with version {version or 0} not found")
    return found


def _wish(call: Call, plan: Plan) -> Wish:
    body = call.body
    terms = plan.terms if "startingPhase" not in body else starting_at(plan, body["startingPhase"])
    return Wish(
        terms,
        plan,
        name=body.get("name"),
        description=body.get("description"),
        metadata=body.get("metadata"),
        settlement_mode=body.get("settlementMode"),
    )


def _custom_wish(custom: Mapping[str, Any]) -> Wish:
    """A subscription to terms of its own, which gives it its name, description and metadata."""
    try:
        terms = terms_from_v1(custom, "")
    except Unreadable as error:
        marked = str(error).find("validation error: ")
        raise internal() if marked < 0 else DomainProblem(400, str(error)[marked:]) from None
    issues = plan_issues(terms)
    if issues:
        raise Faulty(issue.under("plan") for issue in issues)
    return Wish(terms, None, description=terms.description, metadata=terms.metadata)


@resource.operation("GET", _ONE, path=_BY_ID, query=[Param("at", {"type": "string", "format": "date-time"}, "time")])
def get_v1(call: Call) -> Response:
    if call.query["at"] is not None:
        raise DomainProblem(501, "historical queries are not supported")
    subscription = rows.get_subscription(call.store, call.path["subscriptionId"])
    cards = [item.card for phase in rows.phases_of(call.store, subscription.id) for item in phase.items]
    if any(card.unit_config is not None for card in cards):
        raise unit_config_beyond_v1()
    return json_reply(expanded_v1(call.store, subscription))


def unit_config_beyond_v1() -> Faulty:
    """What v1 says of a subscription that it cannot show."""
    return Faulty([UNIT_CONFIG_NOT_IN_V1])


@resource.operation("DELETE", _ONE, path=_BY_ID)
def delete_v1(call: Call) -> Response:
    lifecycle.delete(call.store, call.path["subscriptionId"])
    return no_content()


@resource.operation("PATCH", _ONE, path=_BY_ID)
def edit_v1(call: Call) -> Response:
    """Editing is not done here; what is not active could not be edited anyway."""
    subscription = rows.get_subscription(call.store, call.path["subscriptionId"])
    lifecycle.refuse_transition(subscription, "update", call.store.stamp())
    raise not_implemented_here("it does not edit subscriptions")


@resource.operation("POST", f"{_ONE}/cancel", path=_BY_ID, body=_inline("CancelSubscriptionBody"))
def cancel_v1(call: Call) -> Response:
    timing = timing_of(call.body.get("timing"))
    ended = lifecycle.cancel(call.store, call.path["subscriptionId"], timing)
    return json_reply(subscription_v1(ended, call.store.stamp()))


@resource.operation("POST", f"{_ONE}/unschedule-cancelation", path=_BY_ID)
def unschedule_v1(call: Call) -> Response:
    continued = lifecycle.proceed(call.store, call.path["subscriptionId"])
    return json_reply(subscription_v1(continued, call.store.stamp()))


@resource.operation("POST", f"{_ONE}/change", path=_BY_ID, body=json_body("SubscriptionChange"))
def change_v1(call: Call) -> Response:
    """To a version of a plan, or to terms of its own."""
    body = call.body
    if body.get("customPlan") is not None:
        wish = _custom_wish(body["customPlan"])
    else:
        reference = body["plan"]
        plan = usable_plan(call.store, _plan_named(call, reference["key"], reference.get("version")))
        wish = _wish(call, plan)
        refuse_beyond_v1(plan)
    wish = replace(wish, billing_anchor=_anchor(body), cost_basis_mode=body.get("costBasisMode", "dynamic"))
    return _exchanged(call, wish, body["timing"])


def _exchanged(call: Call, wish: Wish, timing: str | None) -> Response:
    ended, following = lifecycle.exchange(call.store, call.path["subscriptionId"], wish, timing_of(timing))
    current = subscription_v1(ended, call.store.stamp())
    return json_reply({"current": current, "next": expanded_v1(call.store, following)})


@resource.operation("POST", f"{_ONE}/migrate", path=_BY_ID, body=_inline("MigrateSubscriptionBody"))
def migrate_v1(call: Call) -> Response:
    """To a later version of the plan that it is on, the active one unless told otherwise."""
    body = call.body
    subscription = rows.get_subscription(call.store, call.path["subscriptionId"])
    if subscription.plan is None:
        raise invalid(f"subscription {subscription.id} has no plan, cannot be migrated")
    target = body.get("targetVersion")
    plan = _plan_named(call, subscription.plan.key, target)
    if plan.version <= subscription.plan.version:
        # OpenMeter prints the address of the target where one was given.
        text = f"already at version {subscription.plan.version}, cannot migrate to version {target or 0}"
        raise invalid(f"subscription {subscription.id} is {text}")
    usable_plan(call.store, plan, also_archived=True)
    refuse_beyond_v1(plan)
    wish = Wish(
        plan.terms if "startingPhase" not in body else starting_at(plan, body["startingPhase"]),
        plan,
        name=subscription.name,
        description=subscription.description,
        metadata=subscription.metadata,
        billing_anchor=_anchor(body),
        cost_basis_mode=subscription.cost_basis_mode,
    )
    return _exchanged(call, wish, body.get("timing"))


@resource.operation(
    "GET",
    "/api/v1/customers/{customerIdOrKey}/subscriptions",
    path=[Param("customerIdOrKey", ULID_OR_KEY)],
    query=[
        Param("status", _STATUSES, "list"),
        ORDER,
        order_by("CustomerSubscriptionOrderBy", tuple(_COLUMNS), "customer subscriptions"),
        PAGE,
        PAGE_SIZE,
    ],
)
def list_of_customer(call: Call) -> Response:
    """The subscriptions of a customer, the latest first; everything unless a page is asked for."""
    query, now = call.query, call.store.stamp()
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    is_paged = query["page"] is not None or query["pageSize"] is not None
    page = Page(query["pageSize"] or DEFAULT_SIZE, query["page"] or 1) if is_paged else Page(0, 0)
    where = f"customer_id = ? AND {of_statuses(query['status'] or (), now)}"
    order = f"{_COLUMNS[query['orderBy'] or 'activeFrom']} {query['order'] or 'DESC'}, id"
    found = rows.list_subscriptions(call.store, where, order, [customer.id], page.clause)
    total = count(call.store, f"FROM subscriptions WHERE deleted_at IS NULL AND {where}", [customer.id])
    return json_reply(envelope_v1(page, total, [subscription_v1(one, now) for one in found]))


def of_statuses(statuses: Any, now: str) -> str:
    """A condition on the status of a subscription at a time in the database's form; none at all is any."""
    conditions = [_STATUS_SQL[status].replace(":now", f"'{now}'") for status in statuses]
    return f"({' OR '.join(conditions)})" if conditions else "1"
