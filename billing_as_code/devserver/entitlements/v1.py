"""Entitlements and grants in v1: of subjects, over all customers, and by id (`entitlement/driver`)."""

from typing import Any

from flask import Response

from ..customers import CustomerRow, customer_of_subject, find_customer_by_id, find_live_customer
from ..operation import Call, Resource, json_body
from ..paging import DEFAULT_SIZE, Page, envelope_v1
from ..problems import internal, not_found, precondition_failed
from ..query_answers import UnknownTimeZone, time_zone
from ..replies import json_reply, no_content
from ..subject_rows import get_subject
from . import grant_lists, grants, lists, rows, schedule, schemas
from .grant_inputs import grant_input_v1
from .grant_views import as_sent, grant_v1
from .history import history
from .inputs import parse_v1
from .resets import reset
from .rows import Entitlement
from .times import asked_time, check_decodable
from .values import NO_ACCESS, access_of, value_of, value_v1, value_v2
from .views import entitlement_v1

_OF_SUBJECT = "/api/v1/subjects/{subjectIdOrKey}/entitlements"
_BY_ID = _OF_SUBJECT + "/{entitlementId}"
_BY_KEY = _OF_SUBJECT + "/{entitlementIdOrFeatureKey}"
_ID_PATH = schemas.subject_path("entitlementId")
_KEY_PATH = schemas.subject_path("entitlementIdOrFeatureKey")

resource = Resource("entitlements_v1")


@resource.blueprint.errorhandler(grants.Breakdown)
def break_down(_: Exception) -> Response:
    return no_content(500)


def _customer(call: Call) -> CustomerRow:
    """The customer that has the subject's key as its own, or among its subject keys."""
    named = call.path["subjectIdOrKey"]
    subject = get_subject(call.store, named)
    if subject.deleted_at is not None:
        raise precondition_failed(f"subject is deleted [namespace: {rows.NAMESPACE}, subject: {named}]")
    customer = customer_of_subject(call.store, subject.key)
    if customer is None:
        raise not_found(f"customer with subject key {subject.key} not found in {rows.NAMESPACE} namespace")
    return customer


def _shown(call: Call, entitlement: Entitlement, customer: CustomerRow) -> dict[str, Any]:
    first = customer.subject_keys[0] if customer.subject_keys else ""
    return entitlement_v1(entitlement, first, call.store.now())


@resource.operation("POST", _OF_SUBJECT, path=schemas.subject_path(), body=json_body("EntitlementCreateInputs"))
def create(call: Call) -> Response:
    wanted = parse_v1(call.body, call.store.now())
    customer = _customer(call)
    return json_reply(_shown(call, schedule.create(call.store, customer, wanted), customer), 201)


@resource.operation("GET", _OF_SUBJECT, path=schemas.subject_path(), query=[schemas.INCLUDE_DELETED])
def list_of_subject(call: Call) -> Response:
    """The active ones of the subject's customer; `includeDeleted` changes nothing."""
    customer = _customer(call)
    found = rows.active_of_customer(call.store, customer.id)
    return json_reply([_shown(call, entitlement, customer) for entitlement in found])


@resource.operation("GET", _BY_ID, path=_ID_PATH)
def get(call: Call) -> Response:
    """By id only, whoever's it is."""
    return _get_by_id(call)


@resource.operation("GET", "/api/v1/entitlements/{entitlementId}", path=[schemas.ENTITLEMENT_ID])
def get_by_id(call: Call) -> Response:
    return _get_by_id(call)


def _get_by_id(call: Call) -> Response:
    entitlement = rows.get(call.store, call.path["entitlementId"])
    return json_reply(_shown(call, entitlement, find_customer_by_id(call.store, entitlement.customer_id)))


@resource.operation("DELETE", _BY_ID, path=_ID_PATH)
def delete(call: Call) -> Response:
    schedule.delete(call.store, rows.get(call.store, call.path["entitlementId"]))
    return no_content()


@resource.operation("PUT", _BY_KEY + "/override", path=_KEY_PATH, body=json_body("EntitlementCreateInputs"))
def override(call: Call) -> Response:
    wanted = parse_v1(call.body, call.store.now())
    customer = _customer(call)
    name = call.path["entitlementIdOrFeatureKey"]
    return json_reply(_shown(call, schedule.override(call.store, customer, name, wanted), customer), 201)


@resource.operation("GET", _BY_KEY + "/value", path=_KEY_PATH, query=[schemas.TIME], writes=True)
def value(call: Call) -> Response:
    """The value now or at a time; unlike elsewhere, no entitlement is 404."""
    at = call.query["time"] or call.store.now()
    customer = _customer(call)
    found = rows.get_of_customer(call.store, customer.id, call.path["entitlementIdOrFeatureKey"], at)
    return json_reply(value_v1(value_of(call.store, found, at)))


@resource.operation("GET", _BY_ID + "/history", path=_ID_PATH, query=schemas.HISTORY, writes=True)
def balance_history(call: Call) -> Response:
    try:
        zone = time_zone(call.query["windowTimeZone"] or "")
    except UnknownTimeZone:
        raise internal() from None
    return json_reply(history(call, call.path["entitlementId"], zone))


@resource.operation("POST", _BY_ID + "/reset", path=_ID_PATH, body=json_body("ResetEntitlementUsageInput"))
def reset_usage(call: Call) -> Response:
    check_decodable(call.body)
    reset(call.store, call.path["entitlementId"], call.body)
    return no_content()


@resource.operation("POST", _BY_KEY + "/grants", path=_KEY_PATH, body=json_body("EntitlementGrantCreateInput"))
def create_grant(call: Call) -> Response:
    check_decodable(call.body)
    wanted = grant_input_v1(call.body)
    customer = _customer(call)
    grant = schedule.add_grant(call.store, customer.id, call.path["entitlementIdOrFeatureKey"], wanted)
    return json_reply(grant_v1(grant, call.store.now()) | as_sent(wanted), 201)


@resource.operation(
    "GET",
    _BY_KEY + "/grants",
    path=_KEY_PATH,
    query=[schemas.INCLUDE_DELETED, schemas.GRANT_ORDER_OF_SUBJECT],
)
def list_grants_of_entitlement(call: Call) -> Response:
    """The first thousand; the parameters change nothing."""
    customer, now = _customer(call), call.store.now()
    entitlement = rows.get_of_customer(call.store, customer.id, call.path["entitlementIdOrFeatureKey"])
    selection = grant_lists.selected(include_deleted=False)
    selection.where("g.owner_id = ?", entitlement.id)
    found = grant_lists.fetch(call.store, selection, "g.created_at, g.id", " LIMIT 1000")
    return json_reply([grant_v1(grant, now) for grant in found])


@resource.operation(
    "GET",
    "/api/v1/entitlements",
    query=[
        schemas.FEATURES,
        schemas.SUBJECTS,
        schemas.TYPES,
        schemas.EXCLUDE_INACTIVE,
        *schemas.PAGES,
        *schemas.OFFSETS,
        *schemas.ENTITLEMENT_ORDER,
    ],
)
def list_all(call: Call) -> Response:
    """An array by limit and offset, or an envelope as soon as a page is asked for."""
    store, query, now = call.store, call.query, call.store.now()
    selection = lists.selected(query, store.stamp())
    if query["subject"]:
        lists.by_subject(selection, query["subject"])
    paged = query["page"] is not None or query["pageSize"] is not None
    page = Page.of_v1(call)
    found = lists.fetch(store, selection, lists.order(query), page.clause if paged else _window(call))
    subjects = lists.first_subjects(store, found)
    items = [entitlement_v1(rows.from_row(row), subjects[row["customer_id"]], now) for row in found]
    return json_reply(envelope_v1(page, lists.total(store, selection), items) if paged else items)


def _window(call: Call) -> str:
    return f" LIMIT {call.query['limit'] or DEFAULT_SIZE} OFFSET {call.query['offset'] or 0}"


@resource.operation(
    "GET",
    "/api/v1/grants",
    query=[
        schemas.FEATURES,
        schemas.SUBJECTS,
        schemas.INCLUDE_DELETED,
        *schemas.PAGES,
        *schemas.OFFSETS,
        *schemas.GRANT_ORDER,
    ],
)
def list_all_grants(call: Call) -> Response:
    """An array, or an envelope as soon as a page is asked for; a page without a size is everything."""
    store, query, now = call.store, call.query, call.store.now()
    selection = grant_lists.selected(include_deleted=bool(query["includeDeleted"]))
    wanted = lists.Selection()
    if query["subject"]:
        lists.by_subject(wanted, query["subject"])
    if query["feature"]:
        lists.by_feature_or_key(wanted, query["feature"])
    grant_lists.of_entitlements(selection, wanted)
    page = Page(query["pageSize"] or 0, query["page"] or 0)
    total = grant_lists.total(store, selection)
    if page.size and not page.number and total:
        # OpenMeter asks its database for a negative offset.
        raise internal()
    window = page.clause if page.size or page.number else _window(call)
    found = grant_lists.fetch(store, selection, grant_lists.order(query, "effectiveAt"), window)
    items = [grant_v1(grant, now) for grant in found]
    if not page.size and not page.number:
        return json_reply(items)
    return json_reply(envelope_v1(page, total, items))


@resource.operation("DELETE", "/api/v1/grants/{grantId}", path=[schemas.GRANT_ID], query=[schemas.AT])
def void_grant(call: Call) -> Response:
    grants.void(call.store, call.path["grantId"], asked_time(call, "at"))
    return no_content()


@resource.operation("GET", "/api/v1/customers/{customerIdOrKey}/access", path=[schemas.CUSTOMER], writes=True)
def access(call: Call) -> Response:
    """The values of all active entitlements of a customer, in v2's form."""
    customer = find_live_customer(call.store, call.path["customerIdOrKey"])
    shown = {key: value_v2(found) for key, found in access_of(call.store, customer.id).items()}
    return json_reply({"entitlements": shown})


@resource.operation(
    "GET",
    "/api/v1/customers/{customerIdOrKey}/entitlements/{featureKey}/value",
    path=[schemas.CUSTOMER, schemas.FEATURE_KEY],
    query=[schemas.TIME],
    writes=True,
)
def value_of_customer(call: Call) -> Response:
    """The value now, whatever `time` says; no entitlement is no access."""
    customer, now = find_live_customer(call.store, call.path["customerIdOrKey"]), call.store.now()
    try:
        answer = value_of(call.store, rows.get_of_customer(call.store, customer.id, call.path["featureKey"], now), now)
    except rows.EntitlementNotFound:
        answer = NO_ACCESS
    return json_reply(value_v1(answer))
