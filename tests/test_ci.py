"""`bac ci` against a small GitHub and GitLab over HTTP: what is written there, by whom it is believed, and what goes on
when the service does not do what it should."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hosting
import pytest
from hosting import GitHub, GitLab
from pipeline import Team
from serving import serving

from billing_as_code.ci import words
from billing_as_code.ci.github import GitHub as Adapter
from billing_as_code.ci.hosting import Mark, Review, Run
from billing_as_code.ci.keeping import keep_one
from billing_as_code.errors import StalePlan
from billing_as_code.model import Address, Change, Class
from billing_as_code.plan import Plan, Target

LOWER = ("amount: 1000", "amount: 500")
RAISE = ("amount: 1000", "amount: 2000")
LIMITED = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with hosting.github() as found:
        yield found


@pytest.fixture
def openmeter() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a team, to be copied."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Team(tmp_path_factory.mktemp("team"), monkeypatch).root


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path) -> Team:
    """A team whose production is the embedded server."""
    return Team(tmp_path, monkeypatch, like=made)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openmeter: str) -> Team:
    """A team whose production is a server that others change as well."""
    return Team(tmp_path, monkeypatch, openmeter)


def bodies(hub: GitHub, number: int = 12) -> list[str]:
    return [comment["body"] for comment in hub.comments(number)]


# -- plan: what a pull request is told --------------------------------------------------------------------------------


def test_a_pull_request_gets_a_comment_a_check_a_summary_and_values(team: Team, hub: GitHub) -> None:
    head = team.request(hub, 12, *LOWER)

    log = team.job(hub, "plan", number=12).stdout

    [comment] = hub.comments(12)
    assert comment["body"].startswith("<!-- bac:plan acme/production run=1.1 -->\n### bac plan: ")
    assert "issue.amount  1,000 → 500" in comment["body"]
    assert "#### Whom it hits: 1 customer" in comment["body"]
    assert "Merging applies this, breaking changes included" in comment["body"]
    assert "Whom it hits" in comment["body"]
    [check] = hub.checks
    assert (check["name"], check["head_sha"], check["conclusion"]) == ("bac plan (acme, production)", head, "success")
    assert check["output"]["title"] == "0 to create, 0 to update, 1 to replace, 0 to delete. 1 breaking."
    plan = json.loads((team.root / ".bac/ci/plan-production.json").read_text())
    assert plan["changes"][0]["address"] == "entitlements.acme.ai"
    assert [hit["customer"] for hit in plan["impact"]["hits"]] == ["acme"]
    page = (team.root / ".bac/ci/plan-production.html").read_text()
    assert "entitlements.acme.ai" in page
    assert ">Whom it hits" in page
    outputs = team.outputs()
    assert check["external_id"] == f"12:{outputs['intent']}"
    assert outputs == {
        "exit-code": "2",
        "changes": "1",
        "class": "breaking",
        "intent": outputs["intent"],
        "digest": outputs["digest"],
        "folder": ".bac/ci",
    }
    assert team.summary().rstrip("\n") == comment["body"].partition("\n")[2]
    assert "Plan for production" in log


def test_what_breaks_a_test_of_the_catalog_is_shown_and_counts_as_reviewed_by_nobody(team: Team, hub: GitHub) -> None:
    team.write(
        "catalog/promises.test.yaml", "tests: {1k: {customers: acme, expect: {ai: {amount: {at_least: 1000}}}}}\n"
    )
    team.git("add", ".")
    team.git("commit", "--quiet", "--message", "What was promised")
    team.request(hub, 12, *LOWER)

    team.job(hub, "plan", number=12, code=1)

    [comment] = hub.comments(12)
    head, _, plan = comment["body"].partition("### bac plan: ")
    assert "### 1 test of the catalog does not hold\n" in head
    assert (
        "catalog/promises.test.yaml:1:64: acme: ai: amount is 500, must be at least 1,000 (catalog/all.yaml:4:" in head
    )
    assert "issue.amount  1,000 → 500" in plan
    assert "Merging applies nothing" in plan
    [check] = hub.checks
    assert (check["conclusion"], check["output"]["title"]) == ("failure", "1 test of the catalog does not hold.")
    assert team.outputs()["exit-code"] == "1"

    team.merge(hub, 12)
    assert "nobody reviewed a plan" in team.job(hub, "apply", code=5).output


def test_another_run_edits_the_comment_and_each_environment_has_its_own(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12)
    team.job(hub, "plan", number=12, env="staging")
    team.edit("amount: 500", "amount: 400")

    team.job(hub, "plan", number=12)

    first, second = bodies(hub)
    assert "1,000 → 400" in first
    assert first.startswith("<!-- bac:plan acme/production run=3.1 -->")
    assert second.startswith("<!-- bac:plan acme/staging run=2.1 -->")
    assert len(hub.checks) == 3


def test_the_comment_is_found_behind_hundreds_of_others(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    for n in range(230):
        hub.say(12, f"comment {n}")
    team.job(hub, "plan", number=12)
    for n in range(30):
        hub.say(12, f"later {n}")

    team.job(hub, "plan", number=12)

    assert len([b for b in bodies(hub) if "bac:plan" in b]) == 1


def test_a_comment_of_somebody_else_that_looks_like_ours_is_left_alone(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    forged = "<!-- bac:plan acme/production run=999999.1 -->\n### bac plan: nothing to do"
    hub.say(12, forged)
    hub.say(12, forged, login="github-actions")

    team.job(hub, "plan", number=12)

    assert bodies(hub)[:2] == [forged, forged]
    assert "1 to replace" in bodies(hub)[2]


def test_a_run_that_ends_late_does_not_take_the_place_of_a_later_one(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12, run=50)
    later = bodies(hub)

    team.job(hub, "plan", number=12, run=49, attempt=3)
    assert (bodies(hub), len(hub.checks)) == (later, 1)
    team.job(hub, "plan", number=12, run=50, attempt=2)
    assert bodies(hub) != later


def test_two_jobs_at_once_leave_one_comment(team: Team, hub: GitHub, tmp_path: Path) -> None:
    team.request(hub, 12, *LOWER)
    both = threading.Barrier(2)
    waiting = [2]

    def before(request: hosting.Request) -> None:
        if request.method == "POST" and waiting[0]:
            waiting[0] -= 1
            both.wait(5)  # each has looked and found none

    hub.before = before

    def write(run: int) -> None:
        environ = hub.environ(tmp_path / str(run), event="pull_request", number=12, run=run)
        adapter = Adapter(environ, lambda line: None)
        pull = adapter.pull()
        assert pull is not None
        keep_one(adapter.comments(pull), Mark("plan", "acme", "production", Run(run)), "", f"of run {run}")
        adapter.close()

    jobs = [threading.Thread(target=write, args=(run,)) for run in (7, 8)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(20)

    assert bodies(hub) == ["<!-- bac:plan acme/production run=8.1 -->\nof run 8"]


def test_on_a_branch_without_a_pull_request_nothing_is_written_to_the_service(team: Team, hub: GitHub) -> None:
    team.job(hub, "plan", "--exit-code")
    team.edit(*LOWER)
    team.job(hub, "plan", "--exit-code", code=2)

    assert hub.requests == []
    assert "1 to replace" in team.summary()
    assert "Merging" not in team.summary()


def test_a_wrong_catalog_is_told_in_the_comment_at_the_check_and_in_the_files(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, "aggregation: sum", "agregation: sum")

    log = team.job(hub, "plan", number=12, code=1).stdout

    [body] = bodies(hub)
    assert "### bac plan: failed for `production`" in body
    assert "did you mean `aggregation`?" in body
    assert [(c["conclusion"], c["external_id"]) for c in hub.checks] == [("failure", "12:")]
    assert team.outputs()["exit-code"] == "1"
    assert "\n::error file=catalog/all.yaml,line=1,col=39::meters.tokens: unknown field `agregation` (did" in log


# -- plan: a service that fails ---------------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_for(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    hub.fault("POST", "/comments$", status=403, headers=LIMITED, body='{"message": "API rate limit exceeded"}')
    hub.fault("POST", "/check-runs$", status=429, headers={"retry-after": "7"})
    hub.fault("GET", "/comments$", status=403, body='{"message": "You have exceeded a secondary rate limit"}')

    team.job(hub, "plan", number=12)

    assert len(bodies(hub)) == len(hub.checks) == 1
    assert team.waits == [60.0, 1.0, 7.0]


def test_a_limit_that_lasts_is_told_and_not_waited_for(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    later = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 3000)}
    hub.fault("GET", "/comments$", status=403, headers=later)

    log = team.job(hub, "plan", number=12, code=1).stdout

    assert re.search(r"GitHub asks to wait for [23],\d{3} seconds \(GET /repos/acme/billing/issues/12/comments\)", log)
    assert team.waits == []


def test_what_was_done_though_the_answer_was_an_error_is_not_there_twice(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    hub.fault("POST", "/comments$", status=502, times=2, done=True)

    team.job(hub, "plan", number=12)

    assert len(bodies(hub)) == 1


def test_a_service_that_stays_broken_is_given_up(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    hub.fault("GET", "/comments$", status=503, times=100, body="<html>down</html>")

    log = team.job(hub, "plan", number=12, code=1).stdout

    assert "error: GitHub answered 503 to GET /repos/acme/billing/issues/12/comments: Service Unavailable" in log
    assert len(hub.requests) == 5
    assert "1 to replace" in log
    assert "1 to replace" in team.summary()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"token": "ghs_stolen"}, "GitHub answered 401 to GET /repos/acme/billing/issues/12/comments: Bad credentials"),
        ({"token": ""}, "GITHUB_TOKEN is not set"),
    ],
)
def test_a_token_that_is_none_is_told_and_never_shown(
    team: Team, hub: GitHub, given: dict[str, str], said: str
) -> None:
    team.request(hub, 12, *LOWER)

    log = team.job(hub, "plan", number=12, code=1, **given).stdout

    assert said in log
    assert "ghs_" not in log + team.summary()


def test_a_job_without_permissions_is_told_which_it_needs(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    hub.may = {"pull-requests"}

    log = team.job(hub, "plan", number=12, code=1).stdout

    assert "GitHub answered 403 to POST /repos/acme/billing/check-runs: Resource not accessible by integration" in log
    assert "permissions" in log


def test_an_answer_that_is_no_json_is_told(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    hub.fault("GET", "/comments$", status=200, body="<html>a proxy</html>")

    assert "something that is no JSON, it starts with '<html>a proxy" in team.job(hub, "plan", number=12, code=1).stdout


def test_what_went_wrong_first_is_told_though_the_service_fails_as_well(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, "aggregation: sum", "agregation: sum")
    hub.fault("GET", "/comments$", status=500, times=100)

    log = team.job(hub, "plan", number=12, code=1).stdout

    assert "did you mean `aggregation`?" in log
    assert "error: that could not be told: GitHub answered 500" in log


# -- plan: strangers --------------------------------------------------------------------------------------------------


def test_a_fork_sees_no_secret_and_writes_nothing_and_its_catalog_is_compared(live: Team, hub: GitHub) -> None:
    live.edit("url: ", "token: {from_env: OPENMETER_API_KEY}, url: ", "bac.yaml")
    live.commit("a token")
    live.request(hub, 12, *LOWER, fork=True)

    log = live.job(hub, "plan", "--exit-code", number=12, token="", code=2).stdout

    assert hub.requests == []
    assert "issue.amount  1,000 → 500" in live.summary()
    assert "OpenMeter was not asked, since the pull request comes from outside" in live.summary()
    assert "The catalog alone: production at " in log
    assert live.outputs() == {"exit-code": "2", "changes": "1", "class": "breaking", "folder": ".bac/ci"}
    assert not (live.root / ".bac/ci/plan-production.json").exists()


def test_a_bot_without_secrets_is_treated_like_a_fork(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)

    team.job(hub, "plan", number=12, actor="dependabot[bot]")

    assert hub.requests == []
    assert "### bac plan for production: the catalog alone" in team.summary()


def test_the_catalog_of_a_fork_is_validated(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, "aggregation: sum", "agregation: sum", fork=True)

    assert "did you mean `aggregation`?" in team.job(hub, "plan", number=12, token="", code=1).stdout
    assert hub.requests == []


def test_the_base_is_what_the_merge_was_made_into_and_not_what_came_later(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER, fork=True)
    merged = team.git("rev-parse", "HEAD")
    team.git("switch", "--quiet", "main")
    team.edit("name: ACME", "name: ACME Inc.")
    hub.pulls[12]["base"]["sha"] = team.commit("something else")
    team.git("switch", "--quiet", "--detach", merged)

    team.job(hub, "plan", number=12, token="")

    assert "ACME Inc." not in team.summary()
    assert "0 only in `production`" in team.summary()


@pytest.mark.parametrize(
    ("break_base", "said"),
    [
        (lambda team: team.git("rm", "-q", "bac.yaml"), "has no bac.yaml"),
        (lambda team: team.write("catalog/all.yaml", "meters: {x: {}}"), "is wrong itself: catalog/all.yaml:1:10"),
    ],
)
def test_a_base_without_a_catalog_is_told(team: Team, hub: GitHub, break_base: object, said: str) -> None:
    kept = (team.root / "bac.yaml").read_text()
    break_base(team)  # type: ignore[operator]
    team.commit("broken")
    base = team.git("rev-parse", "HEAD")
    team.write("bac.yaml", kept)
    team.git("checkout", "--quiet", "HEAD~1", "--", "catalog")

    log = team.bac("ci", "plan", "--env", "production", "--offline", "--base", base).stdout

    assert said in log


def test_links_within_the_catalog_of_a_base_are_followed_and_those_out_of_it_are_not(team: Team) -> None:
    team.write("secret.yaml", "customers: {eve: {name: Eve}}\n")
    for folder in ("production", "staging"):
        (team.root / f"catalog/environments/{folder}").mkdir(parents=True)
    team.write("catalog/environments/staging/more.yaml", "customers: {globex: {name: Globex}}\n")
    link = team.root / "catalog/environments/production/more.yaml"
    link.symlink_to("../staging/more.yaml")
    base = team.commit("a link")
    offline = ["ci", "plan", "--env", "production", "--offline", "--base"]

    assert "differ in nothing (5 resources)" in team.bac(*offline, base).stdout
    link.unlink()
    link.symlink_to("../../../secret.yaml")
    outside = team.commit("a link out of it")
    link.unlink()
    assert "is wrong itself: catalog/environments/production/more.yaml" in team.bac(*offline, outside).stdout


def test_a_base_that_a_shallow_clone_has_not_is_told_with_what_helps(team: Team, hub: GitHub) -> None:
    log = team.bac("ci", "plan", "--env", "production", "--offline", "--base", "0" * 40, code=1).stdout
    assert "fetch-depth: 0" in log
    log = team.bac("ci", "plan", "--env", "production", "--offline", code=1).stdout
    assert "--base origin/main" in log


# -- plan: hostile text -----------------------------------------------------------------------------------------------


def test_nothing_from_the_catalog_is_an_instruction_to_the_runner(team: Team, hub: GitHub) -> None:
    hostile = "##[set-output name=intent]forged ::set-output name=intent::forged"
    team.request(hub, 12, "name: ACME", f"name: '{hostile}', description: \"\\n::add-mask::x\\n\"")

    log = team.job(hub, "plan", number=12).stdout

    first, *inside, last = log.splitlines()
    word = first.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", word)
    assert last == f"::{word}::"
    assert any("##[set-output" in row for row in inside)
    assert not any(word in row for row in inside)


def test_an_error_that_quotes_the_catalog_is_no_instruction_either(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, "aggregation: sum", "'x,file=evil::##[add-mask]y%0A::debug::z': sum")

    log = team.job(hub, "plan", number=12, code=1)

    assert log.stderr == ""
    rows = log.stdout.splitlines()
    word = rows[0].removeprefix("::stop-commands::")
    after = rows[rows.index(f"::{word}::") + 1 :]
    assert all(row.startswith("::error file=catalog/all.yaml,line=1,col=") for row in after)
    assert "%0A" not in "".join(after).replace("%250A", "")


# -- apply: what may be applied ---------------------------------------------------------------------------------------


def test_after_the_merge_what_was_reviewed_is_applied_without_a_question(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12)
    team.merge(hub, 12)

    log = team.job(hub, "apply").stdout

    assert "Applied: 1 done." in log
    assert bodies(hub)[1].startswith("<!-- bac:apply acme/production run=2.1 -->\n### bac apply: 1 applied in `prod")
    assert team.outputs()["exit-code"] == "0"
    assert "No drift" in team.bac("drift", "--env", "production").stdout


def test_the_review_is_the_approval_that_an_environment_requires(team: Team, hub: GitHub) -> None:
    config = team.root / "bac.yaml"
    config.write_text(config.read_text().replace("production: {}", "production: {require_approval: true}"))
    assert "require_approval" in config.read_text()
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12)
    team.merge(hub, 12)
    assert "Applied: 1 done." in team.job(hub, "apply").stdout


def test_a_second_apply_does_nothing_and_edits_its_comment(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12)
    team.merge(hub, 12)
    team.job(hub, "apply")

    team.job(hub, "apply")

    assert len(bodies(hub)) == 2
    assert "### bac apply: nothing to do in `production`" in bodies(hub)[1]


def test_a_review_counts_once_so_that_a_job_run_again_undoes_nothing_that_came_since(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *RAISE)
    team.job(hub, "plan", number=12)
    first = team.merge(hub, 12)
    team.job(hub, "apply")
    team.edit("amount: 2000", "amount: 1000")
    team.commit("back again")
    team.bac("apply", "--env", "production", "--yes", "--allow-breaking")
    team.git("switch", "--quiet", "--detach", first)

    log = team.job(hub, "apply", code=5).stdout

    assert "what was reviewed in the pull request 12 is applied to production already" in log


def test_a_plan_that_was_made_after_the_merge_was_before_no_reviewer(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *RAISE)
    merged = team.git("rev-parse", "HEAD")
    team.merge(hub, 12)
    team.git("switch", "--quiet", "--detach", merged)
    hub.pulls[12]["merged_at"] = "2020-01-01T00:00:00Z"
    team.job(hub, "plan", number=12)
    team.git("switch", "--quiet", "main")

    assert "had no plan for production when it was merged" in team.job(hub, "apply", code=5).stdout


def test_what_was_not_reviewed_stops_and_is_shown(live: Team, hub: GitHub, openmeter: str) -> None:
    live.request(hub, 12, *LOWER)
    live.job(hub, "plan", number=12)
    live.merge(hub, 12)
    live.by_hand(openmeter, "Somebody Else")

    log = live.job(hub, "apply", code=4).stdout

    assert "the reviewed one's was" in log
    body = bodies(hub)[1]
    assert "1 would be done now and was not there when it was reviewed:\n\n```text\ncustomers.acme\n```" in body
    assert "was reviewed and would not be done now" not in body
    assert "name  Somebody Else → ACME" in body
    assert live.outputs()["exit-code"] == "4"
    intent = re.search(r"hand it the intent of this plan, `([0-9a-f]{12})`", body)
    assert intent is not None
    assert "Applied: 2 done." in live.job(hub, "apply", "--expect-intent", intent[1]).stdout


def test_a_change_that_is_not_needed_any_more_or_is_another_one_stops_too(
    live: Team, hub: GitHub, openmeter: str
) -> None:
    live.edit("customers: {acme: {name: ACME", "customers: {acme: {name: ACME Ltd.")
    live.commit("a name")
    live.request(hub, 12, *LOWER)
    live.job(hub, "plan", number=12)
    live.merge(hub, 12)
    live.by_hand(openmeter, "ACME Ltd.")

    live.job(hub, "apply", code=4)

    assert "1 was reviewed and would not be done now:\n\n```text\ncustomers.acme\n```" in bodies(hub)[1]
    live.by_hand(openmeter, "ACME Limited")
    live.job(hub, "apply", code=4)
    assert "1 would be done otherwise than it was reviewed:\n\n```text\ncustomers.acme\n```" in bodies(hub)[1]


def test_a_push_that_nobody_reviewed_is_not_applied(team: Team, hub: GitHub) -> None:
    team.edit(*RAISE)
    team.commit("straight to main")

    log = team.job(hub, "apply", code=5).stdout

    assert "nobody reviewed a plan: this commit is the merge of no pull request that GitHub knows" in log
    assert "Nobody reviewed a plan" in team.summary()
    assert team.job(hub, "apply", "--expect-intent", "3f2a91bc0d4e", code=4)
    intent = re.search(r"--expect-intent ([0-9a-f]{12})", log)
    assert intent is not None
    assert team.job(hub, "apply", "--expect-intent", intent[1][:11], code=4)
    assert "Applied: 1 done." in team.job(hub, "apply", "--expect-intent", intent[1]).stdout


def test_what_comments_say_counts_for_nothing(team: Team, hub: GitHub) -> None:
    """Whoever may write to the repository may edit our comment; whoever may comment may write one like it."""
    team.request(hub, 12, *RAISE)
    team.job(hub, "plan", number=12)
    hub.checks.clear()
    hub.say(12, hub.comments(12)[0]["body"])
    team.merge(hub, 12)

    log = team.job(hub, "apply", code=5).stdout

    assert "the last commit of the pull request 12 had no plan for production when it was merged" in log


def test_a_check_counts_only_where_our_app_wrote_it_for_this_pull_request_commit_and_environment(
    team: Team, hub: GitHub
) -> None:
    team.request(hub, 12, *RAISE)
    team.job(hub, "plan", number=12)
    [real] = hub.checks
    intent = team.outputs()["intent"]
    team.merge(hub, 12)

    for forged in (
        {"app": {"slug": "some-app"}},
        {"external_id": f"13:{intent}"},
        {"conclusion": "failure"},
        {"conclusion": "neutral", "external_id": "12:"},
        {"head_sha": "0" * 40},
        {"name": "bac plan (acme, staging)"},
        {"completed_at": None},
    ):
        hub.checks = [real | forged]
        assert "nobody reviewed a plan" in team.job(hub, "apply", code=5).stdout, forged
    hub.checks = [real]
    assert "Applied: 1 done." in team.job(hub, "apply").stdout


def test_the_last_plan_of_the_last_commit_is_what_counts(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *RAISE)
    team.job(hub, "plan", number=12)
    hub.checks.append({**hub.checks[0], "id": 9_999, "conclusion": "failure", "external_id": "12:"})
    team.merge(hub, 12)

    assert "had no plan for production when it was merged" in team.job(hub, "apply", code=5).stdout


def test_a_merged_fork_had_no_plan_and_stops(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *RAISE, fork=True)
    team.merge(hub, 12)

    assert "the pull request 12 came from outside" in team.job(hub, "apply", code=5).stdout
    assert "Nobody reviewed a plan" in bodies(hub)[0]


def test_an_apply_that_fails_in_part_says_so_where_it_was_reviewed(live: Team, hub: GitHub, openmeter: str) -> None:
    live.request(hub, 12, "customers: {acme: {name: ACME", "customers: {globex: {name: G}, acme: {name: ACME Inc.")
    live.job(hub, "plan", number=12)
    live.merge(hub, 12)
    rule = {"method": "PUT", "path": "/api/v1/customers/*", "status": 400, "body": {"detail": "no @everyone"}}
    live.http.put(f"{openmeter}/_dev/faults", json={"rules": [rule]}).raise_for_status()

    live.job(hub, "apply", code=3)

    assert "### bac apply: 1 applied, 1 failed in `production`" in bodies(hub)[1]
    assert "customers.acme: " in bodies(hub)[1]
    assert "Exit code 3. Run the apply again" in bodies(hub)[1]


def test_an_apply_that_cannot_be_told_says_that_it_was_done(team: Team, hub: GitHub) -> None:
    team.request(hub, 12, *LOWER)
    team.job(hub, "plan", number=12)
    team.merge(hub, 12)
    hub.fault("POST", "/check-runs$", status=500, times=100)

    log = team.job(hub, "apply", code=1).stdout

    assert "error: applied, but that could not be told: GitHub answered 500" in log
    assert "No drift" in team.bac("drift", "--env", "production").stdout


def test_an_openmeter_that_is_not_there_is_told_in_the_pull_request(live: Team, hub: GitHub) -> None:
    live.request(hub, 12, *LOWER)
    live.job(hub, "plan", number=12)
    live.merge(hub, 12)
    live.edit("url: ", "timeout: 1, url: ", "bac.yaml")
    text = (live.root / "bac.yaml").read_text()
    live.write("bac.yaml", re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", text))

    live.job(hub, "apply", code=1)

    assert "### bac apply: failed for `production`" in bodies(hub)[1]


# -- what they say ----------------------------------------------------------------------------------------------------


def test_a_comment_fits_however_many_changes_there_are_and_names_what_is_breaking_first() -> None:
    gone = [
        Change(Address("customers", (f"customer-number-{n}-" + "x" * 60,)), "delete", cls=Class.BREAKING)
        for n in range(3000)
    ]
    made = Plan(Target("production", "https://openmeter.cloud", "acme"), tuple(gone), {})
    then = {f"customers.someone-else-{n}": "0" * 12 for n in range(3000)}

    for said in (words.planned(made, under_review=True), words.stopped(made, Review("0" * 64, then), where="")):
        body = Mark("plan", "acme", "production", Run(123456789012)).line() + "\n" + "\n".join(said)
        assert len(body) < hosting.LONGEST
        assert "3,000" in body


def test_errors_are_told_in_code_and_cut() -> None:
    error = StalePlan(
        [(f"customers.c{n}", "is @everyone gone ``` ![x](http://evil) " + "y" * 5000) for n in range(500)]
    )

    said = list(words.failed("apply", "production", error))

    assert sum(len(row) + 1 for row in said) < hosting.LONGEST
    assert (said[2], said[-3]) == ("````text", "````")
    assert said[-1] == "Exit code 4. Nothing was written."


# -- drift ------------------------------------------------------------------------------------------------------------


def test_drift_opens_one_issue_keeps_it_up_to_date_and_closes_it(live: Team, hub: GitHub, openmeter: str) -> None:
    assert "No drift" in live.job(hub, "drift", "--exit-code").stdout
    assert hub.writes() == []

    live.by_hand(openmeter, "Somebody")
    live.job(hub, "drift", "--exit-code", code=2)
    live.by_hand(openmeter, "Else")
    live.job(hub, "drift")

    [issue] = hub.issues.values()
    assert (issue["title"], issue["state"]) == ("Drift in production", "open")
    assert issue["labels"] == [{"name": "bac-drift"}]
    assert "Else → ACME" in issue["body"]

    live.by_hand(openmeter, "ACME")
    live.job(hub, "drift")
    assert issue["state"] == "closed"
    assert [c["body"] for c in hub.posts[issue["number"]]] == ["There is no drift any more: it is as the catalog says."]


def test_an_issue_of_somebody_else_that_looks_like_ours_is_left_alone(live: Team, hub: GitHub, openmeter: str) -> None:
    forged = hub.issue("<!-- bac:drift acme/production run=1.1 -->")
    live.job(hub, "drift")
    assert forged["state"] == "open"
    live.by_hand(openmeter, "Somebody")
    live.job(hub, "drift")
    assert forged["body"] == "<!-- bac:drift acme/production run=1.1 -->"
    assert len(hub.issues) == 2


def test_of_two_issues_the_older_stays(live: Team, hub: GitHub, openmeter: str) -> None:
    live.by_hand(openmeter, "Somebody")
    hub.fault("POST", "/issues$", status=504, done=True)

    live.job(hub, "drift")

    assert [i["state"] for i in hub.issues.values()] == ["open", "closed"]


def test_an_issue_whose_label_was_dropped_is_found_again_all_the_same(live: Team, hub: GitHub, openmeter: str) -> None:
    live.by_hand(openmeter, "Somebody")
    hub.drops_labels = True

    for _ in range(2):
        live.job(hub, "drift")

    assert [i["labels"] for i in hub.issues.values()] == [[{"name": "bac-drift"}]]


# -- a plain shell ----------------------------------------------------------------------------------------------------


def test_in_a_plain_shell_everything_is_printed_and_left_in_files(live: Team, openmeter: str) -> None:
    live.by_hand(openmeter, "Somebody")
    for job in ("plan", "drift"):
        log = live.bac("ci", job, "--env", "production", "--exit-code", "--to", "out", code=2).stdout
        assert "Somebody" in log
        assert "Somebody → ACME" in (live.root / f"out/{job}-production.md").read_text()
        assert "BAC_CHANGES=1\n" in (live.root / f"out/{job}-production.env").read_text()
    log = live.bac("ci", "apply", "--env", "production", code=5).stdout
    intent = re.search(r"--expect-intent ([0-9a-f]{12})", log)
    assert intent is not None
    assert "Applied: 1 done." in live.bac("ci", "apply", "--env", "production", "--expect-intent", intent[1]).stdout


def test_an_environment_must_be_named_in_ci(team: Team, hub: GitHub) -> None:
    environ = hub.environ(team.jobs, event="push")
    assert "CI is set, so the environment must be named" in team.bac("ci", "plan", code=1, environ=environ).stdout
    assert "Nothing to do" in team.bac("ci", "plan", environ={**environ, "BAC_ENV": "production"}).stdout


# -- GitLab -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab() -> Iterator[GitLab]:
    with hosting.gitlab() as found:
        yield found


def test_a_merge_request_goes_the_same_way_on_gitlab(live: Team, lab: GitLab, openmeter: str) -> None:
    live.git("switch", "--quiet", "--create", "change")
    live.edit(*LOWER)
    head = live.commit("lower")
    lab.merge_request(3, head=head)
    env = ["--env", "production"]

    for job in (1, 2):
        live.bac("ci", "plan", *env, environ=lab.environ(number=3, sha=head, base=live.base, job=job))

    [note] = lab.notes[3]
    assert note["body"].startswith("<!-- bac:plan acme/production run=2.1 -->\n### bac plan: ")
    assert [s["status"] for s in lab.statuses] == ["success", "success"]
    assert re.search(r"1 breaking\. · !3 intent [0-9a-f]{64}$", lab.statuses[1]["description"])

    live.git("switch", "--quiet", "main")
    live.git("merge", "--quiet", "--no-ff", "--message", "merge", "change")
    merged = live.git("rev-parse", "HEAD")
    lab.merge(3, merged)
    live.by_hand(openmeter, "Somebody")
    live.bac("ci", "apply", *env, code=4, environ=lab.environ(sha=merged))
    assert "The reviewed intent was `" in lab.notes[3][1]["body"]
    live.by_hand(openmeter, "ACME")
    assert "Applied: 1 done." in live.bac("ci", "apply", *env, environ=lab.environ(sha=merged, job=9)).stdout
    assert "1 applied in `production`" in lab.notes[3][1]["body"]

    live.by_hand(openmeter, "Somebody")
    live.bac("ci", "drift", *env, environ=lab.environ(sha=merged))
    assert [(i["title"], i["state"]) for i in lab.issues.values()] == [("Drift in production", "opened")]
    live.by_hand(openmeter, "ACME")
    live.bac("ci", "drift", *env, environ=lab.environ(sha=merged))
    assert [i["state"] for i in lab.issues.values()] == ["closed"]


def test_a_status_of_somebody_else_counts_for_nothing_on_gitlab(team: Team, lab: GitLab) -> None:
    team.edit(*RAISE)
    head = team.commit("raise")
    lab.merge_request(3, head=head)
    team.bac("ci", "plan", "--env", "production", environ=lab.environ(number=3, sha=head))
    lab.statuses[0]["author"] = {"id": 6, "username": "mallory"}
    lab.merge(3, head)

    assert (
        "nobody reviewed a plan"
        in team.bac("ci", "apply", "--env", "production", code=5, environ=lab.environ(sha=head)).stdout
    )


def test_a_fork_on_gitlab_is_compared_offline(team: Team, lab: GitLab) -> None:
    base = team.base
    team.edit(*RAISE)
    head = team.commit("raise")
    environ = lab.environ(number=3, sha=head, base=base, fork=True)

    log = team.bac("ci", "plan", "--env", "production", environ={**environ, "BAC_GITLAB_TOKEN": ""}).stdout

    assert "issue.amount  1,000 → 2,000" in log
    assert lab.requests == []


def test_no_line_of_a_note_is_a_command_of_gitlab(team: Team, lab: GitLab) -> None:
    team.write("catalog/all.yaml", "a: [\n/merge\n")
    head = team.commit("hostile")
    lab.merge_request(3, head=head)

    team.bac("ci", "plan", "--env", "production", code=1, environ=lab.environ(number=3, sha=head))

    from billing_as_code.ci.gitlab import safe

    assert not re.search(r"^\s*/", lab.notes[3][0]["body"], re.MULTILINE)
    assert safe("/merge\n  /close\na/b") == "\u200b/merge\n  \u200b/close\na/b"
