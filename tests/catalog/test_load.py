"""From a folder to a state: all problems at once, all environments from one reading."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalog_folder import Folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_as_code.catalog import load, load_all, problems
from billing_as_code.errors import CatalogError, Problem
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Field, Kind
from billing_as_code.model import Address, Place


def test_a_resource_is_its_canonical_form_with_its_place(folder: Folder) -> None:
    folder.write("customers:\n  acme:\n    name: ACME\n    subjects: [b, a]\n    metadata: {n: '1'}\n")

    resource = folder.load().desired[Address("customers", ("acme",))]

    assert resource.place == Place("catalog/a.yaml", 2, 3)
    assert folder.values("customers.acme") == {"name": "ACME", "subjects": ("a", "b"), "metadata": {"n": "1"}}
    assert (resource.id, resource.owner, resource.external, resource.protect) == (None, None, False, False)


def test_another_kind_is_a_table_and_nothing_else(folder: Folder) -> None:
    toy = Kind(
        name="toys",
        singular="toy",
        keys=("toy",),
        listings=(),
        fields=(
            Field("weight", {"type": "number"}, canonical=str),
            Field("friends", {"type": "array"}, canonical=tuple, refers_to="toys"),
        ),
    )
    folder.write("toys: {car: {weight: 1.50, friends: [doll]}, doll: {weight: 2}}")

    desired = load(Path("catalog"), None, [], {"toys": toy}).desired
    assert [resource.spec for resource in desired.values()] == [("1.5", ("doll",)), ("2", None)]

    folder.write("toys: {car: {friends: [doll, 5, bear]}}")
    with pytest.raises(CatalogError) as caught:
        load(Path("catalog"), None, [], {"toys": toy})
    assert [(p.column, p.message) for p in caught.value.problems] == [
        (24, "`friends[0]` refers to toy `doll`, which is not in the catalog"),
        (33, "`friends[2]` refers to toy `bear`, which is not in the catalog"),
    ]


def test_an_empty_folder_is_an_empty_catalog(folder: Folder) -> None:
    assert folder.load().desired == {}
    assert folder.load().files == ()


def test_all_problems_of_all_files_come_at_once_ordered_by_place(folder: Folder) -> None:
    folder.write("features: {b: {nope: 1}, a: {nope: 1}}\nmetres: {}\nfeatures: {}", "b.yaml")
    folder.write("customers: {a: {}}", "a.yaml")

    assert [problem.partition(": ")[0] for problem in folder.problems()] == [
        "a.yaml:1:13",
        "b.yaml:1:16",
        "b.yaml:1:30",
        "b.yaml:2:1",
        "b.yaml:3:1",
    ]


def test_after_a_thousand_problems_the_rest_is_not_listed(folder: Folder) -> None:
    folder.write("features:\n" + "".join(f"  f{i}: {{nope: 1}}\n" for i in range(2_000)))

    found = folder.problems()

    assert len(found) == problems.MOST + 1
    assert found[-1] == "a.yaml: more than 999 problems; the rest is not listed (mend these first)"


def test_all_environments_come_from_one_reading(folder: Folder) -> None:
    folder.write("customers: {acme: {name: A}}\nfeatures: {f: {}}")
    folder.write("customers: {acme: {name: S}}", "environments/staging/a.yaml")

    catalogs = load_all(Path("catalog"), ["staging", "production"])

    name = {key: catalog.desired[Address("customers", ("acme",))].spec[0] for key, catalog in catalogs.items()}
    assert name == {"staging": "S", "production": "A"}
    feature = Address("features", ("f",))
    assert catalogs["staging"].desired[feature].spec is catalogs["production"].desired[feature].spec


def test_the_problems_of_all_environments_are_told_once_each(folder: Folder) -> None:
    folder.write("customers: {acme: {nam: A}}")
    folder.write("features: {f: {x: 1}}", "environments/staging/a.yaml")
    folder.write("features: {f: {y: 1}}", "environments/production/a.yaml")

    with pytest.raises(CatalogError) as caught:
        load_all(Path("catalog"), ["staging", "production"])

    assert [problem.file for problem in caught.value.problems] == [
        "catalog/a.yaml",
        "catalog/a.yaml",
        "catalog/environments/production/a.yaml",
        "catalog/environments/staging/a.yaml",
    ]


def test_a_catalog_without_environments_is_checked_too(folder: Folder) -> None:
    folder.write("customers: {acme: {nam: A}}")

    with pytest.raises(CatalogError):
        load_all(Path("catalog"), [])


def test_the_files_of_another_environment_are_not_read(folder: Folder) -> None:
    folder.write("a: b: c", "environments/staging/a.yaml").write("features: {f: {}}")

    assert folder.addresses("production") == ["features.f"]
    assert folder.problems("staging")[0].startswith("environments/staging/a.yaml:1:5: ")


def test_the_catalog_as_a_whole_has_a_limit(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    # the package's `load` is the function, so the module is asked for by its name
    monkeypatch.setattr(sys.modules["billing_as_code.catalog.load"], "MOST_BYTES", 2**20)
    folder.write("#" * 600_000, "a.yaml").write("#" * 600_000, "b.yaml")

    assert folder.problems() == ["b.yaml: the catalog is larger than 1 MB up to here (split it into several catalogs)"]


def test_a_file_that_went_away_while_it_was_looked_for_is_a_problem(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Problem("catalog/a.yaml", 0, 0, "", "cannot be read: no such file or directory")
    monkeypatch.setattr("billing_as_code.catalog.files.content", lambda path: gone)

    assert folder.write("features: {}").problems() == ["a.yaml: cannot be read: no such file or directory"]


def test_what_uses_templates_is_not_judged_where_a_file_cannot_be_read(folder: Folder) -> None:
    folder.write("customers: {c: {$use: elsewhere}}").write("a: b: c", "b.yaml")

    assert len(folder.problems()) == 1


def test_loading_twice_gives_the_same(folder: Folder) -> None:
    folder.write("features: {b: {}, a: {}}").write("features: {c: {}}", "0.yaml")

    assert folder.load().desired == folder.load().desired
    assert list(folder.load().desired) == list(folder.load().desired)


# -- whatever a catalog says ------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["", "a", "$.x", "month", "1.5"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "$use", "type", "bac.x"]), inner),
    max_leaves=4,
)


def field_values(name: str, kind: str) -> st.SearchStrategy[Any]:
    """Values that are often right: the field's example, one of its words, or anything at all."""
    fields = [f for f in KINDS[kind].fields if f.name == name]
    right = [v for f in fields for v in [f.example, *f.schema.get("enum", ())] if v is not None]
    return st.sampled_from(right) | anything if right else anything


def resources(kind: str) -> st.SearchStrategy[Any]:
    plain = {f.name: field_values(f.name, kind) for f in KINDS[kind].fields if "." not in f.name}
    nested: dict[str, dict[str, st.SearchStrategy[Any]]] = {}
    for f in KINDS[kind].fields:
        head, dot, rest = f.name.partition(".")
        if dot:
            nested.setdefault(head, {})[rest] = field_values(f.name, kind)
    maps = {head: st.fixed_dictionaries({}, optional=inner) | anything for head, inner in nested.items()}
    generic = {"external": scalars, "protect": scalars, "$use": st.sampled_from([["t"], "t", "u", 5])}
    return st.fixed_dictionaries({}, optional={**plain, **maps, **generic}) | anything


def sections(kind: str) -> st.SearchStrategy[Any]:
    value = resources(kind)
    for _ in KINDS[kind].keys:
        value = st.dictionaries(st.sampled_from(["a", "b", "$use", "Ä b"]), value, max_size=2) | scalars
    return value


catalogs = st.fixed_dictionaries(
    {}, optional={**{kind: sections(kind) for kind in KINDS}, "templates": st.dictionaries(st.just("t"), anything)}
)


@given(base=catalogs, over=catalogs)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_catalog_says_it_is_loaded_or_its_problems_are_told(folder: Folder, base: Any, over: Any) -> None:
    folder.write(yaml.safe_dump(base)).write(yaml.safe_dump(over), "environments/staging/a.yaml")

    try:
        catalog = folder.load("staging")
    except CatalogError as error:
        assert error.problems
        assert all(problem.line and problem.column and problem.message for problem in error.problems)
    else:
        assert all(catalog.place(address) is not None for address in catalog.desired)
