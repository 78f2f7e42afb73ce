"""The rules of the house: who may import whom, which package has which door, and what stands nowhere.

Modules are read, not imported, so that an import inside of a function counts as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from billing_as_code import service
from billing_as_code.kinds import EVERY

PACKAGE = "billing_as_code"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

FLOORS = (
    {"errors", "collecting"},
    {"model"},
    {"kinds"},
    {"reader", "document", "diff", "client", "journal"},
    {"catalog", "cascade"},
    {"config", "order", "authoring", "contrast", "impact"},
    {"plan"},
    {"live", "sender", "planschema", "safety", "closing", "standing", "ingest", "doctor", "gate", "expecting"},
    {"executor", "render", "schemas", "nearby"},
    {"service", "starter"},
    {"agents", "ci"},
    {"cli"},
)
"""The rooms of the package, from the ground up: each imports from the floors below it, and never its neighbours."""

ENGINE = {"reader", "document", "diff", "client", "journal", "cascade", "order", "live", "sender", "executor"} | {
    "contrast",
    "safety",
    "closing",
    "ingest",
    "gate",
    "nearby",
}
"""What adapters reach through `service` alone."""

DOORS = {
    "httpx": {"client", "ci.rest"},
    "yaml": {"reader"},
    "jsonschema": {"catalog.validation"},
    "jsonschema_rs": {"catalog.validation"},
    "deepdiff": {"diff"},
    "mcp": {"agents"},
    "pydantic": {"agents"},
    "click": {"cli"},
    "cryptography": {"gate.sshsig"},
    "rich": {"render.terminal"},
    "flask": {"devserver"},
    "werkzeug": {"devserver"},
    "sqlite3": {"devserver.store"},
}
"""Each package from outside, and the modules (or the room) that may import it."""

PURE = {"model", "kinds", "document", "diff", "cascade", "order", "plan", "planschema", "safety", "closing"} | {
    "contrast",
    "standing",
    "doctor",
    "impact",
    "expecting",
}
"""No input, no output, no clock: what these answer follows from what they are given."""
WORLDLY = {"os", "time", "random", "socket", "subprocess", "threading", "logging", "pathlib", "io", "tempfile"}

BARRED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


class Import(NamedTuple):
    """One module imports another."""

    by: str
    of: str
    line: int

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package, by its name within it ("" is the package itself)."""
    return {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module; one of ours is named within the package, with a leading dot."""
    return tuple(i for name, tree in trees().items() for i in _imports(name, tree))


def _imports(name: str, tree: ast.Module) -> Iterator[Import]:
    is_package = (ROOT / name.replace(".", "/") / "__init__.py").is_file()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, _within(alias.name), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".") if is_package else name.split(".")[:-1]
                base = ".".join([PACKAGE, *above[: len(above) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                full = _within(f"{base}.{alias.name}")
                yield Import(name, full if full[1:] in trees() and full[0] == "." else _within(base), node.lineno)


def _within(module: str) -> str:
    return module.removeprefix(PACKAGE) or "." if module.split(".")[0] == PACKAGE else module


def room(module: str) -> str:
    """The room that a module is in: `.kinds.base` and `kinds.base` are in `kinds`."""
    return module.lstrip(".").split(".")[0]


def ours() -> list[Import]:
    """Imports between rooms of the package."""
    return [i for i in imports() if i.of[0] == "." and i.of != "." and room(i.by) != room(i.of)]


def shown(found: list[Import]) -> list[str]:
    """Imports, for messages."""
    return sorted(map(str, found))


def test_the_service_has_what_it_offers() -> None:
    made = [getattr(service, name) for name in service.__all__]
    assert [name for name, one in zip(service.__all__, made, strict=True) if one.__name__ != name] == []
    assert set(service.__all__) == {name for names in service._HOMES.values() for name in names}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        service.nothing  # noqa: B018


def test_every_room_has_its_floor() -> None:
    rooms = {room(name) for name in trees()} - {"", "devserver"}
    assert rooms == set().union(*FLOORS)


def test_a_room_imports_only_from_the_floors_below_it() -> None:
    floor = {name: n for n, names in enumerate(FLOORS) for name in names}
    inner = [i for i in ours() if "devserver" not in (room(i.by), room(i.of))]
    assert shown([i for i in inner if floor[room(i.of)] >= floor[room(i.by)]]) == []
    assert len(inner) > 50


def test_the_dev_server_shares_nothing_with_the_rest() -> None:
    assert (
        shown([i for i in imports() if room(i.by) == "devserver" and i.of[0] == "." and room(i.of) != "devserver"])
        == []
    )


def test_only_those_who_serve_it_import_the_dev_server() -> None:
    by = {room(i.by) for i in ours() if room(i.of) == "devserver"}
    assert by == {"service", "cli"}


def test_adapters_reach_the_engine_through_the_service_alone() -> None:
    assert shown([i for i in ours() if room(i.by) in ("cli", "agents", "ci") and room(i.of) in ENGINE]) == []


def test_the_service_does_not_render() -> None:
    assert shown([i for i in ours() if room(i.by) == "service" and room(i.of) == "render"]) == []


def test_each_package_from_outside_has_its_one_door() -> None:
    foreign = [i for i in imports() if i.of[0] != "." and _is_foreign(i.of)]
    strays = [i for i in foreign if not any(_is_in(i.by, door) for door in DOORS.get(i.of.split(".")[0], ()))]
    assert shown(strays) == []
    assert {i.of.split(".")[0] for i in foreign} == set(DOORS)


def _is_foreign(module: str) -> bool:
    top = module.split(".")[0]
    return top not in sys.stdlib_module_names or top in DOORS


def _is_in(module: str, door: str) -> bool:
    return module == door or module.startswith(door + ".")


def test_the_core_asks_nothing_of_the_world() -> None:
    worldly = [i for i in imports() if room(i.by) in PURE and i.of.split(".")[0] in WORLDLY]
    assert shown(worldly) == []
    assert [place for name, place in calls() if room(name) in PURE and place.endswith((".now()", ".today()"))] == []


def calls() -> list[tuple[str, str]]:
    """(module, place and what is called) of every call."""
    return [
        (name, f"{name}:{node.lineno} {ast.unparse(node.func)}()")
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_nothing_below_the_commands_prints_or_logs() -> None:
    assert [place for name, place in calls() if place.endswith(" print()") and room(name) != "cli"] == []
    assert shown([i for i in imports() if i.of.split(".")[0] == "logging"]) == []
    written = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        if room(name) not in ("cli", "devserver")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr")
    ]
    assert [place for place in written if not place.startswith("render.terminal:")] == []


def test_no_kind_is_singled_out_outside_of_kinds() -> None:
    names = set(EVERY) | {kind.singular for kind in EVERY.values()}
    singled = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in trees().items()
        if room(name) not in ("kinds", "devserver")
        for node in ast.walk(tree)
        if isinstance(node, (ast.Compare, ast.match_case, ast.Subscript))
        if any(isinstance(inner, ast.Constant) and inner.value in names for inner in _tested(node))
    ]
    assert singled == []


def _tested(node: ast.Compare | ast.match_case | ast.Subscript) -> Iterator[ast.AST]:
    """What a comparison, a case or a look-up asks for; not what is done then."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Annotated":
        return  # a type, and what is said of it
    asked = {ast.match_case: "pattern", ast.Subscript: "slice"}.get(type(node))
    yield from ast.walk(getattr(node, asked) if asked else node)


def test_no_module_is_named_for_nothing_in_particular() -> None:
    assert [name for name in trees() if BARRED_NAMES & set(name.split("."))] == []
    classes = [n.name for tree in trees().values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    assert [c for c in classes if c.endswith(("Manager", "Helper", "Processor"))] == []


def test_every_module_and_every_class_for_others_says_what_it_is() -> None:
    silent = [name for name, tree in trees().items() if ast.get_docstring(tree) is None]
    silent += [
        f"{name}.{node.name}"
        for name, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_every_function_that_another_room_calls_says_what_it_does() -> None:
    """Within a room a good name is enough; what leaves it states its contract."""
    functions = {
        f".{name}.{node.name}": node
        for name, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    called = {what for by, what in _used() if what in functions and room(what) != room(by)}
    assert sorted(what for what in called if ast.get_docstring(functions[what]) is None) == []
    assert len(called) > 20


def _used() -> Iterator[tuple[str, str]]:
    """(module, full name) of every name of ours that a module takes from another, by itself or through the module."""
    for by, tree in trees().items():
        modules: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                for alias in node.names:
                    full = _within(f"{node.module}.{alias.name}")
                    modules[alias.asname or alias.name] = full
                    yield by, full
                    yield by, _defined(full)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                full = f"{modules[node.value.id]}.{node.attr}"
                yield by, full
                yield by, _defined(full)


def _defined(full: str) -> str:
    """Where a name that a package hands on (`from .load import load`) is defined."""
    package, _, name = full.rpartition(".")
    return _handed_on(package.lstrip(".")).get(name, full)


@cache
def _handed_on(module: str) -> dict[str, str]:
    """The names that a module takes from others, and where from."""
    taken = [n for n in ast.walk(trees().get(module, ast.Module([], []))) if isinstance(n, ast.ImportFrom)]
    return {a.asname or a.name: _within(f"{node.module}.{a.name}") for node in reversed(taken) for a in node.names}
