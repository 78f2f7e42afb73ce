"""Look one thing up without reading everything: a customer, what it may use, and what a meter counted.

What `looking` answers needs the catalog and whole lists; this asks OpenMeter for what is wanted and nothing else, so
that an answer takes some thousandths of a second however large the account is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from billing_as_code.client import MISREAD, join, misread, path_of
from billing_as_code.errors import ApiError, UsageError
from billing_as_code.kinds import metering
from billing_as_code.kinds.base import Sight
from billing_as_code.kinds.customers import CUSTOMERS, PATH
from billing_as_code.kinds.metering import Question, Usage
from billing_as_code.kinds.subscriptions import PLANS
from billing_as_code.model import Address, Json, Resource
from billing_as_code.plan import Target
from billing_as_code.service.looking import taken
from billing_as_code.service.session import Session
from billing_as_code.standing import Seen

_TRIES = 2
_NOT_THERE = (404, 412)
"""OpenMeter's answers for what never was, and for a customer that was deleted."""


@dataclass(frozen=True, slots=True)
class Found:
    """One live resource, and what can be seen of it. A look that failed says so in itself."""

    target: Target
    resource: Resource
    seen: tuple[Seen, ...]


def find(session: Session, address: Address) -> Found | None:
    """One live resource by its address, None where there is none. Raises UsageError, ApiError.

    For the kinds that OpenMeter shows one by one; no catalog is read, so nothing is said of what it declares.
    """
    kind = session.kinds[address.kind]
    read = kind.alone(address.path)
    if read is None:
        raise UsageError(f"OpenMeter shows {kind.name} among others only")
    path = path_of(read)
    try:
        item = session.client.get(path, read.query, tries=_TRIES)
    except ApiError as error:
        if error.status in _NOT_THERE:
            return None
        raise
    try:
        if item.get("deletedAt"):
            return None
        resource = kind.live(item, {})
    except MISREAD as error:
        text = f"a {kind.singular} that cannot be understood ({type(error).__name__}: {error})"
        raise ApiError(f"GET {path}", 200, text) from error
    if resource is None:
        return None
    sight = Sight({resource.address: resource}, session.now())
    looks = kind.looks(resource, sight)
    return Found(session.target, resource, tuple(taken(session, looks, {read.name: item})))


def access(session: Session, customer: str) -> Mapping[str, Mapping[str, Json]] | None:
    """What a customer may use now: OpenMeter's value of each entitlement by feature; None where there is no such
    customer. Raises ApiError."""
    path = join([*PATH, customer, "access"])
    try:
        found = session.client.get(path, tries=_TRIES)
    except ApiError as error:
        if error.status in _NOT_THERE:
            return None
        raise
    values = found.get("entitlements") if isinstance(found, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, dict) for value in values.values()):
        raise ApiError(f"GET {path}", 200, "the answer is not as OpenMeter gives it")
    return values


def published(session: Session, plan: str) -> int | None:
    """The version of a pricing plan that is published, None where none is. Raises ApiError."""
    path, query = PLANS.published(plan)
    body = session.client.get(path, query, tries=_TRIES)
    try:
        versions = [int(item["version"]) for item in body["data"] if item["key"] == plan]
    except MISREAD as error:
        raise ApiError(f"GET {path}", 200, "the answer is not as OpenMeter gives it") from error
    return max(versions, default=None)


def usage(session: Session, question: Question) -> list[Usage]:
    """What a meter counted; the question names customers by key. Raises UsageError, ApiError."""
    ids = [_id(session, key) for key in question.customers]
    read = question._replace(customers=ids).read()
    path = path_of(read)
    body = session.client.get(path, read.query, tries=_TRIES)
    try:
        return metering.answered(question.by, body)
    except MISREAD as error:
        raise misread(path, error) from error


def _id(session: Session, customer: str) -> str:
    found = session.client.get(join([*PATH, customer]), tries=_TRIES)
    resource = CUSTOMERS.live(found, {})
    if resource is None or not resource.id:
        raise UsageError(f"{customer}: there is no such customer")
    return resource.id
