"""Look one thing up without reading everything: a customer, what it may use, and what a meter counted.

What `looking` answers needs the catalog and whole lists; this asks OpenMeter for what is wanted and nothing else, so
that an answer takes some thousandths of a second however large the account is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_as_code.client import join
from billing_as_code.errors import ApiError, UsageError
from billing_as_code.kinds import metering
from billing_as_code.kinds.base import Sight
from billing_as_code.kinds.customers import CUSTOMERS, PATH
from billing_as_code.kinds.metering import Usage
from billing_as_code.model import NO_MARKS, Address, Json, Resource
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
    path = join([str(segment) for segment in read.path])
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
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        text = f"a {kind.singular} that cannot be understood ({type(error).__name__}: {error})"
        raise ApiError(f"GET {path}", 200, text) from error
    if resource is None:
        return None
    sight = Sight({resource.address: resource}, session.now())
    return Found(session.target, resource, tuple(taken(session, kind.looks(resource, sight))))


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


def usage(
    session: Session,
    meter: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    window: str | None = None,
    zone: str | None = None,
    by: Sequence[str] = (),
    subjects: Sequence[str] = (),
    customers: Sequence[str] = (),
    where: Mapping[str, str] = NO_MARKS,
) -> list[Usage]:
    """What a meter counted (see `metering.asked`); `customers` are keys. Raises UsageError, ApiError."""
    ids = [_id(session, key) for key in customers]
    read = metering.asked(
        meter, start=start, end=end, window=window, zone=zone, by=by, subjects=subjects, customers=ids, where=where
    )
    path = join([str(segment) for segment in read.path])
    body = session.client.get(path, read.query, tries=_TRIES)
    try:
        return metering.answered(by, body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"the answer is not as OpenMeter gives it ({type(error).__name__}: {error})"
        raise ApiError(f"GET {path}", 200, text) from error


def _id(session: Session, customer: str) -> str:
    found = session.client.get(join([*PATH, customer]), tries=_TRIES)
    resource = CUSTOMERS.live(found, {})
    if resource is None or not resource.id:
        raise UsageError(f"{customer}: there is no such customer")
    return resource.id
