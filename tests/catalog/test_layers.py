"""Sections over many files, and overlays."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from catalog_folder import Folder
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.catalog import layers
from billing_as_code.catalog.merging import FREE, Shape, merge
from billing_as_code.model import Address, Place
from billing_as_code.reader import Block, read

BASE = """
    meters:
      tokens: {event_type: prompt, aggregation: sum, value_property: $.tokens, dimensions: {model: $.m, region: $.r}}
    features:
      ai: {meter: tokens}
      seats: {}
    customers:
      acme: {name: ACME, subjects: [a, b], metadata: {crm: "1", tier: gold}}
      beta: {name: Beta}
    entitlements:
      acme:
        ai: {type: metered, issue: {amount: 5}, usage_period: {interval: month}}
        seats: {type: static, config: {max: 5, min: 1}}
      beta: {seats: {type: static, config: {max: 1}}}
"""


def test_a_section_may_be_split_over_files_and_a_file_may_hold_several(folder: Folder) -> None:
    folder.write("customers: {acme: {name: A}}\nfeatures: {seats: {}, sso: {}}")
    folder.write("customers: {beta: {name: B}}\nentitlements: {acme: {seats: {type: boolean}}}", "b.yml")
    folder.write("entitlements: {acme: {sso: {type: boolean}}}", "deep/down/c.yaml")

    assert folder.addresses() == [
        "customers.acme",
        "customers.beta",
        "entitlements.acme.seats",
        "entitlements.acme.sso",
        "features.seats",
        "features.sso",
    ]
    assert folder.load().files == ("catalog/a.yaml", "catalog/b.yml", "catalog/deep/down/c.yaml")


def test_a_resource_that_stands_twice_in_a_layer_names_both_places(folder: Folder) -> None:
    folder.write("customers:\n  acme: {name: A}\n").write("customers:\n  acme: {name: B}\n", "b.yaml")

    assert folder.problems() == [
        "b.yaml:2:3: customers.acme: this customer stands twice, first at catalog/a.yaml:2:3 (keep one of them)"
    ]


def test_sections_and_groups_that_are_empty_say_nothing(folder: Folder) -> None:
    folder.write("meters:\ntemplates:\nfeatures: {}\nentitlements: {acme: }\ncustomers: {acme: {name: A}}\n")

    assert folder.addresses() == ["customers.acme"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("meter: {}", "a.yaml:1:1: unknown section `meter` (did you mean `meters`?)"),
        (
            "xyz: {}",
            "a.yaml:1:1: unknown section `xyz` "
            "(sections are customers, entitlements, features, grants, meters, subjects, templates)",
        ),
        ("meters: [{key: a}]", "a.yaml:1:9: meters: is a list, must be a map (meters: {<meter>: ...})"),
        ("templates: [a]", "a.yaml:1:12: templates: is a list, must be a map (templates: {<name>: ...})"),
        ("templates: {a: b}", "a.yaml:1:16: templates.a: is text, must be a map"),
        (
            "features: {sso: }",
            "a.yaml:1:12: features.sso: is empty, must be a map of fields (write {} for one with nothing but defaults)",
        ),
        (
            "entitlements: {acme: 5}",
            "a.yaml:1:22: entitlements.acme: is a number, must be a map of feature keys "
            "(entitlements are written as entitlements.<customer>.<feature>)",
        ),
        (
            "customers: {acme: {name: A}}\nfeatures: {type: {}}\nentitlements: {acme: {type: boolean}}",
            "a.yaml:3:23: entitlements.acme.type: is text, must be a map of fields ({type: ...})",
        ),
    ],
)
def test_what_is_no_section_of_resources_is_told(folder: Folder, text: str, problem: str) -> None:
    assert folder.write(text).problems() == [problem]


# -- overlays ---------------------------------------------------------------------------------------------------------


def test_in_an_overlay_maps_merge_and_lists_and_scalars_replace(folder: Folder) -> None:
    folder.write(BASE).write(
        """
        customers:
          acme: {name: ACME Staging, subjects: [c], metadata: {tier: test}}
          gamma: {name: Gamma}
        entitlements: {acme: {ai: {issue: {amount: 7}}}}
        """,
        "environments/staging/a.yaml",
    )

    assert folder.values("customers.acme", "staging") == {
        "name": "ACME Staging",
        "subjects": ("c",),
        "metadata": {"crm": "1", "tier": "test"},
    }
    assert folder.values("entitlements.acme.ai", "staging")["usage_period.interval"] == "month"
    assert folder.values("entitlements.acme.ai", "staging")["issue.amount"] == 7
    assert "customers.gamma" in folder.addresses("staging")
    assert "customers.gamma" not in folder.addresses("production")
    assert folder.values("customers.acme", "production")["name"] == "ACME"
    assert folder.load("staging").files == ("catalog/a.yaml", "catalog/environments/staging/a.yaml")


def test_null_takes_out_a_resource_a_group_an_entry_or_gives_a_field_its_default(folder: Folder) -> None:
    folder.write(BASE).write(
        """
        customers: {acme: {subjects: null, metadata: {crm: null}}, beta: null}
        meters: {tokens: {dimensions: null}}
        entitlements: {acme: {ai: null}, beta: null}
        """,
        "environments/staging/a.yaml",
    )

    assert folder.addresses("staging") == [
        "customers.acme",
        "entitlements.acme.seats",
        "features.ai",
        "features.seats",
        "meters.tokens",
    ]
    assert folder.values("customers.acme", "staging") == {"name": "ACME", "metadata": {"tier": "gold"}}
    assert "dimensions" not in folder.values("meters.tokens", "staging")


def test_opaque_json_is_replaced_as_a_whole(folder: Folder) -> None:
    folder.write(BASE).write(
        "entitlements: {acme: {seats: {config: {max: 9, x: null}}}}", "environments/staging/a.yaml"
    )

    assert folder.values("entitlements.acme.seats", "staging")["config"] == '{"max":9,"x":null}'


def test_taking_out_what_the_base_does_not_have_is_a_problem(folder: Folder) -> None:
    folder.write(BASE).write(
        "customers:\n  acm: null\nentitlements:\n  acme: {xyz: null}\n  gamma: null\n", "environments/staging/a.yaml"
    )

    assert folder.problems("staging") == [
        "environments/staging/a.yaml:2:3: customers.acm: takes out what the base does not have: "
        "there is no such customer (did you mean `acme`?)",
        "environments/staging/a.yaml:4:10: entitlements.acme.xyz: takes out what the base does not have: "
        "there is no such entitlement (leave the line out)",
        "environments/staging/a.yaml:5:3: entitlements.gamma: takes out what the base does not have: "
        "there is no such entitlement (leave the line out)",
    ]


def test_what_an_overlay_leaves_behind_must_still_hold_together(folder: Folder) -> None:
    folder.write(BASE).write("features: {ai: null}", "environments/staging/a.yaml")

    assert folder.problems("staging") == [
        "a.yaml:12:5: entitlements.acme.ai: refers to feature `ai`, which is not in the catalog "
        "(declare it, as {external: true} if another hand manages it in features)"
    ]


def test_an_overlay_may_hand_a_resource_to_another_hand_and_back(folder: Folder) -> None:
    folder.write("customers: {acme: {name: A}, beta: {external: true}}").write(
        "customers: {acme: {external: true}, beta: {external: null, name: B}}", "environments/staging/a.yaml"
    )

    desired = folder.load("staging").desired

    assert desired[Address("customers", ("acme",))].external
    assert not desired[Address("customers", ("beta",))].external
    assert not folder.load().desired[Address("customers", ("acme",))].external


def test_the_folder_of_an_unknown_environment_is_a_problem(folder: Folder) -> None:
    folder.write(BASE).write("features: {}", "environments/stagin/a.yaml")

    assert folder.problems() == ["environments/stagin: is the folder of no known environment (did you mean `staging`?)"]


def test_a_merged_resource_knows_where_each_of_its_parts_was_written(folder: Folder) -> None:
    folder.write("customers:\n  acme:\n    name: A\n    metadata: {x.y: a}\n").write(
        "customers:\n  acme:\n\n    metadata: {z: b}\n", "environments/staging/a.yaml"
    )
    catalog = folder.load("staging")
    acme = Address("customers", ("acme",))

    assert catalog.place(acme) == Place("catalog/a.yaml", 2, 3) == catalog.desired[acme].place
    assert catalog.place(acme, "name") == Place("catalog/a.yaml", 3, 11)
    assert catalog.place(acme, "metadata.x.y") == Place("catalog/a.yaml", 4, 21)
    assert catalog.place(acme, "metadata.z") == Place("catalog/environments/staging/a.yaml", 4, 19)
    assert catalog.place(acme, "metadata.gone") == Place("catalog/a.yaml", 4, 5)
    assert catalog.place(acme, "currency") == Place("catalog/a.yaml", 2, 3)
    assert catalog.place(Address("customers", ("nobody",))) is None


def test_the_number_of_resources_has_a_limit(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MOST_RESOURCES", 2)

    assert folder.write("features: {a: {}, b: {}, c: {}}").problems() == [
        "a.yaml:1:11: the catalog declares more than 2 resources "
        "(split it into several catalogs, each with its own owner)"
    ]


# -- laws of merging --------------------------------------------------------------------------------------------------

keys = st.sampled_from("abc")
leaves = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
maps = st.recursive(
    st.dictionaries(keys, leaves, max_size=3),
    lambda inner: st.dictionaries(keys, leaves | inner, max_size=3),
    max_leaves=8,
)


def block(value: dict[str, Any]) -> Block:
    made, problems = read("f.yaml", yaml.safe_dump({"x": value}).encode())
    assert not problems and made is not None
    return made["x"]  # type: ignore[no-any-return]


@given(maps)
def test_merging_with_itself_or_with_nothing_changes_nothing(a: dict[str, Any]) -> None:
    assert merge(block(a), block(a), FREE) == a
    assert merge(block(a), block({}), FREE) == a
    assert merge(block({}), block(a), FREE) == a


# a key that holds a map in one layer and a scalar in another forgets what lies below the scalar
same_sorts = st.recursive(
    st.dictionaries(st.sampled_from("ab"), leaves, max_size=2),
    lambda inner: st.fixed_dictionaries({}, optional={"a": leaves, "b": leaves, "m": inner}),
    max_leaves=6,
)


@given(same_sorts, same_sorts, same_sorts)
def test_how_layers_are_grouped_makes_no_difference(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    left = merge(merge(block(a), block(b), FREE), block(c), FREE)
    right = merge(block(a), merge(block(b), block(c), FREE), FREE)

    assert left == right


@given(maps, maps)
def test_what_the_upper_layer_says_holds(a: dict[str, Any], b: dict[str, Any]) -> None:
    merged = merge(block(a), block(b), FREE)

    assert merged.keys() == a.keys() | b.keys()
    assert all(merged[key] == value for key, value in b.items() if not isinstance(value, dict))
    assert all(merged[key] == value for key, value in a.items() if key not in b)
    assert [entry[0] for entry in merged.entries()] == list(merged)


@given(maps, maps)
def test_opaque_fields_are_never_merged(a: dict[str, Any], b: dict[str, Any]) -> None:
    shape = Shape(1, [("a",)])
    merged = merge(block({"k": {"a": a}}), block({"k": {"a": b}}), shape)

    assert merged == {"k": {"a": b}}
