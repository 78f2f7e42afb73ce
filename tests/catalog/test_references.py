"""What resources refer to must stand in the catalog."""

from __future__ import annotations

import pytest
from catalog_folder import Folder

BASE = """
    meters: {tokens: {event_type: prompt, aggregation: count}, theirs: {external: true}}
    features: {ai: {meter: tokens}, their_ai: {meter: theirs}, external_ai: {external: true}}
    customers: {acme: {name: A}, signed_up: {external: true}}
    entitlements:
      acme: {ai: {type: metered, usage_period: {interval: month}}, external_ai: {type: boolean}}
      signed_up: {their_ai: {type: boolean}}
    grants: {acme: {ai: {welcome: {amount: 1, effective_at: 2026-01-01T00:00:00Z}}}}
"""


def test_what_is_external_is_there_to_be_referred_to(folder: Folder) -> None:
    desired = folder.write(BASE).load().desired

    external = sorted(str(address) for address, resource in desired.items() if resource.external)
    assert external == ["customers.signed_up", "features.external_ai", "meters.theirs"]
    assert all(resource.spec == () for resource in desired.values() if resource.external)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "features: {f: {meter: tokns}}",
            "b.yaml:1:23: features.f: `meter` refers to meter `tokns`, which is not in the catalog "
            "(did you mean `tokens`?)",
        ),
        (
            "features: {f: {meter: zzz}}",
            "b.yaml:1:23: features.f: `meter` refers to meter `zzz`, which is not in the catalog "
            "(declare it, as {external: true} if another hand manages it in meters)",
        ),
        (
            "entitlements: {acmee: {ai: {type: metered, usage_period: {interval: month}}}}",
            "b.yaml:1:24: entitlements.acmee.ai: refers to customer `acmee`, which is not in the catalog "
            "(did you mean `acme`?)",
        ),
        (
            "grants: {acme: {external_ai2: {g: {amount: 1, effective_at: 2026-01-01T00:00:00Z}}}}",
            "b.yaml:1:32: grants.acme.external_ai2.g: refers to feature `external_ai2`, which is not in the catalog "
            "(did you mean `external_ai`?)",
        ),
        (
            "grants: {signed_up: {ai: {g: {amount: 1, effective_at: 2026-01-01T00:00:00Z}}}}",
            "b.yaml:1:27: grants.signed_up.ai.g: is part of entitlements.signed_up.ai, which is not in the catalog "
            "(declare that entitlement too)",
        ),
    ],
)
def test_a_reference_to_what_is_not_there_is_told(folder: Folder, text: str, problem: str) -> None:
    assert folder.write(BASE).write(text, "b.yaml").problems() == [problem]


def test_references_are_checked_in_what_is_wrong_otherwise_too(folder: Folder) -> None:
    folder.write("features: {f: {meter: gone, nope: 1}}")

    assert len(folder.problems()) == 2


def test_a_resource_that_is_wrong_is_there_all_the_same(folder: Folder) -> None:
    folder.write("meters: {m: {aggregation: count}}\nfeatures: {f: {meter: m}}")

    assert folder.problems() == ["a.yaml:1:10: meters.m: `event_type` is missing (such as event_type: prompt)"]


def test_nothing_is_missed_that_an_unread_file_may_have(folder: Folder) -> None:
    folder.write(BASE).write("features: {f: {meter: elsewhere, nope: 1}}", "b.yaml").write("a: b: c", "c.yaml")

    assert folder.problems() == [
        "b.yaml:1:34: features.f: unknown field `nope` (fields are name, description, meter, filters, unit_cost, "
        "metadata, protect, external)",
        "c.yaml:1:5: `: ` stands in an unquoted text, or the line is indented too far (put quotes around the text)",
    ]
