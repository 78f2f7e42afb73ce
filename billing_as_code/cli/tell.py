"""Commands about bac itself: explain, schema, completion."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from billing_as_code.cli import options
from billing_as_code.errors import EXIT_ERROR, UsageError

if TYPE_CHECKING:
    from billing_as_code.kinds.base import Kind
    from billing_as_code.kinds.explaining import Part

SHELLS = ("bash", "zsh", "fish")


def _topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds and words; behind a kind and a dot, its fields."""
    from billing_as_code.kinds import KINDS
    from billing_as_code.kinds.explaining import names
    from billing_as_code.kinds.schema import WORDS

    section, dot, _ = incomplete.partition(".")
    if dot and section in KINDS:
        return [
            CompletionItem(f"{section}.{n}") for n in names(KINDS[section]) if f"{section}.{n}".startswith(incomplete)
        ]
    topics = {name: kind.doc for name, kind in KINDS.items()} | {name: word.doc for name, word in WORDS.items()}
    return [CompletionItem(name, help=doc) for name, doc in topics.items() if name.startswith(incomplete)]


@click.command(
    short_help="Tell what the catalog takes.",
    epilog=options.examples(
        "bac explain",
        "bac explain entitlements",
        "bac explain entitlements.issue.amount",
        "bac explain '$use'",
        "bac explain grants.expiration --json",
    ),
)
@click.argument("topic", metavar="[KIND[.FIELD]]", required=False, shell_complete=_topics)
@click.option("--json", "as_json", is_flag=True, help="The JSON Schema of what may stand there.")
def explain(topic: str | None, as_json: bool) -> None:
    """Tell what the catalog takes: sections, their fields with types and defaults, and what OpenMeter cannot change.

    Of a field also why, how much a change of it matters, and what OpenMeter calls it.
    """
    from billing_as_code.kinds import KINDS
    from billing_as_code.kinds.schema import WORDS, resource_schema
    from billing_as_code.render import explain as rendered

    if topic is None:
        if as_json:
            raise UsageError(f"--json needs a kind: {', '.join(KINDS)}")
        options.stdout().lines(rendered.overview(KINDS))
        return
    section, _, path = topic.partition(".")
    if topic in WORDS:
        lines, schema = rendered.word(topic), WORDS[topic].schema
    elif section not in KINDS:
        remedy = _meant(section)
        raise UsageError(f"there is no kind {section!r} ({remedy})")
    elif not path:
        lines, schema = rendered.kind(KINDS[section]), resource_schema(KINDS[section])
    else:
        found = _part(KINDS[section], path)
        lines, schema = rendered.part(found), found.schema
    if as_json:
        options.stdout().text([json.dumps(schema, indent=2, ensure_ascii=False)])
    else:
        options.stdout().lines(lines)


def _meant(section: str) -> str:
    from billing_as_code.catalog.spelling import Spelling
    from billing_as_code.kinds import ASKED, KINDS
    from billing_as_code.kinds.schema import WORDS

    if section in ASKED:
        return f"a catalog has no such section; {ASKED[section].instead}"
    by_singular = {kind.singular: name for name, kind in KINDS.items()}
    if meant := by_singular.get(section):
        return f"did you mean `{meant}`?"
    return Spelling([*KINDS, *WORDS]).remedy(section) or f"one of {', '.join(KINDS)}"


def _part(kind: Kind, path: str) -> Part:
    """The part of a kind that a path names, also behind the keys of a resource. Raises UsageError."""
    from billing_as_code.catalog.spelling import Spelling
    from billing_as_code.kinds.explaining import names, part
    from billing_as_code.model import Address

    if found := part(kind, path):
        return found
    with suppress(ValueError):
        behind_keys = Address.parse(f"{kind.name}.{path}").path[len(kind.keys) :]
        if found := part(kind, ".".join(behind_keys)) if behind_keys else None:
            return found
    known = names(kind)
    by_last = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = Spelling(known).nearest(path) or by_last.get(Spelling(by_last).nearest(path.rpartition(".")[2]) or "")
    remedy = f"did you mean `{kind.name}.{near}`?" if near else f"it has {', '.join(known)}"
    raise UsageError(f"{kind.name} have no field {path!r} ({remedy})")


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
