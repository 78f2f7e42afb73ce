"""Write docs/reference/ from the commands and the kinds' tables, or check that it is up to date.

python scripts/reference.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import messages

from billing_as_code.cli import main
from billing_as_code.doctor import CHECKS
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import Absent, Field, Kind

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def commands() -> Iterator[str]:
    """The page of all commands, from their own help."""
    yield "# Commands\n\nGenerated from the commands' own help: each prints the same with `--help`.\n"
    context = click.Context(main, info_name="bac")
    yield from _commands(main, context)


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    """A group's own help, then that of each of its commands."""
    yield _help(group, context)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield f"\n## {inner.command_path}\n"
        yield from _commands(command, inner) if isinstance(command, click.Group) else (_help(command, inner),)


def _help(command: click.Command, context: click.Context) -> str:
    context.terminal_width = context.max_content_width = 100
    return f"```text\n{command.get_help(context)}\n```"


def catalog() -> Iterator[str]:
    """The page of all sections of a catalog, from the kinds' tables."""
    yield "# The catalog\n\nGenerated from the kinds' tables; `bac explain` prints the same.\n"
    yield "*Fixed* fields cannot be changed in place: a change of one replaces the resource. *Held* ones are fixed but"
    yield "cosmetic: a difference waits for the next replace. `docs/plan-and-apply.md` says what that means."
    for kind in KINDS.values():
        yield f"\n## {kind.name}.{'.'.join(f'<{key}>' for key in kind.keys)}\n"
        yield f"{kind.doc}\n"
        yield "| field | | default | |\n|---|---|---|---|"
        yield from (_row(kind, row) for row in kind.fields)


def _row(kind: Kind, row: Field) -> str:
    state = "held" if row.held else "fixed" if row.fixed else ""
    only = f"Only where {row.when[0]} is {' or '.join(map(str, row.when[1]))}. " if row.when else ""
    kept = "Kept where left out. " if row.absent is Absent.KEPT else ""
    to = f"Refers to {row.refers_to}. " if row.refers_to else ""
    return f"| `{row.name}` | {state} | {_default(row)} | {only}{to}{row.doc} {kept}|".replace("  ", " ")


def _default(row: Field) -> str:
    if row.required:
        return "required"
    if row.absent is Absent.MOMENT:
        return "the moment of creation"
    if callable(row.default):
        return "the key" if row.name == "name" else "the amount"
    return "" if row.default in (None, (), {}, "{}") else f"`{str(row.default).lower()}`"


def findings() -> Iterator[str]:
    """The page of all that the doctor may find, from its own list."""
    yield "# What the doctor finds\n\nGenerated from the list of `bac doctor`, in the order in which it looks.\n"
    yield "| code | level | about | what it says | what to do |\n|---|---|---|---|---|"
    for code, check in CHECKS.items():
        told = " | ".join(text.replace("{{", "{").replace("}}", "}") for text in (check.text, check.remedy))
        yield f"| `{code}` | {check.level} | {check.about} | {told} |"


def main_() -> int:
    pages = {
        "commands.md": commands,
        "catalog.md": catalog,
        "messages.md": messages.page,
        "findings.md": findings,
    }
    stale = []
    for name, make in pages.items():
        text, path = "\n".join(make()).rstrip() + "\n", FOLDER / name
        if "--check" in sys.argv:
            stale += [name] if not path.exists() or path.read_text() != text else []
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        sys.stderr.write(f"docs/reference/{name} is stale: run python scripts/reference.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main_())
