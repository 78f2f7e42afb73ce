"""The edge: colour and progress only where somebody watches."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from billing_as_code.render.lines import Span, line
from billing_as_code.render.terminal import STYLES, Output, Progress, coloured, watched


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Latin(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="latin-1")


LINES = [line(Span("+ ", "create"), "plain → ", Span("x", "breaking"))]


def test_a_terminal_gets_colour() -> None:
    stream = Terminal()
    Output(stream, {}).lines(LINES)
    assert stream.getvalue() == "\x1b[32m+ \x1b[0mplain → \x1b[1;31mx\x1b[0m\n"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"CI": "true"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(environ: dict[str, str]) -> None:
    stream = Terminal()
    Output(stream, environ).lines(LINES)
    assert stream.getvalue() == "+ plain → x\n"


def test_no_colour_in_a_file_and_symbols_that_it_can_carry() -> None:
    stream = Latin()
    Output(stream, {}).lines(LINES)
    assert stream.buffer.getvalue() == b"+ plain -> x\n"  # type: ignore[attr-defined]


def test_no_color_takes_colour_and_leaves_progress() -> None:
    assert watched(Terminal(), {"NO_COLOR": "1"})
    assert not coloured(Terminal(), {"NO_COLOR": "1"})


def test_every_style_is_one_that_rich_knows() -> None:
    from rich.style import Style

    assert all(Style.parse(style) for style in STYLES.values())


def test_progress_is_shown_within_200_ms_and_gone_when_it_ends() -> None:
    stream = Terminal()
    with Progress(stream, {}, "Reading staging") as progress:
        deadline = time.monotonic() + 2
        while "Reading staging" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        progress.say("Reading \x1b[2Jstaging: 3/9")
        time.sleep(0.2)
    assert "\rReading staging\x1b[K" in stream.getvalue()
    assert "Reading \\x1b[2Jstaging: 3/9" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_what_is_quick_shows_no_progress() -> None:
    stream = Terminal()
    with Progress(stream, {}, "Reading"):
        pass
    assert stream.getvalue() == ""


def test_nobody_watching_means_no_progress() -> None:
    stream = io.StringIO()
    with Progress(stream, {}, "Reading"):
        time.sleep(0.3)
    assert stream.getvalue() == ""


def test_rendering_needs_neither_rich_nor_the_heavy_packages() -> None:
    modules = "text, markdown, requests, drift, problems, progress, terminal, machine, explain"
    heavy = "('rich', 'httpx', 'yaml', 'flask', 'click', 'jsonschema')"
    code = f"import sys; from billing_as_code.render import {modules}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_bars_are_of_blocks_where_a_person_watches_and_the_stream_carries_them() -> None:
    assert Output(Terminal(), {}).blocks
    assert Output(Terminal(), {"NO_COLOR": "1"}).blocks
    assert not Output(Terminal(), {"CI": "true"}).blocks
    assert not Output(io.StringIO(), {}).blocks
    assert not Output(Latin(), {}).blocks
