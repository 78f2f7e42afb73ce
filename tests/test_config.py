"""`bac.yaml`: what it says, everything that is wrong with it at once, and which environment a command is for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from billing_as_code.config import Config, Environment, load, select
from billing_as_code.errors import CatalogError, UsageError

FULL = """\
catalog: billing
owner: acme-billing
environments:
  local: {}
  staging: {url: "HTTP://OpenMeter.Staging.Internal:80/"}
  production:
    url: https://openmeter.cloud:443/base/
    token: {from_env: OPENMETER_API_KEY}
    require_approval: true
    reads: 4
    writes: {wide: 6, narrow: 1}
    timeout: 12.5
limits: {deletes: 2, changed_share: 12.5%}
ignore: ["customers.*.metadata.crm_*", "*.*.metadata.x"]
exclusive: [features]
secrets: [WEBHOOK_SECRET]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(folder: Path, text: str) -> Config:
    (folder / "bac.yaml").write_text(text)
    return load(folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(CatalogError) as error:
        config(folder, text)
    return [str(problem) for problem in error.value.problems]


# -- what it says -----------------------------------------------------------------------------------------------------


def test_every_field_is_read(folder: Path) -> None:
    found = config(folder, FULL)
    assert found.root == folder
    assert found.catalog == folder / "billing"
    assert found.owner == "acme-billing"
    assert list(found.environments) == ["local", "staging", "production"]
    assert found.environments["production"] == Environment(
        "production",
        "https://openmeter.cloud/base",
        "OPENMETER_API_KEY",
        require_approval=True,
        reads=4,
        wide=6,
        narrow=1,
        timeout=12.5,
    )
    assert (found.limits.deletes, found.limits.changed_share) == (2, Decimal("12.5"))
    assert found.ignore == ("customers.*.metadata.crm_*", "*.*.metadata.x")
    assert found.exclusive == {"features"}
    assert found.secrets == ("WEBHOOK_SECRET",)


def test_an_owner_is_all_that_is_needed(folder: Path) -> None:
    found = config(folder, "owner: acme")
    assert found.catalog == folder / "catalog"
    assert found.environments == {"local": Environment("local")}
    assert found.environments["local"].embedded
    assert (found.limits.deletes, found.limits.changed_share) == (5, Decimal(30))


def test_an_environment_without_a_url_is_the_embedded_server_with_data_of_its_own(folder: Path) -> None:
    found = config(folder, "owner: acme\nenvironments: {sandbox: }")
    assert found.data(found.environments["sandbox"]) == folder / ".bac" / "sandbox.db"


def test_it_is_found_from_any_folder_below(folder: Path) -> None:
    (folder / "bac.yaml").write_text("owner: acme")
    below = folder / "catalog" / "customers"
    below.mkdir(parents=True)
    assert load(below).root == folder


def test_it_can_be_named_itself(folder: Path) -> None:
    (folder / "other.yaml").write_text("owner: acme")
    assert load(folder / "other.yaml").owner == "acme"


def test_without_one_init_is_proposed(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no bac\.yaml in .* `bac init` makes one"):
        load(folder)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HTTPS://OpenMeter.CLOUD", "https://openmeter.cloud"),
        ("https://openmeter.cloud:443/", "https://openmeter.cloud"),
        ("http://openmeter.cloud:443", "http://openmeter.cloud:443"),
        ("http://localhost:8888/v/", "http://localhost:8888/v"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_two_spellings_of_a_url_are_one(folder: Path, written: str, meant: str) -> None:
    found = config(folder, f"owner: acme\nenvironments: {{there: {{url: '{written}'}}}}")
    assert found.environments["there"].url == meant


# -- what is wrong with it --------------------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_each_with_its_place_and_remedy(folder: Path) -> None:
    text = """\
ownr: acme
environments:
  local: {urll: x}
  bad name: {}
  production: {url: ftp://openmeter.cloud, token: abc, reads: 0, timeout: soon, writes: {wide: many, slow: 1}}
limits: {deletes: -1, changed_share: 30}
ignore: [customer.*.name, customers.x]
exclusive: [feature]
secrets: [a b]
"""
    assert problems(folder, text) == [
        "bac.yaml:1:1: `owner` is missing (the name written on what bac creates, such as owner: acme-billing)",
        "bac.yaml:1:1: unknown field `ownr` (did you mean `owner`?)",
        "bac.yaml:3:11: environments.local: unknown field `urll` (did you mean `url`?)",
        "bac.yaml:4:3: environments: `bad name` is no name of an environment "
        "(letters and digits, `-` and `_` in between)",
        "bac.yaml:5:21: environments.production: `url` is no http or https address "
        "(url: https://openmeter.example.com)",
        "bac.yaml:5:51: environments.production: `token` is written out, and a secret never stands in a file "
        "(token: {from_env: OPENMETER_API_KEY})",
        "bac.yaml:5:63: environments.production: `reads` is 0, and must be a whole number from 1 to 64 (reads: 8)",
        "bac.yaml:5:75: environments.production: `timeout` is text, and must be seconds from 1 to 3600 (timeout: 30)",
        "bac.yaml:5:96: environments.production.writes: `wide` is text, and must be a whole number from 1 to 64 "
        "(wide: 8)",
        "bac.yaml:5:102: environments.production.writes: unknown field `slow` (known here: wide, narrow)",
        "bac.yaml:6:19: limits: `deletes` is -1, and must be a whole number from 0 to 1000000 (deletes: 5)",
        "bac.yaml:6:38: limits: `changed_share` is 30, and must be a percentage (changed_share: 30%)",
        "bac.yaml:7:10: `ignore` names an unknown section `customer` (did you mean `customers`?)",
        'bac.yaml:7:27: `customers.x` names no field of a resource (ignore: ["customers.*.metadata.crm_*"])',
        "bac.yaml:8:13: `exclusive` names an unknown section `feature` (did you mean `features`?)",
        "bac.yaml:9:11: `secrets` lists names of environment variables (secrets: [WEBHOOK_SECRET])",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "owner: [acme", "owner: acme\nowner: other\n", "\0"])
def test_what_cannot_be_read_is_told_and_no_traceback(folder: Path, text: str) -> None:
    assert problems(folder, text)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:hunter2@openmeter.cloud", "holds a user or a password"),
        ("https://openmeter.cloud?key=hunter2", "has a `?` or `#` part"),
        ("https://:443", "names no host"),
        ("https://openmeter.cloud:99999", "has a port that is none"),
        ("openmeter.cloud", "is no http or https address"),
    ],
)
def test_a_url_that_is_refused_is_not_repeated_since_it_may_hold_a_secret(folder: Path, url: str, said: str) -> None:
    [told] = problems(folder, f"owner: acme\nenvironments: {{production: {{url: '{url}'}}}}")
    assert said in told
    assert "hunter2" not in told


@pytest.mark.parametrize("token", ["hunter2", "{from_env: 'hunter2 x'}", "{from_env: }", "{from_file: x}", "[x]"])
def test_a_token_comes_from_an_environment_variable_and_from_nowhere_else(folder: Path, token: str) -> None:
    text = f"owner: acme\nenvironments: {{production: {{url: 'https://a.example', token: {token}}}}}"
    for told in problems(folder, text):
        assert "hunter2" not in told


@pytest.mark.parametrize("owner", ["acme billing", "-acme", "a/b", "a--b", "x" * 64, "ü1"])
def test_an_owner_that_no_feature_can_carry_is_refused(folder: Path, owner: str) -> None:
    [told] = problems(folder, f"owner: {owner!r}")
    assert "cannot be written on a feature" in told


def test_the_embedded_server_takes_no_token(folder: Path) -> None:
    [told] = problems(folder, "owner: acme\nenvironments: {local: {token: {from_env: KEY}}}")
    assert "`token` without a `url`" in told


# -- the token --------------------------------------------------------------------------------------------------------


def test_a_token_is_taken_from_its_variable_and_trimmed() -> None:
    environment = Environment("production", "https://a.example", "KEY")
    assert environment.token({"KEY": " abc\n"}) == "abc"
    assert Environment("local").token({"KEY": "abc"}) is None


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_token_that_is_not_set_is_told_by_its_variables_name(value: str | None) -> None:
    environ = {} if value is None else {"KEY": value}
    with pytest.raises(UsageError, match="environment production takes its token from KEY, which is not set"):
        Environment("production", "https://a.example", "KEY").token(environ)


def test_a_token_with_a_control_character_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as error:
        Environment("production", "https://a.example", "KEY").token({"KEY": "abc\r\nx-admin: 1"})
    assert "x-admin" not in str(error.value)


# -- which environment ------------------------------------------------------------------------------------------------


def test_the_flag_goes_before_the_variable_and_that_before_the_local_one(folder: Path) -> None:
    found = config(folder, FULL)
    assert select(found, "staging", {"BAC_ENV": "production"}).name == "staging"
    assert select(found, None, {"BAC_ENV": "production"}).name == "production"
    assert select(found, None, {"BAC_ENV": ""}).name == "local"


def test_the_first_embedded_one_is_the_local_one_whatever_it_is_called(folder: Path) -> None:
    found = config(folder, "owner: a1\nenvironments: {far: {url: 'http://far'}, sandbox: {}, other: {}}")
    assert select(found, None, {}).name == "sandbox"


def test_without_a_local_one_an_environment_must_be_named(folder: Path) -> None:
    found = config(folder, "owner: a1\nenvironments: {far: {url: 'http://far'}}")
    with pytest.raises(UsageError, match="no local environment, so name one: --env far"):
        select(found, None, {})


@pytest.mark.parametrize("ci", ["true", "1", "yes"])
def test_in_ci_an_environment_must_be_named(folder: Path, ci: str) -> None:
    found = config(folder, FULL)
    with pytest.raises(UsageError, match="CI is set, so the environment must be named: --env staging, or BAC_ENV="):
        select(found, None, {"CI": ci})
    assert select(found, "local", {"CI": ci}).name == "local"
    assert select(found, None, {"CI": ci, "BAC_ENV": "local"}).name == "local"


def test_ci_that_is_off_is_no_ci(folder: Path) -> None:
    assert select(config(folder, FULL), None, {"CI": "false"}).name == "local"


def test_an_unknown_environment_is_told_with_what_may_be_meant(folder: Path) -> None:
    found = config(folder, FULL)
    with pytest.raises(
        UsageError, match=r"--env 'prodution': there is no such environment \(did you mean `production`"
    ):
        select(found, "prodution", {})
    with pytest.raises(UsageError, match=r"BAC_ENV 'xyz': .*bac\.yaml has local, staging, production"):
        select(found, None, {"BAC_ENV": "xyz"})
