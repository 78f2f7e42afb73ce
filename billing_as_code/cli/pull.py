"""Pull: what is live becomes files."""

from __future__ import annotations

from pathlib import Path

import click

from billing_as_code.cli import options
from billing_as_code.cli.view import print_json


@click.command(
    short_help="Write what is live into the catalog's files.",
    epilog=options.examples(
        "bac pull --env production",
        "bac pull --env production --dry-run",
        "bac pull --only customers.acme --only entitlements.acme",
        "bac pull --kind meters --kind features --into ../product/catalog",
        "bac pull --layout customer",
    ),
)
@options.env
@click.option(
    "--into",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="The catalog to write into; that of bac.yaml where left out.",
)
@click.option("--only", metavar="ADDRESS", multiple=True, help="Only this resource, or all below it. Repeatable.")
@click.option("--kind", "sections", metavar="SECTION", multiple=True, help="Only this section. Repeatable.")
@click.option(
    "--layout",
    type=click.Choice(["section", "customer"]),
    help="For what has no place yet: a file for each section, or one for each customer. Else as the catalog has it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, as a diff, and write nothing.")
@options.output_format("text", "json")
def pull(
    env: str | None,
    into: Path | None,
    only: tuple[str, ...],
    sections: tuple[str, ...],
    layout: str | None,
    dry_run: bool,
    output: str,
) -> None:
    """Write what is live into the catalog's files.

    What is not declared yet is added; what is, is changed only where it differs: comments, order, anchors and templates
    stay. Nothing is taken out. What --only and --kind name comes with what it refers to. OpenMeter is only read.
    """
    from billing_as_code import service
    from billing_as_code.authoring import Layout
    from billing_as_code.render import pull as rendered

    config = options.configuration()
    environment = options.chosen(config, env)
    with service.open_session(config, environment) as session:
        with options.reading(environment) as progress:
            pulled = service.pull(
                session,
                into=into,
                only=only,
                sections=sections,
                layout=Layout(layout) if layout is not None else None,
                progress=progress,
            )
        if not dry_run:
            service.save(pulled)
    files = {_shown(file.path): file for file in pulled.files}
    if output == "json":
        print_json(rendered.machine(files, pulled, written=not dry_run))
        return
    for name, file in files.items() if dry_run else ():
        options.stdout().lines(rendered.diff(name, file))
    options.stdout().lines(
        rendered.pull(
            session.target,
            _shown(pulled.folder),
            files,
            pulled,
            written=not dry_run,
            following=f"bac plan{options.env_flag(config, environment)}",
        )
    )


def _shown(path: Path) -> str:
    """A path from the working folder, where it is in there."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
