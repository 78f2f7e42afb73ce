"""A row of a kind's table: one field, with everything that OpenMeter and the catalog say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from billing_as_code.model import Class, Json, Value

Rank = Callable[[Value, Value], Class]
Names = Mapping[str, tuple[str, ...]]
"""OpenMeter id to the path of the address that it belongs to, of all that was read before."""
Schema = dict[str, Any]


class BadValue(ValueError):
    """A value of the right shape that means nothing (30 February): `field` is its name, `value` what stood there."""

    def __init__(self, field_name: str, value: object) -> None:
        self.field, self.value = field_name, value
        super().__init__(f"{field_name}: {value!r} has no meaning")


class Absent(Enum):
    """What a field left out of the catalog means."""

    DEFAULT = "its default, and a live difference is a diff"
    KEPT = "what is live, since OpenMeter cannot clear it"
    MOMENT = "the moment of creation, so it is not compared"
    CREATE_ONLY = "it speaks at creation only, and is never compared"


def same(value: Value) -> Value:
    return value


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a kind's table.

    `name` is the dotted YAML path, `wire` the dotted path in OpenMeter's JSON. `canonical` turns a valid YAML value,
    and what `read` made of the wire value, into canonical form; `write` turns the canonical form into the wire's,
    `to_yaml` into what a person would write where that is another spelling.
    `default` is canonical, or a function of (address path, values so far by name). `when` is (field, values): the field
    exists only where that field has one of those values. `rank` gives the class of a change; without it, breaking.
    `refers_to` names the kind whose key the field holds; with `binds`, OpenMeter binds to its id, so that a replaced
    target means that this resource must be replaced too.
    """

    name: str
    schema: Schema
    wire: str = ""
    canonical: Callable[[Any], Value] = same
    read: Callable[[Any, Names], Any] | None = None
    write: Callable[[Value], Json] = same
    to_yaml: Callable[[Value], Json] = same
    default: Value | Callable[[Sequence[str], Mapping[str, Value]], Value] = None
    required: bool = False
    when: tuple[str, tuple[Value, ...]] | None = None
    fixed: bool = False
    held: bool = False
    absent: Absent = Absent.DEFAULT
    rank: Rank | None = None
    refers_to: str = ""
    binds: bool = False
    check: Callable[[Value], tuple[str, str] | None] | None = None
    """What a schema cannot say of one canonical value: (what is wrong, what would be right), or None."""
    opaque: bool = False
    """Canonical form is JSON text (see `canonical_json`)."""
    currency: str = ""
    """The currency of its amount, where that is money: an ISO 4217 code."""
    doc: str = ""
    example: Any = None
    also: str = ""
    """What the kind's other API (see `Kind.also_in`) calls it."""
    why: str = ""
    """Why OpenMeter does not change or clear it, where that is not what holds for its kind or its sort."""


def always(cls: Class) -> Rank:
    return lambda before, after: cls


SAFE = always(Class.SAFE)
COMMERCIAL = always(Class.COMMERCIAL)
