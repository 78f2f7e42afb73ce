"""An apply while it runs, how it ended, drift, and problems."""

from __future__ import annotations

import plans
import pytest

from billing_as_code.errors import Problem
from billing_as_code.model import Address, Event
from billing_as_code.render import drift, problems, progress
from billing_as_code.render.lines import plain

ACME = Address("customers", ("acme\x1b",))


def said(event: Event) -> str | None:
    line = progress.event(event)
    return plain([line])[0] if line is not None else None


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event(ACME, "started", "main", 0, 3), None),
        (Event(ACME, "done", "replace", 1, 3), '✓ 1/3 customers."acme\\u001b" replaced'),
        (Event(ACME, "failed", "PUT: 400\nbad", 1, 3), '✗ 1/3 customers."acme\\u001b" failed: PUT: 400\\nbad'),
        (Event(ACME, "blocked", "needs meters.a", 1, 3), '- 1/3 customers."acme\\u001b" not done: needs meters.a'),
        (Event(None, "note", "going on slower"), "  going on slower"),
    ],
)
def test_each_change_that_ended_is_a_line(event: Event, line: str | None) -> None:
    assert said(event) == line


def test_the_progress_line_names_the_current_change() -> None:
    actions = progress.actions(plans.everything())
    event = Event(Address("customers", ("acme",)), "started", "main", 1200, 10000)
    assert progress.current(event, actions) == "Applying 1,200/10,000 create customers.acme"


def test_the_outcome_counts_and_tells_what_is_not_as_declared() -> None:
    found = plain(progress.outcome(done=2, failed=1, blocked=3, loose=[("meters.a", "is odd")], halved=1))
    assert found[0] == "Applied: 2 done, 1 failed, 3 not done."
    assert found[1] == "! meters.a is odd"
    assert "slow down" in found[2]
    assert plain(progress.outcome(done=2, failed=0, blocked=0)) == ["Applied: 2 done."]


def test_drift_tells_live_and_catalog_apart() -> None:
    found = plain(drift.drift(plans.everything(), following="bac apply mends it."))
    assert found[0] == "Drift in staging · https://openmeter.staging.internal · owner acme-billing"
    assert "  missing customers.acme" in found
    assert '  extra   customers."old corp"' in found
    assert "          issue.amount: live 10,000, catalog 5,000" in found
    assert found[-1] == "Drift: 1 missing, 2 differs, 1 extra. bac apply mends it."


def test_no_drift_is_one_line() -> None:
    [line] = plain(drift.drift(plans.plan(held=(plans.HELD,))))
    assert line.startswith("No drift: staging")


def test_problems_are_capped_at_fifty_and_counted() -> None:
    found = [Problem(f"catalog/{n % 3}.yaml", n, 1, "", "is wrong\x1b", "mend it") for n in range(1, 1_001)]
    lines = list(problems.problems(found))
    assert lines[0] == "error: catalog/1.yaml:1:1: is wrong\\x1b (mend it)"
    assert lines[49].startswith("error: ")
    assert lines[50:] == ["... and 950 more", "1,000 problems in 3 files"]


def test_few_problems_are_all_listed() -> None:
    assert list(problems.problems([Problem("a.yaml", 0, 0, "", "is empty")])) == [
        "error: a.yaml: is empty",
        "1 problem in 1 file",
    ]
