"""The doctor: what it finds in a project and at the other end, each with its remedy, and that it writes nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from workspace import Workspace

from billing_as_code import service
from billing_as_code.cli import main
from billing_as_code.doctor import CHECKS, LEVELS, Finding
from billing_as_code.journal import Runs

CALLS = {"meters": {"calls": {"aggregation": "count", "event_type": "call"}}}
URL = "http://openmeter.example"
AT = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
Answer = tuple[int, dict[str, str], str]


class Dressed(httpx.BaseTransport):
    """The dev server as it looks over a network: its answers have a date, or are not its own (`instead`, by path)."""

    def __init__(self, inner: httpx.BaseTransport, instead: Callable[[str], Answer | None], date: str) -> None:
        self._inner, self._instead, self._date = inner, instead, date
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if (other := self._instead(request.url.path)) is not None:
            status, headers, body = other
            return httpx.Response(status, headers={"date": self._date, **headers}, content=body.encode())
        response = self._inner.handle_request(request)
        response.headers["date"] = self._date
        return response


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CI", "BAC_ENV", "TOKEN"):
        monkeypatch.delenv(variable, raising=False)


def look(
    ws: Workspace,
    instead: Callable[[str], Answer | None] = lambda path: None,
    *,
    date: str = format_datetime(AT, usegmt=True),
    now: datetime = AT,
) -> list[Finding]:
    """What the doctor finds of the environment that is chosen, at a time, where the other end answers so."""
    return list(service.examine(ws.root, transport=Dressed(ws.transport, instead, date), now=lambda: now).findings)


def remote(ws: Workspace, **environment: Any) -> None:
    """Let the environment be one behind a url."""
    settings = {key: environment.pop(key) for key in ("owner", "formerly", "secrets") if key in environment}
    ws.configure(environments={"local": {"url": URL, **environment}}, **settings)


def codes(findings: list[Finding], *levels: str) -> list[str]:
    """The codes of findings of some levels, by default all but what is well."""
    return [f.code for f in findings if f.level in (levels or LEVELS[1:])]


def one(findings: list[Finding], code: str) -> Finding:
    """The one finding with a code."""
    [finding] = [f for f in findings if f.code == code]
    return finding


# -- all is well ------------------------------------------------------------------------------------------------------


def test_a_healthy_project_gets_a_clean_bill_and_nothing_is_written(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", {**CALLS, "customers": {"acme": {"name": "ACME", "subjects": ["a"]}}})
    ws.converge()
    ws.forget()

    found = look(ws)

    assert {f.level for f in found} == {"ok"}
    assert [f.code for f in found] == [
        *("configuration_ok", "catalog_ok", "embedded", "apis_ok", "version", "owners_ok", "subject_hook_unseen")
    ]
    assert one(found, "catalog_ok").text == "valid for local: resources 2, files 1"
    assert ws.writes() == []


def test_behind_a_url_the_way_the_clock_and_the_token_are_looked_at_too(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    remote(ws, url="https://openmeter.example", token={"from_env": "TOKEN"})
    ws.write("catalog/all.yaml", CALLS)

    found = look(ws)

    assert codes(found) == []
    assert [f.code for f in found if f.about in ("connection", "clock", "token")] == [
        *("reachable", "clock_ok", "token_ok")
    ]
    assert "s3cret" not in str(found)


def test_each_list_that_bac_reads_is_asked_for_its_smallest_page(ws: Workspace) -> None:
    remote(ws)
    transport = Dressed(ws.transport, lambda path: (503, {"content-type": "application/json"}, "{}"), "")

    service.examine(ws.root, transport=transport)

    asked = sorted(f"{r.method} {r.url.path}?{r.url.params}" for r in transport.seen)
    assert asked == [
        "GET /api/v1/customers?orderBy=id&pageSize=1&page=1",
        "GET /api/v1/entitlements?entitlementType=boolean&excludeInactive=true&pageSize=1&page=1",
        "GET /api/v1/meters?order=ASC",
        "GET /api/v1/subjects?",
        "GET /api/v2/entitlements?excludeInactive=true&pageSize=1&page=1",
        "GET /api/v2/grants?orderBy=id&pageSize=1&page=1",
        "GET /api/v3/openmeter/features?sort=key&page%5Bsize%5D=1&page%5Bnumber%5D=1",
    ]


# -- the project ------------------------------------------------------------------------------------------------------


def test_without_a_configuration_there_is_one_problem(tmp_path: Path) -> None:
    [found] = service.examine(tmp_path).findings

    assert (found.code, found.level) == ("configuration_missing", "problem")
    assert "bac init" in found.remedy


def test_what_is_wrong_with_bac_yaml_is_told_with_its_place_and_nothing_else_is_looked_at(ws: Workspace) -> None:
    ws.write("bac.yaml", "owner: a b\nnope: 1\n")

    found = look(ws)

    assert codes(found) == ["configuration_wrong", "configuration_wrong"]
    assert found[0].text.endswith("bac.yaml:1:8: `owner` 'a b' cannot be written on a feature")
    assert "63 letters" in found[0].remedy


def test_an_environment_that_is_none_is_a_problem_and_the_catalog_is_read_all_the_same(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.write("catalog/all.yaml", CALLS)
    monkeypatch.setenv("BAC_ENV", "locl")

    found = look(ws)

    assert codes(found) == ["environment_unclear"]
    assert one(found, "environment_unclear").text == (
        "BAC_ENV 'locl': there is no such environment (did you mean `local`?)"
    )
    assert codes(found, "ok") == ["configuration_ok", "catalog_ok"]


def test_the_first_problems_of_the_catalog_are_told_and_the_rest_counted(ws: Workspace) -> None:
    ws.write("catalog/z.yaml", {"meters": {f"m{n}": {"aggregation": "summ", "event_type": "x"} for n in range(7)}})
    ws.write("catalog/environments/stagin/a.yaml", {})

    found = look(ws)

    assert codes(found) == ["catalog_wrong"] * 5 + ["catalog_more"]
    assert any("is the folder of no known environment" in f.text for f in found)
    assert one(found, "catalog_more").text == "and 3 more"
    assert "apis_ok" in codes(found, "ok")


def test_settings_that_hurt_are_warnings(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")
    monkeypatch.delenv("WEBHOOK_SECRET", raising=False)
    remote(ws, token={"from_env": "TOKEN"}, reads=9, writes={"wide": 9, "narrow": 3}, secrets=["WEBHOOK_SECRET"])

    found = look(ws)

    assert codes(found, "problem") == []
    assert codes(found, "warning") == ["secret_unset", "token_over_http", "writes_narrow", "writes_wide"]
    assert codes(found, "note") == ["reads_many", "catalog_empty"]
    assert one(found, "writes_narrow").remedy.startswith("2 is safe anywhere")


def test_a_token_over_http_to_this_machine_is_no_warning(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")
    remote(ws, url="http://127.0.0.1:8888", token={"from_env": "TOKEN"})
    ws.write("catalog/all.yaml", CALLS)

    found = look(ws)

    assert codes(found) == []
    assert "token_ok" in codes(found, "ok")
    remote(ws, url="http://[::1]:8888")
    assert "token_none" in codes(look(ws), "ok")


def test_two_environments_on_one_openmeter_undo_each_other(ws: Workspace) -> None:
    ws.configure(environments={"local": {}, "a": {"url": URL}, "b": {"url": URL + "/"}})

    assert one(look(ws), "same_url").text == f"a and b are one OpenMeter ({URL}), so each undoes what the other applies"


@pytest.mark.parametrize(
    ("end", "base"), [("/api", ""), ("/api/v1", ""), ("/om/api/v3/openmeter", "/om"), ("/v3/openmeter", "")]
)
def test_a_url_that_ends_in_an_apis_path_is_a_problem(ws: Workspace, end: str, base: str) -> None:
    remote(ws, url=URL + end)

    found = look(ws, lambda path: (404, JSON, "{}"))

    assert codes(found, "problem") == ["url_with_api", "api_missing"]
    assert one(found, "url_with_api").remedy == f"leave it out: url: {URL}{base}"


@pytest.mark.parametrize(("token", "code"), [(None, "token_unset"), (" ", "token_unset"), ("tök", "token_unusable")])
def test_without_a_token_openmeter_is_not_asked(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, token: str | None, code: str
) -> None:
    if token is not None:
        monkeypatch.setenv("TOKEN", token)
    remote(ws, token={"from_env": "TOKEN"})
    ws.forget()

    found = look(ws)

    assert codes(found) == [code, "catalog_empty", "skipped"]
    assert ws.requests() == []
    assert "tök" not in str(found)


# -- what earlier runs left -------------------------------------------------------------------------------------------


def test_an_apply_that_died_is_told_with_both_ways_out(ws: Workspace) -> None:
    Runs(ws.root / ".bac" / "runs").begin("{}", "0" * 64, "embedded:.bac/local.db").close()

    remedy = one(look(ws), "run_unfinished").remedy

    assert remedy == "finish it: bac apply --env local --resume; or give it up, with --abandon"


def test_an_apply_that_runs_is_told_and_not_disturbed(ws: Workspace) -> None:
    runs = Runs(ws.root / ".bac" / "runs")
    with runs.lock(URL):
        assert "apply_running" in codes(look(ws))
    assert "apply_running" not in codes(look(ws))
    with runs.lock(URL):
        pass


def test_a_state_folder_that_git_would_commit_is_a_warning(ws: Workspace) -> None:
    subprocess.run(["git", "init", "--quiet", str(ws.root)], check=True)
    assert "state_not_ignored" in codes(look(ws))

    ws.write(".gitignore", ".bac/\n")
    assert "state_not_ignored" not in codes(look(ws))


# -- what answers -----------------------------------------------------------------------------------------------------

HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ((200, HTML, "<!doctype html><title>Hi</title>"), "not_openmeter", "text/html, starting with '<!doctype html>"),
        ((404, {}, "nope"), "not_openmeter", "no content type, starting with 'nope'"),
        ((502, HTML, "<h1>Bad Gateway</h1>"), "proxy_error", "a proxy answers 502 for OpenMeter"),
        (
            (302, {"location": "https://login.example:444/start?ticket=s3cret"}, ""),
            "redirected",
            f"{URL} redirects to https://login.example:444/start",
        ),
        ((301, {"location": "https://om.example/api/v1/meters"}, ""), "redirected", "redirects to https://om.example"),
        ((307, {"location": "/elsewhere"}, ""), "redirected", "redirects to /elsewhere"),
        ((308, {}, ""), "redirected", "redirects to nowhere"),
        ((308, {"location": "http://[x:99999"}, ""), "redirected", "redirects to what is no address"),
    ],
)
def test_what_is_no_openmeter_is_told_and_the_rest_skipped(ws: Workspace, answer: Answer, code: str, told: str) -> None:
    remote(ws)
    ws.write("catalog/all.yaml", CALLS)

    found = look(ws, lambda path: answer)

    assert codes(found) == [code, "skipped"]
    assert told in one(found, code).text
    assert "s3cret" not in str(found)


def test_a_401_tells_a_missing_token_from_a_wrong_one(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(ws)
    assert one(look(ws, lambda path: (401, HTML, "")), "token_missing").remedy == (
        "token: {from_env: OPENMETER_API_KEY} in the environment"
    )

    monkeypatch.setenv("TOKEN", "s3cret")
    remote(ws, url="https://openmeter.example", token={"from_env": "TOKEN"})
    found = look(ws, lambda path: (401, JSON, "{}"))
    assert codes(found, "problem") == ["token_refused"]
    assert one(found, "token_refused").text == "OpenMeter answers 401: the token in TOKEN is not valid"


def test_a_403_names_what_may_not_be_read(ws: Workspace) -> None:
    remote(ws)

    found = look(ws, lambda path: (403, JSON, "{}") if "v2" in path else None)

    assert codes(found, "problem") == ["forbidden"]
    assert one(found, "forbidden").text == "OpenMeter answers 403 to /api/v2/entitlements, /api/v2/grants"


def test_apis_that_are_missing_and_lists_that_fail_are_told_apart_and_the_others_are_looked_at(ws: Workspace) -> None:
    remote(ws)
    answers = {
        "/api/v3/openmeter/features": (404, JSON, "{}"),
        "/api/v2/grants": (500, JSON, "{}"),
        "/api/v1/subjects": (200, HTML, "<p>"),
    }

    found = look(ws, answers.get)

    assert codes(found, "problem") == ["api_missing", "api_failed", "api_failed"]
    assert one(found, "api_missing").text == "/api/v3/openmeter/features: 404"
    assert [f.text for f in found if f.code == "api_failed"] == [
        "/api/v1/subjects: no JSON, it starts with '<p>'",
        "/api/v2/grants: 500",
    ]
    assert one(found, "open_to_all").level == "note"


def test_a_list_that_cannot_be_understood_is_a_problem(ws: Workspace) -> None:
    remote(ws)

    found = look(ws, lambda path: (200, {"content-type": "application/json"}, "{}") if "grants" in path else None)

    assert "no list as OpenMeter gives them" in one(found, "unreadable").text


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, None), (5, None), (8, "7 s ahead of"), (-8, "8 s behind"), (-7200, "7,200 s behind")]
)
def test_a_clock_that_is_off_is_a_warning_with_its_direction(ws: Workspace, ahead: int, told: str | None) -> None:
    remote(ws)

    found = look(ws, now=AT + timedelta(seconds=ahead))

    assert [f.text.partition(" OpenMeter")[0] for f in found if f.code == "clock_off"] == (
        [f"this machine is {told}"] if told else []
    )


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 12:00:00 GMT"])
def test_an_answer_without_a_usable_date_leaves_the_clocks_uncompared(ws: Workspace, date: str) -> None:
    remote(ws)

    assert "clock_unknown" in codes(look(ws, date=date), "note")


# -- what lives there -------------------------------------------------------------------------------------------------


def test_what_the_catalog_declares_and_another_owns_is_a_problem_and_the_rest_of_theirs_a_note(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", {"customers": {f"c{n}": {"name": "x"} for n in range(5)}})
    ws.converge()
    ws.configure(owner="new-team")
    ws.write("catalog/all.yaml", {"customers": {f"c{n}": {"name": "x"} for n in range(4)}})

    found = look(ws)

    assert one(found, "other_owner").text == (
        "acme-billing owns what the catalog declares: customers.c0, customers.c1, customers.c2 and 1 more"
    )
    assert "bac owner --from acme-billing" in one(found, "other_owner").remedy
    assert one(found, "other_catalogs").text == "others own some of what lives there: acme-billing (5)"


def test_what_a_former_owner_has_and_the_catalog_has_not_is_a_warning(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", {"customers": {"a": {"name": "x"}, "b": {"name": "x"}}})
    ws.converge()
    ws.configure(owner="new-team", formerly=["acme-billing"])
    ws.write("catalog/all.yaml", {"customers": {"a": {"name": "x"}}})

    found = look(ws)

    assert codes(found) == ["former_owner_undeclared"]
    assert one(found, "former_owner_undeclared").text.endswith("is not in the catalog: customers.b")
    assert one(found, "owners_ok").text == "2 live resources are yours, by the label new-team or acme-billing"


def test_meters_that_were_there_before_may_be_the_servers_own(ws: Workspace) -> None:
    config = {"meters": [{"slug": "boot", "eventType": "request", "aggregation": "COUNT"}]}
    ws.http.post("/_dev/reset", json={"config": config}).raise_for_status()
    boot = {"meters": {"boot": {"aggregation": "count", "event_type": "request"}}}
    ws.write("catalog/all.yaml", {"meters": {**boot["meters"], **CALLS["meters"]}})

    found = look(ws)

    assert codes(found) == ["configured_by_server"]
    assert "these meters that the catalog declares: boot." in one(found, "configured_by_server").text
    ws.write("catalog/all.yaml", {"meters": {"boot": {"external": True}}})
    assert codes(look(ws)) == []


def test_a_subject_hook_is_seen_by_what_it_has_made(ws: Workspace) -> None:
    ws.http.post("/_dev/reset", json={"config": {"customer": {"enableSubjectHook": True}}}).raise_for_status()
    ws.write("catalog/all.yaml", CALLS)
    ws.http.post("/api/v1/subjects", json=[{"key": "initech", "displayName": "Initech"}]).raise_for_status()

    hook = one(look(ws), "subject_hook")

    assert hook.level == "warning"
    assert "it made or renamed initech." in hook.text


def test_more_meters_than_v1_shows_hide_metadata() -> None:
    from billing_as_code.kinds.meters import METERS
    from billing_as_code.model import Address, Resource

    few, many = (
        {Address("meters", (f"m{n}",)): Resource(Address("meters", (f"m{n}",)), ()) for n in range(size)}
        for size in (2000, 2001)
    )

    assert [s.code for s in METERS.signs(few)] == []
    assert [(s.code, len(s.of)) for s in METERS.signs(many)] == [("labels_hidden", 2001)]
    assert set(CHECKS) >= {"labels_hidden"}


# -- over a real network ----------------------------------------------------------------------------------------------


@contextmanager
def stranger(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """A server of somebody else's on this machine, that answers every GET so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def examine(ws: Workspace, url: str, **environment: Any) -> list[Finding]:
    ws.write("catalog/all.yaml", CALLS)
    ws.configure(environments={"local": {"url": url, **environment}})
    return list(service.examine(ws.root).findings)


def test_nothing_that_listens_is_told(ws: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    found = examine(ws, f"http://127.0.0.1:{port}")

    assert codes(found) == ["refused", "skipped"]
    assert one(found, "refused").text == f"nothing listens at http://127.0.0.1:{port}"


def test_a_name_that_nobody_knows_is_told(ws: Workspace) -> None:
    found = examine(ws, "http://openmeter.invalid")

    assert codes(found) == ["no_such_host", "skipped"]
    assert one(found, "no_such_host").text.startswith("openmeter.invalid is no known name (")


def test_https_to_what_speaks_none_is_told(ws: Workspace) -> None:
    with stranger(hang_up) as port:
        found = examine(ws, f"https://127.0.0.1:{port}")

    assert codes(found) == ["tls_failed", "skipped"]


def test_a_connection_that_breaks_is_told(ws: Workspace) -> None:
    with stranger(hang_up) as port:
        found = examine(ws, f"http://127.0.0.1:{port}")

    assert codes(found) == ["connection_broke", "skipped"]


def test_a_server_that_takes_the_connection_and_says_nothing_is_waited_for_once(ws: Workspace) -> None:
    let_go = threading.Event()
    with stranger(lambda handler: let_go.wait(10) and None) as port:
        found = examine(ws, f"http://127.0.0.1:{port}", timeout=1)
        let_go.set()

    assert codes(found) == ["answer_timeout", "skipped"]
    assert one(found, "answer_timeout").text.endswith("gives no answer within 1 s")


def test_a_host_that_takes_no_connection_is_told(ws: Workspace) -> None:
    def nobody(path: str) -> Answer:
        raise httpx.ConnectTimeout("")

    remote(ws, timeout=2.5)

    found = look(ws, nobody)

    assert codes(found, "problem") == ["connect_timeout"]
    assert one(found, "connect_timeout").text == "openmeter.example takes no connection within 2.5 s"


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_each_finding_with_its_remedy_and_exits_with_1_where_there_is_a_problem(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ws.root)
    ws.configure(environments={"local": {"url": URL, "token": {"from_env": "TOKEN"}}})
    ws.write("catalog/all.yaml", CALLS)

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert result.stdout == (
        f"local · {URL}\n"
        "\n"
        "ok       bac.yaml  owner acme-billing; environments local\n"
        "problem  token     local takes its token from TOKEN, which is not set\n"
        "                   → set it: export TOKEN=...\n"
        "ok       catalog   valid for local: resources 1, files 1\n"
        "note     the rest  OpenMeter was not looked at, since there is no token to ask it with\n"
        "                   → mend that, then run bac doctor again\n"
        "\n"
        "2 ok, 1 note, 1 problem.\n"
    )


def test_no_finding_is_without_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    here += (Path(__file__).parent / "gate" / "test_gate_doctor.py").read_text(encoding="utf-8")

    assert [code for code in CHECKS if f'"{code}"' not in here] == []


def test_every_finding_that_is_not_well_says_what_to_do() -> None:
    assert [code for code, check in CHECKS.items() if (check.level == "ok") == bool(check.remedy)] == []


def test_the_command_gives_findings_as_json_and_exits_with_0_where_all_is_well(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ws.root)
    ws.write("catalog/all.yaml", CALLS)

    result = CliRunner().invoke(main, ["doctor", "--json"])

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["environment"], told["url"], told["counts"]["ok"]) == ("local", None, 7)
    assert told["findings"][0] == {
        "code": "configuration_ok",
        "level": "ok",
        "about": "bac.yaml",
        "text": "owner acme-billing; environments local",
        "remedy": "",
    }
