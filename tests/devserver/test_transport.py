"""What OpenMeter's transport answers before any handler runs."""

from __future__ import annotations

import httpx
import pytest

V1 = "/api/v1/meters"
V3 = "/api/v3/openmeter/meters"
JSON = {"content-type": "application/json"}


def v3_reason(reply: httpx.Response) -> str:
    assert reply.status_code == 400
    [parameter] = reply.json()["invalid_parameters"]
    assert reply.json()["detail"] == f"Bad Request: : {parameter['reason']}"
    reason: str = parameter["reason"]
    return reason


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("{", "unexpected EOF"),
        (" ", "EOF"),
        ('{"a"', "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("nul!", "invalid character '!' in literal null (expecting 'l')"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("[1.x]", "invalid character 'x' after decimal point in numeric literal"),
        ("[1ex]", "invalid character 'x' in exponent of numeric literal"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
    ],
)
def test_what_is_no_json_is_told_in_gos_words(client: httpx.Client, sent: str, why: str) -> None:
    text = f"request body has an error: failed to decode request body: {why}"
    reply = client.post(V1, content=sent, headers=JSON)
    assert reply.status_code == 400
    assert reply.json() == {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": text}
    assert v3_reason(client.post(V3, content=sent, headers=JSON)) == text


def test_the_first_value_of_a_body_counts_and_the_last_of_a_doubled_field(client: httpx.Client) -> None:
    content = '{"slug":"a","slug":"b","eventType":"x","aggregation":"COUNT"} trailing'
    assert client.post(V1, content=content, headers=JSON).json()["slug"] == "b"


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_than_json_is_refused(client: httpx.Client, sent: str) -> None:
    text = f'request body has an error: header Content-Type has unexpected value "{sent}"'
    headers = {"content-type": sent} if sent else {}
    assert client.post(V1, content="{}", headers=headers).json()["detail"] == text
    assert v3_reason(client.post(V3, content="{}", headers=headers)) == text


def test_a_body_that_is_needed_must_be_there(client: httpx.Client) -> None:
    text = "request body has an error: value is required but missing"
    assert client.post(V1, headers=JSON).json()["detail"] == text
    assert v3_reason(client.post(V3, headers=JSON)) == text


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/api/v9/meters", "/api/v1/meters/", "/api/v1//meters"])
def test_an_unknown_route_is_404_without_detail(client: httpx.Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert set(reply.json()) == {"type", "title", "status", "instance"}


def test_an_unknown_route_of_v3_is_404_in_its_own_form(client: httpx.Client) -> None:
    reply = client.get("/api/v3/openmeter/colors")
    assert reply.status_code == 404
    assert reply.json()["detail"] == "The requested route was not found"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "DELETE"])
def test_a_method_that_is_not_declared_is_405(client: httpx.Client, method: str) -> None:
    reply = client.request(method, V1)
    assert reply.status_code == 405
    assert reply.headers["content-type"] == "application/problem+json"
    assert client.request(method, V3).status_code == 405


def test_every_answer_names_its_maker(client: httpx.Client) -> None:
    for path in (V1, "/nope"):
        assert client.get(path).headers["x-powered-by"] == "OpenMeter by Kong, Inc."


def test_a_request_keeps_the_id_that_the_client_gave_it(client: httpx.Client) -> None:
    reply = client.get(f"{V1}/nope", headers={"x-request-id": "mine-1"})
    assert reply.json()["instance"] == "urn:request:mine-1"


def test_a_bad_id_is_400_in_v1_and_404_in_v3(client: httpx.Client) -> None:
    assert client.get(f"{V1}/Foo-Bar").status_code == 400
    reply = client.get(f"{V3}/foo")
    assert reply.status_code == 404
    assert reply.json()["detail"] == "The requested entity was not found"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        (
            {"page": "x"},
            "invalid param format page: Invalid format for parameter page: error binding string parameter:"
            ' strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            {"page": "99999999999999999999"},
            "invalid param format page: Invalid format for parameter page: error binding string parameter:"
            ' strconv.ParseInt: parsing "99999999999999999999": value out of range',
        ),
        (
            {"includeDeleted": "maybe"},
            "invalid param format includeDeleted: Invalid format for parameter includeDeleted:"
            ' error binding string parameter: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            {"page": ["1", "2"]},
            "invalid param format page: Invalid format for parameter page:"
            " parameter 'page' is not exploded, but is specified multiple times",
        ),
        ({"page": "0"}, 'parameter "page" in query has an error: number must be at least 1'),
    ],
)
def test_query_parameters_are_bound_and_then_validated(
    client: httpx.Client, query: dict[str, str], detail: str
) -> None:
    reply = client.get(V1, params=query)
    assert reply.status_code == 400
    assert reply.json()["detail"] == detail


def test_v3_tells_all_that_is_wrong_with_a_body(client: httpx.Client) -> None:
    reply = client.post(V3, json={"key": "", "event_type": 5, "extra": 1, "aggregation": "SUM"})
    assert [(p["field"], p["rule"]) for p in reply.json()["invalid_parameters"]] == [
        ("aggregation", "allOf"),
        ("event_type", "type"),
        # A violation without a place of its own keeps the place of the one before it.
        ("event_type", "properties"),
        ("key", "min_length"),
        ("key", "pattern"),
        ("name", "required"),
    ]


def test_v1_quotes_the_schema_where_alternatives_are_behind_an_error(client: httpx.Client) -> None:
    reply = client.post(V1, json={"slug": "a", "eventType": "x", "aggregation": "COUNT", "metadata": {"n": 1}})
    assert reply.json()["detail"] == (
        'Error at "/metadata/n": value must be a string\nSchema:\n  {\n    "type": "string"\n  }\n\nValue:\n  1\n'
    )


@pytest.mark.parametrize("path", ["/api/swagger.json", "/api/v3/openapi.json"])
def test_openmeters_own_documents_are_not_here_and_it_says_so(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 501


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/marketplace/listings",
        "/api/v1/billing/invoices/01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "/api/v1/plans/pro/addons",
        "/api/v3/openmeter/subscriptions/01ARZ3NDEKTSV4RRFFQ69G5FAV/addons",
        "/api/v3/openmeter/customers/01ARZ3NDEKTSV4RRFFQ69G5FAV/credits/balance",
    ],
)
def test_what_openmeter_has_and_this_server_not_is_501(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 501
    assert client.get(path + "/").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/addons"),
        ("PUT", "/api/v1/apps/01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("DELETE", "/api/v3/openmeter/apps/01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ],
)
def test_a_method_that_openmeter_has_and_this_server_not_is_501(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 501
    assert client.request("PATCH", path).status_code == 405


@pytest.mark.parametrize("path", ["/api/v1/plansx", "/api/v1/customers/plans/x"])
def test_what_openmeter_has_not_either_is_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_half_a_character_and_nul_are_taken_as_openmeter_takes_them(client: httpx.Client) -> None:
    half = client.post(V1, content='{"slug":"a","name":"x\\ud83d","eventType":"x","aggregation":"COUNT"}', headers=JSON)
    assert half.json()["name"] == "x\ufffd"
    whole = client.put(f"{V1}/a", content='{"name":"\\ud83d\\ude80"}', headers=JSON)
    assert whole.json()["name"] == "\U0001f680"
    assert client.put(f"{V1}/a", json={"name": "a\x00b"}).status_code == 500


@pytest.mark.parametrize("day", ["2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z"])
def test_a_day_that_does_not_exist_passes_the_schema_and_fails_after_it(client: httpx.Client, day: str) -> None:
    body = {"slug": "a", "eventType": "x", "aggregation": "COUNT", "eventFrom": day}
    assert client.post(V1, json=body).status_code == 500
    body = {"key": "a", "name": "A", "event_type": "x", "aggregation": "count", "events_from": day}
    reply = client.post(V3, json=body)
    assert reply.json()["detail"] == "Bad Request: : unable to parse body"


def test_a_create_answers_with_the_time_as_it_came_and_reads_with_utc(client: httpx.Client) -> None:
    body = {"slug": "a", "eventType": "x", "aggregation": "COUNT", "eventFrom": "2026-01-01T02:00:00.1234567+02:00"}
    assert client.post(V1, json=body).json()["eventFrom"] == "2026-01-01T02:00:00.1234567+02:00"
    assert client.get(f"{V1}/a").json()["eventFrom"] == "2026-01-01T00:00:00.123456Z"
