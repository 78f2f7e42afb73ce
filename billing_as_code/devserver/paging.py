"""Pages and orders of lists: the parameters as the OpenAPI documents declare them, and what they mean in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .operation import Call
from .parameters import Param
from .problems import KongProblem, bad_request, invalid_query
from .schema import V1
from .schema_fragments import SORT_ORDER, SORT_QUERY
from .store import Parameters, Store

DEFAULT_SIZE = 100


PAGE = Param("page", {"type": "integer", "minimum": 1}, "int", explode=False)
PAGE_SIZE = Param("pageSize", {"type": "integer", "minimum": 1, "maximum": 1000}, "int", explode=False)
LIMIT = Param("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "int", explode=False)
OFFSET = Param("offset", {"type": "integer", "minimum": 0}, "int", explode=False)
ORDER = Param("order", {"allOf": [SORT_ORDER]}, explode=False)
PAGE_V3 = Param("page", {"type": "object"}, "object", fields={"size": "int", "number": "int"})
SORT_V3 = Param("sort", SORT_QUERY, explode=False)


def order_by(name: str, values: tuple[str, ...], of: str, *, wrapped: bool = False) -> Param:
    """The `orderBy` parameter, whose values are the schema `name`; `wrapped` where the document uses allOf."""
    V1.add({name: {"type": "string", "enum": list(values), "description": f"Order by options for {of}."}})
    reference = {"$ref": f"#/components/schemas/{name}"}
    return Param("orderBy", {"allOf": [reference]} if wrapped else reference, explode=False)


@dataclass(frozen=True)
class Page:
    """A page of a list; a size of 0 in v3 means everything."""

    size: int
    number: int

    @property
    def clause(self) -> str:
        """LIMIT and OFFSET."""
        if self.size == 0:
            return ""
        return f" LIMIT {self.size} OFFSET {min(self.size * (self.number - 1), 2**62)}"

    @classmethod
    def of_v1(cls, call: Call) -> Page:
        """`page` and `pageSize` with their defaults."""
        return cls(call.query["pageSize"] or DEFAULT_SIZE, call.query["page"] or 1)

    @classmethod
    def of_v3(cls, call: Call, default_size: int = 20) -> Page:
        """`page[size]` and `page[number]`; 400 for those that make no sense (`pkg/pagination/page.go`)."""
        given: Mapping[str, int] = call.query["page"] or {}
        page = cls(given.get("size", default_size), given.get("number", 1))
        shown = f"invalid page: {{PageSize:{page.size} PageNumber:{page.number}}}"
        if page.size < 0:
            raise invalid_query("page", f"{shown}, pagesize cannot be negative")
        if page.number < 1:
            raise invalid_query("page", f"{shown}, page has to be at least 1")
        return page


def envelope_v1(page: Page, total: int, items: list[Any]) -> dict[str, Any]:
    return {"totalCount": total, "page": page.number, "pageSize": page.size, "items": items}


def envelope_v3(page: Page, total: int, items: list[Any]) -> dict[str, Any]:
    return {"data": items, "meta": {"page": {"size": page.size, "number": page.number, "total": total}}}


def count(store: Store, source: str, parameters: Parameters) -> int:
    """How many rows a FROM … WHERE … has."""
    return int(store.value(f"SELECT count(*) {source}", parameters))


@dataclass(frozen=True)
class Sort:
    """v3's `sort`: a field that the resource knows, and whether it goes down."""

    field: str
    descending: bool


def sort_v3(call: Call, supported: tuple[str, ...]) -> Sort | None:
    """The `sort` parameter, `field [asc|desc]` (`api/v3/request/sort.go`); None when not given."""
    text: str | None = call.query["sort"]
    if text is None:
        return None
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise invalid_query("sort", "invalid sort by")
    direction = words[1] if len(words) == 2 else "asc"
    if direction not in ("asc", "desc"):
        raise invalid_query("sort", "sort order must be either asc or desc")
    if words[0] not in supported:
        raise _unsupported(words[0], supported)
    return Sort(words[0], direction == "desc")


def _unsupported(field: str, supported: tuple[str, ...]) -> KongProblem:
    reason = f'unsupported sort field "{field}", supported fields: {", ".join(supported)}'
    return bad_request([{"field": "sort", "reason": reason, "source": "query"}])
