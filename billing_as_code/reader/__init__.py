"""YAML text to plain values that know where they stand: `read` and what it gives."""

from billing_as_code.reader.blocks import Block, Items, Mark, describe, shown
from billing_as_code.reader.building import FAST, MOST_BYTES, MOST_EVENTS, MOST_PROBLEMS, read
from billing_as_code.reader.extents import Alias, Map, Node, Scalar, Sequence, extents, plain, walk
from billing_as_code.reader.scalars import FloatText
from billing_as_code.reader.syntax import MOST_DEPTH

__all__ = [
    "FAST",
    "MOST_BYTES",
    "MOST_DEPTH",
    "MOST_EVENTS",
    "MOST_PROBLEMS",
    "Alias",
    "Block",
    "FloatText",
    "Items",
    "Map",
    "Mark",
    "Node",
    "Scalar",
    "Sequence",
    "describe",
    "extents",
    "plain",
    "read",
    "shown",
    "walk",
]
