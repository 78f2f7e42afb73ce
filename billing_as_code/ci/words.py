"""What comments and issues say, around the plan as the renderer tells it. Pure.

Whatever comes from the catalog, from OpenMeter or from an error stands in code: it can make no link and no mention, and
no command of the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from billing_as_code.ci.hosting import Review
from billing_as_code.errors import BacError, CatalogError
from billing_as_code.expecting import Outcome as Verdict
from billing_as_code.plan import Plan
from billing_as_code.render import contrast, markdown, markup, values
from billing_as_code.render.lines import visible
from billing_as_code.render.problems import problems
from billing_as_code.render.tested import told
from billing_as_code.service import Contrast, Outcome

_MOST_NAMED = 100
_MOST_APART = 1_200
"""Bytes of addresses in each list of what an apply would do otherwise; the plan follows below."""
_MOST_ROWS = 60
_MOST_LENGTH = 300
_MOST_NOW = 58_000
"""Bytes of the plan below that."""
_MOST_TESTED = 30
_MOST_TOLD = 160
_MOST_BELOW = 58_000
"""Bytes of a plan below what does not hold."""


def not_holding(outcomes: Sequence[Verdict]) -> str:
    """How many tests of the catalog do not hold."""
    number = len({outcome.test for outcome in outcomes})
    return f"{values.counted(number, 'test')} of the catalog {'does' if number == 1 else 'do'} not hold"


def broken(outcomes: Sequence[Verdict]) -> Iterator[str]:
    """What the catalog's tests say that does not hold, above what is planned."""
    yield from (f"### {not_holding(outcomes)}", "")
    rows = [row for outcome in outcomes for row in (outcome.test.name, *(f"  {told(f)}" for f in outcome.failures))]
    shown = [visible(row)[:_MOST_TOLD] for row in rows[:_MOST_TESTED]]
    yield from fenced(shown, len(rows) - len(shown))
    yield ""


def planned(made: Plan, *, under_review: bool, broken: bool = False) -> Iterator[str]:
    """A plan as the comment on a pull request. One that breaks a test counts for no apply."""
    merging = (
        "Merging applies this, breaking changes included: the review is the approval. Where something else would be "
        "done by then, nothing is, and the pull request is told."
    )
    if broken:
        merging = "Merging applies nothing: what breaks a test of the catalog counts as reviewed by nobody."
    yield from markdown.plan(made, following=[merging] if under_review and made.changes else [], most=_MOST_BELOW)


def offline(found: Contrast, environment: str, why: str) -> Iterator[str]:
    """The difference to the base branch, for a pull request that must see no secret."""
    yield from contrast.markdown(found, f"bac plan for {environment}: the catalog alone")
    yield from (
        "",
        f"OpenMeter was not asked, since {why}: this is how the catalog differs from that of the base branch. "
        "It counts for no apply: for a plan that does, push the commits to a branch of this repository.",
    )


def failed(job: str, environment: str, error: BacError) -> Iterator[str]:
    """Why there is nothing to show."""
    yield from (f"### bac {job}: failed for {markup.code(environment)}", "")
    rows = list(problems(error.problems)) if isinstance(error, CatalogError) else str(error).split("\n")
    shown = [visible(row)[:_MOST_LENGTH] for row in rows[:_MOST_ROWS]]
    yield from fenced(shown, len(rows) - len(shown))
    yield from ("", f"Exit code {error.exit_code}. Nothing was written.")


def stopped(made: Plan, review: Review | None, *, where: str) -> Iterator[str]:
    """An apply that would do something else than what was reviewed, or something that nobody reviewed."""
    name = markup.code(made.target.environment)
    if review is None:
        yield from (f"### bac apply: nothing was written to {name}", "", f"Nobody reviewed a plan: {where}.", "")
    else:
        yield from (f"### bac apply: nothing was written to {name}", "", "What would be done now was not reviewed.", "")
        yield from apart(made, review)
    intent = made.intent[:12]
    yield from (
        f"What is below is what would be done now. If it is right, run the apply again and hand it the intent of this "
        f"plan, `{intent}`; otherwise change the catalog, in another pull request.",
        "",
    )
    yield from markdown.plan(made, title="now", most=_MOST_NOW)


def apart(made: Plan, review: Review) -> Iterator[str]:
    """In which changes a plan is not the one that was reviewed."""
    if not review.decided:
        yield from (f"The reviewed intent was `{review.intent[:12]}`; the changes behind it are not kept here.", "")
        return
    now, then = made.decisions, review.decided
    lists = (
        ("would be done now and was not there when it was reviewed", now.keys() - then.keys()),
        ("was reviewed and would not be done now", then.keys() - now.keys()),
        ("would be done otherwise than it was reviewed", {a for a in now.keys() & then.keys() if now[a] != then[a]}),
    )
    for said, addresses in lists:
        if addresses:
            yield f"{values.number(len(addresses))} {said}:"
            yield ""
            shown, left = [], _MOST_APART
            for name in map(visible, sorted(addresses)):
                if (left := left - len(name.encode()) - 1) < 0:
                    break
                shown.append(name)
            yield from (*fenced(shown, len(addresses) - len(shown)), "")


def applied(made: Plan, outcome: Outcome, code: int) -> Iterator[str]:
    """How an apply ended."""
    name, tally = markup.code(made.target.environment), outcome.tally
    if not made.changes:
        yield from (f"### bac apply: nothing to do in {name}", "", "It is as the catalog says.")
        return
    numbers = (("applied", tally.done), ("failed", tally.failed), ("not done", tally.blocked))
    counts = ", ".join(f"{values.number(len(some))} {word}" for word, some in numbers if some or word == "applied")
    yield from (f"### bac apply: {counts} in {name}", "")
    loose = [f"{a} {why}" for a, why in outcome.loose]
    rows = [*(f"{a}: {why}" for a, why in tally.failed.items()), *loose]
    if rows:
        shown = [visible(row)[:_MOST_LENGTH] for row in rows[:_MOST_NAMED]]
        yield from (*fenced(shown, len(rows) - len(shown)), "")
        yield f"Exit code {code}. Run the apply again: it plans anew and does what is left."
    yield from ("", f"Digest `{made.digest[:12]}`, intent `{made.intent[:12]}`.")


def drifted(made: Plan) -> Iterator[str]:
    """What is live and not as the catalog says, as an issue."""
    yield from markdown.plan(
        made,
        title="What would mend it",
        following=[
            "Somebody changed OpenMeter by hand, or an apply is due. Apply to have it as the catalog says, or change "
            "the catalog (`bac pull` writes what is live into it). This issue closes by itself."
        ],
    )


def fenced(rows: Sequence[str], more: int = 0) -> Iterator[str]:
    """Lines as they are, whatever is in them."""
    fence = "`" * max(3, markup.ticks(*rows) + 1)  # as long as it takes: rows may start with what somebody else wrote
    yield f"{fence}text"
    yield from rows
    if more > 0:
        yield f"… and {values.number(more)} more"
    yield fence
