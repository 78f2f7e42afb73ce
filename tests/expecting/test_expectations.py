"""Tests of a catalog: whom they mean, when they hold, and where they say that the catalog is not so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from commands import against
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import share
from workspace import Workspace

from billing_as_code import service
from billing_as_code.config import load as load_config
from billing_as_code.errors import CatalogError, UsageError
from billing_as_code.expecting import expectations
from billing_as_code.expecting.schema import expectation_schema
from billing_as_code.render import tested
from billing_as_code.service import Verdicts

ROOT = Path(__file__).parents[2]
CATALOG = """\
meters:
  tokens: {aggregation: sum, event_type: prompt, value_property: $.n}
features:
  ai: {meter: tokens}
  seats: {}
  sso: {}
templates:
  base:
    seats: {type: static, config: {max: 5, tiers: [{name: a}, {name: b}]}}
  free: {$use: base, ai: {type: metered, usage_period: {interval: month}, issue: {amount: 1000}}}
  enterprise:
    $use: base
    ai: {type: metered, usage_period: {interval: month}, issue: {amount: 100000}, is_soft_limit: true}
    sso: {type: boolean}
customers:
  acme: {name: ACME, metadata: {segment: enterprise, region: eu-west}}
  globex: {name: Globex, metadata: {segment: enterprise}}
  initech: {name: Initech, metadata: {segment: small}}
  partner: {external: true}
entitlements:
  acme: {$use: enterprise, seats: {config: {max: 250, plan: gold}}}
  globex: {$use: [enterprise]}
  initech: {$use: free}
  partner: {sso: {external: true}}
grants:
  initech: {ai: {gift: {amount: 500, effective_at: 2026-01-01T00:00:00Z}}}
"""


@pytest.fixture
def project(ws: Workspace) -> Workspace:
    """The catalog, for two environments."""
    ws.configure(environments={"local": {}, "production": {"url": "https://openmeter.test"}})
    ws.write("catalog/all.yaml", CATALOG)
    return ws


def hold(ws: Workspace, tests: str | dict[str, Any], environment: str | None = "local") -> Verdicts:
    text = tests if isinstance(tests, str) else yaml.safe_dump({"tests": tests}, sort_keys=False)
    ws.write("catalog/all.test.yaml", text)
    return service.hold(load_config(ws.root), environment)


def meant(ws: Workspace, customers: Any) -> tuple[str, ...]:
    found = hold(ws, {"t": {"customers": customers, "expect": {"seats": "access"}}})
    return found.outcomes[0].customers


def failures(ws: Workspace, customers: Any, **expect: Any) -> list[str]:
    found = hold(ws, {"t": {"customers": customers, "expect": expect}})
    return [f"{f.customer}: {f.message}" if f.customer else f.message for f in found.outcomes[0].failures]


# -- whom they mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("customers", "keys"),
    [
        ("acme", ("acme",)),
        ("*", ("acme", "globex", "initech", "partner")),
        (["acme", "i*"], ("acme", "initech")),
        ({"key": "*", "except": ["partner", "g*"]}, ("acme", "initech")),
        ({"metadata": {"segment": "enterprise"}}, ("acme", "globex")),
        ({"metadata": {"segment": ["enterprise", "small"], "region": "eu-*"}}, ("acme",)),
        ({"uses": "enterprise"}, ("acme", "globex")),
        ({"uses": ["free", "nothing"]}, ("initech",)),
        ({"uses": "base"}, ("acme", "globex", "initech")),
        ({"has": ["sso", "ai"]}, ("acme", "globex")),
        ({"has": "sso", "metadata": {"segment": "enterprise"}, "except": "acme"}, ("globex",)),
    ],
)
def test_a_selector_means_those_that_all_of_it_is_true_of(
    project: Workspace, customers: Any, keys: tuple[str, ...]
) -> None:
    assert meant(project, customers) == keys


def test_a_test_that_means_nobody_fails_unless_it_may(project: Workspace) -> None:
    assert failures(project, "acm", seats="access") == [
        "no customer of the catalog is meant by this (did you mean `acme`?)"
    ]
    assert failures(project, {"uses": "gone"}, seats="access") == [
        "no customer of the catalog is meant by this (allow_none: true, if that may be)"
    ]
    assert failures(project, {"uses": "gone", "allow_none": True}, seats="access") == []


def test_a_feature_that_the_catalog_does_not_have_fails_the_test(project: Workspace) -> None:
    assert failures(project, "acme", seat="none") == ["the catalog has no feature `seat` (did you mean `seats`?)"]


# -- what must be true ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("customer", "expect", "said"),
    [
        ("acme", {"sso": "access"}, ""),
        ("initech", {"sso": "access"}, "initech: has none"),
        ("initech", {"sso": "none"}, ""),
        ("acme", {"sso": "none"}, "acme: has it"),
        ("partner", {"sso": "access"}, ""),
        ("partner", {"sso": {"type": "boolean"}}, "partner: is declared external, so the catalog does not say"),
        ("acme", {"ai": {"type": "metered"}}, ""),
        ("acme", {"sso": {"type": "metered"}}, "acme: is boolean, must be metered"),
        ("initech", {"sso": {"type": "boolean"}}, "initech: has none"),
        ("initech", {"ai": {"amount": 1500, "issued": {"equals": 1000}, "granted": "500"}}, ""),
        ("initech", {"ai": {"amount": {"at_most": 1499}}}, "initech: amount is 1,500, must be at most 1,499"),
        ("initech", {"ai": {"issued": {"at_least": "1000.5"}}}, "initech: issued is 1,000, must be at least 1,000.5"),
        (
            "initech",
            {"ai": {"granted": {"at_least": 1, "at_most": 400}}},
            "initech: granted is 500, must be at most 400",
        ),
        ("partner", {"ai": {"amount": {"at_most": 10}}}, ""),
        ("partner", {"ai": {"amount": {"at_least": 10}}}, "partner: amount is 0, must be at least 10"),
        ("acme", {"sso": {"amount": {"at_least": 10}}}, ""),
        ("acme", {"sso": {"amount": {"at_most": 10}}}, "acme: has no limit, must be at most 10"),
        ("acme", {"ai": {"period": "P1M", "soft": True}}, ""),
        ("acme", {"ai": {"period": "day"}}, "acme: period is month, must be day"),
        ("initech", {"ai": {"soft": True}}, "initech: has a hard limit, must have a soft limit"),
        ("acme", {"sso": {"soft": True}}, "acme: has no limit"),
        ("acme", {"seats": {"config": {"max": 250, "plan": {"one_of": ["gold", "silver"]}}}}, ""),
        ("acme", {"seats": {"config": {"max": {"at_least": 251}}}}, "acme: config.max is 250, must be at least 251"),
        ("acme", {"seats": {"config": {"max": True}}}, "acme: config.max is 250, must be true"),
        ("acme", {"seats": {"config": {"plan": {"at_least": 1}}}}, 'acme: config.plan is "gold", must be at least 1'),
        ("acme", {"seats": {"config": {"plan": {"exists": False}}}}, "acme: config.plan is there"),
        ("initech", {"seats": {"config": {"plan": "gold"}}}, 'initech: config.plan is missing, must be "gold"'),
        ("initech", {"seats": {"config": {"plan": {"exists": True}}}}, "initech: config.plan is missing"),
        ("initech", {"seats": {"config": {"tiers.1.name": "b", "max": 5.0}}}, ""),
        (
            "initech",
            {"seats": {"config": {"tiers.2.name": "b"}}},
            'initech: config.tiers.2.name is missing, must be "b"',
        ),
        ("acme", {"sso": {"config": {"max": 1}}}, "acme: is no static value"),
    ],
)
def test_what_must_be_true_is_told_where_it_is_not(
    project: Workspace, customer: str, expect: dict[str, Any], said: str
) -> None:
    assert failures(project, customer, **expect) == ([said] if said else [])


@settings(max_examples=share(0.2))
@given(issued=st.integers(0, 10**15), bound=st.integers(0, 10**15))
def test_one_of_two_bounds_always_holds(issued: int, bound: int) -> None:
    from billing_as_code.catalog import Catalog
    from billing_as_code.expecting import judge
    from billing_as_code.kinds import KINDS
    from billing_as_code.model import Address, Resource

    raw = {"type": "metered", "usage_period": {"interval": "month"}, "issue": {"amount": issued}}
    given_to = Address("entitlements", ("a", "x"))
    desired = {
        given_to: Resource(given_to, KINDS["entitlements"].canonical(given_to.path, raw)),
        Address("customers", ("a",)): Resource(Address("customers", ("a",)), ()),
        Address("features", ("x",)): Resource(Address("features", ("x",)), ()),
    }
    text = f"tests: {{t: {{customers: a, expect: {{x: {{issued: {{at_least: {bound}, at_most: {bound}}}}}}}}}}}"
    tests, problems = expectations("t.test.yaml", text.encode(), ["local"])
    assert not problems
    (outcome,) = judge(tests, Catalog(desired, ()), "local", KINDS)
    assert [f.message.split("must be ")[1].split()[1] for f in outcome.failures] == (
        [] if issued == bound else ["least"] if issued < bound else ["most"]
    )


# -- where ----------------------------------------------------------------------------------------------------------


def test_a_failure_names_the_line_of_the_test_and_the_line_that_broke_it(project: Workspace) -> None:
    text = (
        "tests:\n"
        "  seats:\n"
        "    customers: [acme, globex]\n"
        "    expect:\n"
        "      seats: {config: {max: {at_least: 300}}}\n"
        "      ai: {amount: {at_most: 10}}\n"
        "  gifts:\n"
        "    customers: initech\n"
        "    expect: {ai: {granted: 0}, sso: access}\n"
    )
    file = str(project.root / "catalog" / "all")
    told = [tested.told(f).replace(file, "all") for o in hold(project, text).outcomes for f in o.failures]
    assert told == [
        "all.test.yaml:5:40: acme: seats: config.max is 250, must be at least 300 (all.yaml:21:50)",
        "all.test.yaml:5:40: globex: seats: config.max is 5, must be at least 300 (all.yaml:9:41)",
        "all.test.yaml:6:30: acme: ai: amount is 100,000, must be at most 10 (all.yaml:13:74)",
        "all.test.yaml:6:30: globex: ai: amount is 100,000, must be at most 10 (all.yaml:13:74)",
        "all.test.yaml:9:28: initech: ai: granted is 500, must be 0 (all.yaml:26:33)",
        "all.test.yaml:9:37: initech: sso: has none (all.yaml:18:3)",
    ]


# -- environments ---------------------------------------------------------------------------------------------------


def test_each_environment_is_held_against_the_tests_as_it_sees_the_catalog(project: Workspace) -> None:
    project.write("catalog/environments/production/all.yaml", {"entitlements": {"acme": {"sso": None}}})
    found = hold(project, {"t": {"customers": "acme", "expect": {"sso": "access"}}}, None)
    assert {o.environment: o.holds for o in found.outcomes} == {"local": True, "production": False}
    only = {"t": {"customers": "acme", "expect": {"sso": "access"}, "environments": "local"}}
    assert [o.environment for o in hold(project, only, None).outcomes] == ["local"]


def test_a_test_in_an_environments_folder_is_for_that_one_alone(project: Workspace) -> None:
    own = {"tests": {"own": {"customers": "acme", "expect": {"sso": "none"}}}}
    project.write("catalog/environments/production/own.test.yml", own)
    found = hold(project, {"t": {"customers": "acme", "expect": {"sso": "access"}}}, None)
    assert [(o.test.name, o.environment) for o in found.outcomes if not o.holds] == [("own", "production")]


def test_templates_that_an_overlay_uses_count_there(project: Workspace) -> None:
    over = {"entitlements": {"initech": {"$use": ["enterprise"]}}}
    project.write("catalog/environments/production/all.yaml", over)
    tests = {"t": {"customers": {"uses": "enterprise"}, "expect": {"sso": "access"}}}
    found = hold(project, tests, None)
    assert {o.environment: o.customers for o in found.outcomes} == {
        "local": ("acme", "globex"),
        "production": ("acme", "globex", "initech"),
    }


# -- files ----------------------------------------------------------------------------------------------------------


def test_test_files_are_no_part_of_the_catalog(project: Workspace) -> None:
    before = service.validate(load_config(project.root), "local")[0]
    project.write("catalog/x.test.yaml", "customers: {evil: {name: Evil}}\n")
    after = service.validate(load_config(project.root), "local")[0]
    assert (after.desired, after.files) == (before.desired, before.files)


def test_without_any_test_that_is_said(project: Workspace) -> None:
    with pytest.raises(UsageError, match=re.escape("no *.test.yaml below")):
        service.hold(load_config(project.root))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("tests: {}", "must have at least 1"),
        ("test: {}", "unknown field `test` (did you mean `tests`?)"),
        ("tests: {t: {customers: a}}", "lacks `expect`"),
        ("tests: {t: {customers: a, expect: {x: acces}}}", "(did you mean `access`?)"),
        ("tests: {t: {customers: {keys: a}, expect: {x: none}}}", "1:25: unknown field `keys` (did you mean `key`?)"),
        ("tests: {t: {customers: a, expect: {x: {amount: {atleast: 1}}}}}", "did you mean `at_least`?"),
        ("tests: {t: {customers: a, expect: {x: {amount: 1.5}}}}", 'quote it: "1.5"'),
        (
            "tests: {t: {customers: a, expect: {x: {config: {max: {at_least: .inf}}}}}}",
            "a number that JSON cannot carry",
        ),
        ("tests: {t: {customers: a, expect: {x: none}, environments: prod}}", "there is no environment `prod`"),
        ("tests: {t: {customers: a, expect: {x: none}}, t: {customers: a, expect: {x: none}}}", "stands twice"),
        ("tests: [", "never ends"),
    ],
)
def test_what_is_no_test_is_told_with_its_place(project: Workspace, text: str, said: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(said)):
        hold(project, text)


def test_tests_in_the_folder_of_no_environment_are_told(project: Workspace) -> None:
    project.write("catalog/environments/prod/x.test.yaml", "tests: {t: {customers: a, expect: {x: none}}}\n")
    with pytest.raises(CatalogError, match="is the folder of no known environment"):
        hold(project, {"t": {"customers": "acme", "expect": {"sso": "access"}}})


@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode()))
@settings(max_examples=share(0.3))
def test_any_bytes_are_tests_or_problems(data: bytes) -> None:
    tests, problems = expectations("x.test.yaml", data, ["local"])
    assert bool(tests) != bool(problems)


# -- the command, the sample, the page ------------------------------------------------------------------------------


def test_the_command_tells_every_test_and_ends_with_1_where_one_fails(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bac = against(project, monkeypatch)
    project.write("catalog/environments/production/all.yaml", {"entitlements": {"acme": {"sso": None}}})
    tests = {
        "acme has sso": {"customers": "acme", "expect": {"sso": "access"}},
        "seats for all": {"customers": {"key": "*", "except": "partner"}, "expect": {"seats": "access"}},
    }
    project.write("catalog/all.test.yaml", {"tests": tests})
    assert bac("test", code=1).stdout == (
        "catalog/all.test.yaml\n"
        "  FAILED  acme has sso\n"
        "          catalog/all.test.yaml:5:12: acme: sso: has none (catalog/all.yaml:16:3)  [production]\n"
        "  ok      seats for all  3 customers\n"
        "2 tests in local, production: 1 does not hold.\n"
    )
    assert bac("test", "--env", "local").stdout.endswith("2 tests in local: all hold.\n")
    found = json.loads(bac("test", "--json", code=1).stdout)
    assert [(t["test"], t["environment"]) for t in found["tests"] if not t["holds"]] == [("acme has sso", "production")]
    assert found["tests"][1]["failures"][0]["at"] == {"file": "catalog/all.test.yaml", "line": 5, "column": 12}
    project.write("catalog/all.test.yaml", "tests: 3\n")
    assert json.loads(bac("test", "--json", code=1).stdout)["problems"][0]["line"] == 1


def test_the_schema_for_editors_takes_the_sample_and_the_pages_examples() -> None:
    validator = jsonschema.Draft202012Validator(expectation_schema())
    validator.validate(yaml.safe_load((ROOT / "catalog/packages.test.yaml").read_text()))
    page = (ROOT / "docs/catalog-tests.md").read_text()
    blocks = re.findall(r"^```yml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        _, problems = expectations("page", block.encode(), ["local", "staging", "production"])
        assert problems == []
        validator.validate(yaml.safe_load(block))


def test_the_sample_catalog_keeps_what_its_tests_say() -> None:
    assert service.hold(load_config(ROOT)).failed == ()
