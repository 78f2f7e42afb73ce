"""OpenMeter's own Python SDK, sync and async, against the dev server on a socket: what its users do, works.

The SDK is made from OpenMeter's document by other hands, so it is a witness of what clients send and can read.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import openmeter
import openmeter.aio
import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from openmeter import models
from serving import serving

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a dev server listens."""
    with serving() as url:
        yield url


class _Blocking:
    """The async SDK, used like the sync one: what is awaitable is awaited, what is an async iterator is collected."""

    def __init__(self, wrapped: Any, runner: asyncio.Runner) -> None:
        self._wrapped, self._runner = wrapped, runner

    def __getattr__(self, name: str) -> _Blocking:
        return _Blocking(getattr(self._wrapped, name), self._runner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._runner.run(self._result(args, kwargs))

    async def _result(self, args: Any, kwargs: Any) -> Any:
        result = self._wrapped(*args, **kwargs)
        if inspect.isawaitable(result):
            return await result
        return [item async for item in result]


@pytest.fixture(params=["sync", "async"])
def sdk(url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The SDK's client of an empty server at NOW."""
    httpx.post(f"{url}/_dev/reset", json={}).raise_for_status()
    httpx.put(f"{url}/_dev/clock", json={"now": NOW.isoformat()}).raise_for_status()
    if request.param == "sync":
        with openmeter.Client(endpoint=url, token="secret") as client:
            yield client
        return
    with asyncio.Runner() as runner:
        client = openmeter.aio.Client(endpoint=url, token="secret")
        runner.run(client.__aenter__())
        yield _Blocking(client, runner)
        runner.run(client.__aexit__())


def make_meter(sdk: Any) -> Any:
    """A sum of tokens, with the model as a dimension.

    The SDK takes the 200 that OpenMeter answers here for an error, since the document says 201 (recording
    meters_v1_lifecycle): the meter is made all the same, with the real one as well.
    """
    meter = models.MeterCreate(
        slug="tokens_total",
        name="Tokens",
        event_type="prompt",
        aggregation=models.MeterAggregation.SUM,
        value_property="$.tokens",
        group_by={"model": "$.model"},
        metadata=models.Metadata({"team": "platform"}),
    )
    with pytest.raises(HttpResponseError) as answered:
        sdk.meters.create(meter)
    assert answered.value.status_code == 200
    return sdk.meters.get("tokens_total")


def make_customer(sdk: Any) -> Any:
    """A customer with two subjects."""
    return sdk.customers.create(
        models.CustomerCreate(
            key="acme",
            name="ACME Inc.",
            usage_attribution=models.CustomerUsageAttribution(subject_keys=["acme", "acme-staging"]),
            currency="USD",
            billing_address=models.Address(country="NO", city="Oslo"),
        )
    )


def make_entitlement(sdk: Any) -> Any:
    """1,000 tokens a month for that customer."""
    make_meter(sdk)
    sdk.features.create(models.FeatureCreateInputs(key="ai_tokens", name="AI tokens", meter_slug="tokens_total"))
    make_customer(sdk)
    return sdk.customer_entitlements_v2.post(
        "acme",
        models.EntitlementMeteredV2CreateInputs(
            type="metered",
            feature_key="ai_tokens",
            usage_period=models.RecurringPeriodCreateInput(interval="MONTH", anchor=NOW),
            issue=models.IssueAfterReset(amount=1000),
        ),
    )


def use(sdk: Any, tokens: int, *, subject: str = "acme", model: str = "large", id_: str | None = None) -> None:
    """Tell the server of some usage."""
    sdk.events.ingest_event(
        models.Event(
            id=id_ or f"{subject}-{model}-{tokens}",
            source="test",
            specversion="1.0",
            type="prompt",
            subject=subject,
            time=NOW,
            data={"tokens": tokens, "model": model},
        )
    )


def test_a_meter_is_made_read_listed_changed_and_deleted(sdk: Any) -> None:
    made = make_meter(sdk)
    assert (made.slug, made.aggregation, made.group_by, made.metadata) == (
        "tokens_total", "SUM", {"model": "$.model"}, {"team": "platform"},
    )  # fmt: skip
    assert made.created_at.tzinfo is not None
    assert sdk.meters.get("tokens_total").id == made.id
    assert [m.id for m in sdk.meters.list()] == [made.id]

    changed = sdk.meters.update("tokens_total", models.MeterUpdate(name="All tokens", group_by={}))
    assert (changed.id, changed.name, dict(changed.group_by or {})) == (made.id, "All tokens", {})

    sdk.meters.delete("tokens_total")
    assert list(sdk.meters.list()) == []


def test_a_feature_is_made_read_listed_and_archived(sdk: Any) -> None:
    make_meter(sdk)
    made = sdk.features.create(
        models.FeatureCreateInputs(
            key="ai_tokens",
            name="AI tokens",
            meter_slug="tokens_total",
            meter_group_by_filters={"model": "large"},
            metadata=models.Metadata({"tier": "pro"}),
        )
    )
    assert (made.key, made.meter_slug, made.metadata) == ("ai_tokens", "tokens_total", {"tier": "pro"})
    assert sdk.features.get("ai_tokens").id == made.id
    assert [f["id"] for f in as_list(sdk.features.list())] == [made.id]

    sdk.features.delete(made.id)
    assert as_list(sdk.features.list()) == []
    (archived,) = as_list(sdk.features.list(include_archived=True))
    assert (archived["id"], "archivedAt" in archived) == (made.id, True)
    with pytest.raises(ResourceNotFoundError):
        sdk.features.get(made.id)


def as_list(answer: Any) -> list[Any]:
    """The items of a v1 list, which is an array or a page of one."""
    return list(answer) if isinstance(answer, list) else list(answer["items"])


def test_a_customer_is_made_read_listed_changed_and_deleted(sdk: Any) -> None:
    made = make_customer(sdk)
    assert made.usage_attribution.subject_keys == ["acme", "acme-staging"]
    assert (made.billing_address.country, made.currency) == ("NO", "USD")
    assert sdk.customers.get("acme").id == sdk.customers.get(made.id).id == made.id
    page = sdk.customers.list(page=1, page_size=10)
    assert (page.total_count, [c.key for c in page["items"]]) == (1, ["acme"])

    changed = sdk.customers.update(
        "acme",
        models.CustomerReplaceUpdate(
            key="acme", name="ACME", usage_attribution=models.CustomerUsageAttribution(subject_keys=["acme"])
        ),
    )
    assert (changed.name, changed.usage_attribution.subject_keys) == ("ACME", ["acme"])

    sdk.customers.delete("acme")
    assert sdk.customers.list().total_count == 0


def test_subjects_are_upserted_read_listed_and_deleted(sdk: Any) -> None:
    sdk.subjects.upsert([models.SubjectUpsert(key="acme", display_name="ACME", metadata={"plan": {"tier": 2}})])
    (changed,) = sdk.subjects.upsert([models.SubjectUpsert(key="acme", display_name="ACME Inc.")])
    assert changed.display_name == "ACME Inc."
    assert sdk.subjects.get("acme").metadata == {"plan": {"tier": 2}}
    assert [s.key for s in sdk.subjects.list()] == ["acme"]

    sdk.subjects.delete("acme")
    assert list(sdk.subjects.list()) == []


def test_events_are_ingested_one_by_one_and_in_batches_and_listed(sdk: Any) -> None:
    make_meter(sdk)
    use(sdk, 5, id_="one")
    sdk.events.ingest_events(
        [
            models.Event(id=f"batch-{n}", source="test", specversion="1.0", type="prompt", subject="acme", time=NOW)
            for n in range(3)
        ]
    )
    seen = sdk.events.list(from_parameter=NOW - timedelta(hours=1))
    assert {e.event.id for e in seen} == {"one", "batch-0", "batch-1", "batch-2"}
    assert {e.event.id for e in sdk.events_v2.list()} == {e.event.id for e in seen}


def test_an_event_that_is_sent_twice_counts_once(sdk: Any) -> None:
    make_meter(sdk)
    use(sdk, 5, id_="same")
    use(sdk, 5, id_="same")
    assert sdk.meters.query_json("tokens_total").data[0].value == 5


def test_usage_is_queried_in_total_by_subject_by_dimension_and_by_window(sdk: Any) -> None:
    make_meter(sdk)
    use(sdk, 30, subject="acme", model="large")
    use(sdk, 12, subject="acme", model="small")
    use(sdk, 5, subject="globex", model="large")

    assert [row.value for row in sdk.meters.query_json("tokens_total").data] == [47]
    assert [row.value for row in sdk.meters.query_json("tokens_total", subject=["globex"]).data] == [5]
    by_model = sdk.meters.query_json("tokens_total", group_by=["model"])
    assert {row.group_by["model"]: row.value for row in by_model.data} == {"large": 35, "small": 12}
    hourly = sdk.meters.query_json(
        "tokens_total", window_size="HOUR", from_parameter=NOW, to=NOW + timedelta(hours=2), subject=["acme"]
    )
    assert [(row.window_start, row.window_end, row.value) for row in hourly.data] == [
        (NOW, NOW + timedelta(hours=1), 42)
    ]
    posted = models.MeterQueryRequest(subject=["acme"], group_by=["subject"], filter_group_by={"model": ["small"]})
    assert [(row.subject, row.value) for row in sdk.meters.query("tokens_total", posted).data] == [("acme", 12)]
    assert "small" in sdk.meters.query_csv("tokens_total", group_by=["model"])
    assert sorted(sdk.meters.list_subjects("tokens_total")) == ["acme", "globex"]


def test_a_metered_entitlement_is_made_read_listed_overridden_and_deleted(sdk: Any) -> None:
    made = make_entitlement(sdk)  # the SDK gives what may be of several types as a plain mapping
    assert (made["featureKey"], made["issue"]["amount"], made["isSoftLimit"]) == ("ai_tokens", 1000, False)
    assert made["currentUsagePeriod"]["from"] == "2026-11-24T12:00:00Z"
    assert sdk.customer_entitlements_v2.get("acme", "ai_tokens")["id"] == made["id"]
    assert [e["id"] for e in sdk.customer_entitlements_v2.list("acme")["items"]] == [made["id"]]
    assert sdk.entitlements_v2.list(exclude_inactive=True).total_count == 1

    override = models.EntitlementMeteredV2CreateInputs(
        type="metered",
        feature_key="ai_tokens",
        usage_period=models.RecurringPeriodCreateInput(interval="MONTH", anchor=NOW),
        issue=models.IssueAfterReset(amount=2000),
    )
    changed = sdk.customer_entitlements_v2.override("acme", "ai_tokens", override)
    assert changed["id"] != made["id"]
    assert changed["issue"]["amount"] == 2000

    sdk.customer_entitlements_v2.delete("acme", "ai_tokens")
    assert list(sdk.customer_entitlements_v2.list("acme")["items"]) == []


def test_boolean_and_static_entitlements_say_who_has_access(sdk: Any) -> None:
    make_customer(sdk)
    for key in ("sso", "seats", "audit_log"):
        sdk.features.create(models.FeatureCreateInputs(key=key, name=key))
    sdk.customer_entitlements_v2.post("acme", models.EntitlementBooleanCreateInputs(type="boolean", feature_key="sso"))
    sdk.customer_entitlements_v2.post(
        "acme", models.EntitlementStaticCreateInputs(type="static", feature_key="seats", config='{"max": 25}')
    )
    access = sdk.customer.get_customer_access("acme").entitlements
    assert (access["sso"].has_access, access["seats"].has_access) == (True, True)
    assert sdk.customer_entitlement.get_customer_entitlement_value("acme", "seats").config == '{"max": 25}'
    assert not sdk.customer_entitlement.get_customer_entitlement_value("acme", "audit_log").has_access


def test_usage_lowers_the_balance_and_a_grant_raises_it(sdk: Any) -> None:
    make_entitlement(sdk)
    use(sdk, 900)
    use(sdk, 300, subject="acme-staging")

    def value() -> Any:
        """Access (absent where there is none), balance, usage and overage."""
        found = sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", "ai_tokens")
        return found.has_access, found.balance, found.usage, found.overage

    httpx_clock(sdk, NOW + timedelta(minutes=5))
    assert value() == (None, 0, 1200, 200)

    grant = sdk.customer_entitlement_v2.create_customer_entitlement_grant(
        "acme",
        "ai_tokens",
        models.EntitlementGrantCreateInputV2(
            amount=500, priority=2, effective_at=NOW, expiration=models.ExpirationPeriod(duration="MONTH", count=3)
        ),
    )
    assert value() == (True, 300, 1200, 0)
    grants = sdk.customer_entitlement_v2.get_grants("acme", "ai_tokens")["items"]
    assert grant.id in [g.id for g in grants]

    sdk.grants.delete(grant.id)
    assert value() == (None, 0, 1200, 0), "what it had paid for stays paid"


def test_a_reset_starts_a_new_period(sdk: Any) -> None:
    make_entitlement(sdk)
    use(sdk, 900)
    later = NOW + timedelta(hours=1)
    httpx_clock(sdk, later + timedelta(minutes=5))
    sdk.customer_entitlement_v2.reset_customer_entitlement(
        "acme", "ai_tokens", models.ResetEntitlementUsageInput(effective_at=later, retain_anchor=False)
    )
    value = sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", "ai_tokens")
    assert (value.usage, value.balance) == (0, 1000)
    history = sdk.customer_entitlement_v2.get_customer_entitlement_history(
        "acme", "ai_tokens", window_size="HOUR", from_parameter=NOW
    )
    assert sum(window.usage for window in history.windowed_history) == 900


def httpx_clock(sdk: Any, now: datetime) -> None:
    """Set the time of the server that an SDK talks to."""
    client = sdk._wrapped if isinstance(sdk, _Blocking) else sdk
    httpx.put(f"{client._config.endpoint}/_dev/clock", json={"now": now.isoformat()}).raise_for_status()


def test_a_customer_lives_from_its_first_event_to_its_deletion(sdk: Any) -> None:
    """All that an application does for one customer, in its order."""
    entitlement = make_entitlement(sdk)
    for key in ("sso", "seats"):
        sdk.features.create(models.FeatureCreateInputs(key=key, name=key))
    make = sdk.customer_entitlements_v2.post
    make("acme", models.EntitlementBooleanCreateInputs(type="boolean", feature_key="sso"))
    make("acme", models.EntitlementStaticCreateInputs(type="static", feature_key="seats", config='{"max": 25}'))
    (subject,) = sdk.subjects.upsert([models.SubjectUpsert(key="acme-staging", display_name="Staging")])
    assert [s.key for s in sdk.subjects.list()] == ["acme", "acme-staging"]
    assert subject.display_name == "Staging"

    bonus = grant(sdk, 200, priority=5)
    use(sdk, 300)
    use(sdk, 500, subject="acme-staging", model="small")
    httpx_clock(sdk, NOW + timedelta(minutes=5))
    assert value(sdk) == (True, 400, 800)
    (row,) = sdk.meters.query_json("tokens_total", filter_customer_id=[sdk.customers.get("acme").id]).data
    assert row.value == 800
    assert sorted(sdk.meters.list_group_by_values("tokens_total", "model")) == ["large", "small"]
    with pytest.raises(ResourceNotFoundError):
        sdk.meters.list_group_by_values("nothing", "model")

    assert bonus.id in [g["id"] for g in sdk.grants_v2.list(customer=["acme"])["items"]]
    assert bonus.id in [g["id"] for g in as_list(sdk.grants.list(subject=["acme"]))]
    sdk.grants.delete(bonus.id)
    assert value(sdk) == (True, 200, 800), "what is issued was burnt first"

    later = NOW + timedelta(hours=2)
    httpx_clock(sdk, later + timedelta(minutes=1))
    sdk.customer_entitlement_v2.reset_customer_entitlement(
        "acme", "ai_tokens", models.ResetEntitlementUsageInput(effective_at=later, retain_anchor=True)
    )
    assert value(sdk) == (True, 1000, 0)

    raised = models.EntitlementMeteredV2CreateInputs(
        type="metered",
        feature_key="ai_tokens",
        usage_period=models.RecurringPeriodCreateInput(interval="MONTH", anchor=NOW),
        measure_usage_from="CURRENT_PERIOD_START",
        issue=models.IssueAfterReset(amount=5000),
    )
    second = sdk.customer_entitlements_v2.override("acme", "ai_tokens", raised)
    assert value(sdk) == (True, 4200, 800), "the new one counts from the start of the month"
    window = {"window_size": "HOUR", "from_parameter": NOW, "to": NOW + timedelta(hours=2)}
    history = sdk.customer_entitlement_v2.get_customer_entitlement_history("acme", "ai_tokens", **window)
    assert [w.usage for w in history.windowed_history] == [800, 0]

    assert sdk.entitlements_v2.get(second["id"])["issue"]["amount"] == 5000
    assert sdk.entitlements.get(second["id"])["featureKey"] == "ai_tokens"
    active = sdk.entitlements_v2.list(exclude_inactive=True, customer_keys=["acme"])["items"]
    assert sorted(e["featureKey"] for e in active) == ["ai_tokens", "seats", "sso"]
    assert entitlement["id"] in [e["id"] for e in as_list(sdk.entitlements.list())], "the first one is kept as history"

    with pytest.raises(ResourceExistsError):
        sdk.customers.delete("acme")
    for key in ("ai_tokens", "seats", "sso"):
        sdk.customer_entitlements_v2.delete("acme", key)
    assert dict(sdk.customer.get_customer_access("acme").entitlements) == {}
    sdk.customers.delete("acme")
    sdk.features.delete("ai_tokens")
    sdk.meters.delete("tokens_total")
    for key in ("acme", "acme-staging"):
        sdk.subjects.delete(key)
    assert (sdk.customers.list().total_count, list(sdk.meters.list()), list(sdk.subjects.list())) == (0, [], [])


def grant(sdk: Any, amount: int, *, priority: int) -> Any:
    body = models.EntitlementGrantCreateInputV2(amount=amount, priority=priority, effective_at=NOW)
    return sdk.customer_entitlement_v2.create_customer_entitlement_grant("acme", "ai_tokens", body)


def value(sdk: Any) -> tuple[Any, ...]:
    """Access (absent where there is none), balance and usage of the customer's tokens."""
    found = sdk.customer_entitlement_v2.get_customer_entitlement_value("acme", "ai_tokens")
    return found.has_access, found.balance, found.usage


def test_errors_are_raised_as_the_sdk_knows_them(sdk: Any) -> None:
    with pytest.raises(ResourceNotFoundError):
        sdk.meters.get("nothing")
    make_customer(sdk)
    with pytest.raises(ResourceExistsError, match="409"):
        make_customer(sdk)
    with pytest.raises(HttpResponseError) as refused:
        sdk.meters.create({"slug": "Not A Slug", "eventType": "x", "aggregation": "COUNT"})
    assert refused.value.status_code == 400
    assert "slug" in refused.value.model.detail
