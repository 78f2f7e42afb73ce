"""From the text of a test file to tests that know where each of their parts stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from billing_as_code.catalog.places import locate
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.catalog.validation import faults
from billing_as_code.errors import Problem
from billing_as_code.expecting.schema import ACCESS, AMOUNTS, WHOM, expectation_schema
from billing_as_code.kinds.times import canonical_interval
from billing_as_code.model import Json, Place
from billing_as_code.reader import Block, FloatText, Items, read

Op = Literal["equals", "at_least", "at_most", "one_of", "exists"]


class Check(NamedTuple):
    """One thing that must be true of what a customer has of a feature.

    `subject` is access, type, amount, issued, granted, period, soft or config (`path` is then where in it). What
    it must be is in `value`, which `op` says how to take: amounts are decimals, everything else is JSON whose numbers
    are decimals. Of access `exists` says whether there is an entitlement.
    """

    feature: str
    subject: str
    op: Op
    value: Any
    place: Place
    path: tuple[str, ...] = ()


class Selector(NamedTuple):
    """Which customers a test means: those that all of this is true of. Keys and labels may be patterns; `uses` are
    templates, one of which must be used, `has` are features, all of which must be there."""

    key: tuple[str, ...] = ("*",)
    but: tuple[str, ...] = ()
    metadata: tuple[tuple[str, tuple[str, ...]], ...] = ()
    uses: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    allow_none: bool = False


class Expectation(NamedTuple):
    """A test: a sentence, whom it means, and what must be true of each of them. `environments` are empty where it must
    hold everywhere."""

    name: str
    place: Place
    selector: Selector
    selected_at: Place
    checks: tuple[Check, ...]
    environments: tuple[str, ...] = ()


def expectations(file: str, data: bytes, environments: Collection[str]) -> tuple[list[Expectation], list[Problem]]:
    """The tests of a file, and everything that is wrong with it. `file` is what problems call it."""
    root, problems = read(file, data)
    if root is None:
        return [], problems or [Problem(file, 0, 0, "", "is empty", "tests: {acme has sso: {...}}")]
    for wrong in faults(expectation_schema(), root):
        place = locate(root, wrong.path, root.place, at_key=wrong.at_key)
        problems.append(Problem(*place, "", wrong.said(), wrong.remedy))
    if problems:
        return [], problems
    tests: Block = root["tests"]
    found = [_test(name, block, place) for name, block, place, _ in tests.entries()]
    for test, block in zip(found, tests.values(), strict=True):
        for unknown in (name for name in test.environments if name not in environments):
            remedy = Spelling(environments).remedy(unknown) or "bac.yaml names the environments"
            place = locate(block, ("environments",), test.place)
            problems.append(Problem(*place, "", f"there is no environment `{unknown}`", remedy))
    return found, problems


def _test(name: str, block: Block, place: Place) -> Expectation:
    checks = tuple(check for feature, what, at in _entries(block["expect"]) for check in _checks(feature, what, at))
    selector, selected_at = _selector(block[WHOM]), block.value_place(WHOM)
    return Expectation(name, place, selector, selected_at, checks, _texts(block.get("environments")))


def _entries(block: Block) -> Iterator[tuple[str, Any, Place]]:
    return ((key, value, place) for key, value, _, place in block.entries())


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Items) else (value,)


def _selector(value: Any) -> Selector:
    if not isinstance(value, Block):
        return Selector(_texts(value))
    labels = tuple((name, _texts(like)) for name, like in (value.get("metadata") or {}).items())
    return Selector(
        _texts(value.get("key")) or ("*",),
        _texts(value.get("except")),
        labels,
        _texts(value.get("uses")),
        _texts(value.get("has")),
        value.get("allow_none") is True,
    )


def _checks(feature: str, what: Any, place: Place) -> Iterator[Check]:
    if not isinstance(what, Block):
        yield Check(feature, ACCESS, "exists", what == ACCESS, place)
        return
    for subject, value, at in _entries(what):
        if subject in AMOUNTS:
            bounds = _entries(value) if isinstance(value, Block) else iter([("equals", value, at)])
            yield from (Check(feature, subject, op, Decimal(v), where) for op, v, where in bounds)  # type: ignore[arg-type]
        elif isinstance(value, Block):
            for name, wanted, where in _entries(value):
                yield from _of_value(feature, subject, tuple(name.split(".")), wanted, where)
        else:
            yield Check(feature, subject, "equals", _canonical(subject, value), at)


def _canonical(subject: str, value: Any) -> Any:
    return canonical_interval(value) if subject == "period" else value


def _of_value(feature: str, subject: str, path: tuple[str, ...], wanted: Any, place: Place) -> Iterator[Check]:
    """What must be true of one thing in a static value."""
    if not isinstance(wanted, Block):
        yield Check(feature, subject, "equals", exact(wanted), place, path)
        return
    for op, value, at in _entries(wanted):
        number = op in ("at_least", "at_most")
        yield Check(feature, subject, op, Decimal(_text(value)) if number else exact(value), at, path)  # type: ignore[arg-type]


def _text(number: Any) -> str:
    return number.text if isinstance(number, FloatText) else str(number)


def exact(value: Json) -> Json:
    """JSON whose numbers are decimals, so that 1 and 1.0 are the same and 0.1 is what it says."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return Decimal(value.text if isinstance(value, FloatText) else repr(value))
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    return [exact(inner) for inner in value]
