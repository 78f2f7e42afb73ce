"""Writing YAML that every parser reads alike, and editing files so that nothing else in them moves."""

from __future__ import annotations

import copy
import difflib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, note, settings
from hypothesis import strategies as st
from profiles import share
from strategies import customers, features, grants, metered, meters, static, subjects

from billing_as_code.authoring import REMOVED, Edit, EditError, edit, unwritable
from billing_as_code.authoring.layout import file_name
from billing_as_code.authoring.merging import levels_of, order_of
from billing_as_code.authoring.scalars import scalar
from billing_as_code.authoring.writing import flow, lines
from billing_as_code.kinds import KINDS
from billing_as_code.reader import read


def edited(text: str, *edits: tuple[str, Any]) -> str:
    """The text after edits of dotted paths."""
    wanted = [Edit(tuple(path.split(".")), value) for path, value in edits]
    return edit(text, wanted, lambda at: order_of(KINDS, at), lambda at: levels_of(KINDS, at))


def core(text: str) -> Any:
    """What our reader, of YAML 1.2, makes of a text; it must have no complaint."""
    value, problems = read("file.yaml", text.encode())
    assert problems == [], (problems, text)
    return json.loads(json.dumps(value))


# -- scalars ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "in_braces", "in_a_block"),
    [
        ("ACME Inc.", "ACME Inc.", "ACME Inc."),
        ("Contract 118, renewed", '"Contract 118, renewed"', "Contract 118, renewed"),
        ("a: b", '"a: b"', '"a: b"'),
        ("urn:a#b", '"urn:a#b"', "urn:a#b"),
        ("a #b", '"a #b"', '"a #b"'),
        ("Tromsø", "Tromsø", "Tromsø"),
        ("1 Harbor Way", "1 Harbor Way", "1 Harbor Way"),
        ("$.tokens", "$.tokens", "$.tokens"),
        *((text, f'"{text}"', f'"{text}"') for text in ("NO", "yes", "off", "y", "Null", "~", "true", "", " a", "a ")),
        *(
            (text, f'"{text}"', f'"{text}"')
            for text in ("1e3", "0123", "1:20", "0x1F", "1_000", "12", "-1", ".5", "+1")
        ),
        *((text, f'"{text}"', f'"{text}"') for text in ("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 10:00:00")),
        *(
            (text, f'"{text}"', f'"{text}"')
            for text in ("- a", "#a", "*a", "&a", "!a", "%a", "@a", "`a", "<<", "=", "? a")
        ),
        ('say "hi"', '"say \\"hi\\""', 'say "hi"'),
        ("a\tb\u200b\x7f", '"a\\tb\\u200b\\x7f"', '"a\\tb\\u200b\\x7f"'),
        (1, "1", "1"),
        (True, "true", "true"),
        (None, "null", "null"),
        (1e-05, "1.0e-05", "1.0e-05"),
        (0.25, "0.25", "0.25"),
    ],
)
def test_only_what_may_be_read_as_something_else_is_quoted(value: Any, in_braces: str, in_a_block: str) -> None:
    assert scalar(value) == in_braces
    assert scalar(value, in_block=True) == in_a_block


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    (
        "0o7",
        "0b1",
        "1.",
        "1e5",
        "1.5e+3",
        "12:30:45",
        "2026-1-1",
        "0x",
        "190:20:30",
        "a\nb",
        "a\n\n b\n",
        "\n",
        "a\r\nb",
    )
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts.filter(lambda t: t and t != "<<"), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=share(0.25))
@given(value=values)
def test_parsers_of_both_versions_of_yaml_read_what_was_written(value: Any) -> None:
    for text in ("\n".join(lines({"key": value})) + "\n", f"{{key: {flow(value)}}}\n"):
        note(text)
        assert core(text) == {"key": value}
        assert yaml.safe_load(text) == {"key": value}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"": 1}, "has an empty key"),
        ({"<<": 1}, "has a key that YAML cannot hold (<<)"),
        ({"a": [{"k" * 1200: 1}]}, f"has a key that YAML cannot hold ({'k' * 20})"),
        ("\ud800", "holds half a character (a lone surrogate)"),
        ({"a": ["fine", 1, None]}, ""),
    ],
)
def test_what_no_quotes_can_save_is_told(value: Any, why: str) -> None:
    assert unwritable(value) == why


def test_what_is_nested_too_deeply_to_be_read_again_is_told() -> None:
    value: Any = 1
    for _ in range(60):
        value = [value]
    assert unwritable(value) == "is nested deeper than 48 levels"


# -- resources --------------------------------------------------------------------------------------------------------

SPECS = {
    "meters": meters(),
    "features": features({"tokens": {"aggregation": "sum", "dimensions": {"model": "$.model"}}}),
    "customers": customers,
    "subjects": subjects,
    "entitlements": metered | static,
    "grants": grants,
}


@settings(max_examples=share(0.1))
@given(data=st.data())
@pytest.mark.parametrize("section", KINDS)
def test_a_spec_that_is_written_and_read_is_that_spec(section: str, data: st.DataObject) -> None:
    kind = KINDS[section]
    path = ("acme", "tokens", "bonus")[: len(kind.keys)]
    spec = kind.canonical(path, data.draw(SPECS[section]))
    if "measure_usage_from" in kind.index:  # speaks at creation only, so nothing that is live says it
        spec = kind.with_(spec, {"measure_usage_from": None})

    written = kind.to_yaml(path, spec)

    assert kind.canonical(path, core("\n".join(lines({"it": written})))["it"]) == spec
    for name in written:  # nothing is spelled out that goes without saying
        fewer = {n: v for n, v in written.items() if n != name}
        assert kind.fields[kind.index.get(name, 0)].required or kind.canonical(path, fewer) != spec


def test_a_resource_that_says_nothing_is_empty() -> None:
    assert KINDS["features"].to_yaml(("sso",), KINDS["features"].canonical(("sso",), {"name": "sso"})) == {}


# -- edits ------------------------------------------------------------------------------------------------------------

FILE = """\
# yaml-language-server: $schema=../schemas/catalog.schema.json
# What we count.

meters:
  # the one that is billed
  tokens:   # in thousands
    event_type:  'prompt'
    aggregation: sum    # never avg
    value_property: "$.n"
    dimensions: { model: $.model,  region: $.region } # as in the SDK
    metadata: &labels
      team: platform # since 2025
      tier: "1"
  calls: {event_type: call, aggregation: count, metadata: *labels}
  late:
    event_type: late
    aggregation: count
    description: |
      Two lines,
      one text.

    metadata: *labels

# the end
"""


CALLS = "  calls: {event_type: call, aggregation: count, metadata: *labels}"
LABELS = '&labels {team: platform, tier: "1"}'


def rows(text: str) -> tuple[list[str], list[str]]:
    """The lines that an edit took out of FILE, and those that it put in."""
    before, after = FILE.splitlines(), text.splitlines()
    diff = [d for d in difflib.ndiff(before, after) if d[0] in "+-"]
    return [d[2:] for d in diff if d[0] == "-"], [d[2:] for d in diff if d[0] == "+"]


@pytest.mark.parametrize(
    ("edits", "out", "put"),
    [
        pytest.param(
            [("meters.tokens.aggregation", "max")],
            ["    aggregation: sum    # never avg"],
            ["    aggregation: max    # never avg"],
            id="a value keeps its comment",
        ),
        pytest.param(
            [("meters.tokens.dimensions.model", REMOVED), ("meters.tokens.dimensions.zone", "$.zone")],
            ["    dimensions: { model: $.model,  region: $.region } # as in the SDK"],
            ["    dimensions: { region: $.region, zone: $.zone } # as in the SDK"],
            id="entries in braces come and go",
        ),
        pytest.param(
            [("meters.tokens.dimensions.model", REMOVED), ("meters.tokens.dimensions.region", REMOVED)],
            ["    dimensions: { model: $.model,  region: $.region } # as in the SDK"],
            [],
            id="a map of which nothing is left goes",
        ),
        pytest.param(
            [("meters.late.name", "Late"), ("meters.late.description", "One.")],
            ["    description: |", "      Two lines,", "      one text."],
            ["    name: Late", "    description: One."],
            id="a text block becomes a line, and a field stands where the table has it",
        ),
        pytest.param(
            [("meters.tokens.description", "a\nb\n")],
            [],
            ["    description: |", "      a", "      b"],
            id="a text of several lines is a block",
        ),
        pytest.param(
            [("meters.tokens.metadata.team", "core")],
            ["    metadata: &labels", "      team: platform # since 2025", CALLS],
            ["    metadata:", "      team: core # since 2025", CALLS.replace("*labels", LABELS)],
            id="who else uses an anchor keeps what it stood for",
        ),
        pytest.param(
            [("meters.late.metadata.tier", "2")],
            ["    metadata: *labels"],
            ['    metadata: {team: platform, tier: "2"}'],
            id="an alias that is edited is written out",
        ),
        pytest.param(
            [("meters.tokens", REMOVED)],
            [*FILE.splitlines()[5:13], CALLS],
            [CALLS.replace("*labels", LABELS)],
            id="a resource goes, and leaves its anchor behind",
        ),
        pytest.param(
            [("meters.new_one", {"event_type": "yes", "aggregation": "count"}), ("features.sso", {"name": "SSO"})],
            [],
            ['  new_one: {event_type: "yes", aggregation: count}', "", "features:", "  sso: {name: SSO}"],
            id="new resources and sections come last where nothing is sorted",
        ),
    ],
)
def test_an_edit_changes_only_what_differs(edits: list[tuple[str, Any]], out: list[str], put: list[str]) -> None:
    result = edited(FILE, *edits)

    assert rows(result) == (out, put)
    core(result)


def test_nothing_to_edit_is_the_same_text() -> None:
    assert edited(FILE) == FILE


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("", "meters.a", {"aggregation": "count"}, "meters:\n  a: {aggregation: count}\n"),
        ("# only a comment", "meters.a", {}, "# only a comment\nmeters:\n  a: {}\n"),
        ("meters:\n", "meters.a", {}, "meters:\n  a: {}\n"),
        ("meters: {}\n", "meters.a", {}, "meters: {a: {}}\n"),
        ("meters: ~ # none\n", "meters.a.name", "x", "meters: # none\n  a: {name: x}\n"),
        ("meters:\n  a: {name: x # c\n  }\n", "meters.a.name", "z", "meters:\n  a: {name: z # c\n  }\n"),
        (
            "customers: {}\nmeters:\n  a:\n    description: x # why\n    name: n\n",
            "meters.a.description",
            "one\ntwo",
            "customers: {}\nmeters:\n  a:\n    description: |- # why\n      one\n      two\n    name: n\n",
        ),
        ("meters:\n  a: {}", "meters.b", {}, "meters:\n  a: {}\n  b: {}"),
        ("meters:\n  b: {}\n", "meters.a", {}, "meters:\n  a: {}\n  b: {}\n"),
        ("meters:\n  # b's\n  b: {}\n", "meters.a", {}, "meters:\n  a: {}\n  # b's\n  b: {}\n"),
        ("meters:\n\n    a: {name: x}\n", "meters.a.name", REMOVED, "meters:\n\n    a: {}\n"),
        ("meters:\n  a:\n    name: x\n", "meters.a.name", REMOVED, "meters:\n  a: {}\n"),
        (
            "meters:\n  a:\n    name: # why\n      x\n",
            "meters.a.name",
            "z",
            "meters:\n  a:\n    name: # why\n      z\n",
        ),
        ("meters:\r\n  a: {name: x}\r\n", "meters.b", {}, "meters:\r\n  a: {name: x}\r\n  b: {}\r\n"),
        ("\ufeffmeters: {a: {name: x}}\n", "meters.a.name", "z", "\ufeffmeters: {a: {name: z}}\n"),
        ('"meters" : {? a : {name: x}}\n', "meters.a.name", "z", '"meters" : {? a : {name: z}}\n'),
        ("meters: {a: {name: !!str 5}}\n", "meters.a.name", "z", "meters: {a: {name: z}}\n"),
        (
            "meters: {a: {name: &n x}, b: {name: *n}}\n",
            "meters.a.name",
            "z",
            "meters: {a: {name: z}, b: {name: &n x}}\n",
        ),
        (
            "subjects:\n  a:\n    metadata:\n      k: |+\n        x\n\n",
            "subjects.a.display_name",
            "D",
            "subjects:\n  a:\n    display_name: D\n    metadata:\n      k: |+\n        x\n\n",
        ),
        (
            "customers:\n  a: {subjects: [x,\n    y], name: N}\n",
            "customers.a.subjects",
            ["x", "z"],
            "customers:\n  a: {subjects: [x, z], name: N}\n",
        ),
        (
            "entitlements:\n  a: {$use: small}\n",
            "entitlements.a.tokens.issue.amount",
            5,
            "entitlements:\n  a: {$use: small, tokens: {issue: {amount: 5}}}\n",
        ),
    ],
)
def test_files_of_every_shape_are_edited(before: str, path: str, value: Any, after: str) -> None:
    assert edited(before, (path, value)) == after


def test_a_map_in_braces_that_outgrows_its_line_becomes_a_block() -> None:
    before = "entitlements:\n  acme: {$use: small} # the first\n"
    long = {"config": {"words": "x" * 100}}
    after = edited(before, ("entitlements.acme.tokens", {"type": "static", **long}))
    assert core(after)["entitlements"]["acme"] == {"$use": "small", "tokens": {"type": "static", **long}}
    assert after.startswith("entitlements:\n  acme: # the first\n    $use: small\n    tokens:\n      type: static\n")


def test_two_edits_of_one_place_are_refused() -> None:
    with pytest.raises(EditError, match=r"two edits of one place: meters\.a\.name"):
        edited("meters: {a: {}}\n", ("meters.a", {}), ("meters.a.name", "x"))


keys = st.sampled_from(("alpha", "b", "c d", "NO", "e:f"))
trees = st.recursive(
    st.sampled_from((1, "x", "yes", None, "two\nlines", [1, {"a": "b"}])),
    lambda inner: st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Any]:
    """A text with anchors, aliases and comments in the style of somebody, and what it says."""
    shared = draw(st.dictionaries(keys, trees, min_size=1, max_size=3))
    data = {k: (shared if draw(st.integers(0, 2)) == 0 else draw(trees)) for k in ("meters", "features", "customers")}
    data["subjects"] = {"one": shared, "two": draw(trees)}
    style = draw(st.sampled_from((None, True, False)))
    text: str = yaml.safe_dump(data, default_flow_style=style, sort_keys=draw(st.booleans()), width=60)
    if draw(st.booleans()) and style is False:
        text = "".join(
            f"# above {n}\n{row}\n" if ":" in row and "|" not in text else f"{row}\n"
            for n, row in enumerate(text.splitlines())
        )
    return text, core(text)


def placed(data: Any, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    if value is REMOVED:
        data.pop(path[-1], None)
    else:
        data[path[-1]] = value


def without_empty(value: Any) -> Any:
    """A tree without maps that hold nothing: those may go with their last entry."""
    if not isinstance(value, dict):
        return value
    held = {k: without_empty(v) for k, v in value.items()}
    return {k: v for k, v in held.items() if v not in ({}, None)}


@settings(max_examples=share(0.2))
@given(document=documents(), data=st.data())
def test_any_edits_of_any_text_change_what_they_name_and_nothing_else(document: tuple[str, Any], data: Any) -> None:
    text, said = document
    wanted: dict[tuple[str, ...], Any] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        path = (
            data.draw(st.sampled_from(("meters", "subjects", "grants"))),
            *data.draw(st.lists(keys | st.sampled_from(("one", "two")), min_size=1, max_size=3)),
        )
        if not any(path[: len(p)] == p or p[: len(path)] == path for p in wanted):
            wanted[path] = data.draw(st.just(REMOVED) | trees)
    note(text)
    note(str(wanted))

    result = edit(
        text, [Edit(*e) for e in wanted.items()], lambda at: order_of(KINDS, at), lambda at: levels_of(KINDS, at)
    )

    note(result)
    expected = copy.deepcopy(said)
    for path, value in wanted.items():
        if value is not REMOVED or _is_there(said, path):
            placed(expected, path, value if value is REMOVED else copy.deepcopy(value))
    assert without_empty(core(result)) == without_empty(expected)


def _is_there(data: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


# -- file names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [("acme", "acme"), ("acme_2-eu", "acme_2-eu"), ("con", "con.2efed6f6cb"), ("ACME", "acme.3b2e4b8ad1")],
)
def test_a_key_that_every_file_system_takes_names_its_file(key: str, name: str) -> None:
    assert file_name((key,)).split(".")[0] == name.split(".")[0]
    assert ("." in file_name((key,))) == ("." in name)


@given(one=st.text(min_size=1, max_size=8), other=st.text(min_size=1, max_size=8))
def test_no_two_keys_share_a_file_however_its_letters_are_written(one: str, other: str) -> None:
    names = [file_name((key,)) for key in (one, other)]
    assert (names[0].lower() == names[1].lower()) == (one == other)
    for name in names:
        assert name == name.lower()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
        assert name[0].isalnum()
