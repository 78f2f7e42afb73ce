"""Plans through v1 (`productcatalog/plan/httpdriver`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, g

from ..clock import wire
from ..currencies import FIAT_CURRENCIES
from ..ids import is_ulid
from ..operation import Call, Resource, json_body
from ..paging import ORDER, PAGE, PAGE_SIZE, Page, count, envelope_v1, order_by
from ..parameters import Param
from ..problems import DomainProblem, invalid
from ..replies import json_reply, no_content, problem_reply
from ..schema_fragments import add_schemas
from . import lifecycle, lists, rows
from .cards import PlanTerms
from .cards_v1 import Unreadable, duration, phase_v1, phases_from_v1
from .issues import Faulty
from .rows import Plan
from .validation import plan_issues

add_schemas("plans")

resource = Resource("plans", ddl=rows.DDL)

_ULID = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"
_KEY = "^[a-z0-9]+(?:_[a-z0-9]+)*$"
_PLANS = "/api/v1/plans"
_PLAN = _PLANS + "/{planId}"
_BY_ID = [Param("planId", {"type": "string", "pattern": _ULID, "example": "01G65Z755AFWAKHE12NY0CQ9FH"})]
_ID_OR_KEY = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": f"{_KEY}|{_ULID}"}
_LIST_QUERY = [
    Param("includeDeleted", {"type": "boolean"}, "bool", explode=False),
    Param("id", {"type": "array", "items": {"type": "string", "pattern": _ULID}}, "list"),
    Param(
        "key",
        {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": _KEY}},
        "list",
    ),
    Param("status", {"type": "array", "items": {"$ref": "#/components/schemas/PlanStatus"}}, "list"),
    Param("currency", {"type": "array", "items": {"$ref": "#/components/schemas/CurrencyCode"}}, "list"),
    PAGE,
    PAGE_SIZE,
    ORDER,
    order_by("PlanOrderBy", lists.ORDERS, "plans"),
]
_NO_CREDITS = "credits are not enabled on this deployment of OpenMeter"


@resource.blueprint.errorhandler(Faulty)
def refuse_faulty(faulty: Faulty) -> Response:
    problem = faulty.problem_v1()
    return problem_reply(problem.body(g.instance), problem.status)


def plan_v1(plan: Plan, now: str) -> dict[str, Any]:
    """A plan as v1 shows it at a time, with what still keeps it from being published."""
    terms = plan.terms
    found = [issue.on_plan_v1() for issue in plan_issues(terms)]
    enabled, mode = terms.pro_rating
    shown: dict[str, Any] = {
        "id": plan.id,
        "key": terms.key,
        "version": plan.version,
        "name": terms.name,
        "currency": terms.currency,
        "billingCadence": terms.billing_cadence,
        "proRatingConfig": {"enabled": enabled, "mode": mode},
        "settlementMode": terms.settlement_mode,
        "phases": [phase_v1(phase) for phase in terms.phases],
        "status": plan.status(now),
        "validationErrors": found or None,
        "createdAt": wire(plan.created_at),
        "updatedAt": wire(plan.updated_at),
    }
    times = {"effectiveFrom": plan.effective_from, "effectiveTo": plan.effective_to, "deletedAt": plan.deleted_at}
    shown |= {name: wire(time) for name, time in times.items() if time is not None}
    if terms.description is not None:
        shown["description"] = terms.description
    if terms.metadata is not None:
        shown["metadata"] = terms.metadata
    return shown


def _reply(call: Call, plan: Plan, status: int = 200) -> Response:
    return json_reply(plan_v1(plan, call.store.stamp()), status)


@resource.operation("GET", _PLANS, query=_LIST_QUERY)
def list_v1(call: Call) -> Response:
    """A page, the newest first unless told otherwise."""
    page, now = Page.of_v1(call), call.store.stamp()
    where, parameters = lists.where_v1(call.query, lists.key_versions(call), now)
    order = lists.ordered(call.query["orderBy"] or "id", call.query["order"] or "DESC")
    plans = rows.list_plans(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM plans WHERE {where}", parameters)
    return json_reply(envelope_v1(page, total, [plan_v1(plan, now) for plan in plans]))


@resource.operation("POST", _PLANS, body=json_body("PlanCreate"))
def create_v1(call: Call) -> Response:
    try:
        terms = terms_from_v1(call.body, call.body["key"])
    except Unreadable as error:
        raise invalid(f"failed to create plan request: {error}") from None
    _refuse_credits(call, call.body)
    return _reply(call, lifecycle.create(call.store, terms), 201)


def terms_from_v1(body: Mapping[str, Any], key: str) -> PlanTerms:
    """The terms in a body that creates a plan. Raises Unreadable."""
    if body["currency"] not in FIAT_CURRENCIES:
        raise Unreadable(f"invalid CurrencyCode: invalid fiat currency code: {body['currency']}")
    try:
        cadence = duration(body["billingCadence"])
    except Unreadable as error:
        raise error.within("invalid BillingCadence") from None
    return PlanTerms(
        key=key,
        name=body["name"],
        currency=body["currency"],
        billing_cadence=cadence,
        phases=phases_from_v1(body["phases"]),
        description=body.get("description"),
        metadata=body.get("metadata"),
        pro_rating=_pro_rating(body),
        settlement_mode=body.get("settlementMode") or "credit_then_invoice",
    )


def _pro_rating(body: Mapping[str, Any]) -> tuple[bool, str]:
    config = body.get("proRatingConfig")
    return (True, "prorate_prices") if config is None else (config["enabled"], config["mode"])


def _refuse_credits(call: Call, body: Mapping[str, Any]) -> None:
    if body.get("settlementMode") == "credit_only" and not call.store.settings.credits_enabled:
        raise invalid(_NO_CREDITS)


@resource.operation(
    "GET",
    _PLAN,
    path=[Param("planId", _ID_OR_KEY)],
    query=[Param("includeLatest", {"type": "boolean"}, "bool", explode=False)],
)
def get_v1(call: Call) -> Response:
    """By id, or by key the active version; with `includeLatest` the last one, were it a deleted draft."""
    named = call.path["planId"]
    if is_ulid(named.upper()):
        plan: Plan | None = rows.get_plan(call.store, named)
    elif call.query["includeLatest"]:
        plan = rows.latest_plan(call.store, named)
    else:
        plan = rows.active_plan(call.store, named)
    if plan is None:
        raise rows.plan_not_found(key=named)
    lifecycle.refuse_beyond_v1(plan)
    return _reply(call, plan)


@resource.operation("PUT", _PLAN, path=_BY_ID, body=json_body("PlanReplaceUpdate"))
def replace_v1(call: Call) -> Response:
    """A replacement that keeps what is left out of description, metadata and settlement mode."""
    body = call.body
    try:
        cadence, phases = duration(body["billingCadence"]), phases_from_v1(body["phases"])
    except Unreadable as error:
        raise _unreadable_change(error) from None
    _refuse_credits(call, body)
    lifecycle.refuse_faulty_phases(phases)
    plan = rows.get_plan(call.store, call.path["planId"])
    wanted = replace(
        plan.terms,
        name=body["name"],
        description=body.get("description", plan.terms.description),
        metadata=plan.terms.metadata if body.get("metadata") is None else body["metadata"],
        billing_cadence=cadence,
        pro_rating=_pro_rating(body),
        settlement_mode=body.get("settlementMode") or plan.terms.settlement_mode,
        phases=phases,
    )
    lifecycle.refuse_beyond_v1(plan)
    return _reply(call, lifecycle.change(call.store, plan.id, wanted))


def _unreadable_change(error: Unreadable) -> DomainProblem:
    """OpenMeter calls only some of what it cannot read the client's fault."""
    text = str(error)
    if text.startswith("failed to parse duration"):
        return invalid(f"invalid billingCadence: {text}")
    marked = text.find("validation error: ")
    return DomainProblem(500) if marked < 0 else DomainProblem(400, text[marked:])


@resource.operation("DELETE", _PLAN, path=_BY_ID)
def delete_v1(call: Call) -> Response:
    lifecycle.delete(call.store, call.path["planId"])
    return no_content()


@resource.operation("POST", f"{_PLAN}/publish", path=_BY_ID)
def publish_v1(call: Call) -> Response:
    plan = rows.get_plan(call.store, call.path["planId"])
    lifecycle.refuse_beyond_v1(plan)
    return _reply(call, lifecycle.publish(call.store, plan))


@resource.operation("POST", f"{_PLAN}/archive", path=_BY_ID)
def archive_v1(call: Call) -> Response:
    plan = rows.get_plan(call.store, call.path["planId"])
    lifecycle.refuse_beyond_v1(plan)
    return _reply(call, lifecycle.archive(call.store, plan))


@resource.operation("POST", f"{_PLANS}/{{planIdOrKey}}/next", path=[Param("planIdOrKey", _ID_OR_KEY)])
def next_v1(call: Call) -> Response:
    """A new draft with the terms of a version."""
    named = call.path["planIdOrKey"]
    found = {"id": named} if is_ulid(named.upper()) else {"key": named}
    return _reply(call, lifecycle.next_draft(call.store, **found))
