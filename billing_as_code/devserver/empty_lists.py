"""Lists of what this server never has any of; what would put something there answers 501."""

from __future__ import annotations

from flask import Response

from .operation import Call, Resource
from .paging import PAGE, PAGE_SIZE, PAGE_V3, Page, envelope_v1, envelope_v3
from .parameters import Param
from .problems import internal, not_implemented_here
from .replies import json_reply

resource = Resource("empty_lists")

_V1 = ("addons", "notification/channels", "notification/rules", "notification/events")
_V3 = ("addons", "llm-cost/overrides", "llm-cost/prices")


def empty_v1(call: Call) -> Response:
    return json_reply(envelope_v1(Page.of_v1(call), 0, []))


def empty_v3(call: Call) -> Response:
    return json_reply(envelope_v3(Page.of_v3(call), 0, []))


for _name in _V1:
    resource.operation("GET", f"/api/v1/{_name}", query=[PAGE, PAGE_SIZE])(empty_v1)
for _name in _V3:
    resource.operation("GET", f"/api/v3/openmeter/{_name}", query=[PAGE_V3])(empty_v3)


@resource.operation(
    "GET",
    "/api/v1/billing/customers",
    query=[PAGE, PAGE_SIZE, Param("includeAllCustomers", {"type": "boolean"}, "bool")],
)
def list_overrides(call: Call) -> Response:
    """Customers with billing settings of their own. A page size alone is a 500, and neither a page of 0, as there."""
    if call.query["includeAllCustomers"]:
        raise not_implemented_here("it does not list the billing settings of all customers")
    size, number = call.query["pageSize"], call.query["page"]
    if number is None and size is not None:
        raise internal()
    return json_reply(envelope_v1(Page(0, 0) if number is None else Page.of_v1(call), 0, []))
