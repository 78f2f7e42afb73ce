"""Options that several commands take, and what they stand for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

if TYPE_CHECKING:
    from billing_as_code.config import Config, Environment
    from billing_as_code.plan import Plan
    from billing_as_code.render.terminal import Output, Progress

Command = TypeVar("Command", bound=Callable[..., Any])


# -- completion -----------------------------------------------------------------------------------------------------


def environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        names = list(configuration().environments)
    except Exception:
        return []  # completion never fails: it has nothing to offer
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def addresses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        from billing_as_code import catalog

        config = configuration()
        name = chosen(config, ctx.params.get("env")).name
        known = [str(address) for address in catalog.addresses(config.catalog, name, config.environments)]
    except Exception:
        return []
    return [CompletionItem(address) for address in known if address.startswith(incomplete)]


def _sections_and_addresses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from billing_as_code.kinds import KINDS

    sections = [CompletionItem(name) for name in KINDS if name.startswith(incomplete)]
    return sections + addresses(ctx, param, incomplete)


class EscapingBash(BashComplete):
    """bash puts what it is offered into the line as it is, so that an address with a quoted part must be escaped; zsh
    and fish do that themselves."""

    def format_completion(self, item: CompletionItem) -> str:
        words, at = os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"])
        match words[at][:1] if at < len(words) else "":
            case "'":
                value = item.value
            case '"':
                value = re.sub(r'([\\"$`])', r"\\\1", item.value)
            case _:
                value = re.sub(r"([^\w.+-])", r"\\\1", item.value)
        # the script's `read` takes one of two backslashes
        return f"{item.type},{value}".replace("\\", "\\\\")


add_completion_class(EscapingBash)


def examples(*commands: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


# -- options --------------------------------------------------------------------------------------------------------


def env(command: Command) -> Command:
    return click.option(
        "--env",
        "-e",
        metavar="NAME",
        shell_complete=environments,
        help="The environment of bac.yaml; else BAC_ENV, else the local one.",
    )(command)


def output_format(*formats: str) -> Callable[[Command], Command]:
    """`--format`, and `--json` for short; the command gets `output`."""

    def add(command: Command) -> Command:
        command = click.option(
            "--format",
            "output",
            type=click.Choice(formats),
            default="text",
            show_default=True,
            help="How it is printed.",
        )(command)
        return click.option("--json", "output", flag_value="json", help="Short for --format json.")(command)

    return add


def address(command: Command) -> Command:
    """The one address that a command is about."""
    return click.argument("address", metavar="ADDRESS", shell_complete=addresses)(command)


def below(command: Command) -> Command:
    """A section or the beginning of an address, "" for everything."""
    return click.argument(
        "below", metavar="[SECTION]", default="", required=False, shell_complete=_sections_and_addresses
    )(command)


def changing(command: Command) -> Command:
    """The options that make a plan."""
    command = click.option(
        "--changed-since",
        "since",
        metavar="REF",
        help="Only what the catalog says otherwise than where this branch and REF part, what that depends on and what "
        "follows; nothing else is read.",
    )(command)
    command = click.option(
        "--gap", is_flag=True, help="Replace meters by delete and create: simpler, with a gap in access."
    )(command)
    command = click.option(
        "--replace",
        "replaced",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=addresses,
        help="Replace this resource though nothing forces it, held differences included. Repeatable.",
    )(command)
    return click.option(
        "--only",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=addresses,
        help="Only this resource (or all below it) and what it depends on; prunes nothing. Repeatable.",
    )(command)


def impact(command: Command) -> Command:
    """Whether a plan says whom it hits, and whether of everybody; the command gets `impact` and `full`."""
    command = full(command)
    return click.option(
        "--impact", is_flag=True, help="Say whom it hits: who is over a lower limit, who will be, who loses access."
    )(command)


def full(command: Command) -> Command:
    """Whether everybody's usage is read; the command gets `full`."""
    return click.option(
        "--full", is_flag=True, help="The usage of everybody who is hit, however many; else of 1,000, drawn by chance."
    )(command)


# -- what they stand for --------------------------------------------------------------------------------------------


def configuration() -> Config:
    from billing_as_code.config import load

    return load(Path.cwd())


def chosen(config: Config, name: str | None) -> Environment:
    from billing_as_code.config import select

    return select(config, name, os.environ)


def env_flag(config: Config, environment: Environment) -> str:
    """` --env NAME` for commands that are proposed, where they need it."""
    from billing_as_code.config import select
    from billing_as_code.errors import UsageError

    try:
        default = select(config, None, {}).name
    except UsageError:
        default = ""
    return "" if environment.name == default else f" --env {environment.name}"


def saved(file: Path) -> Plan:
    """The plan that a file holds. Raises UsageError where it holds none."""
    from billing_as_code import service
    from billing_as_code.errors import UsageError

    try:
        return service.saved(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}. bac plan --out {file} makes one") from error
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: this is no plan file of bac (bac plan --out FILE makes one)") from error


def write(out: Path, text: str) -> None:
    """Write what `--out` asks for, readable by its owner alone: a plan holds customers' names and addresses."""
    from billing_as_code.errors import UsageError

    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from error


def stdout() -> Output:
    from billing_as_code.render.terminal import Output

    return Output(sys.stdout, os.environ)


def progress(text: str) -> Progress:
    from billing_as_code.render.terminal import Progress

    return Progress(sys.stderr, os.environ, text)


@contextmanager
def reading(environment: Environment) -> Iterator[Callable[[int, int], None]]:
    """Progress of a read, as the function that the service calls."""
    with progress(f"Reading {environment.name}") as shown:
        yield lambda done, known: shown.say(f"Reading {environment.name}: {done}/{known} requests")
