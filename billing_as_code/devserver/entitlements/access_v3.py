"""Access in v3: of one customer, and of many by their keys (`openmeter/entitlementaccess`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Response

from ..clock import from_db, to_wire
from ..cursors import Cursor, InvalidCursor
from ..customers import CustomerRow, customer_of_subject, find_customer_by_id
from ..customers_v3 import customer_v3
from ..operation import Call, Resource, json_body
from ..parameters import Param
from ..problems import KongProblem, bad_request, invalid, precondition_failed_v3
from ..replies import json_reply
from ..schema_fragments import ULID_V3, add_schemas
from ..store import Store
from .values import Value, access_of

_MAX_SIZE: Final = 100
_PAGE: Final = Param("page", {"type": "object"}, "object", fields={"size": "int", "after": "str", "before": "str"})
_CUSTOMER_ID: Final = Param("customerId", ULID_V3, required=True)
_UNAVAILABLE: Final = ("feature_unavailable", "feature is not available for customer")
_NOT_FOUND: Final = ("feature_not_found", "feature is not found")
_USED_UP: Final = ("usage_limit_reached", "usage limit for feature reached")

add_schemas("entitlements")
resource = Resource("entitlement_access_v3")


@resource.operation(
    "GET", "/api/v3/openmeter/customers/{customerId}/entitlement-access", path=[_CUSTOMER_ID], writes=True
)
def access_of_customer(call: Call) -> Response:
    """The access that each active entitlement of a customer gives, by feature key."""
    customer = find_customer_by_id(call.store, call.path["customerId"])
    if customer.deleted_at is not None:
        raise precondition_failed_v3(f"customer is deleted [namespace=default customer.id={customer.id}]")
    found = access_of(call.store, customer.id)
    shown = [_entry(key, value) for key, value in sorted(found.items()) if value.type is not None]
    return json_reply({"data": shown})


def _entry(feature_key: str, value: Value) -> dict[str, Any]:
    shown = {"feature_key": feature_key, "type": value.type, "has_access": value.has_access}
    return shown if value.config is None else shown | {"config": value.config}


@dataclass(frozen=True)
class _Found:
    """A customer, and the names that it was asked for by."""

    customer: CustomerRow
    names: list[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands in the answer."""
        return (self.customer.created_at, self.customer.id)

    @property
    def cursor(self) -> Cursor:
        """Its cursor, which knows whole seconds only."""
        return Cursor(from_db(self.customer.created_at).replace(microsecond=0), self.customer.id)


@dataclass(frozen=True)
class _Page:
    """A page of customers, and whether there are more on either side."""

    found: Sequence[_Found]
    before: bool
    after: bool


@resource.operation(
    "POST",
    "/api/v3/openmeter/entitlement-access/query",
    query=[_PAGE],
    body=json_body("EntitlementAccessQueryRequest"),
)
def query_access(call: Call) -> Response:
    """The access of customers, named by key or subject key, to features, or to all live ones."""
    size, after, before = _paging(call.query["page"] or {})
    if "" in call.body["customer"]["keys"]:
        raise invalid("error getting customers by usage attribution: validation error: key cannot be empty")
    found, unknown = _resolve(call.store, call.body["customer"]["keys"])
    page = _cut(sorted(found, key=lambda one: one.place), size, after, before)
    wanted = (call.body.get("feature") or {}).get("keys") or []
    now = to_wire(call.store.now())
    data = [
        {
            "matched": one.names,
            "customer": customer_v3(one.customer),
            "features": _features(call.store, access_of(call.store, one.customer.id), wanted),
            "updated_at": now,
        }
        for one in page.found
    ]
    errors = [{"customer": name, "code": "customer_not_found", "message": "customer not found"} for name in unknown]
    return json_reply({"data": data, "errors": errors, "meta": {"page": _meta(page, size)}})


def _resolve(store: Store, names: Sequence[str]) -> tuple[list[_Found], list[str]]:
    found: dict[str, _Found] = {}
    unknown = []
    for name in names:
        customer = customer_of_subject(store, name)
        if customer is None:
            unknown.append(name)
        else:
            found.setdefault(customer.id, _Found(customer)).names.append(name)
    return list(found.values()), unknown


def _features(store: Store, access: Mapping[str, Value], wanted: Sequence[str]) -> dict[str, Any]:
    """Each wanted feature's access; without a wish, that of all live features."""
    if not wanted:
        live = store.all("SELECT key FROM features WHERE archived_at IS NULL ORDER BY key LIMIT 10000")
        return {row["key"]: _shown(access.get(row["key"])) for row in live}
    shown = {}
    for name in wanted:
        if name in access or _exists(store, name):
            shown[name] = _shown(access.get(name))
        else:
            shown[name] = _refused(*_NOT_FOUND)
    return shown


def _exists(store: Store, name: str) -> bool:
    sql = "SELECT 1 FROM features WHERE (key = ? OR id = ?) AND archived_at IS NULL"
    return store.one(sql, (name, name)) is not None


def _shown(value: Value | None) -> dict[str, Any]:
    if value is not None and value.has_access:
        return {"has_access": True}
    return _refused(*(_USED_UP if value is not None and value.type == "metered" else _UNAVAILABLE))


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"has_access": False, "reason": {"code": code, "message": message}}


def _paging(page: Mapping[str, Any]) -> tuple[int, Cursor | None, Cursor | None]:
    size = page.get("size", _MAX_SIZE)
    if not 1 <= size <= _MAX_SIZE:
        raise _wrong("page[size]", f"must be between 1 and {_MAX_SIZE}")
    if "after" in page and "before" in page:
        raise _wrong("page[after]", "cannot be combined with page[before]")
    return size, _cursor(page, "after"), _cursor(page, "before")


def _cursor(page: Mapping[str, Any], name: str) -> Cursor | None:
    if name not in page:
        return None
    try:
        return Cursor.decode(page[name])
    except InvalidCursor as error:
        raise _wrong(f"page[{name}]", str(error)) from None


def _wrong(name: str, reason: str) -> KongProblem:
    return bad_request([{"field": name, "reason": reason, "source": "query"}])


def _cut(found: Sequence[_Found], size: int, after: Cursor | None, before: Cursor | None) -> _Page:
    """The page after or before a cursor, or the first one (`entitlementaccess/service`, paginate)."""
    places = [(one.cursor.time, one.customer.id) for one in found]
    if before is not None:
        end = 0
        while end < len(places) and places[end] < (before.time, before.row_id):
            end += 1
        return _Page(found[max(end - size, 0) : end], end > size, True)
    start = 0
    if after is not None:
        start = next((n for n, p in enumerate(places) if p > (after.time, after.row_id)), len(places))
    return _Page(found[start : start + size], start > 0, len(found) - start > size)


def _meta(page: _Page, size: int) -> dict[str, Any]:
    meta: dict[str, Any] = {"next": None, "previous": None, "size": size}
    if page.found:
        meta["first"], meta["last"] = page.found[0].cursor.encode(), page.found[-1].cursor.encode()
        if page.before:
            meta["previous"] = meta["first"]
        if page.after:
            meta["next"] = meta["last"]
    return meta
