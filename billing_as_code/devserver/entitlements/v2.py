"""Entitlements and grants of customers, v2 (`entitlement/driver/v2`)."""

from flask import Response

from ..customers import CustomerRow, find_customer, find_customer_by_id, find_live_customer
from ..operation import Call, Resource, json_body
from ..paging import DEFAULT_SIZE, Page, envelope_v1
from ..problems import DomainProblem
from ..query_answers import UnknownTimeZone, time_zone
from ..replies import json_reply, no_content
from . import grant_lists, grants, lists, rows, schedule, schemas, snapshots
from .grant_inputs import grant_input_v2
from .grant_views import as_sent, grant_v2
from .history import history
from .inputs import parse_v2
from .lists import Selection
from .resets import reset
from .rows import Entitlement
from .times import check_decodable
from .values import NO_ACCESS, value_of, value_v2
from .views import entitlement_v2

_OF_CUSTOMER = "/api/v2/customers/{customerIdOrKey}/entitlements"
_ONE = _OF_CUSTOMER + "/{entitlementIdOrFeatureKey}"
_PATH = (schemas.CUSTOMER, schemas.ENTITLEMENT_OR_FEATURE)

resource = Resource("entitlements_v2", ddl=rows.DDL + grants.DDL + snapshots.DDL)


@resource.blueprint.errorhandler(grants.Breakdown)
def break_down(_: Exception) -> Response:
    return no_content(500)


def _customer(call: Call) -> CustomerRow:
    return find_live_customer(call.store, call.path["customerIdOrKey"])


def _entitlement(call: Call, customer: CustomerRow) -> Entitlement:
    return rows.get_of_customer(call.store, customer.id, call.path["entitlementIdOrFeatureKey"])


@resource.operation("POST", _OF_CUSTOMER, path=[schemas.CUSTOMER], body=json_body("EntitlementV2CreateInputs"))
def create(call: Call) -> Response:
    customer = _customer(call)
    entitlement = schedule.create(call.store, customer, parse_v2(call.body, call.store.now()))
    return json_reply(entitlement_v2(entitlement, customer.key, call.store.now()), 201)


@resource.operation(
    "GET",
    _OF_CUSTOMER,
    path=[schemas.CUSTOMER],
    query=[schemas.INCLUDE_DELETED, *schemas.PAGES, *schemas.ENTITLEMENT_ORDER],
)
def list_of_customer(call: Call) -> Response:
    """The active entitlements of a customer; `includeDeleted` changes nothing."""
    customer = _customer(call)
    selection = Selection()
    selection.where("e.customer_id = ?", customer.id)
    selection.where("e.deleted_at IS NULL")
    lists.active_at(selection, call.store.stamp())
    return _page(call, selection)


def _page(call: Call, selection: Selection) -> Response:
    page, now = Page.of_v1(call), call.store.now()
    found = lists.fetch(call.store, selection, lists.order(call.query), page.clause)
    items = [entitlement_v2(rows.from_row(row), row["customer_key"], now) for row in found]
    return json_reply(envelope_v1(page, lists.total(call.store, selection), items))


@resource.operation("GET", _ONE, path=_PATH)
def get(call: Call) -> Response:
    customer = _customer(call)
    return json_reply(entitlement_v2(_entitlement(call, customer), customer.key, call.store.now()))


@resource.operation("DELETE", _ONE, path=_PATH)
def delete(call: Call) -> Response:
    schedule.delete(call.store, _entitlement(call, _customer(call)))
    return no_content()


@resource.operation(
    "PUT",
    _ONE + "/override",
    path=[schemas.CUSTOMER, schemas.ENTITLEMENT_OR_KEY],
    body=json_body("EntitlementV2CreateInputs"),
)
def override(call: Call) -> Response:
    customer = _customer(call)
    old = _entitlement(call, customer)
    wanted = parse_v2(call.body, call.store.now())
    entitlement = schedule.override(call.store, customer, old.id, wanted)
    return json_reply(entitlement_v2(entitlement, customer.key, call.store.now()), 201)


@resource.operation("GET", _ONE + "/value", path=_PATH, query=[schemas.TIME], writes=True)
def value(call: Call) -> Response:
    """The value now or at a time; no entitlement is no access."""
    at = call.query["time"] or call.store.now()
    customer = _customer(call)
    try:
        found = rows.get_of_customer(call.store, customer.id, call.path["entitlementIdOrFeatureKey"], at)
        answer = value_of(call.store, found, at)
    except rows.EntitlementNotFound:
        answer = NO_ACCESS
    return json_reply(value_v2(answer))


@resource.operation("GET", _ONE + "/history", path=_PATH, query=schemas.HISTORY, writes=True)
def balance_history(call: Call) -> Response:
    entitlement = _entitlement(call, _customer(call))
    try:
        zone = time_zone(call.query["windowTimeZone"] or "")
    except UnknownTimeZone as error:
        raise DomainProblem(400, str(error)) from None
    return json_reply(history(call, entitlement.id, zone))


@resource.operation("POST", _ONE + "/reset", path=_PATH, body=json_body("ResetEntitlementUsageInput"))
def reset_usage(call: Call) -> Response:
    check_decodable(call.body)
    reset(call.store, _entitlement(call, _customer(call)).id, call.body)
    return no_content()


@resource.operation("POST", _ONE + "/grants", path=_PATH, body=json_body("EntitlementGrantCreateInputV2"))
def create_grant(call: Call) -> Response:
    check_decodable(call.body)
    customer = _customer(call)
    wanted = grant_input_v2(call.body)
    grant = schedule.add_grant(call.store, customer.id, call.path["entitlementIdOrFeatureKey"], wanted)
    return json_reply(grant_v2(grant, call.store.now()) | as_sent(wanted), 201)


@resource.operation(
    "GET",
    _ONE + "/grants",
    path=_PATH,
    query=[schemas.INCLUDE_DELETED, *schemas.PAGES, *schemas.OFFSETS, *schemas.GRANT_ORDER],
)
def list_grants_of_entitlement(call: Call) -> Response:
    """By page, or by limit and offset where only they are given."""
    entitlement = _entitlement(call, _customer(call))
    selection = grant_lists.selected(include_deleted=bool(call.query["includeDeleted"]))
    selection.where("g.owner_id = ?", entitlement.id)
    by_offset = call.query["limit"] is not None or call.query["offset"] is not None
    return _grant_page(call, selection, "createdAt", by_offset=by_offset)


def _grant_page(call: Call, selection: Selection, default_order: str, *, by_offset: bool) -> Response:
    now = call.store.now()
    page = Page.of_v1(call)
    window = page.clause
    if by_offset and call.query["page"] is None and call.query["pageSize"] is None:
        page = Page(0, 0)
        window = f" LIMIT {call.query['limit'] or DEFAULT_SIZE} OFFSET {call.query['offset'] or 0}"
    order = grant_lists.order(call.query, default_order)
    items = [grant_v2(grant, now) for grant in grant_lists.fetch(call.store, selection, order, window)]
    return json_reply(envelope_v1(page, grant_lists.total(call.store, selection), items))


@resource.operation(
    "GET",
    "/api/v2/entitlements",
    query=[
        schemas.FEATURES,
        schemas.CUSTOMER_KEYS,
        schemas.CUSTOMER_IDS,
        schemas.TYPES,
        schemas.EXCLUDE_INACTIVE,
        *schemas.PAGES,
        *schemas.OFFSETS,
        *schemas.ENTITLEMENT_ORDER,
    ],
)
def list_all(call: Call) -> Response:
    """Those of all customers, inactive ones too unless told otherwise; limit and offset do nothing."""
    selection = lists.selected(call.query, call.store.stamp())
    if call.query["customerKeys"]:
        keys = call.query["customerKeys"]
        marks = ", ".join("?" * len(keys))
        selection.where(f"e.customer_id IN (SELECT id FROM customers WHERE key IN ({marks}))", *keys)
    if call.query["customerIds"]:
        selection.within("e.customer_id", call.query["customerIds"])
    return _page(call, selection)


@resource.operation("GET", "/api/v2/entitlements/{entitlementId}", path=[schemas.ENTITLEMENT_ID])
def get_by_id(call: Call) -> Response:
    entitlement = rows.get(call.store, call.path["entitlementId"])
    customer = find_customer_by_id(call.store, entitlement.customer_id)
    return json_reply(entitlement_v2(entitlement, customer.key, call.store.now()))


@resource.operation(
    "GET",
    "/api/v2/grants",
    query=[
        schemas.FEATURES,
        schemas.GRANT_CUSTOMERS,
        schemas.INCLUDE_DELETED,
        *schemas.PAGES,
        *schemas.OFFSETS,
        *schemas.GRANT_ORDER,
    ],
)
def list_all_grants(call: Call) -> Response:
    """Those of all entitlements. Deleted customers are passed over, so that only naming such filters nothing."""
    named = [find_customer(call.store, name) for name in call.query["customer"] or []]
    live = [customer.id for customer in named if customer.deleted_at is None]
    selection = grant_lists.selected(include_deleted=bool(call.query["includeDeleted"]))
    wanted = Selection()
    if live:
        wanted.within("e.customer_id", live)
        wanted.where("e.deleted_at IS NULL")
    if call.query["feature"]:
        lists.by_feature_or_key(wanted, call.query["feature"])
    grant_lists.of_entitlements(selection, wanted)
    return _grant_page(call, selection, "effectiveAt", by_offset=True)
