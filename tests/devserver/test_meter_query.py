"""Meter queries through v1 and v3: aggregations, windows, groups, filters, CSV, subjects and values of group-bys."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest

from billing_as_code.devserver import usage_sql
from billing_as_code.devserver.store import Store

START = "2026-11-20T10:00:00Z"

_ids = itertools.count()


def make_meter(client: httpx.Client, aggregation: str = "SUM", **changes: Any) -> dict[str, Any]:
    meter: dict[str, Any] = {
        "slug": "used",
        "eventType": "prompt",
        "aggregation": aggregation,
        "groupBy": {"model": "$.model", "user": "$.user"},
    }
    if aggregation != "COUNT":
        meter["valueProperty"] = "$.tokens"
    reply = client.post("/api/v1/meters", json=meter | changes)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


def make_customer(client: httpx.Client, key: str, *subjects: str) -> str:
    body = {"name": key.title(), "key": key, "usageAttribution": {"subjectKeys": list(subjects)}}
    reply = client.post("/api/v1/customers", json=body)
    assert reply.status_code == 201, reply.text
    id: str = reply.json()["id"]
    return id


def use(client: httpx.Client, *events: dict[str, Any]) -> None:
    """Send events; each is its data, and in `at`, `by` and `type` its time, subject and type."""
    batch = []
    for data in events:
        known = {"at": START, "by": "acme-prod", "type": "prompt"} | data
        fields = {"time": known.pop("at"), "subject": known.pop("by"), "type": known.pop("type"), "data": known}
        batch.append({"specversion": "1.0", "id": str(next(_ids)), "source": "test"} | fields)
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert client.post("/api/v1/events", content=json.dumps(batch), headers=headers).status_code == 204


def ask(client: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    reply = client.get("/api/v1/meters/used/query", params=named)
    assert reply.status_code == 200, reply.text
    rows: list[dict[str, Any]] = reply.json()["data"]
    return rows


def values(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["value"] for row in rows]


def advance(client: httpx.Client, now: str) -> None:
    assert client.put("/_dev/clock", json={"now": now}).status_code == 200


@pytest.mark.parametrize("aggregation", ["SUM", "COUNT", "AVG", "MIN", "MAX", "LATEST", "UNIQUE_COUNT"])
@pytest.mark.parametrize("question", [{}, {"windowSize": "DAY"}, {"groupBy": ["model"]}, {"groupBy": ["subject"]}])
def test_a_query_that_reads_the_whole_table_answers_as_by_the_index(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, aggregation: str, question: dict[str, Any]
) -> None:
    make_meter(client, aggregation)
    days = [f"2026-11-{20 + n % 3}T{23 - n % 7}:00:{n % 60:02d}Z" for n in range(40)]
    use(client, *({"tokens": n * 3 % 17, "model": f"m{n % 3}", "by": f"s{n % 5}", "at": a} for n, a in enumerate(days)))
    by_index = ask(client, **question)
    statements: list[str] = []
    original = Store.all
    monkeypatch.setattr(usage_sql, "_MANY", 1)
    monkeypatch.setattr(Store, "all", lambda self, sql, *rest: statements.append(sql) or original(self, sql, *rest))

    assert ask(client, **question) == by_index
    assert any("NOT INDEXED" in sql for sql in statements)
    statements.clear()
    assert ask(client, subject=["s1"])
    assert not any("NOT INDEXED" in sql for sql in statements)


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("SUM", 36), ("COUNT", 7), ("AVG", 12), ("MIN", 1), ("MAX", 30), ("LATEST", 30), ("UNIQUE_COUNT", 6)],
)
def test_values_that_are_no_numbers_count_where_texts_do(client: httpx.Client, aggregation: str, value: float) -> None:
    make_meter(client, aggregation)
    use(
        client,
        {"tokens": 1, "at": "2026-11-20T10:00:00Z"},
        {"tokens": "5", "at": "2026-11-20T10:00:01Z"},
        {"tokens": 30.0, "at": "2026-11-20T10:00:02Z"},
        {"tokens": "many", "at": "2026-11-20T10:00:03Z"},
        {"at": "2026-11-20T10:00:04Z"},
        {"tokens": "NaN", "at": "2026-11-20T10:00:05Z"},
        {"tokens": "many", "at": "2026-11-20T10:00:06Z"},
    )
    # The texts are 1, 5, 30, many, NaN and the empty one of the event without a value.
    assert values(ask(client)) == [value]


def test_a_null_inside_the_data_is_no_value(client: httpx.Client) -> None:
    make_meter(client, "UNIQUE_COUNT", valueProperty="$.deep.user")
    use(client, {"deep": {"user": None}}, {"deep": {"user": "ann"}})
    assert values(ask(client)) == [1]


@pytest.mark.parametrize(
    ("path", "value"), [("$.a.b", 3), ("$['a']['b']", 3), ("$.list[1]", 20), ("$.list[*]", 10), ("$.objects[*].n", 7)]
)
def test_a_value_may_lie_deep_in_the_data(client: httpx.Client, path: str, value: int) -> None:
    make_meter(client, valueProperty=path)
    use(client, {"a": {"b": 3}, "list": [10, 20], "objects": [{}, {"n": 7}]})
    assert values(ask(client)) == [value]


def test_the_first_of_two_values_of_a_second_is_the_latest_within_a_batch(client: httpx.Client) -> None:
    make_meter(client, "LATEST")
    use(client, {"tokens": 1}, {"tokens": 2})
    assert values(ask(client)) == [1]


def test_of_two_batches_the_later_one_has_the_latest_of_a_second(client: httpx.Client) -> None:
    make_meter(client, "LATEST")
    use(client, {"tokens": 1})
    advance(client, "2026-11-24T13:00:00Z")
    use(client, {"tokens": 2})
    assert values(ask(client)) == [2]


def test_an_event_of_another_type_or_before_the_meter_starts_does_not_count(client: httpx.Client) -> None:
    make_meter(client, eventFrom="2026-11-20T10:00:00Z")
    use(client, {"tokens": 1}, {"tokens": 2, "at": "2026-11-20T09:59:59Z"}, {"tokens": 4, "type": "other"})
    assert values(ask(client)) == [1]
    assert values(ask(client, from_="2026-11-01T00:00:00Z")) == [1]


def test_the_start_counts_and_the_end_does_not_and_both_are_cut_to_seconds(client: httpx.Client) -> None:
    make_meter(client)
    use(client, {"tokens": 1, "at": "2026-11-20T10:00:00Z"}, {"tokens": 2, "at": "2026-11-20T11:00:00Z"})
    row = ask(client, from_="2026-11-20T10:00:00.9Z", to="2026-11-20T12:00:00.1+01:00")[0]
    assert row["value"] == 1
    assert (row["windowStart"], row["windowEnd"]) == ("2026-11-20T10:00:00.9Z", "2026-11-20T12:00:00.1+01:00")


def test_without_a_period_the_row_spans_the_minutes_of_the_events(client: httpx.Client) -> None:
    make_meter(client)
    use(client, {"tokens": 1, "at": "2026-11-20T10:15:30Z"}, {"tokens": 2, "at": "2026-11-21T11:00:00Z"})
    row = ask(client)[0]
    assert (row["windowStart"], row["windowEnd"]) == ("2026-11-20T10:15:00Z", "2026-11-21T11:01:00Z")


def test_no_events_are_no_row_except_for_counts(client: httpx.Client) -> None:
    make_meter(client)
    make_meter(client, "COUNT", slug="calls")
    assert ask(client) == []
    rows = client.get("/api/v1/meters/calls/query").json()["data"]
    assert [(row["value"], row["windowStart"], row["windowEnd"]) for row in rows] == [
        (0, "1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z")
    ]
    assert client.get("/api/v1/meters/calls/query", params={"groupBy": "model"}).json()["data"] == []


def test_days_of_a_zone_follow_its_clocks(client: httpx.Client) -> None:
    make_meter(client)
    times = ("2026-10-25T00:30:00Z", "2026-10-25T22:30:00Z", "2026-10-25T23:30:00Z")
    use(client, *({"tokens": 1, "at": at} for at in times))
    rows = ask(client, windowSize="DAY", windowTimeZone="Europe/Budapest")
    assert [(row["windowStart"], row["windowEnd"], row["value"]) for row in rows] == [
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 2),
        ("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", 1),
    ]


@pytest.mark.parametrize("aggregation", ["SUM", "COUNT", "AVG", "MIN", "MAX", "LATEST", "UNIQUE_COUNT"])
@pytest.mark.parametrize("size", ["MINUTE", "HOUR", "DAY", "MONTH"])
def test_windows_come_to_what_asking_for_each_comes_to(client: httpx.Client, aggregation: str, size: str) -> None:
    make_meter(client, aggregation)
    use(
        client,
        *(
            {"tokens": n % 7, "at": f"2026-{9 + n % 3:02}-{1 + n % 27:02}T{n % 23:02}:{n % 59:02}:00Z"}
            for n in range(60)
        ),
    )
    rows = ask(client, windowSize=size, windowTimeZone="America/St_Johns")
    assert rows == sorted(rows, key=lambda row: str(row["windowStart"]))
    for row in rows[:12]:
        alone = ask(client, from_=row["windowStart"], to=row["windowEnd"])
        assert values(alone) == [row["value"]]
    if aggregation in ("SUM", "COUNT"):
        assert sum(values(rows)) == values(ask(client))[0]


def test_groups_split_the_whole_and_a_missing_dimension_is_empty(client: httpx.Client) -> None:
    make_meter(client)
    use(
        client,
        {"tokens": 1, "model": "small"},
        {"tokens": 2, "model": 4},
        {"tokens": 4},
        {"tokens": 8, "model": {"a": 1}},
    )
    rows = ask(client, groupBy="model")
    assert {row["groupBy"]["model"]: row["value"] for row in rows} == {"small": 1, "4": 2, "": 12}
    assert rows[0]["groupBy"] == {"model": ""}


def test_a_subject_filter_groups_by_subject_and_a_customer_filter_by_customer(client: httpx.Client) -> None:
    make_meter(client)
    acme = make_customer(client, "acme", "acme-prod")
    use(client, {"tokens": 1}, {"tokens": 2, "by": "acme"}, {"tokens": 4, "by": "stranger"})
    assert [(row["subject"], row["value"]) for row in ask(client, subject="acme")] == [("acme", 2)]
    rows = ask(client, filterCustomerId=acme)
    assert [(row["customerId"], row["subject"], row["value"]) for row in rows] == [(acme, None, 3)]
    assert ask(client, filterCustomerId=acme, subject="stranger") == []
    both = ask(client, filterCustomerId=acme, groupBy="subject")
    assert {(row["customerId"], row["subject"], row["value"]) for row in both} == {
        (acme, "acme-prod", 1),
        (acme, "acme", 2),
    }


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({"$eq": "large"}, 2),
        ({"$ne": "large"}, 13),
        ({"$in": ["large", "small"]}, 3),
        ({"$nin": ["large", "small"]}, 12),
        ({"$like": "l%"}, 2),
        ({"$ilike": "L%"}, 6),
        ({"$nilike": "L%"}, 9),
        ({"$gt": "large"}, 1),
        ({"$and": [{"$ne": "large"}, {"$like": "%a%"}]}, 1),
        ({"$or": [{"$eq": "large"}, {"$eq": "small"}]}, 3),
        ({}, 15),
    ],
)
def test_filters_on_dimensions(client: httpx.Client, wanted: dict[str, Any], value: int) -> None:
    make_meter(client)
    models = ("small", "large", "LARGE", None)
    use(client, *({"tokens": 2**n} | ({"model": model} if model else {}) for n, model in enumerate(models)))
    found = client.post("/api/v1/meters/used/query", json={"advancedMeterGroupByFilters": {"model": wanted}})
    assert values(found.json()["data"]) == [value]
    as_parameter = ask(client, advancedMeterGroupByFilters=json.dumps({"model": wanted}))
    assert values(as_parameter) == [value]


@pytest.mark.parametrize(
    ("parameters", "status", "detail"),
    [
        ({"groupBy": "nope"}, 400, "validation error: invalid group by: nope"),
        ({"groupBy": "customer_id"}, 400, "validation error: customer filter is required with customer_id group by"),
        ({"filterGroupBy[nope]": "x"}, 400, "validation error: invalid group by filter: nope"),
        ({"filterGroupBy[model]": ""}, 400, "validation error: validation error: filter is invalid: format mismatch"),
        (
            {"advancedMeterGroupByFilters": '{"nope": {"$eq": "x"}}'},
            400,
            "validation error: meter does not have group by: nope",
        ),
        (
            {"advancedMeterGroupByFilters": '{"model": {"$eq": "x"}}', "filterGroupBy[model]": "x"},
            400,
            "validation error: advanced meter group by filters and filter group by cannot be used together",
        ),
        (
            {"advancedMeterGroupByFilters": '{"model": "x"}'},
            400,
            "unmarshaling param advancedMeterGroupByFilters: "
            "Error unmarshaling parameter advancedMeterGroupByFilters as JSON: "
            "json: cannot unmarshal string into Go value of type api.FilterString",
        ),
        ({"from": START, "to": START}, 400, "validation error: from and to cannot be equal"),
        ({"from": START, "to": "2026-11-19T00:00:00Z"}, 400, "validation error: from must be before to"),
        ({"windowTimeZone": "Mars/Base"}, 400, "validation error: invalid time zone: unknown time zone Mars/Base"),
        ({"windowTimeZone": "../x"}, 400, "validation error: invalid time zone: time: invalid location name"),
        (
            {"filterCustomerId": "01JAAAAAAAAAAAAAAAAAAAAAAA"},
            404,
            "not found error: customer with id 01JAAAAAAAAAAAAAAAAAAAAAAA not found",
        ),
    ],
)
def test_v1_says_what_is_wrong_with_a_query(
    client: httpx.Client, parameters: dict[str, str], status: int, detail: str
) -> None:
    make_meter(client)
    reply = client.get("/api/v1/meters/used/query", params=parameters)
    assert (reply.status_code, reply.json()["detail"]) == (status, detail)


def test_a_deleted_meter_is_queried_by_its_id_only(client: httpx.Client) -> None:
    meter = make_meter(client)
    use(client, {"tokens": 3})
    assert client.delete("/api/v1/meters/used").status_code == 204
    assert client.get("/api/v1/meters/used/query").status_code == 404
    assert values(client.get(f"/api/v1/meters/{meter['id']}/query").json()["data"]) == [3]


def test_csv_has_subjects_with_their_names_before_the_dimensions(client: httpx.Client) -> None:
    make_meter(client)
    client.post("/api/v1/subjects", json=[{"key": "acme-prod", "displayName": 'Acme, "Inc"'}])
    use(client, {"tokens": 1.5, "model": "a,b"}, {"tokens": 2, "by": "stranger", "model": "c"})
    reply = client.get(
        "/api/v1/meters/used/query",
        params={"groupBy": ["model", "subject"], "from": "2026-11-20T00:00:00.5Z", "windowSize": "DAY"},
        headers={"accept": "text/csv;q=0.9"},
    )
    assert reply.headers["content-type"] == "text/csv"
    assert reply.headers["content-disposition"] == "attachment; filename=used.csv"
    head, *rows = reply.text.splitlines()
    assert head == "window_start,window_end,subject,subject_display_name,model,value"
    day = "2026-11-20T00:00:00Z,2026-11-21T00:00:00Z"
    assert sorted(rows) == [
        f'{day},acme-prod,"Acme, ""Inc""","a,b",1.500000',
        f"{day},stranger,,c,2.000000",
    ]


def test_an_accept_header_with_several_types_is_json(client: httpx.Client) -> None:
    make_meter(client)
    reply = client.get("/api/v1/meters/used/query", headers={"accept": "text/csv, application/json"})
    assert reply.headers["content-type"] == "application/json"


def query_v3(client: httpx.Client, meter: dict[str, Any], body: dict[str, Any], **headers: str) -> httpx.Response:
    return client.post(f"/api/v3/openmeter/meters/{meter['id']}/query", json=body, headers=headers)


def test_v3_writes_values_as_plain_decimals(client: httpx.Client) -> None:
    meter = make_meter(client, "MAX")
    for value, text in ((1e-7, "0.0000001"), (0.1, "0.1"), (123456789.125, "123456789.125"), (1e22, "1" + "0" * 22)):
        use(client, {"tokens": value})
        assert query_v3(client, meter, {}).json()["data"][0]["value"] == text


def test_sums_are_plain_additions_of_floats(client: httpx.Client) -> None:
    meter = make_meter(client)
    use(client, *({"tokens": value} for value in (0.1, 0.2, 0.3)))
    assert query_v3(client, meter, {}).json()["data"][0]["value"] == repr(0.1 + 0.2 + 0.3)


def test_v3_groups_and_filters_by_customer_also_a_deleted_one(client: httpx.Client) -> None:
    meter = make_meter(client)
    acme = make_customer(client, "acme", "acme-prod")
    use(client, {"tokens": 1}, {"tokens": 2, "by": "stranger"})
    body = {"filters": {"dimensions": {"customer_id": {"eq": acme}}}}
    row = query_v3(client, meter, body).json()["data"][0]
    assert (row["value"], row["dimensions"]) == ("1", {"customer_id": acme})
    assert client.delete(f"/api/v1/customers/{acme}").status_code == 204
    assert query_v3(client, meter, body).json()["data"][0]["value"] == "1"


def test_v3_csv_names_the_customer(client: httpx.Client) -> None:
    meter = make_meter(client)
    acme = make_customer(client, "acme", "acme-prod")
    use(client, {"tokens": 1.25, "model": "m"})
    body = {
        "from": "2026-11-20T00:00:00Z",
        "to": "2026-11-21T00:00:00Z",
        "group_by_dimensions": ["model", "subject"],
        "filters": {"dimensions": {"customer_id": {"in": [acme]}}},
    }
    reply = query_v3(client, meter, body, accept="text/csv")
    assert reply.text.splitlines() == [
        "from,to,subject,customer_id,customer_key,customer_name,model,value",
        f"2026-11-20T00:00:00Z,2026-11-21T00:00:00Z,acme-prod,{acme},acme,Acme,m,1.25",
    ]


@pytest.mark.parametrize(
    ("body", "issue"),
    [
        (
            {"time_zone": "Mars/Base"},
            {"code": "invalid_time_zone", "message": "invalid time zone", "field": "$.time_zone", "value": "Mars/Base"},
        ),
        (
            {"group_by_dimensions": ["nope"]},
            {
                "code": "invalid_group_by",
                "message": "invalid group by dimension",
                "field": "$.group_by_dimensions",
                "value": "nope",
            },
        ),
        (
            {"filters": {"dimensions": {"nope": {"eq": "x"}}}},
            {
                "code": "invalid_dimension_filter",
                "message": "invalid dimension filter",
                "field": "$.filters.dimensions.nope",
            },
        ),
        (
            {"filters": {"dimensions": {"subject": {"eq": "x", "in": ["x"]}}}},
            {
                "code": "unsupported_filter_operator",
                "message": "only eq and in filter operators are supported for this field",
                "field": "$.filters.dimensions.subject",
            },
        ),
    ],
)
def test_v3_says_what_is_wrong_with_a_query(client: httpx.Client, body: dict[str, Any], issue: dict[str, str]) -> None:
    reply = query_v3(client, make_meter(client), body)
    assert reply.status_code == 400
    assert reply.json()["extensions"]["validationErrors"] == [issue | {"severity": "critical"}]


def test_v3_filters_go_two_levels_deep(client: httpx.Client) -> None:
    meter = make_meter(client)
    use(client, {"tokens": 1, "model": "a%b"}, {"tokens": 2, "model": "axb"})
    deep = {"or": [{"and": [{"contains": "%"}, {"neq": "x"}]}]}
    assert query_v3(client, meter, {"filters": {"dimensions": {"model": deep}}}).json()["data"][0]["value"] == "1"
    reply = query_v3(client, meter, {"filters": {"dimensions": {"model": {"and": [deep]}}}})
    assert reply.json()["detail"] == (
        'validation error: dimension filter "model": validation error: filter complexity exceeds maximum allowed depth'
    )


def test_a_path_that_clickhouse_refuses_fails_every_query(client: httpx.Client) -> None:
    body = {"key": "bad", "name": "Bad", "aggregation": "sum", "event_type": "prompt", "value_property": "$.a[["}
    made = client.post("/api/v3/openmeter/meters", json=body)
    assert made.status_code == 201, made.text
    reply = query_v3(client, made.json(), {})
    assert (reply.status_code, "detail" in reply.json()) == (500, False)


def test_subjects_of_a_meter_are_sorted_and_those_of_a_period(client: httpx.Client) -> None:
    make_meter(client)
    use(client, {"by": "b"}, {"by": "a"}, {"by": "c", "type": "other"}, {"by": "d", "at": "2026-11-22T00:00:00Z"})
    assert client.get("/api/v1/meters/used/subjects").json() == ["a", "b", "d"]
    period = {"from": "2026-11-21T00:00:00Z", "to": "2026-11-23T00:00:00Z"}
    assert client.get("/api/v1/meters/used/subjects", params=period).json() == ["d"]


def test_values_of_a_group_by_are_those_of_the_last_day_unless_asked_otherwise(client: httpx.Client) -> None:
    make_meter(client)
    use(client, {"model": "old"}, {"model": "new", "at": "2026-11-24T11:00:00Z"}, {"at": "2026-11-24T11:00:00Z"})
    path = "/api/v1/meters/used/group-by/model/values"
    assert client.get(path).json() == ["", "new"]
    assert client.get(path, params={"from": "2026-11-01T00:00:00Z"}).json() == ["", "new", "old"]
    assert client.get(path, params={"to": "2026-11-24T00:00:00Z"}).json() == ["old"]


@pytest.mark.parametrize(
    ("period", "detail"),
    [
        ({"from": "2026-01-01T00:00:00Z"}, "from time must not be more than 90 days ago"),
        ({"from": START, "to": START}, "from and to cannot be equal"),
        (
            {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
            "time window must be less than 30 days",
        ),
    ],
)
def test_values_of_a_group_by_have_limits(client: httpx.Client, period: dict[str, str], detail: str) -> None:
    make_meter(client)
    reply = client.get("/api/v1/meters/used/group-by/model/values", params=period)
    assert (reply.status_code, reply.json()["detail"]) == (400, f"validation error: {detail}")


def test_a_filter_on_a_group_by_called_subject_is_about_the_events_subject(client: httpx.Client) -> None:
    make_meter(client, groupBy={"subject": "$.model", "customer_id": "$.user"})
    acme = make_customer(client, "acme", "acme-prod")
    use(client, {"tokens": 1, "model": "x"}, {"tokens": 2, "by": "x", "model": "acme-prod"})
    wanted = {"subject": {"$eq": "acme-prod"}}
    assert values(ask(client, advancedMeterGroupByFilters=json.dumps(wanted))) == [1]
    of_acme = json.dumps({"customer_id": {"$eq": acme}})
    assert values(ask(client, advancedMeterGroupByFilters=of_acme, filterCustomerId=acme)) == [1]
    parameters = {"advancedMeterGroupByFilters": of_acme}
    assert client.get("/api/v1/meters/used/query", params=parameters).status_code == 500
