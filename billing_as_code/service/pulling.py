"""Pull: what is live, written into the catalog's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from billing_as_code import live as live_state
from billing_as_code.authoring import Layout
from billing_as_code.authoring.adoption import Adoption, Terms
from billing_as_code.authoring.draft import Draft
from billing_as_code.authoring.rounds import Rounds
from billing_as_code.catalog.saving import write
from billing_as_code.collecting import uncollected
from billing_as_code.errors import PlanError, UsageError
from billing_as_code.kinds.base import LABEL_PREFIX, Item, Kind
from billing_as_code.live import Progress
from billing_as_code.model import Address, Resource, State
from billing_as_code.plan import Plan, within
from billing_as_code.service.planning import compared
from billing_as_code.service.session import Session


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as it is (None: not there) and as it is to be."""

    path: Path
    before: str | None
    after: str


@dataclass(slots=True)
class Pulled:
    """What a pull found and would write.

    `untold` are (name, why) pairs: what is live and cannot be in a catalog. `others` says whose the rest is that was
    asked for and left out. `not_live` is what the catalog declares and OpenMeter does not have. `elsewhere` says how
    many resources change for other environments, which see the same files. `plan` is what the
    catalog then plans, None where that is not known or cannot be planned, for the reasons in `refused`.
    """

    folder: Path
    files: list[FileChange] = field(default_factory=list)
    added: list[Address] = field(default_factory=list)
    changed: list[Address] = field(default_factory=list)
    same: int = 0
    external: list[Address] = field(default_factory=list)
    untold: list[tuple[str, str]] = field(default_factory=list)
    others: dict[Address, str] = field(default_factory=dict)
    not_live: list[Address] = field(default_factory=list)
    elsewhere: dict[str, int] = field(default_factory=dict)
    plan: Plan | None = None
    refused: list[tuple[str, str]] = field(default_factory=list)


def pull(
    session: Session,
    *,
    into: Path | None = None,
    only: Sequence[str] = (),
    sections: Sequence[str] = (),
    layout: Layout | None = None,
    progress: Progress = lambda done, known: None,
) -> Pulled:
    """What the catalog in a folder would have to say for all that is live to be as declared. Writes nothing; `save`
    does.

    `into` is the catalog of bac.yaml where left out. `only` are addresses (or beginnings of some), `sections` kinds:
    what those refer to comes with them. Raises CatalogError where what stands there is no catalog, and UsageError and
    ApiError.
    """
    for name in sections:
        if name not in session.kinds:
            raise UsageError(f"--kind {name}: there is no such section. Sections are {', '.join(session.kinds)}")
    folder = _folder(session, into)
    nameless: list[tuple[str, str]] = []
    with uncollected():
        schemas = Path(os.path.relpath(session.config.root / "schemas", folder)).as_posix()
        environments = session.config.environments
        draft = Draft(folder, session.environment.name, environments, session.kinds, layout, schemas)
        live = _read(session, nameless, progress)
        for scope in only:
            if not any(within(str(address), scope) for address in (*live, *draft.desired)):
                raise UsageError(f"--only {scope}: OpenMeter has no such address, and neither has the catalog")
        before = draft.desired
        owners = {session.config.owner, *session.config.formerly}
        terms = Terms(owners, session.now(), _scope(only, sections))
        rounds = Rounds(draft, live, terms, session.config.ignore)
        adoption = rounds.carried_out()
        pulled = _told(draft, before, adoption)
        pulled.not_live = [a for a, r in before.items() if terms.in_scope(a) and not _stands(r, live, session.kinds)]
        pulled.untold = [(str(a), why) for a, why in rounds.why.items()]
        pulled.untold += _unshown(session, draft, live, terms.in_scope)
        pulled.untold += nameless if not only and not sections else []
        if folder == session.config.catalog:
            _preview(session, draft.desired, live, pulled)
    return pulled


def _scope(only: Sequence[str], sections: Sequence[str]) -> Callable[[Address], bool]:
    """Whether an address is asked for."""

    def in_scope(address: Address) -> bool:
        if sections and address.kind not in sections:
            return False
        return not only or any(within(str(address), scope) for scope in only)

    return in_scope


def _stands(declared: Resource, live: State, kinds: Mapping[str, Kind]) -> bool:
    """Whether what the catalog declares is live, or is not for us to make."""
    have = live.get(declared.address)
    return declared.external or (have is not None and kinds[declared.address.kind].counts(have))


def _told(draft: Draft, before: State, adoption: Adoption) -> Pulled:
    pulled = Pulled(draft.folder, others=adoption.others, elsewhere=draft.elsewhere())
    for path, text in sorted(draft.unsaved.items()):
        was = path.read_bytes().decode() if path.is_file() else None
        if was != text:
            pulled.files.append(FileChange(path, was, text))
    for address in adoption.declared:
        old, now = before.get(address), draft.desired[address]
        if old is None:
            (pulled.external if now.external else pulled.added).append(address)
        elif (old.spec, old.protect) != (now.spec, now.protect):
            pulled.changed.append(address)
        else:
            pulled.same += 1
    order = list(draft.kinds)
    for some in (pulled.added, pulled.external, pulled.changed):
        some.sort(key=lambda address: (order.index(address.kind), address))
    return pulled


def _folder(session: Session, into: Path | None) -> Path:
    own = session.config.catalog
    return own if into is None or into.resolve() == own.resolve() else into.absolute()


def _read(session: Session, nameless: list[tuple[str, str]], progress: Progress) -> State:
    now = session.now()

    def tell(kind: Kind, item: Item, names: Mapping[str, tuple[str, ...]]) -> None:
        if why := kind.nameless(item, names, now):
            nameless.append((f"{kind.singular} {item.get('name') or item['id']}", why))

    return live_state.read(
        session.client, session.kinds, width=session.environment.reads, progress=progress, nameless=tell
    )


def _unshown(
    session: Session, draft: Draft, live: State, in_scope: Callable[[Address], bool]
) -> Iterable[tuple[str, str]]:
    """Metadata of what the catalog declares now that it cannot hold, and that the lists leave out for that reason."""
    found = live_state.unshown(session.client, session.kinds, width=session.environment.reads)
    for address, declared in draft.desired.items():
        have = live.get(address)
        if declared.external or have is None or not in_scope(address) or not found.get(have.id or ""):
            continue
        shown = session.kinds[address.kind].get(have.spec, "metadata")
        for key in sorted(k for k in found[have.id or ""] if k not in shown and not k.startswith(LABEL_PREFIX)):
            yield str(address), f"its metadata `{key}` is no label as a catalog can hold it, and stays as it is"


def save(pulled: Pulled) -> None:
    """Write the files of a pull. Raises UsageError, before anything is written where that can be known."""
    texts = {change.path: change.after for change in pulled.files}
    write(pulled.folder, texts, {change.path: change.before for change in pulled.files})


def _preview(session: Session, desired: State, live: State, pulled: Pulled) -> None:
    """What the catalog then plans."""
    try:
        pulled.plan = compared(session, desired, live)
    except PlanError as error:
        pulled.refused = list(error.reasons)
