"""Single lines: what is refused of them and why, the ids that they get, and that nothing else is ever refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import share
from strategies import json_values, words
from wire import refereed

from billing_as_code.devserver import create_app
from billing_as_code.ingest.checking import Checker, Defaults
from billing_as_code.ingest.events import Event, Refusal
from billing_as_code.ingest.fingerprints import Fingerprints
from billing_as_code.ingest.sources import LONGEST, ndjson

TIME = "2026-11-20T10:15:00Z"
LAST = "9999-12-31T23:59:59-23:59"
GOOD = {"type": "prompt", "subject": "acme", "time": TIME}


def checked(content: bytes | str, **defaults: Any) -> list[Event | Refusal]:
    checker = Checker(Defaults(**defaults), lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    lines = ndjson(io.BytesIO(content.encode() if isinstance(content, str) else content))
    found = [one if isinstance(one, Refusal) else checker.check(line, one) for line, one in lines]
    return [one for one in found if one is not None]


def only(content: bytes | str, **defaults: Any) -> Event | Refusal:
    [one] = checked(content, **defaults)
    return one


def line(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{oops", "is no JSON: expecting property name enclosed in double quotes at 'oops', column 2"),
        ('{"type": "prompt"', "is no JSON: expecting ',' delimiter at its end, column 18"),
        ("{} {}", "is no JSON: extra data at '{}', column 4"),
        ("[\n", "is no JSON: expecting value at its end, column 2 (one event a line; jq -c '.[]' FILE makes"),
        ('"prompt"', 'is a text, no event (a JSON object, such as {"type": "prompt", "subject": "acme"})'),
        ("null", "is null, no event"),
        ('{"data": {"a": NaN}}', "holds NaN, which is no JSON"),
        ('{"data": {"a": -Infinity}}', "holds -Infinity, which is no JSON"),
        (b'{"type": "\xff"}', "is no UTF-8 (save the file as UTF-8)"),
        ("[" * 100_000, "is nested too deep"),
        (f'{{"data": {{"a": 1{"0" * 5000}}}}}', "holds a number that is beyond what OpenMeter can hold"),
        (line(data={"a": [1, {"b": 10**400}]}), "data holds a number that is beyond what OpenMeter can hold"),
        (line(data={"a": 10**400}), "data holds a number that is beyond what OpenMeter can hold (at most 1.7e308"),
        (
            '{"type": "t", "subject": "s", "time": 1795240800, "data": {"a": 1e999}}',
            "data holds a number that is beyond",
        ),
        (line(type=None), "has no type (give it one, or say --type for all that have none)"),
        (line(subject=""), "has an empty subject (give it one, or say --subject for all that have none)"),
        (line(subject=42), 'subject is a number (text: "42")'),
        (line(subject=True), "subject is true or false (text)"),
        (line(type=["a"]), "type is an array (text)"),
        (line(id=7), "id is a number (text)"),
        (line(source=":x"), "source ':x' is no URI reference: what stands before the first colon is no scheme"),
        (
            line(source="a b:c/d"),
            "source 'a b:c/d' is no URI reference: what stands before the first colon is no scheme",
        ),
        (line(source="a\nb"), "source 'a\\nb' is no URI reference: it holds a control character (such as api-gateway"),
        (line(source="50%"), "source '50%' is no URI reference: a % without two hexadecimal digits behind it"),
        (line(data="ten"), 'data is a text (a JSON object, such as {"tokens": 5})'),
        (line(data=[1]), "data is an array"),
        (line(data={"tokens": None}), "data.tokens is null, which OpenMeter refuses (leave it out)"),
        (line(specversion="2.0"), "specversion is '2.0' (1.0, or leave it out)"),
        (line(datacontenttype="text/plain"), "datacontenttype is 'text/plain' (application/json, or leave it out)"),
        (line(data_base64="YQ=="), "has data_base64, which OpenMeter does not count (data, a JSON object)"),
        (line(subject="\ud800"), "holds half of a surrogate pair, which is no text (valid Unicode)"),
        (line(id="\udfff"), "holds half of a surrogate pair"),
        (line(data={"a": "\ud800"}), "holds half of a surrogate pair"),
        (
            line(time=None),
            "has no time (time: RFC 3339, such as 2026-11-20T10:15:00Z, or seconds since 1970; or --time",
        ),
        (line(data={"a": "x" * LONGEST}), "is longer than 1,000,000 bytes (OpenMeter takes no larger event)"),
        (line(data={"a": "x" * (LONGEST - 120)}), "is longer than 1,000,000 bytes"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_what_would_be_right(content: bytes | str, said: str) -> None:
    refusal = only(content)
    assert isinstance(refusal, Refusal)
    assert refusal.line == 1
    assert str(refusal).startswith(said)


@pytest.mark.parametrize(
    "time",
    [
        *("yesterday", "2026-11-20", "2026-11-20T10:15:00", "2026-11-20 10:15:00Z", "2026-11-20t10:15:00z"),
        *("2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T10:15:60Z", "2026-11-20T10:15:00+25:00"),
        *("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *(0, -5, True, "", [], 10**20, "٢٠٢٦-11-20T10:15:00Z"),
    ],
)
def test_a_time_that_openmeter_does_not_take_or_drops_is_refused(time: Any) -> None:
    assert isinstance(only(line(time=time)), Refusal)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (TIME, TIME),
        ("2026-11-20T10:15:00.123456789+01:00", "2026-11-20T10:15:00.123456789+01:00"),
        (1795240800, "2026-11-21T06:00:00Z"),
        ("1795240800", "2026-11-21T06:00:00Z"),
        (1795240800.25, "2026-11-21T06:00:00.250000Z"),
        (1795240800250, "2026-11-21T06:00:00.250000Z"),
        (1795240800250000, "2026-11-21T06:00:00.250000Z"),
        ("1795240800250000999", "2026-11-21T06:00:00.250000Z"),
    ],
)
def test_a_time_is_rfc_3339_or_counts_from_1970(given: Any, sent: str) -> None:
    event = only(line(time=given))
    assert isinstance(event, Event)
    assert json.loads(event.body)["time"] == sent


def test_what_is_long_empty_or_ends_oddly_does_not_disturb_the_lines_after_it() -> None:
    lines = [b"\xef\xbb\xbf" + line().encode() + b"\r", b"", b"  ", b"x" * (3 * LONGEST), line(id="last").encode()]
    first, long, last = checked(b"\n".join(lines))
    assert isinstance(first, Event)
    assert long == Refusal(4, "is longer than 1,000,000 bytes", "OpenMeter takes no larger event")
    assert isinstance(last, Event)
    assert (first.line, last.line, last.id) == (1, 5, "last")


def test_a_deeper_null_and_a_text_of_many_digits_are_openmeters_to_take() -> None:
    """It does: recording events_bad_fields."""
    data = {"tags": ["a", None], "more": {"none": None}, "digits": "1" * 400, "half": [0.5, True]}
    event = only(line(data=data))
    assert isinstance(event, Event)
    assert json.loads(event.body)["data"] == data


# -- ids --------------------------------------------------------------------------------------------------------------

names = words.filter(lambda text: text.strip())
objects = st.dictionaries(names, json_values.filter(lambda value: value is not None), max_size=4)
events = st.fixed_dictionaries(
    {"type": names, "subject": names, "time": st.sampled_from((TIME, 1795240800))},
    optional={"data": objects, "source": st.sampled_from(("gw", "/a/b", "http://x/y?z#w"))},
)


def shuffled(value: Any, draw: st.DrawFn) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], draw) for key in draw(st.permutations(list(value)))}
    return [shuffled(one, draw) for one in value] if isinstance(value, list) else value


@settings(max_examples=share(0.4))
@given(events, st.data())
def test_the_order_of_keys_makes_no_other_id(event: dict[str, Any], data: st.DataObject) -> None:
    again = data.draw(st.composite(lambda draw: shuffled(event, draw))())
    one, other = (
        only(json.dumps(event)),
        only(json.dumps(again, ensure_ascii=False, indent=None, separators=(", ", " : "))),
    )
    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert (one.id, one.body, one.key, one.content) == (other.id, other.body, other.key, other.content)


@settings(max_examples=share(0.4))
@given(st.lists(events, max_size=6), st.data())
def test_ids_are_stable_in_any_order_and_all_different(found: list[dict[str, Any]], data: st.DataObject) -> None:
    found += data.draw(st.lists(st.sampled_from(found), max_size=3)) if found else []
    lines = [json.dumps(event) for event in found]
    ids = [one.id for one in checked("\n".join(lines)) if isinstance(one, Event)]
    assert len(set(ids)) == len(ids) == len(found)
    elsewhere = [one.id for one in checked("\n".join(data.draw(st.permutations(lines)))) if isinstance(one, Event)]
    assert sorted(elsewhere) == sorted(ids)


def test_a_made_id_is_the_same_for_ever() -> None:
    """It is what keeps a file from being counted twice by another version of bac."""
    event, again = checked(f"{line(data={'tokens': 5, 'model': 'ü'})}\n" * 2)
    assert isinstance(event, Event)
    assert isinstance(again, Event)
    assert (event.id, again.id) == ("bac-1456a08d6b3026066e405b3281b159e9", "bac-2d5cf343ec64e00b27bdc0b34240250c")


# -- and OpenMeter takes all the rest ---------------------------------------------------------------------------------

anything = st.fixed_dictionaries(
    {},
    optional={
        "id": st.none() | st.just("") | names | st.integers(),
        "source": st.none() | st.text(max_size=6) | st.sampled_from(("http://a/b", "a:b", "%zz", "a b", "#", "?%x")),
        "type": st.none() | st.text(max_size=3) | st.integers(),
        "subject": st.none() | st.text(max_size=3),
        "time": st.none()
        | st.sampled_from((TIME, "2026-11-20T10:15:00.5-07:30", "no", 17, 1e9, 10**15, "9999-12-31T23:59:59-23:59")),
        "data": json_values | objects,
        "specversion": st.sampled_from((None, "1.0", "0.3", "2.0", 1)),
        "datacontenttype": st.sampled_from((None, "application/json", "text/plain")),
        "trace_id": json_values,
    },
)


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    """A server for all examples, past the referee."""
    app = create_app()
    with httpx.Client(transport=refereed(app), base_url="http://openmeter.test") as client:
        yield client
    app.config["DATABASE"].close()


@settings(max_examples=share(0.8))
@given(found=st.lists(anything, min_size=1, max_size=3))
def test_openmeter_takes_every_event_that_is_not_refused(server: httpx.Client, found: list[Any]) -> None:
    events = [one for one in checked("\n".join(map(json.dumps, found))) if isinstance(one, Event)]
    body = b"[" + b",".join(event.body for event in events) + b"]"
    answer = server.post("/api/v1/events", content=body, headers={"content-type": "application/cloudevents-batch+json"})
    assert answer.status_code == 204, (answer.text, body)


# -- fingerprints -----------------------------------------------------------------------------------------------------

numbers = st.integers(0, 2**64 - 1) | st.integers(0, 40) | st.integers(0, 40).map(lambda n: n << 32)


@given(st.lists(st.tuples(numbers.filter(bool), numbers), max_size=60), st.integers(0, 100))
def test_fingerprints_are_a_dict(pairs: list[tuple[int, int]], room: int) -> None:
    table, model = Fingerprints(room), dict[int, int]()
    for key, value in pairs:
        assert table.put(key, value) == model.get(key)
        model[key] = value
    assert len(table) == len(model)
    assert all(table.get(key) == value for key, value in model.items())
    assert table.get(2**63 + 12345) == model.get(2**63 + 12345)


def test_fingerprints_grow() -> None:
    keys = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(1, 5000)]
    table = Fingerprints()
    for n, key in enumerate(keys):
        table.put(key, n)
    assert [table.get(key) for key in keys] == list(range(len(keys)))
