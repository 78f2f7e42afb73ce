"""Reading YAML: the core schema, places, keys that stand twice, syntax errors, limits."""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from billing_as_code import reader
from billing_as_code.errors import Problem
from billing_as_code.model import Place
from billing_as_code.reader import MOST_DEPTH, Block, FloatText, Items, building, describe, shown


def read(file: str, data: bytes) -> tuple[Block | None, list[Problem]]:
    """What every test here reads with: both ways, which must agree in everything, places included."""
    block, problems = reader.read(file, data)
    later, same = reader.read(file, data, places=False)
    assert same == problems
    assert laid_out(later) == laid_out(block)
    return block, problems


def laid_out(value: Any) -> Any:
    """A value as something that is equal only where values, their types and all places are."""
    if isinstance(value, Block):
        entries = [(key, laid_out(inner), *places) for key, inner, *places in value.entries()]
        assert [(key, place) for key, _, place in value.keyed()] == [(key, place) for key, _, place, _ in entries]
        return value.place, entries
    if isinstance(value, Items):
        return value.place, [(laid_out(inner), value.item_place(i)) for i, inner in enumerate(value)]
    return type(value), value.text if isinstance(value, FloatText) else value


def value_of(text: str) -> Any:
    """The value of a scalar as it is written."""
    block, problems = read("f.yaml", f"a: {text}\n".encode())
    assert problems == []
    assert block is not None
    return block["a"]


def problems_of(data: str | bytes) -> list[str]:
    _, problems = read("f.yaml", data if isinstance(data, bytes) else data.encode())
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("NO", "NO"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("1", 1), ("-1", -1), ("+1", 1), ("007", 7), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("0b1", "0b1"),
        ("-0x1F", "-0x1F"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("1e", "1e"), (".", "."),
        (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("infinity", "infinity"),
        ("nan", "nan"),
        ('"1"', "1"), ("'true'", "true"), ('"null"', "null"), ('""', ""), ("'it''s'", "it's"), ('"\\u00e9"', "é"),
        ("!!str 1", "1"), ("!!int 1", 1), ("!!float 1", 1.0), ("!!bool true", True), ("!!null null", None),
        ("! 1", "1"),
        ("a b  c", "a b  c"), ("30%", "30%"), ("$.tokens", "$.tokens"), ("a#b", "a#b"), ("a # b", "a"), ("=", "="),
    ],
)  # fmt: skip
def test_a_scalar_means_what_the_core_schema_says(text: str, value: Any) -> None:
    read_value = value_of(text)

    assert read_value == value
    assert type(read_value) in (type(value), FloatText)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(value_of(".nan"))


@pytest.mark.parametrize("text", ["0.50", "1e3", ".inf", "-.5", "+1.0"])
def test_a_float_knows_how_it_was_written(text: str) -> None:
    value = value_of(text)

    assert isinstance(value, FloatText)
    assert value.text == text
    assert pickle.loads(pickle.dumps(value)).text == text


@pytest.mark.parametrize("text", ["9" * 5_000, "0x" + "f" * 5_000, "0o" + "7" * 5_000])
def test_a_number_longer_than_any_that_somebody_counts_with_is_a_float(text: str) -> None:
    assert isinstance(value_of(text), FloatText)


@given(st.integers())
@example(10**390)
def test_every_integer_is_read_as_itself(number: int) -> None:
    assert value_of(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_as_itself(number: float) -> None:
    assert value_of(repr(number)) == number


# a float of the core schema needs no dot, one of YAML 1.1 does, so PyYAML leaves text like 0E0 unquoted
UNDOTTED = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")
plain = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\ufeff"), max_size=8
).filter(lambda text: not UNDOTTED.fullmatch(text))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain.filter(bool), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(plain.filter(lambda key: key not in ("", "<<")), values, max_size=4), st.booleans())
def test_what_yaml_writes_is_read_as_it_was(value: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)

    block, problems = read("f.yaml", text.encode())

    assert problems == []
    # PyYAML speaks YAML 1.1 and quotes more than the core schema needs, never less
    assert block == value


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"a: !!binary x")
@example(b"? [a]\n: b")
@example(b"a: *b")
@example(b"&a *a : b")
def test_whatever_the_bytes_are_there_is_an_answer(data: bytes) -> None:
    block, problems = read("f.yaml", data)

    assert block is None or isinstance(block, dict)
    assert all(problem.file == "f.yaml" for problem in problems)


@given(st.text("ab:-{}[]&*!|>'\"#%@` \n\t,?$<", max_size=40))
def test_whatever_the_text_is_there_is_an_answer(text: str) -> None:
    block, problems = read("f.yaml", text.encode())

    assert block is None or isinstance(block, dict)
    assert all(p.file == "f.yaml" and p.message for p in problems)


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"# only a comment\n", b"---\n", b"\xef\xbb\xbf", b"~\n", b"---\n...\n"]
)
def test_a_file_that_says_nothing_is_fine(data: bytes) -> None:
    assert read("f.yaml", data) == (None, [])


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"a: 1\r", b"--- # start\na: 1\n", b"%YAML 1.2\n---\na: 1"]
)
def test_marks_line_ends_and_directives_make_no_difference(data: bytes) -> None:
    assert read("f.yaml", data) == ({"a": 1}, [])


@pytest.mark.parametrize("key", ["42", "true", "null", "1.5", "~", "NO", "2026-01-01", "1e3", "0x10"])
def test_a_key_is_the_text_that_stands_there(key: str) -> None:
    assert read("f.yaml", f"{key}: x\n".encode()) == ({key: "x"}, [])


def test_keys_and_values_know_their_places() -> None:
    block, _ = read("f.yaml", "customers:\n  acme:\n    subjects: [é, beta]\n    name: A\n".encode())

    assert block is not None
    acme = block["customers"]["acme"]
    assert isinstance(acme, Block)
    assert block["customers"].key_place("acme") == Place("f.yaml", 2, 3)
    assert acme.place == Place("f.yaml", 3, 5)
    assert acme.key_place("name") == Place("f.yaml", 4, 5)
    assert acme.value_place("name") == Place("f.yaml", 4, 11)
    assert isinstance(acme["subjects"], Items)
    assert acme["subjects"].place == Place("f.yaml", 3, 15)
    assert acme["subjects"].item_place(1) == Place("f.yaml", 3, 19)
    assert list(acme.entries())[1] == ("name", "A", Place("f.yaml", 4, 5), Place("f.yaml", 4, 11))


def test_where_a_map_is_led_to_from_is_known_before_anybody_asks_for_places(monkeypatch: pytest.MonkeyPatch) -> None:
    block, problems = reader.read("f.yaml", b"customers:\n  acme: {name: A}\n", places=False)
    asked: list[str] = []
    again = building._again
    monkeypatch.setattr(building, "_again", lambda file, data: asked.append(file) or again(file, data))

    assert block is not None and problems == []
    assert list(block["customers"].keyed()) == [("acme", {"name": "A"}, Place("f.yaml", 2, 3))]
    assert asked == []
    assert block["customers"]["acme"].value_place("name") == Place("f.yaml", 2, 16)
    assert block.value_place("customers") == Place("f.yaml", 2, 3)
    assert asked == ["f.yaml"]


def test_a_key_that_stands_twice_names_both_places_and_the_first_counts() -> None:
    block, problems = read("f.yaml", b"customers:\n  acme:\n    name: A\n    name: {x: [1]}\n")

    assert block == {"customers": {"acme": {"name": "A"}}}
    assert [str(p) for p in problems] == [
        "f.yaml:4:5: customers.acme: key `name` stands twice, first at f.yaml:3:5 (keep one of them)"
    ]


def test_a_key_and_the_same_in_quotes_are_one_key() -> None:
    assert problems_of('42: a\n"42": b\n') == [
        "f.yaml:2:1: key `42` stands twice, first at f.yaml:1:1 (keep one of them)"
    ]


def test_a_problem_shows_no_character_that_a_terminal_acts_on() -> None:
    assert problems_of('"\\e[2J": 1\n"\\e[2J": 2\n') == [
        "f.yaml:2:1: key `\\u001b[2J` stands twice, first at f.yaml:1:1 (keep one of them)"
    ]
    assert shown("x" * 100) == "x" * 57 + "..."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a:\n\tb: 1\n",
            "f.yaml:2:1: a tab is used for indentation (indent with spaces)",
        ),
        (
            "a:\n  b: 1\n\tc: 2\n",
            "f.yaml:3:1: a tab is used for indentation (indent with spaces)",
        ),
        (
            "a: @x\n",
            "f.yaml:1:4: an unquoted text cannot begin with `@` (put quotes around it)",
        ),
        (
            "a: `x`\n",
            "f.yaml:1:4: an unquoted text cannot begin with a backquote (put quotes around it)",
        ),
        (
            "é: @x\n",
            "f.yaml:1:4: an unquoted text cannot begin with `@` (put quotes around it)",
        ),
        (
            "name: ACME: Inc\n",
            "f.yaml:1:11: `: ` stands in an unquoted text, or the line is indented too far"
            " (put quotes around the text)",
        ),
        (
            'a: "x\nb: 1\n',
            "f.yaml:1:4: a quoted text never ends (close the quote)",
        ),
        (
            "a: {b: 1\nc: 2\n",
            "f.yaml:1:4: a map in braces never ends, or lacks a comma (close it with `}`)",
        ),
        (
            "a: [1, 2\n",
            "f.yaml:1:4: a list in brackets never ends, or lacks a comma (close it with `]`)",
        ),
        (
            "a: 1\nfoo\nb: 2\n",
            "f.yaml:2:1: a line is neither `key: value` nor a list entry"
            " (write `key: value`; a key has at most 1,024 characters)",
        ),
        (
            'a: "\\d"\n',
            "f.yaml:1:5: a backslash in double quotes is followed by what is no escape"
            " (write `\\\\`, or use single quotes)",
        ),
        (
            "a: [1, [\n",
            "f.yaml:2:1: a list or map in brackets never ends (close it)",
        ),
        (
            "é: [1, [\n",
            "f.yaml:2:1: a list or map in brackets never ends (close it)",
        ),
        (
            "a: ? b\n",
            "f.yaml:1:4: `? ` stands where no key can be (put quotes around it)",
        ),
        (
            "%FOO\na: 1\n",
            "f.yaml:1:5: a line cannot begin with `%` (put quotes around it)",
        ),
        (
            "a: }\n",
            "f.yaml:1:4: a value is missing before `}` (write the value, or leave the mark out)",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "f.yaml:2:1: a second document begins here (one document per file; delete the `---` line)",
        ),
        (
            "---\n---\na: 1\n",
            "f.yaml:2:1: a second document begins here (one document per file; delete the `---` line)",
        ),
        (
            "a: 1\n...\nb: 1\n",
            "f.yaml:3:1: something follows the end of the document (one document per file)",
        ),
        (
            "a: \x00\n",
            "f.yaml:1:4: a NUL byte: this is no text (save it as UTF-8 text)",
        ),
        (
            'a: {b: [1, "x\\0y"]}\n',
            "f.yaml:1:12: a.b: has a NUL character in it, which OpenMeter cannot store (take out the \\0)",
        ),
        (
            'a: &same {"k\\x00": 1}\nb: *same\n',
            "f.yaml:1:11: a: has a NUL character in it, which OpenMeter cannot store (take out the \\0)",
        ),
        (
            "a: é\x01\n",
            "f.yaml:1:5: the character U+0001 cannot stand in YAML"
            " (remove it, or write it as an escape in double quotes)",
        ),
        (
            "a: *b\n",
            "f.yaml:1:4: a: alias `*b` has no anchor before it (define it with `&b`)",
        ),
        (
            "a: &b [*b]\n",
            "f.yaml:1:8: a: alias `*b` stands in its own anchor (write the value out)",
        ),
        (
            "a: !money 5\n",
            "f.yaml:1:4: a: the tag `!money` means nothing here (leave it out; quotes make a text)",
        ),
        (
            "a: !!python/object:os.system x\n",
            "f.yaml:1:4: a: the tag `!!python/object:os.system` means nothing here (leave it out; quotes make a text)",
        ),
        (
            "a: !!int many\n",
            "f.yaml:1:4: a: `many` is no int, as its tag `!!int` says (leave the tag out)",
        ),
        (
            "a: !x {}\n",
            "f.yaml:1:4: a: the tag `!x` means nothing here (leave it out; quotes make a text)",
        ),
        (
            "- a\n",
            "f.yaml:1:1: is a list, and must be a map (write `key: value` lines)",
        ),
        (
            "just text\n",
            "f.yaml:1:1: is text, and must be a map (write `key: value` lines)",
        ),
        (
            "a:\n  <<: {b: 1}\n",
            "f.yaml:2:3: a: merge keys (`<<`) are not part of YAML 1.2 (use a template: `$use: [name]`)",
        ),
        (
            "? \n: b\n",
            "f.yaml:1:2: a key is empty (write the key before the `:`)",
        ),
        (
            "? [a, b]\n: c\n",
            "f.yaml:1:3: a key cannot be a list or a map (a key is text; put quotes around `{`, `[` and `?`)",
        ),
        (
            "a: &x y\n*x : b\n",
            "f.yaml:2:1: a key cannot be an alias (`*x`) (write the key out)",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_would_be_right(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


def test_bytes_that_are_no_text_are_told_with_the_first_wrong_one() -> None:
    assert problems_of(b"a: 1\nb: \xff\n") == ["f.yaml:2:4: is not UTF-8 text (save it as UTF-8)"]
    assert problems_of("a: 1\n".encode("utf-16")) == ["f.yaml:1:1: is not UTF-8 text (save it as UTF-8)"]
    far = "é".encode() * 600_000 + b"\n\xe9 x"
    assert problems_of(far) == ["f.yaml:2:1: is not UTF-8 text (save it as UTF-8)"]
    assert problems_of(b"a: \xc3") == ["f.yaml:1:4: is not UTF-8 text (save it as UTF-8)"]


def test_the_text_at_a_place_is_found_after_a_megabyte_of_other_letters() -> None:
    data = ("# " + "é" * 600_000 + "\na: @x\n").encode()

    assert problems_of(data) == ["f.yaml:2:4: an unquoted text cannot begin with `@` (put quotes around it)"]


def test_several_problems_of_a_file_are_told_together() -> None:
    assert len(problems_of("a: 1\na: 2\nb: !x 1\n? [c]\n: 1\nd: *e\n")) == 4


def test_problems_of_a_file_end_at_a_thousand() -> None:
    assert len(problems_of("a: 1\n" * 5_000)) == 1_000


def test_an_alias_is_the_same_value_again() -> None:
    block, problems = read("f.yaml", b"a: &x {b: [1]}\nc: *x\nd: &k key\ne: [*k, *x]\n")

    assert problems == []
    assert block == {"a": {"b": [1]}, "c": {"b": [1]}, "d": "key", "e": ["key", {"b": [1]}]}
    assert block["a"] is block["c"]


def test_an_anchor_may_be_set_anew_and_on_a_key() -> None:
    block, problems = read("f.yaml", b"&k a: &x 1\nb: *x\nc: &x 2\nd: *x\ne: *k\n")

    assert (block, problems) == ({"a": 1, "b": 1, "c": 2, "d": 2, "e": "a"}, [])


def test_nesting_has_a_limit() -> None:
    allowed, deeper = MOST_DEPTH - 1, MOST_DEPTH
    assert problems_of("a: " + "[" * allowed + "]" * allowed) == []
    assert problems_of("a: " + "[" * deeper + "]" * deeper) == [
        "f.yaml:1:67: is nested deeper than 64 levels (nest less)"
    ]


def test_nesting_through_aliases_has_the_same_limit() -> None:
    chain = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 100)]

    (problem,) = problems_of("\n".join(chain))

    assert problem.endswith("is nested deeper than 64 levels, aliases written out (nest less)")
    assert problems_of("\n".join(chain[:62])) == []


def test_an_alias_counts_as_if_it_were_written_out() -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    (problem,) = problems_of("\n".join(bomb))

    assert "holds more than 750,000 keys and values, aliases written out" in problem


@pytest.mark.parametrize(
    "data",
    [
        "a: [" + "a," * 5_100 + "]",
        "a: [" + "{}," * 5_100 + "]",
        "a: {" + ", ".join(f"k{i}: v" for i in range(9_900)) + "}",
    ],
)
def test_fewer_values_than_the_limit_are_read(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MOST_EVENTS", 20_000)

    assert not any("holds more than" in problem for problem in problems_of(data))


@pytest.mark.parametrize(
    "data",
    [
        "a: [" + "a," * 20_100 + "]",
        "a: [" + "{}," * 10_100 + "]",
        "a: {" + ", ".join(f"k{i}: v" for i in range(10_100)) + "}",
        "\n".join(f"k{i}:" for i in range(10_100)),
        "a: [" + ", ".join(["{b: 'c'}"] * 5_100) + "]",
    ],
    ids=["a list", "empty maps", "a map in braces", "a map", "small maps"],
)
def test_the_number_of_values_has_a_limit(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MOST_EVENTS", 20_000)

    (problem,) = problems_of(data)

    assert "holds more than 20,000 keys and values" in problem


def test_a_file_has_a_limit() -> None:
    assert problems_of(b"#" * (32 * 2**20 + 1)) == ["f.yaml: is larger than 32 MB (split it)"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "empty"),
        (True, "true"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "text"),
        ([], "a list"),
        ({}, "a map"),
    ],
)
def test_values_have_names(value: Any, words: str) -> None:
    assert describe(value) == words
