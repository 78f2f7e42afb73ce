"""Currencies, which v3 alone has (`api/v3/handlers/currencies`). There are no custom ones here."""

from __future__ import annotations

import json
from typing import Any

from flask import Response

from .currencies import CURRENCIES
from .list_filters import FieldFilter, filters_of
from .operation import Call, Resource, json_body
from .paging import DEFAULT_SIZE, PAGE_V3, SORT_V3, Page, envelope_v3, sort_v3
from .problems import invalid, invalid_query, not_implemented_here
from .replies import json_reply
from .schema_fragments import add_schemas

add_schemas("currencies")

resource = Resource("currencies")

_ORDERS = ("code", "name")


@resource.operation(
    "GET",
    "/api/v3/openmeter/currencies",
    query=[PAGE_V3, SORT_V3],
    filters=filters_of({"type": "exact", "code": "string"}),
)
def list_currencies(call: Call) -> Response:
    """By code unless told otherwise; a page has 100 unless it says how many."""
    page = Page.of_v3(call, DEFAULT_SIZE)
    sort = sort_v3(call, _ORDERS)
    found = _meeting(call)
    if sort is not None:
        found.sort(key=lambda currency: currency[sort.field], reverse=sort.descending)
    first = page.size * (page.number - 1)
    shown = found[first : first + page.size] if page.size else found
    return json_reply(envelope_v3(page, len(found), [currency | {"type": "fiat"} for currency in shown]))


def _meeting(call: Call) -> list[dict[str, Any]]:
    filters: dict[str, FieldFilter] = call.query["filter"]
    if "type" in filters and filters["type"].operators.get("eq") == "custom":
        return []
    condition, parameters = "1", list[Any]()
    if "code" in filters:
        fault = filters["code"].fault("string")
        if fault is not None:
            raise invalid_query("filter[code]", fault)
        condition, parameters = filters["code"].condition("json_extract(value, '$.code')")
    sql = f"SELECT value FROM json_each(?) WHERE {condition} ORDER BY key"
    return [json.loads(row["value"]) for row in call.store.all(sql, [json.dumps(CURRENCIES), *parameters])]


@resource.operation("POST", "/api/v3/openmeter/currencies/custom", body=json_body("CreateCurrencyCustomRequest"))
def create_currency(call: Call) -> Response:
    """Refused without credits, as there; with them it is not done here."""
    if not call.store.settings.credits_enabled:
        raise invalid("custom currencies are not enabled on this deployment of OpenMeter")
    raise not_implemented_here("it has no custom currencies")
