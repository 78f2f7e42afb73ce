"""What comes of a test: which customers it means, and where the catalog is not as it says."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, NamedTuple

from billing_as_code.catalog import Catalog
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.expecting.reading import Check, Expectation, Selector, exact
from billing_as_code.expecting.schema import ACCESS
from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.moves import Allowance, Holder
from billing_as_code.model import Address, Json, Place, Resource

MOST_FAILURES = 1_000
"""So many failures of one test are told."""


class Failure(NamedTuple):
    """One thing that is not as a test says: of which customer and feature ("" where it is of the test itself), where
    the test says so, and where the catalog says otherwise (None where it says nothing)."""

    customer: str
    feature: str
    message: str
    place: Place
    broken_at: Place | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a test in one environment; `customers` are those that it means."""

    test: Expectation
    environment: str
    customers: tuple[str, ...]
    failures: tuple[Failure, ...]

    @property
    def holds(self) -> bool:
        return not self.failures


def judge(tests: Iterable[Expectation], catalog: Catalog, environment: str, kinds: Mapping[str, Kind]) -> list[Outcome]:
    """What comes of some tests in one environment's catalog; those that are not for it are left out."""
    held = _Held(catalog, kinds)
    return [_judged(t, held, environment) for t in tests if not t.environments or environment in t.environments]


def _judged(test: Expectation, held: _Held, environment: str) -> Outcome:
    customers = tuple(held.meant(test.selector))
    failures: list[Failure] = []
    if not customers and not test.selector.allow_none:
        failures.append(Failure("", "", held.nobody(test.selector), test.selected_at, None))
    for check in test.checks:
        if check.feature not in held.features:
            remedy = Spelling(held.features).remedy(check.feature) or "`features:` names them"
            message = f"the catalog has no feature `{check.feature}` ({remedy})"
            failures.append(Failure("", check.feature, message, check.place, None))
            continue
        for customer in customers:
            if len(failures) < MOST_FAILURES and (found := _failed(check, customer, held)) is not None:
                failures.append(found)
    return Outcome(test, environment, customers, tuple(failures))


# -- what the catalog says --------------------------------------------------------------------------------------------


class _Held:
    """What customers have, by the catalog of one environment."""

    def __init__(self, catalog: Catalog, kinds: Mapping[str, Kind]) -> None:
        self.catalog = catalog
        self.customers: dict[str, Resource] = {}
        self.features: set[str] = set()
        self.given: dict[Holder, Resource] = {}
        self.added: dict[Holder, list[tuple[Resource, Decimal]]] = {}
        for address, resource in catalog.desired.items():
            kind = kinds[address.kind]
            if kind is CUSTOMERS:
                self.customers[address.path[0]] = resource
            elif kind is FEATURES:
                self.features.add(address.path[0])
            elif kind is ENTITLEMENTS:
                self.given[Holder(*address.path)] = resource
            elif (more := kind.addition(resource)) is not None and (holder := kind.holder(resource)) is not None:
                self.added.setdefault(holder, []).append((resource, more))

    def allowance(self, holder: Holder) -> Allowance | None:
        return ENTITLEMENTS.allowance(self.given[holder]) if holder in self.given else None

    def granted(self, holder: Holder) -> Decimal:
        return sum((amount for _, amount in self.added.get(holder, ())), Decimal(0))

    @cached_property
    def uses(self) -> dict[str, frozenset[str]]:
        """The templates that each customer's entitlements use, in any of them."""
        found: dict[str, frozenset[str]] = {}
        for address, names in self.catalog.uses.items():
            if address.kind == ENTITLEMENTS.name and address.path:
                found[address.path[0]] = found.get(address.path[0], frozenset()) | names
        return found

    def meant(self, selector: Selector) -> Iterator[str]:
        """The customers that a selector means, by key."""
        for key in sorted(self.customers):
            if self._fits(key, selector):
                yield key

    def _fits(self, key: str, selector: Selector) -> bool:
        if not _like(key, selector.key) or _like(key, selector.but):
            return False
        if selector.uses and self.uses.get(key, frozenset()).isdisjoint(selector.uses):
            return False
        if not all(Holder(key, feature) in self.given for feature in selector.has):
            return False
        spec = self.customers[key].spec
        labels = CUSTOMERS.get(spec, "metadata") if spec else {}
        return all(name in labels and _like(labels[name], like) for name, like in selector.metadata)

    def nobody(self, selector: Selector) -> str:
        """That a selector means nobody, and what may have been meant."""
        meant = ""
        if len(selector.key) == 1 and not any(c in selector.key[0] for c in "*?["):
            meant = Spelling(self.customers).remedy(selector.key[0])
        return f"no customer of the catalog is meant by this ({meant or 'allow_none: true, if that may be'})"

    def place(self, customer: str, feature: str, field: str = "") -> Place | None:
        """Where the catalog says a field of what a customer has, or has the customer where it has nothing."""
        held = self.catalog.place(Address(ENTITLEMENTS.name, (customer, feature)), field)
        return held or self.catalog.place(Address(CUSTOMERS.name, (customer,)))


def _like(text: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


# -- checks ---------------------------------------------------------------------------------------------------------


def _failed(check: Check, customer: str, held: _Held) -> Failure | None:
    holder = Holder(customer, check.feature)
    resource, has = held.given.get(holder), held.allowance(holder)
    if check.subject == ACCESS:
        if (resource is not None) == check.value:
            return None
        message = "has it" if resource is not None else "has none"
        return _failure(check, customer, message, held)
    if resource is not None and has is None:
        return _failure(check, customer, "is declared external, so the catalog does not say", held)
    said = _SUBJECTS[check.subject](check, has, held.granted(holder))
    return _failure(check, customer, said, held) if said else None


def _failure(check: Check, customer: str, message: str, held: _Held) -> Failure:
    broken_at = held.place(customer, check.feature, _FIELDS.get(check.subject, "") or _config_field(check))
    if check.subject == "granted" or (check.subject == "amount" and check.op == "at_most"):
        broken_at = _largest(customer, check, held) or broken_at
    return Failure(customer, check.feature, message, check.place, broken_at)


def _config_field(check: Check) -> str:
    return ".".join(("config", *check.path)) if check.path else ""


def _largest(customer: str, check: Check, held: _Held) -> Place | None:
    """Where the largest grant stands, if what is issued does not say more."""
    holder = Holder(customer, check.feature)
    resource, amount = max(held.added.get(holder, ()), key=lambda found: found[1], default=(None, Decimal(0)))
    has = held.allowance(holder)
    issued = has.amount if has is not None and has.amount is not None else Decimal(0)
    if resource is None or (check.subject == "amount" and amount <= issued):
        return None
    return held.catalog.place(resource.address, "amount")


def _type(check: Check, has: Allowance | None, granted: Decimal) -> str:
    if has is None:
        return "has none"
    now = "metered" if has.metered else "static" if has.value is not None else "boolean"
    return f"is {now}, must be {check.value}" if now != check.value else ""


def _amount(check: Check, has: Allowance | None, granted: Decimal) -> str:
    """Nothing is an amount of 0; a switch is no limit at all."""
    if has is not None and not has.metered:
        return "" if check.op == "at_least" else f"has no limit, must be {_words(check)}"
    issued = has.amount if has is not None and has.amount is not None else Decimal(0)
    now = {"issued": issued, "granted": granted, "amount": issued + granted}[check.subject]
    return "" if _holds(check, now) else f"{check.subject} is {now:,f}, must be {_words(check)}"


def _period(check: Check, has: Allowance | None, granted: Decimal) -> str:
    if has is None or not has.metered:
        return "has none" if has is None else "has no period"
    return f"period is {has.interval}, must be {check.value}" if has.interval != check.value else ""


def _soft(check: Check, has: Allowance | None, granted: Decimal) -> str:
    if has is None or not has.metered:
        return "has none" if has is None else "has no limit"
    wanted, now = ("a soft limit" if soft else "a hard limit" for soft in (check.value, has.soft))
    return f"has {now}, must have {wanted}" if has.soft != check.value else ""


def _config(check: Check, has: Allowance | None, granted: Decimal) -> str:
    if has is None or has.value is None:
        return "has none" if has is None else "is no static value"
    name = ".".join(("config", *check.path))
    there, now = _inside(exact(json.loads(has.value)), check.path)
    if check.op == "exists":
        return "" if there == check.value else f"{name} is {'there' if there else 'missing'}"
    if not there:
        return f"{name} is missing, must be {_words(check)}"
    return "" if _holds(check, now) else f"{name} is {_shown(now)}, must be {_words(check)}"


_SUBJECTS = {
    "type": _type,
    "amount": _amount,
    "issued": _amount,
    "granted": _amount,
    "period": _period,
    "soft": _soft,
    "config": _config,
}
_FIELDS = {
    "type": "type",
    "amount": "issue.amount",
    "issued": "issue.amount",
    "period": "usage_period.interval",
    "soft": "is_soft_limit",
}


def _inside(value: Json, path: Sequence[str]) -> tuple[bool, Json]:
    """Whether there is something at a path of names and positions, and what."""
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False, None
    return True, value


def _holds(check: Check, now: Any) -> bool:
    match check.op:
        case "equals":
            return _same(now, check.value)
        case "one_of":
            return any(_same(now, value) for value in check.value)
    if not isinstance(now, Decimal):
        return False
    return bool(now >= check.value if check.op == "at_least" else now <= check.value)


def _same(one: Any, other: Any) -> bool:
    """Equal, and true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _words(check: Check) -> str:
    if check.op == "one_of":
        return "one of " + ", ".join(map(_shown, check.value))
    word = {"equals": "", "at_least": "at least ", "at_most": "at most "}[check.op]
    value = f"{check.value:,f}" if isinstance(check.value, Decimal) else _shown(check.value)
    return word + value


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:,f}"
    return json.dumps(value, ensure_ascii=False, default=lambda number: f"{number:f}")
