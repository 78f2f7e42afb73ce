"""The command line as a person and a pipeline meet it: what is printed, and the exit codes."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from commands import BAC, Bac, plain, run
from serving import serving
from terminal import on_a_terminal

from billing_as_code import schemas, service
from billing_as_code.cli import main
from billing_as_code.reader import read

ROOT = Path(__file__).parent.parent
COMMANDS = list(main.commands)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)


@pytest.fixture
def bac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bac:
    """Runs `bac` in a folder of its own, and sees that it ends with an expected exit code."""
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def project(bac: Bac) -> Bac:
    """The same, in a folder that `bac init` has filled."""
    bac("init", "--owner", "acme")
    return bac


def edit(file: str, old: str, new: str) -> None:
    path = Path(file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def lower_a_limit() -> None:
    edit("catalog/product.yaml", "amount: 100000", "amount: 50000")


# -- the first minute -------------------------------------------------------------------------------------------------


def test_from_nothing_to_an_applied_catalog(bac: Bac) -> None:
    written = bac("init").stdout
    assert "catalog/customers.yaml" in written
    assert "bac plan" in written
    assert "The catalog is valid" in bac("validate").stdout
    assert "Plan: 8 to create" in bac("plan").stdout
    assert "Applied: 8 done." in bac("apply", "--yes").stdout
    assert bac("plan").stdout.startswith("Nothing to do: local · embedded server")
    assert bac("drift").stdout.startswith("No drift")


def test_what_init_writes_names_its_schemas_and_is_right_by_them(project: Bac) -> None:
    for file in (Path("bac.yaml"), *Path("catalog").glob("*.yaml")):
        check_against_its_schema(file)


def test_init_overwrites_nothing_and_writes_nothing_then(bac: Bac) -> None:
    Path("bac.yaml").write_text("mine")
    result = bac("init", code=1)
    assert result.stderr == "error: nothing was written, since this exists already: bac.yaml\n"
    assert list(Path().iterdir()) == [Path("bac.yaml")]


def test_init_leaves_a_gitignore_alone(bac: Bac) -> None:
    Path(".gitignore").write_text("mine\n")
    bac("init")
    assert Path(".gitignore").read_text() == "mine\n"


def test_inits_owner_is_the_folders_name_as_a_label(bac: Bac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, owner in (("Acme Billing!", "acme-billing"), ("ü", "my-billing")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        bac("init")
        assert f"owner: {owner} #" in Path("bac.yaml").read_text()
    assert "cannot be written on a feature" in bac("init", "--owner", "a b", code=1).stderr


# -- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(bac: Bac, command: str) -> None:
    text = bac(command, "--help").stdout
    assert "Examples:\n  bac " in text.replace("  Examples:\n    bac", "Examples:\n  bac") or f"bac {command}" in text
    assert "Example" in text


def test_help_lists_every_command(bac: Bac) -> None:
    text = bac("--help").stdout
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert bac().stdout == text


def test_help_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys, atexit; from billing_as_code.cli import main\n"
        "heavy = ('httpx', 'yaml', 'flask', 'rich', 'jsonschema', 'jsonschema_rs', 'deepdiff', 'sqlite3')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules]))\n"
        "main(['--help'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.endswith("[]\n")


def test_a_plan_that_finds_nothing_to_do_imports_no_more_than_it_needs(project: Bac) -> None:
    project("apply", "--yes")
    others = ["mcp", "rich", "jsonschema", "deepdiff", "cryptography"]
    others += [f"billing_as_code.{room}" for room in ("agents", "authoring", "doctor", "ingest", "service.applying")]
    code = f"import sys, atexit; atexit.register(lambda: print([m for m in {others} if m in sys.modules]));"
    code += "from billing_as_code.cli import main; main(['plan'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[1:] == ["[]"]


def test_the_version_is_told(bac: Bac) -> None:
    assert bac("--version").stdout.startswith("bac ")


@pytest.mark.parametrize(
    "args", [["nope"], ["plan", "--nope"], ["plan", "--format", "pdf"], ["completion"], ["apply", "a", "b"]]
)
def test_wrong_usage_is_exit_code_1_on_stderr(bac: Bac, args: list[str]) -> None:
    result = bac(*args, code=1)
    assert "error: " in result.stderr
    assert result.stdout == ""


def test_a_command_with_a_slip_is_understood_and_not_run(bac: Bac) -> None:
    assert "Did you mean 'plan'?" in bac("pln", code=1).stderr


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_without_a_configuration_init_is_proposed(bac: Bac) -> None:
    for command in ("validate", "plan", "apply", "drift"):
        assert "`bac init` makes one" in bac(command, code=1).stderr


def test_all_problems_of_the_catalog_are_told_with_their_places(project: Bac) -> None:
    edit("catalog/product.yaml", "aggregation: sum", "agregation: sum")
    edit("catalog/customers.yaml", "currency: EUR", "currency: Euro")
    for command in ("validate", "plan", "drift"):
        told = project(command, code=1).stderr.splitlines()
        assert told[0].startswith("error: catalog/customers.yaml:9:15: customers.globex: ")
        assert any("did you mean `aggregation`?" in row for row in told)
        assert told[-1].endswith("in 2 files")


def test_many_problems_are_capped_and_counted(project: Bac) -> None:
    rows = "\n".join(f"  c{n}: {{nam: x}}" for n in range(300))
    Path("catalog/more.yaml").write_text(f"customers:\n{rows}\n")
    told = project("validate", code=1).stderr.splitlines()
    assert len([row for row in told if row.startswith("error: ")]) == 50
    assert told[-2:] == ["... and 550 more", "600 problems in 1 file"]


def test_an_environment_is_asked_for_in_ci(project: Bac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "--env local" in project("plan", code=1).stderr
    project("plan", "--env", "local")


def test_a_bug_keeps_its_traceback(project: Bac, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(service, "plan", broken)
    with pytest.raises(ZeroDivisionError):
        project("plan")


def test_an_openmeter_that_is_not_there_is_told_in_a_line(project: Bac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_as_code.client.TRIES", 1)
    edit("bac.yaml", "local: {}", "local: {url: 'http://127.0.0.1:9'}")
    told = project("plan", code=1).stderr
    assert "error: " in told
    assert "127.0.0.1:9" in told


def test_the_program_ends_at_once_and_says_all_that_it_had_to_say(project: Bac) -> None:
    plan = project("plan", "--exit-code", code=2).stdout
    slow = f"import atexit; atexit.register(lambda: print('taken apart')); {BAC[2]}"
    done = subprocess.run([BAC[0], "-c", slow, "plan", "--exit-code"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, plan, "")


def test_the_program_waits_for_threads_that_still_work(project: Bac) -> None:
    then = "threading.main_thread().join(), print('worked')"
    work = f"import threading; threading.Thread(target=lambda: ({then})).start()"
    done = subprocess.run([BAC[0], "-c", f"{work}; {BAC[2]}", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nworked\n")


def test_a_full_disk_is_told_at_the_end(project: Bac) -> None:
    done = subprocess.run(["bash", "-c", '"$@" > /dev/full', "-", *BAC, "--version"], capture_output=True, check=False)
    assert done.returncode != 0
    assert b"No space left" in done.stderr


def test_a_reader_that_has_enough_is_no_error(project: Bac) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1', "-", *BAC, "plan"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("Plan for local")
    assert done.stderr == ""


# -- plan -------------------------------------------------------------------------------------------------------------


def test_exit_code_2_tells_of_changes_where_it_is_asked_for(project: Bac) -> None:
    project("plan", code=0)
    project("plan", "--exit-code", code=2)
    project("apply", "--yes")
    project("plan", "--exit-code", code=0)


def test_a_plan_as_json_is_a_plan_with_its_names_and_counts(project: Bac) -> None:
    found = json.loads(project("plan", "--json").stdout)
    assert found["counts"]["create"] == 8
    assert found["class"] == "commercial"
    assert len(found["digest"]) == len(found["intent"]) == 64
    jsonschema.validate(found["plan"], schemas.schemas()["plan.schema.json"])
    assert project("plan", "--format", "json").stdout == project("plan", "--json").stdout


def test_a_plan_with_every_action_is_right_by_the_plan_schema(project: Bac) -> None:
    project("apply", "--yes")
    lower_a_limit()
    edit("catalog/product.yaml", "{name: Single sign-on}", "{name: SSO}")
    edit("catalog/customers.yaml", "    sso: {type: boolean}\n", "")
    edit("catalog/customers.yaml", "name: ACME Inc.", "name: ACME Ltd.")
    edit("catalog/product.yaml", "aggregation: sum", "aggregation: latest")
    edit("catalog/customers.yaml", "customers:\n", "customers:\n  initech: {name: Initech}\n")
    found = json.loads(project("plan", "--json").stdout)
    assert {c["action"] for c in found["plan"]["changes"]} == {"create", "update", "replace", "delete"}
    assert found["plan"]["held"]
    jsonschema.validate(found["plan"], schemas.schemas()["plan.schema.json"])
    text = project("plan").stdout
    assert "! - entitlements.globex.sso" in text
    assert "! ± meters.tokens_total" in text


def test_a_plan_as_markdown_is_a_comment(project: Bac) -> None:
    assert project("plan", "--format", "markdown").stdout.startswith("### bac plan: 8 to create")


def test_a_plan_as_html_is_a_page(project: Bac) -> None:
    found = project("plan", "--format", "html").stdout
    assert found.startswith("<!doctype html>\n")
    assert '"address":"entitlements.acme.ai_tokens"' in found


@pytest.mark.parametrize("output", ["text", "markdown"])
def test_a_saved_plan_is_rendered_as_the_plan_was(project: Bac, output: str) -> None:
    shown = project("plan", "--out", "plan.json", "--format", output).stdout.partition("Next:")[0]
    Path("bac.yaml").unlink()
    assert project("render", "plan.json", "--format", output).stdout == shown
    assert project("render", "plan.json", "--format", output, "--out", "out").stdout == ""
    assert Path("out").read_text() == shown
    assert Path("out").stat().st_mode & 0o777 == 0o600


def test_a_saved_plan_becomes_json_a_page_and_requests(project: Bac) -> None:
    made = json.loads(project("plan", "--out", "plan.json", "--json").stdout)
    assert json.loads(project("render", "plan.json", "--json").stdout) == made
    assert f"<code>{made['digest'][:12]}</code>" in project("render", "plan.json", "--format", "html").stdout
    planned, saved = (project(*args, "--show-requests").stdout for args in (["plan"], ["render", "plan.json"]))
    assert sorted(saved) == sorted(planned)  # a file's keys are sorted


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("changes", 0, "action"), "smash"),
        (("changes", 0, "class"), 3),
        (("changes", 0, "after", "spec"), []),
        (("changes", 0, "reads"), {}),
        (("target", "url"), 5),
        (("existing",), "12"),
    ],
)
def test_a_plan_file_changed_into_what_nobody_can_carry_out_is_refused(
    project: Bac, path: tuple[str | int, ...], value: object
) -> None:
    project("plan", "--out", "plan.json")
    made = json.loads(Path("plan.json").read_text())
    at = made
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    Path("plan.json").write_text(json.dumps(made))
    for command in (["render", "plan.json"], ["apply", "plan.json", "--yes"]):
        told = project(*command, code=1).stderr
        assert told == "error: plan.json: this is no plan file of bac (bac plan --out FILE makes one)\n"


def test_rendering_what_is_no_plan_names_the_file(project: Bac) -> None:
    assert project("render", "nothing.json", code=1).stderr.startswith("error: nothing.json: No such file")
    assert project("render", "bac.yaml", code=1).stderr.startswith("error: bac.yaml: this is no plan file of bac")
    project("plan", "--out", "plan.json")
    assert project("render", "plan.json", "--out", "no/where", code=1).stderr.startswith(
        "error: --out no/where: No such"
    )


def test_show_requests_prints_the_writes_and_nothing_else(project: Bac) -> None:
    found = project("plan", "--show-requests").stdout
    assert found.startswith("# create customers.acme\nPOST /api/v1/customers\n  {\n")
    assert "POST /api/v2/customers/{id of customers.acme}/entitlements" in found
    assert "Plan" not in found


def test_only_takes_what_it_depends_on_and_nothing_else(project: Bac) -> None:
    found = project("plan", "--only", "entitlements.acme").stdout
    assert "Plan: 4 to create" in found
    assert "globex" not in found


@pytest.mark.parametrize("flag", ["--only", "--replace"])
def test_an_address_that_is_none_is_told(project: Bac, flag: str) -> None:
    assert f"{flag} nope" in project("plan", flag, "nope", code=1).stderr


def test_a_saved_plan_is_the_plan_schemas_and_its_owners_alone(project: Bac) -> None:
    project("plan", "--out", "plan.json")
    assert Path("plan.json").stat().st_mode & 0o077 == 0
    jsonschema.validate(json.loads(Path("plan.json").read_text()), schemas.schemas()["plan.schema.json"])


def test_the_next_step_is_told_with_what_stands_against_it(project: Bac) -> None:
    assert project("plan", "--out", "p.json").stdout.endswith("\nNext: bac apply p.json\n")
    project("apply", "--yes")
    lower_a_limit()
    last = project("plan").stdout.splitlines()[-2:]
    assert last[0] == "Next: bac apply"
    assert last[1].startswith("As it stands that would be refused: 1 breaking: entitlements.acme.ai_tokens.")
    assert "--allow-breaking" in last[1]


# -- apply ------------------------------------------------------------------------------------------------------------


def test_nobody_to_ask_means_no_and_exit_code_5(project: Bac) -> None:
    told = project("apply", code=5).stderr
    assert told == (
        "error: nothing was written: there is nobody to ask (no terminal, or CI). If it is meant: bac apply --yes\n"
    )
    assert "8 to create" in project("plan").stdout


def test_each_finished_change_is_a_line_where_nobody_watches(project: Bac) -> None:
    found = project("apply", "--yes").stdout
    assert "✓ 8/8 " in found
    assert found.count("✓ ") == 8
    assert "\x1b" not in found


def test_an_apply_as_json_says_what_became_of_it(project: Bac) -> None:
    found = json.loads(project("apply", "--yes", "--json").stdout)
    assert len(found["done"]) == 8
    assert found["failed"] == {}
    assert found["blocked"] == []


def test_nothing_to_do_asks_nothing_and_is_exit_code_0(project: Bac) -> None:
    project("apply", "--yes")
    assert project("apply").stdout.startswith("Nothing to do")


def test_breaking_changes_need_to_be_allowed(project: Bac) -> None:
    project("apply", "--yes")
    lower_a_limit()
    assert "--allow-breaking" in project("apply", "--yes", code=5).stderr
    assert "Applied: 1 done." in project("apply", "--yes", "--allow-breaking").stdout


def test_a_saved_plan_is_applied_as_it_is_and_told_in_short(project: Bac) -> None:
    project("plan", "--out", "plan.json")
    edit("catalog/customers.yaml", "ACME Inc.", "ACME Ltd.")
    found = project("apply", "plan.json", "--yes").stdout
    assert found.startswith("Plan for local")
    assert "customers.acme\n" not in found
    assert "ACME Inc. → ACME Ltd." in project("plan").stdout


def test_a_stale_plan_is_exit_code_4_and_writes_nothing(project: Bac) -> None:
    project("plan", "--out", "plan.json")
    project("apply", "--yes", "--only", "features.sso")
    told = project("apply", "plan.json", "--yes", code=4).stderr
    assert told.startswith("error: the plan is stale, nothing was written.")
    assert "features.sso" in told
    assert "7 to create" in project("plan").stdout


def test_a_plan_of_another_owner_or_environment_is_refused(project: Bac) -> None:
    project("plan", "--out", "plan.json")
    edit("bac.yaml", "local: {}", "local: {}\n  other: {}")
    assert "was made for local" in project("apply", "plan.json", "--yes", "--env", "other", code=5).stderr


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 99}', "\udcff"])
def test_what_is_no_plan_is_told(project: Bac, content: str) -> None:
    Path("plan.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "plan" in project("apply", "plan.json", "--yes", code=1).stderr


def test_a_plan_file_that_is_not_there_is_told_with_how_to_make_it(project: Bac) -> None:
    assert "bac plan --out gone.json makes one" in project("apply", "gone.json", code=1).stderr


@pytest.mark.parametrize(
    "args",
    [
        ["p.json", "--only", "a.b"],
        ["p.json", "--gap"],
        ["--resume", "p.json"],
        ["--resume", "--abandon"],
        ["--resume", "--gap"],
    ],
)
def test_flags_that_contradict_each_other_are_refused(project: Bac, args: list[str]) -> None:
    project("apply", *args, code=1)


def test_there_is_nothing_to_resume_or_abandon_at_first(project: Bac) -> None:
    assert "nothing to resume" in project("apply", "--resume", code=1).stderr
    assert "nothing to give up" in project("apply", "--abandon", code=1).stderr


def test_an_approved_environment_takes_the_reviewed_intent_and_nothing_else(project: Bac) -> None:
    edit("bac.yaml", "local: {}", "local: {require_approval: true}")
    intent = json.loads(project("plan", "--json").stdout)["intent"]
    assert f"--expect-intent {intent[:12]}" in project("apply", "--yes", code=5).stderr
    project("apply", "--expect-intent", "0" * 64, code=4)
    assert "Applied: 8 done." in project("apply", "--expect-intent", intent).stdout


def test_a_held_difference_is_no_drift_and_replace_carries_it_out(project: Bac) -> None:
    project("apply", "--yes")
    edit("catalog/product.yaml", "name: Single sign-on", "name: SSO")
    assert "Held (1)" in project("plan", "--exit-code").stdout
    project("drift")
    project("apply", "--yes", "--allow-breaking", "--replace", "features.sso")
    assert "Held" not in project("plan").stdout


def test_on_a_terminal_the_plan_is_shown_in_colour_and_yes_applies_it(project: Bac) -> None:
    shown, code = on_a_terminal("yes", "apply")
    assert code == 0, shown
    assert "\x1b[32m+\x1b[0m" in shown
    assert "Apply these 8 changes to local? Type yes to go on: " in shown
    assert "Applied: 8 done." in shown


@pytest.mark.parametrize("answer", ["no", "y", "", "Yes"])
def test_on_a_terminal_anything_but_yes_writes_nothing(project: Bac, answer: str) -> None:
    shown, code = on_a_terminal(answer, "apply")
    assert code == 5, shown
    assert "the answer was not yes, so nothing was written" in shown
    assert "8 to create" in project("plan").stdout


# -- drift ------------------------------------------------------------------------------------------------------------


def test_drift_is_exit_code_2_and_says_what_is_live(project: Bac) -> None:
    project("apply", "--yes")
    edit("catalog/customers.yaml", "ACME Inc.", "ACME Ltd.")
    found = project("drift", code=2).stdout
    assert "name: live ACME Inc., catalog ACME Ltd." in found
    assert json.loads(project("drift", "--json", code=2).stdout)["counts"]["update"] == 1
    assert project("drift", "--format", "markdown", code=2).stdout.startswith("### bac drift: 0 to create, 1 to update")
    assert "<h1>bac drift: local</h1>" in project("drift", "--format", "html", code=2).stdout


# -- validate, schema ----------------------------------------------------------------------------


def test_validate_as_json_has_places(project: Bac) -> None:
    assert json.loads(project("validate", "--json").stdout) == {
        "valid": True,
        "problems": [],
        "environments": {"local": 8},
    }
    edit("catalog/product.yaml", "meter: tokens_total", "meter: token_total")
    found = json.loads(project("validate", "--json", code=1).stdout)
    assert found["valid"] is False
    [problem] = found["problems"]
    assert (problem["file"], problem["address"]) == ("catalog/product.yaml", "features.ai_tokens")
    assert problem["remedy"] == "did you mean `tokens_total`?"


def test_schemas_are_written_and_checked(project: Bac) -> None:
    project("schema", "--check")
    edit("schemas/plan.schema.json", "bac", "bax")
    Path("schemas/bac.schema.json").unlink()
    told = project("schema", "--check", code=1).stderr
    assert "bac.schema.json" in told
    assert "plan.schema.json" in told
    assert "bac schema --write" in told
    project("schema", "--write")
    project("schema", "--check")
    project("schema", code=1)


# -- against a served OpenMeter ---------------------------------------------------------------------------------------


@pytest.fixture
def served(project: Bac) -> Iterator[httpx.Client]:
    """A client of a served dev server that the project's local environment is now."""
    with serving() as url, httpx.Client(base_url=url) as client:
        edit("bac.yaml", "local: {}", f"local: {{url: '{url}'}}")
        yield client


@contextlib.contextmanager
def running(*args: str) -> Iterator[subprocess.Popen[str]]:
    """`bac` in a process of its own, which does not outlive the test."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*BAC, *args], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def faults(client: httpx.Client, *rules: dict[str, Any]) -> None:
    client.put("/_dev/faults", json={"rules": list(rules)}).raise_for_status()


def test_a_failed_change_stops_what_needs_it_and_nothing_else(project: Bac, served: httpx.Client) -> None:
    faults(served, {"method": "POST", "path": "/api/v1/meters", "status": 400, "body": {"detail": "no"}})
    result = project("apply", "--yes", code=3)
    assert "✗ " in result.stdout
    assert "meters.tokens_total failed: POST /api/v1/meters: 400 no" in result.stdout
    assert "entitlements.acme.ai_tokens not done" in result.stdout
    assert "Applied: 4 done, 1 failed, 3 not done." in result.stdout
    assert "bac plan shows what is left" in result.stderr
    faults(served)
    assert "Applied: 4 done." in project("apply", "--yes").stdout


def test_a_failed_apply_as_json_names_what_failed(project: Bac, served: httpx.Client) -> None:
    faults(served, {"method": "POST", "path": "/api/v1/meters", "status": 400, "body": {"detail": "no"}})
    found = json.loads(project("apply", "--yes", "--json", code=3).stdout)
    assert list(found["failed"]) == ["meters.tokens_total"]
    assert "features.ai_tokens" in found["blocked"]


def test_an_interrupted_apply_says_what_was_done_and_the_next_one_goes_on(project: Bac, served: httpx.Client) -> None:
    faults(served, {"method": "POST", "path": "/*", "wait": 0.4})
    with running("apply", "--yes") as apply:
        assert apply.stdout is not None
        for row in apply.stdout:
            if row.startswith("✓"):
                break
        apply.send_signal(signal.SIGINT)
        out, err = apply.communicate(timeout=30)
    assert apply.returncode == 3, (out, err)
    assert "Traceback" not in err
    assert "interrupted after" in err
    faults(served)
    assert "to create" in project("plan").stdout
    project("apply", "--yes")
    assert project("plan").stdout.startswith("Nothing to do")


def test_an_apply_interrupted_before_it_wrote_is_exit_code_130(project: Bac, served: httpx.Client) -> None:
    faults(served, {"method": "GET", "path": "/*", "wait": 5})
    with running("apply", "--yes") as apply:
        deadline = time.monotonic() + 20
        while not served.get("/_dev/clock").is_success or time.monotonic() < deadline - 18:
            time.sleep(0.1)
        apply.send_signal(signal.SIGINT)
        _, err = apply.communicate(timeout=30)
    assert apply.returncode == 130, err
    assert "Nothing was written." in err
    assert "Traceback" not in err


def test_dev_serves_until_it_is_told_to_stop(project: Bac) -> None:
    with running("dev", "--port", "0", "--data", ":memory:") as dev:
        assert dev.stdout is not None
        url = dev.stdout.readline().removeprefix("listening on ").strip()
        try:
            assert httpx.get(f"{url}/api/v1/meters").json() == []
        finally:
            dev.send_signal(signal.SIGTERM)
        _, err = dev.communicate(timeout=20)
    assert dev.returncode == 0, err
    assert "data in memory" in err


def test_dev_says_so_where_its_port_is_taken(project: Bac, served: httpx.Client) -> None:
    port = str(served.base_url.port)
    told = project("dev", "--port", port, "--data", ":memory:", code=1).stderr
    assert f"cannot listen on 127.0.0.1:{port}" in told


# -- this repository --------------------------------------------------------------------------------------------------


def check_against_its_schema(file: Path) -> None:
    """The first line names a schema that is there, and the file is right by it."""
    first, *_ = file.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# yaml-language-server: $schema=")
    schema = (file.parent / first.partition("$schema=")[2]).resolve()
    found, problems = read(str(file), file.read_bytes())
    assert not problems
    jsonschema.validate(found, json.loads(schema.read_text(encoding="utf-8")))


def test_the_generated_schemas_of_this_repository_are_up_to_date() -> None:
    assert schemas.stale(ROOT / "schemas") == []


@pytest.mark.parametrize(
    "file", [ROOT / "bac.yaml", *sorted((ROOT / "catalog").rglob("*.yaml"))], ids=lambda f: str(f.relative_to(ROOT))
)
def test_every_file_of_the_sample_names_its_schema_and_is_right_by_it(file: Path) -> None:
    check_against_its_schema(file)


def test_the_sample_catalog_is_valid_everywhere(bac: Bac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert "local 43 resources, staging 42 resources, production 43 resources" in bac("validate").stdout
