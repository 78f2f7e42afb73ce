"""The little of git that is needed: files as they stand in a branch or a commit, and a commit that touches no work
tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from billing_as_code.errors import UsageError

_REMOTE = "refs/remotes/"
_NOBODY = "0" * 40
_SECONDS = 60
_MOST_BYTES = 256 * 2**20
_FILES, _LINK = ("100644", "100755"), "120000"


class Repository:
    """The repository that a folder is in. `root` is the top of its work tree."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, folder: Path) -> Repository | None:
        """That of a folder; None where it is in none, or there is no git."""
        if shutil.which("git") is None:
            return None
        done = _run(folder, "rev-parse", "--show-toplevel")
        return cls(Path(os.path.realpath(done.out.strip()))) if done.code == 0 else None

    def remote_file(self, ref: str, path: str) -> str:
        """A file as it stands in a branch of a remote, as last fetched. Raises UsageError."""
        where = f"git:{ref}:{path}"
        name = _run(self.root, "rev-parse", "--symbolic-full-name", "--end-of-options", ref)
        full = name.out.strip().splitlines()[-1:] if name.code == 0 else []
        if not full:
            raise UsageError(f"{where}: there is no branch {ref}. Fetch it: git fetch")
        if not full[0].startswith(_REMOTE):
            raise UsageError(
                f"{where}: {ref} is no branch of a remote, so whoever commits here could write it. "
                f"Name the protected branch as it was fetched, such as git:origin/main:{path}"
            )
        shown = _run(self.root, "cat-file", "blob", f"{full[0]}:{path}")
        if shown.code != 0:
            raise UsageError(f"{where}: {ref} has no file {path}")
        return shown.out

    def resolved(self, ref: str) -> str:
        """The id of a commit. Raises UsageError where there is none of that name here."""
        found = _run(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if found.code != 0:
            raise UsageError(
                f"{ref} is no commit here. A shallow clone has few: fetch it, or more of the history "
                "(actions/checkout: fetch-depth: 0; GitLab: GIT_DEPTH: 0)"
            )
        return found.out.strip()

    def parents(self, ref: str) -> tuple[str, ...]:
        """The ids of a commit's parents, as far as this clone has them."""
        shown = self._git("rev-list", "--parents", "--max-count=1", "--end-of-options", ref, "--")
        return tuple(shown.split()[1:])

    def write_out(self, ref: str, paths: Sequence[Path], folder: Path) -> None:
        """Write what stands at these paths (from the top) in a commit below an empty folder, links as links.

        Raises UsageError where there is no such commit, or more than `_MOST_BYTES`.
        """
        commit, names = self.resolved(ref), [p.as_posix() for p in paths]
        listed = self._git("ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", *names)
        entries: list[tuple[str, str, PurePosixPath]] = []
        size = 0
        for row in filter(None, listed.split("\0")):
            about, _, name = row.partition("\t")
            mode, _, blob, length = about.split()
            path = PurePosixPath(name)
            if mode not in (*_FILES, _LINK) or path.is_absolute() or {"..", ".git"} & set(path.parts):
                continue
            size += int(length)
            entries.append((mode, blob, path))
        if size > _MOST_BYTES:
            raise UsageError(f"{ref[:12]} has more than {_MOST_BYTES // 2**20} MB at {', '.join(names)}")
        contents = self._blobs([blob for _, blob, _ in entries])
        # links last: nothing is written through one
        for mode, blob, path in sorted(entries, key=lambda e: e[0] == _LINK):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if mode == _LINK:
                file.symlink_to(os.fsdecode(contents[blob]))
            else:
                file.write_bytes(contents[blob])

    def _blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        done = _run_bytes(self.root, "cat-file", "--batch", given="".join(f"{i}\n" for i in ids))
        found: dict[str, bytes] = {}
        at = 0
        for blob in ids:
            end = done.index(b"\n", at)
            length = int(done[at:end].split()[2])
            found[blob] = done[end + 1 : end + 1 + length]
            at = end + 2 + length
        return found

    def base(self, ref: str) -> str:
        """The id of the commit that HEAD and another have come from, or of that other where they share none (a shallow
        clone). Raises UsageError."""
        commit = self.resolved(ref)
        found = _run(self.root, "merge-base", "HEAD", commit)
        return found.out.split()[0] if found.code == 0 and found.out.strip() else commit

    def is_changed(self, folder: Path) -> bool:
        """Whether anything in a folder is not as it was committed."""
        done = self._git("status", "--porcelain", "--untracked-files=all", "--", os.fspath(folder))
        return bool(done.strip())

    def commit(self, branch: str, files: Mapping[Path, str | None], message: str) -> str:
        """A commit on HEAD with these files (None: without), as a new branch; its id.

        Neither the work tree nor the index is touched, no hook runs, and nothing is pushed. A branch of that name
        that has the same files already stays as it is. Raises UsageError.
        """
        head = self._git("rev-parse", "--verify", "HEAD^{commit}").strip()
        tree = self._tree(head, files)
        ref = f"refs/heads/{branch}"
        there = _run(self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{tree}}")
        if there.code == 0:
            if there.out.strip() != tree:
                raise UsageError(f"there is a branch {branch} already, of something else. Rename or delete it")
            return self._git("rev-parse", ref).strip()
        made = self._git(*self._identity(), "commit-tree", tree, "-p", head, "-F", "-", given=message).strip()
        self._git("update-ref", ref, made, _NOBODY)
        return made

    def _tree(self, head: str, files: Mapping[Path, str | None]) -> str:
        with tempfile.TemporaryDirectory(prefix="bac-") as folder:
            index = {"GIT_INDEX_FILE": os.fspath(Path(folder) / "index")}
            self._git("read-tree", head, env=index)
            for path, text in files.items():
                real = Path(os.path.realpath(path))
                if not real.is_relative_to(self.root):
                    raise UsageError(f"{path} is outside of the repository {self.root}, so no commit can hold it")
                name = real.relative_to(self.root).as_posix()
                if text is None:
                    self._git("update-index", "--force-remove", "--", name, env=index)
                    continue
                blob = self._git("hash-object", "-w", "--no-filters", "--stdin", given=text).strip()
                self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", env=index)
            return self._git("write-tree", env=index).strip()

    def _identity(self) -> list[str]:
        """Who commits, where git has not been told."""
        known = _run(self.root, "config", "user.email").out.strip()
        return [] if known else ["-c", "user.name=bac", "-c", "user.email=bac@localhost"]

    def _git(self, *args: str, given: str = "", env: Mapping[str, str] | None = None) -> str:
        done = _run(self.root, *args, given=given, env=env)
        if done.code != 0:
            said = done.err.strip().splitlines()
            raise UsageError(f"git {args[0]} failed in {self.root}: {said[0] if said else done.code}")
        return done.out


class _Done(NamedTuple):
    code: int
    out: str
    err: str


def _run(folder: Path, *args: str, given: str = "", env: Mapping[str, str] | None = None) -> _Done:
    code, out, err = _called(folder, args, given, env)
    return _Done(code, out.decode(errors="surrogateescape"), err.decode(errors="replace"))


def _run_bytes(folder: Path, *args: str, given: str) -> bytes:
    """The same for an answer that is no text. Raises UsageError."""
    code, out, err = _called(folder, args, given, None)
    if code != 0:
        said = err.decode(errors="replace").strip().splitlines()
        raise UsageError(f"git {args[0]} failed in {folder}: {said[0] if said else code}")
    return out


def _called(folder: Path, args: Sequence[str], given: str, env: Mapping[str, str] | None) -> tuple[int, bytes, bytes]:
    # not the repository of a hook that runs bac
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(("GIT_AUTHOR", "GIT_COMM"))}
    kept |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | dict(env or {})
    pipe = subprocess.PIPE
    with subprocess.Popen(["git", *args], cwd=folder, env=kept, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            out, err = process.communicate(given.encode(), timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise UsageError(f"git {args[0]} does not end in {folder}") from error
    return process.returncode, out, err
