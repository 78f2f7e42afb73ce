"""`bac show`: one address as it stands, both sides, and what can be seen of it, against a server whose clock is set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from commands import Bac, against
from flask import Flask
from prepared import prepared
from workspace import Workspace

from billing_as_code.cli import main
from billing_as_code.client import join
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.looks import Sight
from billing_as_code.live import read as read_live
from billing_as_code.model import Address
from billing_as_code.render import show, views
from billing_as_code.render.lines import plain

CATALOG: dict[str, Any] = {
    "meters": {
        "tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n", "dimensions": {"m": "$.m"}}
    },
    "features": {"ai": {"name": "AI", "meter": "tokens"}, "sso": {"name": "SSO"}, "seats": {}},
    "customers": {"acme": {"name": "ACME", "subjects": ["acme-eu"], "metadata": {"tier": "gold"}}},
    "entitlements": {
        "acme": {
            "ai": {
                "type": "metered",
                "usage_period": {"interval": "month", "anchor": "2026-11-01T00:00:00Z"},
                "issue": {"amount": 1000},
                "measure_usage_from": "2026-11-20T00:00:00Z",
            },
            "sso": {"type": "boolean"},
            "seats": {"type": "static", "config": {"max": 25}},
        }
    },
    "grants": {
        "acme": {
            "ai": {
                "bonus": {
                    "amount": 500,
                    "effective_at": "2026-11-20T00:00:00Z",
                    "expiration": {"duration": "week", "count": 2},
                },
                "later": {"amount": "0.5", "effective_at": "2026-11-28T00:00:00Z", "priority": 9},
            }
        }
    },
}
USAGE = ((20, 100, "big"), (21, 50, "small"), (23, 300, "big"), (24, 250, "small"))
"""(day of November, tokens, model)."""


@pytest.fixture
def bac(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Bac:
    return against(ws, monkeypatch)


@pytest.fixture
def acme(ws: Workspace, openmeter: Flask) -> Workspace:
    """A customer with usage, at noon of 24 November."""
    return prepared(ws, openmeter, applied)


def applied(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()
    ingest(ws, USAGE)


def ingest(ws: Workspace, usage: tuple[tuple[int, int, str], ...]) -> None:
    events = [
        {
            "specversion": "1.0",
            "id": f"{day}-{n}",
            "source": "test",
            "type": "prompt",
            "subject": "acme-eu",
            "time": f"2026-11-{day}T10:00:00Z",
            "data": {"n": n, "m": model},
        }
        for day, n, model in usage
    ]
    batch = {"content-type": "application/cloudevents-batch+json"}
    ws.http.post("/api/v1/events", json=events, headers=batch).raise_for_status()


def settled(text: str) -> str:
    """A text without what differs from run to run: ids, and the second of a creation."""
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "ID", text)
    return re.sub(r"^(  (?:created|updated)  ).*$", r"\1WHEN", text, flags=re.MULTILINE)


def test_an_entitlement_is_shown_with_its_value_its_grants_as_they_burn_and_its_history(
    acme: Workspace, bac: Bac
) -> None:
    assert settled(bac("show", "entitlements.acme.ai").stdout) == (
        """\
entitlements.acme.ai  catalog/all.yaml:24
local · embedded server · owner acme-billing
owned, as the catalog says

  id       ID
  created  WHEN
  updated  WHEN
  owner    acme-billing

  field                  catalog               live
  type                   metered               metered               fixed
  usage_period.interval  month                 month                 fixed
  usage_period.anchor    2026-11-01T00:00:00Z  2026-11-01T00:00:00Z  fixed
  issue.amount           1,000                 1,000                 fixed
  measure_usage_from     2026-11-20T00:00:00Z  2026-11-20T00:00:00Z  fixed

Value now
  access           yes
  usage            700
  balance          800
  overage          0
  total available  1,500
  period from      2026-11-20 00:00 UTC
  period to        2026-12-01 00:00 UTC

Grants, in the order in which they burn
  grant     amount  left  priority  effective at          ends at               state
  bonus        500     0         0  2026-11-20 00:00 UTC  2026-12-04 00:00 UTC  active
  (issued)   1,000   800         1  2026-11-20 00:00 UTC  -                     active
  later        0.5     -         9  2026-11-28 00:00 UTC  -                     later

Usage by day in this period (UTC)
  2026-11-20  100  ##########
  2026-11-21   50  #####
  2026-11-22    0
  2026-11-23  300  ##############################
  2026-11-24  250  #########################
"""
    )


def test_a_customer_is_shown_with_what_it_may_use(acme: Workspace, bac: Bac) -> None:
    assert settled(bac("show", "acme").stdout) == (
        """\
customers.acme  catalog/all.yaml:16
local · embedded server · owner acme-billing
owned, as the catalog says

  id       ID
  created  WHEN
  updated  WHEN
  owner    acme-billing

  field          catalog    live
  name           ACME       ACME
  subjects       [acme-eu]  [acme-eu]
  metadata.tier  gold       gold

Entitlements now
  feature  type     access  usage  balance  overage  period to             config
  ai       metered  yes       700      800        0  2026-12-01 00:00 UTC  -
  seats    static   yes         -        -        -  -                     {"max": 25}
  sso      boolean  yes         -        -        -  -                     -
"""
    )


def test_a_static_and_a_boolean_entitlement_are_shown_with_what_they_give(acme: Workspace, bac: Bac) -> None:
    static, boolean = (bac("show", f"entitlements.acme.{name}").stdout for name in ("seats", "sso"))

    as_json = json.loads(bac("show", "entitlements.acme.seats", "--json").stdout)
    assert as_json["looks"]["value"] == {"access": True, "config": {"max": 25}}
    assert static.endswith('Value now\n  access  yes\n  config  {"max": 25}\n')
    assert boolean.endswith("Value now\n  access  yes\n")
    assert "  config  {max: 25}  {max: 25}  fixed" in static


def test_a_meter_is_shown_with_its_usage_by_day_and_its_total(acme: Workspace, bac: Bac) -> None:
    text = bac("show", "meters.tokens").stdout

    assert text.endswith(
        """\
Usage by day, the last 14 days, today so far (UTC)
  2026-11-11    0
  2026-11-12    0
  2026-11-13    0
  2026-11-14    0
  2026-11-15    0
  2026-11-16    0
  2026-11-17    0
  2026-11-18    0
  2026-11-19    0
  2026-11-20  100  ##########
  2026-11-21   50  #####
  2026-11-22    0
  2026-11-23  300  ##############################
  2026-11-24  250  #########################
  total  700
"""
    )


def test_a_meters_usage_is_grouped_by_its_dimensions_and_by_subject(acme: Workspace, bac: Bac) -> None:
    ingest(acme, ((22, 7, ""), (24, 3, "evil\u202emodel\n")))

    by_model = bac("show", "meters.tokens", "--by", "m").stdout
    by_both = json.loads(bac("show", "meters.tokens", "--by", "m", "--by", "subject", "--json").stdout)

    assert by_model.endswith(
        """\
  day         big  small  (none)  evil\\u202emodel\\n
  2026-11-11    0      0       0                  0
  2026-11-12    0      0       0                  0
  2026-11-13    0      0       0                  0
  2026-11-14    0      0       0                  0
  2026-11-15    0      0       0                  0
  2026-11-16    0      0       0                  0
  2026-11-17    0      0       0                  0
  2026-11-18    0      0       0                  0
  2026-11-19    0      0       0                  0
  2026-11-20  100      0       0                  0
  2026-11-21    0     50       0                  0
  2026-11-22    0      0       7                  0
  2026-11-23  300      0       0                  0
  2026-11-24    0    250       0                  3
  total       400    300       7                  3
"""
    )
    usage = by_both["looks"]["usage"]
    assert usage["by"] == ["m", "subject"]
    assert [(g["values"], g["total"]) for g in usage["groups"]][:2] == [
        ({"m": "big", "subject": "acme-eu"}, 400),
        ({"m": "small", "subject": "acme-eu"}, 300),
    ]
    assert usage["groups"][0]["windows"][-2] == {
        "from": "2026-11-23T00:00:00Z",
        "to": "2026-11-24T00:00:00Z",
        "value": 300,
    }


def test_days_of_an_average_are_not_added_up(ws: Workspace, bac: Bac) -> None:
    meter = {"aggregation": "avg", "event_type": "prompt", "value_property": "$.n"}
    ws.write("catalog/all.yaml", {"meters": {"mean": meter}})
    ws.converge()
    ingest(ws, ((23, 10, "a"), (24, 1, "a"), (24, 3, "b")))

    usage = json.loads(bac("show", "meters.mean", "--json").stdout)["looks"]["usage"]

    assert usage["total"] == 14 / 3
    assert [w["value"] for w in usage["windows"]] == [None] * 12 + [10, 2]


def test_a_feature_is_shown_with_who_holds_it(acme: Workspace, bac: Bac) -> None:
    assert bac("show", "features.ai").stdout.endswith("Held by\n  customer  type\n  acme      metered\n")


def test_of_many_who_hold_a_feature_the_first_are_shown_and_the_rest_is_counted(ws: Workspace, bac: Bac) -> None:
    names = [f"c{n:02}" for n in range(12)]
    ws.write(
        "catalog/all.yaml",
        {
            "features": {"sso": {}},
            "customers": {name: {"name": name} for name in names},
            "entitlements": {name: {"sso": {"type": "boolean"}} for name in names},
        },
    )
    ws.converge()

    text, holders = (
        bac("show", "features.sso").stdout,
        json.loads(bac("show", "sso", "--json").stdout)["looks"]["holders"],
    )

    assert text.count("boolean") == 10
    assert text.endswith("  … and 2 more\n")
    assert holders["count"] == 12


def test_a_grant_is_shown_with_what_is_left_of_it_and_what_was_burnt(acme: Workspace, bac: Bac) -> None:
    found = json.loads(bac("show", "grants.acme.ai.bonus", "--json").stdout)

    assert found["looks"]["left"] == {
        "state": "active",
        "amount": 500,
        "left": 0,
        "effective_at": "2026-11-20T00:00:00Z",
        "ends_at": "2026-12-04T00:00:00Z",
    }
    assert found["looks"]["burnt"] == {"since": "2026-11-20T00:00:00Z", "burnt": 500}
    assert found["labels"]["bac.key"] == "bonus"


def test_the_grants_are_in_the_order_in_which_usage_burns_them(ws: Workspace, bac: Bac) -> None:
    """Usage takes one after the other, so that at every point the first ones are empty and the last ones whole."""
    week = {"duration": "week", "count": 1}
    terms: dict[str, dict[str, Any]] = {
        "p5": {"priority": 5},
        "p2_never": {"priority": 2},
        "p2_month": {"priority": 2, "expiration": {"duration": "month", "count": 1}},
        "p2_week": {"priority": 2, "expiration": week},
        "p2_week_too": {"priority": 2, "expiration": week},
        "p1": {"priority": 1},
    }
    grants = {name: {"amount": 10, "effective_at": "2026-11-24T00:00:00Z", **more} for name, more in terms.items()}
    ai = {
        "type": "metered",
        "usage_period": {"interval": "month", "anchor": "2026-11-01T00:00:00Z"},
        "measure_usage_from": "2026-11-24T00:00:00Z",
        "issue": {"amount": 10, "priority": 3},
    }
    ws.write("catalog/all.yaml", CATALOG | {"entitlements": {"acme": {"ai": ai}}, "grants": {"acme": {"ai": grants}}})
    ws.converge()

    seen = []
    for n, used in enumerate((5, 20, 21, 19)):
        ingest(ws, ((24, used, f"run {n}"),))
        rows = json.loads(bac("show", "entitlements.acme.ai", "--json").stdout)["looks"]["grants"]["rows"]
        left = [row["left"] for row in rows]
        seen.append([row["grant"] for row in rows])
        assert left == sorted(left) and sum(0 < amount < 10 for amount in left) == 1

    assert {tuple(names) for names in seen} == {tuple(seen[0])}
    assert [name for name in seen[0] if not name.startswith("p2_week")] == [
        "p1",
        "p2_month",
        "p2_never",
        "(issued)",
        "p5",
    ]


def test_what_is_over_is_shown_where_all_is_asked_for(acme: Workspace, bac: Bac) -> None:
    acme.clock("2026-12-05T12:00:30Z")

    short, long = (bac("show", "entitlements.acme.ai", *more).stdout for more in ((), ("--all",)))

    assert "bonus" not in short and "1 more is over or voided (--all shows them)." in short
    assert re.search(r"^  bonus .* over$", long, re.MULTILINE) and "over or voided" not in long
    assert "  is_soft_limit" in long and "is_soft_limit" not in short
    assert "  config" not in long  # which only a static one has


def test_a_period_of_two_days_is_drawn_by_hour(ws: Workspace, bac: Bac) -> None:
    ai = {
        "type": "metered",
        "usage_period": {"interval": "day", "anchor": "2026-11-24T00:00:00Z"},
        "measure_usage_from": "2026-11-24T00:00:00Z",
    }
    ws.write("catalog/all.yaml", CATALOG | {"entitlements": {"acme": {"ai": ai}}, "grants": {}})
    ws.converge()
    ingest(ws, ((24, 6, "a"),))
    ws.clock("2026-11-24T20:30:30Z")

    assert bac("show", "entitlements.acme.ai").stdout.endswith(
        """\
Usage by hour in this period (UTC)
  6            #
               #
               #
               #
  0            #
     11-24 00:00 11-24 20:00
"""
    )


def test_a_history_of_whole_windows_says_what_it_leaves_out(ws: Workspace, bac: Bac) -> None:
    ws.clock("2026-11-24T12:05:30Z")
    ai = {"type": "metered", "usage_period": {"interval": "month"}}
    ws.write("catalog/all.yaml", CATALOG | {"entitlements": {"acme": {"ai": ai}}, "grants": {}})
    ws.converge()

    at_first = bac("show", "entitlements.acme.ai").stdout
    ws.clock("2026-11-24T13:10:30Z")
    later = bac("show", "entitlements.acme.ai").stdout

    assert at_first.endswith(
        "Usage by hour in this period (UTC)\n  OpenMeter shows whole hours only, and there is none yet.\n"
    )
    assert later.endswith("  Nothing in 1 hour.\n  OpenMeter leaves out the hour in which the period began.\n")


def test_a_year_is_drawn_by_month(ws: Workspace, bac: Bac) -> None:
    ai = {
        "type": "metered",
        "usage_period": {"interval": "year", "anchor": "2026-01-01T00:00:00Z"},
        "measure_usage_from": "2026-01-01T00:00:00Z",
    }
    ws.write("catalog/all.yaml", CATALOG | {"entitlements": {"acme": {"ai": ai}}, "grants": {}})
    ws.converge()
    ingest(ws, USAGE)

    text = bac("show", "entitlements.acme.ai").stdout

    assert "Usage by month in this period (UTC)\n  2026-01    0\n" in text
    assert text.endswith("  2026-10    0\n  2026-11  700  ##############################\n")


# -- how it stands --------------------------------------------------------------------------------------------------


def state(text: str) -> str:
    """The third line: how the address stands."""
    return text.splitlines()[2]


def notes(text: str) -> dict[str, str]:
    """What is noted beside each field."""
    rows = [re.split(r" {2,}", row.strip()) for row in text.split("\n\n")[2].splitlines()[1:]]
    return {name: rest[-1] for name, *rest in rows}


def test_what_is_only_in_the_catalog_has_no_live_side(ws: Workspace, bac: Bac) -> None:
    ws.write("catalog/all.yaml", CATALOG)

    assert bac("show", "customers.acme").stdout == (
        """\
customers.acme  catalog/all.yaml:16
local · embedded server · owner acme-billing
in the catalog alone, the next apply creates it

  field          catalog
  name           ACME
  subjects       [acme-eu]
  metadata.tier  gold
"""
    )


def test_what_differs_is_marked_and_what_other_hands_write_is_not(acme: Workspace, bac: Bac) -> None:
    acme.configure(ignore=["customers.*.metadata.crm_*"])
    live = acme.http.get("/api/v1/customers/acme").json()
    live = {name: live[name] for name in ("key", "name", "usageAttribution", "metadata")}
    metadata = {**live["metadata"], "tier": "silver", "crm_id": "42"}
    acme.http.put("/api/v1/customers/acme", json={**live, "metadata": metadata, "currency": "EUR"}).raise_for_status()

    text = bac("show", "customers.acme").stdout

    assert state(text) == "owned, differs: the next apply updates it"
    assert notes(text) == {
        "name": "ACME",
        "subjects": "[acme-eu]",
        "currency": "kept: OpenMeter cannot clear it",
        "metadata.crm_id": "ignored: another hand writes it",
        "metadata.tier": "differs",
    }
    assert re.search(r"metadata.tier +gold +silver +differs", text)


def test_a_difference_that_waits_for_a_replace_is_held(acme: Workspace, bac: Bac) -> None:
    acme.write("catalog/all.yaml", CATALOG | {"features": CATALOG["features"] | {"sso": {"name": "Sign-on"}}})

    text = bac("show", "features.sso").stdout

    assert state(text) == "owned, a difference is held until its next replace"
    assert notes(text) == {"name": "held"}


def test_a_change_of_a_fixed_field_says_that_it_replaces_and_what_follows(acme: Workspace, bac: Bac) -> None:
    meters = {"tokens": CATALOG["meters"]["tokens"] | {"event_type": "answer"}}
    acme.write("catalog/all.yaml", CATALOG | {"meters": meters})

    meter, feature = bac("show", "meters.tokens").stdout, bac("show", "features.ai").stdout

    assert state(meter) == "owned, differs: the next apply replaces it"
    assert notes(meter)["event_type"] == "differs, fixed"
    assert state(feature) == "owned, differs: the next apply replaces it"
    assert "meters.tokens is replaced, and it is bound to that one's id" in feature


def test_whose_it_is_is_told(acme: Workspace, bac: Bac) -> None:
    for key, owner in (("alone", None), ("theirs", "others")):
        metadata = {"bac.owner": owner} if owner else {}
        acme.http.post("/api/v1/customers", json={"key": key, "name": key, "metadata": metadata}).raise_for_status()
    acme.http.post("/api/v1/customers", json={"key": "outer", "name": "Outer"}).raise_for_status()
    acme.http.post("/api/v1/customers", json={"key": "new", "name": "New"}).raise_for_status()
    more = {"outer": {"external": True}, "new": {"name": "New"}}
    without = {k: v for k, v in CATALOG.items() if k not in ("entitlements", "grants")}
    acme.write("catalog/all.yaml", without | {"customers": CATALOG["customers"] | more})

    states = {name: state(bac("show", name).stdout) for name in ("alone", "theirs", "outer", "new")}
    states["sso"] = state(bac("show", "entitlements.acme.sso").stdout)

    assert states == {
        "alone": "live alone: nobody owns it",
        "theirs": "owned by others",
        "outer": "external: another hand manages it",
        "new": "in the catalog and live, nobody's label on it, the next apply adopts it",
        "sso": "owned, not in the catalog: the next apply deletes it",
    }


def test_what_makes_no_plan_is_shown_with_the_reason(acme: Workspace, bac: Bac) -> None:
    theirs = {"key": "theirs", "name": "T", "metadata": {"bac.owner": "others"}}
    acme.http.post("/api/v1/customers", json=theirs).raise_for_status()
    more = {"theirs": {"name": "T"}, "gone": {"external": True}}
    acme.write("catalog/all.yaml", CATALOG | {"customers": CATALOG["customers"] | more})

    theirs_text, gone = bac("show", "customers.theirs").stdout, bac("show", "customers.gone").stdout

    assert state(theirs_text) == "owned by others, no plan can be made"
    assert "belongs to others. Declare it {external: true}, or give it up there" in theirs_text
    assert state(gone) == "external: another hand manages it, no plan can be made"
    assert "OpenMeter has no such thing" in gone


def test_what_a_subscription_manages_is_told_as_its(acme: Workspace, bac: Bac) -> None:
    listed = acme.http.get("/api/v2/entitlements").json()
    mine = [e | {"annotations": {"subscription.id": "s1"}, "metadata": {}} for e in listed["items"]]
    acme.faults({"path": "/api/v2/entitlements", "status": 200, "body": {**listed, "items": mine}})
    acme.write("catalog/all.yaml", {k: v for k, v in CATALOG.items() if k not in ("entitlements", "grants")})

    assert state(bac("show", "entitlements.acme.ai").stdout) == "managed by a subscription"


def test_a_grant_that_was_voided_by_hand_is_missing_and_seen_beside_the_others(acme: Workspace, bac: Bac) -> None:
    grant = json.loads(bac("show", "grants.acme.ai.bonus", "--json").stdout)["id"]
    acme.http.delete(f"/api/v1/grants/{grant}").raise_for_status()

    assert state(bac("show", "grants.acme.ai.bonus").stdout) == "in the catalog alone, the next apply creates it"
    assert re.search(r"^  bonus .* voided$", bac("show", "entitlements.acme.ai", "--all").stdout, re.MULTILINE)
    acme.write("catalog/all.yaml", CATALOG | {"grants": {}})
    assert "bonus" not in bac("list", "grants").stdout


def test_what_goes_with_another_says_so(acme: Workspace, bac: Bac) -> None:
    acme.write("catalog/all.yaml", {k: v for k, v in CATALOG.items() if k not in ("entitlements", "grants")})

    said = state(bac("show", "grants.acme.ai.bonus").stdout)

    assert said == "owned, not in the catalog: it goes with what it is part of"


def test_what_is_protected_says_so(ws: Workspace, bac: Bac) -> None:
    ws.write("catalog/all.yaml", {"customers": {"acme": {"name": "ACME", "protect": True}}})
    ws.converge()

    assert '  protected  yes\n  labels bac.protect: "true"\n' in bac("show", "customers.acme").stdout


# -- what cannot be shown -------------------------------------------------------------------------------------------


def test_a_look_that_fails_is_told_and_hides_nothing_else(acme: Workspace, bac: Bac) -> None:
    acme.faults({"path": "*/history", "status": 500, "body": {"title": "Internal Server Error", "status": 500}})

    text = bac("show", "entitlements.acme.ai", code=1).stdout
    found = json.loads(bac("show", "entitlements.acme.ai", "--json", code=1).stdout)

    assert re.search(
        r"Usage by day in this period \(UTC\)\n  could not be read: "
        r"GET /api/v2/customers/\w{26}/entitlements/ai/history: 500 Internal Server Error\n$",
        text,
    )
    assert "  balance          800\n" in text and "  bonus " in text
    assert found["looks"]["value"]["balance"] == 800
    assert found["looks"]["history"]["error"].endswith("history: 500 Internal Server Error")


def test_times_that_cannot_be_read_are_told_beside_the_id(acme: Workspace, bac: Bac) -> None:
    acme.faults({"path": "/api/v1/meters/*", "status": 200, "body": {"createdAt": "yesterday"}, "times": 1})

    text = bac("show", "meters.tokens", code=1).stdout

    assert re.search(r"^  times could not be read: GET /api/v1/meters/\w{26}: the answer is not as", text, re.MULTILINE)


def test_a_failing_look_is_asked_for_twice_and_no_more(acme: Workspace, bac: Bac) -> None:
    acme.faults({"path": "*/query", "status": 503})
    acme.forget()

    bac("show", "meters.tokens", code=1)

    assert [r["path"].rpartition("/")[2] for r in acme.requests() if r["path"].endswith("query")] == ["query"] * 4


JUNK: tuple[Any, ...] = (None, True, -1, 1e308, 10**30, "", "x", "0001-01-01T00:00:00Z", [], [None], {}, {"id": []})


def bent(value: Any) -> Iterator[Any]:
    """A JSON value with each of its parts in turn taken away, or turned into something else."""
    yield from JUNK
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {k: v for k, v in value.items() if k != key}
            yield from ({**value, key: other} for other in bent(inner))
    elif isinstance(value, list):
        for n, inner in enumerate(value[:2]):
            yield from ([*value[:n], other, *value[n + 1 :]] for other in bent(inner))


def test_no_answer_breaks_the_page(acme: Workspace) -> None:
    """Whatever part of an answer is missing or of another shape: a view that can be printed, or one of the errors that
    are told as such."""
    tried, refused = 0, 0
    addresses = ("entitlements.acme.ai", "entitlements.acme.seats", "grants.acme.ai.bonus", "customers.acme")
    with acme.session() as session:
        live = read_live(session.client, KINDS)
        for address in (*addresses, "meters.tokens", "features.ai"):
            resource = live[Address.parse(address)]
            for by in ((), ("m",)):
                for look in KINDS[resource.address.kind].looks(resource, Sight(live, session.now(), by, whole=True)):
                    answers = {r.name: session.client.get(join([str(s) for s in r.path]), r.query) for r in look.reads}
                    for other in bent(answers):
                        if not isinstance(other, dict) or other.keys() != answers.keys():
                            continue
                        tried += 1
                        try:
                            view = look.shape(other)
                        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
                            refused += 1
                            continue
                        assert all(text.isprintable() for text in plain(views.view(view, blocks=False)))
                        json.dumps(show.view_json(view))

    assert tried > 3000 and 0.1 < refused / tried < 0.9


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"balance": "a lot"},
        {"balance": True},
        {"hasAccess": True, "grantBalances": []},
        {"config": "{"},
        "value",
        None,
    ],
    ids=str,
)
def test_an_answer_that_no_openmeter_gives_is_told_as_such(acme: Workspace, bac: Bac, answer: object) -> None:
    acme.faults({"path": "*/value", "status": 200, "body": answer})

    text = bac("show", "entitlements.acme.ai", code=1).stdout

    assert "could not be read: GET /api/v2/customers/" in text
    assert "is not as OpenMeter gives it" in text or "is no JSON" in text
    assert "Usage by day in this period (UTC)\n  2026-11-20  100" in text


def test_an_entitlement_without_a_value_gives_no_access_and_says_why(acme: Workspace, bac: Bac) -> None:
    acme.faults({"path": "*/value", "status": 200, "body": {}})

    text = bac("show", "entitlements.acme.sso").stdout

    assert text.endswith("  access  no\n  OpenMeter gives it no value now: it has been superseded, or starts later.\n")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("customers.acne", "customers.acne is neither in the catalog nor in local (did you mean `customers.acme`?)"),
        ("acne", "acne is neither in the catalog nor in local (did you mean `customers.acme`?)"),
        ("nothing", "nothing is neither in the catalog nor in local (`bac list` shows what there is)"),
        ("customer.of.none", "customer.of.none: there is no section 'customer' (did you mean `customers`?)"),
        ("customers", "customers is a section. `bac list customers` lists it"),
        (
            "entitlements.acme",
            "entitlements.acme: an address of entitlements is entitlements.<customer>.<feature>. "
            "`bac list entitlements.acme` lists what is below it",
        ),
        (
            "grants.acme corp.ai.bonus",
            "grants.acme corp.ai.bonus: an address of grants is grants.<customer>.<feature>.<grant>. "
            "Keys with anything but letters, digits and _@+- stand in double quotes",
        ),
    ],
)
def test_what_is_not_there_is_an_error_that_names_the_nearest(acme: Workspace, bac: Bac, asked: str, said: str) -> None:
    result = bac("show", asked, code=1)

    assert (result.stdout, result.stderr) == ("", f"error: {said}\n")


@pytest.mark.parametrize(
    ("asked", "by", "said"),
    [
        ("meters.tokens", "n", "meters.tokens has no such dimension (one of m, subject)"),
        ("meters.tokens", "subjekt", "meters.tokens has no such dimension (did you mean `subject`?)"),
        ("customers.acme", "m", "nothing of customers.acme can be grouped"),
    ],
)
def test_what_cannot_be_grouped_is_an_error(acme: Workspace, bac: Bac, asked: str, by: str, said: str) -> None:
    assert bac("show", asked, "--by", by, code=1).stderr == f"error: --by {by}: {said}\n"


def test_a_key_alone_names_the_first_section_that_has_it_and_tells_the_others(acme: Workspace, bac: Bac) -> None:
    acme.http.post("/api/v1/subjects", json=[{"key": "acme"}]).raise_for_status()

    text = bac("show", "acme").stdout

    assert text.startswith("customers.acme ")
    assert text.endswith("Also: subjects.acme\n")


def test_keys_of_any_text_are_found(ws: Workspace, bac: Bac) -> None:
    key = "Ünïted/ACME & Co. \u202e1"
    ws.write(
        "catalog/all.yaml",
        {
            "features": {"sso": {}},
            "customers": {key: {"name": "U"}},
            "entitlements": {key: {"sso": {"type": "boolean"}}},
        },
    )
    ws.converge()

    by_key, by_address = bac("show", key).stdout, bac("show", f'entitlements."{key}".sso').stdout

    assert bac("show", f"customers.{key}").stdout == by_key
    assert by_key.startswith('customers."Ünïted/ACME & Co. \\u202e1" ')
    assert "  sso      boolean  yes" in by_key
    assert by_address.endswith("Value now\n  access  yes\n")


def test_showing_asks_for_few_things_and_writes_nothing(acme: Workspace, bac: Bac) -> None:
    asked = {}
    for address in ("meters.tokens", "features.ai", "customers.acme", "subjects.acme-eu"):
        acme.forget()
        bac("show", address)
        asked[address] = len(acme.requests())
        assert acme.writes() == []

    # the lists that it takes to understand one, and its looks
    assert asked == {"meters.tokens": 1 + 3, "features.ai": 2 + 2, "customers.acme": 1 + 3, "subjects.acme-eu": 1 + 1}


def test_a_shell_completes_addresses_and_sections(acme: Workspace, bac: Bac) -> None:
    def offered(command: str, incomplete: str) -> list[str]:
        completion = ShellComplete(main, {}, "bac", "_BAC_COMPLETE")
        return [item.value for item in completion.get_completions([command], incomplete)]

    assert offered("show", "entitlements.acme.s") == ["entitlements.acme.sso", "entitlements.acme.seats"]
    assert offered("list", "feat") == ["features", "features.ai", "features.sso", "features.seats"]
