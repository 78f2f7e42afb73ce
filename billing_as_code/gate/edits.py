"""Edits of a catalog: a list of {address, spec}, laid over what the files say without touching them.

A spec is a whole resource as YAML would write it, None to take it out. It is judged as the catalog is, and what is
wrong with it names its address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from billing_as_code.catalog.layers import Entry
from billing_as_code.catalog.load import Edits
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.errors import EDITS, CatalogError, Problem
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address, Json, Place
from billing_as_code.reader import read

MOST = 500
"""So many edits at a time; more are work for files and a pull request."""
_UNUSUAL = re.compile(r"[^\x20-\x7e]")


def parse(asked: Json, kinds: Mapping[str, Kind]) -> dict[Address, Json]:
    """The edits by address, as they were asked for. Raises CatalogError with everything that is wrong with the list."""
    problems: list[Problem] = []
    found: dict[Address, Json] = {}
    if not isinstance(asked, Sequence) or isinstance(asked, str | bytes):
        raise CatalogError([_problem("", "is no list", '[{"address": "customers.acme", "spec": {"name": "ACME"}}]')])
    if len(asked) > MOST:
        raise CatalogError([_problem("", f"{len(asked):,} edits are more than {MOST}", "edit the files, and plan")])
    for n, edit in enumerate(asked):
        if not isinstance(edit, Mapping) or edit.keys() != {"address", "spec"} or not isinstance(edit["address"], str):
            problems.append(_problem("", f"edit {n + 1} is not an address and a spec", '{"address": ..., "spec": ...}'))
            continue
        text, spec = edit["address"], edit["spec"]
        try:
            address = Address.parse(text)
        except (ValueError, RecursionError):
            problems.append(_problem(text, "is no address", "write one like entitlements.acme.ai_tokens"))
            continue
        problems += _misplaced(address, kinds)
        if not isinstance(spec, Mapping | None):
            problems.append(_problem(text, "`spec` is neither a map of fields nor null", "{} for nothing but defaults"))
        if address in found:
            problems.append(_problem(text, "is edited twice", "keep one of the edits"))
        found[address] = spec
    if problems:
        raise CatalogError(problems)
    return found


def _misplaced(address: Address, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    kind = kinds.get(address.kind)
    if kind is None:
        remedy = Spelling(kinds).remedy(address.kind) or f"sections are {', '.join(kinds)}"
        yield _problem(str(address), f"there is no section `{address.kind}`", remedy)
    elif len(address.path) != len(kind.keys):
        written = ".".join([kind.name, *(f"<{key}>" for key in kind.keys)])
        yield _problem(str(address), f"is no address of a {kind.singular}", f"they are written as {written}")


def entries(edits: Mapping[Address, Json]) -> Edits:
    """The edits as the catalog's loader takes them. Raises CatalogError where a spec is nothing that YAML can say."""
    found: dict[Address, Entry] = {}
    problems: list[Problem] = []
    for address, spec in edits.items():
        if spec is None:
            found[address] = Entry(None, Place(EDITS, 0, 0))
            continue
        try:
            text = json.dumps({"spec": spec}, ensure_ascii=False, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            problems.append(_problem(str(address), "holds what JSON cannot carry", "finite numbers, no deep nesting"))
            continue
        # every JSON text is YAML once what YAML cannot print is escaped as YAML does it
        root, wrong = read(EDITS, _UNUSUAL.sub(lambda m: f"\\U{ord(m.group()):08x}", text).encode())
        problems += [_problem(str(address), p.message, p.remedy) for p in wrong]
        if root is not None:
            found[address] = Entry(root["spec"], Place(EDITS, 0, 0))
    if problems:
        raise CatalogError(problems)
    return found


def placeless(error: CatalogError) -> CatalogError:
    """The same problems; those of edits without line and column, since nobody has written those."""
    theirs = [replace(p, line=0, column=0) for p in error.problems if p.file == EDITS]
    return CatalogError([*sorted(theirs, key=str), *(p for p in error.problems if p.file != EDITS)])


def _problem(address: str, message: str, remedy: str) -> Problem:
    return Problem(EDITS, 0, 0, address, message, remedy)


def laid_over(below: Mapping[Address, Json], above: Mapping[Address, Json]) -> dict[Address, Any]:
    """Both lists of edits as one: where both speak of an address, the later one counts."""
    return {**below, **above}
