"""The command `bac` itself: how its commands are listed, and how what goes wrong reaches the shell."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from billing_as_code import __version__
from billing_as_code.errors import EXIT_ERROR, BacError, CatalogError

INTERRUPTED = 130
_MOST_LINES = 50


class Bac(click.Group):
    """Turns expected failures into a text on stderr and an exit code; anything else is a bug and keeps its trace."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.commands, 1)
            if not near or "id you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "bac",
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show(sys.stdout)
            code = 0
        except click.ClickException as error:
            if isinstance(error, click.UsageError) and error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            click.echo(f"error: {error.format_message()}", err=True)
            code = EXIT_ERROR
        except click.Abort:
            click.echo("Interrupted. Nothing was written.", err=True)
            _leave_reads_behind()
            code = INTERRUPTED
        except BacError as error:
            tell(error)
            code = error.exit_code
        except BrokenPipeError:
            # whoever read has enough; the interpreter must not complain on its way out
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = EXIT_ERROR
        sys.exit(code if isinstance(code, int) else 0)


def _leave_reads_behind() -> None:
    """End now: the interpreter would wait for requests whose answers nobody wants any more."""
    if _others_run():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def _others_run() -> bool:
    """Whether there are threads that the interpreter would wait for at its end."""
    return any(t is not threading.main_thread() and not t.daemon for t in threading.enumerate())


def program() -> NoReturn:
    """The program. Its end takes nothing apart: to free what a large catalog was made of, piece by piece, takes as long
    as starting does, and the system frees it at once."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int) and not _others_run():
            with suppress(OSError, ValueError):  # nobody listens any more: the interpreter knows what to say of that
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended.code)
        raise
    raise AssertionError("main always exits")


def tell(error: BacError) -> None:
    """An expected failure on stderr."""
    from billing_as_code.render.lines import visible
    from billing_as_code.render.problems import problems
    from billing_as_code.render.terminal import Output

    if isinstance(error, CatalogError):
        lines = list(problems(error.problems))
    else:
        first, *rest = map(visible, str(error).split("\n"))
        lines = [f"error: {first}", *(f"  {line}" for line in rest[:_MOST_LINES])]
        if len(rest) > _MOST_LINES:
            lines.append(f"  ... and {len(rest) - _MOST_LINES:,} more")
    Output(sys.stderr, os.environ).text(lines)


@click.group(cls=Bac, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bac", message="%(prog)s %(version)s")
def main() -> None:
    """Your OpenMeter catalog as a folder of YAML: reviewed plans, safe applies.

    \b
    bac init        a starter catalog, here
    bac plan        what apply would do
    bac apply       do it

    Exit codes: 0 nothing to do or all done, 1 error, 2 changes or drift, 3 partly applied, 4 stale, 5 refused.
    """
