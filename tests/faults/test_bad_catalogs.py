"""Catalogs that are malformed or made to hurt, by the thousand: real ones with mutations, and random structures. Each
is loaded or refused with messages that have a place; none ends in a traceback, none takes long or much memory."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml
from counting import FULL, counted, dice
from scene import AFTER, BEFORE

from billing_as_code.catalog import load
from billing_as_code.errors import CatalogError
from billing_as_code.model import Address

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="peaks are read as Linux tells them"),
]

CATALOGS = 10_000 if FULL else 200
BLOCKS = 20 if FULL else 1
MOST_SECONDS = 2.0
MOST_MEGABYTES = 300
PROJECT = Path(__file__).parents[2] / "catalog"
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", " ", "\u0000", "\u202e", "x" * 5000),
    *(
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"$use": "x"},
        {"$use": ["enterprise"]},
        {"from_env": "HOME"},
        "=",
        "~",
        "1e9999",
    ),
    *("$.a[", "${HOME}", "{{ 7*7 }}", "!!python/object:os.system", "2026-02-30T00:00:00Z", "0000-00-00", "P99999999Y"),
    *("9" * 400, "🙂", "é", "a.b", "../../etc/passwd", "<script>", "-", "null", "0x", "1_000", "12:30:45"),
)
LINES = (b"a: &a [*a]\n", b"*x\n", b"? [a]\n", b"---\n", b"...\n", b"%YAML 9.9\n", b"\t- x\n", b"<<: *base\n")
LINES += (b'"\n', b"'\n", b"- - - -\n", b"!!binary |\n", b"x: !!python/name:os.system\n", b"\xff\xfe", b"\x00", b"\r")
LINES += (b"{" * 70, b"|\n", b">\n")


def whole() -> list[tuple[str, bytes]]:
    """The catalogs that are mutated: the sample that comes with the project, and the scene's."""
    files = sorted(PROJECT.rglob("*.yaml"))
    found = [(str(f.relative_to(PROJECT)), f.read_bytes()) for f in files]
    scenes = [yaml.safe_dump(c, sort_keys=False, allow_unicode=True).encode() for c in (BEFORE, AFTER)]
    return [*found, *(("scene.yaml", text) for text in scenes)]


WHOLE = whole()


# -- mutations of the text ---------------------------------------------------------------------------------------------


def bytes_changed(text: bytes, chance: random.Random) -> bytes:
    """Some bytes are others."""
    out = bytearray(text)
    for _ in range(chance.randint(1, 8)):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def lines_moved(text: bytes, chance: random.Random) -> bytes:
    """Lines are gone, twice there, elsewhere, or indented otherwise."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(4):
            case 0:
                lines[at] = b""
            case 1:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 2:
                lines[at] = b" " * chance.randint(1, 9) + lines[at]
            case _:
                lines[at] = lines[at].lstrip()
    return b"".join(lines)


def lines_added(text: bytes, chance: random.Random) -> bytes:
    """Lines that mean something in YAML stand where they do not belong."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 3)):
        lines.insert(chance.randrange(len(lines) + 1), b" " * chance.randint(0, 4) + chance.choice(LINES))
    return b"".join(lines)


def cut_off(text: bytes, chance: random.Random) -> bytes:
    """Only the beginning is there."""
    return text[: chance.randrange(len(text))]


# -- mutations of what it says -----------------------------------------------------------------------------------------


def values_changed(text: bytes, chance: random.Random) -> bytes:
    """Some values are of other types, or keys are others."""
    data = yaml.safe_load(text)
    for _ in range(chance.randint(1, 4)):
        into = chance.choice(list(maps(data)))
        key = chance.choice(list(into))
        match chance.randrange(3):
            case 0:
                into[key] = chance.choice(NASTY)
            case 1:
                into[str(chance.choice(NASTY))] = into[key]
            case _:
                other = chance.choice(list(maps(data)))
                into[key] = json.loads(json.dumps(other[chance.choice(list(other))], default=str))
    return json.dumps(data, ensure_ascii=chance.random() < 0.5, default=str).encode("utf-8", errors="replace")


def maps(data: Any) -> Iterator[dict[Any, Any]]:
    """Every map in it that holds something."""
    if isinstance(data, dict):
        if data:
            yield data
        for value in data.values():
            yield from maps(value)
    elif isinstance(data, list):
        for value in data:
            yield from maps(value)


def made_up(text: bytes, chance: random.Random) -> bytes:
    """A random structure under the names of sections."""
    sections = [*BEFORE, "templates", "metres", "plans"]
    data = {chance.choice(sections): structure(chance, 5) for _ in range(chance.randint(1, 4))}
    return json.dumps(data, default=str).encode("utf-8", errors="replace")


def structure(chance: random.Random, depth: int) -> Any:
    if not depth or chance.random() < 0.25:
        return chance.choice(NASTY)
    names = ["acme", "ai", "type", "metered", "meter", "issue", "amount", "$use", "external", "protect", "name"]
    if chance.random() < 0.2:
        return [structure(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return {chance.choice(names): structure(chance, depth - 1) for _ in range(chance.randint(0, 4))}


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    bytes_changed,
    lines_moved,
    lines_added,
    cut_off,
    values_changed,
    values_changed,
    made_up,
)


@pytest.fixture
def in_time() -> Iterator[None]:
    """What takes far too long is stopped where it is, so that it is seen."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError("a catalog takes longer than half a minute")

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.usefixtures("in_time")
def test_a_mutated_catalog_is_loaded_or_refused_with_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.chdir(tmp_path)
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    for number in range(block, CATALOGS, BLOCKS):
        chance = dice(number)
        name, text = chance.choice(WHOLE)
        way = chance.choice(WAYS)
        file = Path("catalog") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(way(text, chance))
        signal.alarm(30)
        began = time.process_time()
        try:
            loaded = load(Path("catalog"), "production", ["production", "staging", "local"])
            assert all(isinstance(address, Address) for address in loaded.desired)
            counted("bad catalogs", loaded=1)
        except CatalogError as error:
            for problem in error.problems:
                assert problem.file.startswith("catalog"), (number, way.__name__, problem)
                assert problem.message.strip(), (number, way.__name__)
                assert "Traceback" not in problem.message
            assert error.problems
            counted("bad catalogs", refused=1)
        except Exception as error:
            raise AssertionError(f"catalog {number} ({way.__name__}) ends in {type(error).__name__}") from error
        took = time.process_time() - began
        signal.alarm(0)
        assert took < MOST_SECONDS, f"catalog {number} ({way.__name__}) takes {took:.1f} s"
        file.unlink()
    assert megabytes("VmHWM") - before < MOST_MEGABYTES


def megabytes(what: str) -> float:
    """What Linux says of this process: VmRSS is its memory now, VmHWM the most it had."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024
