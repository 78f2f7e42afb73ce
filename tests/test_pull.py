"""Pull: an account becomes files that say what is live, and files that are there change only where they differ."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from accounts import fill, post
from click.testing import Result
from commands import plain, run
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from profiles import share
from strategies import NOW, Catalog, World, catalogs, edited, written
from wire import refereed
from workspace import OWNER, Workspace, describe

from billing_as_code import service
from billing_as_code.authoring import Layout
from billing_as_code.authoring.adoption import Terms, choose
from billing_as_code.authoring.layout import file_name
from billing_as_code.devserver import create_app
from billing_as_code.errors import CatalogError, PlanError, UsageError
from billing_as_code.kinds import KINDS
from billing_as_code.model import Address, Resource
from billing_as_code.service import Pulled


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project that examples share; each begins with `reset`."""
    workspace = Workspace(tmp_path_factory.mktemp("project"), refereed(create_app()))
    yield workspace
    workspace.close()


def pull(ws: Workspace, *, save: bool = True, **options: Any) -> Pulled:
    with ws.session() as session:
        pulled = service.pull(session, **options)
        if save:
            service.save(pulled)
    return pulled


def texts(ws: Workspace) -> dict[str, str]:
    folder = ws.root / "catalog"
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.yaml"))}


def begin(ws: Workspace) -> None:
    ws.reset()
    ws.clock(NOW)


def upright(catalog: Catalog) -> Catalog:
    """Without what OpenMeter refuses from anybody: a grant that starts before its usage period does."""
    for by_feature in catalog["grants"].values():
        for named in by_feature.values():
            for grant in named.values():
                grant["effective_at"] = max(grant["effective_at"], "2026-11-24T12:31:00Z")
    return catalog


@settings(max_examples=share(0.03))
@given(data=st.data())
def test_after_a_pull_the_plan_holds_adoptions_alone_and_after_those_nothing(
    shared: Workspace, data: st.DataObject
) -> None:
    begin(shared)
    catalog = upright(data.draw(catalogs()))
    whose = data.draw(st.sampled_from((None, OWNER)))
    fill(shared.http, catalog, lambda section, path: whose)

    pulled = pull(shared, layout=data.draw(st.sampled_from((None, *Layout))))

    assert pulled.untold == []
    for path, text in texts(shared).items():
        note(f"{path}\n{text}")
    plan = shared.plan()
    note(str(describe(plan)))
    assert not plan.held
    assert all(c.reasons == ("adopted",) and [f.path for f in c.fields] == ["owner"] for c in plan.changes)
    if whose is not None:
        assert not plan.changes
    shared.converge()
    before = texts(shared)
    again = pull(shared)
    assert again.files == []
    assert texts(shared) == before


@settings(max_examples=share(0.03))
@given(data=st.data())
def test_a_pull_into_an_older_catalog_leaves_nothing_to_do_but_what_is_not_live(
    shared: Workspace, data: st.DataObject
) -> None:
    older = data.draw(catalogs())
    begin(shared)
    shared.write("catalog/all.yaml", written(older))
    shared.converge()
    newer = data.draw(edited(World(older)))
    shared.write("catalog/all.yaml", written(newer.catalog))
    try:
        shared.converge()
    except PlanError:
        assume(False)
    shared.write("catalog/all.yaml", yaml.safe_dump(older, sort_keys=False, allow_unicode=True))

    try:
        pulled = pull(shared)
    except CatalogError:  # a subject that the older catalog gives to one, and OpenMeter to another
        assume(False)

    note(texts(shared)["all.yaml"])
    note(str(pulled))
    assume(pulled.plan is not None)
    assert pulled.untold == []
    for change in shared.plan().changes:
        note(str(describe(shared.plan())))
        assert change.reasons == ("adopted",) or change.address in pulled.not_live


# -- one account, by example ------------------------------------------------------------------------------------------

ACCOUNT: Catalog = {
    "meters": {"tokens": {"aggregation": "sum", "event_type": "prompt", "value_property": "$.n", "name": "tokens"}},
    "features": {
        "ai_tokens": {"name": "AI tokens", "meter": "tokens", "unit_cost": {"type": "manual", "amount": "2.0"}},
        "sso": {},
    },
    "customers": {"acme": {"name": "ACME", "billing_address": {"country": "NO"}, "subjects": ["s2", "s1"]}},
    "subjects": {"s1": {"display_name": "Team one"}},
    "entitlements": {
        "acme": {
            "ai_tokens": {
                "type": "metered",
                "usage_period": {"interval": "P7D", "anchor": "2026-11-24T00:00:00Z"},
                "issue": {"amount": "12.50", "priority": 1},
                "is_soft_limit": False,
            },
            "sso": {"type": "boolean"},
        }
    },
    "grants": {"acme": {"ai_tokens": {"welcome": {"amount": 10, "effective_at": "2026-12-01T00:00:00Z"}}}},
}

FILES = {
    "customers.yaml": """\
customers:
  acme:
    name: ACME
    subjects: [s1, s2]
    billing_address: {country: "NO"}
""",
    "entitlements.yaml": """\
entitlements:
  acme:
    ai_tokens:
      type: metered
      usage_period: {interval: week, anchor: "2026-11-24T00:00:00Z"}
      issue: {amount: "12.5"}
    sso: {type: boolean}
""",
    "features.yaml": """\
features:
  ai_tokens:
    name: AI tokens
    meter: tokens
    unit_cost: {type: manual, amount: 2}
  sso: {}
""",
    "grants.yaml": """\
grants:
  acme:
    ai_tokens:
      welcome: {amount: 10, effective_at: "2026-12-01T00:00:00Z"}
""",
    "meters.yaml": """\
meters:
  tokens:
    aggregation: sum
    event_type: prompt
    value_property: $.n
""",
    "subjects.yaml": """\
subjects:
  s1: {display_name: Team one}
""",
}
HEAD = "# yaml-language-server: $schema=../schemas/catalog.schema.json\n"


def test_an_account_becomes_a_file_for_each_section_and_no_default_is_spelled_out(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)

    pulled = pull(ws)

    assert texts(ws) == {name: HEAD + text for name, text in FILES.items()}
    assert [str(a) for a in pulled.added] == [
        "meters.tokens",
        "features.ai_tokens",
        "features.sso",
        "customers.acme",
        "subjects.s1",
        "entitlements.acme.ai_tokens",
        "entitlements.acme.sso",
        "grants.acme.ai_tokens.welcome",
    ]
    assert {str(c.address) for c in ws.plan().changes} == {"meters.tokens", "customers.acme", "subjects.s1"}


def test_by_customer_a_file_holds_all_that_is_keyed_by_one(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)

    pull(ws, layout=Layout.CUSTOMER)

    own = ("customers.yaml", "subjects.yaml", "entitlements.yaml", "grants.yaml")
    assert texts(ws) == {
        "customers/acme.yaml": HEAD.replace("=../", "=../../") + "\n".join(FILES[name] for name in own),
        "features.yaml": HEAD + FILES["features.yaml"],
        "meters.yaml": HEAD + FILES["meters.yaml"],
    }


def test_no_id_of_openmeter_is_written(ws: Workspace) -> None:
    catalog = {**ACCOUNT, "subjects": {}}
    fill(ws.http, catalog)
    # OpenMeter made this one for the customer, and noted its id; now somebody names it
    post(ws.http, "/api/v1/subjects", [{"key": "s2", "displayName": "Two"}])

    pull(ws)

    assert texts(ws)["subjects.yaml"] == HEAD + "subjects:\n  s2: {display_name: Two}\n"
    assert not [text for text in texts(ws).values() if re.search(r"01[0-9A-HJKMNP-TV-Z]{24}", text)]
    ws.converge()


# -- whose it is, and what cannot be said -----------------------------------------------------------------------------


def test_what_another_team_owns_is_declared_external_and_only_where_ours_refers_to_it(ws: Workspace) -> None:
    theirs = {"meters", "customers"}
    other = {**ACCOUNT, "meters": {**ACCOUNT["meters"], "calls": {"aggregation": "count", "event_type": "call"}}}
    fill(ws.http, other, lambda section, path: "other-team" if section in theirs else OWNER)

    pulled = pull(ws)

    assert texts(ws)["meters.yaml"] == HEAD + "meters:\n  tokens: {external: true}\n"
    assert texts(ws)["customers.yaml"] == HEAD + "customers:\n  acme: {external: true}\n"
    assert {str(a): hand for a, hand in pulled.others.items()} == dict.fromkeys(
        ("meters.calls", "meters.tokens", "customers.acme"), "other-team"
    )
    assert not ws.plan().changes


def test_what_a_subscription_manages_is_left_to_it() -> None:
    address = Address("entitlements", ("acme", "sso"))
    spec = KINDS["entitlements"].canonical(address.path, {"type": "boolean"})
    live = {address: Resource(address, spec, managed="subscription")}

    adoption = choose(live, {}, KINDS, Terms({OWNER}, datetime.now(UTC), lambda a: True))

    assert adoption.declared == {}
    assert adoption.others == {address: "a subscription"}


def test_what_has_no_key_is_told(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)
    keyless = {"name": "Keyless", "usageAttribution": {"subjectKeys": ["k"]}}
    made = post(ws.http, "/api/v1/customers", keyless)
    path = f"/api/v2/customers/{made['id']}/entitlements"
    held = post(ws.http, path, {"featureKey": "sso", "type": "boolean"})
    customer = ws.http.get("/api/v1/customers/acme").json()["id"]
    own = f"/api/v2/customers/{customer}/entitlements/ai_tokens/grants"
    grant = post(ws.http, own, {"amount": 1, "effectiveAt": "2027-01-01T00:00:00Z"})

    pulled = pull(ws)

    assert pulled.untold == [
        ("customer Keyless", "has no key"),
        (f"entitlement {held['id']}", "is of a customer without a key"),
        (f"grant {grant['id']}", "has no label `bac.key`, by which grants are recognised"),
    ]


def test_a_features_metadata_that_is_no_label_is_told_and_stays(ws: Workspace) -> None:
    metadata = {"tier": "core", "Sales person": "Ada Lovelace"}
    post(ws.http, "/api/v1/features", {"key": "seats", "name": "Seats", "metadata": metadata})

    pulled = pull(ws)

    assert texts(ws)["features.yaml"] == HEAD + "features:\n  seats: {name: Seats, metadata: {tier: core}}\n"
    why = "its metadata `Sales person` is no label as a catalog can hold it, and stays as it is"
    assert pulled.untold == [("features.seats", why)]
    assert not ws.plan().changes
    assert not ws.plan().held


EMPTY = "`description` is empty text (such as Pilot since 2025)"


def test_what_cannot_be_declared_is_external_where_something_refers_to_it_and_told(ws: Workspace) -> None:
    fill(ws.http, {**ACCOUNT, "customers": {"acme": {"name": "ACME", "description": ""}}, "subjects": {}})

    pulled = pull(ws)

    assert texts(ws)["customers.yaml"] == HEAD + "customers:\n  acme: {external: true}\n"
    assert "ai_tokens" in texts(ws)["entitlements.yaml"]
    assert pulled.untold == [("customers.acme", EMPTY)]
    assert [str(c.address) for c in ws.plan().changes] == ["meters.tokens"]


def test_what_is_ours_and_cannot_be_declared_is_declared_without_the_field_to_blame(ws: Workspace) -> None:
    customers = {"acme": {"name": "ACME", "description": "", "currency": "EUR"}}
    fill(ws.http, {**ACCOUNT, "customers": customers, "subjects": {}}, lambda section, path: OWNER)

    pulled = pull(ws)

    assert texts(ws)["customers.yaml"] == HEAD + "customers:\n  acme: {name: ACME, currency: EUR}\n"
    assert pulled.untold == [("customers.acme", f"{EMPTY}; it is declared without that")]
    plan = ws.plan()
    assert [(str(c.address), [f.path for f in c.fields]) for c in plan.changes] == [("customers.acme", ["description"])]


def test_keys_that_a_catalog_cannot_hold_are_told(ws: Workspace) -> None:
    post(ws.http, "/api/v1/customers", {"key": "$use", "name": "x"})
    post(ws.http, "/api/v1/customers", {"key": "fine", "name": "x", "metadata": {"$use": "y", "": "z"}})

    pulled = pull(ws)

    assert texts(ws) == {}
    assert [what.partition(".")[0] for what, _ in pulled.untold] == ["customers"] * 2


# -- in place ---------------------------------------------------------------------------------------------------------

CATALOG = """\
# Who buys.
customers:
  # the first one
  zeta:   {name: Zeta}   # signed 2024
  acme:
    name: 'ACME'          # as they write it
    metadata: {crm_id: "7", segment: big}

templates:
  small:
    seats: {type: static, config: {max: 5}}
    sso: {type: boolean}

entitlements:
  acme: {$use: small} # nothing special
  zeta:
    $use: [small]
    seats: {config: {max: 9}} # by contract
features: {seats: {}, sso: {}}
"""


def in_place(ws: Workspace, **settings: Any) -> None:
    ws.configure(**settings)
    ws.write("catalog/all.yaml", CATALOG)
    ws.converge()


def override(ws: Workspace, customer: str, feature: str, **body: Any) -> None:
    found = ws.http.get(f"/api/v1/customers/{customer}").json()["id"]
    path = f"/api/v2/customers/{found}/entitlements/{feature}/override"
    answer = ws.http.put(path, json={"featureKey": feature, "metadata": {"bac.owner": OWNER}, **body})
    assert answer.is_success, answer.text


def put_customer(ws: Workspace, key: str, **body: Any) -> None:
    found = ws.http.get(f"/api/v1/customers/{key}").json()
    metadata = {**found["metadata"], **body.pop("metadata", {})}
    said = {k: v for k, v in found.items() if k not in ("id", "createdAt", "updatedAt", "metadata")}
    said["metadata"] = {k: v for k, v in metadata.items() if v is not None}
    ws.http.put(f"/api/v1/customers/{found['id']}", json={**said, **body}).raise_for_status()


def changed(before: str, after: str) -> list[str]:
    """The lines of a diff."""
    return [row for row in difflib.ndiff(before.splitlines(), after.splitlines()) if row[0] in "+-"]


def test_a_second_pull_changes_no_byte(ws: Workspace) -> None:
    in_place(ws)
    assert pull(ws).files == []
    assert texts(ws) == {"all.yaml": CATALOG}


def test_only_what_differs_changes_and_comments_stay(ws: Workspace) -> None:
    in_place(ws)
    put_customer(ws, "acme", name="ACME Ltd.", metadata={"segment": None, "tier": "NO"})
    post(ws.http, "/api/v1/customers", {"key": "mid", "name": "Mid"})

    pulled = pull(ws)

    assert changed(CATALOG, texts(ws)["all.yaml"]) == [
        "-     name: 'ACME'          # as they write it",
        "+     name: ACME Ltd.          # as they write it",
        '-     metadata: {crm_id: "7", segment: big}',
        '+     metadata: {crm_id: "7", tier: "NO"}',
        "+   mid: {name: Mid}",
    ]
    assert [str(a) for a in pulled.changed] == ["customers.acme"]
    ws.converge()


def test_json_that_is_empty_now_is_written_so(ws: Workspace) -> None:
    in_place(ws)
    ws.write(
        "catalog/all.yaml",
        CATALOG.replace("seats: {config: {max: 9}} # by", "seats: {type: static, config: {max: 9}} # by"),
    )
    override(ws, "zeta", "seats", type="static", config="{}")

    pull(ws)

    assert "    seats: {type: static, config: {}} # by contract" in texts(ws)["all.yaml"].splitlines()
    assert ws.plan().changes == ()


def test_what_a_template_says_stays_and_the_difference_stands_in_the_own_place(ws: Workspace) -> None:
    in_place(ws)
    override(ws, "acme", "seats", type="static", config='{"max": 6}')
    override(ws, "zeta", "seats", type="static", config='{"min": 1}')

    pull(ws)

    assert changed(CATALOG, texts(ws)["all.yaml"]) == [
        "-   acme: {$use: small} # nothing special",
        "+   acme: {$use: small, seats: {config: {max: 6}}} # nothing special",
        "-     seats: {config: {max: 9}} # by contract",
        "+     seats: {config: {min: 1}} # by contract",
    ]
    assert not ws.plan().changes


def test_what_a_template_says_and_is_not_so_becomes_null(ws: Workspace) -> None:
    in_place(ws)
    override(ws, "zeta", "seats", type="boolean")

    pulled = pull(ws)
    assert pulled.untold == []

    assert changed(CATALOG, texts(ws)["all.yaml"]) == [
        "-     seats: {config: {max: 9}} # by contract",
        "+     seats: {type: boolean, config: null} # by contract",
    ]
    assert not ws.plan().changes


def test_where_an_overlay_speaks_of_a_resource_the_overlay_is_edited(ws: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAC_ENV", "local")
    over = "customers:\n  acme: {name: Test} # not the real one\n"
    ws.configure(environments={"local": {}, "other": {}})
    ws.write("catalog/all.yaml", CATALOG)
    ws.write("catalog/environments/local/test.yaml", over)
    ws.converge()
    put_customer(ws, "acme", name="Tested", metadata={"segment": None})

    pull(ws)

    assert texts(ws) == {
        "all.yaml": CATALOG,
        "environments/local/test.yaml": "customers:\n"
        "  acme: {name: Tested, metadata: {segment: null}} # not the real one\n",
    }
    assert not ws.plan().changes


def test_other_environments_that_see_an_edit_are_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAC_ENV", "local")
    in_place(ws, environments={"local": {}, "other": {}, "third": {}})
    ws.write("catalog/environments/third/t.yaml", "customers: {zeta: {name: Third}}\n")
    put_customer(ws, "zeta", name="Z")
    assert pull(ws).elsewhere == {"other": 1}


def test_what_is_not_live_any_more_is_told_and_left(ws: Workspace) -> None:
    in_place(ws)
    found = ws.http.get("/api/v1/customers/zeta").json()["id"]
    for feature in ("seats", "sso"):
        ws.http.delete(f"/api/v2/customers/{found}/entitlements/{feature}").raise_for_status()

    pulled = pull(ws)

    assert texts(ws) == {"all.yaml": CATALOG}
    assert [str(a) for a in pulled.not_live] == ["entitlements.zeta.seats", "entitlements.zeta.sso"]


def test_what_other_hands_write_is_no_difference_and_not_written(ws: Workspace) -> None:
    in_place(ws, ignore=["customers.*.metadata.crm_*"])
    put_customer(ws, "acme", metadata={"crm_id": "8", "crm_owner": "Ada"})
    post(ws.http, "/api/v1/customers", {"key": "new", "name": "New", "metadata": {"crm_id": "9"}})

    pull(ws)

    assert changed(CATALOG, texts(ws)["all.yaml"]) == ["+   new: {name: New}"]


def test_a_catalog_by_customer_is_continued_so(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)
    pull(ws, layout=Layout.CUSTOMER)
    made = post(ws.http, "/api/v1/customers", {"key": "Big Co", "name": "Big"})
    post(ws.http, f"/api/v2/customers/{made['id']}/entitlements", {"featureKey": "sso", "type": "boolean"})
    acme = ws.http.get("/api/v1/customers/acme").json()["id"]
    post(ws.http, "/api/v1/features", {"key": "seats", "name": "Seats"})
    config = {"featureKey": "seats", "type": "static", "config": '{"max": 1}'}
    post(ws.http, f"/api/v2/customers/{acme}/entitlements", config)

    pulled = pull(ws)

    names = [f.path.relative_to(ws.root / "catalog").as_posix() for f in pulled.files]
    assert names == ["customers/acme.yaml", f"customers/{file_name(('Big Co',))}.yaml", "features.yaml"]
    assert "    seats: {type: static, config: {max: 1}}\n    sso:" in texts(ws)["customers/acme.yaml"]


# -- a part of it -----------------------------------------------------------------------------------------------------


def test_what_is_asked_for_comes_with_what_it_refers_to(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)

    pulled = pull(ws, only=["entitlements.acme.sso"])
    assert [str(a) for a in pulled.added] == ["features.sso", "customers.acme", "entitlements.acme.sso"]

    pulled = pull(ws, sections=["features"])
    assert [str(a) for a in pulled.added] == ["meters.tokens", "features.ai_tokens"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["customers.nobody"]}, "--only customers.nobody: OpenMeter has no such address"),
        ({"sections": ["people"]}, "--kind people: there is no such section. Sections are meters,"),
    ],
)
def test_what_does_not_exist_cannot_be_asked_for(ws: Workspace, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        pull(ws, **options)


def test_it_is_written_into_another_folder_where_that_is_asked(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)
    pulled = pull(ws, into=ws.root / "elsewhere" / "catalog")
    assert (
        (ws.root / "elsewhere/catalog/meters.yaml").read_text().startswith("# yaml-language-server: $schema=../../sch")
    )
    assert texts(ws) == {}
    assert pulled.plan is None
    assert pull(ws, into=ws.root / "elsewhere" / "catalog").files == []


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_catalog_that_is_wrong_is_not_touched(ws: Workspace) -> None:
    ws.write("catalog/all.yaml", "customers: {acme: {nmae: x}}\n")
    with pytest.raises(CatalogError):
        pull(ws)
    assert texts(ws) == {"all.yaml": "customers: {acme: {nmae: x}}\n"}


def test_nothing_is_written_through_a_link_out_of_the_catalog(ws: Workspace, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (ws.root / "catalog" / "customers").symlink_to(outside)
    fill(ws.http, ACCOUNT)
    with pytest.raises((UsageError, CatalogError), match="is a link out of the catalog"):
        pull(ws, layout=Layout.CUSTOMER)
    assert list(outside.iterdir()) == []
    assert texts(ws) == {}


def test_a_link_within_the_catalog_stays_one(ws: Workspace) -> None:
    in_place(ws)
    (ws.root / "catalog" / ".hidden").mkdir()
    (ws.root / "catalog" / "all.yaml").rename(ws.root / "catalog" / ".hidden" / "real.yaml")
    (ws.root / "catalog" / "all.yaml").symlink_to(".hidden/real.yaml")
    put_customer(ws, "zeta", name="Z")
    pull(ws)
    assert (ws.root / "catalog" / "all.yaml").is_symlink()
    assert "zeta:   {name: Z}   # signed" in (ws.root / "catalog" / ".hidden" / "real.yaml").read_text()


def test_a_file_that_changed_meanwhile_is_not_overwritten(ws: Workspace) -> None:
    in_place(ws)
    put_customer(ws, "zeta", name="Z")
    pulled = pull(ws, save=False)
    ws.write("catalog/all.yaml", CATALOG + "# mine\n")
    with pytest.raises(UsageError, match=r"all\.yaml has changed while bac was at work"):
        service.save(pulled)
    assert texts(ws) == {"all.yaml": CATALOG + "# mine\n"}


def test_a_file_keeps_its_rights_and_no_other_is_left_behind(ws: Workspace) -> None:
    in_place(ws)
    (ws.root / "catalog" / "all.yaml").chmod(0o640)
    put_customer(ws, "zeta", name="Z")
    pull(ws)
    assert (ws.root / "catalog" / "all.yaml").stat().st_mode & 0o777 == 0o640
    assert [p.name for p in (ws.root / "catalog").iterdir()] == ["all.yaml"]


def test_openmeter_is_only_read(ws: Workspace) -> None:
    fill(ws.http, ACCOUNT)
    ws.forget()
    pull(ws)
    assert ws.writes() == []


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `bac` on the starter's catalog, applied to the embedded server."""
    monkeypatch.chdir(tmp_path)
    plain(monkeypatch)
    run("init", "--owner", "acme")
    run("apply", "--yes")
    return run


def test_the_command_says_what_it_did_and_what_is_next(bac: Callable[..., Result]) -> None:
    assert bac("pull").output == (
        "Pulled local · embedded server · owner acme into catalog\n"
        "  No file is to be changed.\n"
        "Resources: 0 added, 8 as declared already.\n"
        "\n"
        "The catalog says what is live: bac plan has nothing to do.\n"
    )
    Path("catalog/customers.yaml").unlink()
    assert bac("pull", "--dry-run", "--kind", "customers").output.startswith(
        "--- /dev/null\n+++ b/catalog/customers.yaml\n@@ -0,0 +1,7 @@\n"
    )
    assert not Path("catalog/customers.yaml").exists()
    assert bac("pull").output.endswith(
        "  created catalog/customers.yaml\n"
        "  created catalog/entitlements.yaml\n"
        "Resources: 5 added, 3 as declared already.\n"
        "\n"
        "The catalog says what is live: bac plan has nothing to do.\n"
    )
    assert bac("plan").output.startswith("Nothing to do")


def test_the_command_tells_programs_too(bac: Callable[..., Result]) -> None:
    Path("catalog/customers.yaml").unlink()
    said = json.loads(bac("pull", "--json").output)
    assert said["files"] == {"catalog/customers.yaml": "created", "catalog/entitlements.yaml": "created"}
    assert (said["written"], len(said["added"]), said["unchanged"]) == (True, 5, 3)
    assert said["plan"] == {"adoptions": 0, "other_changes": 0}
    assert "no such section" in bac("pull", "--kind", "people", code=1).stderr
