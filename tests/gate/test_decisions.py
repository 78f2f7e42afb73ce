"""What is signed, byte by byte, and whose signature counts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reviewing import Approver

from billing_as_code.errors import UsageError
from billing_as_code.gate import decisions, keys
from billing_as_code.gate.approvers import NAMESPACE, Approvers, parse
from billing_as_code.gate.decisions import Decision
from billing_as_code.gate.sshsig import BadSignature
from billing_as_code.plan import Target

NOW = 1_795_521_600
PRODUCTION = Target("production", "https://openmeter.cloud", "acme")
DIGEST = "ab" * 32
TARGETS = st.builds(Target, st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
DECISIONS = st.builds(
    Decision,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    TARGETS,
    st.sampled_from(("approve", "reject")),
    st.text(max_size=9),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.text(max_size=9),
)


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Approver:
    return Approver("ada", tmp_path_factory.mktemp("ada"))


def signed(by: Approver, decision: Decision) -> str:
    return decisions.dump(decision, keys.sign(by.file, decision.message(), NAMESPACE))


def allowed(*lines: str) -> Approvers:
    return Approvers("a test", parse("".join(lines), "a test"))


@given(DECISIONS, DECISIONS)
def test_two_decisions_have_one_message_where_they_are_one(one: Decision, other: Decision) -> None:
    assert (one.message() == other.message()) == (one == other)
    assert one.message().startswith(b"bac-approval-v1\0{")


@given(st.data())
def test_a_decision_counts_as_it_was_signed_and_in_no_other_way(ada: Approver, data: st.DataObject) -> None:
    made = replace(data.draw(DECISIONS), by="ada")
    text = signed(ada, made)
    found = decisions.verified(text, made.digest, made.target, allowed(ada.line()), NOW)
    assert found.decision == made
    fields = json.loads(text)
    name = data.draw(st.sampled_from(sorted(asdict(made))))
    other = asdict(data.draw(DECISIONS.filter(lambda d: asdict(d)[name] != asdict(made)[name])))[name]
    changed = json.dumps({**fields, name: other})
    for digest, target in ((made.digest, made.target), (str(other), made.target)):
        with pytest.raises(BadSignature):
            decisions.verified(changed, digest, target, allowed(ada.line()), NOW)


@pytest.mark.parametrize(
    "changes",
    [{"at": True}, {"until": 1.5}, {"verdict": "maybe"}, {"target": []}, {"by": None}, {"extra": 1}, {"reason": 7}],
)
def test_what_is_no_decision_is_refused(ada: Approver, changes: dict[str, Any]) -> None:
    fields = json.loads(signed(ada, Decision(DIGEST, PRODUCTION, "approve", "ada", NOW)))
    for text in (json.dumps({**fields, **changes}), "[]", "", "null", "[" * 100_000):
        with pytest.raises(BadSignature, match="is no decision"):
            decisions.verified(text, DIGEST, PRODUCTION, allowed(ada.line()), NOW)


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ('namespaces="bac-approval-v1"', True),
        ('namespaces="git,bac-*"', True),
        ('valid-after="20260101",valid-before="20270101"', True),
        ('valid-before="20261124120000Z"', False),
        ('valid-before="202611241201"', True),
        ('valid-after="20261124120001"', False),
    ],
)
def test_an_approvers_options_say_for_what_and_when_it_counts(ada: Approver, options: str, counts: bool) -> None:
    text = signed(ada, Decision(DIGEST, PRODUCTION, "approve", "ada", NOW))
    lines = ada.line(options)
    if counts:
        assert decisions.verified(text, DIGEST, PRODUCTION, allowed(lines), NOW).decision.by == "ada"
    else:
        with pytest.raises(BadSignature, match="does not count at that time"):
            decisions.verified(text, DIGEST, PRODUCTION, allowed(lines), NOW)


def test_a_key_that_has_lapsed_since_cannot_date_its_decisions_back(ada: Approver) -> None:
    text = signed(ada, Decision(DIGEST, PRODUCTION, "approve", "ada", NOW - 100))
    with pytest.raises(BadSignature, match="does not count at that time"):
        decisions.verified(text, DIGEST, PRODUCTION, allowed(ada.line('valid-before="20261124115959"')), NOW)


def test_an_approver_signs_under_its_own_name(ada: Approver) -> None:
    text = signed(ada, Decision(DIGEST, PRODUCTION, "approve", "grace", NOW))
    with pytest.raises(BadSignature, match="no approver's"):
        decisions.verified(text, DIGEST, PRODUCTION, allowed(ada.line()), NOW)
    assert decisions.verified(text, DIGEST, PRODUCTION, allowed(ada.line().replace("ada", "grace,g", 1)), NOW)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ada ssh-rsa AAAAB3NzaC1yc2E=", "ed25519 keys count, and no others"),
        ("ada ssh-ed25519", "is no line of an approver"),
        ("ada ssh-ed25519 AAAA!", "is no base64"),
        ("ada ssh-ed25519 AAAA", "is cut off"),
        ("ada cert-authority ssh-ed25519 AAAA", "the option cert-authority is not known"),
        ('ada valid-until="20270101" KEY', "the option valid-until is not known"),
        ('ada valid-before="20270101",valid-before="20300101" KEY', "stands twice"),
        ('ada valid-before="tomorrow" KEY', "tomorrow is no time"),
        ('ada valid-before="20271399" KEY', "20271399 is no time"),
        ("*@example.com KEY", "a pattern is no name"),
    ],
)
def test_a_line_that_is_not_understood_stops_all(ada: Approver, line: str, why: str) -> None:
    with pytest.raises(UsageError, match="a test:2: ") as caught:
        allowed("# who may\n", line.replace("KEY", ada.public) + "\n", ada.line())
    assert why in str(caught.value)


def test_a_list_without_anybody_is_an_error(ada: Approver) -> None:
    for text in ("", "# nobody\n", ada.line('namespaces="git"')):
        with pytest.raises(UsageError, match="names no approvers"):
            allowed(text)


def test_a_list_beside_the_project_in_its_repository_is_refused(tmp_path: Path, ada: Approver) -> None:
    import subprocess

    from billing_as_code.gate import approvers

    project = tmp_path / "repository/billing"
    project.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", project.parent], check=True)
    for folder, is_inside in ((project, True), (project.parent, True), (tmp_path, False)):
        file = folder / "bac/approvers"
        file.parent.mkdir()
        file.write_text(ada.line())
        for environ in ({"BAC_APPROVERS": str(file)}, {"XDG_CONFIG_HOME": str(folder)}):
            if is_inside:
                with pytest.raises(UsageError, match="is in the work tree"):
                    approvers.find(project, environ)
            else:
                assert approvers.find(project, environ).all[0].name == "ada"
    file.chmod(0o666)
    with pytest.raises(UsageError, match="can be written by anybody"):
        approvers.find(project, {"BAC_APPROVERS": str(file)})
