"""An approver's own key: which one it is, and how it signs.

A key file without a passphrase signs here. One with a passphrase, on a security key, or in an agent (then the file is
the public half) signs through `ssh-keygen -Y sign`, which asks its owner on the terminal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from billing_as_code.errors import UsageError
from billing_as_code.gate import sshsig
from billing_as_code.gate.sshsig import BadSignature, PublicKey

VARIABLE = "BAC_APPROVAL_KEY"
_USUAL = ("id_ed25519_sk", "id_ed25519")


def chosen(key: Path | None, environ: Mapping[str, str]) -> Path:
    """The key file to sign with: the one that is named, else BAC_APPROVAL_KEY, else the usual ones of `~/.ssh`.

    Raises UsageError where there is none.
    """
    if key is not None or environ.get(VARIABLE):
        return (key or Path(environ[VARIABLE])).expanduser()
    folder = Path("~/.ssh").expanduser()
    for name in _USUAL:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        f"no ed25519 key in {folder}. Name one: --key FILE, or make one: ssh-keygen -t ed25519-sk -O verify-required"
    )


def public_key(file: Path) -> PublicKey:
    """The public key of a key file, private or public. Raises UsageError."""
    data = _read(file)
    try:
        if data.startswith(b"-----BEGIN"):
            return sshsig.public_of(data)
        words = data.decode(errors="replace").split()
        return sshsig.public_key(sshsig.decoded(words[1] if len(words) > 1 else ""))
    except BadSignature as error:
        raise UsageError(f"{file}: {error}. An ed25519 key of ssh is wanted (ssh-keygen -t ed25519)") from error


def sign(file: Path, message: bytes, namespace: str) -> str:
    """The signature of a key file. Raises UsageError where the key cannot be used."""
    try:
        return sshsig.sign(_read(file), message, namespace)
    except BadSignature:
        return _through_ssh(file, message, namespace)


def _through_ssh(file: Path, message: bytes, namespace: str) -> str:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError(f"{file} needs ssh-keygen to sign (it has a passphrase, or is not here), which is not there")
    with tempfile.TemporaryDirectory(prefix="bac-") as folder:
        to_sign = Path(folder) / "message"
        to_sign.write_bytes(message)
        command = [program, "-q", "-Y", "sign", "-n", namespace, "-f", os.fspath(file), os.fspath(to_sign)]
        if subprocess.run(command, check=False).returncode != 0:
            raise UsageError(f"ssh-keygen did not sign with {file}")
        return (Path(folder) / "message.sig").read_text()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}. It is the key that signs the decision (--key FILE)") from error
