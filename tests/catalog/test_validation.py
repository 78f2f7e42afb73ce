"""What is wrong with a resource, in words."""

from __future__ import annotations

import pytest
from catalog_folder import Folder

CONTEXT = """
    meters: {m: {event_type: e, aggregation: count}}
    features: {f: {meter: m}}
    customers: {c: {name: C}}
"""


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "meters: {a: {event_type: prompt, agregation: sum, value_property: $.x}}",
            [
                "1:10: meters.a: `aggregation` is missing (one of sum, count, unique_count, avg, min, max, latest)",
                "1:34: meters.a: unknown field `agregation` (did you mean `aggregation`?)",
            ],
        ),
        (
            "meters: {a: {event_type: prompt, aggregation: summ}}",
            [
                "1:47: meters.a: `aggregation` is `summ`, must be one of sum, count, unique_count, avg, min, max, "
                "latest (did you mean `sum`?)"
            ],
        ),
        (
            "meters: {a: {event_type: null, aggregation: count}}",
            ["1:10: meters.a: `event_type` is missing (such as event_type: prompt)"],
        ),
        (
            "meters: {a: {event_type: 5, aggregation: count, dimensions: [x]}}",
            [
                '1:26: meters.a: `event_type` is a number, must be text (quote it: "5")',
                '1:61: meters.a: `dimensions` is a list, must be a map (such as {"model": "$.model"})',
            ],
        ),
        (
            "customers: {a: {name: A, metadata: {n: 42, f: 1.50, b: true, z: , bac.owner: me}}}",
            [
                '1:40: customers.a: `metadata.n` is a number, must be text (quote it: "42")',
                '1:47: customers.a: `metadata.f` is a number, must be text (quote it: "1.50")',
                '1:56: customers.a: `metadata.b` is true, must be text (quote it: "true")',
                "1:65: customers.a: `metadata.z` is empty, must be text",
                "1:67: customers.a: `bac.owner` is a label that bac writes itself (leave it out)",
            ],
        ),
        (
            "subjects: {s: {metadata: {bac.owner: me, n: 5}}}",
            ["1:27: subjects.s: `bac.owner` is a label that bac writes itself (leave it out)"],
        ),
        (
            "subjects: {s: {metadata: {a: [.inf]}}}",
            [
                "1:26: subjects.s: `metadata` holds a number that JSON cannot carry "
                "(no infinities, nothing larger than 1e308)"
            ],
        ),
        (
            "customers: {a: {name: '', subjects: acme, billing_address: home, protect: 1}}",
            [
                "1:23: customers.a: `name` is empty text (such as ACME Inc.)",
                "1:37: customers.a: `subjects` is text, must be a list ([acme])",
                "1:60: customers.a: `billing_address` is text, must be a map (billing_address: {country: ..., "
                "state: ..., city: ..., postal_code: ..., line1: ..., line2: ..., phone_number: ...})",
                "1:75: customers.a: `protect` is a number, must be true or false (protect: true)",
            ],
        ),
        (
            "customers: {a: {name: A, billing_address: {contry: NO}, subjects: [x, x]}}",
            [
                "1:44: customers.a: unknown field `contry` (did you mean `country`?)",
                "1:67: customers.a: `subjects` holds the same entry twice (keep one of them)",
            ],
        ),
        (
            "customers: {a: {name: " + "x" * 300 + "}}",
            ["1:23: customers.a: `name` has 300 characters, must have at most 256 (shorten it)"],
        ),
        (
            "features: {a: {meter: m, unit_cost: {type: manual, amount: 0.000002}}}",
            [
                "1:60: features.a: `unit_cost.amount` is a number with a point, must be a whole number or text "
                '(quote it: "0.000002")'
            ],
        ),
        (
            "features: {a: {meter: m, unit_cost: {type: manual, amount: 5.0}}}",
            [
                "1:60: features.a: `unit_cost.amount` is a number with a point, must be a whole number or text "
                '(quote it: "5.0")'
            ],
        ),
        (
            "features: {a: {meter: m, unit_cost: {type: manuel}}}",
            ["1:44: features.a: `unit_cost.type` is `manuel`, must be one of manual, llm (did you mean `manual`?)"],
        ),
        (
            "features: {a: {meter: m, unit_cost: {type: llm, provider: x, provider_property: y, model: z}}}",
            [
                "1:37: features.a: `unit_cost` has more than one of `provider` and `provider_property` "
                "(leave the others out)",
                "1:37: features.a: `unit_cost` lacks one of `token_type` and `token_type_property`",
            ],
        ),
        (
            "entitlements: {c: {f: {type: metered, usage_period: {interval: fortnight}, issue: {amount: -1}}}}",
            [
                "1:64: entitlements.c.f: `usage_period.interval` is `fortnight`, which is not of the right form "
                "(such as month)",
                "1:92: entitlements.c.f: `issue.amount` is -1, must be at least 0",
            ],
        ),
        (
            "entitlements: {c: {f: {type: metered}}}",
            ["1:20: entitlements.c.f: `usage_period.interval` is missing (such as interval: month)"],
        ),
        (
            "entitlements: {c: {f: {type: metered, usage_period: }}}",
            ["1:20: entitlements.c.f: `usage_period.interval` is missing (such as interval: month)"],
        ),
        (
            "entitlements: {c: {f: {type: metered, usage_period: {anchor: 2026-01-01T00:00:00Z}}}}",
            ["1:39: entitlements.c.f: `usage_period.interval` is missing (such as interval: month)"],
        ),
        (
            "entitlements: {c: {f: {type: static, config: 1, issue: {amount: 5}}}}",
            [
                "1:57: entitlements.c.f: `issue.amount` is for type metered, this one is static "
                "(leave it out, or change the type)"
            ],
        ),
        (
            "entitlements: {c: {f: {type: metred, config: 1, issue: {amount: 5}}}}",
            [
                "1:30: entitlements.c.f: `type` is `metred`, must be one of metered, static, boolean "
                "(did you mean `metered`?)"
            ],
        ),
        (
            "entitlements: {c: {f: {config: 1}}}",
            ["1:20: entitlements.c.f: `type` is missing (one of metered, static, boolean)"],
        ),
        (
            "entitlements: {c: {f: {type: metered, usage_period: {interval: month, anchor: 2026-02-30T00:00:00Z}}}}",
            [
                "1:79: entitlements.c.f: `usage_period.anchor` is `2026-02-30T00:00:00Z`, which does not exist "
                "(such as 2026-01-01T00:00:00Z)"
            ],
        ),
        (
            "customers: {a: {external: true, name: A}, b: {external: maybe, name: B}}",
            [
                "1:33: customers.a: is external, so the catalog says nothing else of it "
                "(leave `name` out, or `external`)",
                "1:57: customers.b: `external` is text, must be true or false (external: true)",
            ],
        ),
        (
            "features: {Tokens Total: {}, '': {}, " + "x" * 65 + ": {}}",
            [
                '1:12: features."Tokens Total": `Tokens Total` cannot be the key of a feature '
                "(lower-case letters, digits and single underscores between them)",
            ],
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_with_what_would_be_right(
    folder: Folder, text: str, problems: list[str]
) -> None:
    found = folder.write(CONTEXT).write(text, "b.yaml").problems()

    if "Tokens Total" in text:
        found = [p for p in found if "Tokens Total" in p]
    assert found == [f"b.yaml:{problem}" for problem in problems]


def test_keys_have_a_length(folder: Folder) -> None:
    folder.write(f"features: {{{'x' * 65}: {{}}}}")

    (problem,) = folder.problems()

    assert problem.endswith("the feature key has 65 characters, must have at most 64 (shorten it)")


def test_kinds_say_the_rest_with_the_place_of_the_field(folder: Folder) -> None:
    folder.write("meters: {a: {event_type: e, aggregation: count, value_property: $.x}}\n"
                 "customers: {a: {name: A, subjects: [s]}, b: {name: B, subjects: [s]}}")  # fmt: skip

    first, second = folder.problems()

    assert first.startswith("a.yaml:1:65: meters.a: a count takes no value_property (")
    assert second.startswith("a.yaml:2:65: customers.b: subject 's' is also a subject of customers.a (")


def test_a_field_that_is_null_counts_as_left_out(folder: Folder) -> None:
    folder.write("customers: {a: {name: A, currency: null, billing_address: null, subjects: ~, protect: null}}")

    assert folder.values("customers.a") == {"name": "A"}


def test_protect_is_a_mark_of_the_resource_and_no_field(folder: Folder) -> None:
    desired = folder.write("customers: {a: {name: A, protect: true}, b: {name: B, protect: false}}").load().desired

    assert [(str(a), r.protect) for a, r in desired.items()] == [("customers.a", True), ("customers.b", False)]


def test_opaque_json_keeps_its_floats_and_country_no_is_norway(folder: Folder) -> None:
    folder.write(CONTEXT).write(
        "entitlements: {c: {f: {type: static, config: {a: 1.50, b: [0.1, 2.0], c: NO}}}}\n"
        "customers: {d: {name: D, billing_address: {country: NO}}}",
        "b.yaml",
    )

    assert folder.values("entitlements.c.f")["config"] == '{"a":1.5,"b":[0.1,2],"c":"NO"}'
    assert folder.values("customers.d")["billing_address.country"] == "NO"


def test_customer_keys_are_free_text_and_numbers_are_text(folder: Folder) -> None:
    folder.write('customers: {42: {name: A}, true: {name: B}, "Ä b/c.d": {name: C}}')

    assert folder.addresses() == ['customers."Ä b/c.d"', "customers.42", "customers.true"]
