"""The request schemas and parameters of entitlements and grants, as OpenMeter's OpenAPI documents have them."""

from __future__ import annotations

from typing import Final

from ..paging import LIMIT, OFFSET, ORDER, PAGE, PAGE_SIZE, order_by
from ..parameters import Param
from ..schema_fragments import add_schemas

add_schemas("entitlements")

_FEATURE_KEY: Final = "^[a-z0-9]+(?:_[a-z0-9]+)*$"
_ULID: Final = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"
_TIME: Final = {"type": "string", "format": "date-time", "example": "2023-01-01T01:01:01.001Z"}

CUSTOMER: Final = Param("customerIdOrKey", {"$ref": "#/components/schemas/ULIDOrExternalKey"})
ENTITLEMENT_OR_FEATURE: Final = Param(
    "entitlementIdOrFeatureKey",
    {"type": "string", "minLength": 1, "maxLength": 64, "pattern": f"{_FEATURE_KEY}|{_ULID}"},
)
ENTITLEMENT_OR_KEY: Final = Param("entitlementIdOrFeatureKey", {"$ref": "#/components/schemas/ULIDOrExternalKey"})
ENTITLEMENT_ID: Final = Param("entitlementId", {"type": "string", "pattern": _ULID})
GRANT_ID: Final = Param("grantId", {"type": "string"})
FEATURE_KEY: Final = Param("featureKey", {"type": "string", "minLength": 1, "maxLength": 64, "pattern": _FEATURE_KEY})

TIME: Final = Param("time", _TIME, "time")
AT: Final = Param("at", _TIME, "time")
INCLUDE_DELETED: Final = Param("includeDeleted", {"type": "boolean"}, "bool", explode=False)
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_CUSTOMERS: Final = {"type": "array", "items": CUSTOMER.schema}
_TYPES: Final = {"type": "array", "items": {"$ref": "#/components/schemas/EntitlementType"}}

PAGES: Final = (PAGE, PAGE_SIZE)
OFFSETS: Final = (OFFSET, LIMIT)
ENTITLEMENT_ORDER: Final = (ORDER, order_by("EntitlementOrderBy", ("createdAt", "updatedAt"), "entitlements"))
_GRANT_ORDERS: Final = ("id", "createdAt", "updatedAt")
GRANT_ORDER: Final = (ORDER, order_by("GrantOrderBy", _GRANT_ORDERS, "grants"))
GRANT_ORDER_OF_SUBJECT: Final = order_by("GrantOrderBy", _GRANT_ORDERS, "grants", wrapped=True)
FEATURES: Final = Param("feature", _TEXTS, "list")
SUBJECTS: Final = Param("subject", _TEXTS, "list")
GRANT_CUSTOMERS: Final = Param("customer", _CUSTOMERS, "list")
CUSTOMER_KEYS: Final = Param("customerKeys", _TEXTS, "list")
CUSTOMER_IDS: Final = Param("customerIds", _TEXTS, "list")
TYPES: Final = Param("entitlementType", _TYPES, "list")
EXCLUDE_INACTIVE: Final = Param("excludeInactive", {"type": "boolean"}, "bool", explode=False)
_WINDOW_SIZE: Final = {"$ref": "#/components/schemas/WindowSize"}
HISTORY: Final = (
    Param("from", _TIME, "time"),
    Param("to", _TIME, "time"),
    Param("windowSize", _WINDOW_SIZE, required=True, explode=False),
    Param("windowTimeZone", {"type": "string"}, explode=False),
)


def subject_path(*names: str) -> tuple[Param, ...]:
    """The unchecked path parameters of the subject-level API."""
    return tuple(Param(name, {"type": "string"}) for name in ("subjectIdOrKey", *names))
