"""Every message that can be met, taken from where it is written in the code: the page docs/reference/messages.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from billing_as_code import errors
from billing_as_code.errors import BacError

PACKAGE = Path(errors.__file__).parent
REPORTS = {"Problem", "_problem", "_stop", "_report", "wrong", "wrong_value", "Wrong", "Said", "_wrong", "refused"}
"""What takes a message and its remedy, besides the errors."""
AREAS = {
    "Flags, files and bac.yaml": ("cli", "config", "service", "schemas", "starter"),
    "Reading YAML": ("reader",),
    "The catalog": ("catalog", "kinds"),
    "Plans and applies": (
        *("plan", "diff", "cascade", "order", "safety", "closing", "journal", "sender", "executor"),
        *("document", "planschema"),
    ),
    "OpenMeter's answers": ("client", "live"),
}
LEFT_OUT = {"devserver", "render", "model"}


class Message(NamedTuple):
    """What is wrong and what would be right, with the exit code of the error that carries it."""

    text: str
    remedy: str
    code: int


def page() -> Iterator[str]:
    """The page, in areas; rooms that no area names come by themselves, so that a new one is never missing."""
    yield "# Messages\n\nGenerated from the code. What stands in « » is filled in. "
    yield "[Troubleshooting](../troubleshooting.md) tells what to do about the ones that are met most."
    rooms = sorted({path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")})
    named = {room for members in AREAS.values() for room in members}
    areas = AREAS | {room.capitalize(): (room,) for room in rooms if room not in named | LEFT_OUT}
    for area, members in areas.items():
        found = sorted({message for room in members for message in _of_room(room)})
        if found:
            yield f"\n## {area}\n\n| message | what would be right | exit code |\n|---|---|---|"
            yield from (f"| {_cell(m.text)} | {_cell(m.remedy)} | {m.code} |" for m in found)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_").strip()


def _of_room(room: str) -> Iterator[Message]:
    folder = PACKAGE / room
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        if path.exists():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
                yield from _of_function(function, checks=room == "kinds")


def _of_function(function: ast.FunctionDef, *, checks: bool) -> Iterator[Message]:
    named = _texts_by_name(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            error = getattr(errors, name, None)
            expected = isinstance(error, type) and issubclass(error, BacError)
            if expected or name in REPORTS:
                arguments = [*node.args, *(k.value for k in node.keywords)]
                yield from _message(arguments, named, error.exit_code if expected else errors.EXIT_ERROR)
        elif checks and isinstance(node, (ast.Yield, ast.Return)) and node.value is not None:
            parts = node.value.elts if isinstance(node.value, ast.Tuple) else []
            if len(parts) in (2, 3):
                yield from _message(parts[-2:], named, errors.EXIT_ERROR)
            elif isinstance(node, ast.Yield) and function.name == "refuse":
                yield from _message([node.value], named, errors.EXIT_ERROR)


def _texts_by_name(function: ast.FunctionDef) -> dict[str, list[str]]:
    """The texts that local names stand for."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, values = node.targets[0], [node.value]
            names = [target]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                names, values = list(target.elts), list(node.value.elts)
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).extend(_texts(value, {}))
    return found


def _message(arguments: list[ast.expr], named: dict[str, list[str]], code: int) -> Iterator[Message]:
    """A sentence among the arguments is the message, the next text the remedy."""
    texts = [t for argument in arguments if (t := _texts(argument, named))]
    sentences = [n for n, found in enumerate(texts) if any(" " in text.strip() for text in found)]
    if sentences:
        first = sentences[0]
        remedy = texts[first + 1][0] if first + 1 < len(texts) else ""
        yield from (Message(text, remedy, code) for text in texts[first] if " " in text.strip())


def _texts(node: ast.expr, named: dict[str, list[str]]) -> list[str]:
    """The texts that an expression may be, with names for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            parts = [v.value if isinstance(v, ast.Constant) else f"«{_name(v)}»" for v in values]
            return ["".join(map(str, parts))]
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body, named) + _texts(orelse, named)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in _texts(left, named) for b in _texts(right, named)]
        case ast.BoolOp(values=values):
            return [text for value in values for text in _texts(value, named)]
        case ast.Name(id=name):
            return named.get(name, [])
    return []


def _name(node: ast.AST) -> str:
    """A word for what is filled in."""
    match node:
        case ast.FormattedValue(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
            return _name(value)
        case ast.Name(id=name):
            return name.strip("_").lower()
        case ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Call(args=[first, *_]):
            return _name(first)
        case ast.Call(func=function):
            return _name(function)
        case ast.BinOp(left=left):
            return _name(left)
    return "…"
