"""README and docs/ say what is so: their commands run, their YAML is valid, their links lead somewhere.

On a page of WALKTHROUGHS a yaml block whose first line names a file is written to it before what follows is run.
A ```console block is a conversation: lines that start with `$ ` are run in a copy of this project, in order within a
page, and where output follows, it must be the output. `...` on a line of its own stands for lines left out, and a
digest may be any digest. A line that starts with `> ` goes on with the command before it. `bac dev` serves until the
page ends or another one takes its place, on a port of its own, which stands for 8888 in what is run and printed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from billing_as_code.cli import main
from billing_as_code.config import load as load_config
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.schema import catalog_schema, overlay_schema

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WALKTHROUGHS = {"getting-started.md"}
PLAYED = {"gitops.md"}
"""Pages with a test of their own, since more than a shell takes part in them."""
DIGEST = re.compile(r"\b[0-9a-f]{12}\b")


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in FENCE.findall(page.read_text()) if found == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=page.name) for page in pages]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of this project's catalog, configuration and samples, as the working folder."""
    for name in ("bac.yaml", "catalog", "schemas", "scripts"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for variable in ("CI", "BAC_ENV"):
        monkeypatch.delenv(variable, raising=False)
    yield tmp_path


def conversation(block: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block with the lines that follow each."""
    command, output = "", []
    for line in block.splitlines():
        if line.startswith(">") and command and not output:
            command += "\n" + line[1:].removeprefix(" ")
        elif line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], []
        else:
            output.append(line)
    if command:
        yield command, output


class Served:
    """The server of a page, once it has said `bac dev`."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.port = ""

    def start(self, args: list[str]) -> str:
        """Serve with these arguments, on any free port; what it prints before it is ready."""
        self.stop()
        command = [sys.executable, "-c", "from billing_as_code.cli import main; main()", *args, "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        printed = ""
        while "listening on" not in printed:
            line = self.process.stdout.readline()
            assert line, f"bac {' '.join(args)} ended:\n{printed}"
            printed += line
        self.port = printed.strip().rpartition(":")[2]
        return printed.replace(f":{self.port}", ":8888")

    def curl(self, command: str) -> str:
        """The output of a curl command, and where it says `| jq`, as jq prints it."""
        if shutil.which("curl") is None:
            pytest.skip("this page asks with curl, which is not here")
        command, piped, _ = command.partition(" | jq")
        words = shlex.split(command.replace("\\\n", " ").replace(":8888", f":{self.port}"))
        done = subprocess.run([*words, "--silent", "--show-error"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return json.dumps(json.loads(done.stdout), indent=2, ensure_ascii=False) + "\n" if piped else done.stdout

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=20)
            self.process = None


@pytest.fixture
def served() -> Iterator[Served]:
    """The server of a page; it ends with it."""
    found = Served()
    yield found
    found.stop()


def run(command: str, served: Served) -> str:
    """Run one documented command as a reader would; `# changes` at its end means exit code 2, `# stops` 5."""
    if command.startswith("curl "):
        return served.curl(command)
    command, _, note = command.partition("  # ")
    words = shlex.split(command)
    if words[:2] == ["bac", "dev"]:
        return served.start(words[1:])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, f"the Makefile has no target {words[1]}"
        return ""
    if words[0] in ("mkdir", "cd", "rm"):
        {"mkdir": Path.mkdir, "cd": os.chdir, "rm": Path.unlink}[words[0]](Path(words[1]))
        return ""
    if words[0] == "sed":
        file = Path(words[-1])
        old, new = re.fullmatch(r"s/(.*)/(.*)/", words[-2]).groups()  # type: ignore[union-attr]
        assert old in file.read_text(), f"{command}: {words[-1]} has no {old!r}"
        file.write_text(file.read_text().replace(old, new))
        return ""
    assert words[0] == "bac", f"a page shows {command!r}, which this test cannot run"
    result = CliRunner().invoke(main, words[1:], env={"COLUMNS": "100"})
    expected = {"changes": 2, "drift": 2, "stops": 5}.get(note, 0)
    assert result.exit_code == expected, f"{command}: exit {result.exit_code}\n{result.output}"
    return result.output


def same(shown: list[str], real: str) -> bool:
    """Whether shown output is the real one, but for what `...` stands for and for digests."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else DIGEST.sub("[0-9a-f]{12}", re.escape(line.rstrip())) + r"[ ]*\n"
        for line in shown
        if line.strip() or shown
    )
    return re.fullmatch(r"\n*" + pattern + r"\n*", real.rstrip("\n") + "\n") is not None


@pytest.mark.parametrize("page", named([p for p in PAGES if blocks(p, "console") and p.name not in PLAYED]))
@pytest.mark.usefixtures("project")
def test_the_commands_of_a_page_run_and_print_what_it_shows(page: Path, served: Served) -> None:
    for language, block in FENCE.findall(page.read_text()):
        if language == "yaml" and page.name in WALKTHROUGHS:
            path = Path(block.splitlines()[0].removeprefix("# "))
            path.write_text(block.replace(":8888", f":{served.port}"))
        for command, shown in conversation(block) if language == "console" else ():
            real = run(command, served)
            while shown and not shown[-1].strip():
                shown.pop()
            assert not shown or same(shown, real), f"{command} prints\n{real}\nand the page shows\n" + "\n".join(shown)


@pytest.mark.parametrize("page", named([p for p in PAGES if blocks(p, "yaml")]))
def test_the_yaml_of_a_page_is_valid(page: Path, tmp_path: Path) -> None:
    schema = jsonschema.Draft202012Validator(catalog_schema(KINDS))
    overlay = jsonschema.Draft202012Validator(overlay_schema(KINDS))
    for block in blocks(page, "yaml"):
        if block.startswith("# bac.yaml"):
            whole = {"owner": "acme-billing", "environments": {"local": {}}, **yaml.safe_load(block)}
            (tmp_path / "bac.yaml").write_text(yaml.safe_dump(whole))
            (tmp_path / "catalog").mkdir(exist_ok=True)
            load_config(tmp_path)
        elif page.name != "adding-a-kind.md":  # its kind is not in the registry; it has a test of its own
            (overlay if block.startswith("# catalog/environments/") else schema).validate(_core(block))


def _core(block: str) -> object:
    from billing_as_code.reader import read

    value, problems = read("page", block.encode())
    assert not problems, problems
    return value


@pytest.mark.parametrize("page", named(PAGES))
def test_the_commands_and_options_that_a_page_names_exist(page: Path) -> None:
    mentioned = re.findall(r"`(bac [^`(]+)", prose(page))

    for mention in mentioned:
        words = mention.split()[1:]
        name = words[0]
        if name.startswith("-"):
            assert name in _options(main), f"{page.name}: bac has no option {name}"
            continue
        command = main.get_command(click.Context(main), name)
        assert command is not None, f"{page.name}: bac has no command {name}"
        if isinstance(command, click.Group) and len(words) > 1:
            command = command.get_command(click.Context(command), words[1])
            assert command is not None, f"{page.name}: bac {name} has no command {words[1]}"
        for word in words[1:]:
            if word.startswith("--"):
                assert word.split("=")[0] in _options(command), f"{page.name}: bac {name} has no option {word}"


def _options(command: click.Command) -> set[str]:
    parameters = command.get_params(click.Context(command))
    return {option for parameter in parameters for option in parameter.opts + parameter.secondary_opts}


@pytest.mark.parametrize("page", named(PAGES))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-")
        for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if target.startswith("#"):
            assert target[1:] in anchors, f"{page.name}: no heading for {target}"
        elif "://" not in target:
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target} is not there"


def test_every_command_is_on_a_page() -> None:
    everything = "\n".join(page.read_text() for page in PAGES)

    missing = [name for name in main.list_commands(click.Context(main)) if f"bac {name}" not in everything]

    assert missing == []


def test_every_dependency_is_justified_in_one_line() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    lines = (ROOT / "docs" / "dependencies.md").read_text().splitlines()
    names = re.findall(r'^    "([a-z-]+)[>=<]', project, re.MULTILINE)

    assert len(names) > 10
    assert [n for n in names if not any(n in line for line in lines if line.startswith("|"))] == []
