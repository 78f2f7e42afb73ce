"""Write the README's conversation with an agent, from a real one, or check that it is what happens now.

python scripts/transcript.py [--check]
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from mcp import Client, StdioServerParameters

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
BIN = Path(sys.executable).parent
BEGIN, END = "<!-- from scripts/transcript.py -->\n```text\n", "```\n<!-- its end -->\n"
WIDTH = 100
RESOURCE = "entitlements.papermill.api_requests"
EDIT = {
    "address": RESOURCE,
    "spec": {
        "type": "metered",
        "usage_period": {"interval": "month"},
        "issue": {"amount": 80000},
        "is_soft_limit": True,
    },
}
_VARIES = re.compile(
    r"\b[0-9a-f]{12,64}\b|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?: UTC|Z)?|SHA256:[\w+/]+|\b[0-9a-f]{7}\b"
)
_PROGRESS = re.compile(r"[^\n]*\r\x1b\[K")
"""A line that says how far a command is, which is taken away again."""
_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bac-transcript-") as name:
        told = "\n".join(_conversation(Path(name))) + "\n"
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    was, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"README.md has no place for it: {BEGIN!r} and {END!r}")
    if "--check" in sys.argv:
        if _VARIES.sub("", was) != _VARIES.sub("", told):
            sys.stderr.write("README.md does not show what agents do now: run python scripts/transcript.py\n")
            return 1
        return 0
    README.write_text(before + BEGIN + told + END + after, encoding="utf-8")
    return 0


def _conversation(folder: Path) -> Iterator[str]:
    project, environ = _project(folder)

    def run(*command: str, typed: str = "") -> list[str]:
        return _on_a_terminal(project, environ, command, typed)

    wish = "Papermill asked for 80,000 requests a month"
    told = _call(project, environ, "plan_changes", {"edits": [EDIT], "why": wish})
    change = told["changes"][0]
    digest = told["digest"]
    yield from _asked("plan_changes", {"edits": [EDIT], "why": wish})
    yield from _shown(
        {
            "digest": f"{digest[:12]}…",
            "severity": told["severity"],
            "address": change["address"],
            "fields": [{name: field[name] for name in ("field", "before", "after")} for field in change["fields"]],
            "proposal": told["proposal"]["state"],
            "next": told["next"],
        }
    )
    given = {"digest": f"{digest[:12]}…"}
    yield ""
    yield from _asked("apply_changes", given)
    refused = _call(project, environ, "apply_changes", {"digest": digest})
    yield from _shown({name: refused[name] for name in ("code", "message", "next")})
    yield f"\n$ bac approve {digest[:12]}"
    yield from run("bac", "approve", digest[:12], typed="yes")
    yield ""
    yield from _asked("apply_changes", given)
    done = _call(project, environ, "apply_changes", {"digest": digest})
    yield from _shown({name: done[name] for name in ("status", "done")})
    yield "\n$ git diff --stat"
    yield from run("git", "diff", "--stat")
    yield "\n$ bac plan"
    yield from run("bac", "plan")
    yield "\n$ bac audit"
    yield from run("bac", "audit")


def _project(folder: Path) -> tuple[Path, dict[str, str]]:
    """The sample catalog, applied and committed, and an approver."""
    project = folder / "billing"
    shutil.copytree(PROJECT / "catalog", project / "catalog")
    shutil.copy(PROJECT / "bac.yaml", project)
    (project / ".gitignore").write_text(".bac/\n")
    key, approvers = folder / "key", folder / "approvers"
    made = Ed25519PrivateKey.generate()
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    approvers.write_text(f"grace@lumen.example {public}\n")
    environ = {
        k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR") and not k.startswith(("BAC_", "GIT_"))
    }
    environ |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "BAC_ENV": "local", "HOME": str(folder)}
    environ |= {"BAC_APPROVERS": str(approvers), "BAC_APPROVAL_KEY": str(key), "USER": "ada", "LOGNAME": "ada"}
    environ |= {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(WIDTH), "GIT_PAGER": "cat"}
    author = ["-c", "user.name=ada", "-c", "user.email=ada@lumen.example"]
    for command in (
        ["bac", "apply", "--yes"],
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", *author, "commit", "--quiet", "--message", "As it stands"],
    ):
        subprocess.run(command, cwd=project, env=environ, check=True, stdout=subprocess.DEVNULL)
    return project, environ


def _call(project: Path, environ: Mapping[str, str], tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a tool, of `bac mcp` as an agent's program starts it."""
    server = StdioServerParameters(command=str(BIN / "bac"), args=["mcp"], cwd=project, env=dict(environ))

    async def ask() -> Any:
        async with Client(server) as client:
            return await client.call_tool(tool, dict(arguments))

    facts: dict[str, Any] = anyio.run(ask).structured_content
    return facts


def _on_a_terminal(project: Path, environ: Mapping[str, str], command: Sequence[str], typed: str) -> list[str]:
    """The lines that a command leaves on a terminal, where somebody types an answer to its question if it has one."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=project, env=dict(environ), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, is_typed = b"", False
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        shown += part
        if typed and not is_typed and shown.endswith(b" to go on: "):
            os.write(ours, f"{typed}\n".encode())
            is_typed = True
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed:\n{shown.decode()}")
    text = _PROGRESS.sub("", shown.decode().replace("\r\n", "\n"))
    text = _CODES.sub("", text)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _asked(tool: str, arguments: Mapping[str, Any]) -> list[str]:
    text = f"agent: {tool} {json.dumps(arguments, ensure_ascii=False)}"
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ")


def _shown(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield from textwrap.wrap(f"{name}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ")


if __name__ == "__main__":
    raise SystemExit(main())
