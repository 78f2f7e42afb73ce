"""`bac list`: what there is and whose it is; and `bac version`."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import Any

import pytest
from commands import Bac, against
from workspace import Workspace

from billing_as_code import __version__

CATALOG: dict[str, Any] = {
    "meters": {"calls": {"aggregation": "count", "event_type": "call"}},
    "features": {"api": {"name": "API", "meter": "calls"}, "sso": {"name": "SSO"}},
    "customers": {"acme": {"name": "ACME"}, "outer": {"external": True}},
    "entitlements": {"acme": {"sso": {"type": "boolean"}}},
}


@pytest.fixture
def bac(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Bac:
    return against(ws, monkeypatch)


@pytest.fixture
def mixed(ws: Workspace) -> Workspace:
    """Something of everything: ours, another's, nobody's, external, held, to be created, adopted and deleted."""
    make = [
        ("outer", "Outer", None),
        ("theirs", "Theirs", "others"),
        ("hand made", "By hand", None),
        ("new", "New", None),
    ]
    for key, name, owner in make:
        metadata = {"bac.owner": owner} if owner else {}
        ws.http.post("/api/v1/customers", json={"key": key, "name": name, "metadata": metadata}).raise_for_status()
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ws.write(
        "catalog/all.yaml",
        {
            **CATALOG,
            "features": {"api": {"name": "Renamed", "meter": "calls"}, "sso": {"name": "SSO"}},
            "customers": {"acme": {"name": "ACME Inc."}, "outer": {"external": True}, "new": {"name": "New"}},
            "entitlements": {"acme": {"api": {"type": "metered", "usage_period": {"interval": "day"}}}},
        },
    )
    return ws


def test_everything_is_listed_with_whose_it_is_and_what_becomes_of_it(mixed: Workspace, bac: Bac) -> None:
    assert bac("list").stdout == (
        """\
meters.calls           owned            aggregation: count, event_type: call
features.api           owned, held      name: API, meter: calls
features.sso           owned            name: SSO
customers.acme         owned, update    name: ACME
customers."hand made"  unmanaged        name: By hand
customers.new          unowned, update  name: New
customers.outer        external         name: Outer
customers.theirs       owned by others  name: Theirs
entitlements.acme.api  missing          type: metered, usage_period.interval: day
entitlements.acme.sso  owned, delete    type: boolean

10 resources: 5 owned, 1 unowned, 1 missing, 1 external, 1 unmanaged, 1 foreign, 2 to update, 1 to delete, 1 held.
local · embedded server · owner acme-billing
"""
    )


def test_what_is_listed_as_a_difference_is_what_a_plan_changes(mixed: Workspace, bac: Bac) -> None:
    def differences() -> dict[str, str]:
        found = json.loads(bac("list", "--json").stdout)["resources"]
        return {r["address"]: r["difference"] for r in found if r["difference"] not in (None, "held")}

    first = {str(c.address): c.action for c in mixed.plan().changes}
    assert differences() == first and len(first) == 4

    # a replaced meter takes its feature and that one's entitlement with it
    mixed.converge()
    meters = {"calls": {"aggregation": "count", "event_type": "answer"}}
    mixed.write("catalog/over.yaml", {"meters": meters})
    text = (mixed.root / "catalog/all.yaml").read_text().partition("features:")[2]
    mixed.write("catalog/all.yaml", f"features:{text}")
    second = {str(c.address): c.action for c in mixed.plan().changes}
    assert differences() == second
    assert second == dict.fromkeys(("meters.calls", "features.api", "entitlements.acme.api"), "replace")


@pytest.mark.parametrize(
    ("flags", "listed"),
    [
        (
            ["--owned"],
            ["meters.calls", "features.api", "features.sso", "customers.acme", "entitlements.acme.sso"],
        ),
        (["--unmanaged"], ['customers."hand made"']),
        (["--foreign"], ["customers.theirs"]),
        (["--held"], ["features.api"]),
        (["--foreign", "--held"], ["features.api", "customers.theirs"]),
        (["features"], ["features.api", "features.sso"]),
        (["customers.acme"], ["customers.acme"]),
        (["customers.hand made"], ['customers."hand made"']),
        (['customers."hand made"'], ['customers."hand made"']),
        (["customers.theirs.no"], []),
        (["entitlements.acme"], ["entitlements.acme.api", "entitlements.acme.sso"]),
        (["entitlements.ac"], []),
        (["customers", "--held"], []),
    ],
    ids=" ".join,
)
def test_a_list_is_narrowed_by_section_and_by_whose_it_is(
    mixed: Workspace, bac: Bac, flags: list[str], listed: list[str]
) -> None:
    found = json.loads(bac("list", *flags, "--json").stdout)

    assert [resource["address"] for resource in found["resources"]] == listed


def test_the_json_of_a_list_counts_and_says_what_each_is(mixed: Workspace, bac: Bac) -> None:
    found = json.loads(bac("list", "customers", "--json").stdout)

    theirs = mixed.http.get("/api/v1/customers/theirs").json()["id"]
    assert found["environment"] == "local"
    assert found["counts"] == {
        "ownership": {
            "owned": 1,
            "unowned": 1,
            "missing": 0,
            "external": 1,
            "managed": 0,
            "unmanaged": 1,
            "foreign": 1,
        },
        "difference": {"create": 0, "update": 2, "replace": 0, "delete": 0, "held": 0, "over": 0, "refused": 0},
    }
    assert found["resources"][-1] == {
        "address": "customers.theirs",
        "ownership": "foreign",
        "difference": None,
        "id": theirs,
        "owner": "others",
        "summary": "name: Theirs",
    }


def test_a_section_is_listed_from_the_lists_that_it_needs_alone(mixed: Workspace, bac: Bac) -> None:
    mixed.forget()

    bac("list", "features")

    assert [r["path"] for r in mixed.requests()] == ["/api/v1/meters", "/api/v3/openmeter/features"]


def test_where_nothing_fits_that_is_said(mixed: Workspace, bac: Bac) -> None:
    text = bac("list", "features", "--foreign").stdout

    assert text == "Nothing foreign in features: local · embedded server · owner acme-billing\n"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("feature", "did you mean `features`?"),
        ("featuers", "did you mean `features`?"),
        ("customer.acme", "did you mean `customers`?"),
        ("x", "one of meters, features, customers, subjects, entitlements, grants"),
    ],
)
def test_an_unknown_section_is_an_error_that_names_the_nearest(bac: Bac, asked: str, meant: str) -> None:
    said = bac("list", asked, code=1).stderr

    assert said == f"error: {asked}: there is no section {asked.split('.')[0]!r} ({meant})\n"


def test_names_that_would_turn_a_terminal_are_shown_escaped(ws: Workspace, bac: Bac) -> None:
    body = {"key": "a\u202eb", "name": "\x1b[31mred\x1b[0m " + "long " * 40}
    ws.http.post("/api/v1/customers", json=body).raise_for_status()

    line = bac("list").stdout.splitlines()[0]

    assert line.startswith('customers."a\\u202eb"  unmanaged  name: "\\x1b[31mred\\x1b[0m long')
    assert line.isprintable() and len(line) < 120


def test_a_subject_whose_owner_is_no_text_is_anothers(ws: Workspace, bac: Bac) -> None:
    ws.http.post("/api/v1/subjects", json=[{"key": "odd", "metadata": {"bac.owner": {"a": 1}}}]).raise_for_status()

    assert bac("list", "--foreign").stdout.startswith('subjects.odd  owned by {"a":1}')
    assert '  owner    {"a":1}\n' in bac("show", "subjects.odd").stdout


def test_what_openmeter_does_not_answer_is_an_error(mixed: Workspace, bac: Bac) -> None:
    mixed.faults({"path": "/api/v1/customers", "status": 403, "body": {"detail": "not yours", "status": 403}})

    result = bac("list", code=1)

    assert (result.stdout, result.stderr) == ("", "error: GET /api/v1/customers: 403 not yours\n")


def test_a_grant_that_has_ended_is_listed_as_over(ws: Workspace, bac: Bac) -> None:
    ended = {
        "amount": 5,
        "effective_at": "2026-11-24T12:00:00Z",
        "expiration": {"duration": "hour", "count": 1},
    }
    api = {"type": "metered", "usage_period": {"interval": "month"}}
    catalog = {**CATALOG, "customers": {"acme": {"name": "ACME"}}, "entitlements": {"acme": {"api": api}}}
    ws.write("catalog/all.yaml", {**catalog, "grants": {"acme": {"api": {"short": ended}}}})
    ws.converge()
    ws.clock("2026-11-25T12:00:00Z")

    assert bac("list", "grants").stdout.startswith("grants.acme.api.short  owned, over  amount: 5,")


def test_version_tells_what_a_bug_report_needs(bac: Bac) -> None:
    found = json.loads(bac("version", "--json").stdout)
    text = bac("version").stdout

    assert found["bac"] == __version__
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["plan_format"] == 1
    assert len(found["catalog_schema"]) == 64
    assert {"click", "httpx", "rich", "pyyaml"} <= found["packages"].keys()
    assert text.startswith(f"bac {__version__}\n") and f"  httpx           {found['packages']['httpx']}\n" in text


def test_version_works_where_bac_runs_from_its_source(bac: Bac, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", nowhere)

    assert json.loads(bac("version", "--json").stdout)["packages"] == {}
