"""What the doctor knows of the review gate: read from files, and from nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from billing_as_code.config import Config
from billing_as_code.doctor import Gate
from billing_as_code.errors import UsageError
from billing_as_code.gate import approvers, keys
from billing_as_code.gate.approvers import NoApprovers
from billing_as_code.gate.audit import Audit
from billing_as_code.gate.proposals import Proposals
from billing_as_code.gate.store import FileStore

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def guarded(config: Config, environ: Mapping[str, str]) -> Gate:
    """The gate of a project, as it stands. Raises nothing."""
    return _key(_list(_kept(Gate(), config), config, environ), config, environ)


def _kept(seen: Gate, config: Config) -> Gate:
    """With what stands in `.bac/`: proposals, and the trail."""
    proposals = Proposals(FileStore(config.state / "proposals"), 0)
    try:
        trail = Audit(config.state / "audit.jsonl").read()
        tampered = tuple(proposals.tampered())
    except UsageError as error:
        return replace(seen, unreadable=str(error))
    number = len(proposals.digests())
    return replace(seen, proposals=number, tampered=tampered, entries=len(trail.entries), broken=trail.broken)


def _list(seen: Gate, config: Config, environ: Mapping[str, str]) -> Gate:
    """With who may approve."""
    try:
        known = approvers.find(config.root, environ)
    except NoApprovers:
        return replace(seen, missing=True)
    except UsageError as error:
        return replace(seen, trouble=str(error))
    file = Path(known.source)
    written = file if file.is_file() else None  # a list in a branch is no file
    open_to = next((p for p in (written, written.parent) if _others_write(p)), None) if written is not None else None
    return replace(seen, people=known.people, source=known.source, open_list=str(open_to or ""))


def _key(seen: Gate, config: Config, environ: Mapping[str, str]) -> Gate:
    """With the approver's own key, where this machine has one."""
    try:
        file = keys.chosen(None, environ)
        mode, is_private = file.stat().st_mode, file.read_bytes().startswith(b"-----BEGIN")
    except (UsageError, OSError):
        return seen
    inside = Path(os.path.realpath(file)).is_relative_to(os.path.realpath(config.root))
    return replace(
        seen,
        open_key=str(file) if is_private and mode & _OTHERS else "",
        key_inside=str(file) if is_private and inside else "",
    )


def _others_write(path: Path) -> bool:
    """Whether anybody but the owner can put another file there, or write this one; a sticky folder lets nobody."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & _OTHERS_WRITE) and not mode & stat.S_ISVTX
