"""Plans through v3 (`api/v3/handlers/plans`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, g

from ..clock import wire
from ..labels import to_metadata
from ..list_filters import FieldFilter, filters_of, statuses_of, where_of
from ..operation import Call, Resource, json_body
from ..paging import PAGE_V3, SORT_V3, Page, count, envelope_v3, sort_v3
from ..parameters import Param
from ..problems import invalid
from ..replies import json_reply, no_content, problem_reply
from ..schema_fragments import ULID_V3
from . import lifecycle, lists, rows
from .cards import PlanTerms
from .cards_v3 import duration, phase_v3, phases_from_v3
from .issues import Faulty
from .rows import Plan
from .validation import plan_issues

resource = Resource("plans_v3")

_PLANS = "/api/v3/openmeter/plans"
_PLAN = _PLANS + "/{planId}"
_BY_ID = [Param("planId", ULID_V3)]
_FILTERS = {"key": "string", "name": "string", "status": "exact", "currency": "exact"}


@resource.blueprint.errorhandler(Faulty)
def refuse_faulty(faulty: Faulty) -> Response:
    problem = faulty.problem_v3()
    return problem_reply(problem.body(g.instance), problem.status)


def plan_v3(plan: Plan, now: str) -> dict[str, Any]:
    """A plan as v3 shows it at a time: without its labels."""
    terms = plan.terms
    shown: dict[str, Any] = {
        "id": plan.id,
        "key": terms.key,
        "version": plan.version,
        "name": terms.name,
        "currency": terms.currency,
        "billing_cadence": terms.billing_cadence,
        "pro_rating_enabled": terms.pro_rating[0],
        "settlement_mode": terms.settlement_mode,
        "phases": [phase_v3(phase) for phase in terms.phases],
        "status": plan.status(now),
        "created_at": wire(plan.created_at),
        "updated_at": wire(plan.updated_at),
    }
    times = {"effective_from": plan.effective_from, "effective_to": plan.effective_to, "deleted_at": plan.deleted_at}
    shown |= {name: wire(time) for name, time in times.items() if time is not None}
    if terms.description is not None:
        shown["description"] = terms.description
    found = [issue.on_plan_v3() for issue in plan_issues(terms)]
    return shown | {"validation_errors": found} if found else shown


def _reply(call: Call, plan: Plan, status: int = 200) -> Response:
    return json_reply(plan_v3(plan, call.store.stamp()), status)


@resource.operation("GET", _PLANS, query=[PAGE_V3, SORT_V3], filters=filters_of(_FILTERS))
def list_plans_v3(call: Call) -> Response:
    """A page, the oldest first unless told otherwise."""
    page, now = Page.of_v3(call), call.store.stamp()
    found: dict[str, FieldFilter] = call.query["filter"]
    statuses = statuses_of(found, "plan", lists.STATUSES)
    sort = sort_v3(call, lists.ORDERS)
    plain = {name: wanted for name, wanted in found.items() if name != "status"}
    faults = [fault for name in plain if (fault := plain[name].fault(_FILTERS[name]))]
    if faults:
        raise invalid("\n".join(faults))
    where, parameters = where_of(plain, {name: name for name in plain})
    where = f"deleted_at IS NULL AND {lists.of_statuses(statuses, now)} AND {where}"
    order = "id" if sort is None else lists.ordered(sort.field, "DESC" if sort.descending else "ASC")
    plans = rows.list_plans(call.store, where, order, parameters, page.clause)
    total = count(call.store, f"FROM plans WHERE {where}", parameters)
    return json_reply(envelope_v3(page, total, [plan_v3(plan, now) for plan in plans]))


@resource.operation("POST", _PLANS, body=json_body("CreatePlanRequest"))
def create_v3(call: Call) -> Response:
    body = call.body
    _refuse_unit_config(call)
    terms = PlanTerms(
        metadata=to_metadata(body.get("labels")),
        key=body["key"],
        name=body["name"],
        currency=body["currency"],
        billing_cadence=duration(body["billing_cadence"]),
        phases=phases_from_v3(body["phases"]),
        description=body.get("description"),
        pro_rating=_pro_rating(body),
    )
    return _reply(call, lifecycle.create(call.store, terms), 201)


def _refuse_unit_config(call: Call) -> None:
    cards = [card for phase in call.body["phases"] for card in phase["rate_cards"]]
    if not call.store.settings.unit_config_enabled and any("unit_config" in card for card in cards):
        raise invalid("unit_config is not enabled on this deployment of OpenMeter")


def _pro_rating(body: Mapping[str, Any]) -> tuple[bool, str]:
    return (False, "") if body.get("pro_rating_enabled") is False else (True, "prorate_prices")


@resource.operation("GET", _PLAN, path=_BY_ID)
def get_v3(call: Call) -> Response:
    return _reply(call, rows.get_plan(call.store, call.path["planId"]))


@resource.operation("PUT", _PLAN, path=_BY_ID, body=json_body("UpsertPlanRequest"))
def replace_v3(call: Call) -> Response:
    """A replacement that keeps what is left out of description and labels, and the cadence."""
    body = call.body
    _refuse_unit_config(call)
    metadata, phases = to_metadata(body.get("labels")), phases_from_v3(body["phases"])
    lifecycle.refuse_faulty_phases(phases)
    plan = rows.get_plan(call.store, call.path["planId"])
    wanted = replace(
        plan.terms,
        name=body["name"],
        description=body.get("description", plan.terms.description),
        metadata=plan.terms.metadata if body.get("labels") is None else metadata,
        pro_rating=_pro_rating(body),
        phases=phases,
    )
    return _reply(call, lifecycle.change(call.store, plan.id, wanted))


@resource.operation("DELETE", _PLAN, path=_BY_ID)
def delete_v3(call: Call) -> Response:
    lifecycle.delete(call.store, call.path["planId"])
    return no_content()


@resource.operation("POST", f"{_PLAN}/publish", path=_BY_ID)
def publish_v3(call: Call) -> Response:
    plan = rows.get_plan(call.store, call.path["planId"])
    return _reply(call, lifecycle.publish(call.store, plan))


@resource.operation("POST", f"{_PLAN}/archive", path=_BY_ID)
def archive_v3(call: Call) -> Response:
    plan = rows.get_plan(call.store, call.path["planId"])
    return _reply(call, lifecycle.archive(call.store, plan))
