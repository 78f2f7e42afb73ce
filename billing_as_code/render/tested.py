"""What came of the catalog's tests, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from billing_as_code.expecting import Expectation, Failure, Outcome
from billing_as_code.model import Json
from billing_as_code.render import values
from billing_as_code.render.lines import Line, Span, line, visible

MOST_TOLD = 20
"""So many failures of a test are told; JSON has all."""


def tested(outcomes: Sequence[Outcome], environments: Sequence[str]) -> Iterator[Line]:
    """A line for each test, file by file, and below those that do not hold what is not so; then the counts."""
    tests = [(test, list(some)) for test, some in groupby(outcomes, lambda outcome: outcome.test)]
    for file, of_file in groupby(tests, lambda found: found[0].place.file):
        yield line(Span(visible(file), "heading"))
        for test, some in of_file:
            yield from _test(test, some, environments)
    failed = sum(any(not o.holds for o in some) for _, some in tests)
    where = f" in {', '.join(map(visible, environments))}" if environments else ""
    told = f"{values.counted(len(tests), 'test')}{where}: "
    if failed:
        yield line(Span(f"{told}{values.number(failed)} {'does' if failed == 1 else 'do'} not hold.", "problem"))
    else:
        yield line(Span(f"{told}all hold.", "done"))


def _test(test: Expectation, outcomes: Sequence[Outcome], environments: Sequence[str]) -> Iterator[Line]:
    failing = [o for o in outcomes if not o.holds]
    if not failing:
        number = max(len(o.customers) for o in outcomes)
        meant = Span(f"  {values.counted(number, 'customer')}", "dim")
        yield line("  ", Span("ok    ", "ok"), "  ", visible(test.name), meant)
        return
    yield line("  ", Span("FAILED", "problem"), "  ", visible(test.name))
    where: dict[Failure, list[str]] = {}
    for outcome in failing:
        for failure in outcome.failures:
            where.setdefault(failure, []).append(outcome.environment)
    for failure, names in list(where.items())[:MOST_TOLD]:
        only = f"  [{', '.join(map(visible, names))}]" if len(names) < len(environments) else ""
        yield line("          ", visible(told(failure)), Span(only, "dim"))
    if (more := len(where) - MOST_TOLD) > 0:
        yield line("          ", Span(f"… and {values.number(more)} more (--json has all)", "dim"))


def told(failure: Failure) -> str:
    """`catalog/x.test.yaml:4:12: acme: seats: config.max is 20, must be at least 25 (catalog/acme.yaml:9:14)`."""
    parts = [str(failure.place), *([failure.customer, failure.feature] if failure.customer else []), failure.message]
    return ": ".join(parts) + (f" ({failure.broken_at})" if failure.broken_at is not None else "")


def as_json(outcomes: Sequence[Outcome], environments: Sequence[str], files: Sequence[str]) -> dict[str, Json]:
    """Every outcome, with all that is not so."""
    return {
        "holds": all(outcome.holds for outcome in outcomes),
        "environments": list(environments),
        "files": list(files),
        "tests": [_outcome_json(outcome) for outcome in outcomes],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Json]:
    place = outcome.test.place
    return {
        "test": outcome.test.name,
        "file": place.file,
        "line": place.line,
        "environment": outcome.environment,
        "holds": outcome.holds,
        "customers": list(outcome.customers),
        "failures": [
            {
                "customer": failure.customer,
                "feature": failure.feature,
                "message": failure.message,
                "at": failure.place._asdict(),
                "broken_at": failure.broken_at._asdict() if failure.broken_at is not None else None,
            }
            for failure in outcome.failures
        ],
    }
