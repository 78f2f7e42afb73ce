"""`bac` on a terminal, with somebody who types."""

from __future__ import annotations

import contextlib
import os
import pty

from commands import BAC


def on_a_terminal(answer: str, *args: str) -> tuple[str, int]:
    """What `bac` shows on a terminal where somebody types an answer to its question, and its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(BAC[0], [*BAC, *args])
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal's output with an error
        while part := os.read(terminal, 4096):
            shown += part
            if b" to go on: " in part:
                os.write(terminal, f"{answer}\n".encode())
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(status)
