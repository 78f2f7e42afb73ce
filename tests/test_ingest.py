"""Usage events from files to a server that counts them, whatever happens on the way."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from mortal import Killed, Mortal
from wire import FAULT
from workspace import Workspace

from billing_as_code import service
from billing_as_code.errors import ApiError, BacError, Refused, UsageError
from billing_as_code.service import Feed, Refusal, Tally

PATH = "/api/v1/events"
TIME = "2026-11-20T10:15:00Z"
METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}


def prompt(tokens: Any = 1, **more: Any) -> dict[str, Any]:
    return {"type": "prompt", "subject": "acme", "time": TIME, "data": {"tokens": tokens}, **more}


def ndjson(events: Iterable[Any]) -> str:
    return "".join(f"{e if isinstance(e, str) else json.dumps(e)}\n" for e in events)


@pytest.fixture
def metered(ws: Workspace) -> Workspace:
    """A server with a meter of tokens and a customer, and nobody to be slowed down by deduplication."""
    return meter(ws)


def meter(ws: Workspace, **switches: Any) -> Workspace:
    ws.http.post("/_dev/reset", json=switches).raise_for_status()
    ws.clock("2026-11-24T12:00:00Z")
    ws.http.post("/api/v1/meters", json=METER).raise_for_status()
    customer = {"key": "acme", "name": "ACME", "usageAttribution": {"subjectKeys": ["acme-eu"]}}
    ws.http.post("/api/v1/customers", json=customer).raise_for_status()
    ws.forget()
    return ws


def send(ws: Workspace, feed: Feed | Path, **options: Any) -> tuple[Tally, list[str]]:
    """Ingest: the tally, and what was refused as `line: text`."""
    tally, refused = Tally(), list[str]()
    with ws.session() as session:
        told = feed if isinstance(feed, Feed) else Feed(path=feed)
        for _ in service.ingest(session, told, tally, lambda r: refused.append(f"{r.line}: {r}"), **options):
            pass
    return tally, refused


def counts(tally: Tally) -> tuple[int, int, int]:
    return tally.accepted, tally.refused, tally.already


def posted(ws: Workspace) -> list[list[dict[str, Any]]]:
    """The batches that were sent."""
    return [r["body"] for r in ws.writes()]


def stored(ws: Workspace) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ws.http.get("/api/v2/events").json()["items"]
    return [item["event"] for item in items]


def total(ws: Workspace) -> float:
    rows = ws.http.get("/api/v1/meters/tokens/query").json()["data"]
    return float(rows[0]["value"]) if rows else 0.0


# -- once -------------------------------------------------------------------------------------------------------------


def test_a_line_is_an_event_and_what_is_missing_is_filled_in(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(5), "", prompt(7, id="a", source="gw", specversion="1.0")]))
    tally, refused = send(metered, file)
    assert (counts(tally), tally.requests, refused, tally.warnings) == ((2, 0, 0), 1, [], [])
    [[first, second]] = posted(metered)
    assert first.pop("id").startswith("bac-")
    common = {"specversion": "1.0", "type": "prompt", "subject": "acme", "time": TIME}
    assert first == {**common, "source": "bac-ingest", "data": {"tokens": 5}}
    assert second == {**common, "source": "gw", "id": "a", "data": {"tokens": 7}}
    assert total(metered) == 12


def test_flags_are_for_lines_that_do_not_say_it_themselves(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([{}, {"type": "t", "subject": "s", "source": "x", "time": TIME}]))
    send(metered, Feed(path=file, type="prompt", subject="acme", source="gw", time="1795240800"))
    [[first, second]] = posted(metered)
    assert [first[n] for n in ("type", "subject", "source", "time")] == ["prompt", "acme", "gw", "2026-11-21T06:00:00Z"]
    assert [second[n] for n in ("type", "subject", "source", "time")] == ["t", "s", "x", TIME]


def test_events_go_in_batches_of_the_size_that_is_asked_for(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(25)))
    tally, _ = send(metered, file, batch=10)
    assert sorted(map(len, posted(metered))) == [5, 10, 10]
    assert tally.requests == 3


def test_a_batch_of_large_events_is_a_small_one(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(1, id=str(n), data={"text": "x" * 200_000}) for n in range(5)))
    send(metered, file)
    assert sorted(map(len, posted(metered))) == [1, 2, 2]


def test_an_array_on_one_line_is_a_batch(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([[prompt(1), prompt(2), 3]]))
    tally, refused = send(metered, file)
    assert (counts(tally), total(metered)) == ((2, 1, 0), 3)
    assert refused[0].startswith("1: is a number, no event")


def test_one_event_of_flags_happens_now(metered: Workspace) -> None:
    event = {"type": "prompt", "subject": "acme"}
    first, _ = send(metered, Feed(event=event, data='{"tokens": 5}'))
    metered.clock("2026-11-24T12:05:00Z")
    second, _ = send(metered, Feed(event=event, data='{"tokens": 5}'))
    assert first.last_id != second.last_id
    assert [e["time"] for e in stored(metered)] == ["2026-11-24T12:05:00Z", "2026-11-24T12:00:00Z"]
    assert total(metered) == 10


def test_an_event_of_flags_with_an_id_or_a_time_is_one_event_however_often_it_is_sent(metered: Workspace) -> None:
    for _ in range(2):
        send(metered, Feed(event={"type": "prompt", "subject": "acme", "id": "x"}, data='{"tokens": 5}'))
        send(metered, Feed(event={"type": "prompt", "subject": "acme"}, data='{"tokens": 7}', time=TIME))
    assert total(metered) == 12


# -- and not twice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deduplicates", [True, False])
def test_a_second_run_sends_nothing(ws: Workspace, deduplicates: bool) -> None:
    meter(ws, dedupe_enabled=deduplicates)
    file = ws.write("usage.ndjson", ndjson([prompt(5), prompt(5), prompt(6, id="a")]))
    send(ws, file)
    ws.clock("2026-11-24T13:00:00Z")
    ws.forget()
    tally, _ = send(ws, file)
    assert (counts(tally), tally.already_to, posted(ws)) == ((0, 0, 3), 3, [])
    assert total(ws) == 16


def test_two_equal_lines_are_two_events_and_the_same_two_on_another_machine(metered: Workspace) -> None:
    lines = ndjson([prompt(5), {**prompt(5), "data": {"tokens": 5}}, prompt(6)])
    send(metered, metered.write("here/usage.ndjson", lines))
    send(metered, metered.write("there/usage.ndjson", lines))
    first, second = posted(metered)
    assert [e["id"] for e in first] == [e["id"] for e in second]
    assert total(metered) == 16


def test_lines_that_are_mended_or_added_are_sent_alone(ws: Workspace) -> None:
    meter(ws, dedupe_enabled=False)
    good = [prompt(n) for n in range(1, 4)]
    file = ws.write("usage.ndjson", ndjson([good[0], "{oops", *good[1:]]))
    tally, refused = send(ws, file)
    assert (counts(tally), refused[0][:14]) == ((3, 1, 0), "2: is no JSON:")
    ws.clock("2026-11-24T13:00:00Z")
    ws.write("usage.ndjson", ndjson([good[0], prompt(10), *good[1:], prompt(20)]))
    tally, refused = send(ws, file)
    assert (counts(tally), refused, tally.already_to) == ((2, 0, 3), [], 1)
    assert total(ws) == 36


def test_what_was_sent_is_sent_once_more_where_it_is_asked_for(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(5)]))
    send(metered, file)
    assert counts(send(metered, file, again=True)[0]) == (1, 0, 0)
    [kept] = (metered.root / ".bac" / "ingest").iterdir()
    assert [list(json.loads(line)) for line in kept.read_text().splitlines()] == [["file", "target"], ["line", "sent"]]
    assert counts(send(metered, file)[0]) == (0, 0, 1)


def test_another_target_has_nothing_yet(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(5)]))
    send(metered, file)
    metered.configure(environments={"other": {}})
    assert counts(send(metered, file)[0]) == (1, 0, 0)


def test_an_id_that_comes_twice_is_sent_once_or_refused_with_other_content(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(5, id="a"), prompt(5, id="a"), prompt(6, id="a")]))
    tally, refused = send(metered, file)
    assert (counts(tally), tally.repeated) == ((1, 1, 0), 1)
    assert refused == ["3: id 'a' stands on an earlier line with other content (an event has an id of its own)"]
    metered.write("usage.ndjson", ndjson([prompt(7, id="a"), prompt(7, id="a", source="gw")]))
    tally, refused = send(metered, file)
    assert (counts(tally), total(metered)) == ((1, 1, 0), 12)
    assert refused == [
        "1: id 'a' was accepted before with other content, and OpenMeter keeps the first (give it another id)"
    ]


def test_lines_without_a_time_happen_now_and_are_the_same_events_tomorrow(metered: Workspace) -> None:
    line = {"type": "prompt", "subject": "acme", "data": {"tokens": 5}}
    file = metered.write("usage.ndjson", ndjson([line]))
    assert send(metered, file)[1][0].startswith("1: has no time (time: RFC 3339")
    send(metered, Feed(path=file, time="now"))
    metered.clock("2026-11-25T12:00:00Z")
    assert counts(send(metered, Feed(path=file, time="now"))[0]) == (0, 0, 1)
    send(metered, Feed(path=file, time="now"), again=True)
    assert [e["time"] for e in stored(metered)] == ["2026-11-24T12:00:00Z"]


def test_a_pipe_without_times_brings_new_events_each_time(metered: Workspace) -> None:
    line = ndjson([{"type": "prompt", "subject": "acme", "data": {"tokens": 5}}]).encode()
    for minute in range(2):
        metered.clock(f"2026-11-24T12:0{minute}:00Z")
        send(metered, Feed(stream=io.BytesIO(line), time="now"))
    assert total(metered) == 10


def test_what_is_remembered_holds_nothing_of_what_events_say(metered: Workspace) -> None:
    send(metered, metered.write("usage.ndjson", ndjson([prompt(5, id="very-secret", data={"who": "very-secret"})])))
    [kept] = (metered.root / ".bac" / "ingest").iterdir()
    assert "secret" not in kept.read_text()
    assert set(json.loads(kept.read_text().splitlines()[1])) == {"line", "sent"}


def test_one_file_is_sent_by_one_process_at_a_time(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(3)))
    with metered.session() as session:
        under_way = service.ingest(session, Feed(path=file), Tally(), lambda _: None, batch=1)
        next(under_way)
        with pytest.raises(Refused, match="another bac ingest is sending"):
            send(metered, file)
        under_way.close()
    send(metered, file)
    assert total(metered) == 3


# -- what goes wrong on the way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "before"},
        {"drop": "after"},
        {"status": 429, "headers": {"Retry-After": "7"}},
        {"status": 503},
        {"status": 500, "after": True},
    ],
)
def test_a_batch_that_was_not_clearly_refused_is_sent_again(metered: Workspace, fault: dict[str, Any]) -> None:
    metered.faults({"method": "POST", "path": PATH, "times": 3, **fault})
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(10)))
    tally, refused = send(metered, file, batch=2)
    assert (counts(tally), refused) == ((10, 0, 0), [])
    assert total(metered) == 45
    assert (tally.halved > 0) is (fault.get("status") == 429)


def test_a_server_that_stays_away_ends_the_run_and_the_next_one_goes_on(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(40)))
    metered.faults({"method": "POST", "path": PATH, "nth": 4, "times": 10_000, "status": 503})
    tally = Tally()
    with metered.session() as session, pytest.raises(ApiError, match="503"):
        list(service.ingest(session, Feed(path=file), tally, lambda _: None, batch=2))
    assert tally.accepted == 6
    metered.faults()
    assert counts(send(metered, file, batch=2)[0]) == (34, 0, 6)
    assert total(metered) == 780


def test_wrong_credentials_end_the_run_at_once(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(2000)))
    metered.faults({"method": "POST", "path": PATH, "status": 401})
    with pytest.raises(ApiError, match="not authorised"):
        send(metered, file, batch=2)
    assert len(metered.writes()) <= 8


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_run_that_is_killed_anywhere_is_gone_on_with(
    transport: httpx.BaseTransport, tmp_path: Path, at: int, is_sent: bool
) -> None:
    mortal = Mortal(transport)
    ws = meter(Workspace(tmp_path, mortal))
    file = ws.write("usage.ndjson", ndjson(prompt(n) for n in range(10)))
    mortal.die_at(at, is_sent=is_sent)
    try:
        send(ws, file, batch=2)
    except Killed:
        mortal.live_on()
    tally, refused = send(ws, file, batch=2)
    assert (tally.accepted + tally.already, refused) == (10, [])
    assert total(ws) == 45
    ws.close()


def test_a_line_of_the_journal_that_was_torn_is_one_batch_sent_again(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(6)))
    metered.configure(environments={"local": {"writes": {"wide": 1}}})
    send(metered, file, batch=2)
    [kept] = (metered.root / ".bac" / "ingest").iterdir()
    kept.write_text(kept.read_text()[:-20])
    assert counts(send(metered, file, batch=2)[0]) == (2, 0, 4)
    assert counts(send(metered, file, batch=2)[0]) == (0, 0, 6)
    assert total(metered) == 15


def test_a_run_that_is_stopped_lets_finish_what_is_under_way_and_counts_it(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(100)))
    tally = Tally()
    with metered.session() as session:
        run = service.ingest(session, Feed(path=file), tally, lambda _: None, batch=2)
        next(run)
        run.close()
    assert tally.accepted == len(stored(metered)) < 100
    assert counts(send(metered, file)[0]) == (100 - tally.accepted, 0, tally.accepted)


def test_where_nothing_can_be_remembered_nothing_is_sent(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(1)]))
    send(metered, file)
    [kept] = (metered.root / ".bac" / "ingest").iterdir()
    kept.unlink()
    kept.symlink_to("/dev/full")
    metered.forget()
    with pytest.raises(BacError, match=r"No space left on device\. Nothing would tell what was accepted"):
        send(metered, file)
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("")
    with pytest.raises(UsageError, match="bac ingest keeps there what was accepted"):
        send(metered, file)
    assert posted(metered) == []


# -- what OpenMeter refuses -------------------------------------------------------------------------------------------


Rule = Callable[[list[dict[str, Any]]], tuple[int, str] | None]


class Picky(httpx.BaseTransport):
    """An OpenMeter with a rule that nobody knows of: its answer to a batch, None for OpenMeter's own."""

    def __init__(self, inner: httpx.BaseTransport, rule: Rule) -> None:
        self._inner, self._rule = inner, rule

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == PATH and request.method == "POST":
            answer = self._rule(json.loads(request.read()))
            if answer is not None:
                return httpx.Response(answer[0], json={"detail": answer[1]}, headers={FAULT: "yes"})
        return self._inner.handle_request(request)


def picky(ws: Workspace, rule: Rule) -> Workspace:
    ws.transport = Picky(ws.transport, rule)
    return ws


def too_much(events: list[dict[str, Any]]) -> tuple[int, str] | None:
    return (400, "invalid event: too much") if any(e["data"]["tokens"] > 90 for e in events) else None


def too_much_named(events: list[dict[str, Any]]) -> tuple[int, str] | None:
    at = next((n for n, e in enumerate(events) if e["data"]["tokens"] > 90), None)
    said = "request body has an error: doesn't match schema: Error at"
    return (400, f'{said} "/{at}/data/tokens": too much\nSchema: {{}}') if at is not None else None


@pytest.mark.parametrize(
    ("rule", "reason", "requests"),
    [
        (too_much, "400 invalid event: too much", 15),
        (too_much_named, '400 Error at "/data/tokens": too much', 3),
    ],
)
def test_what_openmeter_refuses_is_found_and_told_and_the_others_are_sent(
    metered: Workspace, rule: Rule, reason: str, requests: int
) -> None:
    numbers = [91, *range(1, 15), 92]
    file = metered.write("usage.ndjson", ndjson(map(prompt, numbers)))
    picky(metered, rule)
    tally, refused = send(metered, file)
    assert set(refused) == {f"1: OpenMeter refuses it: {reason}", f"16: OpenMeter refuses it: {reason}"}
    assert (counts(tally), tally.requests, total(metered)) == ((14, 2, 0), requests, 105)
    # it is not taken for accepted
    tally, refused = send(metered, file)
    assert (counts(tally), len(refused)) == ((0, 2, 14), 2)


def test_a_batch_that_is_too_large_for_the_server_is_halved(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(8)))
    picky(metered, lambda events: (413, "") if len(events) > 3 else None)
    assert counts(send(metered, file)[0]) == (8, 0, 0)
    assert sorted(map(len, posted(metered))) == [2, 2, 2, 2]


def test_where_openmeter_refuses_everything_the_rest_is_not_tried(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson(prompt(n) for n in range(1000)))
    picky(metered, lambda events: (400, "no"))
    tally, refused = Tally(), list[Refusal]()
    with metered.session() as session, pytest.raises(ApiError, match="400 no"):
        list(service.ingest(session, Feed(path=file), tally, refused.append, batch=10))
    assert 50 <= tally.refused == len(refused) < 150


# -- what is warned of ------------------------------------------------------------------------------------------------


def warned(tally: Tally) -> list[tuple[int, str]]:
    return [(w.events, str(w)) for w in tally.warnings]


def test_what_nobody_will_see_on_a_bill_is_told_with_what_was_meant(metered: Workspace) -> None:
    lines = [prompt(1), prompt(1, type="promt"), prompt(1, type="promt"), prompt("x"), prompt(1, subject="acme-eu")]
    lines += [prompt(1, subject="acme-us", trace="t"), prompt("4.5"), prompt(True), {**prompt(), "data": {}}]
    tally, refused = send(metered, metered.write("usage.ndjson", ndjson(lines)))
    assert (counts(tally), refused) == ((9, 0, 0), [])
    assert warned(tally) == [
        (2, "no meter counts `promt` (did you mean `prompt`?)"),
        (2, "meter tokens cannot count `prompt`: $.tokens is no number, first on line 4"),
        (1, "meter tokens cannot count `prompt`: $.tokens is missing, first on line 9"),
        (1, "no customer has the subject `acme-us` (did you mean `acme-eu`?)"),
        (1, "OpenMeter does not look at `trace` beside data (data.trace would be looked at)"),
    ]
    # OpenMeter says of the same events that there is something wrong with them
    items = metered.http.get("/api/v2/events").json()["items"]
    assert sum("validationError" in item for item in items) == 6


def test_a_customer_without_a_key_has_its_subjects_too(metered: Workspace) -> None:
    customer = {"name": "Keyless", "usageAttribution": {"subjectKeys": ["keyless-1"]}}
    metered.http.post("/api/v1/customers", json=customer).raise_for_status()
    tally, _ = send(metered, metered.write("usage.ndjson", ndjson([prompt(1, subject="keyless-1")])))
    assert warned(tally) == []


def test_the_meters_and_the_customers_are_read_once(metered: Workspace) -> None:
    send(metered, metered.write("usage.ndjson", ndjson(prompt(n, subject=f"s{n}") for n in range(50))), batch=2)
    assert [r["path"] for r in metered.requests() if r["method"] == "GET"] == ["/api/v1/meters", "/api/v1/customers"]


def test_a_token_that_may_only_send_events_sends_them(metered: Workspace) -> None:
    metered.faults({"method": "GET", "status": 403})
    tally, _ = send(metered, metered.write("usage.ndjson", ndjson([prompt(1, type="promt")])))
    assert (counts(tally), tally.warnings) == ((1, 0, 0), [])


def test_customers_that_cannot_be_read_are_no_failure_of_what_was_accepted(metered: Workspace) -> None:
    metered.faults({"path": "/api/v1/customers", "status": 500, "body": {"title": "Internal Server Error"}})
    tally, _ = send(metered, metered.write("usage.ndjson", ndjson([prompt(1)])))
    reason = "GET /api/v1/customers: 500 Internal Server Error"
    assert (counts(tally), warned(tally)) == (
        (1, 0, 0),
        [(1, f"no subject was compared with the customers: {reason}")],
    )


def test_of_many_names_the_most_frequent_are_told(metered: Workspace) -> None:
    lines = [prompt(1, subject=f"s{n}") for n in range(15) for _ in range(n + 1)]
    tally, _ = send(metered, metered.write("usage.ndjson", ndjson(lines)))
    assert warned(tally)[0] == (15, "no customer has the subject `s14`")
    assert warned(tally)[-1] == (15, "no customer has the subject ... and 5 others")


# -- strict, dry ------------------------------------------------------------------------------------------------------


def test_strict_sends_nothing_where_a_line_is_wrong_and_all_where_none_is(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(1), {**prompt(2), "subject": ""}]))
    tally, refused = send(metered, file, strict=True)
    assert refused == ["2: has an empty subject (give it one, or say --subject for all that have none)"]
    assert (counts(tally), posted(metered)) == ((0, 1, 0), [])
    metered.write("usage.ndjson", ndjson([prompt(1), prompt(2)]))
    assert counts(send(metered, file, strict=True)[0]) == (2, 0, 0)


def test_a_dry_run_tells_what_would_be_sent_and_remembers_nothing(metered: Workspace) -> None:
    file = metered.write("usage.ndjson", ndjson([prompt(1), prompt(None), prompt(2)]))
    tally, refused = send(metered, file, dry_run=True)
    assert (counts(tally), tally.requests) == ((2, 1, 0), 1)
    assert refused == ["2: data.tokens is null, which OpenMeter refuses (leave it out)"]
    assert json.loads(tally.first or b"")["data"] == {"tokens": 1}
    assert posted(metered) == []
    assert counts(send(metered, file)[0]) == (2, 1, 0)
    assert counts(send(metered, file, dry_run=True, again=True)[0]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("feed", "options", "said"),
    [
        (Feed(path=Path("nowhere.ndjson")), {}, "nowhere.ndjson: No such file or directory"),
        (Feed(path=Path()), {}, ".: Is a directory"),
        (Feed(stream=io.BytesIO()), {"strict": True}, "--strict looks at all lines before it sends one"),
        (Feed(stream=io.BytesIO(), format="ndjson", columns=("a=b",)), {}, "--map is for CSV"),
        (Feed(stream=io.BytesIO(), time="soon"), {}, "--time soon: is no time"),
    ],
)
def test_what_cannot_be_meant_is_said(ws: Workspace, feed: Feed, options: Mapping[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        send(ws, feed, **options)


# -- CSV --------------------------------------------------------------------------------------------------------------


def table(ws: Workspace, text: str | bytes, **feed: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """What is sent of a CSV file, and what is refused of it."""
    file = ws.write("usage.csv", "")
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    _, refused = send(ws, Feed(path=file, **{"type": "prompt", "subject": "acme", "time": TIME, **feed}))
    return [event for batch in posted(ws) for event in batch], refused


def test_columns_become_attributes_and_data(metered: Workspace) -> None:
    text = "ts,customer,tokens,model,extra\n1795240800,acme,12,lumen,x\n2026-11-20T10:15:00+01:00,acme-eu,13,,y\n"
    columns = ("time=ts", "subject=customer", "data.tokens=tokens", "data.llm.model=model")
    sent, refused = table(metered, text, columns=columns)
    assert refused == []
    assert [(e["time"], e["subject"], e["data"]) for e in sent] == [
        ("2026-11-21T06:00:00Z", "acme", {"tokens": 12, "llm": {"model": "lumen"}}),
        ("2026-11-20T10:15:00+01:00", "acme-eu", {"tokens": 13}),
    ]
    assert total(metered) == 25


def test_columns_by_their_names_need_no_map(metered: Workspace) -> None:
    sent, _ = table(metered, "﻿id;subject;tokens;data.a.b\nx;acme-eu;1;2\n")
    assert [(e["id"], e["subject"], e["data"]) for e in sent] == [("x", "acme-eu", {"tokens": 1, "a": {"b": 2}})]


CELLS: list[tuple[str, Any]] = [
    ("12", 12),
    ("-3", -3),
    ("0.1", 0.1),
    ("1.50", 1.5),
    ("1e3", 1000.0),
    ("9007199254740992", 9007199254740992),
    ("9007199254740993", "9007199254740993"),
    ("12345678901234567890", "12345678901234567890"),
    ("0.1000000000000000055511", "0.1000000000000000055511"),
    ("1e999", "1e999"),
    ("007", "007"),
    ("+5", "+5"),
    ("NaN", "NaN"),
    ("١٢", "١٢"),
    (" 5", " 5"),
    ("true", "true"),
]


def test_a_cell_is_a_number_where_openmeter_keeps_every_digit(metered: Workspace) -> None:
    rows = "".join(f"{cell},{cell}\n" for cell, _ in CELLS)
    sent, _ = table(metered, f"x,y\n{rows}", columns=("data.x=x", "data.y:text=y"))
    assert [e["data"] for e in sent] == [{"x": value, "y": cell} for cell, value in CELLS]
    assert [type(e["data"]["x"]) for e in sent] == [type(value) for _, value in CELLS]


def test_rows_are_told_by_the_line_that_they_start_on(metered: Workspace) -> None:
    text = b'a,b\n1,"x\ny"\n1\n1,2,3\n\n1,\xff\n1,"x" y\n2,2\n1,' + b"x" * 1_000_000 + b"\n3,3\n"
    sent, refused = table(metered, text)
    assert [e["data"] for e in sent] == [{"a": 1, "b": "x\ny"}, {"a": 2, "b": 2}, {"a": 3, "b": 3}]
    quotes = '(a cell with a delimiter, a quote or a line break in it is written as "...")'
    assert refused == [
        f"4: has 1 cell where the header has 2 {quotes}",
        f"5: has 3 cells where the header has 2 {quotes}",
        "7: is no UTF-8 (save the file as UTF-8)",
        f"8: is no CSV: ',' expected after '\"' {quotes}",
        "10: is longer than 1,000,000 bytes (OpenMeter takes no larger event)",
    ]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("", (), "usage.csv: has no header (its first line names the columns)"),
        ("a,a\n", (), "usage.csv:1: two columns are named 'a' (each column has a name of its own)"),
        ("ts,b\n", ("time=tz",), "--map time=tz: usage.csv has no column 'tz' (it has ts, b)"),
        ("stamp,b\n", ("time=stmp",), "has no column 'stmp' (did you mean `stamp`?)"),
        ("a,b\n", ("tokens=a",), "--map tokens=a: write it as FIELD=COLUMN, where FIELD is id, source, type"),
        ("a,b\n", ("data.=a",), "write it as FIELD=COLUMN"),
        ("a,b\n", ("data.x",), "write it as FIELD=COLUMN"),
        ("a,b\n", ("data.x=a", "data.x=b"), "--map data.x=b: data.x is 'a' already"),
        ("a,b\n", ("data.x=a", "data.x.y=b"), "data.x is a value and cannot hold data.x.y (name one otherwise)"),
    ],
)
def test_columns_that_cannot_be_meant_are_told(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, text: str, columns: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(ws.root)
    ws.write("usage.csv", text)
    with pytest.raises(UsageError) as caught:
        send(ws, Feed(path=Path("usage.csv"), columns=columns))
    assert said in str(caught.value)
