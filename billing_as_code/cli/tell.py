"""Commands about bac itself: explain, schema, completion."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from billing_as_code.cli import options
from billing_as_code.errors import EXIT_ERROR, UsageError

SHELLS = ("bash", "zsh", "fish")


def _kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from billing_as_code.kinds import KINDS

    return [CompletionItem(name, help=kind.doc) for name, kind in KINDS.items() if name.startswith(incomplete)]


@click.command(
    short_help="Tell what a section of the catalog takes.",
    epilog=options.examples("bac explain", "bac explain entitlements", "bac explain grants --json"),
)
@click.argument("kind", required=False, shell_complete=_kinds)
@click.option("--json", "as_json", is_flag=True, help="The kind's JSON Schema.")
def explain(kind: str | None, as_json: bool) -> None:
    """Tell what a section of the catalog takes: fields, defaults, and what OpenMeter cannot change."""
    from billing_as_code.catalog.spelling import Spelling
    from billing_as_code.kinds import KINDS
    from billing_as_code.kinds.schema import resource_schema
    from billing_as_code.render import explain as rendered

    if kind is None:
        if as_json:
            raise UsageError(f"--json needs a kind: {', '.join(KINDS)}")
        options.stdout().lines(rendered.overview(KINDS))
        return
    if kind not in KINDS:
        by_singular = {k.singular: name for name, k in KINDS.items()}
        meant = by_singular.get(kind)
        remedy = f"did you mean `{meant}`?" if meant else Spelling(KINDS).remedy(kind) or f"one of {', '.join(KINDS)}"
        raise UsageError(f"there is no kind {kind!r} ({remedy})")
    if as_json:
        options.stdout().text([json.dumps(resource_schema(KINDS[kind]), indent=2, ensure_ascii=False)])
    else:
        options.stdout().lines(rendered.kind(KINDS[kind]))


@click.command(
    short_help="Write or check the JSON Schemas.",
    epilog=options.examples("bac schema --write", "bac schema --check --dir schemas"),
)
@click.option("--write", is_flag=True, help="Write the schemas.")
@click.option("--check", is_flag=True, help="Exit with 1 where the files are not what --write would make.")
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Their folder; schemas/ beside bac.yaml."
)
@click.pass_context
def schema(ctx: click.Context, write: bool, check: bool, folder: Path | None) -> None:
    """The JSON Schemas of the catalog, bac.yaml and plans, for editors and other tools."""
    from billing_as_code import schemas

    if write == check:
        raise UsageError("say either --write or --check")
    where = folder if folder is not None else options.configuration().root / "schemas"
    if write:
        options.stdout().text([f"Written: {path}" for path in schemas.write(where)])
        return
    stale = schemas.stale(where)
    if stale:
        click.echo(
            f"error: not up to date: {', '.join(str(where / s) for s in stale)}. Next: bac schema --write", err=True
        )
        ctx.exit(EXIT_ERROR)
    options.stdout().text([f"{where}: {len(schemas.schemas())} schemas, all up to date."])


@click.command(
    short_help="Print a shell's completion script.",
    epilog=options.examples(
        'eval "$(bac completion bash)"', "bac completion fish > ~/.config/fish/completions/bac.fish"
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell: commands, options, environments and addresses."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "bac", "_BAC_COMPLETE").source())


@click.command(
    short_help="Tell which bac this is, and what it runs on.",
    epilog=options.examples("bac version", "bac version --json | jq -r .bac"),
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def version(as_json: bool) -> None:
    """Tell which bac this is, the formats that it writes, and what it runs on: what a bug report needs."""
    from billing_as_code import service
    from billing_as_code.render import about

    found = service.about()
    if as_json:
        options.stdout().text([json.dumps(found, indent=2, ensure_ascii=False)])
    else:
        options.stdout().lines(about.about(found))
