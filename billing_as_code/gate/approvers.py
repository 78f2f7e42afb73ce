"""Whose signatures count: a file in ssh's allowed_signers form, from where whoever proposes cannot write.

    ada@example.com namespaces="bac-approval-v1" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5...
    grace@example.com valid-before="20270101" sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5...

It comes from BAC_APPROVERS (a path, or `git:REF:PATH` for a branch of a remote), else from `bac/approvers` in the
user's configuration folder. A path in the work tree is refused.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from billing_as_code.errors import UsageError
from billing_as_code.gate import sshsig
from billing_as_code.gate.repository import Repository
from billing_as_code.gate.sshsig import BadSignature, PublicKey

VARIABLE = "BAC_APPROVERS"
NAMESPACE = "bac-approval-v1"
_GIT = "git:"
_OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?(?:,|(?=\s))')
_TYPE = re.compile(r"(sk-)?(ssh|ecdsa)-")
_TIME = re.compile(r"\d{8}(\d{4}(\d{2})?)?Z?")
_MOST = 2**20


class NoApprovers(UsageError):
    """There is no list that could be read."""


@dataclass(frozen=True, slots=True)
class Approver:
    """One line: who it is, the key, and for which times it counts (seconds since 1970, both ends)."""

    name: str
    key: PublicKey
    since: int | None = None
    until: int | None = None

    def counts_at(self, at: int) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Approvers:
    """All approvers, and where they are written."""

    source: str
    all: tuple[Approver, ...]

    def of(self, name: str, key: PublicKey) -> Approver | None:
        """The approver of this name with this key."""
        return next((a for a in self.all if a.name == name and a.key == key), None)

    def person(self, name: str) -> frozenset[str]:
        """Everything that the person of a name goes by: names and keys of lines that have one in common with it. Names
        are in lower case."""
        marks = {name.casefold()}
        lines = [{a.name.casefold(), a.key.fingerprint} for a in self.all]
        while more := {mark for line in lines if line & marks for mark in line} - marks:
            marks |= more
        return frozenset(marks)

    @property
    def people(self) -> int:
        """How many people they are."""
        return len({self.person(a.name) for a in self.all})

    def with_key(self, key: PublicKey) -> Approver | None:
        """The first approver with this key."""
        return next((a for a in self.all if a.key == key), None)


def find(root: Path, environ: Mapping[str, str]) -> Approvers:
    """The approvers of a project at `root`. Raises UsageError where there are none, or in the work tree."""
    named = environ.get(VARIABLE, "").strip()
    if named.startswith(_GIT):
        ref, _, path = named.removeprefix(_GIT).rpartition(":")
        repository = Repository.around(root)
        if not ref or not path or repository is None:
            raise UsageError(f"{VARIABLE}={named}: write git:REMOTE/BRANCH:PATH, in a repository of git")
        return Approvers(named, parse(repository.remote_file(ref, path), named))
    file = Path(named).expanduser() if named else _usual(environ)
    real = Path(os.path.realpath(file))
    if real.is_relative_to(_work_tree(root)):
        raise UsageError(
            f"{file} is in the work tree, where whoever proposes a change can write it. Keep the approvers "
            f"outside, or as they stand in a protected branch: {VARIABLE}=git:origin/main:.bac/approvers"
        )
    try:
        data = real.read_bytes()
        if real.stat().st_mode & stat.S_IWOTH:
            raise UsageError(f"{file} can be written by anybody. Take that right away: chmod o-w {file}")
    except OSError as error:
        raise NoApprovers(
            f"no approvers: {file}: {error.strerror}. It holds a line for each, NAME ssh-ed25519 KEY, or {VARIABLE} "
            "names where they are"
        ) from error
    return Approvers(os.fspath(file), parse(data.decode(errors="replace"), os.fspath(file)))


def _work_tree(root: Path) -> Path:
    """The top of the work tree that a folder is in, whatever git says of it; the folder itself where it is in none."""
    folder = Path(os.path.realpath(root))
    return next((f for f in (folder, *folder.parents) if (f / ".git").exists()), folder)


def _usual(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.config").expanduser()) / "bac" / "approvers"


# -- the file --------------------------------------------------------------------------------------


def parse(text: str, source: str) -> tuple[Approver, ...]:
    """The approvers in a text. Raises UsageError at a line that is not wholly understood: it might take one away."""
    if len(text) > _MOST:
        raise UsageError(f"{source} is larger than a list of approvers is")
    found: list[Approver] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found += _line(line.strip())
            except BadSignature as error:
                raise UsageError(f"{source}:{number}: {error}") from error
    if not found:
        raise UsageError(f"{source} names no approvers. Write a line for each: NAME ssh-ed25519 KEY")
    return tuple(found)


def _line(line: str) -> Sequence[Approver]:
    names, _, rest = line.partition(" ")
    since = until = None
    if not _TYPE.match(rest.lstrip()):
        options, rest = _options(rest.lstrip())
        namespaces = options.pop("namespaces", None)
        since, until = (_time(options.pop(name, None)) for name in ("valid-after", "valid-before"))
        if options:
            raise BadSignature(f"the option {next(iter(options))} is not known (namespaces, valid-after, valid-before)")
        if namespaces is not None and not any(fnmatchcase(NAMESPACE, p.strip()) for p in namespaces.split(",")):
            return ()
    words = rest.split()
    if len(words) < 2 or words[0] not in sshsig.TYPES:
        raise BadSignature("is no line of an approver: NAME ssh-ed25519 KEY (ed25519 keys count, and no others)")
    key = sshsig.public_key(sshsig.decoded(words[1]))
    if key.type != words[0]:
        raise BadSignature(f"says {words[0]} and holds a {key.type}")
    if "*" in names or "?" in names or "!" in names:
        raise BadSignature("a pattern is no name: write each approver out")
    return [Approver(name.strip('"'), key, since, until) for name in names.split(",") if name]


def _options(text: str) -> tuple[dict[str, str], str]:
    found: dict[str, str] = {}
    at = 0
    while match := _OPTION.match(text, at):
        name, value = match.groups()
        if name in found or value is None:
            raise BadSignature(f"the option {name} is not known, or stands twice")
        found[name] = value
        at = match.end()
        if at < len(text) and text[at].isspace():
            break
    return found, text[at:].lstrip()


def _time(text: str | None) -> int | None:
    """YYYYMMDD[HHMM[SS]][Z], in UTC: an approval is made on one machine and checked on another."""
    if text is None:
        return None
    if not _TIME.fullmatch(text):
        raise BadSignature(f"{text} is no time (YYYYMMDD or YYYYMMDDHHMMSS)")
    digits = text.rstrip("Z")
    try:
        return int(datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise BadSignature(f"{text} is no time") from error
