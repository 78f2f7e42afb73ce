"""Templates and what uses them."""

from __future__ import annotations

import pytest
from catalog_folder import Folder

from billing_as_code.catalog import templates
from billing_as_code.model import Address, Place

BASE = """
    features: {seats: {}, sso: {}, audit: {}}
    customers: {acme: {name: A}, beta: {name: B}}
    templates:
      basic:
        seats: {type: static, config: {max: 10, min: 1}, metadata: {tier: basic}}
      enterprise:
        sso: {type: boolean}
        seats: {type: static, config: {max: 100}, metadata: {support: gold}}
"""


def test_what_a_map_uses_is_merged_from_left_to_right_and_its_own_entries_come_last(folder: Folder) -> None:
    folder.write(BASE).write(
        """
        entitlements:
          acme: {$use: [basic, enterprise], audit: {type: boolean}}
          beta: {$use: [enterprise, basic], seats: {metadata: {tier: own}}}
        """,
        "b.yaml",
    )

    assert folder.addresses()[2:] == [
        "entitlements.acme.audit",
        "entitlements.acme.seats",
        "entitlements.acme.sso",
        "entitlements.beta.seats",
        "entitlements.beta.sso",
        "features.audit",
        "features.seats",
        "features.sso",
    ]
    acme, beta = folder.values("entitlements.acme.seats"), folder.values("entitlements.beta.seats")
    assert acme["metadata"] == {"tier": "basic", "support": "gold"}
    assert acme["config"] == '{"max":100}'  # opaque: replaced as a whole
    assert beta["metadata"] == {"tier": "own", "support": "gold"}
    assert beta["config"] == '{"max":10,"min":1}'


def test_any_map_may_use_a_template_and_a_template_may_use_others(folder: Folder) -> None:
    folder.write(
        """
        templates:
          office: {country: DE, city: Berlin}
          person: {name: N, billing_address: {$use: office, city: Köln}}
        customers:
          acme: {$use: [person]}
          beta: {name: B, billing_address: {$use: [office]}}
        """
    )

    assert folder.values("customers.acme") == {
        "name": "N",
        "billing_address.country": "DE",
        "billing_address.city": "Köln",
    }
    assert folder.values("customers.beta")["billing_address.city"] == "Berlin"


def test_null_takes_out_what_a_template_brings(folder: Folder) -> None:
    folder.write(BASE).write("entitlements: {acme: {$use: enterprise, sso: null, seats: {metadata: null}}}", "b.yaml")

    assert "entitlements.acme.sso" not in folder.addresses()
    assert "metadata" not in folder.values("entitlements.acme.seats")


def test_opaque_json_may_hold_the_word_use(folder: Folder) -> None:
    folder.write(BASE).write("entitlements: {acme: {seats: {type: static, config: {$use: [x]}}}}", "b.yaml")

    assert folder.values("entitlements.acme.seats")["config"] == '{"$use":["x"]}'


def test_what_comes_out_of_a_template_stands_where_the_template_says_it(folder: Folder) -> None:
    folder.write(BASE).write("entitlements:\n  acme: {$use: [basic], seats: {config: 5}}\n", "b.yaml")
    catalog = folder.load()
    seats = Address("entitlements", ("acme", "seats"))

    assert catalog.place(seats, "type") == Place("catalog/a.yaml", 6, 19)
    assert catalog.place(seats, "config") == Place("catalog/b.yaml", 2, 41)


def test_an_overlay_may_change_a_template_for_all_that_use_it(folder: Folder) -> None:
    folder.write(BASE).write("entitlements: {acme: {$use: [enterprise]}}", "b.yaml")
    folder.write(
        "templates: {enterprise: {sso: null, seats: {config: {max: 1}}}, extra: {audit: {type: boolean}}}\n"
        "entitlements: {beta: {$use: [extra]}}",
        "environments/staging/a.yaml",
    )

    assert folder.values("entitlements.acme.seats", "staging")["config"] == '{"max":1}'
    assert "entitlements.acme.sso" not in folder.addresses("staging")
    assert "entitlements.beta.audit" in folder.addresses("staging")
    assert "entitlements.acme.sso" in folder.addresses("production")


def test_a_null_beside_a_use_in_an_overlay_takes_out_of_the_base(folder: Folder) -> None:
    folder.write(BASE).write("entitlements: {acme: {sso: {type: boolean}}}", "b.yaml")
    folder.write("entitlements: {acme: {$use: [basic], sso: null}}", "environments/staging/a.yaml")

    assert "entitlements.acme.sso" not in folder.addresses("staging")
    assert "entitlements.acme.seats" in folder.addresses("staging")


def test_it_does_so_also_where_the_template_brings_the_same(folder: Folder) -> None:
    folder.write(BASE).write("entitlements: {acme: {sso: {type: boolean}, audit: {type: boolean}}}", "b.yaml")
    folder.write("entitlements: {acme: {$use: [enterprise], sso: null}}", "environments/staging/a.yaml")

    assert [a for a in folder.addresses("staging") if a.startswith("entitlements")] == [
        "entitlements.acme.audit",
        "entitlements.acme.seats",
    ]


def test_a_null_in_a_template_takes_out_of_the_layer_that_it_is_used_in_or_of_the_base(folder: Folder) -> None:
    folder.write(BASE).write("templates: {no_seats: {$use: [enterprise], seats: null}}", "b.yaml")
    folder.write("entitlements: {acme: {$use: [no_seats]}, beta: {seats: {type: boolean}}}", "c.yaml")
    folder.write("entitlements: {beta: {$use: [no_seats]}}", "environments/staging/a.yaml")

    assert [a for a in folder.addresses("staging") if a.startswith("entitlements")] == [
        "entitlements.acme.sso",
        "entitlements.beta.sso",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{$use: [basc]}", "b.yaml:1:30: there is no template `basc` (did you mean `basic`?)"),
        ("{$use: nothing}", "b.yaml:1:29: there is no template `nothing` (templates stand in a `templates:` section)"),
        ("{$use: 5}", "b.yaml:1:29: `$use` is a number, must be a list of templates ($use: [name])"),
        ("{$use: [5]}", "b.yaml:1:30: there is no template `5` (templates stand in a `templates:` section)"),
    ],
)
def test_what_cannot_be_used_is_told(folder: Folder, text: str, problem: str) -> None:
    assert folder.write(BASE).write(f"entitlements: {{acme: {text}}}", "b.yaml").problems() == [problem]


def test_a_template_that_uses_itself_is_told_with_the_way_around(folder: Folder) -> None:
    folder.write("templates: {a: {x: {$use: b}}, b: {$use: a}}\nmeters: {m: {$use: a}}")

    assert "a.yaml:1:42: template `a` uses itself: a -> b -> a (take one of them out)" in folder.problems()


def test_a_template_that_stands_twice_names_both_places(folder: Folder) -> None:
    folder.write("templates: {a: {}}").write("templates: {a: {}}", "b.yaml")

    assert folder.problems() == [
        "b.yaml:1:13: templates.a: this template stands twice, first at catalog/a.yaml:1:13 (keep one of them)"
    ]


def test_templates_that_nobody_uses_are_not_looked_into(folder: Folder) -> None:
    assert folder.write("templates: {a: {anything: [1, {$use: nowhere}]}}").addresses() == []


def test_what_templates_make_has_a_limit_that_is_told_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MOST_VALUES", 10)
    folder.write("templates: {a: {name: A}}\ncustomers: {c0: {$use: a}, c1: {$use: a}, c2: {$use: a}, "
                 "c3: {$use: a}, c4: {$use: a}, c5: {$use: a}, c6: {$use: a}}")  # fmt: skip

    problems = [problem for problem in folder.problems() if "templates make" in problem]

    assert len(problems) == 1
    assert problems[0].endswith("templates make more than 10 values of this catalog (use fewer or smaller templates)")


def test_lists_may_hold_maps_that_use_templates(folder: Folder) -> None:
    folder.write("templates: {a: {eq: x}}\nmeters: {m: {event_type: e, aggregation: count, dimensions: {d: $.d}}}\n"
                 "features: {f: {meter: m, filters: {d: {or: [{$use: a}, {eq: y}]}}}}")  # fmt: skip

    assert folder.values("features.f")["filters"] == {"d": {"or": ({"eq": "x"}, {"eq": "y"})}}


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{$use: t{}}}", "templates use each other over more than 5 steps"),
        ("{{a: {{$use: t{}}}}}", "templates make this deeper than 5 levels"),
    ],
)
def test_how_deep_templates_lead_has_a_limit(
    folder: Folder, template: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "MOST_DEPTH", 5)
    chain = [f"  t{i}: {template.format(i - 1)}" for i in range(1, 9)]
    folder.write("\n".join(["templates:", "  t0: {x: y}", *chain, "meters: {m: {$use: t8}}"]))

    assert any(problem in found for found in folder.problems())


def test_a_deep_template_in_a_deep_place_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MOST_DEPTH", 5)
    folder.write("templates: {t: {a: {b: {c: d}}}}\nmeters: {m: {$use: t}, n: {x: {y: {$use: t}}}}")

    assert "a.yaml:2:42: template `t` makes this deeper than 5 levels (nest less)" in folder.problems()


def test_a_template_larger_than_the_limit_is_not_counted_to_its_end(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "MOST_VALUES", 10)
    wide = ", ".join(f"f{i}: {{}}" for i in range(30))
    folder.write(f"templates: {{t: {{{wide}}}}}\nentitlements: {{a: {{$use: t}}}}")

    assert folder.problems() == [
        "a.yaml:2:26: templates make more than 10 values of this catalog (use fewer or smaller templates)"
    ]
