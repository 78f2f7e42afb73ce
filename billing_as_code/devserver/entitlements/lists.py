"""Lists of entitlements: one query for a page, whatever the filters (`entitlement/adapter/entitlement.go`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..customers import list_customers
from ..store import Row, Store
from .rows import columns

_COLUMNS: Final = {"createdAt": "created_at", "updatedAt": "updated_at"}


@dataclass
class Selection:
    """Conditions on the columns of a table, with their parameters."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def where(self, condition: str, *parameters: Any) -> None:
        """All conditions hold."""
        self.conditions.append(condition)
        self.parameters += parameters

    def within(self, column: str, values: Collection[Any]) -> None:
        """The column has one of the values."""
        self.where(f"{column} IN ({', '.join('?' * len(values))})", *values)

    @property
    def sql(self) -> str:
        """The conditions, joined."""
        return " AND ".join(self.conditions) or "1"


def by_feature(selection: Selection, ids_or_keys: Sequence[str]) -> None:
    """Keep entitlements on these features: what is as long as an id and starts like one is one."""
    ids = [text for text in ids_or_keys if len(text) == 26 and text[0] <= "7"]
    keys = [text for text in ids_or_keys if text not in ids]
    parts = [("feature_id", ids), ("feature_key", keys)]
    conditions = [f"e.{column} IN ({', '.join('?' * len(v))})" for column, v in parts if v]
    selection.where("(" + " OR ".join(conditions) + ")", *ids, *keys)


def by_feature_or_key(selection: Selection, ids_or_keys: Sequence[str]) -> None:
    """Keep entitlements whose feature has one of these as its id or as its key."""
    marks = ", ".join("?" * len(ids_or_keys))
    selection.where(f"(e.feature_id IN ({marks}) OR e.feature_key IN ({marks}))", *ids_or_keys, *ids_or_keys)


def by_subject(selection: Selection, subject_keys: Sequence[str]) -> None:
    """Keep entitlements of live customers that have one of these subject keys."""
    marks = ", ".join("?" * len(subject_keys))
    selection.where(
        "e.customer_id IN (SELECT s.customer_id FROM customer_subjects s"
        " JOIN customers c ON c.id = s.customer_id AND c.deleted_at IS NULL"
        f" WHERE s.subject_key IN ({marks}) AND s.deleted_at IS NULL)",
        *subject_keys,
    )


def active_at(selection: Selection, at: str) -> None:
    """Keep entitlements that are active at a time."""
    selection.where("e.active_from <= ?", at)
    selection.where("(e.active_to IS NULL OR e.active_to > ?)", at)


def selected(query: Mapping[str, Any], at: str) -> Selection:
    """The filters that the lists over all customers share. Deleted entitlements are in no list."""
    selection = Selection()
    selection.where("e.deleted_at IS NULL")
    if query["feature"]:
        by_feature(selection, query["feature"])
    if query["entitlementType"]:
        selection.within("e.type", query["entitlementType"])
    if query["excludeInactive"]:
        active_at(selection, at)
    return selection


def order(query: Mapping[str, Any]) -> str:
    """The order that was asked for, oldest first unless told otherwise."""
    column = _COLUMNS[query.get("orderBy") or "createdAt"]
    direction = query.get("order") or "ASC"
    return f"e.{column} {direction}, e.id {direction}"


def fetch(store: Store, selection: Selection, ordering: str, window: str) -> list[Row]:
    """The rows of a page: the columns of an entitlement, then its customer's key.

    Only what decides is sorted; the rest is looked up for the page alone.
    """
    sql = (
        f"SELECT {columns('e')}, c.key AS customer_key"
        f" FROM (SELECT e.rowid AS place FROM entitlements e WHERE {selection.sql} ORDER BY {ordering}{window})"
        " JOIN entitlements e ON e.rowid = place LEFT JOIN customers c ON c.id = e.customer_id"
        f" ORDER BY {ordering}"
    )
    return store.all(sql, selection.parameters)


def first_subjects(store: Store, found: Sequence[Row]) -> dict[str, str]:
    """The first subject key of each customer of a page, empty where it has none."""
    ids = list({row["customer_id"] for row in found})
    marks = ", ".join("?" * len(ids))
    customers = list_customers(store, f"id IN ({marks})", "id", ids, "")
    return {customer.id: min(customer.subject_keys, default="") for customer in customers}


def total(store: Store, selection: Selection) -> int:
    """How many rows there are on all pages."""
    return int(store.value(f"SELECT count(*) FROM entitlements e WHERE {selection.sql}", selection.parameters))
