"""Two environments side by side: what the catalog declares of them, and what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from profiles import share
from strategies import Catalog, catalogs, written

from billing_as_code.catalog import load
from billing_as_code.cli import main
from billing_as_code.contrast import Contrast, contrast, without_moments
from billing_as_code.kinds import KINDS
from billing_as_code.model import Address, Change, Class, State
from billing_as_code.render import contrast as rendered

Bac = Callable[..., Result]
CATALOG = """\
meters: {tokens: {event_type: prompt, aggregation: sum, value_property: $.tokens}}
features: {ai: {name: AI, meter: tokens}}
customers: {acme: {name: ACME, currency: USD, metadata: {crm_id: "1"}}, globex: {external: true}}
entitlements: {acme: {ai: {type: metered, issue: {amount: 1000}, usage_period: {interval: month}}}}
"""
STAGING = """\
features: {ai: {name: AI for tests}}
customers: {acme: {metadata: {crm_id: "2"}}, tester: {name: Tester}}
entitlements: {acme: {ai: {issue: {amount: 10}}}}
"""


@pytest.fixture
def bac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bac:
    """Runs `bac` in a project with two embedded environments and one that nobody can reach."""
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "BAC_ENV", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("billing_as_code.client.TRIES_TO_CONNECT", 1)
    environments = "{production: {}, staging: {}, away: {url: 'http://127.0.0.1:9'}}"
    Path("bac.yaml").write_text(
        f"owner: acme\nenvironments: {environments}\nignore: ['customers.*.metadata.crm_*']\n"
        "limits: {deletes: 100, changed_share: 100%}\n"
    )
    Path("catalog/environments/staging").mkdir(parents=True)
    Path("catalog/all.yaml").write_text(CATALOG)
    Path("catalog/environments/staging/tests.yaml").write_text(STAGING)

    def run(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, args)
        assert result.exit_code == code, result.output
        return result

    return run


def test_what_is_declared_differently_is_told_field_by_field(bac: Bac) -> None:
    told = bac("diff", "--env", "staging", "--env", "production", "--declared").stdout

    assert told == (
        "As declared: staging → production\n"
        "! - customers.tester\n"
        "  ~ entitlements.acme.ai\n"
        "      issue.amount  10 → 1,000\n"
        "  ~ features.ai\n"
        "      name  AI for tests → AI\n"
        "0 only in production, 1 only in staging, 2 differ.\n"
    )


def test_the_other_way_round_a_lower_limit_is_breaking(bac: Bac) -> None:
    found = json.loads(bac("diff", "-e", "production", "-e", "staging", "--declared", "--json").stdout)["declared"]

    assert found["counts"] == {"only_after": 1, "only_before": 0, "differ": 2}
    assert [(c["address"], c["only"], c["class"]) for c in found["changes"]] == [
        ("customers.tester", "after", "safe"),
        ("entitlements.acme.ai", None, "breaking"),
    ]
    assert [c["address"] for c in found["cosmetic"]] == ["features.ai"]


def test_what_is_live_is_compared_beside_what_is_declared(bac: Bac) -> None:
    Path("catalog/all.yaml").write_text(CATALOG.replace(", globex: {external: true}", ""))
    bac("apply", "--env", "production", "--yes")

    told = bac("diff", "--env", "staging", "--env", "production", "--exit-code", code=2).stdout

    declared, live = told.split("\n\n")
    assert "1 only in staging, 2 differ." in declared
    assert live.startswith("As they are live: staging → production\n")
    assert "4 only in production, 0 only in staging, 0 differ." in live


def test_two_that_are_alike_differ_in_nothing_and_ids_count_for_nothing(bac: Bac) -> None:
    Path("catalog/all.yaml").write_text(CATALOG.replace(", globex: {external: true}", ""))
    Path("catalog/environments/staging/tests.yaml").unlink()
    for name in ("staging", "production"):
        bac("apply", "--env", name, "--yes")

    told = bac("diff", "--env", "staging", "--env", "production", "--exit-code").stdout

    assert told == (
        "As declared: staging → production differ in nothing (4 resources).\n\n"
        "As they are live: staging → production differ in nothing (4 resources).\n"
    )


def test_a_moment_that_the_catalog_leaves_to_the_creation_is_no_difference(tmp_path: Path) -> None:
    def state(entitlement: str) -> State:
        (tmp_path / "all.yaml").write_text(CATALOG.replace("{interval: month}", entitlement))
        return load(tmp_path, None, ()).desired

    desired = state("{interval: month}")
    early, late = (state(f"{{interval: month, anchor: 2026-11-2{day}T12:00:00Z}}") for day in (1, 2))

    bare = [without_moments(live, desired, KINDS) for live in (early, late)]
    said = [without_moments(live, live, KINDS) for live in (early, late)]

    assert contrast(*bare, KINDS).changes == {}
    [change] = contrast(*said, KINDS).changes.values()
    assert [field.path for field in change.fields] == ["usage_period.anchor"]


def test_an_openmeter_that_cannot_be_reached_is_told_beside_what_is_declared(bac: Bac) -> None:
    result = bac("diff", "--env", "staging", "--env", "away")

    assert "0 only in away, 1 only in staging, 2 differ." in result.stdout
    assert "As they are live: not known. away cannot be read: " in result.stdout
    assert "127.0.0.1:9" in result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--env", "staging"], "--env is given 1 times, and two are compared: --env staging --env production"),
        (["--env", "staging", "--env", "staging"], "staging is named twice"),
        (["--env", "staging", "--env", "prodution"], "did you mean `production`?"),
    ],
)
def test_two_environments_must_be_named(bac: Bac, args: list[str], said: str) -> None:
    assert said in bac("diff", *args, code=1).stderr


def test_as_markdown_text_from_the_catalog_stands_in_code(bac: Bac) -> None:
    hostile = "![x](http://evil) @everyone <img src=x> `````` </details>"
    Path("catalog/environments/staging/tests.yaml").write_text(f"customers: {{acme: {{name: '{hostile}'}}}}\n")

    told = bac("diff", "--env", "staging", "--env", "production", "--declared", "--format", "markdown").stdout

    fenced = told.split("```````diff\n")[1].split("\n```````")[0]
    assert hostile in fenced
    assert told.replace(fenced, "").count("evil") == 0


def many(number: int, name: str) -> Contrast:
    gone = [Change(Address("customers", (f"{name}-{n}",)), "delete", cls=Class.BREAKING) for n in range(number)]
    return Contrast("staging", "production", tuple(gone), compared=number)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Contrast("a", "b", missing="a cannot be read: `x` @y"), "Not known: `` a cannot be read: `x` @y ``"),
        (Contrast("a", "b", compared=1200), "No difference (1,200 resources)."),
        (many(1, "x"), "0 only in `production`, 1 only in `staging`, 0 differ; **1 breaking**."),
    ],
)
def test_markdown_says_it_in_a_line(found: Contrast, said: str) -> None:
    assert list(rendered.markdown(found, "t"))[:3] == ["### t", "", said]


def test_markdown_of_any_length_fits_into_a_comment_and_counts_what_does_not() -> None:
    said = list(rendered.markdown(many(3000, "x" * 60), "t"))

    assert sum(len(row.encode()) + 1 for row in said) < 60_000
    listed = sum(row.startswith("! - customers.") for row in said)
    assert f"**{3000 - listed:,} more breaking do not fit here**: see the JSON." in said


@given(first=catalogs(), second=catalogs())
@settings(max_examples=share(0.04))
def test_one_side_has_alone_what_the_other_lacks_and_nothing_differs_from_itself(
    first: Catalog, second: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    states = []
    for catalog in (first, second):
        folder = tmp_path_factory.mktemp("catalog")
        (folder / "all.yaml").write_text(written(catalog))
        states.append(load(folder, None, ()).desired)

    there, back = contrast(*states, KINDS), contrast(*reversed(states), KINDS)

    assert [contrast(s, s, KINDS).changes for s in states] == [{}, {}]
    for action, other in (("create", "delete"), ("delete", "create")):
        assert {a for a, c in there.changes.items() if c.action == action} == {
            a for a, c in back.changes.items() if c.action == other
        }
