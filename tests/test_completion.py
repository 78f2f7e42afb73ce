"""Completion in bash, zsh and fish, by the protocol that their scripts speak: environments, addresses, topics."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing_as_code.cli import main
from billing_as_code.kinds import KINDS

ODD = """
customers:
  "a.b": {name: x}
  "acme 'x' \\"$y\\"": {name: x}
  "zoë:1": {name: x}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that `bac init` has filled, as the working folder."""
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "BAC_ENV"):
        monkeypatch.delenv(variable, raising=False)
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    return tmp_path


def complete(shell: str, *words: str) -> list[str]:
    """What a shell is offered for the last of some words, each as it is typed."""
    if shell == "fish":
        environ = {"COMP_WORDS": " ".join(words[:-1]), "COMP_CWORD": words[-1]}
    else:
        between = "\n" if shell == "bash" else " "
        environ = {"COMP_WORDS": between.join(words), "COMP_CWORD": str(len(words) - 1)}
    environ["_BAC_COMPLETE"] = f"{shell}_complete"
    result = CliRunner().invoke(main, [], env=environ, prog_name="bac")
    assert result.stderr == ""
    rows = [row for row in result.stdout.splitlines() if row]
    return rows[1::3] if shell == "zsh" else [row.partition(",")[2].partition("\t")[0] for row in rows]


SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_that_names_bac(shell: str) -> None:
    assert "_BAC_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", ["plan --only", "apply --replace", "owner --from x --only"])
def test_addresses_are_completed(shell: str, command: str) -> None:
    assert complete(shell, "bac", *command.split(), "entitlements.g") == [
        "entitlements.globex.ai_tokens",
        "entitlements.globex.sso",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_environments_and_topics_are_completed(shell: str) -> None:
    assert complete(shell, "bac", "doctor", "--env", "lo") == ["local"]
    assert complete(shell, "bac", "explain", "gr") == ["grants"]
    assert complete(shell, "bac", "explain", "entitlements.iss") == [
        *("entitlements.issue", "entitlements.issue.amount", "entitlements.issue.priority")
    ]
    assert set(KINDS) < {row.replace("\\", "") for row in complete(shell, "bac", "explain", "")}


def test_addresses_are_those_of_the_environment_that_is_named(project: Path) -> None:
    config = project / "bac.yaml"
    config.write_text(config.read_text().replace("local: {}", "local: {}\n  staging: {url: http://s.example}"))
    folder = project / "catalog" / "environments" / "staging"
    folder.mkdir(parents=True)
    (folder / "more.yaml").write_text("customers: {initech: {name: Initech}}\n")

    assert complete("bash", "bac", "plan", "--env", "staging", "--only", "customers.i") == ["customers.initech"]
    assert complete("bash", "bac", "plan", "--only", "customers.i") == []


def test_quoted_addresses_reach_bash_escaped_and_the_others_as_they_are(project: Path) -> None:
    (project / "catalog" / "odd.yaml").write_text(ODD)

    # zsh and fish escape what they put into the line themselves
    plain = ['customers."a.b"', 'customers."acme \'x\' \\"$y\\""', 'customers."zoë:1"']
    assert complete("fish", "bac", "plan", "--only", "customers.") == ["customers.acme", "customers.globex", *plain]
    assert complete("zsh", "bac", "plan", "--only", "customers.")[2:] == plain
    # bash does not; and `read` in its script takes one backslash of two
    escaped = [row.replace("\\\\", "\\") for row in complete("bash", "bac", "plan", "--only", "customers.")[2:]]
    assert escaped == [
        'customers.\\"a.b\\"',
        'customers.\\"acme\\ \\\'x\\\'\\ \\\\\\"\\$y\\\\\\"\\"',
        'customers.\\"zoë\\:1\\"',
    ]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ('customers.\\"zo', 'customers.\\"zoë\\:1\\"'),
        ("'customers.\"zo", 'customers."zoë:1"'),
        ('"customers.\\"zo', 'customers.\\"zoë:1\\"'),
    ],
)
def test_bash_is_offered_what_fits_the_quote_that_is_open(project: Path, typed: str, offered: str) -> None:
    (project / "catalog" / "odd.yaml").write_text(ODD)

    assert complete("bash", "bac", "plan", "--only", typed) == [offered.replace("\\", "\\\\")]


@pytest.mark.parametrize("typed", ["customers.a", 'customers."a'])
def test_what_is_offered_is_the_address_when_bash_has_read_it(project: Path, typed: str) -> None:
    """The script's own way: `read`, then the word goes into a line that bash reads."""
    (project / "catalog" / "odd.yaml").write_text(ODD)
    offered = complete("bash", "bac", "plan", "--only", typed.replace('"', '\\"'))

    script = "while IFS=, read type value; do eval \"printf '%s\\n' $value\"; done"
    rows = "".join(f"plain,{row}\n" for row in offered)
    read = subprocess.run(["bash", "-c", script], input=rows, capture_output=True, text=True, check=True).stdout

    assert read.splitlines() == complete("fish", "bac", "plan", "--only", typed.replace('"', '\\"'))


def test_a_catalog_that_is_wrong_is_completed_as_far_as_it_can_be_read(project: Path) -> None:
    (project / "catalog" / "wrong.yaml").write_text("customers: {initech: {nam: Initech}}\nmetrs: {}\n")

    assert complete("bash", "bac", "plan", "--only", "customers.i") == ["customers.initech"]
    (project / "catalog" / "wrong.yaml").write_text("customers: {initech: {")
    assert complete("bash", "bac", "plan", "--only", "customers.i") == []


@pytest.mark.parametrize("config", ["", "owner: [", "owner: x\nenvironments: {production: {url: http://x}}\n"])
def test_completion_is_silent_where_there_is_nothing_to_offer(project: Path, config: str) -> None:
    (project / "bac.yaml").write_text(config)

    assert complete("bash", "bac", "plan", "--only", "customers.a") == []
    assert complete("bash", "bac", "plan", "--env", "lo") == []


def test_completion_imports_nothing_that_takes_time(project: Path) -> None:
    code = "from billing_as_code.cli import main\nimport sys\ntry:\n    main()\nfinally:\n    print(*sys.modules)"
    environ = {**os.environ, "_BAC_COMPLETE": "bash_complete", "COMP_WORDS": "bac\nplan\n--only\nm", "COMP_CWORD": "3"}
    ran = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)

    offered, modules = ran.stdout.splitlines()
    assert offered == "plain,meters.tokens_total"
    assert not {"httpx", "flask", "rich", "jsonschema", "deepdiff"} & set(modules.split())
