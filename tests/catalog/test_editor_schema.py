"""The generated schemas: what editors complete and check."""

from __future__ import annotations

from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from catalog_folder import Folder

from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Field, Kind
from billing_as_code.kinds.schema import catalog_schema, overlay_schema, resource_schema
from billing_as_code.reader import read

TOY = Kind(
    name="toys",
    singular="toy",
    keys=("box", "toy"),
    key_schemas=({"type": "string"}, {"type": "string", "pattern": "^[a-z]+$"}),
    listings=(),
    doc="Things to play with.",
    fields=(
        Field("type", {"enum": ["car", "doll"]}, required=True, doc="What it is.", example="car"),
        Field("wheels.count", {"type": "integer"}, required=True, when=("type", ("car",))),
        Field("wheels.colour", {"type": "string"}, when=("type", ("car",))),
        Field("maker.name", {"type": "string"}, required=True),
        Field("maker.town", {"type": "string"}, required=True),
        Field("size", {"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        Field("anything", {}, opaque=True),
        Field("metadata", {"type": "object", "additionalProperties": {"type": "string"}}),
    ),
)


def value(text: str) -> Any:
    block, problems = read("f.yaml", text.encode())
    assert not problems
    return block


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("{type: doll, maker: {name: x, town: y}}", True),
        ("{type: doll, maker: {name: x, town: y}, wheels: null, size: null, metadata: null, protect: true}", True),
        ("{type: doll, maker: {name: x, town: y}, wheels: {count: null}}", True),
        ("{type: car, maker: {name: x, town: y}, wheels: {count: 4, colour: null}}", True),
        ("{type: car, maker: {name: x, town: y}, anything: [1, {a: null}]}", False),
        ("{type: car, maker: {name: x, town: y}, wheels: {colour: red}}", False),
        ("{type: car, maker: {name: x, town: y}, wheels: {count: null}}", False),
        ("{type: doll, maker: {name: x, town: y}, wheels: {count: 4}}", False),
        ("{type: doll, maker: {name: null, town: y}}", False),
        ("{type: doll, maker: null}", False),
        ("{type: doll}", False),
        ("{type: null, maker: {name: x, town: y}}", False),
        ("{type: doll, maker: {name: x, town: y}, metadata: {bac.owner: me}}", False),
        ("{type: doll, maker: {name: x, town: y}, external: true}", False),
        ("{type: doll, maker: {name: x, town: y}, colour: red}", False),
        ("{type: doll, maker: {name: x, town: y}, size: 1}", True),
        ("{type: doll, maker: {name: x, town: y}, size: [1]}", False),
    ],
)
def test_a_kinds_table_is_its_schema(text: str, valid: bool) -> None:
    schema = resource_schema(TOY)

    assert jsonschema_rs.validator_for(schema).is_valid(value(f"x: {text}")["x"]) is valid
    assert jsonschema.Draft202012Validator(schema).is_valid(value(f"x: {text}")["x"]) is valid


def test_a_schema_carries_docs_and_examples() -> None:
    kind = resource_schema(TOY)["properties"]["type"]

    assert kind == {"description": "What it is.", "examples": ["car"], "enum": ["car", "doll"]}


@pytest.mark.parametrize(
    ("text", "in_catalog", "in_overlay"),
    [
        ("toys: {b: {t: {type: doll, maker: {name: x, town: y}}}}", True, True),
        ("toys: {b: {t: {external: true}}}", True, True),
        ("toys: {b: {t: {external: true, type: doll}}}", False, True),
        ("toys: {b: {$use: [x], t: {$use: x, type: doll}}}", True, True),
        ("toys: {b: {t: {type: doll}}}", False, True),
        ("toys: {b: {t: null}}", False, True),
        ("toys: {b: null}", True, True),
        ("toys: {b: {T: {type: doll, maker: {name: x, town: y}}}}", False, False),
        ("toys: {b: {t: {type: dolly, maker: {name: x, town: y}}}}", False, False),
        ("toys: {b: {t: {type: doll, maker: {$use: x, name: x, town: y}}}}", True, True),
        ("templates: {x: {a: 1}}\ntoys:", True, True),
        ("templates: {x: 1}", False, False),
        ("boxes: {}", False, False),
    ],
)
def test_files_and_overlays_have_a_schema_each(text: str, in_catalog: bool, in_overlay: bool) -> None:
    kinds = {TOY.name: TOY}

    assert jsonschema_rs.validator_for(catalog_schema(kinds)).is_valid(value(text)) is in_catalog
    assert jsonschema_rs.validator_for(overlay_schema(kinds)).is_valid(value(text)) is in_overlay


@pytest.mark.parametrize("make", [catalog_schema, overlay_schema])
def test_the_schemas_of_all_kinds_are_schemas(make: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(make(KINDS))


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_example_is_valid(kind: Kind) -> None:
    for field in kind.fields:
        if field.example is not None:
            jsonschema.validate(field.example, field.schema)


def test_what_the_loader_takes_the_editors_schema_takes(folder: Folder) -> None:
    text = """
        meters: {tokens: {event_type: prompt, aggregation: sum, value_property: $.tokens, metadata: {a: b}}}
        features:
          ai: {meter: tokens, filters: {m: {in: [a]}}, unit_cost: {type: manual, amount: "0.1"}}
          sso:
            external: true
        customers: {acme: {name: A, billing_address: {country: NO}, protect: true}}
        entitlements:
          acme:
            ai: {type: metered, usage_period: {interval: month}, issue: {amount: 5}}
            sso: {type: boolean}
        grants: {acme: {ai: {g: {amount: 1, effective_at: 2026-01-01T00:00:00Z}}}}
    """
    text = text.replace("filters: {m: {in: [a]}}, ", "")
    folder.write(text).load()

    assert jsonschema_rs.validator_for(catalog_schema(KINDS)).is_valid(value(text))
