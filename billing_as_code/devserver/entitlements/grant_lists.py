"""Lists of grants (`openmeter/credit/adapter/grant.go`, ListGrants)."""

from collections.abc import Mapping
from typing import Any, Final

from ..store import Store
from .grants import GrantRow, from_row
from .lists import Selection

_COLUMNS: Final = {
    "id": "id",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "effectiveAt": "effective_at",
}


def selected(*, include_deleted: bool) -> Selection:
    """Grants that are there, or all that ever were. Those of a deleted entitlement are deleted with it."""
    selection = Selection()
    if not include_deleted:
        selection.where("g.deleted_at IS NULL")
    return selection


def of_entitlements(selection: Selection, wanted: Selection) -> None:
    """Keep the grants of the entitlements that another selection keeps."""
    if wanted.conditions:
        condition = f"g.owner_id IN (SELECT e.id FROM entitlements e WHERE {wanted.sql})"
        selection.where(condition, *wanted.parameters)


def order(query: Mapping[str, Any], default: str) -> str:
    """The order that was asked for, oldest first unless told otherwise."""
    column = _COLUMNS[query.get("orderBy") or default]
    direction = query.get("order") or "ASC"
    return f"g.{column} {direction}, g.id {direction}"


def fetch(store: Store, selection: Selection, ordering: str, window: str) -> list[GrantRow]:
    """The grants of a page."""
    sql = f"SELECT g.* FROM entitlement_grants g WHERE {selection.sql} ORDER BY {ordering}{window}"
    return [from_row(row) for row in store.all(sql, selection.parameters)]


def total(store: Store, selection: Selection) -> int:
    """How many there are on all pages."""
    sql = f"SELECT count(*) FROM entitlement_grants g WHERE {selection.sql}"
    return int(store.value(sql, selection.parameters))
