"""The three jobs: the plan of a pull request, the apply after its merge, the look for drift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from billing_as_code import service
from billing_as_code.ci import words
from billing_as_code.ci.desk import Desk
from billing_as_code.ci.hosting import Check, Pull, Review
from billing_as_code.ci.keeping import find, keep_one
from billing_as_code.errors import EXIT_CHANGES, EXIT_DONE, EXIT_ERROR, BacError, HostingError, Refused, UsageError
from billing_as_code.expecting import Outcome as Verdict
from billing_as_code.plan import Plan
from billing_as_code.render import html, impact_html, text
from billing_as_code.service import Contrast, Outcome, Session

LABEL = "bac-drift"
Reading = Callable[[int, int], None]


@dataclass(frozen=True)
class Planned:
    """What a pull request would do: a plan, or, where no OpenMeter may be asked, how its catalog differs."""

    plan: Plan | None = None
    contrast: Contrast | None = None
    offline: str = ""
    """Why no OpenMeter was asked; "" where it was."""
    broken: tuple[Verdict, ...] = ()
    """What the catalog's tests say that does not hold."""

    @property
    def code(self) -> int:
        """What `bac plan --exit-code` would say, or `bac test` where a test does not hold."""
        if self.broken:
            return EXIT_ERROR
        made = bool(self.plan.changes) if self.plan is not None else self.contrast is not None and self.contrast.differs
        return EXIT_CHANGES if made else EXIT_DONE

    @property
    def names(self) -> dict[str, str]:
        """What later steps are told of it."""
        if self.plan is None:
            numbers = self.contrast.counts if self.contrast is not None else ()
            cls = self.contrast.cls if self.contrast is not None and self.contrast.changes else ""
            return {"changes": str(sum(numbers)), "class": str(cls)}
        cls = self.plan.cls if self.plan.changes else ""
        names = {"intent": self.plan.intent, "digest": self.plan.digest}
        return {"changes": str(len(self.plan.changes)), "class": str(cls), **names}

    @property
    def title(self) -> str:
        """All of it in one line."""
        if self.broken:
            return f"{words.not_holding(self.broken)}."
        if self.plan is None:
            return "The catalog alone"
        return text.counts(self.plan) if self.plan.changes else "Nothing to do"

    @property
    def review(self) -> Review | None:
        """What counts as reviewed then; nothing where no OpenMeter was asked, or a test does not hold."""
        if self.plan is None or self.broken:
            return None
        return Review(self.plan.intent, self.plan.decisions)


# -- plan -----------------------------------------------------------------------------------------------------------


def plan(
    desk: Desk,
    *,
    offline: bool = False,
    base: str = "",
    progress: Reading = lambda done, known: None,
    found: Callable[[Planned], None] = lambda planned: None,
) -> Planned:
    """Plan what the pull request would do, and put it before its reviewers: one comment, one check, a page of the run,
    files, values for later steps. What goes wrong is told there as well, and raised.

    Offline, and for a pull request from outside, the catalog is compared with that of `base`, a commit; where it is
    left out, the base of the pull request. Such a one is written to nowhere but the run itself. `found` is called with
    what was found before it is written anywhere.
    """
    pull = desk.hosting.pull()
    why = "the pull request comes from outside" if pull is not None and pull.foreign else ""
    why = why or ("that was asked for" if offline else "")
    try:
        planned = _offline(desk, pull, base, why) if why else _planned(desk, progress)
        planned = replace(planned, broken=service.broken(desk.config, desk.environment.name))
    except BacError as error:
        _tell_failure(desk, pull, error)
        raise
    found(planned)
    if planned.plan is not None:
        desk.leave(f"plan-{desk.environment.name}.json", planned.plan.file())
        desk.leave(f"plan-{desk.environment.name}.html", _page(planned.plan))
    lines = list(_lines(planned, desk, under_review=pull is not None))
    desk.show("plan", lines)
    desk.output("plan", {"exit-code": str(planned.code), **planned.names})
    if pull is not None and not pull.foreign:
        _put_before(desk, pull, lines, planned.code, planned.title, planned.review)
    return planned


def _page(made: Plan) -> str:
    """The plan as a page, with the figures of whom it hits."""
    figures = [impact_html.section(made.impact)] if made.impact is not None else []
    return "\n".join(html.page(made, figures=figures)) + "\n"


def _put_before(desk: Desk, pull: Pull, lines: list[str], code: int, title: str, review: Review | None = None) -> None:
    """The comment, and then the check: what counts as reviewed must have been there to be read. A run that ends after
    a later one says nothing any more."""
    if keep_one(desk.hosting.comments(pull), desk.mark("plan"), "", "\n".join(lines)):
        desk.hosting.check(pull, Check("plan", desk.config.owner, desk.environment.name, code, title, review))


def _lines(planned: Planned, desk: Desk, *, under_review: bool) -> Iterator[str]:
    if planned.broken:
        yield from words.broken(planned.broken)
    if planned.plan is not None:
        yield from words.planned(planned.plan, under_review=under_review, broken=bool(planned.broken))
        return
    assert planned.contrast is not None
    yield from words.offline(planned.contrast, desk.environment.name, planned.offline)


def _planned(desk: Desk, progress: Reading) -> Planned:
    with desk.session() as session:
        return Planned(service.plan_with_impact(session, progress=progress))


def _offline(desk: Desk, pull: Pull | None, base: str, why: str) -> Planned:
    ref = base or (pull and (service.base_of(desk.config, pull.head) or pull.base)) or ""
    if not ref:
        raise UsageError(
            "there is no pull request here whose base is known. Name what to compare with: --base origin/main"
        )
    service.validate(desk.config)
    return Planned(contrast=service.since(desk.config, desk.environment, ref), offline=why)


def _tell_failure(desk: Desk, pull: Pull | None, error: BacError) -> None:
    """Tell a pull request why there is no plan. What keeps it from being told is a note to the error itself."""
    lines = list(words.failed("plan", desk.environment.name, error))
    try:
        desk.show("plan", lines)
        desk.output("plan", {"exit-code": str(error.exit_code)})
        if pull is not None and not pull.foreign:
            _put_before(desk, pull, lines, error.exit_code, f"No plan: exit code {error.exit_code}")
    except BacError as untold:
        error.add_note(str(untold))


# -- apply ----------------------------------------------------------------------------------------------------------


class Applying:
    """The apply after a merge: `prepare`, carry the plan out, `finish`; or `fail` where that breaks off.

    What may be applied is what was reviewed: the intent that stood as a check at the last commit of the pull request
    whose merge this is, when it was merged; and once. Comments are for people, and are not read.
    """

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk, self._session = desk, session
        self._pull: Pull | None = None

    def prepare(
        self,
        expected: str = "",
        progress: Reading = lambda done, known: None,
        found: Callable[[Plan], None] = lambda made: None,
    ) -> Plan:
        """The plan to carry out now, empty where there is nothing to do; `found` is called with it before it is judged.
        `expected` is an intent that a person typed.

        Raises ChangedIntent where it is not the reviewed one and Refused where there is none, after the pull request
        was told what would be done now.
        """
        self._pull = self._desk.hosting.merged()
        try:
            made = service.plan(self._session, progress=progress)
        except BacError as error:
            self.fail(error)
            raise
        found(made)
        if made.changes:
            self._demand_review(made, expected)
        return made

    def _demand_review(self, made: Plan, expected: str) -> None:
        review, where = (Review(expected), "") if expected else self._review()
        try:
            if review is None:
                raise Refused(f"nobody reviewed a plan: {where}. Next: bac ci apply --expect-intent {made.intent[:12]}")
            service.check(self._session, made, intent=review.intent)
        except BacError as error:
            try:
                self._tell(words.stopped(made, review, where=where), error.exit_code)
            except BacError as untold:
                error.add_note(str(untold))
            raise

    def _review(self) -> tuple[Review | None, str]:
        """What was reviewed, or why nothing was."""
        pull, desk = self._pull, self._desk
        if pull is None:
            return None, f"this commit is the merge of no pull request that {desk.hosting.name} knows"
        if pull.foreign:
            return None, f"the pull request {pull.number} came from outside, so there was no plan"
        name = desk.environment.name
        found = desk.hosting.reviewed(pull, desk.config.owner, name)
        if found is not None and desk.hosting.used(pull, desk.config.owner, name):
            return None, f"what was reviewed in the pull request {pull.number} is applied to {name} already"
        return found, f"the last commit of the pull request {pull.number} had no plan for {name} when it was merged"

    def finish(self, made: Plan, outcome: Outcome, code: int) -> None:
        """Tell how it ended. What was reviewed and is applied is used: later runs of the same job must not undo with it
        what came since. Raises HostingError where that could not be told."""
        desk, pull = self._desk, self._pull
        title = "Applied" if code == EXIT_DONE else f"Not wholly applied: exit code {code}"
        check = Check("apply", desk.config.owner, desk.environment.name, code, title, Review(made.intent))
        try:
            if pull is not None and made.changes:
                desk.hosting.check(pull, check)
            self._tell(words.applied(made, outcome, code), code, made)
        except HostingError as error:
            raise HostingError(f"{title.lower()}, but that could not be told: {error}", error.status) from error

    def fail(self, error: BacError) -> None:
        """Tell why nothing was written. What keeps it from being told is a note to the error itself."""
        try:
            self._tell(words.failed("apply", self._desk.environment.name, error), error.exit_code)
        except BacError as untold:
            error.add_note(str(untold))

    def _tell(self, lines: Iterable[str], code: int, made: Plan | None = None) -> None:
        desk, said = self._desk, list(lines)
        names = {"intent": made.intent, "digest": made.digest} if made is not None else {}
        desk.show("apply", said)
        desk.output("apply", {"exit-code": str(code), **names})
        if self._pull is not None:
            keep_one(desk.hosting.comments(self._pull), desk.mark("apply"), "", "\n".join(said))


# -- drift ----------------------------------------------------------------------------------------------------------


def drift(desk: Desk, *, progress: Reading = lambda done, known: None) -> Plan:
    """Look for drift, and keep one issue that says what there is; it is closed where there is none any more."""
    try:
        with desk.session() as session:
            made = service.drift(session, progress=progress)
    except BacError as error:
        desk.show("drift", words.failed("drift", desk.environment.name, error))
        raise
    lines = list(words.drifted(made))
    desk.show("drift", lines)
    desk.output(
        "drift", {"exit-code": str(EXIT_CHANGES if made.changes else EXIT_DONE), "changes": str(len(made.changes))}
    )
    issues, mark = desk.hosting.issues(LABEL), desk.mark("drift")
    if issues is None:
        return made
    if made.changes:
        keep_one(issues, mark, f"Drift in {desk.environment.name}", "\n".join(lines))
    else:
        for issue in find(issues, mark):
            desk.hosting.resolve(issue, "There is no drift any more: it is as the catalog says.")
    return made
