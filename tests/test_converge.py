"""One apply makes what is live equal to the catalog, whatever was there, and whatever goes wrong on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from mortal import Mortal
from profiles import share
from strategies import CUSTOMER_KEYS, NOW, SECTIONS, Catalog, World, at, catalogs, edited, resources, written
from wire import refereed
from workspace import Workspace, describe

from billing_as_code import live as live_state
from billing_as_code import plan as plans
from billing_as_code.catalog import load as load_catalog
from billing_as_code.devserver import create_app
from billing_as_code.errors import PlanError
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Absent
from billing_as_code.model import Address, Resource, State

pytestmark = pytest.mark.thorough

LATER = st.sampled_from((None, None, "2026-11-24T15:40:20Z", "2026-12-02T08:00:20Z", "2027-01-03T01:00:20Z"))
REFUSALS = (
    "OpenMeter has no such thing",
    "which keeps it",
    "is protected",
    "cannot use a meter",
    "is no dimension of meter",
    "has no meter",
)
"""Why an edit may be refused as a whole: what was protected, and what another hand's meter does not allow."""


PARTNER = "/api/v2/customers/partner/entitlements"


def made(factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(factory.mktemp("project"), Mortal(refereed(create_app())))
    yield workspace
    workspace.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project that examples share; each begins with `begin`."""
    yield from made(tmp_path_factory)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project on another server, for what would have been."""
    yield from made(tmp_path_factory)


def begin(ws: Workspace, catalog: Catalog) -> None:
    """A server with what another hand has (`strategies.THEIRS`), and a catalog that is applied to it."""
    ws.reset()
    ws.clock(NOW)
    meter = {"slug": "partner_calls", "eventType": "prompt", "aggregation": "COUNT"}
    ws.http.post("/api/v1/meters", json=meter).raise_for_status()
    for key, more in (("partner_api", {"meterSlug": "partner_calls"}), ("partner_sso", {})):
        ws.http.post("/api/v1/features", json={"key": key, "name": key, **more}).raise_for_status()
    ws.http.post("/api/v1/customers", json={"key": "partner", "name": "Partner"}).raise_for_status()
    metered = {"type": "metered", "featureKey": "partner_api", "usagePeriod": {"interval": "MONTH"}}
    for body in (metered, {"type": "boolean", "featureKey": "partner_sso"}):
        ws.http.post(PARTNER, json=body).raise_for_status()
    grant = {"amount": 5, "effectiveAt": NOW, "metadata": {"bac.key": "gift"}}
    ws.http.post(f"{PARTNER}/partner_api/grants", json=grant).raise_for_status()
    ws.write("catalog/all.yaml", written(catalog))
    ws.converge()


def theirs(ws: Workspace) -> list[Any]:
    """What another hand has, in OpenMeter's own words; periods and updates aside, which time alone moves."""
    paths = ("/api/v1/meters/partner_calls", "/api/v1/features/partner_api", "/api/v1/features/partner_sso")
    paths += ("/api/v1/customers/partner", f"{PARTNER}/partner_api", f"{PARTNER}/partner_sso")
    found = [ws.http.get(path).raise_for_status().json() for path in paths]
    found += ws.http.get(f"{PARTNER}/partner_api/grants").raise_for_status().json()["items"]
    return [{k: v for k, v in item.items() if k != "currentUsagePeriod"} for item in found]


def pass_time(ws: Workspace, to: str | None) -> None:
    if to is not None and datetime.fromisoformat(to) > ws.now():
        ws.clock(to)


def state(ws: Workspace) -> State:
    with ws.session() as session:
        return live_state.read(session.client, KINDS)


def declared(ws: Workspace) -> State:
    return load_catalog(ws.root / "catalog", "local", ["local"]).desired


def is_refused(ws: Workspace, **options: Any) -> bool:
    """Whether the catalog as it stands is refused as a whole, for a reason that it may be refused for."""
    try:
        note(str(describe(ws.plan(**options))))
    except PlanError as error:
        assert all(any(words in text for words in REFUSALS) for _, text in error.reasons), error.reasons
        return True
    return False


# -- without failures ------------------------------------------------------------------------------------------------


@settings(max_examples=share(0.15))
@given(catalog=catalogs())
def test_what_openmeter_answers_to_a_spec_is_that_spec(project: Workspace, catalog: Catalog) -> None:
    begin(project, catalog)
    found = state(project)
    for address, want in declared(project).items():
        if address not in found:
            assert address.kind == "grants" and ended(want.spec, project)
            continue
        kind, have = KINDS[address.kind], found[address]
        for row, wanted, is_ in zip(kind.fields, want.spec, have.spec, strict=True):
            if row.absent is not Absent.CREATE_ONLY and (wanted is not None or row.absent is Absent.DEFAULT):
                assert is_ == wanted, f"{address}.{row.name}"
        assert (have.owner, have.protect) == (project.plan().target.owner, want.protect)


def ended(spec: Any, ws: Workspace) -> bool:
    kind = KINDS["grants"]
    start, unit, count = (kind.get(spec, f) for f in ("effective_at", "expiration.duration", "expiration.count"))
    longest = {"hour": 1, "day": 24, "week": 168, "month": 31 * 24, "year": 366 * 24}
    end = datetime.fromisoformat(start) + timedelta(hours=longest[unit]) * count
    return end <= ws.now() + timedelta(days=4)


@pytest.mark.longest
@given(data=st.data())
def test_after_an_apply_nothing_is_left_to_do(project: Workspace, data: st.DataObject) -> None:
    world = World(data.draw(catalogs()), others=True)
    begin(project, world.catalog)
    untouched = theirs(project)
    for _ in range(data.draw(st.integers(1, 3))):
        before, world = world, data.draw(edited(world))
        pass_time(project, data.draw(LATER))
        project.write("catalog/all.yaml", written(world.catalog))
        project.forget()
        if is_refused(project):
            assert not project.writes()
            world = before
            project.write("catalog/all.yaml", written(world.catalog))
        project.converge()
        project.forget()
        project.apply()
        assert not project.writes()
    assert theirs(project) == untouched


@settings(max_examples=share(0.15))
@given(catalog=catalogs(), data=st.data())
def test_it_does_not_matter_in_which_files_and_order_a_catalog_stands(
    project: Workspace, catalog: Catalog, data: st.DataObject
) -> None:
    begin(project, {section: {} for section in SECTIONS})
    project.write("catalog/all.yaml", written(catalog))
    digest, text = project.plan().digest, project.plan().dump()
    project.remove("catalog/all.yaml")
    for n, (section, path) in enumerate(data.draw(st.permutations(list(resources(catalog))))):
        nested: Any = at(catalog, section, path)
        for key in reversed(path):
            nested = {key: nested}
        folder = data.draw(st.sampled_from(("", "a/", "b/c/")))
        file = project.root / f"catalog/{folder}{n}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({section: nested}, ensure_ascii=False), encoding="utf-8")
    assert (project.plan().digest, project.plan().dump()) == (digest, text)


@settings(max_examples=share(0.15))
@given(data=st.data())
def test_a_plan_file_holds_the_whole_plan(project: Workspace, data: st.DataObject) -> None:
    world = World(data.draw(catalogs()), others=True)
    begin(project, world.catalog)
    project.write("catalog/all.yaml", written(data.draw(edited(world)).catalog))
    assume(not is_refused(project))
    plan = project.plan()
    loaded = plans.load(plan.dump())
    assert (loaded.digest, loaded.intent, loaded.dump()) == (plan.digest, plan.intent, plan.dump())
    assert plan.dump() == project.plan().dump()
    project.apply(loaded)
    assert not project.plan().changes


@given(kind=st.sampled_from(SECTIONS), path=st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_an_address_is_read_as_it_was_written(kind: str, path: list[str]) -> None:
    address = Address(kind, tuple(path))
    assert Address.parse(str(address)) == address


@settings(max_examples=share(0.1))
@given(data=st.data())
def test_parts_and_replaces_in_any_order_end_where_the_whole_does(
    project: Workspace, other: Workspace, data: st.DataObject
) -> None:
    """`--only` of a part does it wholly, and `--replace` loses nothing, whatever comes before and after."""
    two_of_them(data, project, other)
    assume(declared(project))
    for _ in range(data.draw(st.integers(1, 3))):
        asked = str(data.draw(st.sampled_from(sorted(declared(project)))))
        option = data.draw(st.sampled_from(("only", "replaced")))
        if is_refused(project, **{option: [asked]}):
            continue
        _, outcome = project.apply(**{option: [asked]})
        assert outcome.whole, (outcome.tally.failed, outcome.loose)
        if option == "only":
            assert not project.plan(only=[asked]).changes
    project.converge()
    assert outside(project, exactly=False) == outside(other, exactly=False)


# -- with failures --------------------------------------------------------------------------------------------------


def use(ws: Workspace, used: list[tuple[str, str, int, str]]) -> None:
    """Events: (type, subject, amount, time)."""
    for n, (kind, subject, amount, time) in enumerate(used):
        event = {"specversion": "1.0", "id": str(n), "source": "t", "type": kind, "subject": subject, "time": time}
        event["data"] = {"n": amount, "usage": {"total": amount}, "model": "a"}
        headers = {"content-type": "application/cloudevents+json"}
        ws.http.post("/api/v1/events", json=event, headers=headers).raise_for_status()


events = st.lists(
    st.tuples(
        st.sampled_from(("prompt", "request.done")),
        st.sampled_from((*CUSTOMER_KEYS, "s1", "user:2")),
        st.sampled_from((1, 7, 120, 99_000)),
        st.sampled_from(("2026-11-20T10:00:00Z", "2026-11-24T12:10:00Z", "2026-11-24T12:25:00Z")),
    ),
    max_size=5,
)


def outside(ws: Workspace, *, exactly: bool = True) -> dict[str, Any]:
    """All that users see: every resource by address, what is left of each entitlement, now and later, and how many
    living grants of each name there are. Unless `exactly`, without what depends on the way there: fields that may be
    held or speak at creation alone, grants that have ended, and what is left of a recurring one beside it."""
    found = state(ws)
    # what OpenMeter writes on the subjects that it makes by itself has ids in it
    known = {a: r for a, r in found.items() if a.kind != "grants" and (a.kind != "subjects" or r.owner)}
    seen: dict[str, Any] = {str(a): (spoken_of(r, exactly), r.owner, exactly and r.protect) for a, r in known.items()}
    customers = {a.path[0]: r.id for a, r in found.items() if a.kind == "customers"}
    for address, resource in found.items():
        if address.kind != "entitlements":
            continue
        base = f"/api/v2/customers/{customers[address.path[0]]}/entitlements/{address.path[1]}"
        minute = ws.now().replace(second=0, microsecond=0)
        for days in (0, 1, 9, 40):
            time = (minute + timedelta(days=days, minutes=2)).isoformat()
            value = ws.http.get(f"{base}/value", params={"time": time}).json()
            names = ("hasAccess", "balance", "usage", "overage", "config")
            seen[f"{address} in {days} days"] = {n: rounded(value.get(n)) for n in names}
        alive = [g for g in resource.parts if not g.get("voidedAt") and g.get("metadata")]
        if not exactly:
            now = ws.now().isoformat()
            alive = [g for g in alive if "bac.key" in g["metadata"] and g.get("expiresAt", "9") > now]
        seen[f"{address} grants"] = Counter(g["metadata"].get("bac.key", g["metadata"].get("bac.rest")) for g in alive)
    return seen


def spoken_of(resource: Resource, exactly: bool) -> dict[str, Any]:
    """The fields but those that are kept: what nobody declares is lost with a meter that was deleted and not yet made
    again, unless the run is resumed."""
    found = {}
    for row, value in zip(KINDS[resource.address.kind].fields, resource.spec, strict=True):
        if row.absent is not Absent.KEPT and (exactly or not (row.held or row.absent is Absent.CREATE_ONLY)):
            found[row.name] = value
    return found


def rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def two_of_them(data: st.DataObject, project: Workspace, other: Workspace) -> None:
    """Two equal servers and catalogs, with a change ahead of them; it is carried out on the other."""
    world = World(data.draw(catalogs()), others=True)
    used, later = data.draw(events), data.draw(LATER)
    changed = data.draw(edited(world))
    for ws in (project, other):
        begin(ws, world.catalog)
        use(ws, used)
        pass_time(ws, later)
        ws.write("catalog/all.yaml", written(changed.catalog))
        ws.forget()
    assume(not is_refused(other))
    other.converge()
