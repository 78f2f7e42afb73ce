"""Subjects: canonical form, what is refused before OpenMeter sees it, and the requests that changes become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from workspace import Workspace

from billing_as_code.kinds.subjects import SUBJECTS
from billing_as_code.model import Class, Read, Step
from kinds.conftest import Problems
from kinds.recorded import listed, needs_recordings

ITEM = {
    "createdAt": "2026-11-24T07:04:55.320522Z",
    "id": "01M865YCRSTHX2GSCN6SK5QCT4",
    "key": "acme/prod",
    "metadata": {},
}
OWNED = {"bac.owner": "acme-billing"}
PATH = ("api", "v1", "subjects")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"metadata": {}}, {"metadata": OWNED}),
        ({"metadata": {"b": [1, True, None], "a": {"x": 1.0}}}, {"metadata": {"a": {"x": 1}, "b": [1, True, None]}}),
        ({"display_name": "ACME"}, {"displayName": "ACME"}),
        ({"stripe_customer_id": "cus_1"}, {"stripeCustomerId": "cus_1"}),
    ],
)
def test_what_yaml_says_equals_what_openmeter_shows_of_it(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    path = ("acme/prod",)
    assert SUBJECTS.canonical(path, fields) == SUBJECTS.from_wire(path, ITEM | shown, {})


def test_true_is_not_one_in_metadata() -> None:
    assert SUBJECTS.canonical(("s",), {"metadata": {"a": True}}) != SUBJECTS.canonical(("s",), {"metadata": {"a": 1}})


def test_an_empty_display_name_that_another_hand_wrote_is_not_the_same_as_none() -> None:
    assert SUBJECTS.from_wire(("s",), ITEM | {"displayName": ""}, {}) != SUBJECTS.canonical(("s",), {})


@needs_recordings
def test_every_subject_that_a_recorded_openmeter_listed_is_understood() -> None:
    items = listed("/api/v1/subjects")
    assert len(items) > 5
    assert all(SUBJECTS.live(item, {}) is not None for item in items)


@pytest.mark.parametrize(
    ("fields", "said", "theirs"),
    [
        (
            {"stripe_customer_id": "123"},
            "`stripe_customer_id` is `123`, which is not of the right form (such as cus_123)",
            "stripeCustomerId must start with cus_ when set",
        ),
        ({"display_name": ""}, "`display_name` is empty text", None),
        ({"metadata": {"bac.owner": "me"}}, "`bac.owner` is a label that bac writes itself", None),
        ({"metadata": "gold"}, "`metadata` is text, must be a map", None),
        ({"name": "x"}, "unknown field `name`", None),
    ],
)
def test_what_openmeter_would_refuse_is_refused_offline(
    problems: Problems, anybody: httpx.Client, fields: dict[str, Any], said: str, theirs: str | None
) -> None:
    assert problems({"subjects": {"s": fields}})[0].startswith(f"subjects.s: {said}")
    if theirs is not None:
        answer = anybody.post("/api/v1/subjects", json=[{"key": "s", "stripeCustomerId": fields["stripe_customer_id"]}])
        assert (answer.status_code, answer.json()["detail"]) == (400, theirs)


def test_any_text_can_be_a_subjects_key(ws: Workspace) -> None:
    keys = ["user:42", "a/b c", "ß", '"quoted"', "42"]
    ws.write("catalog/a.yaml", {"subjects": {key: {"display_name": "S"} for key in keys}})
    ws.converge()
    assert sorted(s["key"] for s in ws.http.get("/api/v1/subjects").json()) == sorted(keys)


def test_a_write_sends_every_field_and_null_clears(ws: Workspace) -> None:
    full = {"display_name": "S", "stripe_customer_id": "cus_1", "metadata": {"tier": "gold", "n": {"deep": [1]}}}
    ws.write("catalog/a.yaml", {"subjects": {"s": full}})
    [change] = ws.converge().changes
    body = {
        "key": "s",
        "displayName": "S",
        "stripeCustomerId": "cus_1",
        "metadata": {"tier": "gold", "n": {"deep": [1]}, **OWNED},
    }
    assert change.steps == (Step("POST", PATH, [body], saves="subjects.s"),)
    ws.write("catalog/a.yaml", {"subjects": {"s": {}}})
    [change] = ws.converge().changes
    cleared = {"key": "s", "displayName": None, "stripeCustomerId": None, "metadata": OWNED}
    assert change.steps == (Step("POST", PATH, [cleared], saves="subjects.s"),)
    assert (change.action, change.cls) == ("update", Class.SAFE)


def test_a_subject_that_a_customer_made_is_adopted_by_a_declaration_and_only_then(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"customers": {"acme": {"name": "A", "subjects": ["s1", "s2"]}}})
    ws.converge()
    ws.write(
        "catalog/a.yaml",
        {"customers": {"acme": {"name": "A", "subjects": ["s1", "s2"]}}, "subjects": {"s1": {"display_name": "S"}}},
    )
    [change] = ws.converge().changes
    assert (str(change.address), change.action, change.reasons) == ("subjects.s1", "update", ("adopted",))
    # what OpenMeter wrote into its metadata is replaced by what the catalog says
    assert ws.http.get("/api/v1/subjects/s1").json()["metadata"] == OWNED


def test_a_subject_that_left_the_catalog_is_deleted_by_its_id(ws: Workspace) -> None:
    ws.write("catalog/a.yaml", {"subjects": {"s": {}}})
    ws.converge()
    ws.write("catalog/a.yaml", {})
    [change] = ws.converge().changes
    assert change.before is not None
    own = (*PATH, change.before.id)
    assert (change.reads, change.steps) == ((Read("now", own),), (Step("DELETE", own, gone=True),))
