"""What libyaml's complaints mean for a person: what is wrong, and what would be right."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """A complaint in our words. `at_start` is true where it is about the beginning of what was being read."""

    message: str
    remedy: str
    at_start: bool = False


_SPACES = "indent with spaces"
_QUOTE = "put quotes around it"
_LEVEL = "a key stands exactly under its siblings, and a text is quoted as a whole"

MOST_DEPTH = 64
TOO_DEEP = Said(f"is nested deeper than {MOST_DEPTH} levels", "nest less")

_BY_PROBLEM = {
    "mapping values are not allowed in this context": Said(
        "`: ` stands in an unquoted text, or the line is indented too far", "put quotes around the text"
    ),
    "mapping keys are not allowed in this context": Said("`? ` stands where no key can be", _QUOTE),
    "found a tab character that violates indentation": Said("a tab is used for indentation", _SPACES),
    "found unexpected end of stream": Said("a quoted text never ends", "close the quote", at_start=True),
    "did not find expected ',' or '}'": Said("a map in braces never ends, or lacks a comma", "close it with `}`", True),
    "did not find expected ',' or ']'": Said(
        "a list in brackets never ends, or lacks a comma", "close it with `]`", True
    ),
    "could not find expected ':'": Said(
        "a line is neither `key: value` nor a list entry",
        "write `key: value`; a key has at most 1,024 characters",
        True,
    ),
    "found unknown escape character": Said(
        "a backslash in double quotes is followed by what is no escape", "write `\\\\`, or use single quotes"
    ),
    "block sequence entries are not allowed in this context": Said(
        "a list entry `- ` stands where none can be",
        "begin the list on a line of its own, or put quotes around the text",
    ),
    "did not find expected '-' indicator": Said(
        "a list is followed by what is no entry of it", "indent it, or begin it with `- `"
    ),
    "did not find expected key": Said("what stands here is no key at this level", _LEVEL),
    "did not find expected comment or line break": Said(
        "a text block (`|` or `>`) begins on its own line",
        "put the text on the next line, indented; or quotes around it",
    ),
    "did not find expected <document start>": Said(
        "something follows the end of the document", "one document per file"
    ),
    "found undefined tag handle": Said("a tag (`!…`) is not defined", "leave it out, or put quotes around the text"),
    "found incompatible YAML document": Said("this version of YAML is not understood", "leave the %YAML line out"),
    "exceeded maximum nesting depth": TOO_DEEP,
    "found unknown directive name": Said("a line cannot begin with `%`", _QUOTE),
    "did not find expected alphabetic or numeric character": Said(
        "`*` and `&` begin an alias or an anchor, and a name must follow", "put quotes around the text"
    ),
}


def explain(problem: str, context: str, text: str) -> Said:
    """`problem` and `context` as libyaml words them; `text` is what stands at the place of the problem."""
    if problem == "found character that cannot start any token":
        if text.startswith("\t"):
            return Said("a tab is used for indentation", _SPACES)
        first = "a backquote" if text.startswith("`") else f"`{text[:1]}`"
        return Said(f"an unquoted text cannot begin with {first}", _QUOTE)
    if problem == "did not find expected node content":
        if not text.strip():
            return Said("a list or map in brackets never ends", "close it")
        return Said(f"a value is missing before `{text[:1]}`", "write the value, or leave the mark out")
    return _BY_PROBLEM.get(problem) or Said(f"this is no YAML: {problem}", context)


def unreadable(character: str | int) -> Said:
    """Where libyaml cannot even take the character."""
    code = character if isinstance(character, int) else ord(character[:1] or "\0")
    if code == 0:
        return Said("a NUL byte: this is no text", "save it as UTF-8 text")
    message = f"the character U+{code:04X} cannot stand in YAML"
    return Said(message, "remove it, or write it as an escape in double quotes")
