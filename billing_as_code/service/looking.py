"""Show and list: what is there, whose it is, and what can be seen of it. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from billing_as_code import live as live_state
from billing_as_code import standing as standings
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.client import path_of
from billing_as_code.collecting import uncollected
from billing_as_code.errors import ApiError, UsageError
from billing_as_code.kinds.base import Kind, Look, Read, Sight
from billing_as_code.live import Progress
from billing_as_code.model import NO_FACTS, Address, Json
from billing_as_code.service.planning import context_of, load_desired, rules_of
from billing_as_code.service.session import Session
from billing_as_code.standing import Seen, Shown, Standing

_TRIES = 2
"""A look that fails is told beside the others, so nobody waits long for one."""


# -- list -----------------------------------------------------------------------------------------------------------


def listing(session: Session, below: str = "", *, progress: Progress = lambda done, known: None) -> list[Standing]:
    """How every address stands, or those of a section or below an address; by kind, then by address.

    Raises UsageError where `below` is neither, CatalogError, ApiError.
    """
    section, above = _branch(below, session.kinds) if below else ("", ())
    found = _everything(session, [section] if section else session.kinds, progress).standings
    rank = {name: n for n, name in enumerate(session.kinds)}
    inside = [
        s
        for s in found.values()
        if not section or (s.address.kind == section and s.address.path[: len(above)] == above)
    ]
    return sorted(inside, key=lambda s: (rank[s.address.kind], s.address))


def _branch(text: str, kinds: Mapping[str, Kind]) -> Address:
    """A section, and the keys that lead to what is wanted of it."""
    section, _, rest = text.partition(".")
    if section not in kinds:
        raise UsageError(f"{text}: there is no section {section!r} ({_section_meant(section, kinds)})")
    if not rest:
        return Address(section, ())
    found = _parsed(text)
    fits = found is not None and len(found.path) <= len(kinds[section].keys)
    return found if found is not None and fits else Address(section, (rest,))


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def _section_meant(word: str, kinds: Mapping[str, Kind]) -> str:
    by_singular = {kind.singular: name for name, kind in kinds.items()}
    meant = by_singular.get(word)
    return f"did you mean `{meant}`?" if meant else Spelling(kinds).remedy(word) or f"one of {', '.join(kinds)}"


@dataclass(frozen=True, slots=True)
class _Everything:
    """Both sides of some kinds, and of what these refer to."""

    sight: Sight
    standings: Mapping[Address, Standing]
    declared: Iterable[Address]


def _everything(session: Session, names: Iterable[str], progress: Progress) -> _Everything:
    with uncollected():
        desired = load_desired(session)
        kinds = live_state.closure(names, session.kinds)
        live = live_state.read(session.client, kinds, width=session.environment.reads, progress=progress)
        known = {a: r for a, r in desired.items() if a.kind in kinds}
        context = context_of(session, known, live)
        found = standings.standings(known, live, session.kinds, rules_of(session), context)
        return _Everything(Sight(live, context.now), {s.address: s for s in found}, desired)


# -- show -----------------------------------------------------------------------------------------------------------


def show(
    session: Session,
    text: str,
    *,
    by: Sequence[str] = (),
    whole: bool = False,
    progress: Progress = lambda done, known: None,
) -> Shown:
    """One address, or the resource of a key alone: how it stands, both sides, and what can be seen of it.

    `by` groups usage; `whole` takes in what is over. A look that fails is told in the answer and hides nothing else.
    Raises UsageError where there is no such thing, CatalogError, ApiError.
    """
    wanted = _meant(text, session.kinds)
    there = _everything(session, dict.fromkeys(a.kind for a in wanted), progress)
    found = [a for a in wanted if a in there.standings]
    if not found:
        raise UsageError(_nowhere(text, wanted, there, session))
    standing = there.standings[found[0]]
    kind = session.kinds[standing.address.kind]
    _check_groupings(kind, standing, by)
    looks: tuple[Look, ...] = ()
    if standing.have is not None and standing.have.id:
        looks = kind.looks(standing.have, replace(there.sight, by=tuple(dict.fromkeys(by)), whole=whole))
    rows = tuple(standings.rows(kind, standing, session.config.ignore))
    return Shown(session.target, standing, rows, tuple(taken(session, looks)), tuple(found[1:]))


def _meant(text: str, kinds: Mapping[str, Kind]) -> list[Address]:
    """The addresses that a text may name: the one that it is, or one of each kind that has a single key.

    Behind the section of such a kind the key may stand as it is, without the quotes that an address has.
    """
    section, _, rest = text.partition(".")
    if text in kinds:
        raise UsageError(f"{text} is a section. `bac list {text}` lists it")
    if section not in kinds:
        return [Address(kind.name, (text,)) for kind in kinds.values() if len(kind.keys) == 1]
    address, kind = _parsed(text), kinds[section]
    if address is not None and len(address.path) == len(kind.keys):
        return [address]
    if len(kind.keys) == 1:
        return [Address(section, (rest,))]
    form = ".".join((kind.name, *(f"<{key}>" for key in kind.keys)))
    if address is None or len(address.path) > len(kind.keys):
        remedy = "Keys with anything but letters, digits and _@+- stand in double quotes"
    else:
        remedy = f"`bac list {text}` lists what is below it"
    raise UsageError(f"{text}: an address of {kind.name} is {form}. {remedy}")


def _nowhere(text: str, wanted: Sequence[Address], there: _Everything, session: Session) -> str:
    """That nothing has this address, and which is the nearest that something has."""
    known = {str(a) for a in (*there.standings, *there.declared)}
    nearest = Spelling(known).nearest(text)
    if nearest is None and len(wanted) > 1:
        by_key = {a.path[0]: str(a) for a in there.standings if len(a.path) == 1}
        nearest = by_key.get(Spelling(by_key).nearest(text) or "")
    section = text.split(".", 1)[0]
    if nearest is None and len(wanted) > 1 and "." in text:
        return f"{text}: there is no section {section!r} ({_section_meant(section, session.kinds)})"
    remedy = f"did you mean `{nearest}`?" if nearest else "`bac list` shows what there is"
    return f"{text} is neither in the catalog nor in {session.environment.name} ({remedy})"


def _check_groupings(kind: Kind, standing: Standing, by: Sequence[str]) -> None:
    if not by:
        return
    known = kind.groupings(standing.have) if standing.have is not None else ()
    for name in by:
        if not known:
            raise UsageError(f"--by {name}: nothing of {standing.address} can be grouped")
        if name not in known:
            meant = Spelling(known).remedy(name) or f"one of {', '.join(known)}"
            raise UsageError(f"--by {name}: {standing.address} has no such dimension ({meant})")


def taken(session: Session, looks: Sequence[Look], known: Mapping[str, Json] = NO_FACTS) -> Iterable[Seen]:
    """Each look, with every read made once, all at the same time. One that fails says why, and hides no other.

    `known` are answers that need not be asked for, by the read's name.
    """
    answers = _answers(session, looks, known)
    for look in looks:
        failed = [a for r in look.reads if isinstance(a := answers[r.name], ApiError)]
        if failed:
            yield Seen(look.name, look.title, None, str(failed[0]))
            continue
        try:
            yield Seen(look.name, look.title, look.shape(answers))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            asked = ", ".join(f"GET {path_of(read)}" for read in look.reads)
            what = f"the answer is not as OpenMeter gives it ({type(error).__name__}: {error})"
            yield Seen(look.name, look.title, None, f"{asked}: {what}" if asked else what)


def _answers(session: Session, looks: Sequence[Look], known: Mapping[str, Json]) -> dict[str, Json | ApiError]:
    reads: dict[str, Read] = {}
    for read in (read for look in looks for read in look.reads if read.name not in known):
        reads.setdefault(read.name, read)
    if len(reads) < 2:
        return {**known, **{name: _answer(session, read) for name, read in reads.items()}}
    with ThreadPoolExecutor(min(len(reads), session.environment.reads)) as pool:
        asked = pool.map(lambda read: _answer(session, read), reads.values())
        return {**known, **dict(zip(reads, asked, strict=True))}


def _answer(session: Session, read: Read) -> Json | ApiError:
    try:
        return session.client.get(path_of(read), read.query, tries=_TRIES)
    except ApiError as error:
        return error
